#include <stdlib.h>

#include "unit.h"

#include "base/digest.h"
#include "base/endian.h"
#include "proto/structured.h"

static uint8_t message[64 * 1024], text[64 * 1024], data[32 * 1024];
static uint8_t scratch_buf[256];


/* A message made by hand, so that both directions are held against the
 * format and not against each other. */
static size_t
make(const uint8_t *p, size_t len, size_t segment)
{
    unsigned count = (unsigned) ((len + segment - 1) / segment), i;
    size_t n = 0, off = 0, part;
    uint64_t crc;

    message[n++] = 1;
    le64_put(message + n, 13 + count * 18u + len + 8);
    le16_put(message + n + 8, 1);
    le16_put(message + n + 10, (uint16_t) count);
    n += 12;

    for (i = 1; i <= count; i++) {
        part = len - off < segment ? len - off : segment;
        le16_put(message + n, (uint16_t) i);
        le64_put(message + n + 2, part);
        memcpy(message + n + 10, p + off, part);
        crc = crc64_nvme_table(0, p + off, part);
        n += 10 + part;
        le64_put(message + n, crc);
        n += 8;
        off += part;
    }

    le64_put(message + n, crc64_nvme_table(0, p, len));
    return n + 8;
}


static proto_err_t
read_all(size_t framed, uint64_t length, size_t chunk, size_t max, size_t *ret)
{
    proto_structured_in_t in;
    proto_fault_t fault = { 0 };
    writer_t scratch;
    size_t at, n = 0;
    view_t io, v;

    proto_structured_in_init(&in, framed, length);

    for (at = 0; at < framed && in.err == PROTO_OK; at += chunk) {
        io = view_of(message + at, framed - at < chunk ? framed - at : chunk);
        while (io.len != 0 && in.err == PROTO_OK) {
            v = proto_structured_in_next(&in, &io, max);
            assert_true(v.len <= max && n + v.len <= length);
            memcpy(text + n, v.ptr, v.len);
            n += v.len;
        }
    }

    writer_init_fixed(&scratch, scratch_buf, sizeof(scratch_buf));
    *ret = n;
    return proto_structured_in_end(&in, &scratch, &fault);
}


static void
fill(void)
{
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t) (i * 31 + i / 251);
    }
}


static void
in_any_chunks(void **state)
{
    static const size_t chunks[] = { 1, 2, 3, 7, 13, 23, 100, 65536 };
    size_t i, n, framed;

    (void) state;
    fill();
    framed = make(data, 1000, 300);

    for (i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
        assert_int_equal(read_all(framed, 1000, chunks[i], 64, &n), PROTO_OK);
        assert_int_equal(n, 1000);
        assert_memory_equal(text, data, 1000);
    }

    framed = make(data, 1000, 1000);
    assert_int_equal(read_all(framed, 1000, 65536, 65536, &n), PROTO_OK);
}


static void
in_empty(void **state)
{
    size_t n, framed;

    (void) state;
    framed = make(data, 0, 1); /* no segment */
    assert_int_equal(framed, 21);
    assert_int_equal(read_all(framed, 0, 5, 5, &n), PROTO_OK);

    /* one empty segment, as SDKs send it */
    memset(message, 0, 39);
    message[0] = 1;
    message[1] = 39;
    message[9] = 1;
    message[11] = 1;
    message[13] = 1;
    assert_int_equal(read_all(39, 0, 5, 5, &n), PROTO_OK);
    assert_int_equal(n, 0);
}


/* Every single byte that is another one is noticed. */
static void
in_damage(void **state)
{
    size_t n, i, framed;
    proto_err_t err;

    (void) state;
    fill();
    framed = make(data, 200, 64);

    for (i = 0; i < framed; i++) {
        message[i] ^= 0x40;
        err = read_all(framed, 200, 17, 200, &n);
        assert_true(err == PROTO_ERR_INVALID_HEADER_VALUE
                    || err == PROTO_ERR_CRC64_MISMATCH);
        message[i] ^= 0x40;
    }

    message[13 + 10] ^= 1; /* data */
    assert_int_equal(read_all(framed, 200, 17, 200, &n),
                     PROTO_ERR_CRC64_MISMATCH);
    message[13 + 10] ^= 1;
    message[framed - 1] ^= 1; /* the trailer */
    assert_int_equal(read_all(framed, 200, 17, 200, &n),
                     PROTO_ERR_CRC64_MISMATCH);
    message[framed - 1] ^= 1;
    message[9] = 0; /* no checksums */
    assert_int_equal(read_all(framed, 200, 17, 200, &n),
                     PROTO_ERR_INVALID_HEADER_VALUE);
}


