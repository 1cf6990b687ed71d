#ifndef NGX_HTTP_BLOB_WRITE_H
#define NGX_HTTP_BLOB_WRITE_H

#include "ngx_http_blob.h"

#include "proto/append.h"

/*
 * What the files of native writes share: a change under way and the guard
 * that decides, under the index's lock, whether it may happen. All of it is
 * pool memory of the request; what `check` reads is not touched once the
 * change is queued.
 */
typedef struct {
    store_change_t *change; /* the one it guards */
    proto_lease_guard_t lease;
    proto_cond_t cond;
    proto_op_id_t op; /* what an archived blob may refuse */
    bool create_only; /* the SAS grants no more */
    bool block;       /* what is there has to be a block blob */
    bool fact;        /* the origin said what it has of this name */
    proto_cond_state_t fact_state;
} ngx_http_blob_guard_t;

typedef struct {
    store_change_t change;
    blob_props_t props;
    ngx_http_blob_guard_t guard;
    uint8_t block_id[PROTO_BLOCK_ID_MAX];
    proto_err_t err;
} ngx_http_blob_wr_t;

/* A write that appends. */
typedef struct {
    ngx_http_blob_wr_t *wr;
    proto_append_t append;
} ngx_http_blob_ap_t;

/* store_change_t.check of an ngx_http_blob_ap_t: what any write asks, then
 * what an append does. */
int ngx_http_blob_append_check(void *data, const store_blob_t *now);

/* store_change_t.check, check_ctx is the guard. Decides on the lease, too:
 * sets change->lease. */
int ngx_http_blob_guard_check(void *guard, const store_blob_t *now);

/* A change of ctx's blob with its guard, also ctx->op_data; NULL: no memory.
 * The incarnation is the caller's, once the container is known. */
ngx_http_blob_wr_t *ngx_http_blob_write_new(ngx_http_blob_ctx_t *ctx,
                                            store_kind_t kind);
/* It stages a block: conditions and what the SAS may overwrite do not count,
 * lease and type do. */
void ngx_http_blob_write_block(ngx_http_blob_wr_t *wr);
/* It replaces or adds without a condition: it may wait for a forward of the
 * same blob to end. */
void ngx_http_blob_write_patient(ngx_http_blob_wr_t *wr);
/* There is something to check. */
bool ngx_http_blob_write_guarded(const ngx_http_blob_wr_t *wr);
/* What the fact in ctx->blob says, for the guard and for write-back. */
void ngx_http_blob_write_fact(ngx_http_blob_ctx_t *ctx,
                              ngx_http_blob_wr_t *wr);
/* Whether the record is changed here; false: the origin has to do it. */
bool ngx_http_blob_write_local(const ngx_http_blob_ctx_t *ctx);
/* The blob as looked up against the guard, before anything is moved. */
proto_err_t ngx_http_blob_write_early(ngx_http_blob_ctx_t *ctx,
                                      ngx_http_blob_wr_t *wr);
/* Looks the blob up and commits, or forwards what the origin knows more of.
 * From step `self`, which is where it begins anew when it had to wait for a
 * forward of the same blob. */
ngx_int_t ngx_http_blob_write_find(ngx_http_request_t *r,
                                   ngx_http_blob_ctx_t *ctx,
                                   const ngx_http_blob_step_t *self,
                                   const ngx_http_blob_step_t *next);
/* Commits with the body that was streamed: the commit takes it, come what may.
 */
ngx_int_t ngx_http_blob_write_commit(ngx_http_blob_ctx_t *ctx,
                                     ngx_http_blob_wr_t *wr,
                                     const ngx_http_blob_step_t *next);
/* The answer to a change that was committed; digest NULL: it had no body. */
ngx_int_t ngx_http_blob_write_reply(ngx_http_request_t *r,
                                    ngx_http_blob_ctx_t *ctx,
                                    ngx_uint_t status,
                                    const store_change_t *change,
                                    const store_digest_t *digest);

#endif
