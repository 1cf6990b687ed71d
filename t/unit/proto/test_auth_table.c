#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/digest.h"
#include "proto/auth.h"
#include "proto/date.h"

/*
 * Every operation by every kind of credential. The table says what each needs
 * (REST: "Create an account SAS", "Create a service SAS", "Configure anonymous
 * read access"; blob-api 3.3) and is written from there, not from op.c. SAS
 * are made here, field by field.
 */
#define ACCOUNT "acct"
#define DATE    "Tue, 10 Mar 2026 12:00:00 GMT"
#define LETTERS "racwdxltmeopify"

typedef struct cell_s {
    proto_op_id_t id;
    const char *method;
    const char *target; /* /c: a container, /c/b: a blob */
    const char *lines;  /* headers that tell the row apart */
    char type;          /* srt: s, c, o */
    const char *sp;     /* any of these; "*": any SAS; "": none */
    bool service;       /* a service SAS can do it */
    uint8_t public;     /* anonymous from this level of access on; 0: never */
    bool write;
    bool creates; /* a SAS with c alone must not replace */
    char probe;   /* for a token: r, l, w, d, a(uthentic), or - */
    bool relay;   /* goes out with the token itself */
} cell_t;

#define COPY    "x-ms-copy-source:https://acct.blob.edge.test/c/s\n"
#define TYPE(t) "x-ms-blob-type:" t "\n"

