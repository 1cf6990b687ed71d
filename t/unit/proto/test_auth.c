#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/digest.h"
#include "proto/auth.h"
#include "proto/date.h"
#include "proto/sas.h"

/* Signatures by Python's hmac module over strings written out by hand; the
 * key is Azurite's published one. */
#define ACCOUNT "devstoreaccount1"
#define KEY                                                                   \
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/"         \
    "K1SZFPTOtr/KBHBeksoGMGw=="
#define DATE "Tue, 10 Mar 2026 12:00:00 GMT"
#define HOST ACCOUNT ".blob.edge.test"

/* clang-format off */
#define SIG_GET "JpU+RMv6SiPPZO3BQcU4SGo0/Xuvx9+sEEMBIDPQ+S8="
#define SIG_LIST "D4RWcQJe3/8koYRXkM52qpiWfeOtGYb7dno5eWU1HLg="
#define SIG_LIST_PLUS "WykcGF8r3QpHd4s/wnoeHDkN+UAhad0Tff4DR2Bf1Ws="
#define SIG_PUT "XbESKRwsxJ7/m3ICFheFAY6oQWwjW9IjhXF0wjJ6eq4="
#define SIG_PUT_CULTURE "hVE/EwuxhsE8eyZIELJz7gS4z0LrqD7VRODTVku56ao="
#define SIG_ZERO_EMPTY "btXvEgmjSMLFA+QeUSNREIr2vMSKSzrNmPSAP/dGgB0="
#define SIG_ZERO_0 "38/1nGcNvrq910I/iSYWcOJ3skCU1MuOliruaB2PNWo="
#define SIG_LITE "Ww1Qy9VcNtiEbq7PbU/QMC2PKB5ScCRFFJpsYCABGDU="
#define SIG_ENC_ACC_R "HrYirjaOfGmDktOGSrEVwsdha4PgD942oeSg6chxoc0%3D"
#define SIG_ENC_ACC_C "lWbDp0l8vaVkn1OFxO8zcrPGc1wIdcVWlB9404zMxz8%3D"
#define SIG_ENC_ACC_OLD "QqGeQQj6A%2FpxEX2vHbd4ABi1pLuRtBZLpiT%2F7BsaIp0%3D"
#define SIG_ENC_ACC_IP "oU3Z3rx3ngiTELZnpmh%2FhmKV%2FVEvN2Ug5oGocignL1A%3D"
#define SIG_ENC_ACC_EXP "DdI9mkwSdAm2gPArXQdakWeoYOKTCSaqiZ5heb4Bf%2F0%3D"
#define SIG_ENC_ACC_Q "g0blBrjZ1n83%2FazaOGjY5rmW9%2FhzGHM9lSb3AlcOIC4%3D"
#define SIG_ENC_SVC_B "KJqrgTmXY3VizQCUa4ZYsEDmMMedSoB4d%2BUfNmYSYWU%3D"
#define SIG_ENC_SVC_C "2pqAqaWfjNV%2Ff%2Be2X2vzKZtxd9jDmBgMTGMB0Fuyyfo%3D"
#define SIG_ENC_SVC_SI "L7GA5q%2F4OONVhQgQWib16Ob%2BU65Qu4uCBzaguHXJpBY%3D"
#define SIG_ENC_SVC_BS "b%2BnA1OGGtxtCwT8KnnZpPGxlGsHgYJiYgHSLxF6u7lw%3D"
#define SIG_ENC_SVC_D "7WNOeUfYa%2F%2BTPxUEl71goicMs%2BRKRPuSrPtKfOm6l6o%3D"
#define SIG_ENC_SVC_2018 "L%2FwDDkwqUPcAvlAr6zlt79lBjeUETAWpBq0N3Jmyl1k%3D"
#define SIG_ENC_SVC_2015 "ZzlXdPc9cHa%2FnJKYjllutCG6fuB3sLasc40kP%2FIwKEI%3D"
#define SIG_ENC_SVC_2013 "tZK7ZhwmIeWmvtFDLugME6FzvQKRQOjus1Wft4Dtu%2Bo%3D"
#define SIG_ENC_SVC_2012 "zeCWBtkyH2ptVJ40iNWl02y8MHt2261Bx4w7MhnOcac%3D"
#define SIG_ENC_SVC_NONE "8jTm5M%2BH7E0o9rObuciU5uKXDoxWuQ48zXy4NYvWiF0%3D"
#define SIG_ENC_UD_2018 "p7wjLW12LFm5ge9MMLil2aWdgsuALA%2Feg1Unu2fvRkU%3D"
#define SIG_ENC_UD_2020 "b%2BcjKuVPKRzQGf5IAHlinUzdp4mr3VEjVsrVkEY8Hl0%3D"
#define SIG_ENC_UD_2023 "xwu0YHpz%2FJPkHDQCMfR1yDa48DonwZmoQ4UQYrCXzyg%3D"
#define SIG_ENC_UD_2025 "s%2FEFQYQiveFX6EC7qpfUHytzouBiDu%2Bht17xIWvzDLE%3D"
#define SIG_ENC_UD_SUOID "AzeY3Eqcw6TzOvqeDJ1AgoTEnGFrwyvVuhgPWCyvJIo%3D"
/* clang-format on */

