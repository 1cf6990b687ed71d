#ifndef PROTO_AUTH_H
#define PROTO_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/view.h"
#include "base/writer.h"
#include "proto/error.h"
#include "proto/headers.h"
#include "proto/op.h"
#include "proto/reply.h"
#include "proto/uri.h"
#include "proto/verdict.h"

/*
 * Who asks, and whether it may: Shared Key, Shared Key Lite, account,
 * service and user delegation SAS, anonymous reads, bearer tokens (REST:
 * "Authorize with Shared Key", "Create an account / service / user delegation
 * SAS").
 *
 * A decision may need a fact that is not in the request. Then `need` says
 * which; the caller fetches it, sets its bit in `facts` and asks again. Every
 * call starts from scratch, so nothing is kept between them. A fact that
 * cannot be had is set with its "none" value.
 */
#define PROTO_AUTH_KEYS_MAX 2

typedef enum {
    PROTO_NEED_NONE = 0,
    PROTO_NEED_CONTAINER = 1, /* container_exists, public_access, acl */
    PROTO_NEED_UD_KEY = 2,    /* ud_key of out->ud */
    PROTO_NEED_VERDICT = 4 /* verdict: what the origin says of this caller */
} proto_need_t;

typedef enum {
    PROTO_CRED_ANONYMOUS = 0,
    PROTO_CRED_SHARED_KEY,
    PROTO_CRED_SHARED_KEY_LITE,
    PROTO_CRED_ACCOUNT_SAS,
    PROTO_CRED_SERVICE_SAS,
    PROTO_CRED_UD_SAS,
    PROTO_CRED_BEARER,
    PROTO_CRED_COUNT
} proto_cred_t;

typedef struct proto_auth_in_s {
    view_t method;
    const proto_uri_t *uri;
    const proto_op_t *op;
    uint32_t also; /* PROTO_PERM_* that have to be there besides the op's */
    const proto_headers_t *headers;
    const proto_header_t *hdrs; /* all of them, as on the wire */
    unsigned nhdrs;
    int64_t now_s;
    view_t client_ip; /* text; null: unknown (unix socket) passes no sip */
    bool https;
    view_t keys[PROTO_AUTH_KEYS_MAX]; /* decoded; of uri->account */
    unsigned nkeys;
    unsigned refused; /* 1u << proto_cred_t: not taken here, by policy */
    bool has_origin;  /* there is one to ask for a verdict */
    bool origin_tls;  /* and a token can go there */
    bool insecure;    /* tokens are taken over http, too */

    unsigned facts; /* proto_need_t bits that hold below */
    bool container_exists;
    uint8_t public_access; /* 0 private, 1 blob, 2 container */
    view_t acl;            /* SignedIdentifiers XML, or empty */
    view_t ud_key;         /* decoded; null: not known, ask for a verdict */
    proto_err_t verdict;   /* PROTO_OK or what to answer */

    writer_t *scratch; /* error details; NULL: none are wanted */
} proto_auth_in_t;

typedef struct proto_auth_out_s {
    proto_err_t err;
    proto_fault_t fault;
    proto_cred_t cred;
    proto_need_t need; /* with err PROTO_OK: not decided yet */
    proto_ud_t ud;     /* UD SAS: the key it names */
    view_t token;      /* bearer: what follows the scheme */
    /* With PROTO_NEED_VERDICT: what to ask (verdict.h), of whom (a digest of
     * all that the verdict depends on but account, container and probe), and
     * until when the credential is good. */
    proto_probe_t probe;
    uint8_t caller[SHA256_LEN];
    int64_t until_s;
    /* The request is to be forwarded, as the caller's own: only the origin
     * can tell whether it may be done. */
    bool relay;
    bool create_only; /* an existing blob: UnauthorizedBlobOverwrite */
    proto_override_t override;
} proto_auth_out_t;

/* The origin goes by the caller's own credentials, not by ours: it is the one
 * that knows what they are good for. */
static inline bool
proto_cred_is_origins(proto_cred_t cred)
{
    return cred == PROTO_CRED_BEARER || cred == PROTO_CRED_UD_SAS;
}

/* Returns out->err. PROTO_OK and need PROTO_NEED_NONE: authorised. */
proto_err_t proto_auth_check(const proto_auth_in_t *in, proto_auth_out_t *out);

/*
 * The other side: "SharedKey account:signature" for a request to an origin,
 * over exactly what goes out. `path` and `query` as on the wire (the path
 * has the account in it with a path-style origin); `hdrs` are all that is
 * sent, with x-ms-date and x-ms-version. `scratch` takes the decoded query.
 */
typedef struct proto_sign_in_s {
    view_t method;
    view_t account;
    view_t key; /* decoded */
    view_t path;
    view_t query; /* without the question mark; or null */
    const proto_header_t *hdrs;
    unsigned nhdrs;
} proto_sign_in_t;

/* TIER_ELIMIT in w: scratch was too small or there are too many parts. */
void proto_auth_sign(const proto_sign_in_t *in, writer_t *scratch,
                     writer_t *w);

#endif