/* clang-format off */
static const cell_t table[] = {
    { PROTO_OP_LIST_CONTAINERS, "GET", "/?comp=list", "", 's', "l", 0, 0, 0, 0, '-', 1 },
    { PROTO_OP_GET_ACCOUNT_INFO, "GET", "/?restype=account&comp=properties", "", 's', "*", 1, 0, 0, 0, '-', 1 },
    { PROTO_OP_GET_USER_DELEGATION_KEY, "POST", "/?restype=service&comp=userdelegationkey", "", 's', "", 0, 0, 0, 0, '-', 1 },
    { PROTO_OP_GET_SERVICE_PROPERTIES, "GET", "/?restype=service&comp=properties", "", 's', "r", 0, 0, 0, 0, '-', 1 },
    { PROTO_OP_SET_SERVICE_PROPERTIES, "PUT", "/?restype=service&comp=properties", "", 's', "w", 0, 0, 1, 0, '-', 1 },
    { PROTO_OP_GET_SERVICE_STATS, "GET", "/?restype=service&comp=stats", "", 's', "r", 0, 0, 0, 0, '-', 1 },
    { PROTO_OP_BATCH, "POST", "/?comp=batch", "", 's', "*", 0, 0, 1, 0, 'a', 0 },
    { PROTO_OP_FIND_BLOBS_BY_TAGS, "GET", "/?comp=blobs&where=x", "", 's', "f", 0, 0, 0, 0, '-', 1 },

    { PROTO_OP_CREATE_CONTAINER, "PUT", "/c0n?restype=container", "", 'c', "cw", 0, 0, 1, 0, '-', 1 },
    { PROTO_OP_GET_CONTAINER_PROPERTIES, "HEAD", "/c0n?restype=container", "", 'c', "r", 0, 2, 0, 0, '-', 1 },
    { PROTO_OP_GET_CONTAINER_METADATA, "GET", "/c0n?restype=container&comp=metadata", "", 'c', "r", 0, 2, 0, 0, '-', 1 },
    { PROTO_OP_SET_CONTAINER_METADATA, "PUT", "/c0n?restype=container&comp=metadata", "", 'c', "w", 0, 0, 1, 0, '-', 1 },
    { PROTO_OP_GET_CONTAINER_ACL, "GET", "/c0n?restype=container&comp=acl", "", 'c', "", 0, 0, 0, 0, '-', 1 },
    { PROTO_OP_SET_CONTAINER_ACL, "PUT", "/c0n?restype=container&comp=acl", "", 'c', "", 0, 0, 1, 0, '-', 1 },
    { PROTO_OP_DELETE_CONTAINER, "DELETE", "/c0n?restype=container", "", 'c', "d", 0, 0, 1, 0, '-', 1 },
    { PROTO_OP_UNDELETE_CONTAINER, "PUT", "/c0n?restype=container&comp=undelete", "", 'c', "w", 0, 0, 1, 0, '-', 1 },
    { PROTO_OP_RENAME_CONTAINER, "PUT", "/c0n?restype=container&comp=rename", "", 'c', "w", 0, 0, 1, 0, '-', 1 },
    { PROTO_OP_LEASE_CONTAINER, "PUT", "/c0n?restype=container&comp=lease", "", 'c', "wd", 0, 0, 1, 0, '-', 1 },
    { PROTO_OP_LIST_BLOBS, "GET", "/c0n?restype=container&comp=list", "", 'c', "l", 1, 2, 0, 0, 'l', 0 },
    { PROTO_OP_CONTAINER_BATCH, "POST", "/c0n?restype=container&comp=batch", "", 'c', "*", 1, 0, 1, 0, 'a', 0 },
    { PROTO_OP_CONTAINER_FIND_BLOBS_BY_TAGS, "GET", "/c0n?restype=container&comp=blobs&where=x", "", 'c', "f", 1, 0, 0, 0, '-', 1 },
    { PROTO_OP_CONTAINER_ACCOUNT_INFO, "GET", "/c0n?restype=account&comp=properties", "", 'c', "*", 1, 0, 0, 0, '-', 1 },

    { PROTO_OP_GET_BLOB, "GET", "/c0n/d/b", "", 'o', "r", 1, 1, 0, 0, 'r', 0 },
    { PROTO_OP_GET_BLOB_PROPERTIES, "HEAD", "/c0n/d/b", "", 'o', "r", 1, 1, 0, 0, 'r', 0 },
    { PROTO_OP_GET_BLOB_METADATA, "GET", "/c0n/d/b?comp=metadata", "", 'o', "r", 1, 1, 0, 0, 'r', 0 },
    { PROTO_OP_SET_BLOB_PROPERTIES, "PUT", "/c0n/d/b?comp=properties", "", 'o', "w", 1, 0, 1, 0, 'w', 0 },
    { PROTO_OP_SET_BLOB_METADATA, "PUT", "/c0n/d/b?comp=metadata", "", 'o', "w", 1, 0, 1, 0, 'w', 0 },
    { PROTO_OP_DELETE_BLOB, "DELETE", "/c0n/d/b", "", 'o', "d", 1, 0, 1, 0, 'd', 0 },
    { PROTO_OP_DELETE_BLOB, "DELETE", "/c0n/d/b?versionid=2026", "", 'o', "x", 1, 0, 1, 0, 'a', 1 },
    { PROTO_OP_DELETE_BLOB, "DELETE", "/c0n/d/b?deletetype=permanent", "", 'o', "y", 1, 0, 1, 0, 'a', 1 },
    { PROTO_OP_UNDELETE_BLOB, "PUT", "/c0n/d/b?comp=undelete", "", 'o', "w", 1, 0, 1, 0, 'w', 0 },
    { PROTO_OP_LEASE_BLOB, "PUT", "/c0n/d/b?comp=lease", "", 'o', "wd", 1, 0, 1, 0, 'w', 0 },
    { PROTO_OP_SNAPSHOT_BLOB, "PUT", "/c0n/d/b?comp=snapshot", "", 'o', "cw", 1, 0, 1, 0, 'w', 0 },
    { PROTO_OP_COPY_BLOB, "PUT", "/c0n/d/b", COPY, 'o', "cw", 1, 0, 1, 1, 'w', 0 },
    { PROTO_OP_COPY_BLOB_FROM_URL, "PUT", "/c0n/d/b", COPY "x-ms-requires-sync:true\n", 'o', "cw", 1, 0, 1, 1, 'w', 0 },
    { PROTO_OP_ABORT_COPY_BLOB, "PUT", "/c0n/d/b?comp=copy&copyid=1", "", 'o', "w", 1, 0, 1, 0, 'w', 0 },
    { PROTO_OP_SET_BLOB_TIER, "PUT", "/c0n/d/b?comp=tier", "", 'o', "w", 1, 0, 1, 0, 'w', 0 },
    { PROTO_OP_GET_BLOB_TAGS, "GET", "/c0n/d/b?comp=tags", "", 'o', "t", 1, 0, 0, 0, '-', 1 },
    { PROTO_OP_SET_BLOB_TAGS, "PUT", "/c0n/d/b?comp=tags", "", 'o', "t", 1, 0, 1, 0, 'a', 1 },
    { PROTO_OP_QUERY_BLOB_CONTENTS, "POST", "/c0n/d/b?comp=query", "", 'o', "r", 1, 0, 0, 0, 'r', 0 },
    { PROTO_OP_SET_IMMUTABILITY_POLICY, "PUT", "/c0n/d/b?comp=immutabilityPolicies", "", 'o', "i", 1, 0, 1, 0, 'a', 1 },
    { PROTO_OP_DELETE_IMMUTABILITY_POLICY, "DELETE", "/c0n/d/b?comp=immutabilityPolicies", "", 'o', "i", 1, 0, 1, 0, 'a', 1 },
    { PROTO_OP_SET_LEGAL_HOLD, "PUT", "/c0n/d/b?comp=legalhold", "", 'o', "i", 1, 0, 1, 0, 'a', 1 },
    { PROTO_OP_SET_BLOB_EXPIRY, "PUT", "/c0n/d/b?comp=expiry", "", 'o', "w", 1, 0, 1, 0, 'w', 0 },
    { PROTO_OP_BLOB_ACCOUNT_INFO, "GET", "/c0n/d/b?restype=account&comp=properties", "", 'o', "*", 1, 0, 0, 0, '-', 1 },

    { PROTO_OP_PUT_BLOB, "PUT", "/c0n/d/b", TYPE("BlockBlob"), 'o', "cw", 1, 0, 1, 1, 'w', 0 },
    { PROTO_OP_PUT_BLOB_FROM_URL, "PUT", "/c0n/d/b", COPY TYPE("BlockBlob"), 'o', "cw", 1, 0, 1, 1, 'w', 0 },
    { PROTO_OP_PUT_BLOCK, "PUT", "/c0n/d/b?comp=block&blockid=AA==", "", 'o', "w", 1, 0, 1, 0, 'w', 0 },
    { PROTO_OP_PUT_BLOCK_FROM_URL, "PUT", "/c0n/d/b?comp=block&blockid=AA==", COPY, 'o', "w", 1, 0, 1, 0, 'w', 0 },
    { PROTO_OP_PUT_BLOCK_LIST, "PUT", "/c0n/d/b?comp=blocklist", "", 'o', "w", 1, 0, 1, 0, 'w', 0 },
    { PROTO_OP_GET_BLOCK_LIST, "GET", "/c0n/d/b?comp=blocklist", "", 'o', "r", 1, 1, 0, 0, 'r', 0 },

    { PROTO_OP_PUT_APPEND_BLOB, "PUT", "/c0n/d/b", TYPE("AppendBlob"), 'o', "cw", 1, 0, 1, 1, 'w', 0 },
    { PROTO_OP_PUT_PAGE_BLOB, "PUT", "/c0n/d/b", TYPE("PageBlob"), 'o', "cw", 1, 0, 1, 1, 'w', 0 },
    { PROTO_OP_APPEND_BLOCK, "PUT", "/c0n/d/b?comp=appendblock", "", 'o', "aw", 1, 0, 1, 0, 'w', 0 },
    { PROTO_OP_APPEND_BLOCK_FROM_URL, "PUT", "/c0n/d/b?comp=appendblock", COPY, 'o', "aw", 1, 0, 1, 0, 'w', 0 },
    { PROTO_OP_SEAL_APPEND_BLOB, "PUT", "/c0n/d/b?comp=seal", "", 'o', "w", 1, 0, 1, 0, 'w', 0 },
    { PROTO_OP_PUT_PAGE, "PUT", "/c0n/d/b?comp=page", "", 'o', "w", 1, 0, 1, 0, 'w', 0 },
    { PROTO_OP_PUT_PAGE_FROM_URL, "PUT", "/c0n/d/b?comp=page", COPY, 'o', "w", 1, 0, 1, 0, 'w', 0 },
    { PROTO_OP_GET_PAGE_RANGES, "GET", "/c0n/d/b?comp=pagelist", "", 'o', "r", 1, 1, 0, 0, 'r', 0 },
    { PROTO_OP_INCREMENTAL_COPY_BLOB, "PUT", "/c0n/d/b?comp=incrementalcopy", COPY, 'o', "cw", 1, 0, 1, 1, 'w', 0 },
};
/* clang-format on */