typedef struct bench_s {
    uint8_t key[64], scratch_buf[16384], detail_buf[4096];
    writer_t scratch, detail;
    proto_uri_t uri;
    proto_headers_t headers;
    proto_header_t hdrs[32];
    proto_fault_t fault;
    proto_auth_in_t in;
    proto_auth_out_t out;
} bench_t;

static bench_t b;


/* `lines`: "name:value\n"... */
static void
request(const char *method, const char *host, const char *target,
        const char *lines)
{
    proto_uri_opts_t opts = { .style = PROTO_URI_AUTO };
    unsigned n = 0;
    size_t len;

    memset(&b, 0, sizeof(b));
    writer_init_fixed(&b.scratch, b.scratch_buf, sizeof(b.scratch_buf));
    writer_init_fixed(&b.detail, b.detail_buf, sizeof(b.detail_buf));

    while (*lines != '\0') {
        const char *end = strchr(lines, '\n');
        const char *colon = strchr(lines, ':');

        b.hdrs[n].name = view_of(lines, (size_t) (colon - lines));
        b.hdrs[n].value = view_of(colon + 1, (size_t) (end - colon - 1));
        n++;
        lines = end + 1;
    }

    assert_int_equal(proto_uri_parse(view_str(target), view_str(host), &opts,
                                     &b.scratch, &b.uri, &b.fault),
                     PROTO_OK);
    assert_int_equal(proto_headers_parse(b.hdrs, n, &b.uri, &b.scratch,
                                         &b.headers, &b.fault),
                     PROTO_OK);
    assert_true(base64_decode(VIEW(KEY), b.key, sizeof(b.key), &len));

    b.in.method = view_str(method);
    b.in.uri = &b.uri;
    b.in.headers = &b.headers;
    b.in.hdrs = b.hdrs;
    b.in.nhdrs = n;
    b.in.keys[0] = VIEW("another key");
    b.in.keys[1] = view_of(b.key, len);
    b.in.nkeys = 2;
    b.in.client_ip = VIEW("10.0.0.5");
    b.in.scratch = &b.detail;
    assert_true(proto_date_parse_http(VIEW(DATE), &b.in.now_s));
    b.in.op = proto_op_find(b.in.method, &b.uri, &b.headers, &b.fault);
    assert_non_null(b.in.op);
}


static const char *
check(void)
{
    proto_err_t err = proto_auth_check(&b.in, &b.out);

    assert_int_equal(err, b.out.err);
    return proto_error_row(err)->code;
}


#define OK()                                                                  \
    assert_string_equal(check(), "OK"), assert_int_equal(b.out.need, 0)
#define REFUSED(code) assert_string_equal(check(), code)

#define COMMON        "x-ms-date:" DATE "\nx-ms-version:2023-11-03\n"


/* ---- Shared Key ----------------------------------------------------------
 */

