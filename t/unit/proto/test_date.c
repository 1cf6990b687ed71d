#include <string.h>
#include <time.h>

#include "unit.h"

#include "proto/date.h"


static void
http(const char *text, int64_t want)
{
    int64_t t = -1;

    assert_true(proto_date_parse_http(view_str(text), &t));
    assert_int_equal(t, want);
}


static void
http_bad(const char *text)
{
    int64_t t = -77;

    assert_false(proto_date_parse_http(view_str(text), &t));
    assert_int_equal(t, -77);
}


static void
iso(const char *text, int64_t want)
{
    int64_t t = -1;

    assert_true(proto_date_parse_iso8601(view_str(text), &t));
    assert_int_equal(t, want);
}


static void
iso_bad(const char *text)
{
    int64_t t = -77;

    assert_false(proto_date_parse_iso8601(view_str(text), &t));
    assert_int_equal(t, -77);
}


static void
http_dates(void **state)
{
    (void) state;
    http("Sun, 06 Nov 1994 08:49:37 GMT", 784111777);
    http(" Sun, 06 Nov 1994 08:49:37 GMT ", 784111777);
    http("Sunday, 06-Nov-94 08:49:37 GMT", 784111777);
    http("Sun Nov  6 08:49:37 1994", 784111777);
    http("Thu, 01 Jan 1970 00:00:00 GMT", 0);
    http("Thu, 29 Feb 2024 23:59:59 GMT", 1709251199);
    http("Fri, 31 Dec 9999 23:59:59 GMT", 253402300799);

    http_bad("");
    http_bad("now");
    http_bad("Sun, 06 Nov 1994 08:49:37");
    http_bad("Sun, 06 Nov 1994 08:49:37 UTC");
    http_bad("Sun, 6 Nov 1994 08:49:37 GMT");
    http_bad("Sun, 06 Nov 1994 24:49:37 GMT");
    http_bad("Sun, 31 Nov 1994 08:49:37 GMT");
    http_bad("Sun, 29 Feb 2023 08:49:37 GMT");
    http_bad("Sun, 06 Xxx 1994 08:49:37 GMT");
    http_bad("2026-01-01T00:00:00Z");
    http_bad("Sun,");
    http_bad("Sun Nov  6 08:49:37 199");
    http_bad("Sun Nov  6 08:49:37 1994 and more");
}


/* What SAS tokens carry (blob-api 3.2). */
static void
iso_dates(void **state)
{
    (void) state;
    iso("2026-01-01", 1767225600);
    iso("2026-01-01T00:00Z", 1767225600);
    iso("2026-01-01T00:00:00Z", 1767225600);
    iso("2026-01-01T00:00:00.0000000Z", 1767225600);
    iso("2026-01-01T00:00:00.123Z", 1767225600);
    iso("2026-01-01T02:00:00+02:00", 1767225600);
    iso("2025-12-31T19:00:00-05:00", 1767225600);
    iso("2026-01-01T00:00:00", 1767225600);

    iso_bad("");
    iso_bad("2026-01");
    iso_bad("2026-1-1");
    iso_bad("2026-13-01");
    iso_bad("2026-01-01T");
    iso_bad("2026-01-01T00Z");
    iso_bad("2026-01-01 00:00:00Z");
    iso_bad("2026-01-01T00:00:00.Z");
    iso_bad("2026-01-01T00:00:00Zx");
    iso_bad("2026-01-01T00:00:00+2:00");
}


static void
versions(void **state)
{
    (void) state;
    assert_int_equal(proto_version_parse(VIEW("2025-07-05")), 20250705);
    assert_int_equal(proto_version_parse(VIEW("2027-03-07")), 20270307);
    assert_int_equal(proto_version_parse(VIEW("2009-09-19")), 20090919);
    assert_int_equal(proto_version_parse(VIEW("")), 0);
    assert_int_equal(proto_version_parse(VIEW("2025-7-5")), 0);
    assert_int_equal(proto_version_parse(VIEW("2025-07-05 ")), 0);
    assert_int_equal(proto_version_parse(VIEW("2025-02-30")), 0);
    assert_int_equal(proto_version_parse(VIEW("latest")), 0);
}


/* Against libc, days and seconds all over the years. */
static void
round_trips(void **state)
{
    (void) state;

    for (int64_t t = 0; t < 253402300799; t += 86400 * 97 + 4321) {
        char buf[64], want[64];
        writer_t w;
        struct tm tm;
        time_t tt = (time_t) t;
        int64_t back;

        gmtime_r(&tt, &tm);
        strftime(want, sizeof(want), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        writer_init_fixed(&w, buf, sizeof(buf));
        proto_date_rfc1123(&w, t);
        assert_view(writer_view(&w), want);
        assert_int_equal(w.len, PROTO_DATE_RFC1123_LEN);
        assert_true(proto_date_parse_http(writer_view(&w), &back));
        assert_int_equal(back, t);

        strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.0000000Z", &tm);
        writer_reset(&w);
        proto_date_iso8601(&w, t);
        assert_view(writer_view(&w), want);
        assert_true(proto_date_parse_iso8601(writer_view(&w), &back));
        assert_int_equal(back, t);
    }
}


static void
ticks(void **state)
{
    static const char *const bad[] = {
        "",
        "2026-11-25T08:16:47Z",
        "2026-11-25T08:16:47.Z",
        "2026-11-25T08:16:47.12345678Z",
        "2026-11-25T08:16:47.1234567",
        "2026-11-25T08:16:47.1234567Zx",
        "2026-11-25 08:16:47.1234567Z",
        "2026-13-25T08:16:47.1234567Z",
        "0000-01-01T00:00:00.0000000Z",
        "2026-11-25T08:16:47.12x4567Z",
    };
    uint64_t n = 0;
    char buf[64];
    writer_t w;

    (void) state;
    assert_true(
        proto_date_parse_ticks(VIEW("1970-01-01T00:00:00.0000001Z"), &n));
    assert_true(n == 621355968000000001);
    assert_true(proto_date_parse_ticks(VIEW("2026-11-25T08:16:47.12Z"), &n));
    writer_init_fixed(&w, buf, sizeof(buf));
    proto_date_ticks(&w, n);
    assert_view(writer_view(&w), "2026-11-25T08:16:47.1200000Z");
    writer_reset(&w);
    proto_date_ticks(&w, n + 34567);
    assert_view(writer_view(&w), "2026-11-25T08:16:47.1234567Z");
    assert_int_equal(w.len, PROTO_DATE_TICKS_LEN);

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(proto_date_parse_ticks(view_str(bad[i]), &n));
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(http_dates), cmocka_unit_test(iso_dates),
        cmocka_unit_test(versions),   cmocka_unit_test(round_trips),
        cmocka_unit_test(ticks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
