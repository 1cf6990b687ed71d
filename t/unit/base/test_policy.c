#include <string.h>

#include "unit.h"

#include "base/policy.h"


static const char sample[] = "blob-edge-policy 1\n"
                             "size 2199023255552\n"
                             "dirty 500\n"
                             "keep_clean_ms 0\n"
                             "account lake\n"
                             "  key file:/run/secrets/lake.key\n"
                             "  key c2Vjb25k\n"
                             "  origin https://lake.blob.core.windows.net\n"
                             "  origin_account lake2\n"
                             "  origin_key b3JpZ2lu\n"
                             "  copy_source *.blob.core.windows.net\n"
                             "  copy_source 10.0.0.0/8\n"
                             "  write through\n"
                             "  container datasets\n"
                             "    write off\n"
                             "    fresh_ms 3600000\n"
                             "  prefix datasets/a%20b/%25\n"
                             "    order none\n"
                             "    write back\n"
                             "  prefix datasets/a%20b/%25/deep\n"
                             "    conflict hold\n"
                             "account second\n"
                             "  key c2Vjb25k\n";


static tier_rc_t
parse(const char *text, policy_t *policy, char *err, size_t cap)
{
    writer_t w;
    tier_rc_t rc;

    writer_init_fixed(&w, err, cap - 1);
    rc = policy_parse(view_str(text), policy, &w);
    err[w.len] = '\0';
    return rc;
}


static void
parsed(void **state)
{
    policy_t p;
    char err[256];

    (void) state;
    assert_int_equal(parse(sample, &p, err, sizeof(err)), TIER_OK);
    assert_true(p.size_bytes == 2199023255552ull);
    assert_int_equal(p.dirty_bytes, 500);
    assert_int_equal(p.naccounts, 2);

    const policy_account_t *a = policy_account(&p, VIEW("lake"));

    assert_ptr_equal(a, &p.accounts[0]);
    assert_int_equal(a->nkeys, 2);
    assert_view(a->keys[0], "file:/run/secrets/lake.key");
    assert_view(a->keys[1], "c2Vjb25k");
    assert_view(a->origin, "https://lake.blob.core.windows.net");
    assert_view(a->origin_account, "lake2");
    assert_view(a->origin_key, "b3JpZ2lu");
    assert_view(a->origin_sas, NULL);
    assert_int_equal(a->nsources, 2);
    assert_view(a->sources[0], "*.blob.core.windows.net");
    assert_view(a->sources[1], "10.0.0.0/8");
    assert_int_equal(p.accounts[1].nsources, 0);
    assert_int_equal(a->nrules, 4);
    assert_view(a->rules[2].container, "datasets");
    assert_view(a->rules[2].prefix, "a b/%");
    assert_int_equal(a->rules[2].fresh_ms, -1);
    assert_int_equal(a->rules[2].ordered, 0);
    assert_null(policy_account(&p, VIEW("Lake")));
    assert_null(policy_account(&p, VIEW("lake2")));
    policy_free(&p);
    assert_int_equal(p.naccounts, 0);
}


static void
round_trip(void **state)
{
    policy_t p;
    char err[256], out[2048];
    writer_t w;

    (void) state;
    assert_int_equal(parse(sample, &p, err, sizeof(err)), TIER_OK);
    writer_init_fixed(&w, out, sizeof(out));
    policy_format(&w, &p);
    assert_true(writer_ok(&w));

    policy_t again;
    writer_t e;

    writer_init_fixed(&e, err, sizeof(err));
    assert_int_equal(policy_parse(writer_view(&w), &again, &e), TIER_OK);
    assert_int_equal(again.naccounts, 2);
    assert_view(again.accounts[0].rules[3].prefix, "a b/%/deep");
    assert_int_equal(again.accounts[0].rules[3].conflict, CONFLICT_HOLD);

    char out2[2048];
    writer_t w2;

    writer_init_fixed(&w2, out2, sizeof(out2));
    policy_format(&w2, &again);
    assert_true(view_eq(writer_view(&w), writer_view(&w2)));
    policy_free(&p);
    policy_free(&again);
}