#define ROWS (sizeof(table) / sizeof(table[0]))

static struct {
    uint8_t scratch_buf[16384], detail_buf[8192];
    writer_t scratch, detail;
    proto_uri_t uri;
    proto_headers_t headers;
    proto_header_t hdrs[16];
    proto_auth_in_t in;
    proto_auth_out_t out;
    proto_fault_t fault;
    char target[1200], lines[1200];
} b;

static const uint8_t key[32] = { 7, 7, 7 };
static unsigned cells;


/* A request of this row, `more` appended to its query, `lines` to its
 * headers; ACCOUNT's, or its secondary's. */
static void
request(const cell_t *cell, const char *more, const char *lines, bool second)
{
    proto_uri_opts_t opts = { .style = PROTO_URI_HOST };
    unsigned n = 0;

    memset(&b.uri, 0, sizeof(b.uri));
    memset(&b.headers, 0, sizeof(b.headers));
    memset(&b.in, 0, sizeof(b.in));
    writer_init_fixed(&b.scratch, b.scratch_buf, sizeof(b.scratch_buf));
    writer_init_fixed(&b.detail, b.detail_buf, sizeof(b.detail_buf));
    snprintf(b.target, sizeof(b.target), "%s%s%s", cell->target,
             *more == '\0'                       ? ""
             : strchr(cell->target, '?') != NULL ? "&"
                                                 : "?",
             more);
    snprintf(b.lines, sizeof(b.lines),
             "x-ms-date:" DATE "\nx-ms-version:2023-11-03\n"
             "Content-Length:0\n%s%s",
             cell->lines, lines);

    for (const char *p = b.lines; *p != '\0'; p = strchr(p, '\n') + 1) {
        const char *colon = strchr(p, ':');

        b.hdrs[n].name = view_of(p, (size_t) (colon - p));
        b.hdrs[n++].value =
            view_of(colon + 1, (size_t) (strchr(p, '\n') - colon - 1));
    }

    assert_int_equal(
        proto_uri_parse(view_str(b.target),
                        second ? VIEW(ACCOUNT "-secondary.blob.edge.test")
                               : VIEW(ACCOUNT ".blob.edge.test"),
                        &opts, &b.scratch, &b.uri, &b.fault),
        PROTO_OK);
    assert_int_equal(proto_headers_parse(b.hdrs, n, &b.uri, &b.scratch,
                                         &b.headers, &b.fault),
                     PROTO_OK);
    b.in.method = view_str(cell->method);
    b.in.uri = &b.uri;
    b.in.headers = &b.headers;
    b.in.hdrs = b.hdrs;
    b.in.nhdrs = n;
    b.in.keys[0] = view_of(key, sizeof(key));
    b.in.nkeys = 1;
    b.in.client_ip = VIEW("10.0.0.5");
    b.in.scratch = &b.detail;
    b.in.https = true;
    b.in.has_origin = true;
    b.in.origin_tls = true;
    assert_true(proto_date_parse_http(VIEW(DATE), &b.in.now_s));
    b.in.op = proto_op_find(b.in.method, &b.uri, &b.headers, &b.fault);
    assert_non_null(b.in.op);
    assert_int_equal(b.in.op->id, cell->id);
}


