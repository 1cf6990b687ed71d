#include <string.h>

#include "unit.h"

#include "proto/copy.h"
#include "proto/sas.h"

static proto_headers_t headers;
static proto_fault_t fault;
static proto_copy_t copy;
static uint8_t room[PROTO_COPY_SCRATCH];
static proto_copy_edge_t edge;


static bool
serves(void *ctx, view_t account)
{
    (void) ctx;
    return view_eq(account, VIEW("acct")) || view_eq(account, VIEW("other"));
}


static void
at(const char *host, bool https, proto_uri_style_t style)
{
    edge = (proto_copy_edge_t){ .host = view_str(host),
                                .https = https,
                                .opts = { .style = style },
                                .serves = serves };
}


static proto_err_t
parse(proto_op_id_t op)
{
    writer_t w;

    writer_init_fixed(&w, room, sizeof(room));
    return proto_copy_parse(&headers, proto_op_row(op), &edge, &w, &copy,
                            &fault);
}


static void
with(proto_hdr_id_t id, const char *value)
{
    headers.known[id] = view_str(value);
}


static proto_err_t
source(const char *url)
{
    memset(&headers, 0, sizeof(headers));
    with(PROTO_HDR_X_MS_COPY_SOURCE, url);
    return parse(PROTO_OP_COPY_BLOB);
}


static void
local(const char *url, const char *account, const char *container,
      const char *blob)
{
    assert_int_equal(source(url), PROTO_OK);
    assert_true(copy.local);
    assert_view(copy.uri.account, account);
    assert_view(copy.uri.container, container);
    assert_view(copy.uri.blob, blob);
}


static void
external(const char *url)
{
    assert_int_equal(source(url), PROTO_OK);
    assert_false(copy.local);
}


static void
urls(void **state)
{
    proto_copy_url_t u;

    (void) state;
    assert_true(proto_copy_url_parse(
        VIEW("https://h.example:8443/a%20b/c?x=1&sig=a%2B"), &u));
    assert_true(u.https);
    assert_view(u.host, "h.example");
    assert_int_equal(u.port, 8443);
    assert_view(u.authority, "h.example:8443");
    assert_view(u.target, "/a%20b/c?x=1&sig=a%2B");
    assert_view(u.path, "/a%20b/c");
    assert_view(u.query, "x=1&sig=a%2B");

    assert_true(proto_copy_url_parse(VIEW("HTTP://[::1]/c"), &u));
    assert_false(u.https);
    assert_view(u.host, "[::1]");
    assert_int_equal(u.port, 80);
    assert_int_equal(u.query.len, 0);

    assert_true(proto_copy_url_parse(VIEW("https://[::1]:99"), &u));
    assert_int_equal(u.port, 99);
    assert_view(u.target, "/");

    static const char *const bad[] = {
        "",
        "/c/b",
        "ftp://h/c/b",
        "http://",
        "http:///c/b",
        "http://h:/c/b",
        "http://h:0/c/b",
        "http://h:65536/c/b",
        "http://h:8x/c/b",
        "http://user@h/c/b",
        "http://[::1/c/b",
        "http://[::1]9/c/b",
        "http://h?x=1",
        "http://h/c/b c",
        "http://h/c/b\t",
        "http://h/c/b#f",
        "http://:80/c",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(proto_copy_url_parse(view_str(bad[i]), &u));
    }
}


static void
path_style(void **state)
{
    (void) state;
    at("127.0.0.1:10000", false, PROTO_URI_AUTO);
    local("http://127.0.0.1:10000/acct/cont/dir/b", "acct", "cont", "dir/b");
    local("http://127.0.0.1:10000/nobody/cont/b", "nobody", "cont", "b");
    local("http://127.0.0.1:10000/acct/cont/a%2Fb%20c", "acct", "cont",
          "a/b c");
    local("https://acct.blob.core.windows.net/cont/b", "acct", "cont", "b");
    local("https://ACCT.Blob.core.windows.net/cont/b", "acct", "cont", "b");
    local("https://acct-secondary.blob.core.windows.net/cont/b", "acct",
          "cont", "b");
    external("https://stranger.blob.core.windows.net/cont/b");
    external("https://acct.blob.core.windows.net:8443/cont/b");
    external("https://acct.blob.core.windows.net.example/cont/b");
    external("https://acct.x.blob.core.windows.net/cont/b");
    external("http://127.0.0.1:10001/acct/cont/b");
    external("http://127.0.0.1/acct/cont/b");
    external("http://other.0.0.1:10000/cont/b");

    at("[::1]:10000", false, PROTO_URI_AUTO);
    local("http://[::1]:10000/acct/cont/b", "acct", "cont", "b");
    external("http://[::2]:10000/acct/cont/b");
}


