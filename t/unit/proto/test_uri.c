#include <string.h>

#include "unit.h"

#include "proto/uri.h"

static uint8_t scratch_buf[32 * 1024];
static writer_t scratch;
static proto_uri_t uri;
static proto_fault_t fault;


static proto_err_t
parse_as(proto_uri_style_t style, const char *host, view_t target)
{
    proto_uri_opts_t opts = { .style = style, .account = VIEW("fixed") };

    writer_init_fixed(&scratch, scratch_buf, sizeof(scratch_buf));
    fault = (proto_fault_t){ 0 };
    memset(&uri, 0xA5, sizeof(uri)); /* whatever was there before */
    return proto_uri_parse(target, view_str(host), &opts, &scratch, &uri,
                           &fault);
}


static proto_err_t
path(const char *target)
{
    return parse_as(PROTO_URI_AUTO, "127.0.0.1:10000", view_str(target));
}


static void
ok(const char *target, const char *container, const char *blob)
{
    assert_int_equal(path(target), PROTO_OK);
    assert_view(uri.account, "acct");
    assert_view(uri.container, container);
    assert_view(uri.blob, blob);
}


static void
bad(const char *target, proto_err_t err)
{
    assert_int_equal(path(target), err);
    assert_int_equal(fault.err, err);
}


static void
styles(void **state)
{
    static const char *const path_hosts[] = {
        "127.0.0.1:10000",
        "10.1.2.3",
        "[::1]:10000",
        "[fe80::1]",
        "localhost",
        "LOCALHOST:80",
        "host.docker.internal:10000",
        "edge",
        "",
    };

    (void) state;

    for (size_t i = 0; i < sizeof(path_hosts) / sizeof(path_hosts[0]); i++) {
        assert_int_equal(
            parse_as(PROTO_URI_AUTO, path_hosts[i], VIEW("/acct/con/b?x")),
            PROTO_OK);
        assert_true(uri.path_style);
        assert_view(uri.account, "acct");
        assert_view(uri.container, "con");
        assert_view(uri.raw_resource, "/con/b");
    }

    assert_int_equal(parse_as(PROTO_URI_AUTO, "Lake.blob.core.windows.net:443",
                              VIEW("/con/b")),
                     PROTO_OK);
    assert_false(uri.path_style);
    assert_view(uri.account, "lake"); /* hosts have no case */
    assert_view(uri.container, "con");
    assert_view(uri.raw_resource, "/con/b");

    assert_int_equal(
        parse_as(PROTO_URI_HOST, "lake-secondary.blob.test", VIEW("/con/b")),
        PROTO_OK);
    assert_view(uri.account, "lake");
    assert_true(uri.secondary);

    assert_int_equal(parse_as(PROTO_URI_FIXED, "any.host", VIEW("/con/b")),
                     PROTO_OK);
    assert_view(uri.account, "fixed");
    assert_view(uri.container, "con");
    assert_false(uri.secondary);

    assert_int_equal(parse_as(PROTO_URI_PATH, "lake.blob.test",
                              VIEW("/acct-secondary/con/b")),
                     PROTO_OK);
    assert_view(uri.account, "acct");
    assert_true(uri.secondary);
}


static void
levels(void **state)
{
    (void) state;
    ok("/acct", "", "");
    ok("/acct/", "", "");
    ok("/acct?comp=list", "", "");
    ok("/acct/?comp=list", "", "");
    ok("/acct/con?restype=container", "con", "");
    ok("/acct/con/", "con", "");
    ok("/acct/con/b", "con", "b");
    ok("/acct/con/dir/", "con", "dir/");
    bad("/", PROTO_ERR_INVALID_URI);
    bad("//con/b", PROTO_ERR_INVALID_URI);
    bad("acct/con", PROTO_ERR_INVALID_URI);
    bad("*", PROTO_ERR_INVALID_URI);

    /* an empty container names what was wrong (blob-api 4.1) */
    bad("/acct//blob", PROTO_ERR_INVALID_URI);
    assert_view(fault.value, "/acct//blob");

    assert_int_equal(parse_as(PROTO_URI_HOST, "a.b", VIEW("")), PROTO_OK);
    assert_view(uri.raw_path, "/");
    assert_view(uri.container, "");
}