static void
key_get(void **state)
{
    (void) state;
    request("GET", HOST, "/con/a%2Fb%20c",
            "Range:bytes=0-9\nX-Ms-Client-Request-Id: abc \n" COMMON
            "Authorization:SharedKey " ACCOUNT ":" SIG_GET "\n");
    OK();
    assert_int_equal(b.out.cred, PROTO_CRED_SHARED_KEY);

    /* the path is not what it decodes to */
    request("GET", HOST, "/con/a/b%20c",
            "Range:bytes=0-9\nx-ms-client-request-id:abc\n" COMMON
            "Authorization:SharedKey " ACCOUNT ":" SIG_GET "\n");
    REFUSED("AuthenticationFailed");
    assert_non_null(strstr((const char *) b.detail_buf,
                           "GET\n\n\n\n\n\n\n\n\n\n\nbytes=0-9\nx-ms-client"));
    assert_true(b.out.fault.detail.len > 100);

    /* neither is another range, account or date */
    request("GET", HOST, "/con/a%2Fb%20c",
            "Range:bytes=0-8\nx-ms-client-request-id:abc\n" COMMON
            "Authorization:SharedKey " ACCOUNT ":" SIG_GET "\n");
    REFUSED("AuthenticationFailed");
    request("GET", "other.blob.edge.test", "/con/a%2Fb%20c",
            "Range:bytes=0-9\nx-ms-client-request-id:abc\n" COMMON
            "Authorization:SharedKey " ACCOUNT ":" SIG_GET "\n");
    REFUSED("AuthenticationFailed");
}


static void
key_skew(void **state)
{
    (void) state;

    for (int d = -901; d <= 901; d += 1802 / 2) {
        request("GET", HOST, "/con/a%2Fb%20c",
                "Range:bytes=0-9\nx-ms-client-request-id:abc\n" COMMON
                "Authorization:SharedKey " ACCOUNT ":" SIG_GET "\n");
        b.in.now_s += d;
        REFUSED(d == 0 ? "OK" : "AuthenticationFailed");
    }

    request("GET", HOST, "/con/b",
            "x-ms-version:2023-11-03\n"
            "Authorization:SharedKey " ACCOUNT ":" SIG_GET "\n");
    REFUSED("AuthenticationFailed");
}


static void
key_query(void **state)
{
    static const char *const sigs[] = { SIG_LIST, SIG_LIST_PLUS };

    (void) state;

    for (int i = 0; i < 2; i++) {
        char lines[300];

        snprintf(lines, sizeof(lines),
                 COMMON "Authorization:SharedKey " ACCOUNT ":%s\n", sigs[i]);
        request("GET", "127.0.0.1:10000",
                "/" ACCOUNT "/con?restype=container&COMP=list&prefix=a+b%2F"
                "&include=metadata&include=copy",
                lines);
        assert_int_equal(b.in.op->id, PROTO_OP_LIST_BLOBS);
        OK();
    }
}


static void
key_put(void **state)
{
    static const char *const sigs[] = { SIG_PUT, SIG_PUT_CULTURE };

    (void) state;

    for (int i = 0; i < 2; i++) {
        char lines[600];

        snprintf(lines, sizeof(lines),
                 "Content-Length:11\nContent-Type:text/plain; charset=UTF-8\n"
                 "If-None-Match:*\nx-ms-tab:2\nx-ms-ta_c:3\nx-ms-ta-b:1\n"
                 "x-ms-blob-cache-control:\nx-ms-blob-type:BlockBlob\n" COMMON
                 "Authorization:SharedKey " ACCOUNT ":%s\n",
                 sigs[i]);
        request("PUT", HOST, "/con/b", lines);
        OK();
    }
}


static void
key_zero_length(void **state)
{
    static const char *const sigs[] = { SIG_ZERO_EMPTY, SIG_ZERO_0 };

    (void) state;

    for (int i = 0; i < 2; i++) {
        char lines[600];

        snprintf(lines, sizeof(lines),
                 "Content-Length:0\nx-ms-blob-type:BlockBlob\n" COMMON
                 "Authorization:SharedKey " ACCOUNT ":%s\n",
                 sigs[i]);
        request("PUT", HOST, "/con/b", lines);
        OK();
    }
}


static void
key_lite(void **state)
{
    (void) state;
    request("PUT", HOST, "/con/b?comp=metadata&timeout=5",
            "Content-Type:text/plain\nContent-Length:0\n" COMMON
            "Authorization:SharedKeyLite " ACCOUNT ":" SIG_LITE "\n");
    OK();
    assert_int_equal(b.out.cred, PROTO_CRED_SHARED_KEY_LITE);
}


static void
key_malformed(void **state)
{
    static const char *const bad[] = {
        "Authorization:SharedKey\n",
        "Authorization:SharedKey " ACCOUNT "\n",
        "Authorization:SharedKey " ACCOUNT ":\n",
        "Authorization:SharedKey " ACCOUNT ":AAAA\n",
        "Authorization:SharedKey :" SIG_GET "\n",
        "Authorization:Basic dTpw\n",
        "Authorization:\n"
    };

    (void) state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char lines[300];

        snprintf(lines, sizeof(lines), COMMON "%s", bad[i]);
        request("GET", HOST, "/con/b", lines);
        REFUSED("InvalidAuthenticationInfo");
    }
}


