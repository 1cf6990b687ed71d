#include "ngx_http_blob_write.h"

#include "proto/native.h"
#include "proto/tags.h"

/*
 * Append blobs without an origin: Put Blob that makes one, Append Block,
 * Append Blob Seal. Each append is a commit of its own, in the order in which
 * the store takes them.
 */

static ngx_int_t ngx_http_blob_append_made(ngx_http_request_t *r,
                                           ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_append_create_found(ngx_http_request_t *r,
                                                   ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_append_found(ngx_http_request_t *r,
                                            ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_append_received(ngx_http_request_t *r,
                                               ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_append_committed(ngx_http_request_t *r,
                                                ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_seal_found(ngx_http_request_t *r,
                                          ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_sealed(ngx_http_request_t *r,
                                      ngx_http_blob_ctx_t *ctx);

static const ngx_http_blob_step_t ngx_http_blob_step_append_create_found = {
    "append_create_found", "committing blob", ngx_http_blob_append_create_found
};
static const ngx_http_blob_step_t ngx_http_blob_step_append_made = {
    "append_made", "sending reply", ngx_http_blob_append_made
};
static const ngx_http_blob_step_t ngx_http_blob_step_append_found = {
    "append_found", "reading what to append", ngx_http_blob_append_found
};
static const ngx_http_blob_step_t ngx_http_blob_step_append_received = {
    "append_received", "appending", ngx_http_blob_append_received
};
static const ngx_http_blob_step_t ngx_http_blob_step_append_committed = {
    "append_committed", "sending reply", ngx_http_blob_append_committed
};
static const ngx_http_blob_step_t ngx_http_blob_step_seal_found = {
    "seal_found", "sealing blob", ngx_http_blob_seal_found
};
static const ngx_http_blob_step_t ngx_http_blob_step_sealed = {
    "sealed", "sending reply", ngx_http_blob_sealed
};

/* ---- Put Blob --------------------------------------------------------- */

ngx_int_t
ngx_http_blob_append_create(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_wr_t *wr;
    proto_err_t err;

    wr = ngx_http_blob_write_new(ctx, STORE_BLOB_PUT);
    if (wr == NULL) {
        return NGX_ERROR;
    }

    err = proto_append_create_check(&ctx->headers, &ctx->fault);
    if (err == PROTO_OK) {
        err = proto_cond_check_form(&ctx->headers.cond, true);
    }
    if (err == PROTO_OK) {
        err = proto_headers_blob_props(&ctx->headers, true, true, &wr->props,
                                       &ctx->fault);
    }
    if (err == PROTO_OK) {
        err = proto_tags_props(&ctx->headers, &ctx->scratch, &wr->props,
                               &ctx->fault);
    }
    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    wr->props.type = BLOB_APPEND;
    wr->change.props = &wr->props;
    return ngx_http_blob_need_container(
        r, ctx, &ngx_http_blob_step_append_create_found);
}

static ngx_int_t
ngx_http_blob_append_create_found(ngx_http_request_t *r,
                                  ngx_http_blob_ctx_t *ctx)
{
    return ngx_http_blob_write_find(r, ctx,
                                    &ngx_http_blob_step_append_create_found,
                                    &ngx_http_blob_step_append_made);
}

static ngx_int_t
ngx_http_blob_append_made(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_wr_t *wr = ctx->op_data;

    if (wr->change.rc != TIER_OK) {
        return ngx_http_blob_fail(r, ctx,
                                  ngx_http_blob_change_error(&wr->change));
    }

    return ngx_http_blob_write_reply(r, ctx, NGX_HTTP_CREATED, &wr->change,
                                     NULL);
}

/* ---- Append Block ----------------------------------------------------- */

int
ngx_http_blob_append_check(void *data, const store_blob_t *now)
{
    ngx_http_blob_ap_t *ap = data;
    int verdict = ngx_http_blob_guard_check(&ap->wr->guard, now);

    return verdict != PROTO_OK
             ? verdict
             : (int) proto_append_check(&ap->append,
                                        now == NULL ? NULL : &now->props);
}

static ngx_http_blob_ap_t *
ngx_http_blob_append_new(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                         store_kind_t kind)
{
    ngx_http_blob_ap_t *ap = ngx_pcalloc(r->pool, sizeof(*ap));

    if (ap == NULL) {
        return NULL;
    }

    ap->wr = ngx_http_blob_write_new(ctx, kind);
    if (ap->wr == NULL) {
        return NULL;
    }

    ap->wr->change.check = ngx_http_blob_append_check;
    ap->wr->change.check_ctx = ap;
    ctx->op_data = ap;
    return ap;
}

ngx_int_t
ngx_http_blob_append_block(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_ap_t *ap = ngx_http_blob_append_new(r, ctx, STORE_APPEND);
    proto_err_t err;

    if (ap == NULL) {
        return NGX_ERROR;
    }

    err = proto_cond_check_form(&ctx->headers.cond, true);
    if (err == PROTO_OK) {
        err = proto_append_parse(&ctx->headers, &ap->append, &ctx->fault);
    }
    if (err == PROTO_OK) {
        err = proto_headers_body_check(&ctx->headers, false, &ctx->body_check,
                                       &ctx->fault);
    }
    if (err == PROTO_OK) {
        err = proto_put_block_check(&ctx->headers, &ctx->fault);
    }
    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    return ngx_http_blob_need_container(r, ctx,
                                        &ngx_http_blob_step_append_found);
}

/* Before the body, so that a client learns early. */
static ngx_int_t
ngx_http_blob_append_found(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_ap_t *ap = ctx->op_data;
    tier_rc_t rc = ngx_http_blob_find_blob(ctx);
    bool visible;
    int verdict;

    if (rc < 0) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(rc));
    }

    visible = rc == TIER_OK && store_blob_visible(&ctx->blob);
    verdict = ngx_http_blob_append_check(ap, visible ? &ctx->blob : NULL);
    if (verdict != PROTO_OK) {
        return ngx_http_blob_fail_durable(r, ctx, (proto_err_t) verdict);
    }

    ap->wr->change.incarnation = ctx->container.incarnation;
    return ngx_http_blob_body_stream(r, ctx,
                                     &ngx_http_blob_step_append_received);
}

static ngx_int_t
ngx_http_blob_append_received(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_ap_t *ap = ctx->op_data;

    ap->append.length = ngx_http_blob_body_digest(ctx)->length;
    return ngx_http_blob_write_commit(ctx, ap->wr,
                                      &ngx_http_blob_step_append_committed);
}

static ngx_int_t
ngx_http_blob_append_committed(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_ap_t *ap = ctx->op_data;
    store_change_t *change = &ap->wr->change;

    if (change->rc != TIER_OK) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_change_error(change));
    }

    proto_reply_append_headers(change->append_offset, change->committed_blocks,
                               ngx_http_blob_emit, r);
    return ngx_http_blob_write_reply(r, ctx, NGX_HTTP_CREATED, change,
                                     ngx_http_blob_body_digest(ctx));
}

/* ---- Append Blob Seal ------------------------------------------------- */

ngx_int_t
ngx_http_blob_seal(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_ap_t *ap = ngx_http_blob_append_new(r, ctx, STORE_BLOB_SET);
    proto_err_t err;

    if (ap == NULL) {
        return NGX_ERROR;
    }

    err = proto_cond_check_form(&ctx->headers.cond, true);
    if (err == PROTO_OK) {
        err = proto_append_parse_seal(&ctx->headers, &ap->append, &ctx->fault);
    }
    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    ap->wr->props.sealed = true;
    ap->wr->change.props = &ap->wr->props;
    ap->wr->change.flags = STORE_SET_SEALED;
    return ngx_http_blob_need_container(r, ctx,
                                        &ngx_http_blob_step_seal_found);
}

static ngx_int_t
ngx_http_blob_seal_found(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_ap_t *ap = ctx->op_data;

    ap->wr->change.incarnation = ctx->container.incarnation;
    return ngx_http_blob_commit(ctx, &ap->wr->change,
                                &ngx_http_blob_step_sealed);
}

static ngx_int_t
ngx_http_blob_sealed(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_ap_t *ap = ctx->op_data;
    store_change_t *change = &ap->wr->change;

    if (change->rc != TIER_OK) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_change_error(change));
    }

    proto_reply_seal_headers(ngx_http_blob_emit, r);
    return ngx_http_blob_write_reply(r, ctx, NGX_HTTP_OK, change, NULL);
}