static void
root_container(void **state)
{
    (void) state;
    ok("/acct/name.txt", "$root", "name.txt");
    ok("/acct/c", "$root", "c");
    ok("/acct/$root/name", "$root", "name");
    ok("/acct/%24root/name", "$root", "name");
    ok("/acct/$web/index.html", "$web", "index.html");
    ok("/acct/$logs?restype=container", "$logs", "");
    ok("/acct/con?restype=account&comp=properties", "con", "");
}


static void
absolute_form(void **state)
{
    (void) state;
    ok("http://127.0.0.1:10000/acct/con/b?comp=x", "con", "b");
    assert_view(uri.raw_path, "/acct/con/b");
    ok("HTTPS://h/acct/con/b", "con", "b");
    bad("http://h", PROTO_ERR_INVALID_URI);
}


static void
names_are_decoded_once(void **state)
{
    (void) state;
    ok("/acct/con/a%2Fb", "con", "a/b");
    ok("/acct/con/a%2fb", "con", "a/b");
    assert_view(uri.raw_resource, "/con/a%2fb"); /* signatures want it raw */
    ok("/acct/con/a+b%2Bc", "con", "a+b+c");
    ok("/acct/con/a%20b", "con", "a b");
    ok("/acct/con/a%2520b", "con", "a%20b");
    ok("/acct/con/%F0%9F%98%80", "con", "\xF0\x9F\x98\x80");
    ok("/acct/con/\xC3\xA4", "con", "\xC3\xA4");
    ok("/acct/con//a//b//", "con", "/a//b//");
    ok("/acct/con/%2F", "con", "/");
    ok("/acct/con/a%3Fb%23?comp=list", "con", "a?b#");
    ok("/acct/con/x%26y%3Cz%3E", "con", "x&y<z>");
    ok("/acct/con/..a/.b/c..d", "con", "..a/.b/c..d");

    bad("/acct/con/a%", PROTO_ERR_INVALID_URI);
    bad("/acct/con/a%4", PROTO_ERR_INVALID_URI);
    bad("/acct/con/a%zz", PROTO_ERR_INVALID_URI);
    bad("/acct/con/a%00b", PROTO_ERR_INVALID_URI);
    bad("/acct/con/%C0%AE", PROTO_ERR_INVALID_URI);
    bad("/acct/con/%FF", PROTO_ERR_INVALID_URI);
}


/* AzCopy with a host name and path style: /account/con%2Fblob */
static void
encoded_separator(void **state)
{
    (void) state;
    ok("/acct/con%2Fb", "con", "b");
    ok("/acct/con%2fdir%2Fb", "con", "dir/b");
    ok("/acct/con%2Fdir/b", "con", "dir/b");
    ok("/acct/con%2F%2Fb", "con", "/b");
    ok("/acct/con%2F", "con", "");
    bad("/acct/%2Fb", PROTO_ERR_INVALID_URI);
    bad("/acct/con%2F..%2Fother", PROTO_ERR_INVALID_URI);
}


/* What the service would normalise never gets a second meaning here. */
static void
dots_and_backslashes(void **state)
{
    static const char *const targets[] = {
        "/acct/con/.",      "/acct/con/..",        "/acct/con/a/./b",
        "/acct/con/a/../b", "/acct/con/.%2Fkey",   "/acct/con/%2e%2e/x",
        "/acct/con/a/%2E",  "/acct/con/a\\b",      "/acct/con/a%5Cb",
        "/acct/con/name.",  "/acct/con/dir./b",    "/acct/con/...",
        "/acct/con/a.%2Fb", "/acct/con/../con2/b",
    };

    (void) state;

    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        bad(targets[i], PROTO_ERR_INVALID_URI);
    }

    /* out of the container, too */
    assert_int_not_equal(path("/acct/../con/b"), PROTO_OK);
    assert_int_not_equal(path("/acct/./b"), PROTO_OK);
}