static void
expect(const cell_t *cell, const char *what, const char *code)
{
    const char *is = proto_error_row(proto_auth_check(&b.in, &b.out))->code;

    cells++;
    if (strcmp(is, code) != 0 || b.out.need != PROTO_NEED_NONE) {
        fail_msg("%s by %s (%s %s): %s, need %d; expected %s",
                 proto_op_row(cell->id)->name, what, cell->method, b.target,
                 is, b.out.need, code);
    }
}


static char *
sign(const char *text, char *ret)
{
    uint8_t sum[SHA256_LEN], buf[64];
    writer_t w;
    char *p = ret;

    hmac_sha256(view_of(key, sizeof(key)), view_str(text), sum);
    writer_init_fixed(&w, buf, sizeof(buf));
    base64_encode(&w, view_of(sum, sizeof(sum)));
    for (size_t i = 0; i < w.len; i++) {
        p += buf[i] == '+' || buf[i] == '/' || buf[i] == '='
               ? sprintf(p, "%%%02X", buf[i])
               : sprintf(p, "%c", buf[i]);
    }
    return ret;
}


static const char *
rights(const cell_t *cell, char letter)
{
    if (cell->sp[0] == '\0') {
        return "AuthorizationFailure";
    }
    return cell->sp[0] == '*' || strchr(cell->sp, letter) != NULL
             ? "OK"
             : "AuthorizationPermissionMismatch";
}