static void
longest_match(void **state)
{
    policy_t p;
    char err[256];

    (void) state;
    assert_int_equal(parse(sample, &p, err, sizeof(err)), TIER_OK);

    const policy_account_t *a = &p.accounts[0];
    policy_rule_t r = policy_lookup(a, VIEW("other"), VIEW("x"));

    assert_int_equal(r.write, WRITE_THROUGH);
    assert_int_equal(r.fresh_ms, 10000);
    assert_int_equal(r.conflict, CONFLICT_KEEP_BOTH);
    assert_int_equal(r.ordered, 1);

    r = policy_lookup(a, VIEW("datasets"), VIEW("x"));
    assert_int_equal(r.write, WRITE_OFF);
    assert_int_equal(r.fresh_ms, 3600000);

    r = policy_lookup(a, VIEW("datasets"), VIEW("a b/%/x"));
    assert_int_equal(r.write, WRITE_BACK);
    assert_int_equal(r.fresh_ms, 3600000); /* each setting on its own */
    assert_int_equal(r.ordered, 0);
    assert_int_equal(r.conflict, CONFLICT_KEEP_BOTH);

    r = policy_lookup(a, VIEW("datasets"), VIEW("a b/%/deep/er"));
    assert_int_equal(r.conflict, CONFLICT_HOLD);
    assert_int_equal(r.write, WRITE_BACK);

    r = policy_lookup(a, VIEW("datasets"), VIEW("a b"));
    assert_int_equal(r.write, WRITE_OFF);
    r = policy_lookup(a, VIEW("datasetsx"), VIEW("a b/%/x"));
    assert_int_equal(r.write, WRITE_THROUGH);

    r = policy_lookup(&p.accounts[1], VIEW("any"), VIEW(""));
    assert_int_equal(r.write, WRITE_BACK);

    /* one that has no rules at all */
    policy_account_t bare = { .name = VIEW("bare") };

    r = policy_lookup(&bare, VIEW("any"), VIEW("thing"));
    assert_int_equal(r.write, WRITE_BACK);
    assert_int_equal(r.fresh_ms, 10000);
    policy_free(&p);
}


static void
wrong(void **state)
{
    static const struct {
        const char *text;
        tier_rc_t rc;
        const char *err;
    } cases[] = {
        { "", TIER_EINVAL, "line 1: " },
        { "blob-edge-policy 2\n", TIER_EVERSION, "line 1: " },
        { "blob-edge-policy 1\nnonsense 3\n", TIER_EINVAL,
          "line 2: unknown setting" },
        { "blob-edge-policy 1\n\nsize x\n", TIER_EINVAL,
          "line 3: not a number" },
        { "blob-edge-policy 1\nwrite back\n", TIER_EINVAL, "line 2: " },
        { "blob-edge-policy 1\naccount a\nwrite sideways\n", TIER_EINVAL,
          "line 3: unknown value" },
        { "blob-edge-policy 1\naccount a\naccount a\n", TIER_EINVAL,
          "line 3: " },
        { "blob-edge-policy 1\naccount\n", TIER_EINVAL, "line 2: " },
        { "blob-edge-policy 1\naccount a%2\n", TIER_EINVAL, "line 2: " },
        { "blob-edge-policy 1\naccount a\nkey 1\nkey 2\nkey 3\n", TIER_EINVAL,
          "line 5: " },
        { "blob-edge-policy 1\naccount a\ncopy_source x/y/z\n", TIER_EINVAL,
          "line 3: the part before \"/\" is not an address" },
        { "blob-edge-policy 1\ncopy_source x.example\n", TIER_EINVAL,
          "line 2: " },
        { "blob-edge-policy 1\naccount a\nprefix c\n", TIER_EINVAL,
          "line 3: " },
    };

    (void) state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        policy_t p;
        char err[256];

        assert_int_equal(parse(cases[i].text, &p, err, sizeof(err)),
                         cases[i].rc);
        assert_memory_equal(err, cases[i].err, strlen(cases[i].err));
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parsed),
        cmocka_unit_test(round_trip),
        cmocka_unit_test(longest_match),
        cmocka_unit_test(wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
