#include <string.h>

#include "unit.h"

#include "proto/fetched.h"

/* What blob-tier is asked, and what its answers mean. */

static proto_op_t
row(proto_op_id_t id)
{
    return (proto_op_t){ .id = id };
}

static void
asked(void **state)
{
    proto_copy_t copy = { .authorization = VIEW("Bearer t"),
                          .has_range = true,
                          .range_off = 10,
                          .range_len = 5 };
    proto_fetched_ask_t ask = { .copy = &copy,
                                .url = VIEW("https://x.example/c/b?sig=a%2Fb"),
                                .account = VIEW("acc") };
    char buf[1024];
    writer_t w;

    (void) state;
    copy.cond.if_match = VIEW("\"0x1\"");
    copy.cond.has_unmodified_since = true;
    copy.cond.unmodified_since_s = 784111777;
    writer_init_fixed(&w, buf, sizeof(buf));
    proto_fetched_ask(&w, &ask);
    writer_putc(&w, 0);
    assert_string_equal(
        buf, "POST /fetch?account=acc HTTP/1.0\r\nHost: blob-tier\r\n"
             "Content-Length: 0\r\n"
             "x-source: https://x.example/c/b?sig=a%2Fb\r\n"
             "x-source-authorization: Bearer t\r\n"
             "x-source-if-match: \"0x1\"\r\n"
             "x-source-if-unmodified-since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
             "x-source-range: bytes=10-14\r\n\r\n");

    copy = (proto_copy_t){ .authorization = VIEW("Bearer t"),
                           .cond = { .if_match = VIEW("0x1"),
                                     .if_none_match = VIEW("*"),
                                     .if_tags = VIEW("k='v'") },
                           .has_range = true,
                           .range_len = UINT64_MAX };
    writer_reset(&w);
    ask.url = VIEW("http://x/");
    ask.lake = VIEW("pond");
    proto_fetched_ask(&w, &ask);
    writer_putc(&w, 0);
    assert_string_equal(buf, "POST /fetch?account=acc&lake=pond HTTP/1.0\r\n"
                             "Host: blob-tier\r\nContent-Length: 0\r\n"
                             "x-source: http://x/\r\n"
                             "x-source-if-match: \"0x1\"\r\n"
                             "x-source-if-none-match: *\r\n"
                             "x-source-if-tags: k='v'\r\n"
                             "x-source-range: bytes=0-\r\n\r\n");
}

static void
heads(void **state)
{
    static const char *const bad[] = {
        "",
        "\r\n",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n",
        "HTTP/1.1 200 OK\nA: b\n\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nx",
    };
    proto_header_t h[2];
    unsigned status = 7, n = 7;

    (void) state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (proto_fetched_head(view_str(bad[i]), &status, h, 2, &n)) {
            fail_msg("taken: %s", bad[i]);
        }
    }

    assert_int_equal(status, 7);
    assert_true(proto_fetched_head(
        VIEW("HTTP/1.1 424 X\r\nA:  b c \r\nD:\r\n\r\n"), &status, h, 2, &n));
    assert_int_equal(status, 424);
    assert_int_equal(n, 2);
    assert_view(h[0].name, "A");
    assert_view(h[0].value, "b c");
    assert_view(h[1].value, "");
}

typedef struct case_s {
    const char *head; /* without HTTP/1.1 and the empty line */
    proto_op_id_t op;
    bool has_range;
    uint64_t off, len;
    proto_err_t err;
    unsigned status;
    uint64_t length;
} case_t;

#define OK200 "200 OK\r\nx-source-status: 200\r\n"
#define OK206 "200 OK\r\nx-source-status: 206\r\n"