static void
create_only(const cell_t *cell, char letter, const char *code)
{
    if (strcmp(code, "OK") == 0) {
        assert_int_equal(b.out.create_only, cell->creates && letter == 'c');
    }
}


static void
every_operation(void **state)
{
    bool seen[PROTO_OP_COUNT] = { [PROTO_OP_PREFLIGHT] = true };

    (void) state;
    for (size_t i = 0; i < ROWS; i++) {
        request(&table[i], "", "", false);
        seen[table[i].id] = true;
    }
    for (int id = 0; id < PROTO_OP_COUNT; id++) {
        if (!seen[id]) {
            fail_msg("%s is not in the table", proto_op_row(id)->name);
        }
    }
}


static void
account_sas(void **state)
{
    (void) state;

    for (size_t i = 0; i < ROWS * 3 * 2; i++) {
        const cell_t *cell = &table[i / 6];
        char srt = "sco"[i % 3], ss = i / 3 % 2 ? 'q' : 'b';

        for (const char *l = LETTERS; *l != '\0'; l++) {
            char text[300], query[400], sig[200];
            const char *code = rights(cell, *l);

            snprintf(text, sizeof(text),
                     ACCOUNT "\n%c\n%c\n%c\n\n2026-03-11\n\n\n2023-11-03\n\n",
                     *l, ss, srt);
            snprintf(query, sizeof(query),
                     "sv=2023-11-03&ss=%c&srt=%c&sp=%c&se=2026-03-11&sig=%s",
                     ss, srt, *l, sign(text, sig));

            if (ss == 'q') {
                code = "AuthorizationServiceMismatch";

            } else if (srt != cell->type && cell->sp[0] != '*') {
                code = "AuthorizationResourceTypeMismatch";
            }

            request(cell, query, "", false);
            expect(cell, "account SAS", code);
            create_only(cell, *l, code);

            if (strcmp(code, "OK") == 0) {
                request(cell, query, "", true);
                expect(cell, "account SAS, secondary",
                       cell->write ? "InsufficientAccountPermissions" : "OK");
                b.in.refused = 1u << PROTO_CRED_ACCOUNT_SAS;
                expect(cell, "account SAS, by policy",
                       "KeyBasedAuthenticationNotPermitted");
            }
        }
    }
}


#define SNAPSHOT "2026-03-01T00:00:00.0000000Z"
#define UD_TEXT                                                               \
    "oid\ntid\n2026-03-09T00:00:00Z\n2026-03-12T00:00:00Z\nb\n2023-11-03\n"   \
    "\n\n\n"
#define UD_QUERY                                                              \
    "&skoid=oid&sktid=tid&skt=2026-03-09T00:00:00Z&ske=2026-03-12T00:00:00Z&" \
    "sks=b&skv=2023-11-03"

/* What a service SAS of this resource comes to. */
static const char *
reach(const cell_t *cell, const char *sr, char letter)
{
    bool blob = cell->type == 'o';

    if (cell->type == 's') {
        return "AuthenticationFailed"; /* there is no resource to sign */
    }
    if (!blob && strcmp(sr, "d") == 0) {
        /* of a container it can list the directory, no more */
        return cell->id == PROTO_OP_LIST_BLOBS ? rights(cell, letter)
                                               : "AuthorizationFailure";
    }
    if (!blob && strcmp(sr, "c") != 0) {
        return "AuthenticationFailed";
    }
    return cell->service ? rights(cell, letter) : "AuthorizationFailure";
}


/* A query for this row; ud: with a delegation key. `si`: rights are the
 * policy's. */
