#ifndef PROTO_COPY_H
#define PROTO_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/props.h"
#include "base/view.h"
#include "base/writer.h"
#include "proto/auth.h"
#include "proto/cond.h"
#include "proto/error.h"
#include "proto/headers.h"
#include "proto/op.h"
#include "proto/range.h"
#include "proto/uri.h"

/*
 * The source of a copy (REST: "Copy Blob", "Copy Blob From URL", "Put Blob
 * From URL", "Put Block From URL"): where x-ms-copy-source points, what of it
 * is wanted and on which terms. Views point into the request's headers or
 * into the scratch given.
 */
#define PROTO_COPY_SOURCE_MAX 2048
#define PROTO_COPY_SCRATCH    (2 * PROTO_COPY_SOURCE_MAX)
#define PROTO_COPY_SYNC_MAX   (256ull * 1024 * 1024)  /* Copy Blob From URL */
#define PROTO_COPY_BLOB_MAX   (5000ull * 1024 * 1024) /* Put Blob From URL */
#define PROTO_COPY_BLOCK_MAX  (4000ull * 1024 * 1024)
#define PROTO_COPY_APPEND_MAX (100ull * 1024 * 1024)
#define PROTO_COPY_ID_LEN     36

/* An absolute http(s) URL taken apart, nothing decoded. */
typedef struct proto_copy_url_s {
    view_t text; /* all of it, as sent */
    bool https;
    view_t host;      /* without the port; brackets of an IPv6 literal stay */
    uint16_t port;    /* the scheme's when none was written */
    view_t authority; /* host and port as written: what Host says */
    view_t target;    /* path and query; "/" when there is none */
    view_t path;      /* of target, without the query */
    view_t query;     /* of target, without the question mark; may be empty */
} proto_copy_url_t;

typedef struct proto_copy_s {
    proto_copy_url_t url;
    bool local;      /* names a blob of this edge: `uri` says which */
    proto_uri_t uri; /* local only: account, container, blob, snapshot, SAS */

    bool has_range;     /* x-ms-source-range */
    uint64_t range_off; /* of the source's bytes */
    uint64_t range_len; /* UINT64_MAX: to its end */

    proto_cond_t cond;        /* x-ms-source-if-* */
    proto_body_check_t check; /* x-ms-source-content-md5 / -crc64 */
    view_t authorization;     /* x-ms-copy-source-authorization; null: none */
    bool source_props; /* x-ms-copy-source-blob-properties, default true */
    bool source_tags;  /* x-ms-copy-source-tag-option: COPY */
} proto_copy_t;

/* What this edge answers to. */
typedef struct proto_copy_edge_s {
    view_t host;           /* the request's Host */
    bool https;            /* how it came */
    proto_uri_opts_t opts; /* as its location reads addresses */
    bool (*serves)(void *ctx, view_t account);
    void *ctx;
} proto_copy_edge_t;

/* PROTO_OK or what to answer: InvalidHeaderValue for a source that is not an
 * absolute URL of at most 2 KiB or (of this edge) not a blob's. Ours are the
 * request's own host and port in whichever style, ACCOUNT.rest of a host-style
 * host of the same `rest`, and ACCOUNT.blob.core.windows.net, which clients
 * have built in, of an account that is served here. `op` is the request's
 * row: a range is only read for rows that take one. `scratch` has a fixed
 * buffer of PROTO_COPY_SCRATCH bytes. */
proto_err_t proto_copy_parse(const proto_headers_t *h, const proto_op_t *op,
                             const proto_copy_edge_t *edge, writer_t *scratch,
                             proto_copy_t *ret, proto_fault_t *fault);

/* Takes an absolute URL apart; false: it is none. */
bool proto_copy_url_parse(view_t text, proto_copy_url_t *ret);

/* The account's key opens a source in the same account too; a source in
 * another one and any other credential are checked. */
bool proto_copy_trusted(const proto_copy_t *copy, proto_cred_t cred,
                        bool same_account);
