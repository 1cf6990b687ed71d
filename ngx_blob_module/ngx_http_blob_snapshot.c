#include "ngx_http_blob_write.h"

#include "proto/snapshot.h"

/*
 * Snapshot Blob without an origin. Reads of a snapshot are read.c's, its
 * delete is write.c's.
 */

static ngx_int_t ngx_http_blob_snapshot_found(ngx_http_request_t *r,
                                              ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_snapshot_taken(ngx_http_request_t *r,
                                              ngx_http_blob_ctx_t *ctx);

static const ngx_http_blob_step_t ngx_http_blob_step_snapshot_found = {
    "snapshot_found", "taking snapshot", ngx_http_blob_snapshot_found
};
static const ngx_http_blob_step_t ngx_http_blob_step_snapshot_taken = {
    "snapshot_taken", "sending reply", ngx_http_blob_snapshot_taken
};

ngx_int_t
ngx_http_blob_snapshot(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_wr_t *wr;
    proto_err_t err;

    wr = ngx_http_blob_write_new(ctx, STORE_SNAPSHOT_CREATE);
    if (wr == NULL) {
        return NGX_ERROR;
    }

    err = proto_cond_check_form(&ctx->headers.cond, true);
    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    if (ctx->headers.metadata.len != 0) {
        wr->props.metadata = ctx->headers.metadata;
        wr->change.props = &wr->props;
        wr->change.flags = STORE_SET_META;
    }

    return ngx_http_blob_need_container(r, ctx,
                                        &ngx_http_blob_step_snapshot_found);
}

static ngx_int_t
ngx_http_blob_snapshot_found(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    return ngx_http_blob_write_find(r, ctx, &ngx_http_blob_step_snapshot_found,
                                    &ngx_http_blob_step_snapshot_taken);
}

static ngx_int_t
ngx_http_blob_snapshot_taken(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_wr_t *wr = ctx->op_data;

    if (wr->change.rc != TIER_OK) {
        return ngx_http_blob_fail(r, ctx,
                                  ngx_http_blob_change_error(&wr->change));
    }

    proto_reply_snapshot_headers(wr->change.snapshot, ngx_http_blob_emit, r);
    return ngx_http_blob_write_reply(r, ctx, NGX_HTTP_CREATED, &wr->change,
                                     NULL);
}