static void
key_signs_what_it_checks(void **state)
{
    uint8_t buf[256], scratch_buf[1024];
    proto_header_t hdrs[] = { { VIEW("Content-Length"), VIEW("0") },
                              { VIEW("x-ms-blob-type"), VIEW("BlockBlob") },
                              { VIEW("x-ms-version"), VIEW("2023-11-03") },
                              { VIEW("x-ms-date"), VIEW(DATE) } };
    proto_sign_in_t in = { .method = VIEW("PUT"),
                           .account = VIEW(ACCOUNT),
                           .path = VIEW("/con/b"),
                           .hdrs = hdrs,
                           .nhdrs = 4 };
    writer_t w, scratch;

    (void) state;
    request("GET", HOST, "/con/b", COMMON);
    in.key = b.in.keys[1];
    writer_init_fixed(&w, buf, sizeof(buf));
    writer_init_fixed(&scratch, scratch_buf, sizeof(scratch_buf));
    proto_auth_sign(&in, &scratch, &w);
    assert_true(view_eq(writer_view(&w),
                        VIEW("SharedKey " ACCOUNT ":" SIG_ZERO_EMPTY)));
}


/* ---- SAS -----------------------------------------------------------------
 */

static void
sas_account(void **state)
{
    (void) state;
    request("GET", HOST,
            "/con/"
            "b?sv=2022-11-02&ss=b&srt=o&sp=r&se=2026-03-11&sig=" SIG_ENC_ACC_R,
            "x-ms-version:2023-11-03\n");
    OK();
    assert_int_equal(b.out.cred, PROTO_CRED_ACCOUNT_SAS);
    assert_false(b.out.create_only);

    request("PUT", HOST,
            "/con/"
            "b?sv=2022-11-02&ss=b&srt=o&sp=r&se=2026-03-11&sig=" SIG_ENC_ACC_R,
            "x-ms-blob-type:BlockBlob\nContent-Length:0\n");
    REFUSED("AuthorizationPermissionMismatch");

    request("GET", HOST,
            "/con?restype=container&comp=list&sv=2022-11-02&ss=b&srt=o&sp=r&"
            "se=2026-03-11&sig=" SIG_ENC_ACC_R,
            "");
    REFUSED("AuthorizationResourceTypeMismatch");

    /* every field is signed */
    request(
        "GET", HOST,
        "/con/"
        "b?sv=2022-11-02&ss=b&srt=o&sp=rw&se=2026-03-11&sig=" SIG_ENC_ACC_R,
        "");
    REFUSED("AuthenticationFailed");

    request("GET", HOST,
            "/con/b?sv=2018-03-28&ss=b&srt=sco&sp=rl&se=2026-03-11&spr=https"
            "&sig=" SIG_ENC_ACC_OLD,
            "");
    REFUSED("AuthorizationProtocolMismatch");
    b.in.https = true;
    OK();
}


static void
sas_create_only(void **state)
{
#define ACC_C                                                                 \
    "sv=2022-11-02&ss=bq&srt=sco&sp=c&st=2026-03-01T00:00Z&se=2026-03-11&"    \
    "spr=https,http&sig=" SIG_ENC_ACC_C

    (void) state;
    request("PUT", HOST, "/con/b?" ACC_C,
            "x-ms-blob-type:BlockBlob\nContent-Length:0\n");
    OK();
    assert_true(b.out.create_only);

    request("PUT", HOST, "/con/b?comp=block&blockid=AAAA&" ACC_C,
            "Content-Length:1\n");
    REFUSED("AuthorizationPermissionMismatch");

    request("PUT", HOST, "/con?restype=container&" ACC_C,
            "Content-Length:0\n");
    OK();
    assert_false(b.out.create_only);

    /* tags take a right of their own */
    request("PUT", HOST, "/con/b?" ACC_C,
            "x-ms-blob-type:BlockBlob\nContent-Length:0\nx-ms-tags:a=b\n");
    REFUSED("AuthorizationPermissionMismatch");

    request("PUT", ACCOUNT "-secondary.blob.edge.test", "/con/b?" ACC_C,
            "x-ms-blob-type:BlockBlob\nContent-Length:0\n");
    REFUSED("InsufficientAccountPermissions");

    /* neither is an ACL for any SAS */
    request("GET", HOST, "/con?restype=container&comp=acl&" ACC_C, "");
    REFUSED("AuthorizationFailure");
}