static const case_t cases[] = {
    { OK200 "Content-Length: 5", PROTO_OP_PUT_BLOB_FROM_URL, false, 0, 0,
      PROTO_OK, 200, 5 },
    { OK200 "Content-Length: 0", PROTO_OP_PUT_BLOB_FROM_URL, false, 0, 0,
      PROTO_OK, 200, 0 },
    { OK200 "Content-Length: 0", PROTO_OP_PUT_BLOCK_FROM_URL, false, 0, 0,
      PROTO_ERR_INVALID_INPUT, 200, 0 },
    { OK200 "A: b", PROTO_OP_COPY_BLOB, false, 0, 0, PROTO_ERR_SERVER_BUSY,
      200, 0 },
    { OK200 "Content-Length: 268435456", PROTO_OP_COPY_BLOB_FROM_URL, false, 0,
      0, PROTO_OK, 200, 268435456 },
    { OK200 "Content-Length: 268435457", PROTO_OP_COPY_BLOB_FROM_URL, false, 0,
      0, PROTO_ERR_REQUEST_BODY_TOO_LARGE, 200, 268435457 },

    /* ranges */
    { OK206 "Content-Length: 5\r\nContent-Range: bytes 10-14/100",
      PROTO_OP_PUT_BLOCK_FROM_URL, true, 10, 5, PROTO_OK, 206, 5 },
    { OK206 "Content-Length: 90\r\nContent-Range: bytes 10-99/100",
      PROTO_OP_PUT_BLOCK_FROM_URL, true, 10, UINT64_MAX, PROTO_OK, 206, 90 },
    /* the source is shorter than that */
    { OK206 "Content-Length: 90\r\nContent-Range: bytes 10-99/100",
      PROTO_OP_PUT_BLOCK_FROM_URL, true, 10, 500, PROTO_OK, 206, 90 },
    { OK206 "Content-Length: 5\r\nContent-Range: bytes 11-15/100",
      PROTO_OP_PUT_BLOCK_FROM_URL, true, 10, 5, PROTO_ERR_COPY_SOURCE_FAILED,
      206, 5 },
    { OK206 "Content-Length: 4\r\nContent-Range: bytes 10-13/100",
      PROTO_OP_PUT_BLOCK_FROM_URL, true, 10, 5, PROTO_ERR_COPY_SOURCE_FAILED,
      206, 4 },
    { OK206 "Content-Length: 5\r\nContent-Range: bytes 10-13/100",
      PROTO_OP_PUT_BLOCK_FROM_URL, true, 10, 5, PROTO_ERR_COPY_SOURCE_FAILED,
      206, 5 },
    { OK206 "Content-Length: 5", PROTO_OP_PUT_BLOCK_FROM_URL, true, 10, 5,
      PROTO_ERR_COPY_SOURCE_FAILED, 206, 5 },
    { OK200 "Content-Length: 100", PROTO_OP_PUT_BLOCK_FROM_URL, true, 10, 5,
      PROTO_ERR_COPY_SOURCE_FAILED, 200, 100 },
    { OK200 "Content-Length: 100", PROTO_OP_PUT_BLOCK_FROM_URL, true, 0, 5,
      PROTO_ERR_COPY_SOURCE_FAILED, 200, 100 },
    { OK200 "Content-Length: 5", PROTO_OP_PUT_BLOCK_FROM_URL, true, 0, 5,
      PROTO_OK, 200, 5 },
    /* one that was not asked for */
    { OK206 "Content-Length: 5\r\nContent-Range: bytes 0-4/100",
      PROTO_OP_PUT_BLOB_FROM_URL, false, 0, 0, PROTO_ERR_COPY_SOURCE_FAILED,
      206, 5 },

    /* the source's refusals */
    { "424 X\r\nx-source-status: 404\r\nx-ms-error-code: BlobNotFound",
      PROTO_OP_PUT_BLOB_FROM_URL, false, 0, 0,
      PROTO_ERR_CANNOT_VERIFY_COPY_SOURCE, 404, 0 },
    { "424 X\r\nx-source-status: 412", PROTO_OP_COPY_BLOB, false, 0, 0,
      PROTO_ERR_SOURCE_CONDITION_NOT_MET, 412, 0 },
    { "424 X\r\nx-source-status: 304", PROTO_OP_COPY_BLOB, false, 0, 0,
      PROTO_ERR_SOURCE_CONDITION_NOT_MET, 304, 0 },
    { "424 X\r\nx-source-status: 302", PROTO_OP_COPY_BLOB, false, 0, 0,
      PROTO_ERR_COPY_SOURCE_FAILED, 302, 0 },
    { "424 X\r\nx-source-status: 403", PROTO_OP_COPY_BLOB, false, 0, 0,
      PROTO_ERR_COPY_SOURCE_FORBIDDEN, 403, 0 },
    { "424 X\r\nx-source-status: 500", PROTO_OP_COPY_BLOB, false, 0, 0,
      PROTO_ERR_COPY_SOURCE_FAILED, 500, 0 },

    /* blob-tier's own */
    { "403 X\r\nx-fetch-why: no", PROTO_OP_COPY_BLOB, false, 0, 0,
      PROTO_ERR_COPY_SOURCE_FORBIDDEN, 0, 0 },
    { "411 X\r\nx-source-status: 200", PROTO_OP_COPY_BLOB, false, 0, 0,
      PROTO_ERR_COPY_SOURCE_FAILED, 200, 0 },
    { "504 X", PROTO_OP_COPY_BLOB, false, 0, 0, PROTO_ERR_COPY_SOURCE_FAILED,
      0, 0 },
    { "503 X", PROTO_OP_COPY_BLOB, false, 0, 0, PROTO_ERR_SERVER_BUSY, 0, 0 },
    { "404 X", PROTO_OP_COPY_BLOB, false, 0, 0, PROTO_ERR_SERVER_BUSY, 0, 0 },

    /* block blobs are all that can be made */
    { OK200 "Content-Length: 512\r\nx-ms-blob-type: PageBlob",
      PROTO_OP_COPY_BLOB, false, 0, 0, PROTO_ERR_INVALID_SOURCE_BLOB_TYPE, 200,
      512 },
    { OK200 "Content-Length: 512\r\nx-ms-blob-type: PageBlob",
      PROTO_OP_PUT_BLOB_FROM_URL, false, 0, 0, PROTO_OK, 200, 512 },

    /* metadata that no blob can have */
    { OK200 "Content-Length: 5\r\nx-ms-meta-a-b: c", PROTO_OP_COPY_BLOB, false,
      0, 0, PROTO_ERR_COPY_SOURCE_FAILED, 200, 5 },
};