static void
container_names(void **state)
{
    static const struct {
        const char *name;
        proto_err_t err;
    } cases[] = {
        { "abc", PROTO_OK },
        { "a-b-c", PROTO_OK },
        { "0ab", PROTO_OK },
        { "123456789012345678901234567890123456789012345678901234567890123",
          PROTO_OK },
        { "1234567890123456789012345678901234567890123456789012345678901234",
          PROTO_ERR_OUT_OF_RANGE_INPUT },
        { "c1", PROTO_ERR_OUT_OF_RANGE_INPUT },
        { "Big", PROTO_ERR_INVALID_RESOURCE_NAME },
        { "a_b", PROTO_ERR_INVALID_RESOURCE_NAME },
        { "a--b", PROTO_ERR_INVALID_RESOURCE_NAME },
        { "-ab", PROTO_ERR_INVALID_RESOURCE_NAME },
        { "ab-", PROTO_ERR_INVALID_RESOURCE_NAME },
        { "a.b", PROTO_ERR_INVALID_RESOURCE_NAME },
        { "$other", PROTO_ERR_INVALID_RESOURCE_NAME },
        { "$root", PROTO_OK },
        { "$web", PROTO_OK },
        { "$logs", PROTO_OK },
        { "$blobchangefeed", PROTO_OK },
    };

    (void) state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(
            proto_container_name_check(view_str(cases[i].name), &fault),
            cases[i].err);
    }

    bad("/acct/Big_Name?restype=container", PROTO_ERR_INVALID_RESOURCE_NAME);
    bad("/acct/c1?restype=container", PROTO_ERR_OUT_OF_RANGE_INPUT);
    bad("/acct/Con/b", PROTO_ERR_INVALID_RESOURCE_NAME);
}


static void
name_limits(void **state)
{
    char name[4200], target[8300];

    (void) state;

    memset(name, 'n', sizeof(name));
    assert_int_equal(proto_blob_name_check(view_of(name, 1024), &fault),
                     PROTO_OK);
    assert_int_equal(proto_blob_name_check(view_of(name, 1025), &fault),
                     PROTO_ERR_OUT_OF_RANGE_INPUT);

    /* 512 emoji are 1,024 UTF-16 units and 2,048 bytes */
    for (size_t i = 0; i < 513; i++) {
        memcpy(name + i * 4, "\xF0\x9F\x98\x80", 4);
    }

    assert_int_equal(proto_blob_name_check(view_of(name, 2048), &fault),
                     PROTO_OK);
    assert_int_equal(proto_blob_name_check(view_of(name, 2052), &fault),
                     PROTO_ERR_OUT_OF_RANGE_INPUT);

    for (size_t i = 0; i < 260; i++) {
        memcpy(name + i * 2, "a/", 2);
    }

    assert_int_equal(proto_blob_name_check(view_of(name, 507), &fault),
                     PROTO_OK); /* 254 segments */
    assert_int_equal(proto_blob_name_check(view_of(name, 509), &fault),
                     PROTO_ERR_INVALID_URI);

    /* 1,024 units of three bytes, each percent-encoded: nine a unit */
    strcpy(target, "/acct/con/");

    for (size_t i = 0; i < 900; i++) {
        strcat(target, "%E2%82%AC");
    }

    assert_int_equal(path(target), PROTO_OK);
    assert_int_equal(uri.blob.len, 2700);
}


static void
scratch_limit(void **state)
{
    proto_uri_opts_t opts = { .style = PROTO_URI_PATH };
    uint8_t small[4];

    (void) state;
    writer_init_fixed(&scratch, small, sizeof(small));
    assert_int_equal(proto_uri_parse(VIEW("/acct/con/%41%41%41%41"), VIEW(""),
                                     &opts, &scratch, &uri, &fault),
                     PROTO_ERR_INVALID_URI);
}


