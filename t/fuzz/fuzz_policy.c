#include <stdlib.h>

#include "base/policy.h"

/* The file that tells blob-tier what nginx.conf says. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
    if (!ok) {
        abort();
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t out[512 * 1024], again[512 * 1024];
    char text[512];
    policy_t policy, second;
    writer_t err, w, v;

    if (size > 64 * 1024) {
        return 0;
    }

    writer_init_fixed(&err, text, sizeof(text));

    if (policy_parse(view_of(data, size), &policy, &err) != TIER_OK) {
        must(err.len != 0);
        return 0;
    }

    /* what is published is read back as the same */
    writer_init_fixed(&w, out, sizeof(out));
    policy_format(&w, &policy);
    must(writer_ok(&w));
    must(policy_parse(writer_view(&w), &second, &err) == TIER_OK);
    writer_init_fixed(&v, again, sizeof(again));
    policy_format(&v, &second);
    must(view_eq(writer_view(&w), writer_view(&v)));

    for (unsigned i = 0; i < policy.naccounts; i++) {
        policy_rule_t rule =
            policy_lookup(&policy.accounts[i], VIEW("con"), VIEW("a/b"));

        must(rule.write != WRITE_UNSET && rule.fresh_ms >= 0);
    }

    policy_free(&policy);
    policy_free(&second);
    return 0;
}
