#ifndef PROTO_VERDICT_H
#define PROTO_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/view.h"
#include "base/writer.h"
#include "proto/error.h"
#include "proto/headers.h"
#include "proto/op.h"

/*
 * What only an origin can tell of a caller: whether it takes the token, and
 * what the roles behind a token or a user delegation key allow (REST:
 * "Authorize with Microsoft Entra ID"; "Create a user delegation SAS": rights
 * are those of the SAS and of the principal, both).
 *
 * The origin is asked with the caller's own credentials, by a request of the
 * same kind that changes nothing:
 *
 *     READ       HEAD of the blob
 *     LIST       List Blobs, one entry
 *     WRITE      Set Blob Metadata under If-Match of an ETag that nothing has
 *     CREATE     Put Blob of no bytes under the same condition
 *     DELETE     Delete Blob under the same condition
 *     AUTHENTIC  any cheap request: a refusal for want of rights is a yes
 *
 * The Blob service authorises before it looks at conditions, so that 412 (or
 * 404, 409) says that the caller may and that nothing was done. WRITE is Set
 * Blob Metadata and not Put Blob: the same right, and an origin that ignored
 * the condition would lose no content.
 */
typedef enum {
    PROTO_PROBE_NONE = 0, /* the request itself goes out and decides */
    PROTO_PROBE_READ,
    PROTO_PROBE_LIST,
    PROTO_PROBE_WRITE,
    PROTO_PROBE_CREATE,
    PROTO_PROBE_DELETE,
    PROTO_PROBE_AUTHENTIC
} proto_probe_t;

/* What tells whether an operation may be done that needs `wanted` (any of
 * these) and `extra` (all of these) rights; a caller that is bounded by a SAS
 * has `granted`, PROTO_PERM_ANY for a token. *ret_relay: nothing decides it
 * but the origin itself, the request has to be forwarded as the caller's. */
proto_probe_t proto_probe_for(const proto_op_t *op, uint32_t wanted,
                              uint32_t extra, uint32_t granted,
                              bool *ret_relay);

/* The request that asks. Without x-ms-date, x-ms-version, credentials. */
typedef struct proto_probe_req_s {
    view_t method;
    proto_level_t level; /* of the resource, which is the request's own */
    view_t query;        /* without the question mark, or null */
    proto_header_t hdrs[2];
    unsigned nhdrs;
} proto_probe_req_t;

/* sas: the caller has no token; a SAS cannot ask for the account. */
void proto_probe_request(proto_probe_t probe, proto_level_t level, bool sas,
                         proto_probe_req_t *ret);

/*
 * What the answer says: PROTO_OK, a refusal, or PROTO_ERR_SERVER_BUSY when it
 * says nothing (no answer, 5xx, another program): never to be kept.
 */
proto_err_t proto_probe_verdict(proto_probe_t probe, unsigned status,
                                view_t code);

/* How long a verdict may be kept: until `until_s` (what the credential itself
 * says, INT64_MAX: nothing) or five minutes; a refusal for 30 seconds. */
int64_t proto_verdict_until(proto_err_t verdict, int64_t until_s,
                            int64_t now_s);

/* When a token says that it ends: its `exp`, not verified; INT64_MAX for one
 * that cannot be read (RFC 7519). */
int64_t proto_token_expiry(view_t token);

/* A user delegation key by its six fields, as in the SAS. */
typedef struct proto_ud_s {
    view_t skoid, sktid, skt, ske, sks, skv;
} proto_ud_t;

/* The name of a key that two spellings of the same times do not tell apart;
 * false: a time is malformed. */
bool proto_ud_name(const proto_ud_t *ud, uint8_t ret[SHA256_LEN]);

/* The answer to Get User Delegation Key; `ret_key` is decoded into `buf`.
 * False: not such a document. Texts go to scratch or are views of `xml`. */
bool proto_ud_answer(view_t xml, writer_t *scratch, proto_ud_t *ret,
                     uint8_t *buf, size_t cap, view_t *ret_key);

/* "Bearer authorization_uri=... resource_id=...", the form that SDKs parse;
 * an empty tenant is "common". */
void proto_challenge(writer_t *w, view_t tenant);

#endif
