#include "unit.h"

#include <stdlib.h>

#include "proto/batch.h"

static proto_batch_part_t parts[PROTO_BATCH_PARTS_MAX];
static unsigned n;
static proto_fault_t fault;

#define MIME "Content-Type: application/http\r\n"
#define ONE  "--b\r\n" MIME "\r\nDELETE /c/a HTTP/1.1\r\n\r\n"


static proto_err_t
parse(const char *body)
{
    return proto_batch_parse(view_str(body), VIEW("b"), parts, &n, &fault);
}


static void
is(view_t v, const char *text)
{
    assert_int_equal(v.len, strlen(text));
    assert_memory_equal(v.ptr, text, v.len);
}


static void
boundary_is(const char *type, const char *want)
{
    view_t v = VIEW_NULL;

    assert_int_equal(proto_batch_boundary(view_str(type), &v, &fault),
                     PROTO_OK);
    is(v, want);
}


static void
boundaries(void **state)
{
    view_t v = VIEW_NULL;

    (void) state;
    boundary_is("multipart/mixed; boundary=batch_1", "batch_1");
    boundary_is("multipart/mixed;boundary=a=b=", "a=b=");
    boundary_is("multipart/mixed; boundary=\"a;b c\"; x=y", "a;b c");
    boundary_is("Multipart/MIXED ;charset=u; BOUNDARY = q ", "q");
    boundary_is("multipart/mixed; x=\"boundary=z;\"; boundary=q", "q");

    assert_int_equal(proto_batch_boundary(VIEW_NULL, &v, &fault),
                     PROTO_ERR_MISSING_REQUIRED_HEADER);
    assert_int_equal(proto_batch_boundary(VIEW(""), &v, &fault),
                     PROTO_ERR_MISSING_REQUIRED_HEADER);

    static const char *const bad[] = {
        "multipart/mixed",
        "multipart/mixed;",
        "multipart/mixed; boundary",
        "multipart/mixed; boundary=",
        "multipart/mixed; boundary=\"\"",
        "multipart/mixed; boundary=\"x ",
        "multipart/mixed; boundary=\x01",
        "multipart/mixed; boundary=0123456789012345678901234567890123456789"
        "0123456789012345678901234567890",
        "multipart/related; boundary=b",
        "application/xml; boundary=b",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(proto_batch_boundary(view_str(bad[i]), &v, &fault),
                         PROTO_ERR_INVALID_HEADER_VALUE);
    }
}


static void
well_formed(void **state)
{
    proto_header_t hdrs[PROTO_BATCH_HEADERS_MAX];

    (void) state;
    assert_int_equal(
        parse("preamble\r\n--bx\r\n--b  \r\n" MIME "Content-ID: <0>\r\n\r\n"
              "DELETE /c/a?x=y%20z HTTP/1.1\r\nx-ms-date: today \r\n"
              "Authorization:SharedKey a:b=\r\nX-Empty:\r\n\r\n\r\n"
              "--b\n" MIME "\n\nPUT /c/b?comp=tier HTTP/1.1\n\n--b--"),
        PROTO_OK);
    assert_int_equal(n, 2);
    is(parts[0].content_id, "<0>");
    is(parts[0].method, "DELETE");
    is(parts[0].target, "/c/a?x=y%20z");
    assert_int_equal(parts[0].nhdrs, 3);
    proto_batch_headers(&parts[0], hdrs);
    is(hdrs[0].name, "x-ms-date");
    is(hdrs[0].value, "today");
    is(hdrs[1].name, "Authorization");
    is(hdrs[1].value, "SharedKey a:b=");
    is(hdrs[2].value, "");
    assert_null(parts[1].content_id.ptr);
    is(parts[1].target, "/c/b?comp=tier");
    assert_int_equal(parts[1].nhdrs, 0);

    /* without the empty line at the end of a request, and an epilogue */
    assert_int_equal(parse("--b\r\n" MIME "\r\nDELETE /c/a HTTP/1.1\r\n"
                           "--b--\r\n--b\r\nrest"),
                     PROTO_OK);
    assert_int_equal(n, 1);
}