static void
sas_time_and_place(void **state)
{
    (void) state;
    request("GET", HOST,
            "/con/b?sv=2022-11-02&ss=b&srt=o&sp=r&se=2026-03-11&"
            "sip=10.0.0.1-10.0.0.9&sig=" SIG_ENC_ACC_IP,
            "");
    OK();
    b.in.client_ip = VIEW("::ffff:10.0.0.9");
    OK();
    b.in.client_ip = VIEW("10.0.0.10");
    REFUSED("AuthorizationSourceIPMismatch");
    b.in.client_ip = VIEW_NULL;
    REFUSED("AuthorizationSourceIPMismatch");
    b.in.client_ip = VIEW("10.0.0.5");
    b.in.now_s += 12 * 3600 - 1;
    OK();
    b.in.now_s += 1;
    REFUSED("AuthenticationFailed");

    request("GET", HOST,
            "/con/b?sv=2022-11-02&ss=b&srt=o&sp=r&se=2026-03-10T11:59:59Z&"
            "sig=" SIG_ENC_ACC_EXP,
            "");
    REFUSED("AuthenticationFailed");
    assert_non_null(strstr((const char *) b.detail_buf,
                           "Start [] - Expiry [2026-03-10T11:59:59Z]"));

    request("GET", HOST,
            "/con/"
            "b?sv=2022-11-02&ss=q&srt=o&sp=r&se=2026-03-11&sig=" SIG_ENC_ACC_Q,
            "");
    REFUSED("AuthorizationServiceMismatch");
}


static void
sas_service(void **state)
{
    (void) state;
    request("GET", HOST,
            "/con/dir%2Fa%20b?sv=2022-11-02&sr=b&sp=r&se=2026-03-11&"
            "rscc=no-cache&rscd=attachment&rsct=text/x&sig=" SIG_ENC_SVC_B,
            "");
    OK();
    assert_int_equal(b.out.cred, PROTO_CRED_SERVICE_SAS);
    assert_true(view_eq(b.out.override.content_type, VIEW("text/x")));
    assert_true(view_eq(b.out.override.cache_control, VIEW("no-cache")));
    assert_null(b.out.override.content_language.ptr);

    request("GET", HOST,
            "/con/dir%2Fa%20c?sv=2022-11-02&sr=b&sp=r&se=2026-03-11&"
            "rscc=no-cache&rscd=attachment&rsct=text/x&sig=" SIG_ENC_SVC_B,
            "");
    REFUSED("AuthenticationFailed");

#define SVC_C "sv=2022-11-02&sr=c&sp=rl&se=2026-03-11&sig=" SIG_ENC_SVC_C
    request("GET", "127.0.0.1:80", "/" ACCOUNT "/con/any%2Fthing?" SVC_C, "");
    OK();
    request("GET", HOST, "/con?restype=container&comp=list&" SVC_C, "");
    OK();
    request("GET", HOST,
            "/con?restype=container&comp=list&include=tags&" SVC_C, "");
    REFUSED("AuthorizationPermissionMismatch");
    request("GET", HOST, "/con?restype=container&" SVC_C, "");
    REFUSED("AuthorizationFailure");
    request("GET", HOST, "/con2/b?" SVC_C, "");
    REFUSED("AuthenticationFailed");
    request("DELETE", HOST, "/con/b?" SVC_C, "");
    REFUSED("AuthorizationPermissionMismatch");
    request("GET", HOST, "/con/b?sr=c&" SVC_C, "");
    REFUSED("AuthenticationFailed");
}


