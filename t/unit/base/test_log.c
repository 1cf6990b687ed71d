#include <string.h>

#include "unit.h"

#include "base/log.h"
#include "base/rc.h"

static char last[2048];
static int lines;


static void
keep(void *ctx, tier_log_level_t level, const char *line)
{
    (void) ctx;
    (void) level;
    snprintf(last, sizeof(last), "%s", line);
    lines++;
}


static void
levels(void **state)
{
    tier_log_t log = { keep, NULL, TIER_LOG_INFO };
    char longer[3000];

    (void) state;
    tier_log(NULL, TIER_LOG_ERROR, "nobody hears %d", 1);
    tier_log(&log, TIER_LOG_DEBUG, "too quiet");
    assert_int_equal(lines, 0);
    tier_log(&log, TIER_LOG_INFO, "blob %s: n=%d", "put", 3);
    assert_string_equal(last, "blob put: n=3");

    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    tier_log(&log, TIER_LOG_ERROR, "%s", longer);
    assert_int_equal(strlen(last), 1023);
}


static void
every_result_has_a_name(void **state)
{
    (void) state;

    for (int rc = TIER_EINTERNAL; rc <= TIER_REFUSED; rc++) {
        assert_string_not_equal(tier_rc_name((tier_rc_t) rc), "unknown");
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels),
        cmocka_unit_test(every_result_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
