#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/digest.h"


static void
hex(const uint8_t *p, size_t n, char *ret)
{
    for (size_t i = 0; i < n; i++) {
        sprintf(ret + 2 * i, "%02x", p[i]);
    }
}


/* bit by bit, from the definition */
static uint64_t
crc64_slow(const uint8_t *p, size_t len)
{
    uint64_t crc = ~0ull;

    for (size_t i = 0; i < len; i++) {
        crc ^= p[i];
        for (int b = 0; b < 8; b++) {
            crc = crc >> 1 ^ (crc & 1 ? 0x9A6C9329AC4BC9B5ull : 0);
        }
    }

    return ~crc;
}


static void
fill(uint8_t *buf, size_t len)
{
    uint64_t x = 88172645463325252ull;

    for (size_t i = 0; i < len; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        buf[i] = (uint8_t) x;
    }
}


static void
crc64_check_value(void **state)
{
    (void) state;
    assert_true(crc64_nvme(0, "123456789", 9) == 0xAE8B14860A799888ull);
    assert_true(crc64_nvme_table(0, "123456789", 9) == 0xAE8B14860A799888ull);
    assert_true(crc64_nvme(0, "", 0) == 0);

    /* NVM Express NVM command set specification, test vectors */
    static uint8_t page[4096];

    assert_true(crc64_nvme(0, page, 4096) == 0x6482D367EB22B64Eull);
    memset(page, 0xFF, 4096);
    assert_true(crc64_nvme(0, page, 4096) == 0xC0DDBA7302ECA3ACull);
}


static void
crc64_every_length(void **state)
{
    static uint8_t buf[2100];

    (void) state;
    fill(buf, sizeof(buf));

    for (size_t len = 0; len < 2048; len++) {
        for (size_t off = 0; off < 17; off += 5) {
            uint64_t want = crc64_slow(buf + off, len);

            assert_true(crc64_nvme(0, buf + off, len) == want);
            assert_true(crc64_nvme_table(0, buf + off, len) == want);
        }
    }
}


static void
crc64_in_parts(void **state)
{
    static uint8_t buf[5000];
    uint64_t whole;

    (void) state;
    fill(buf, sizeof(buf));
    whole = crc64_slow(buf, sizeof(buf));

    for (size_t cut = 0; cut <= sizeof(buf); cut += 37) {
        uint64_t a = crc64_nvme(0, buf, cut);
        uint64_t b = crc64_nvme(0, buf + cut, sizeof(buf) - cut);

        assert_true(crc64_nvme(a, buf + cut, sizeof(buf) - cut) == whole);
        assert_true(crc64_nvme_combine(a, b, sizeof(buf) - cut) == whole);
    }
}


static void
digests(void **state)
{
    uint8_t key[32], sum[32];
    char text[65];
    hmac_t hmac;
    md5_t md5;

    (void) state;
    md5_init(&md5);
    md5_update(&md5, "message ", 8);
    md5_update(&md5, "digest", 6);
    md5_final(&md5, sum);
    hex(sum, 16, text);
    assert_string_equal(text, "f96b697d7cb7938d525a2f31aaf161d0");

    sha256(VIEW("abc"), sum);
    hex(sum, 32, text);
    assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a"
                              "9cb410ff61f20015ad");

    for (int i = 0; i < 32; i++) {
        key[i] = (uint8_t) i;
    }

    hmac_sha256(view_of(key, 32), VIEW("GET\n\nhello"), sum);
    hex(sum, 32, text);
    assert_string_equal(text, "503828c0c86a690622f6a85d5d75d3b8"
                              "846e701fa1cbe0e6ea0fb406565e29b6");

    hmac_init(&hmac,
              view_str("kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
                       "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
                       "kkkk"));
    hmac_update(&hmac, VIEW("GET\n\n"));
    hmac_update(&hmac, VIEW("hello"));
    hmac_final(&hmac, sum);
    hex(sum, 32, text);
    assert_string_equal(text, "1b335ec6b77a7ab24cdf40fe417b19ef"
                              "493d185cdd85009dd90ba89fdc3eb0a2");

    hmac_sha256(VIEW_NULL, VIEW_NULL, sum);
    hex(sum, 32, text);
    assert_string_equal(text, "b613679a0814d9ec772f95d778c35fc5"
                              "ff1697c493715653c6c712144292c5ad");
}


static void
base64_both_ways(void **state)
{
    static const char *const pairs[][2] = {
        { "", "" },        { "f", "Zg==" },        { "fo", "Zm8=" },
        { "foo", "Zm9v" }, { "\xFB\xFF", "+/8=" }, { "foobar", "Zm9vYmFy" }
    };
    uint8_t buf[64], out[64];
    size_t len;
    writer_t w;

    (void) state;

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        view_t text = view_str(pairs[i][1]);

        writer_init_fixed(&w, buf, sizeof(buf));
        base64_encode(&w, view_str(pairs[i][0]));
        assert_true(view_eq(writer_view(&w), text));
        assert_true(base64_decode(text, out, sizeof(out), &len));
        assert_true(view_eq(view_of(out, len), view_str(pairs[i][0])));
        if (len != 0) {
            assert_false(base64_decode(text, out, len - 1, &len));
        }
    }
}


static void
base64_strict(void **state)
{
    static const char *const bad[] = { "Zg",   "Zg=",  "Zg===",    "Zh==",
                                       "Zm9=", "Z===", "====",     "Zm-_",
                                       "Zm 9", "=Zm9", "Zg==Zg==", "Zm8=\n" };
    uint8_t out[64];
    size_t len = 7;

    (void) state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(base64_decode(view_str(bad[i]), out, 64, &len));
    }

    assert_int_equal(len, 7);
}


static void
equality(void **state)
{
    (void) state;
    assert_true(bytes_eq_ct("abc", "abc", 3));
    assert_false(bytes_eq_ct("abc", "abd", 3));
    assert_true(bytes_eq_ct("abc", "abd", 2));
}


static double
rate(uint64_t (*fn)(uint64_t, const void *, size_t), const uint8_t *buf,
     size_t len)
{
    struct timespec a, b;
    uint64_t crc = 0;
    unsigned n = 64;

    clock_gettime(CLOCK_MONOTONIC, &a);
    for (unsigned i = 0; i < n; i++) {
        crc = fn(crc, buf, len);
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    assert_true(crc != 1);
    return (double) n * (double) len
         / ((double) (b.tv_sec - a.tv_sec) * 1e9
            + (double) (b.tv_nsec - a.tv_nsec));
}


/* printed, not judged */
static void
speed(void **state)
{
    size_t len = 1024 * 1024;
    uint8_t *buf = malloc(len);

    (void) state;
    assert_non_null(buf);
    fill(buf, len);
    print_message("crc64 %.1f GB/s, table %.1f GB/s\n",
                  rate(crc64_nvme, buf, len),
                  rate(crc64_nvme_table, buf, len));
    free(buf);
}


int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(crc64_check_value),
                                        cmocka_unit_test(crc64_every_length),
                                        cmocka_unit_test(crc64_in_parts),
                                        cmocka_unit_test(digests),
                                        cmocka_unit_test(base64_both_ways),
                                        cmocka_unit_test(base64_strict),
                                        cmocka_unit_test(equality),
                                        cmocka_unit_test(speed) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