static void
host_style(void **state)
{
    (void) state;
    at("acct.blob.edge.test", true, PROTO_URI_AUTO);
    local("https://acct.blob.edge.test/cont/b", "acct", "cont", "b");
    local("https://ACCT.blob.edge.test:443/cont/b", "acct", "cont", "b");
    local("http://acct.blob.edge.test/cont/b", "acct", "cont", "b");
    local("https://other.blob.edge.test/cont/b", "other", "cont", "b");
    local("https://acct.blob.edge.test/b", "acct", "$root", "b");
    external("https://third.blob.edge.test/cont/b");
    external("https://other.blob.edge.example/cont/b");
    external("https://acct.blob.edge.test:8443/cont/b");

    /* a fixed account in front of whatever name */
    at("data.example:81", false, PROTO_URI_FIXED);
    edge.opts.account = VIEW("acct");
    local("http://data.example:81/cont/b", "acct", "cont", "b");
    external("http://other.example:81/cont/b");
}


static void
sources(void **state)
{
    char text[PROTO_COPY_SOURCE_MAX + 2];

    (void) state;
    at("acct.blob.edge.test", true, PROTO_URI_AUTO);
    local("https://acct.blob.edge.test/cont/b?snapshot=2024-01-01T00:00:00."
          "0000000Z&sig=x",
          "acct", "cont", "b");
    assert_view(copy.uri.known[PROTO_PARAM_SNAPSHOT],
                "2024-01-01T00:00:00.0000000Z");

    static const char *const bad[] = {
        "",
        "cont/b",
        "https://acct.blob.edge.test",
        "https://acct.blob.edge.test/",
        "https://acct.blob.edge.test/cont/",
        "https://acct.blob.edge.test/cont/a/../b",
        "https://acct.blob.edge.test/cont/b%00",
        "https://acct.blob.edge.test/CONT/b",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(source(bad[i]), PROTO_ERR_INVALID_HEADER_VALUE);
        assert_view(fault.name, "x-ms-copy-source");
    }

    memset(text, 'x', sizeof(text) - 1);
    memcpy(text, "http://h/c/", 11);
    text[PROTO_COPY_SOURCE_MAX] = '\0';
    external(text);
    text[PROTO_COPY_SOURCE_MAX] = 'x';
    text[PROTO_COPY_SOURCE_MAX + 1] = '\0';
    assert_int_equal(source(text), PROTO_ERR_INVALID_HEADER_VALUE);
    assert_view(fault.value, NULL);
}


static proto_err_t
term(proto_op_id_t op, proto_hdr_id_t id, const char *value)
{
    memset(&headers, 0, sizeof(headers));
    with(PROTO_HDR_X_MS_COPY_SOURCE, "https://acct.blob.edge.test/cont/b");
    with(id, value);
    return parse(op);
}