static void
malformed(void **state)
{
    static const char *const bad[] = {
        "",
        "x",
        "--b--",
        "--b\r\n--b--",
        ONE,
        ONE "--b",
        ONE "--c--",
        ONE "--b--x",
        ONE "x\r\n--b--",
        ONE "--b\r\n--b--", /* two in a row */
        "--b\r\n\r\nDELETE /c/a HTTP/1.1\r\n\r\n--b--",
        "--b\r\nContent-Type: text/plain\r\n\r\nDELETE / HTTP/1.1\r\n--b--",
        "--b\r\n" MIME "\r\nDELETE /c/a\r\n--b--",
        "--b\r\n" MIME "\r\nDELETE  HTTP/1.1\r\n--b--",
        "--b\r\n" MIME "\r\nDELETE /c/a SPDY/1\r\n--b--",
        "--b\r\n" MIME "\r\nDELETE c/a HTTP/1.1\r\n--b--",
        "--b\r\n" MIME "\r\nDELETE http://h/c/a HTTP/1.1\r\n--b--",
        "--b\r\n" MIME "\r\n /c/a HTTP/1.1\r\n--b--",
        "--b\r\n" MIME "\r\nDELETE /c/a\x01 HTTP/1.1\r\n--b--",
        "--b\r\n" MIME "\r\nDELETE /c/a HTTP/1.1\r\nx\r\n\r\n--b--",
        "--b\r\n" MIME "\r\nDELETE /c/a HTTP/1.1\r\nx y: z\r\n\r\n--b--",
        "--b\r\n" MIME "\r\nDELETE /c/a HTTP/1.1\r\na: b\r\n c\r\n\r\n--b--",
        "--b\r\n" MIME "\r\nDELETE /c/a HTTP/1.1\r\na: b\rc\r\n\r\n--b--",
    };

    (void) state;
    assert_int_equal(parse(ONE "--b--"), PROTO_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (parse(bad[i]) != PROTO_ERR_INVALID_INPUT) {
            fail_msg("accepted: %s", bad[i]);
        }
    }
}


static proto_err_t
parse_many(unsigned count, unsigned headers)
{
    size_t cap = 1 << 20;
    uint8_t *buf = malloc(cap);
    proto_err_t err;
    writer_t w;

    assert_non_null(buf);
    writer_init_fixed(&w, buf, cap);
    for (unsigned i = 0; i < count; i++) {
        writer_puts(&w, "--b\r\n" MIME "\r\nDELETE /c/a HTTP/1.1\r\n");
        for (unsigned h = 0; h < headers; h++) {
            writer_puts(&w, "a: b\r\n");
        }
        writer_puts(&w, "\r\n");
    }
    writer_puts(&w, "--b--\r\n");
    assert_true(writer_ok(&w));
    err = proto_batch_parse(writer_view(&w), VIEW("b"), parts, &n, &fault);
    free(buf);
    return err;
}


static void
limits(void **state)
{
    (void) state;
    assert_int_equal(parse_many(256, 1), PROTO_OK);
    assert_int_equal(n, 256);
    assert_int_equal(parse_many(257, 1),
                     PROTO_ERR_EXCEEDS_MAX_BATCH_REQUEST_COUNT);
    assert_int_equal(parse_many(1, PROTO_BATCH_HEADERS_MAX), PROTO_OK);
    assert_int_equal(parse_many(1, PROTO_BATCH_HEADERS_MAX + 1),
                     PROTO_ERR_INVALID_INPUT);
}


/* ---- what a part means ------------------------------------------------ */

static proto_err_t
check(const char *a, const char *b, proto_op_id_t *ret)
{
    const char *const lines[] = { a, b };
    unsigned count = b == NULL ? 1 : 2;

    for (unsigned i = 0; i < count; i++) {
        view_t v = view_str(lines[i]);
        size_t space = view_find(v, ' ', 0);

        parts[i] =
            (proto_batch_part_t){ .method = view_sub(v, 0, space),
                                  .target = view_sub(v, space + 1, v.len) };
    }

    return proto_batch_check(parts, count, ret, &fault);
}


static void
kinds(void **state)
{
    proto_op_id_t kind;

    (void) state;
    assert_int_equal(check("DELETE /c/a", "DELETE /c/b?snapshot=x", &kind),
                     PROTO_OK);
    assert_int_equal(kind, PROTO_OP_DELETE_BLOB);
    assert_int_equal(check("PUT /c/a?comp=tier", "PUT /c?x&Comp=TIER", &kind),
                     PROTO_OK);
    assert_int_equal(kind, PROTO_OP_SET_BLOB_TIER);

    static const char *const bad[][2] = {
        { "DELETE /c/a", "PUT /c/a?comp=tier" },
        { "PUT /c/a?comp=tier", "DELETE /c/a" },
        { "DELETE /c?restype=container", NULL },
        { "DELETE /c/a?comp=immutabilityPolicies", NULL },
        { "PUT /c/a", NULL },
        { "PUT /c/a?comp=", NULL },
        { "PUT /c/a?comp=block&blockid=x", NULL },
        { "PUT /c/a?xcomp=tier", NULL },
        { "GET /c/a", NULL },
        { "POST /?comp=batch", NULL },
        { "delete /c/a", NULL },
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(check(bad[i][0], bad[i][1], &kind),
                         PROTO_ERR_INVALID_INPUT);
    }
}


static void
reads(const char *outer_container, bool path_style, const char *target,
      const char *container, const char *blob)
{
    static uint8_t buf[4096];
    proto_uri_t outer = { .account = VIEW("acct"),
                          .path_style = path_style,
                          .container = view_str(outer_container) };
    proto_uri_opts_t opts = proto_batch_uri_opts(&outer, view_str(target));
    proto_uri_t uri;
    writer_t w;

    writer_init_fixed(&w, buf, sizeof(buf));
    assert_int_equal(proto_uri_parse(view_str(target), VIEW("127.0.0.1"),
                                     &opts, &w, &uri, &fault),
                     PROTO_OK);
    is(uri.account, "acct");
    is(uri.container, container);
    is(uri.blob, blob);
}


