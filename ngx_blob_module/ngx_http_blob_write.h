#ifndef NGX_HTTP_BLOB_WRITE_H
#define NGX_HTTP_BLOB_WRITE_H

#include "ngx_http_blob.h"

/*
 * What the files of native writes share: a change under way and the guard
 * that decides, under the index's lock, whether it may happen. All of it is
 * pool memory of the request; what `check` reads is not touched once the
 * change is queued.
 */
typedef struct {
    proto_cond_t cond;
    bool create_only; /* the SAS grants no more */
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

/* store_change_t.check, check_ctx is the guard. */
int ngx_http_blob_guard_check(void *guard, const store_blob_t *now);

/* A change of ctx's blob with its guard, also ctx->op_data; NULL: no memory.
 * The incarnation is the caller's, once the container is known. */
ngx_http_blob_wr_t *ngx_http_blob_write_new(ngx_http_blob_ctx_t *ctx,
                                            store_kind_t kind);
/* There is something to check. */
bool ngx_http_blob_write_guarded(const ngx_http_blob_wr_t *wr);
/* What the fact in ctx->blob says, for the guard and for write-back. */
void ngx_http_blob_write_fact(ngx_http_blob_ctx_t *ctx,
                              ngx_http_blob_wr_t *wr);
/* The blob as looked up against the guard, before anything is moved. */
proto_err_t ngx_http_blob_write_early(ngx_http_blob_ctx_t *ctx,
                                      ngx_http_blob_wr_t *wr);

#endif
