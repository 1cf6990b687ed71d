#ifndef NGX_HTTP_BLOB_COPY_H
#define NGX_HTTP_BLOB_COPY_H

#include "ngx_http_blob_fetch.h"
#include "ngx_http_blob_write.h"

#include "proto/copy.h"

/*
 * Copies: what copy.c (the decision, the native copy), copy_move.c (bytes
 * from one content into a body) and the fetch of other sources share.
 */

/* Who a request is about: the part of ctx that is exchanged while the
 * source's container and blob are looked up with the functions that know the
 * destination's. */
typedef struct {
    ngx_http_blob_account_t *account;
    proto_uri_t uri;
    policy_rule_t policy;
    ngx_http_blob_lookup_t container_found;
    store_container_t container;
    ngx_http_blob_lookup_t blob_found;
    store_blob_t blob;
    writer_t container_scratch;
    writer_t blob_scratch;
    uint64_t snapshot;
    proto_auth_in_t auth_in;
    proto_auth_out_t auth;
    view_t authorization;
    void *origin;
    unsigned resolved;
} ngx_http_blob_side_t;

typedef struct ngx_http_blob_move_s ngx_http_blob_move_t;

/* ctx->copy */
struct ngx_http_blob_copy_s {
    proto_copy_t copy;
    proto_copy_gate_t gate;
    blob_props_t sent; /* what the request's headers set */
    uint8_t block_id[PROTO_BLOCK_ID_MAX];
    view_t block;          /* Put Block From URL */
    ngx_http_blob_ap_t ap; /* Append Block From URL */
    unsigned forward:1; /* the origin does it: write through, and the like */

    ngx_http_blob_side_t source; /* the destination while swapped */
    unsigned swapped:1;
    unsigned tries:4; /* the source's content went in the middle */

    uint64_t off; /* of the source's content */
    uint64_t len;
    ngx_http_blob_move_t *move; /* NULL: no byte is looked at */
    u_char id[PROTO_COPY_ID_LEN];

    /* What is read when the source is not here: the client's URL, or that of
     * a lake of ours with a SAS made for it. */
    view_t fetch_url;
    ngx_http_blob_fetch_t *fetch;
    unsigned external:1;
};

/* First step of every row with a copy source. `forward`: the request is one
 * for the origin, only the source is looked at here. */
ngx_int_t ngx_http_blob_copy(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                             bool forward);
/* The source is not here and no origin can be told to read it:
 * copy->fetch_url says where it is. Not swapped. */
ngx_int_t ngx_http_blob_copy_external(ngx_http_request_t *r,
                                      ngx_http_blob_ctx_t *ctx);
/* Refuses because of the source: `why` is what reading it was answered. */
ngx_int_t ngx_http_blob_copy_source_fail(ngx_http_request_t *r,
                                         ngx_http_blob_ctx_t *ctx,
                                         proto_err_t why);

/* ---- copy_move.c ------------------------------------------------------ */

/* Reads len bytes of a content at off, in threads, a slice a task; into a new
 * body of the store if `keep`. Then `next`: see move_rc. */
ngx_int_t ngx_http_blob_move(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                             uint64_t content, uint64_t off, uint64_t len,
                             bool keep, const ngx_http_blob_step_t *next);
/* TIER_NOT_FOUND: the content has gone meanwhile, nothing was kept. */
tier_rc_t ngx_http_blob_move_rc(const ngx_http_blob_move_t *move);
const store_digest_t *
ngx_http_blob_move_digest(const ngx_http_blob_move_t *move);
/* The body is the caller's from now on. */
store_body_t *ngx_http_blob_move_take(ngx_http_blob_move_t *move);

#endif