static void
in_lengths(void **state)
{
    size_t n, framed;

    (void) state;
    fill();
    framed = make(data, 200, 64);
    assert_int_equal(read_all(framed - 1, 200, 17, 200, &n),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    assert_int_equal(read_all(framed + 1, 200, 17, 200, &n),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    assert_int_equal(read_all(framed, 199, 17, 200, &n),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    assert_int_equal(read_all(framed, 201, 17, 201, &n),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    /* the segments hold less than was said: a count that makes it up */
    le64_put(message + 15, 46);
    assert_int_equal(read_all(framed, 200, 17, 200, &n),
                     PROTO_ERR_CRC64_MISMATCH);
}


static void
out_as_made(void **state)
{
    proto_structured_out_t out;
    size_t n, at, chunk, got;
    view_t io, v;
    bool frame;

    (void) state;
    fill();

    for (chunk = 1; chunk < 3000; chunk = chunk * 3 + 1) {
        n = make(data, 1000, 300);
        proto_structured_out_init(&out, 1000);
        out.segment = 300;
        out.count = 4;
        assert_true(proto_structured_out_framed(&out) == n);

        for (at = 0, got = 0; got < n; at += chunk) {
            io = at < 1000
                   ? view_of(data + at, 1000 - at < chunk ? 1000 - at : chunk)
                   : view_of(data, 0);
            for (;;) {
                v = proto_structured_out_next(&out, &io, &frame);
                if (v.len == 0) {
                    break;
                }
                assert_true(got + v.len <= n);
                memcpy(text + got, v.ptr, v.len);
                got += v.len;
            }
            assert_int_equal(io.len, 0);
        }
        assert_memory_equal(text, message, n);
    }
}


static void
out_sizes(void **state)
{
    proto_structured_out_t out;
    view_t io = VIEW_NULL, v;
    size_t n = 0, got;
    bool frame;

    (void) state;
    proto_structured_out_init(&out, 0);
    assert_int_equal(out.count, 1);
    assert_true(proto_structured_out_framed(&out) == 39);
    while ((v = proto_structured_out_next(&out, &io, &frame)).len != 0) {
        assert_true(frame);
        memcpy(message + n, v.ptr, v.len);
        n += v.len;
    }
    assert_int_equal(n, 39);
    assert_int_equal(read_all(39, 0, 39, 1, &got), PROTO_OK);

    proto_structured_out_init(&out, 4ull << 20);
    assert_int_equal(out.count, 1);
    proto_structured_out_init(&out, (4ull << 20) + 1);
    assert_int_equal(out.count, 2);
    proto_structured_out_init(&out, 4000ull * (1ull << 40));
    assert_true(out.count <= 65535);
    assert_true(out.count * out.segment >= out.length);
    assert_true((out.count - 1) * out.segment < out.length);
}


static proto_err_t
body(const char *word, const char *logical, uint64_t framed, bool *is,
     uint64_t *length)
{
    proto_headers_t h = { .has_content_length = true,
                          .content_length = framed };
    proto_fault_t fault;

    if (word != NULL) {
        h.known[PROTO_HDR_X_MS_STRUCTURED_BODY] = view_str(word);
    }

    if (logical != NULL) {
        h.known[PROTO_HDR_X_MS_STRUCTURED_CONTENT_LENGTH] = view_str(logical);
    }

    return proto_structured_body(&h, is, length, &fault);
}


static void
headers(void **state)
{
    uint64_t length = 77;
    bool is = true;

    (void) state;
    assert_int_equal(body(NULL, NULL, 5, &is, &length), PROTO_OK);
    assert_false(is);
    assert_true(length == 77);
    assert_int_equal(body("XSM/1.0; properties=crc64", "10", 49, &is, &length),
                     PROTO_OK);
    assert_true(is && length == 10);
    assert_int_equal(body("xsm/1.0;properties=CRC64", "10", 49, &is, &length),
                     PROTO_OK);
    assert_int_equal(body("XSM/2.0; properties=crc64", "1", 49, &is, &length),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    assert_int_equal(body("XSM/1.0", "1", 49, &is, &length),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    assert_int_equal(body("XSM/1.0; properties=crc64", NULL, 49, &is, &length),
                     PROTO_ERR_MISSING_REQUIRED_HEADER);
    assert_int_equal(body(NULL, "5", 49, &is, &length),
                     PROTO_ERR_MISSING_REQUIRED_HEADER);
    assert_int_equal(body("XSM/1.0; properties=crc64", "x", 49, &is, &length),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    assert_int_equal(body("XSM/1.0; properties=crc64", "29", 49, &is, &length),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    assert_int_equal(body("XSM/1.0; properties=crc64", "50", 49, &is, &length),
                     PROTO_ERR_INVALID_HEADER_VALUE);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_any_chunks), cmocka_unit_test(in_empty),
        cmocka_unit_test(in_damage),     cmocka_unit_test(in_lengths),
        cmocka_unit_test(out_as_made),   cmocka_unit_test(out_sizes),
        cmocka_unit_test(headers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