static void
terms(void **state)
{
    const proto_op_id_t block = PROTO_OP_PUT_BLOCK_FROM_URL;
    const proto_op_id_t blob = PROTO_OP_COPY_BLOB;
    const proto_op_id_t put = PROTO_OP_PUT_BLOB_FROM_URL;

    (void) state;
    at("acct.blob.edge.test", true, PROTO_URI_AUTO);

    assert_int_equal(term(block, PROTO_HDR_X_MS_SOURCE_RANGE, "bytes=10-19"),
                     PROTO_OK);
    assert_true(copy.has_range);
    assert_int_equal(copy.range_off, 10);
    assert_int_equal(copy.range_len, 10);
    assert_int_equal(term(block, PROTO_HDR_X_MS_SOURCE_RANGE, "bytes=10-"),
                     PROTO_OK);
    assert_true(copy.range_len == UINT64_MAX);
    assert_int_equal(term(block, PROTO_HDR_X_MS_SOURCE_RANGE, "10-19"),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    assert_int_equal(term(block, PROTO_HDR_X_MS_SOURCE_RANGE, "bytes=-5"),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    assert_int_equal(term(put, PROTO_HDR_X_MS_SOURCE_RANGE, "bytes=0-1"),
                     PROTO_ERR_INVALID_HEADER_VALUE);

    assert_int_equal(term(block, PROTO_HDR_X_MS_SOURCE_CONTENT_MD5,
                          "XrY7u+Ae7tCTyyK7j1rNww=="),
                     PROTO_OK);
    assert_true(copy.check.has_md5);
    assert_int_equal(copy.check.md5[0], 0x5E);
    assert_int_equal(term(block, PROTO_HDR_X_MS_SOURCE_CONTENT_MD5, "XrY7"),
                     PROTO_ERR_INVALID_MD5);
    assert_int_equal(
        term(block, PROTO_HDR_X_MS_SOURCE_CONTENT_CRC64, "AQAAAAAAAAA="),
        PROTO_OK);
    assert_true(copy.check.has_crc64);
    assert_true(copy.check.crc64 == 1);
    assert_int_equal(
        term(block, PROTO_HDR_X_MS_SOURCE_CONTENT_CRC64, "AQAAAA=="),
        PROTO_ERR_INVALID_HEADER_VALUE);
    with(PROTO_HDR_X_MS_SOURCE_CONTENT_MD5, "XrY7u+Ae7tCTyyK7j1rNww==");
    assert_int_equal(parse(block),
                     PROTO_ERR_BOTH_CRC64_AND_MD5_HEADER_PRESENT);

    assert_int_equal(term(blob, PROTO_HDR_X_MS_SOURCE_IF_MODIFIED_SINCE, "x"),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    assert_view(fault.name, "x-ms-source-if-modified-since");

    assert_int_equal(
        term(put, PROTO_HDR_X_MS_COPY_SOURCE_AUTHORIZATION, "Bearer t"),
        PROTO_OK);
    assert_view(copy.authorization, "Bearer t");
    assert_int_equal(
        term(put, PROTO_HDR_X_MS_COPY_SOURCE_AUTHORIZATION, "Basic t"),
        PROTO_ERR_INVALID_HEADER_VALUE);
    assert_view(fault.value, NULL); /* not shown again */
    assert_int_equal(
        term(blob, PROTO_HDR_X_MS_COPY_SOURCE_AUTHORIZATION, "Bearer t"),
        PROTO_ERR_UNSUPPORTED_HEADER);

    assert_int_equal(
        term(put, PROTO_HDR_X_MS_COPY_SOURCE_BLOB_PROPERTIES, "False"),
        PROTO_OK);
    assert_false(copy.source_props);
    assert_int_equal(
        term(put, PROTO_HDR_X_MS_COPY_SOURCE_BLOB_PROPERTIES, "no"),
        PROTO_ERR_INVALID_HEADER_VALUE);

    assert_int_equal(term(put, PROTO_HDR_X_MS_COPY_SOURCE_TAG_OPTION, "COPY"),
                     PROTO_OK);
    assert_true(copy.source_props);
    assert_true(copy.source_tags);
    with(PROTO_HDR_X_MS_TAGS, "a=b");
    assert_int_equal(
        parse(put),
        PROTO_ERR_BOTH_USER_TAGS_AND_SOURCE_TAGS_COPY_PRESENT_EXCEPTION);
    assert_int_equal(term(put, PROTO_HDR_X_MS_COPY_SOURCE_TAG_OPTION, "x"),
                     PROTO_ERR_INVALID_HEADER_VALUE);
}


static void
conditions(void **state)
{
    proto_cond_state_t now = { .exists = true,
                               .etag = VIEW("0x1"),
                               .last_modified_s = 1767225600 };
    static const struct {
        proto_hdr_id_t id;
        const char *value;
        bool met;
    } rows[] = {
        { PROTO_HDR_X_MS_SOURCE_IF_MATCH, "\"0x1\"", true },
        { PROTO_HDR_X_MS_SOURCE_IF_MATCH, "\"0x2\"", false },
        { PROTO_HDR_X_MS_SOURCE_IF_NONE_MATCH, "\"0x1\"", false },
        { PROTO_HDR_X_MS_SOURCE_IF_NONE_MATCH, "\"0x2\"", true },
        { PROTO_HDR_X_MS_SOURCE_IF_MODIFIED_SINCE,
          "Thu, 01 Jan 2026 00:00:00 GMT", false },
        { PROTO_HDR_X_MS_SOURCE_IF_MODIFIED_SINCE,
          "Wed, 31 Dec 2025 23:59:59 GMT", true },
        { PROTO_HDR_X_MS_SOURCE_IF_UNMODIFIED_SINCE,
          "Thu, 01 Jan 2026 00:00:00 GMT", true },
        { PROTO_HDR_X_MS_SOURCE_IF_UNMODIFIED_SINCE,
          "Wed, 31 Dec 2025 23:59:59 GMT", false },
    };

    (void) state;
    at("acct.blob.edge.test", true, PROTO_URI_AUTO);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(term(PROTO_OP_COPY_BLOB, rows[i].id, rows[i].value),
                         PROTO_OK);
        assert_int_equal(proto_copy_cond(&copy, &now),
                         rows[i].met ? PROTO_OK
                                     : PROTO_ERR_SOURCE_CONDITION_NOT_MET);
    }
}


static void
conditions_of_tags(void **state)
{
    static const struct {
        proto_op_id_t op;
        proto_err_t want;
    } rows[] = {
        { PROTO_OP_COPY_BLOB, PROTO_OK },
        { PROTO_OP_COPY_BLOB_FROM_URL, PROTO_OK },
        { PROTO_OP_PUT_BLOB_FROM_URL, PROTO_OK },
        { PROTO_OP_PUT_BLOCK_FROM_URL,
          PROTO_ERR_CONDITION_HEADERS_NOT_SUPPORTED },
        { PROTO_OP_APPEND_BLOCK_FROM_URL,
          PROTO_ERR_CONDITION_HEADERS_NOT_SUPPORTED },
        { PROTO_OP_PUT_PAGE_FROM_URL,
          PROTO_ERR_CONDITION_HEADERS_NOT_SUPPORTED },
    };
    proto_cond_state_t now = { .exists = true };
    uint8_t buf[64];
    writer_t w;

    (void) state;
    at("acct.blob.edge.test", true, PROTO_URI_AUTO);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(
            term(rows[i].op, PROTO_HDR_X_MS_SOURCE_IF_TAGS, "k = 'v'"),
            rows[i].want);
    }

    assert_int_equal(
        term(PROTO_OP_COPY_BLOB, PROTO_HDR_X_MS_SOURCE_IF_TAGS, "k ="),
        PROTO_ERR_INVALID_HEADER_VALUE);
    assert_view(fault.name, "x-ms-source-if-tags");

    assert_int_equal(
        term(PROTO_OP_COPY_BLOB, PROTO_HDR_X_MS_SOURCE_IF_TAGS, "k = 'v'"),
        PROTO_OK);
    assert_true(proto_copy_reads_tags(&copy));
    assert_int_equal(proto_copy_cond(&copy, &now),
                     PROTO_ERR_SOURCE_CONDITION_NOT_MET);
    writer_init_fixed(&w, buf, sizeof(buf));
    props_pairs_put(&w, VIEW("k"), VIEW("v"));
    now.tags = writer_view(&w);
    assert_int_equal(proto_copy_cond(&copy, &now), PROTO_OK);

    assert_int_equal(
        term(PROTO_OP_COPY_BLOB, PROTO_HDR_X_MS_SOURCE_IF_TAGS, ""), PROTO_OK);
    assert_false(proto_copy_reads_tags(&copy));
}


static void
conditions_there(void **state)
{
    proto_cond_state_t here = { .exists = true,
                                .etag = VIEW("0x1"),
                                .origin_etag = VIEW("0xA"),
                                .last_modified_s = 1000 };
    proto_copy_t c = { .cond = { .if_match = VIEW("\"0x1\""),
                                 .if_none_match = VIEW("\"0x2\""),
                                 .modified_since_s = 1000,
                                 .unmodified_since_s = 999 } };

    (void) state;
    proto_copy_cond_there(&c, &here, 1007);
    assert_view(c.cond.if_match, "0xA");
    assert_view(c.cond.if_none_match, "\"0x2\"");
    assert_int_equal(c.cond.modified_since_s, 1007);
    assert_int_equal(c.cond.unmodified_since_s, 999);

    here.origin_etag = VIEW_NULL;
    c.cond.if_match = VIEW("0x1");
    proto_copy_cond_there(&c, &here, 0);
    assert_view(c.cond.if_match, "0x1");
    assert_int_equal(c.cond.modified_since_s, 1007);
}


static void
parts(void **state)
{
    const proto_op_t *block = proto_op_row(PROTO_OP_PUT_BLOCK_FROM_URL);
    const proto_op_t *sync = proto_op_row(PROTO_OP_COPY_BLOB_FROM_URL);
    const proto_op_t *async = proto_op_row(PROTO_OP_COPY_BLOB);
    proto_copy_t c = { .has_range = true, .range_off = 5, .range_len = 10 };
    uint64_t off, len;

    (void) state;
    assert_int_equal(proto_copy_part(&c, block, 100, &off, &len), PROTO_OK);
    assert_int_equal(off, 5);
    assert_int_equal(len, 10);
    assert_int_equal(proto_copy_part(&c, block, 7, &off, &len), PROTO_OK);
    assert_int_equal(len, 2);
    assert_int_equal(proto_copy_part(&c, block, 5, &off, &len),
                     PROTO_ERR_INVALID_RANGE);

    c = (proto_copy_t){ .range_len = UINT64_MAX };
    assert_int_equal(proto_copy_part(&c, block, 7, &off, &len), PROTO_OK);
    assert_int_equal(off, 0);
    assert_int_equal(len, 7);
    assert_int_equal(proto_copy_part(&c, block, 0, &off, &len),
                     PROTO_ERR_INVALID_INPUT);
    assert_int_equal(proto_copy_part(&c, async, 0, &off, &len), PROTO_OK);
    assert_int_equal(
        proto_copy_part(&c, async, PROTO_COPY_BLOB_MAX * 2, &off, &len),
        PROTO_OK);
    assert_int_equal(
        proto_copy_part(&c, sync, PROTO_COPY_SYNC_MAX, &off, &len), PROTO_OK);
    assert_int_equal(
        proto_copy_part(&c, sync, PROTO_COPY_SYNC_MAX + 1, &off, &len),
        PROTO_ERR_REQUEST_BODY_TOO_LARGE);
}


static void
errors(void **state)
{
    static const unsigned same[] = { 401, 403, 404, 409, 500, 503 };

    (void) state;

    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        const proto_error_row_t *row =
            proto_error_row(proto_copy_source_error(same[i]));

        assert_int_equal(row->status, same[i]);
        assert_string_equal(row->code, "CannotVerifyCopySource");
    }

    assert_int_equal(proto_copy_target_error(proto_op_row(PROTO_OP_COPY_BLOB),
                                             PROTO_ERR_CONDITION_NOT_MET),
                     PROTO_ERR_TARGET_CONDITION_NOT_MET);
    assert_int_equal(
        proto_copy_target_error(proto_op_row(PROTO_OP_PUT_BLOB_FROM_URL),
                                PROTO_ERR_CONDITION_NOT_MET),
        PROTO_ERR_CONDITION_NOT_MET);
    assert_int_equal(proto_copy_target_error(proto_op_row(PROTO_OP_COPY_BLOB),
                                             PROTO_ERR_BLOB_ALREADY_EXISTS),
                     PROTO_ERR_BLOB_ALREADY_EXISTS);

    for (unsigned i = 0; i < PROTO_OP_COUNT; i++) {
        const proto_op_t *op = proto_op_row((proto_op_id_t) i);

        assert_int_equal(proto_copy_has_source(op),
                         strstr(op->name, "From URL") != NULL
                             || strcmp(op->name, "Copy Blob") == 0
                             || strcmp(op->name, "Incremental Copy Blob")
                                    == 0);
    }

    assert_int_equal(proto_copy_source_error(412),
                     PROTO_ERR_SOURCE_CONDITION_NOT_MET);
    assert_int_equal(proto_copy_source_error(416), PROTO_ERR_INVALID_RANGE);
    assert_int_equal(proto_copy_source_error(418),
                     PROTO_ERR_COPY_SOURCE_FORBIDDEN);
    assert_int_equal(proto_copy_source_error(0), PROTO_ERR_COPY_SOURCE_FAILED);
    assert_int_equal(proto_copy_source_error(502),
                     PROTO_ERR_COPY_SOURCE_FAILED);
}