static void
resource_sas(const cell_t *cell, const char *sr, char letter, bool ud, bool si,
             char query[900])
{
    char text[900], sig[200];
    const char *resource = strcmp(sr, "c") == 0 ? ""
                         : strcmp(sr, "d") == 0 ? "/d"
                                                : "/d/b";
    bool snap = strcmp(sr, "bs") == 0;
    char sp[2] = { si ? '\0' : letter, '\0' };
    const char *se = si ? "" : "2026-03-11";

    snprintf(text, sizeof(text),
             "%s\n\n%s\n/blob/" ACCOUNT "/c0n%s\n%s\n\n2023-11-03\n%s\n%s\n\n"
             "\n\n\n\n",
             sp, se, resource,
             ud   ? UD_TEXT
             : si ? "pol\n"
                  : "\n",
             sr, snap ? SNAPSHOT : "");
    snprintf(query, 900, "%s%s&sv=2023-11-03&sr=%s%s%s%s%s%s&sig=%s",
             snap ? "snapshot=" SNAPSHOT : "x=",
             cell->type == 'c' && strcmp(sr, "d") == 0 ? "&prefix=d/e" : "",
             sr, strcmp(sr, "d") == 0 ? "&sdd=1" : "",
             si ? "&si=pol" : "&sp=", sp, si ? "" : "&se=2026-03-11",
             ud ? UD_QUERY : "", sign(text, sig));
}


static void
service_sas(void **state)
{
    static const char *const kinds[] = { "c", "b", "bs", "d" };

    (void) state;

    for (size_t i = 0; i < ROWS * 4; i++) {
        const cell_t *cell = &table[i / 4];
        const char *sr = kinds[i % 4];

        for (const char *l = LETTERS; *l != '\0'; l++) {
            const char *code = reach(cell, sr, *l);
            char query[900], acl[400];

            resource_sas(cell, sr, *l, false, false, query);
            request(cell, query, "", false);
            expect(cell, "service SAS", code);
            create_only(cell, *l, code);
            b.in.refused = 1u << PROTO_CRED_SERVICE_SAS;
            expect(cell, "service SAS, by policy",
                   strcmp(code, "AuthenticationFailed") == 0
                       ? code
                       : "KeyBasedAuthenticationNotPermitted");

            resource_sas(cell, sr, *l, false, true, query);
            request(cell, query, "", false);
            snprintf(acl, sizeof(acl),
                     "<SignedIdentifiers><SignedIdentifier><Id>pol</Id>"
                     "<AccessPolicy><Expiry>2026-03-11</Expiry><Permission>%c"
                     "</Permission></AccessPolicy></SignedIdentifier>"
                     "</SignedIdentifiers>",
                     *l);
            b.in.facts = PROTO_NEED_CONTAINER;
            b.in.acl = view_str(acl);
            expect(cell, "service SAS, stored policy", code);
            b.in.acl = VIEW("<SignedIdentifiers/>");
            expect(cell, "service SAS, no such policy",
                   "AuthenticationFailed");
        }
    }
}


static void
ud_sas(void **state)
{
    static const char *const kinds[] = { "c", "b", "bs", "d" };

    (void) state;

    for (size_t i = 0; i < ROWS * 4; i++) {
        const cell_t *cell = &table[i / 4];
        const char *sr = kinds[i % 4];

        for (const char *l = LETTERS; *l != '\0'; l++) {
            const char *code = reach(cell, sr, *l);
            char query[900];

            resource_sas(cell, sr, *l, true, false, query);
            request(cell, query, "", false);
            b.in.facts = PROTO_NEED_UD_KEY | PROTO_NEED_VERDICT;
            b.in.ud_key = view_of(key, sizeof(key));
            expect(cell, "delegation SAS", code);
            create_only(cell, *l, code);

            if (strcmp(code, "OK") != 0) {
                b.in.ud_key = VIEW_NULL;
                expect(cell, "delegation SAS, key unknown", code);
                continue;
            }

            /* without the key nothing is let through unasked */
            b.in.ud_key = VIEW_NULL;
            b.in.verdict = PROTO_ERR_AUTHENTICATION_FAILED;
            (void) proto_auth_check(&b.in, &b.out);
            assert_true(b.out.err == PROTO_ERR_AUTHENTICATION_FAILED
                        || b.out.relay);
            b.in.has_origin = false;
            expect(cell, "delegation SAS, nobody to ask",
                   "AuthenticationFailed");
            b.in.refused = 1u << PROTO_CRED_UD_SAS;
            expect(cell, "delegation SAS, by policy", "AuthorizationFailure");
        }
    }
}


