#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/verdict.h"


static void
answers(void **state)
{
    static const struct {
        proto_probe_t probe;
        unsigned status;
        const char *code;
        proto_err_t err;
    } rows[] = {
        { PROTO_PROBE_READ, 200, "", PROTO_OK },
        { PROTO_PROBE_READ, 304, "", PROTO_OK },
        { PROTO_PROBE_READ, 404, "BlobNotFound", PROTO_OK },
        { PROTO_PROBE_LIST, 404, "ContainerNotFound", PROTO_OK },
        { PROTO_PROBE_WRITE, 412, "ConditionNotMet", PROTO_OK },
        { PROTO_PROBE_WRITE, 412, "LeaseIdMissing", PROTO_OK },
        { PROTO_PROBE_WRITE, 409, "BlobArchived", PROTO_OK },
        { PROTO_PROBE_CREATE, 403, "UnauthorizedBlobOverwrite", PROTO_OK },
        { PROTO_PROBE_WRITE, 403, "UnauthorizedBlobOverwrite",
          PROTO_ERR_UNAUTHORIZED_BLOB_OVERWRITE },
        { PROTO_PROBE_AUTHENTIC, 403, "AuthorizationPermissionMismatch",
          PROTO_OK },
        { PROTO_PROBE_AUTHENTIC, 403, "AuthenticationFailed",
          PROTO_ERR_AUTHENTICATION_FAILED },
        { PROTO_PROBE_AUTHENTIC, 403, "AuthorizationFailure",
          PROTO_ERR_AUTHORIZATION_FAILURE },
        { PROTO_PROBE_READ, 403, "AuthorizationPermissionMismatch",
          PROTO_ERR_AUTHORIZATION_PERMISSION_MISMATCH },
        { PROTO_PROBE_READ, 403, "SomethingNew",
          PROTO_ERR_AUTHORIZATION_PERMISSION_MISMATCH },
        { PROTO_PROBE_READ, 401, "InvalidAuthenticationInfo",
          PROTO_ERR_INVALID_BEARER_TOKEN },
        { PROTO_PROBE_READ, 401, "", PROTO_ERR_INVALID_BEARER_TOKEN },
        { PROTO_PROBE_READ, 404, "ResourceNotFound",
          PROTO_ERR_RESOURCE_NOT_FOUND },
        { PROTO_PROBE_READ, 409, "PublicAccessNotPermitted",
          PROTO_ERR_AUTHENTICATION_FAILED },
        { PROTO_PROBE_READ, 400, "InvalidAuthenticationInfo",
          PROTO_ERR_INVALID_AUTHENTICATION_INFO },
        /* nothing that a Blob service says */
        { PROTO_PROBE_READ, 0, "", PROTO_ERR_SERVER_BUSY },
        { PROTO_PROBE_READ, 301, "", PROTO_ERR_SERVER_BUSY },
        { PROTO_PROBE_READ, 400, "InvalidHeaderValue", PROTO_ERR_SERVER_BUSY },
        { PROTO_PROBE_READ, 403, "", PROTO_ERR_SERVER_BUSY },
        { PROTO_PROBE_READ, 404, "", PROTO_ERR_SERVER_BUSY },
        { PROTO_PROBE_READ, 404, "NotHere", PROTO_ERR_SERVER_BUSY },
        { PROTO_PROBE_WRITE, 409, "", PROTO_ERR_SERVER_BUSY },
        { PROTO_PROBE_WRITE, 412, "", PROTO_ERR_SERVER_BUSY },
        { PROTO_PROBE_READ, 429, "ServerBusy", PROTO_ERR_SERVER_BUSY },
        { PROTO_PROBE_READ, 503, "ServerBusy", PROTO_ERR_SERVER_BUSY }
    };

    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (proto_probe_verdict(rows[i].probe, rows[i].status,
                                view_str(rows[i].code))
            != rows[i].err)
        {
            fail_msg("%u %s, probe %d", rows[i].status, rows[i].code,
                     rows[i].probe);
        }
    }
}


static void
how_long(void **state)
{
    (void) state;
    assert_int_equal(proto_verdict_until(PROTO_OK, INT64_MAX, 1000), 1300);
    assert_int_equal(proto_verdict_until(PROTO_OK, 1100, 1000), 1100);
    assert_int_equal(proto_verdict_until(PROTO_OK, 900, 1000), 900);
    assert_int_equal(
        proto_verdict_until(PROTO_ERR_INVALID_BEARER_TOKEN, INT64_MAX, 1000),
        1030);
    assert_int_equal(
        proto_verdict_until(PROTO_ERR_SERVER_BUSY, INT64_MAX, 1000), 1000);
}


/* Nothing that a probe sends can change anything. */
static void
requests(void **state)
{
    (void) state;

    for (int p = PROTO_PROBE_NONE; p <= PROTO_PROBE_AUTHENTIC; p++) {
        for (int l = PROTO_LEVEL_ACCOUNT; l <= PROTO_LEVEL_BLOB; l++) {
            for (int sas = 0; sas < 2; sas++) {
                proto_probe_req_t req;

                proto_probe_request((proto_probe_t) p, (proto_level_t) l, sas,
                                    &req);
                if (!view_eq(req.method, VIEW("GET"))
                    && !view_eq(req.method, VIEW("HEAD"))) {
                    assert_true(req.nhdrs >= 1);
                    assert_true(view_eq(req.hdrs[0].name, VIEW("If-Match")));
                    assert_true(view_eq(req.hdrs[0].value, VIEW("\"0x0\"")));
                }
                assert_true(!sas || req.level != PROTO_LEVEL_ACCOUNT
                            || l == PROTO_LEVEL_ACCOUNT);
            }
        }
    }
}