/* The source's own SAS, as the gate reads one. */
static void
rights(void **state)
{
    static const uint8_t key[32] = { 1, 2, 3 };
    proto_sas_t sas = { .account = VIEW("acct"),
                        .key = view_of(key, sizeof(key)),
                        .perms = VIEW("r"),
                        .expiry = VIEW("2026-01-02T00:00:00Z"),
                        .container = VIEW("cont"),
                        .blob = VIEW("b") };
    proto_headers_t asked = { .version = 20231103 };
    proto_copy_gate_t none;
    proto_auth_in_t from = { .headers = &asked, .now_s = 1767225600 }, in;
    proto_auth_out_t out;
    char url[1024];
    writer_t w;

    (void) state;
    at("acct.blob.edge.test", true, PROTO_URI_AUTO);

    for (int i = 0; i < 3; i++) {
        sas.perms = i == 1 ? VIEW("w") : VIEW("r");
        writer_init_fixed(&w, url, sizeof(url) - 1);
        writer_puts(&w, i == 2 ? "https://acct.blob.edge.test/cont/c?"
                               : "https://acct.blob.edge.test/cont/b?");
        proto_sas_service(&w, &sas);
        url[w.len] = '\0';
        local(url, "acct", "cont", i == 2 ? "c" : "b");

        proto_copy_auth_in(&copy, &from, VIEW_NULL, &none, &in);
        in.keys[0] = sas.key;
        in.nkeys = 1;
        assert_int_equal(proto_auth_check(&in, &out),
                         i == 0   ? PROTO_OK
                         : i == 1 ? PROTO_ERR_AUTHORIZATION_PERMISSION_MISMATCH
                                  : PROTO_ERR_AUTHENTICATION_FAILED);
    }

    /* the tags are more than the bytes */
    for (int i = 0; i < 2; i++) {
        sas.perms = i == 0 ? VIEW("r") : VIEW("rt");
        writer_init_fixed(&w, url, sizeof(url) - 1);
        writer_puts(&w, "https://acct.blob.edge.test/cont/b?");
        proto_sas_service(&w, &sas);
        url[w.len] = '\0';
        local(url, "acct", "cont", "b");
        copy.source_tags = true;
        proto_copy_auth_in(&copy, &from, VIEW_NULL, &none, &in);
        in.keys[0] = sas.key;
        in.nkeys = 1;
        assert_int_equal(proto_auth_check(&in, &out),
                         i == 0 ? PROTO_ERR_AUTHORIZATION_PERMISSION_MISMATCH
                                : PROTO_OK);
    }

    /* without one only a public container */
    local("https://acct.blob.edge.test/cont/b", "acct", "cont", "b");
    proto_copy_auth_in(&copy, &from, VIEW_NULL, &none, &in);
    assert_int_equal(proto_auth_check(&in, &out), PROTO_OK);
    assert_int_equal(out.need, PROTO_NEED_CONTAINER);
    in.facts = PROTO_NEED_CONTAINER;
    in.container_exists = true;
    assert_int_equal(proto_auth_check(&in, &out),
                     PROTO_ERR_NO_AUTHENTICATION_INFORMATION);
    in.public_access = 1;
    assert_int_equal(proto_auth_check(&in, &out), PROTO_OK);
    in.also = PROTO_PERM_T;
    assert_int_equal(proto_auth_check(&in, &out),
                     PROTO_ERR_NO_AUTHENTICATION_INFORMATION);

    /* the request's token, in the same account, or one of its own */
    asked.known[PROTO_HDR_AUTHORIZATION] = VIEW("Bearer a");
    assert_view(proto_copy_token(&copy, &asked, PROTO_CRED_BEARER, true),
                "Bearer a");
    assert_view(proto_copy_token(&copy, &asked, PROTO_CRED_BEARER, false),
                NULL);
    assert_view(proto_copy_token(&copy, &asked, PROTO_CRED_SHARED_KEY, true),
                NULL);
    local("https://acct.blob.edge.test/cont/b?sig=x", "acct", "cont", "b");
    assert_view(proto_copy_token(&copy, &asked, PROTO_CRED_BEARER, true),
                NULL);
    local("https://acct.blob.edge.test/cont/b", "acct", "cont", "b");
    copy.authorization = VIEW("Bearer t");
    assert_view(proto_copy_token(&copy, &asked, PROTO_CRED_BEARER, true),
                "Bearer t");
    assert_view(proto_copy_token(&copy, &asked, PROTO_CRED_ACCOUNT_SAS, false),
                "Bearer t");
    assert_false(proto_copy_trusted(&copy, PROTO_CRED_SHARED_KEY, true));

    /* only the origin can judge it, and it is safe as the request was */
    from.https = true;
    proto_copy_auth_in(&copy, &from, copy.authorization, &none, &in);
    in.has_origin = true;
    in.origin_tls = true;
    assert_int_equal(proto_auth_check(&in, &out), PROTO_OK);
    assert_int_equal(out.cred, PROTO_CRED_BEARER);
    assert_int_equal(out.need, PROTO_NEED_VERDICT);
    from.https = false;
    proto_copy_auth_in(&copy, &from, copy.authorization, &none, &in);
    in.has_origin = true;
    in.origin_tls = true;
    assert_int_equal(proto_auth_check(&in, &out),
                     PROTO_ERR_AUTHENTICATION_FAILED);

    local("https://acct.blob.edge.test/cont/b", "acct", "cont", "b");
    assert_true(proto_copy_trusted(&copy, PROTO_CRED_SHARED_KEY, true));
    assert_true(proto_copy_trusted(&copy, PROTO_CRED_SHARED_KEY_LITE, true));
    assert_false(proto_copy_trusted(&copy, PROTO_CRED_SHARED_KEY, false));
    assert_false(proto_copy_trusted(&copy, PROTO_CRED_BEARER, true));
    assert_false(proto_copy_trusted(&copy, PROTO_CRED_ACCOUNT_SAS, true));
    assert_false(proto_copy_trusted(&copy, PROTO_CRED_ANONYMOUS, true));
    external("https://elsewhere.example/cont/b");
    assert_false(proto_copy_trusted(&copy, PROTO_CRED_SHARED_KEY, true));
}