static void
shared_key(void **state)
{
    (void) state;

    for (size_t i = 0; i < ROWS; i++) {
        const cell_t *cell = &table[i];
        uint8_t buf[256], scratch_buf[2048];
        writer_t w, scratch;
        char line[300];
        const char *code = cell->id == PROTO_OP_GET_USER_DELEGATION_KEY
                             ? "AuthenticationFailed"
                             : "OK";

        request(cell, "", "", false);
        proto_sign_in_t in = { .method = b.in.method,
                               .account = VIEW(ACCOUNT),
                               .key = b.in.keys[0],
                               .path = b.uri.raw_path,
                               .query = b.uri.raw_query,
                               .hdrs = b.hdrs,
                               .nhdrs = b.in.nhdrs };

        writer_init_fixed(&w, buf, sizeof(buf));
        writer_init_fixed(&scratch, scratch_buf, sizeof(scratch_buf));
        proto_auth_sign(&in, &scratch, &w);
        assert_true(writer_ok(&w));
        snprintf(line, sizeof(line), "Authorization:%.*s\n", (int) w.len,
                 (const char *) buf);

        request(cell, "", line, false);
        expect(cell, "Shared Key", code);
        b.in.keys[1] = b.in.keys[0];
        b.in.keys[0] = VIEW("another");
        b.in.nkeys = 2;
        expect(cell, "Shared Key, the second", code);
        b.in.nkeys = 1;
        expect(cell, "Shared Key, wrong", "AuthenticationFailed");
        b.in.nkeys = 2;
        b.in.now_s += 15 * 60;
        expect(cell, "Shared Key, late", code);
        b.in.now_s += 1;
        expect(cell, "Shared Key, too late", "AuthenticationFailed");
        b.in.now_s -= 30 * 60 + 2;
        expect(cell, "Shared Key, too early", "AuthenticationFailed");
        b.in.now_s += 15 * 60 + 1;
        b.in.refused = 1u << PROTO_CRED_SHARED_KEY;
        expect(cell, "Shared Key, by policy",
               "KeyBasedAuthenticationNotPermitted");

        request(cell, "", line, true);
        expect(cell, "Shared Key, secondary",
               cell->write ? "InsufficientAccountPermissions" : code);
        request(cell, "y=", line, false);
        expect(cell, "Shared Key, of another query", "AuthenticationFailed");
    }
}


static void
anonymous(void **state)
{
    (void) state;

    for (size_t i = 0; i < ROWS * 3; i++) {
        const cell_t *cell = &table[i / 3];
        uint8_t level = i % 3;
        bool ok = cell->public != 0 && level >= cell->public;

        request(cell, "", "", false);
        b.in.facts = PROTO_NEED_CONTAINER;
        b.in.container_exists = true;
        b.in.public_access = level;
        expect(cell, "nobody", ok ? "OK" : "NoAuthenticationInformation");
        b.in.container_exists = false;
        expect(cell, "nobody, no container", "NoAuthenticationInformation");
        b.headers.version = 0;
        expect(cell, "nobody, long ago", "ResourceNotFound");
        b.headers.version = 20231103;
        b.in.refused = 1u << PROTO_CRED_ANONYMOUS;
        expect(cell, "nobody, by policy",
               cell->public != 0 ? "PublicAccessNotPermitted"
                                 : "NoAuthenticationInformation");
    }
}


static void
bearer(void **state)
{
    static const char probes[] = "-rlwcda";

    (void) state;

    for (size_t i = 0; i < ROWS; i++) {
        const cell_t *cell = &table[i];
        bool asks = cell->probe != '-';

        request(cell, "", "Authorization:Bearer a.b.c\n", false);
        assert_int_equal(proto_auth_check(&b.in, &b.out), PROTO_OK);
        if (probes[b.out.probe] != cell->probe || b.out.relay != cell->relay
            || b.out.need != (asks ? PROTO_NEED_VERDICT : PROTO_NEED_NONE))
        {
            fail_msg("%s: probe %c, relay %d", b.in.op->name,
                     probes[b.out.probe], b.out.relay);
        }

        b.in.facts = PROTO_NEED_VERDICT;
        expect(cell, "token", "OK");
        b.in.verdict = PROTO_ERR_AUTHORIZATION_PERMISSION_MISMATCH;
        expect(cell, "token without the role",
               asks ? "AuthorizationPermissionMismatch" : "OK");
        b.in.verdict = PROTO_OK;
        b.in.has_origin = false;
        expect(cell, "token, standalone", "InvalidAuthenticationInfo");
        assert_int_equal(b.out.err, PROTO_ERR_INVALID_BEARER_TOKEN);
        b.in.refused = 1u << PROTO_CRED_BEARER;
        expect(cell, "token, by policy", "AuthenticationFailed");

        request(cell, "", "Authorization:Bearer a.b.c\n", true);
        b.in.facts = PROTO_NEED_VERDICT;
        expect(cell, "token, secondary",
               cell->write ? "InsufficientAccountPermissions" : "OK");
    }
}


