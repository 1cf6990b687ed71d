#include "unit.h"

#include "proto/range.h"

static proto_range_t range;
static proto_fault_t fault;


static proto_err_t
get(const char *plain, const char *x_ms, uint64_t size, bool md5, bool crc64)
{
    proto_headers_t h = { .range_md5 = md5, .range_crc64 = crc64 };

    if (plain != NULL) {
        h.known[PROTO_HDR_RANGE] = view_str(plain);
    }

    if (x_ms != NULL) {
        h.known[PROTO_HDR_X_MS_RANGE] = view_str(x_ms);
    }

    return proto_range_get(&h, size, &range, &fault);
}


static void
part(const char *text, uint64_t size, uint64_t off, uint64_t len)
{
    assert_int_equal(get(text, NULL, size, false, false), PROTO_OK);
    assert_true(range.partial);
    assert_true(range.off == off);
    assert_true(range.len == len);
}


static void
whole(const char *text, uint64_t size)
{
    assert_int_equal(get(text, NULL, size, false, false), PROTO_OK);
    assert_false(range.partial);
    assert_true(range.off == 0 && range.len == size);
}


static void
parts(void **state)
{
    (void) state;
    part("bytes=0-99", 1000, 0, 100);
    part("bytes=10-", 1000, 10, 990);
    part("bytes=0-999", 1000, 0, 1000); /* 206 all the same */
    part("bytes=0-", 1000, 0, 1000);
    part("bytes=999-999", 1000, 999, 1);
    part("bytes=5-99999", 1000, 5, 995);
    part("Bytes=5-6", 1000, 5, 2);
    part(" bytes=5-6 ", 1000, 5, 2);
    part("bytes=0-18446744073709551615", 1000, 0, 1000);
    part("bytes=0-99999999999999999999999", 1000, 0, 1000);
    part("bytes=1-", UINT64_MAX, 1, UINT64_MAX - 1);
}


static void
no_ranges(void **state)
{
    (void) state;
    assert_int_equal(get(NULL, NULL, 5, false, false), PROTO_OK);
    assert_false(range.partial);
    whole("", 1000);
    whole("bytes=-5", 1000);      /* suffix */
    whole("bytes=0-1,5-6", 1000); /* several */
    whole("bytes=6-5", 1000);
    whole("bytes=a-b", 1000);
    whole("bytes=", 1000);
    whole("bytes=5", 1000);
    whole("items=0-5", 1000);
    whole("0-5", 1000);
    whole("bytes=--5", 1000);
}


static void
past_the_end(void **state)
{
    (void) state;
    assert_int_equal(get("bytes=1000-", NULL, 1000, false, false),
                     PROTO_ERR_INVALID_RANGE);
    assert_int_equal(
        get("bytes=99999999999999999999-", NULL, 1000, false, false),
        PROTO_ERR_INVALID_RANGE);
    assert_int_equal(get("bytes=0-0", NULL, 0, false, false),
                     PROTO_ERR_INVALID_RANGE); /* clients ask so */
    assert_int_equal(get("bytes=0-", NULL, 0, false, false),
                     PROTO_ERR_INVALID_RANGE);
    assert_int_equal(fault.err, PROTO_ERR_INVALID_RANGE);
}


static void
x_ms_range_wins(void **state)
{
    (void) state;
    assert_int_equal(get("bytes=0-1", "bytes=2-4", 1000, false, false),
                     PROTO_OK);
    assert_int_equal(range.off, 2);
    assert_int_equal(range.len, 3);
    assert_int_equal(get("bytes=0-1", "", 1000, false, false), PROTO_OK);
    assert_int_equal(range.len, 2);
}


static void
digests(void **state)
{
    (void) state;
    assert_int_equal(get("bytes=0-4194303", NULL, 1 << 30, true, false),
                     PROTO_OK);
    assert_int_equal(get("bytes=0-4194304", NULL, 1 << 30, true, false),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    assert_view(fault.name, "x-ms-range-get-content-md5");
    /* what is left after clipping counts */
    assert_int_equal(get("bytes=0-4194304", NULL, 1000, false, true),
                     PROTO_OK);
    assert_int_equal(get(NULL, NULL, 1000, true, false),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    assert_int_equal(get(NULL, NULL, 1000, false, true),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    assert_view(fault.name, "x-ms-range-get-content-crc64");
    assert_int_equal(get("bytes=0-9", NULL, 1000, true, true),
                     PROTO_ERR_INVALID_HEADER_VALUE);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts),        cmocka_unit_test(no_ranges),
        cmocka_unit_test(past_the_end), cmocka_unit_test(x_ms_range_wins),
        cmocka_unit_test(digests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