/* What an origin is given opens that blob (sr=b: with its snapshots), or that
 * snapshot alone, and for a time. */
static void
lake_rights(void **state)
{
    static const uint8_t bytes[32] = { 4, 5, 6 };
    static const char *const targets[] = {
        "https://acct.blob.edge.test/cont/b",
        "https://acct.blob.edge.test/cont/"
        "b?snapshot=2024-01-01T00:00:00.0000000Z",
    };
    view_t key = view_of(bytes, sizeof(bytes));
    proto_headers_t asked = { .version = 20231103 };
    proto_auth_in_t from = { .headers = &asked, .now_s = 1767225600 }, in;
    proto_copy_gate_t none;
    proto_auth_out_t out;
    char url[1024], sas[512];
    writer_t w;

    (void) state;
    at("acct.blob.edge.test", true, PROTO_URI_AUTO);

    for (int made = 0; made < 2; made++) {
        local(targets[made], "acct", "cont", "b");
        writer_init_fixed(&w, sas, sizeof(sas) - 1);
        proto_copy_sas(&w, &copy, VIEW("acct"), key, from.now_s + 900);
        assert_true(writer_ok(&w));
        sas[w.len] = '\0';

        for (int used = 0; used < 2; used++) {
            snprintf(url, sizeof(url), "%s%c%s", targets[used],
                     used ? '&' : '?', sas);
            local(url, "acct", "cont", "b");
            proto_copy_auth_in(&copy, &from, VIEW_NULL, &none, &in);
            in.keys[0] = key;
            in.nkeys = 1;
            assert_int_equal(proto_auth_check(&in, &out),
                             made <= used ? PROTO_OK
                                          : PROTO_ERR_AUTHENTICATION_FAILED);

            in.now_s += 901;
            assert_int_equal(proto_auth_check(&in, &out),
                             PROTO_ERR_AUTHENTICATION_FAILED);
        }
    }

    /* its tags with it only when they are copied */
    copy.source_tags = true;
    writer_init_fixed(&w, sas, sizeof(sas) - 1);
    proto_copy_sas(&w, &copy, VIEW("acct"), key, from.now_s + 900);
    sas[w.len] = '\0';
    assert_non_null(strstr(sas, "sp=rt&"));

    assert_int_equal(
        proto_copy_sas_lifetime_s(proto_op_row(PROTO_OP_PUT_BLOB_FROM_URL)),
        900);
    assert_int_equal(
        proto_copy_sas_lifetime_s(proto_op_row(PROTO_OP_COPY_BLOB)), 86400);
}