static void
sas_versions(void **state)
{
    static const char *const targets[] = {
        "/con/b?sv=2019-12-12&sr=b&sp=r&se=2026-03-11&sig=" SIG_ENC_SVC_2018,
        "/con/b?sv=2015-04-05&sr=b&sp=r&se=2026-03-11&sig=" SIG_ENC_SVC_2015,
        "/con/b?sv=2013-08-15&sr=b&sp=r&se=2026-03-11&sig=" SIG_ENC_SVC_2013,
        "/con/b?sv=2012-02-12&sr=b&sp=r&se=2026-03-11&sig=" SIG_ENC_SVC_2012,
        "/con/b?sr=b&sp=r&se=2026-03-11&sig=" SIG_ENC_SVC_NONE,
        "/con/b?snapshot=2026-03-01T00:00:00.0000000Z&sv=2022-11-02&sr=bs"
        "&sp=r&se=2026-03-11&sig=" SIG_ENC_SVC_BS,
        "/con/d1/d2/x/"
        "y?sv=2022-11-02&sr=d&sdd=2&sp=r&se=2026-03-11&sig=" SIG_ENC_SVC_D
    };

    (void) state;

    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        request("GET", HOST, targets[i], "");
        OK();
    }

    request("GET", HOST,
            "/con/d1/d3/"
            "x?sv=2022-11-02&sr=d&sdd=2&sp=r&se=2026-03-11&sig=" SIG_ENC_SVC_D,
            "");
    REFUSED("AuthenticationFailed");
    request(
        "GET", HOST,
        "/con/b?sv=2022-11-02&sr=bs&sp=r&se=2026-03-11&sig=" SIG_ENC_SVC_BS,
        "");
    REFUSED("AuthenticationFailed");
}


static void
sas_policy(void **state)
{
#define ACL(body)                                                             \
    VIEW("<?xml version=\"1.0\"?><SignedIdentifiers><SignedIdentifier><Id>"   \
         "pol</Id><AccessPolicy>" body                                        \
         "</AccessPolicy></SignedIdentifier></SignedIdentifiers>")

    (void) state;
    request("GET", HOST,
            "/con/b?sv=2022-11-02&sr=c&si=pol&sig=" SIG_ENC_SVC_SI, "");
    REFUSED("OK");
    assert_int_equal(b.out.need, PROTO_NEED_CONTAINER);

    b.in.facts = PROTO_NEED_CONTAINER;
    REFUSED("AuthenticationFailed"); /* no ACL */
    b.in.acl = ACL("<Expiry>2026-03-11T00:00:00.0000000Z</Expiry>"
                   "<Permission>r</Permission>");
    OK();
    b.in.acl = ACL("<Expiry>2026-03-11</Expiry>"
                   "<Permission>w</Permission>");
    REFUSED("AuthorizationPermissionMismatch");
    b.in.acl = ACL("<Expiry>2026-03-10</Expiry><Permission>r</Permission>");
    REFUSED("AuthenticationFailed");
    b.in.acl = ACL("<Permission>r</Permission>");
    REFUSED("AuthenticationFailed");
    b.in.acl = VIEW("<SignedIdentifiers/>");
    REFUSED("AuthenticationFailed");
}


static void
sas_user_delegation(void **state)
{
#define UD                                                                    \
    "&skoid=oid&sktid=tid&skt=2026-03-09T00:00:00Z&ske=2026-03-12T00:00:00Z&" \
    "sks=b&skv="
    static const char *const targets[] = {
        "/con/b?sv=2018-11-09&sr=b&sp=r&se=2026-03-11&spr=https,http" UD
        "2018-11-09&sig=" SIG_ENC_UD_2018,
        "/con/b?sv=2020-02-10&sr=b&sp=r&se=2026-03-11" UD
        "2020-02-10&sig=" SIG_ENC_UD_2020,
        "/con/b?sv=2023-11-03&sr=b&sp=r&se=2026-03-11" UD
        "2023-11-03&sig=" SIG_ENC_UD_2023,
        "/con/b?sv=2025-07-05&sr=b&sp=r&se=2026-03-11" UD
        "2025-07-05&sig=" SIG_ENC_UD_2025
    };
    uint8_t key[32], caller[SHA256_LEN];
    int64_t until_s;

    (void) state;

    for (int i = 0; i < 32; i++) {
        key[i] = (uint8_t) i;
    }

    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        request("GET", HOST, targets[i], "");
        REFUSED("OK");
        b.in.has_origin = true;
        assert_int_equal(b.out.need, PROTO_NEED_UD_KEY);
        assert_true(view_eq(b.out.ud.skoid, VIEW("oid")));
        b.in.facts |= PROTO_NEED_UD_KEY;
        REFUSED("OK");
        assert_int_equal(b.out.need, PROTO_NEED_VERDICT);
        assert_int_equal(b.out.probe, PROTO_PROBE_READ);
        memcpy(caller, b.out.caller, sizeof(caller));
        assert_true(proto_date_parse_iso8601(VIEW("2026-03-11"), &until_s));
        assert_int_equal(b.out.until_s, until_s);

        /* the key proves who signed, its principal's roles remain */
        b.in.ud_key = view_of(key, 32);
        REFUSED("OK");
        assert_int_equal(b.out.need, PROTO_NEED_VERDICT);
        assert_memory_not_equal(b.out.caller, caller, sizeof(caller));
        key[0] ^= 1;
        REFUSED("AuthenticationFailed");
        key[0] ^= 1;
        b.in.facts |= PROTO_NEED_VERDICT;
        OK();
        assert_false(b.out.relay);
        b.in.ud_key = VIEW_NULL;
        OK();
        b.in.verdict = PROTO_ERR_AUTHENTICATION_FAILED;
        REFUSED("AuthenticationFailed");
        b.in.verdict = PROTO_OK;
        b.in.now_s += 86400; /* the SAS has ended, its key has not */
        REFUSED("AuthenticationFailed");
    }
}


