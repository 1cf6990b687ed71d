#include "unit.h"


static void
equality(void **state)
{
    (void) state;
    assert_true(view_eq(VIEW_NULL, VIEW("")));
    assert_true(view_eq(VIEW("ab"), VIEW("ab")));
    assert_false(view_eq(VIEW("ab"), VIEW("aB")));
    assert_true(view_eq_ci(VIEW("X-MS-Date"), VIEW("x-ms-date")));
    assert_false(view_eq_ci(VIEW("x-ms-date"), VIEW("x-ms-dat")));
    /* only letters have case */
    assert_false(view_eq_ci(VIEW("["), VIEW("{")));
    assert_false(view_eq_ci(VIEW("@"), VIEW("`")));
    assert_false(view_eq_ci(VIEW("\xC3\x84"), VIEW("\xC3\xA4")));
}


static void
order_is_by_bytes(void **state)
{
    (void) state;
    assert_true(view_cmp(VIEW("a"), VIEW("b")) < 0);
    assert_true(view_cmp(VIEW("a"), VIEW("aa")) < 0);
    assert_true(view_cmp(VIEW("\xFF"), VIEW("a")) > 0);
    assert_int_equal(view_cmp(VIEW(""), VIEW_NULL), 0);
    assert_true(view_cmp(VIEW_NULL, VIEW("a")) < 0);
}


static void
parts(void **state)
{
    (void) state;
    assert_view(view_sub(VIEW("hello"), 1, 3), "ell");
    assert_view(view_sub(VIEW("hello"), 4, 100), "o");
    assert_view(view_sub(VIEW("hello"), 9, SIZE_MAX), "");
    assert_null(view_sub(VIEW_NULL, 3, 3).ptr);
    assert_int_equal(view_find(VIEW("a/b/c"), '/', 2), 3);
    assert_int_equal(view_find(VIEW("abc"), '/', 0), 3);
    assert_int_equal(view_find(VIEW("abc"), 'a', 7), 3);
    assert_true(view_starts_with(VIEW("abc"), VIEW("")));
    assert_true(view_starts_with(VIEW("abc"), VIEW("ab")));
    assert_false(view_starts_with(VIEW("a"), VIEW("ab")));
    assert_true(view_ends_with(VIEW("abc"), VIEW("bc")));
    assert_false(view_ends_with(VIEW("c"), VIEW("bc")));
    assert_view(view_trim(VIEW(" \t a b \t")), "a b");
    assert_view(view_trim(VIEW("  ")), "");
}


static void
numbers(void **state)
{
    uint64_t n = 7;

    (void) state;
    assert_true(view_to_u64(VIEW("0"), &n));
    assert_int_equal(n, 0);
    assert_true(view_to_u64(VIEW("18446744073709551615"), &n));
    assert_true(n == UINT64_MAX);
    assert_false(view_to_u64(VIEW("18446744073709551616"), &n));
    assert_false(view_to_u64(VIEW(""), &n));
    assert_false(view_to_u64(VIEW("-1"), &n));
    assert_false(view_to_u64(VIEW("1 "), &n));
    assert_false(view_to_u64(VIEW("0x1"), &n));
    assert_true(n == UINT64_MAX);
}


static void
utf8(void **state)
{
    (void) state;
    assert_int_equal(view_utf8(VIEW("a"), 0), 1);
    assert_int_equal(view_utf8(VIEW("a"), 1), 0);
    assert_int_equal(view_utf8(VIEW("\xC3\xA4"), 0), 2);
    assert_int_equal(view_utf8(VIEW("x\xE2\x82\xAC"), 1), 3);
    assert_int_equal(view_utf8(VIEW("\xF0\x9F\x98\x80"), 0), 4);
    assert_int_equal(view_utf8(VIEW("\xC0\x80"), 0), 0);         /* overlong */
    assert_int_equal(view_utf8(VIEW("\xE0\x80\x80"), 0), 0);     /* overlong */
    assert_int_equal(view_utf8(VIEW("\xED\xA0\x80"), 0), 0);     /* D800 */
    assert_int_equal(view_utf8(VIEW("\xF4\x90\x80\x80"), 0), 0); /* 110000 */
    assert_int_equal(view_utf8(VIEW("\xE2\x82"), 0), 0);         /* cut */
    assert_int_equal(view_utf8(VIEW("\xE2\x82z"), 0), 0);
    assert_int_equal(view_utf8(VIEW("\x80"), 0), 0);
    assert_int_equal(view_utf8(VIEW("\xFF"), 0), 0);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equality), cmocka_unit_test(order_is_by_bytes),
        cmocka_unit_test(parts),    cmocka_unit_test(numbers),
        cmocka_unit_test(utf8),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