static void
properties(void **state)
{
    const proto_op_t *async = proto_op_row(PROTO_OP_COPY_BLOB);
    const proto_op_t *put = proto_op_row(PROTO_OP_PUT_BLOB_FROM_URL);
    blob_props_t source = { .content_length = 7,
                            .tier = TIER_COOL,
                            .has_md5 = true,
                            .md5 = { 9 },
                            .content_type = VIEW("text/plain"),
                            .cache_control = VIEW("no-store"),
                            .metadata = VIEW("S"),
                            .tags = VIEW("T") };
    blob_props_t sent = { .content_type = VIEW("text/html"),
                          .tags = VIEW("U") };
    proto_copy_t c = { .source_props = true };
    blob_props_t ret;

    (void) state;
    proto_copy_props(&c, async, &source, &sent, &ret);
    assert_int_equal(ret.content_length, 7);
    assert_int_equal(ret.tier, TIER_NONE);
    assert_view(ret.content_type, "text/plain");
    assert_view(ret.cache_control, "no-store");
    assert_view(ret.metadata, "S");
    assert_view(ret.tags, "U");
    assert_true(ret.has_md5 && ret.md5[0] == 9);

    sent.metadata = VIEW("M");
    sent.tier = TIER_COLD;
    proto_copy_props(&c, async, &source, &sent, &ret);
    assert_view(ret.metadata, "M");
    assert_int_equal(ret.tier, TIER_COLD);

    proto_copy_props(&c, put, &source, &sent, &ret);
    assert_view(ret.content_type, "text/html");
    assert_view(ret.cache_control, "no-store");

    c.source_props = false;
    c.source_tags = true;
    sent.metadata = VIEW("");
    sent.content_type = VIEW_NULL;
    proto_copy_props(&c, put, &source, &sent, &ret);
    assert_view(ret.content_type, "application/octet-stream");
    assert_view(ret.cache_control, NULL);
    assert_int_equal(ret.metadata.len, 0);
    assert_view(ret.tags, "T");
    assert_true(ret.has_md5 && ret.md5[0] == 9);
}


