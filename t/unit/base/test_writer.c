#include <stdlib.h>

#include "unit.h"

#include "base/writer.h"


static void
fixed(void **state)
{
    uint8_t buf[16];
    writer_t w;

    (void) state;
    writer_init_fixed(&w, buf, sizeof(buf));
    writer_puts(&w, "ab");
    writer_putc(&w, 'c');
    writer_put_u64(&w, 10);
    writer_put_hex(&w, 0x8D, 4);
    assert_view(writer_view(&w), "abc10008D");
    writer_put(&w, VIEW("0123456"));
    assert_true(writer_ok(&w));
    assert_int_equal(w.len, 16);
    writer_putc(&w, 'x');
    assert_int_equal(w.rc, TIER_ELIMIT);
    assert_int_equal(w.len, 16);
    writer_reset(&w);
    assert_true(writer_ok(&w));
    writer_put_u64(&w, UINT64_MAX);
    assert_int_equal(w.rc, TIER_ELIMIT); /* whole or nothing */
    assert_int_equal(w.len, 0);
    writer_putc(&w, 'x'); /* sticky */
    assert_int_equal(w.len, 0);
}


static void
take(void **state)
{
    uint8_t buf[8];
    writer_t w;

    (void) state;
    writer_init_fixed(&w, buf, sizeof(buf));
    view_t a = writer_take(&w, VIEW("abcd"));
    view_t e = writer_take(&w, VIEW(""));
    view_t n = writer_take(&w, VIEW_NULL);
    view_t b = writer_take(&w, VIEW("efgh"));

    assert_view(a, "abcd");
    assert_view(b, "efgh");
    assert_view(e, "");
    assert_null(n.ptr);
    assert_true(writer_ok(&w));
    assert_null(writer_take(&w, VIEW("i")).ptr);
    assert_int_equal(w.rc, TIER_ELIMIT);
}


static void
little_endian(void **state)
{
    uint8_t buf[14];
    static const uint8_t want[] = { 2,  1,  6,  5,  4, 3, 14,
                                    13, 12, 11, 10, 9, 8, 7 };
    writer_t w;

    (void) state;
    writer_init_fixed(&w, buf, sizeof(buf));
    writer_put_le16(&w, 0x0102);
    writer_put_le32(&w, 0x03040506);
    writer_put_le64(&w, 0x0708090A0B0C0D0E);
    assert_true(writer_ok(&w));
    assert_memory_equal(buf, want, sizeof(want));
}


static void
growing(void **state)
{
    writer_t w;

    (void) state;
    writer_init_grow(&w, 100000, NULL, NULL);

    for (unsigned i = 0; i < 20000; i++) {
        writer_puts(&w, "12345");
    }

    assert_true(writer_ok(&w));
    assert_int_equal(w.len, 100000);
    assert_memory_equal(w.buf + 99995, "12345", 5);
    writer_putc(&w, 'x');
    assert_int_equal(w.rc, TIER_ELIMIT);
    writer_free(&w);
    writer_putc(&w, 'x');
    assert_int_equal(w.len, 0);
}


/* Fails at the n-th call. */
static void *
failing(void *ctx, void *old, size_t len, size_t cap)
{
    int *left = ctx;

    (void) len;
    return (*left)-- > 0 ? realloc(old, cap) : NULL;
}


static void
no_memory(void **state)
{
    (void) state;

    for (int n = 0; n < 4; n++) {
        int left = n;
        writer_t w;

        writer_init_grow(&w, 1 << 20, failing, &left);

        for (unsigned i = 0; i < 100000; i++) {
            writer_puts(&w, "12345");
        }

        assert_int_equal(w.rc, TIER_ENOMEM);
        assert_null(writer_reserve(&w, 1));
        free(w.buf);
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed),         cmocka_unit_test(take),
        cmocka_unit_test(little_endian), cmocka_unit_test(growing),
        cmocka_unit_test(no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