static void
answers(void **state)
{
    (void) state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const case_t *c = &cases[i];
        proto_copy_t copy = { .has_range = c->has_range,
                              .range_off = c->off,
                              .range_len = c->len };
        proto_op_t op = row(c->op);
        char head[512], meta[512];
        proto_fetched_t f;
        proto_header_t h[16];
        unsigned status, n;
        proto_err_t err;
        writer_t w;

        snprintf(head, sizeof(head), "HTTP/1.1 %s\r\n\r\n", c->head);
        assert_true(proto_fetched_head(view_str(head), &status, h, 16, &n));
        writer_init_fixed(&w, meta, sizeof(meta));
        err = proto_fetched(status, h, n, &copy, &op, &w, &f);

        if (err != c->err || f.status != c->status || f.length != c->length) {
            fail_msg("case %zu: error %d, status %u, length %llu", i,
                     (int) err, f.status, (unsigned long long) f.length);
        }
    }
}

static void
properties(void **state)
{
    static const char head[] =
        "HTTP/1.1 200 OK\r\nx-source-status: 200\r\nContent-Length: 5\r\n"
        "Content-Type: text/x\r\nContent-Language: de\r\nETag: \"e1\"\r\n"
        "Content-Encoding: g\x01z\r\nLast-Modified: yesterday\r\n"
        "Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==\r\nX-Ms-Meta-Kind: v\r\n\r\n";
    proto_copy_t copy = { 0 };
    proto_op_t op = row(PROTO_OP_COPY_BLOB);
    proto_fetched_t f;
    proto_header_t h[16];
    unsigned status, n;
    char meta[512];
    writer_t w;

    (void) state;
    assert_true(proto_fetched_head(view_str(head), &status, h, 16, &n));
    writer_init_fixed(&w, meta, sizeof(meta));
    assert_int_equal(proto_fetched(status, h, n, &copy, &op, &w, &f),
                     PROTO_OK);
    assert_view(f.props.content_type, "text/x");
    assert_view(f.props.content_language, "de");
    assert_view(f.props.content_encoding, NULL); /* a control character */
    assert_view(f.props.etag, "e1");
    assert_int_equal(f.props.last_modified_s, 0);
    assert_false(f.props.has_md5); /* the source's word is not taken */
    assert_int_equal(f.props.content_length, 5);
    assert_true(f.props.metadata.len != 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asked),
        cmocka_unit_test(heads),
        cmocka_unit_test(answers),
        cmocka_unit_test(properties),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