/* The token to read the source with, as a value of Authorization, or null:
 * its own, or the request's when the account is the same and the source has
 * no SAS. */
view_t proto_copy_token(const proto_copy_t *copy, const proto_headers_t *h,
                        proto_cred_t cred, bool same_account);
/* The source's read as a request of its own for proto_auth_check, which needs
 * the right to its tags too when they are copied or a condition; what is
 * known of the source's account and container is the caller's to add. `token`
 * is proto_copy_token's; `room` lasts as long as *ret. */
typedef struct proto_copy_gate_s {
    proto_headers_t headers;
    proto_header_t token;
} proto_copy_gate_t;

void proto_copy_auth_in(const proto_copy_t *copy, const proto_auth_in_t *from,
                        view_t token, proto_copy_gate_t *room,
                        proto_auth_in_t *ret);

/* x-ms-source-if-* against what the source is now: PROTO_OK or
 * SourceConditionNotMet. */
proto_err_t proto_copy_cond(const proto_copy_t *copy,
                            const proto_cond_state_t *state);
/* The same conditions for an origin, which says `origin_s` of what is known
 * here as *here: ETags (without quotes) and dates that clients were given are
 * its own then. `here` outlives them. */
void proto_copy_cond_there(proto_copy_t *copy, const proto_cond_state_t *here,
                           int64_t origin_s);
/* The source's tags are asked for: to be copied, or for a condition. */
bool proto_copy_reads_tags(const proto_copy_t *copy);
/* The part of a source of `size` bytes that is asked for, and whether the
 * operation takes that much: PROTO_OK, INVALID_RANGE or
 * REQUEST_BODY_TOO_LARGE, INVALID_INPUT. */
proto_err_t proto_copy_part(const proto_copy_t *copy, const proto_op_t *op,
                            uint64_t size, uint64_t *ret_off,
                            uint64_t *ret_len);

/* The error for a source that was answered with this status: CannotVerifyCopy-
 * Source of the same status as far as there is one, 403 for other 4xx. */
proto_err_t proto_copy_source_error(unsigned status);

/* The row reads a copy source: only these may carry one to an origin. */
bool proto_copy_has_source(const proto_op_t *op);

/* The rows of the From URL family say what the source answered, in
 * x-ms-copy-source-status-code and -error-code. */
bool proto_copy_tells_source(const proto_op_t *op);

/* What the destination's conditions answer: Copy Blob has a code for it. */
proto_err_t proto_copy_target_error(const proto_op_t *op, proto_err_t err);

/* The new blob's properties. `source` are the source's; `sent` those of the
 * request's headers (proto_headers_blob_props): by the row and by what was
 * asked for one or the other, see docs/operations.md. Views are shared with
 * both. Leaves times and ETag alone. */
void proto_copy_props(const proto_copy_t *copy, const proto_op_t *op,
                      const blob_props_t *source, const blob_props_t *sent,
                      blob_props_t *ret);

/* A SAS for reading that source alone until `expiry_s`, with its tags if those
 * are read, made with the key of the account that it is in at an origin.
 */
void proto_copy_sas(writer_t *w, const proto_copy_t *copy, view_t account,
                    view_t key, int64_t expiry_s);
/* How long a source may be read so: as the row's copy may take. */
int64_t proto_copy_sas_lifetime_s(const proto_op_t *op);
/* x-ms-copy-source of a request to an origin: `endpoint` is its URL without a
 * trailing slash, `sas` a query without question mark or empty. */
void proto_copy_source_put(writer_t *w, const proto_copy_t *copy,
                           view_t endpoint, view_t sas);
/* The source as it is kept and shown: without a signature. */
void proto_copy_source_shown(writer_t *w, const proto_copy_t *copy);

/* Abort Copy Blob: x-ms-copy-action: abort and a copyid have to be there. */
proto_err_t proto_abort_copy_check(const proto_uri_t *uri,
                                   const proto_headers_t *h,
                                   proto_fault_t *fault);

#endif