static void
tokens(void **state)
{
    static const struct {
        const char *token;
        int64_t exp;
    } rows[] = {
        /* {"exp":1767225600} */
        { "e30.eyJleHAiOjE3NjcyMjU2MDB9.s", 1767225600 },
        /* {"a":{"exp":1},"b":"\"exp\":2","c":["exp",{"exp":3}],"exp" : 4} */
        { "x.eyJhIjp7ImV4cCI6MX0sImIiOiJcImV4cFwiOjIiLCJjIjpbImV4cCIseyJleHAiO"
          "jN9XSwiZXhwIiA6IDR9.y",
          4 },
        /* {"aud":"exp","exp":5} */
        { "x.eyJhdWQiOiJleHAiLCJleHAiOjV9.y", 5 },
        /* {"exp":"soon"} */
        { "x.eyJleHAiOiJzb29uIn0.y", INT64_MAX },
        /* {"exp":99999999999999999999} */
        { "x.eyJleHAiOjk5OTk5OTk5OTk5OTk5OTk5OTk5fQ.y", INT64_MAX },
        /* {"exp */
        { "x.eyJleHA.y", INT64_MAX },
        { "x.!!!!.y", INT64_MAX },
        { "opaque", INT64_MAX },
        { "a.b", INT64_MAX },
        { "..", INT64_MAX },
        { "", INT64_MAX }
    };

    (void) state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (proto_token_expiry(view_str(rows[i].token)) != rows[i].exp) {
            fail_msg("%s", rows[i].token);
        }
    }
}


static void
challenge(void **state)
{
    uint8_t buf[256];
    writer_t w;

    (void) state;
    writer_init_fixed(&w, buf, sizeof(buf));
    proto_challenge(&w, VIEW_NULL);
    assert_true(view_eq(
        writer_view(&w),
        VIEW("Bearer authorization_uri=https://login.microsoftonline.com/"
             "common/oauth2/authorize "
             "resource_id=https://storage.azure.com")));
}


#define KEY_ANSWER(value)                                                     \
    "\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"                \
    "<UserDelegationKey>\n <SignedOid>o</SignedOid><SignedTid>t</SignedTid>"  \
    "<SignedStart>2026-03-09T00:00:00Z</SignedStart>"                         \
    "<SignedExpiry>2026-03-12T00:00:00Z</SignedExpiry>"                       \
    "<SignedService>b</SignedService><SignedVersion>2023-11-03"               \
    "</SignedVersion><SignedDelegatedUserTid>u</"                             \
    "SignedDelegatedUserTid>" value "</UserDelegationKey>"

static void
delegation_keys(void **state)
{
    uint8_t texts[512], buf[64], a[SHA256_LEN], c[SHA256_LEN];
    proto_ud_t ud, other;
    writer_t w;
    view_t key;

    (void) state;
    writer_init_fixed(&w, texts, sizeof(texts));
    assert_true(proto_ud_answer(VIEW(KEY_ANSWER("<Value>AQID</Value>")), &w,
                                &ud, buf, sizeof(buf), &key));
    assert_int_equal(key.len, 3);
    assert_memory_equal(key.ptr, "\1\2\3", 3);
    assert_true(view_eq(ud.skoid, VIEW("o")));
    assert_true(view_eq(ud.skv, VIEW("2023-11-03")));
    assert_true(proto_ud_name(&ud, a));

    /* the same times in other words, as some SDKs write them */
    other = ud;
    other.skt = VIEW("2026-03-09");
    other.ske = VIEW("2026-03-12T00:00:00.0000000Z");
    assert_true(proto_ud_name(&other, c));
    assert_memory_equal(a, c, sizeof(a));

    /* fields do not run into each other */
    other = ud;
    other.skoid = VIEW("ot");
    other.sktid = VIEW("");
    assert_true(proto_ud_name(&other, c));
    assert_memory_not_equal(a, c, sizeof(a));
    other.ske = VIEW("never");
    assert_false(proto_ud_name(&other, c));

    assert_false(proto_ud_answer(VIEW(KEY_ANSWER("")), &w, &ud, buf,
                                 sizeof(buf), &key));
    assert_false(proto_ud_answer(VIEW(KEY_ANSWER("<Value>!</Value>")), &w, &ud,
                                 buf, sizeof(buf), &key));
    assert_false(proto_ud_answer(VIEW(KEY_ANSWER("<Value>AQID")), &w, &ud, buf,
                                 sizeof(buf), &key));
    assert_false(proto_ud_answer(VIEW(KEY_ANSWER("<Value>AQID</Value>")), &w,
                                 &ud, buf, 2, &key));
    assert_false(
        proto_ud_answer(VIEW("<Error/>"), &w, &ud, buf, sizeof(buf), &key));
    assert_false(proto_ud_answer(VIEW(""), &w, &ud, buf, sizeof(buf), &key));
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),   cmocka_unit_test(how_long),
        cmocka_unit_test(requests),  cmocka_unit_test(tokens),
        cmocka_unit_test(challenge), cmocka_unit_test(delegation_keys)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