/* The key proves who signed; the user's own rights remain to be asked. */
static void
sas_user_delegation_suoid(void **state)
{
    uint8_t key[32];

    (void) state;

    for (int i = 0; i < 32; i++) {
        key[i] = (uint8_t) i;
    }

    request("GET", HOST,
            "/con/b?sv=2023-11-03&sr=b&sp=r&se=2026-03-11&suoid=user" UD
            "2023-11-03&sig=" SIG_ENC_UD_SUOID,
            "");
    b.in.facts = PROTO_NEED_UD_KEY;
    b.in.has_origin = true;
    b.in.ud_key = view_of(key, sizeof(key));
    REFUSED("OK");
    assert_int_equal(b.out.need, PROTO_NEED_VERDICT);
    b.in.facts |= PROTO_NEED_VERDICT;
    OK();
    b.in.verdict = PROTO_ERR_AUTHORIZATION_PERMISSION_MISMATCH;
    REFUSED("AuthorizationPermissionMismatch");
    b.in.verdict = PROTO_OK;
    key[0] ^= 1;
    REFUSED("AuthenticationFailed");
}


/* A SAS of a container, for a user whose ACL differs by path: what was said of
 * one blob says nothing of the next. Without a user it does. */
static void
sas_user_delegation_paths(void **state)
{
    static const char *const users[] = { "", "&suoid=user" };
    static const char *const paths[] = { "/con/a", "/con/b" };
    uint8_t caller[2][SHA256_LEN];

    (void) state;

    for (int u = 0; u < 2; u++) {
        for (int i = 0; i < 2; i++) {
            char target[512];

            snprintf(target, sizeof(target), "%s%s%s%s", paths[i],
                     "?sv=2023-11-03&sr=c&sp=r&se=2026-03-11", users[u],
                     UD "2023-11-03&sig=" SIG_ENC_UD_SUOID);
            request("GET", HOST, target, "");
            b.in.facts = PROTO_NEED_UD_KEY;
            b.in.has_origin = true;
            REFUSED("OK");
            assert_int_equal(b.out.need, PROTO_NEED_VERDICT);
            memcpy(caller[i], b.out.caller, SHA256_LEN);
        }

        assert_int_equal(memcmp(caller[0], caller[1], SHA256_LEN) == 0,
                         u == 0);
    }
}


static void
sas_made_here(void **state)
{
    char target[512];
    uint8_t buf[400];
    writer_t w;

    (void) state;
    request("GET", HOST, "/con/b", "");

    proto_sas_t sas = { .account = VIEW(ACCOUNT),
                        .key = b.in.keys[1],
                        .perms = VIEW("rw"),
                        .start = VIEW("2026-03-10T00:00:00Z"),
                        .expiry = VIEW("2026-03-11T00:00:00Z"),
                        .protocols = VIEW("https,http") };
    uint8_t key[64];

    memcpy(key, b.key, sizeof(key));
    sas.key = view_of(key, sizeof(key));

    for (int i = 0; i < 3; i++) {
        writer_init_fixed(&w, buf, sizeof(buf));
        if (i == 0) {
            proto_sas_account(&w, &sas);

        } else {
            sas.container = VIEW("con");
            sas.blob = i == 1 ? VIEW("a b/c") : VIEW_NULL;
            proto_sas_service(&w, &sas);
        }
        assert_true(writer_ok(&w));
        snprintf(target, sizeof(target), "/con/a%%20b/c?%.*s", (int) w.len,
                 (const char *) buf);
        request("GET", HOST, target, "");
        OK();
    }
}


/* ---- anonymous, bearer ---------------------------------------------------
 */