static void
writing(void **state)
{
    uint8_t buf[512];
    writer_t w;

    (void) state;
    at("acct.blob.edge.test", true, PROTO_URI_AUTO);
    local("https://acct.blob.edge.test/cont/a%2Fb%20c?snapshot=2024-01-01T00:"
          "00:00.0000000Z&sv=1&sig=secret",
          "acct", "cont", "a/b c");

    writer_init_fixed(&w, buf, sizeof(buf));
    proto_copy_source_put(&w, &copy, VIEW("https://lake/x"), VIEW("sig=ours"));
    assert_view(writer_view(&w),
                "https://lake/x/cont/a/b%20c?snapshot=2024-01-01T00%3A00%3A00."
                "0000000Z&sig=ours");

    writer_reset(&w);
    proto_copy_source_shown(&w, &copy);
    assert_view(writer_view(&w),
                "https://acct.blob.edge.test/cont/a%2Fb%20c?snapshot=2024-01-"
                "01T00%3A00%3A00.0000000Z");

    local("https://acct.blob.edge.test/cont/b", "acct", "cont", "b");
    writer_reset(&w);
    proto_copy_source_put(&w, &copy, VIEW("https://lake"), VIEW("sig=ours"));
    assert_view(writer_view(&w), "https://lake/cont/b?sig=ours");
    writer_reset(&w);
    proto_copy_source_put(&w, &copy, VIEW("https://lake"), VIEW_NULL);
    assert_view(writer_view(&w), "https://lake/cont/b");

    external("https://h.example:8443/c/b?sig=secret");
    writer_reset(&w);
    proto_copy_source_shown(&w, &copy);
    assert_view(writer_view(&w), "https://h.example:8443/c/b");
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls),
        cmocka_unit_test(path_style),
        cmocka_unit_test(host_style),
        cmocka_unit_test(sources),
        cmocka_unit_test(terms),
        cmocka_unit_test(conditions),
        cmocka_unit_test(conditions_of_tags),
        cmocka_unit_test(conditions_there),
        cmocka_unit_test(parts),
        cmocka_unit_test(errors),
        cmocka_unit_test(rights),
        cmocka_unit_test(properties),
        cmocka_unit_test(writing),
        cmocka_unit_test(lake_rights),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