static void
query(void **state)
{
    (void) state;
    ok("/acct/con?restype=container&comp=list&prefix=&delimiter=%2F"
       "&include=metadata%2Cversions&&timeout=31536001&_=1&flag&Marker=x%3d",
       "con", "");
    assert_view(uri.raw_query,
                "restype=container&comp=list&prefix=&delimiter=%2F"
                "&include=metadata%2Cversions&&timeout=31536001&_=1&flag"
                "&Marker=x%3d");
    assert_view(proto_uri_param(&uri, PROTO_PARAM_COMP), "list");
    assert_view(proto_uri_param(&uri, PROTO_PARAM_PREFIX), "");
    assert_view(proto_uri_param(&uri, PROTO_PARAM_DELIMITER), "/");
    assert_view(proto_uri_param(&uri, PROTO_PARAM_INCLUDE),
                "metadata,versions");
    assert_view(proto_uri_param(&uri, PROTO_PARAM_MARKER), "x=");
    assert_view(proto_uri_param(&uri, PROTO_PARAM_SNAPSHOT), NULL);
    assert_int_equal(uri.nparams, 9);
    assert_view(uri.params[7].name, "flag");
    assert_view(uri.params[7].value, "");
    assert_view(uri.params[8].name, "Marker");
    assert_view(uri.params[8].raw_value, "x%3d");

    ok("/acct/con/b?comp=block&blockid=a+b/c%2B%3D%3D", "con", "b");
    assert_view(proto_uri_param(&uri, PROTO_PARAM_BLOCKID), "a b/c+==");
    assert_view(uri.params[1].raw_value, "a+b/c%2B%3D%3D");

    ok("/acct/con/b?prefix=a=b?c", "con", "b");
    assert_view(proto_uri_param(&uri, PROTO_PARAM_PREFIX), "a=b?c");

    /* which of several is meant? */
    bad("/acct/con/b?snapshot=1&snapshot=2",
        PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE);
    assert_view(fault.name, "snapshot");
    bad("/acct/con/b?versionid=&VersionId=2",
        PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE);
    bad("/acct/con?restype=container&comp=list&x=1&c%6Fmp",
        PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE);
    bad("/acct/con/b?deletetype=x&deletetype=permanent",
        PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE);

    /* what has no meaning here is signed, all of it */
    ok("/acct/con/b?other=1&other=2", "con", "b");
    assert_int_equal(uri.nparams, 2);
    ok("/acct/con?restype=container&include=copy&include=tags", "con", "");
    assert_int_equal(uri.nparams, 3);

    ok("/acct/con/b?", "con", "b");
    assert_int_equal(uri.nparams, 0);
    bad("/acct/con/b?a=%zz", PROTO_ERR_INVALID_URI);
    bad("/acct/con/b?%00=1", PROTO_ERR_INVALID_URI);
}


static void
too_many_params(void **state)
{
    char target[1024] = "/acct/con/b?";

    (void) state;

    for (unsigned i = 0; i < PROTO_PARAMS_MAX; i++) {
        strcat(target, "a=1&");
    }

    assert_int_equal(path(target), PROTO_OK);
    assert_int_equal(uri.nparams, PROTO_PARAMS_MAX);
    strcat(target, "a=1");
    bad(target, PROTO_ERR_INVALID_URI);
}


static void
encode(void **state)
{
    char buf[64];
    writer_t w;

    (void) state;
    writer_init_fixed(&w, buf, sizeof(buf));
    proto_uri_encode(&w, VIEW("a/b c~\xC3\xA4+%"), true);
    assert_view(writer_view(&w), "a/b%20c~%C3%A4%2B%25");
    writer_reset(&w);
    proto_uri_encode(&w, VIEW("a/b"), false);
    assert_view(writer_view(&w), "a%2Fb");
}


/* Every cut and every changed byte of a target: no read past its end (run
 * with the sanitizers), and a name that is accepted is clean. */
static void
mutations(void **state)
{
    static const char target[] =
        "/acct/con%2Fdir/a%20b%F0%9F%98%80?comp=block&blockid=%2B&x";
    char copy[sizeof(target)];

    (void) state;

    for (size_t len = 0; len < sizeof(target); len++) {
        (void) parse_as(PROTO_URI_PATH, "h", view_of(target, len));
        (void) parse_as(PROTO_URI_HOST, "h.x", view_of(target, len));
    }

    for (size_t i = 0; i < sizeof(target) - 1; i++) {
        for (unsigned c = 0; c < 256; c++) {
            memcpy(copy, target, sizeof(target));
            copy[i] = (char) c;

            if (parse_as(PROTO_URI_PATH, "h", view_of(copy, sizeof(copy) - 1))
                    == PROTO_OK
                && uri.blob.len != 0)
            {
                assert_int_equal(proto_blob_name_check(uri.blob, &fault),
                                 PROTO_OK);
                assert_int_equal(view_find(uri.blob, 0, 0), uri.blob.len);
            }
        }
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(styles),
        cmocka_unit_test(levels),
        cmocka_unit_test(root_container),
        cmocka_unit_test(absolute_form),
        cmocka_unit_test(names_are_decoded_once),
        cmocka_unit_test(encoded_separator),
        cmocka_unit_test(dots_and_backslashes),
        cmocka_unit_test(container_names),
        cmocka_unit_test(name_limits),
        cmocka_unit_test(scratch_limit),
        cmocka_unit_test(query),
        cmocka_unit_test(too_many_params),
        cmocka_unit_test(encode),
        cmocka_unit_test(mutations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