static void
targets(void **state)
{
    (void) state;
    reads("", true, "/con/a/b", "con", "a/b");       /* Python */
    reads("", true, "/acct/con/a", "con", "a");      /* JS, .NET */
    reads("", true, "/acct/con/a?x=/y", "con", "a"); /* JS, .NET */
    reads("con", true, "/con/acct", "con", "acct");
    reads("con", true, "/acct/con/a", "con", "a");
    reads("", false, "/acct/con/a", "acct", "con/a");
    reads("", false, "/con/a", "con", "a");
    /* a container of the account's name */
    reads("acct", true, "/acct/a", "acct", "a");
    reads("acct", true, "/acct/acct/a", "acct", "a");
    reads("", true, "/acct/acct/a", "acct", "a");
}


static void
belongs(void **state)
{
    const proto_op_t *del = proto_op_row(PROTO_OP_DELETE_BLOB);
    proto_uri_t outer = { .account = VIEW("a") };
    proto_uri_t uri = { .account = VIEW("a"), .container = VIEW("con") };

    (void) state;
    assert_int_equal(
        proto_batch_part_check(&outer, PROTO_OP_DELETE_BLOB, del, &uri),
        PROTO_OK);
    assert_int_equal(
        proto_batch_part_check(&outer, PROTO_OP_SET_BLOB_TIER, del, &uri),
        PROTO_ERR_INVALID_INPUT);
    outer.container = VIEW("con");
    assert_int_equal(
        proto_batch_part_check(&outer, PROTO_OP_DELETE_BLOB, del, &uri),
        PROTO_OK);
    outer.container = VIEW("co");
    assert_int_equal(
        proto_batch_part_check(&outer, PROTO_OP_DELETE_BLOB, del, &uri),
        PROTO_ERR_INVALID_INPUT);
    outer.container = VIEW("");
    uri.account = VIEW("b");
    assert_int_equal(
        proto_batch_part_check(&outer, PROTO_OP_DELETE_BLOB, del, &uri),
        PROTO_ERR_INVALID_INPUT);
}


static void
versions(void **state)
{
    proto_headers_t outer = { .version = 20231103 }, part = { .version = 0 };
    proto_uri_t uri = { .nparams = 0 };

    (void) state;
    outer.known[PROTO_HDR_X_MS_VERSION] = VIEW("2023-11-03");
    proto_batch_inherit(&outer, &uri, &part);
    assert_int_equal(part.version, 20231103);
    is(proto_hdr(&part, PROTO_HDR_X_MS_VERSION), "2023-11-03");

    part.version = 20190202;
    part.known[PROTO_HDR_X_MS_VERSION] = VIEW("2019-02-02");
    proto_batch_inherit(&outer, &uri, &part);
    assert_int_equal(part.version, 20190202);

    /* api-version */
    outer.known[PROTO_HDR_X_MS_VERSION] = VIEW_NULL;
    uri.known[PROTO_PARAM_API_VERSION] = VIEW("2023-11-03");
    part = (proto_headers_t){ .version = 0 };
    proto_batch_inherit(&outer, &uri, &part);
    is(proto_hdr(&part, PROTO_HDR_X_MS_VERSION), "2023-11-03");
}


static void
answer(void **state)
{
    uint8_t buf[1024];
    view_t guid = VIEW("GUID");
    writer_t w;

    (void) state;
    writer_init_fixed(&w, buf, sizeof(buf));
    proto_batch_put_type(&w, guid);
    is(writer_view(&w), "multipart/mixed; boundary=batchresponse_GUID");

    writer_init_fixed(&w, buf, sizeof(buf));
    proto_batch_put_open(&w, guid, VIEW("0"), 202);
    proto_batch_put_header(&w, VIEW("A"), VIEW("b"));
    proto_batch_put_body(&w, VIEW_NULL);
    proto_batch_put_open(&w, guid, VIEW_NULL, 404);
    proto_batch_put_body(&w, VIEW("<x/>"));
    proto_batch_put_close(&w, guid);
    assert_true(writer_ok(&w));
    is(writer_view(&w),
       "--batchresponse_GUID\r\nContent-Type: application/http\r\n"
       "Content-ID: 0\r\n\r\nHTTP/1.1 202 Accepted\r\nA: b\r\n\r\n\r\n"
       "--batchresponse_GUID\r\nContent-Type: application/http\r\n\r\n"
       "HTTP/1.1 404 Not Found\r\n\r\n<x/>\r\n--batchresponse_GUID--\r\n");
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(boundaries), cmocka_unit_test(well_formed),
        cmocka_unit_test(malformed),  cmocka_unit_test(limits),
        cmocka_unit_test(kinds),      cmocka_unit_test(targets),
        cmocka_unit_test(belongs),    cmocka_unit_test(versions),
        cmocka_unit_test(answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