static void
anonymous(void **state)
{
    (void) state;
    request("GET", HOST, "/con/b", "x-ms-version:2023-11-03\n");
    REFUSED("OK");
    assert_int_equal(b.out.need, PROTO_NEED_CONTAINER);
    b.in.facts = PROTO_NEED_CONTAINER;
    REFUSED("NoAuthenticationInformation");
    b.in.public_access = 1;
    REFUSED("NoAuthenticationInformation");
    b.in.container_exists = true;
    OK();

    request("GET", HOST, "/con?restype=container&comp=list", "");
    b.in.facts = PROTO_NEED_CONTAINER;
    b.in.container_exists = true;
    b.in.public_access = 1;
    REFUSED("ResourceNotFound");
    b.in.public_access = 2;
    OK();

    request("PUT", HOST, "/con/b",
            "x-ms-version:2023-11-03\nx-ms-blob-type:BlockBlob\n"
            "Content-Length:0\n");
    b.in.facts = PROTO_NEED_CONTAINER;
    b.in.container_exists = true;
    b.in.public_access = 2;
    REFUSED("NoAuthenticationInformation");
    assert_int_equal(b.out.need, 0);
}


static void
bearer(void **state)
{
    (void) state;
    request("PUT", HOST, "/con/b",
            "Authorization:Bearer abc.def\nx-ms-blob-type:BlockBlob\n"
            "Content-Length:0\n");
    REFUSED("AuthenticationFailed"); /* over http */
    b.in.insecure = true;
    REFUSED("InvalidAuthenticationInfo"); /* nobody to ask */
    assert_int_equal(b.out.err, PROTO_ERR_INVALID_BEARER_TOKEN);
    b.in.has_origin = true;
    b.in.insecure = false;
    b.in.https = true;
    REFUSED("InvalidAuthenticationInfo"); /* by an origin without TLS */
    b.in.origin_tls = true;
    REFUSED("OK");
    assert_int_equal(b.out.need, PROTO_NEED_VERDICT);
    assert_int_equal(b.out.probe, PROTO_PROBE_WRITE);
    assert_true(b.out.until_s == INT64_MAX);
    assert_true(view_eq(b.out.token, VIEW("abc.def")));
    b.in.facts = PROTO_NEED_VERDICT;
    OK();
    b.in.verdict = PROTO_ERR_INVALID_BEARER_TOKEN;
    REFUSED("InvalidAuthenticationInfo");
}


/* ---- printed, not judged -------------------------------------------------
 */

static void
measure(const char *what)
{
    struct timespec a, z;

    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < 20000; i++) {
        OK();
    }
    clock_gettime(CLOCK_MONOTONIC, &z);
    print_message("%s: %.2f us\n", what,
                  ((double) (z.tv_sec - a.tv_sec) * 1e9
                   + (double) (z.tv_nsec - a.tv_nsec))
                      / 20000 / 1000);
}


static void
speed(void **state)
{
    (void) state;
    request("GET", HOST, "/con/a%2Fb%20c",
            "Range:bytes=0-9\nx-ms-client-request-id:abc\n" COMMON
            "Authorization:SharedKey " ACCOUNT ":" SIG_GET "\n");
    b.in.keys[0] = b.in.keys[1];
    measure("GET, Shared Key");
    request("GET", HOST,
            "/con/"
            "b?sv=2022-11-02&ss=b&srt=o&sp=r&se=2026-03-11&sig=" SIG_ENC_ACC_R,
            "");
    b.in.keys[0] = b.in.keys[1];
    measure("GET, account SAS");
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_get),
        cmocka_unit_test(key_skew),
        cmocka_unit_test(key_query),
        cmocka_unit_test(key_put),
        cmocka_unit_test(key_zero_length),
        cmocka_unit_test(key_lite),
        cmocka_unit_test(key_malformed),
        cmocka_unit_test(key_signs_what_it_checks),
        cmocka_unit_test(sas_account),
        cmocka_unit_test(sas_create_only),
        cmocka_unit_test(sas_time_and_place),
        cmocka_unit_test(sas_service),
        cmocka_unit_test(sas_versions),
        cmocka_unit_test(sas_policy),
        cmocka_unit_test(sas_user_delegation),
        cmocka_unit_test(sas_user_delegation_suoid),
        cmocka_unit_test(sas_user_delegation_paths),
        cmocka_unit_test(sas_made_here),
        cmocka_unit_test(anonymous),
        cmocka_unit_test(bearer),
        cmocka_unit_test(speed)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