/* A directory's SAS lists what is below the directory: its prefix goes past
 * the slash. */
static void
directory_list(void **state)
{
    static const struct {
        const char *prefix;
        const char *code;
    } lists[] = { { "&prefix=d/e", "OK" },
                  { "&prefix=d/", "OK" },
                  { "&prefix=d", "AuthenticationFailed" },
                  { "&prefix=dx/", "AuthenticationFailed" },
                  { "&prefix=", "AuthenticationFailed" },
                  { "", "AuthenticationFailed" } };
    const cell_t *cell = table;
    char query[900], other[1000];

    (void) state;
    while (cell->id != PROTO_OP_LIST_BLOBS) {
        cell++;
    }

    resource_sas(cell, "d", 'l', false, false, query);
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        snprintf(other, sizeof(other), "x=%s%s", lists[i].prefix,
                 strstr(query, "&sv="));
        request(cell, other, "", false);
        expect(cell, lists[i].prefix, lists[i].code);
    }
}


static void
addresses(void **state)
{
    static const struct {
        const char *sip;
        const char *client;
        bool ok;
    } pairs[] = { { "10.0.0.5", "10.0.0.5", 1 },
                  { "10.0.0.5", "10.0.0.6", 0 },
                  { "10.0.0.5", "::ffff:10.0.0.5", 1 },
                  { "10.0.0.250-10.0.1.4", "10.0.1.0", 1 },
                  { "10.0.0.250-10.0.1.4", "10.0.1.5", 0 },
                  { "10.0.0.5", "::1", 0 },
                  { "0.0.0.0-255.255.255.255", "2001:db8::1", 0 },
                  { "2001:db8::1", "2001:DB8:0:0::1", 1 },
                  { "2001:db8::1", "2001:db8::2", 0 },
                  { "2001:db8::-2001:db8::ffff", "2001:db8::abc", 1 },
                  { "2001:db8::-2001:db8::ffff", "2001:db8::1:0", 0 },
                  { "::-ffff::", "10.0.0.5", 0 },
                  { "2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", 1 },
                  { "2001:db8:1:2:3:4:5", "2001:db8:1:2:3:4:5:0", 0 },
                  { "2001:db8::1:", "2001:db8::1", 0 },
                  { "::1::", "::1", 0 },
                  { "::12345", "::1", 0 },
                  { "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8", 0 },
                  { "::g", "::", 0 },
                  { "", "10.0.0.5", 0 },
                  { "-", "10.0.0.5", 0 },
                  { "10.0.0.5-", "10.0.0.5", 0 },
                  { "10.0.0", "10.0.0.5", 0 },
                  { "::", "::", 1 },
                  { "::1.2.3.4", "::102:304", 1 } };
    const cell_t *cell = table;

    (void) state;

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        char text[400], query[500], sig[200];

        snprintf(text, sizeof(text),
                 ACCOUNT "\nl\nb\ns\n\n2026-03-11\n%s\n\n2023-11-03\n\n",
                 pairs[i].sip);
        snprintf(query, sizeof(query),
                 "sv=2023-11-03&ss=b&srt=s&sp=l&se=2026-03-11&sip=%s&sig=%s",
                 pairs[i].sip, sign(text, sig));
        request(cell, query, "", false);
        b.in.client_ip = view_str(pairs[i].client);
        expect(cell, pairs[i].client,
               pairs[i].ok || pairs[i].sip[0] == '\0'
                   ? "OK"
                   : "AuthorizationSourceIPMismatch");
    }
}


static void
count(void **state)
{
    (void) state;
    print_message("%u cells\n", cells);
    assert_true(cells > 15000);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation), cmocka_unit_test(account_sas),
        cmocka_unit_test(service_sas),     cmocka_unit_test(ud_sas),
        cmocka_unit_test(shared_key),      cmocka_unit_test(anonymous),
        cmocka_unit_test(bearer),          cmocka_unit_test(directory_list),
        cmocka_unit_test(addresses),       cmocka_unit_test(count)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
