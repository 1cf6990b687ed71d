#include "ngx_http_blob_write.h"

#include "proto/access_tier.h"
#include "proto/tags.h"

/*
 * Get Blob Tags, Set Blob Tags, Set Blob Tier. None of them changes an ETag:
 * with an origin a clean record may have been given other tags there without
 * a sign of it, so that only versions of ours are spoken of here.
 */

typedef struct {
    ngx_http_blob_guard_t *guard;
    access_tier_t to;
    bool rehydrated; /* it was archived, and is so no longer */
} ngx_http_blob_tier_t;

static ngx_int_t ngx_http_blob_tags_found(ngx_http_request_t *r,
                                          ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_tags_send(ngx_http_request_t *r,
                                         ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_set_tags_found(ngx_http_request_t *r,
                                              ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_set_tags_received(ngx_http_request_t *r,
                                                 ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_set_tier_found(ngx_http_request_t *r,
                                              ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_aside_committed(ngx_http_request_t *r,
                                               ngx_http_blob_ctx_t *ctx);

static const ngx_http_blob_step_t ngx_http_blob_step_tags_found = {
    "tags_found", "looking up blob", ngx_http_blob_tags_found
};
static const ngx_http_blob_step_t ngx_http_blob_step_tags_send = {
    "tags_send", "sending tags", ngx_http_blob_tags_send
};
static const ngx_http_blob_step_t ngx_http_blob_step_set_tags_found = {
    "set_tags_found", "looking up blob", ngx_http_blob_set_tags_found
};
static const ngx_http_blob_step_t ngx_http_blob_step_set_tags_received = {
    "set_tags_received", "committing tags", ngx_http_blob_set_tags_received
};
static const ngx_http_blob_step_t ngx_http_blob_step_set_tier_found = {
    "set_tier_found", "committing tier", ngx_http_blob_set_tier_found
};
static const ngx_http_blob_step_t ngx_http_blob_step_aside_committed = {
    "aside_committed", "sending reply", ngx_http_blob_aside_committed
};

/* Whether the record says which tags there are, or that there is no blob. */
static bool
ngx_http_blob_tags_here(const ngx_http_blob_ctx_t *ctx)
{
    if (!ngx_http_blob_has_origin(ctx)) {
        return true;
    }

    return ctx->blob_found == BLOB_LOOKUP_FOUND
        && (ctx->blob.state == STORE_TOMBSTONE
            || (ctx->blob.state == STORE_DIRTY
                && proto_tags_known(&ctx->blob.props)));
}

bool
ngx_http_blob_tags_elsewhere(const ngx_http_blob_ctx_t *ctx)
{
    return ctx->headers.cond.if_tags.ptr != NULL
        && !ngx_http_blob_tags_here(ctx);
}

/* ---- Get Blob Tags ---------------------------------------------------- */

ngx_int_t
ngx_http_blob_get_tags(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    proto_err_t err = proto_cond_check_form(&ctx->headers.cond, false);

    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    return ngx_http_blob_need_container(r, ctx,
                                        &ngx_http_blob_step_tags_found);
}

static ngx_int_t
ngx_http_blob_tags_found(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    proto_cond_state_t state = { .exists = true };
    tier_rc_t rc = ngx_http_blob_find_blob(ctx);
    proto_err_t err;

    if (rc < 0) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(rc));
    }

    if (!ngx_http_blob_tags_here(ctx)) {
        return ngx_http_blob_forward(r, ctx);
    }

    if (rc == TIER_NOT_FOUND || !store_blob_visible(&ctx->blob)) {
        return ngx_http_blob_fail_durable(r, ctx, PROTO_ERR_BLOB_NOT_FOUND);
    }

    state.etag = ctx->blob.props.etag;
    state.origin_etag = ctx->blob.origin_etag;
    state.last_modified_s = ctx->blob.props.last_modified_s;
    state.tags = ctx->blob.props.tags;

    err = ngx_http_blob_lease_guard(&ctx->lease, NULL, &ctx->blob.props.lease);
    if (err == PROTO_OK) {
        err = proto_cond_check_read(&ctx->headers.cond, &state);
    }
    if (err != PROTO_OK) {
        return ngx_http_blob_fail_durable(r, ctx, err);
    }

    return ngx_http_blob_wait_durable(ctx, &ngx_http_blob_step_tags_send);
}

static ngx_int_t
ngx_http_blob_tags_send(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    /* what a tag may have in it needs no escapes */
    size_t cap = 2 * PROTO_TAGS_PACKED_MAX;
    u_char *buf = ngx_pnalloc(r->pool, cap);
    writer_t w;

    if (buf == NULL) {
        return NGX_ERROR;
    }

    writer_init_fixed(&w, buf, cap);
    proto_tags_document(&w, ctx->blob.props.tags);
    if (!writer_ok(&w)) {
        return NGX_ERROR;
    }

    return ngx_http_blob_reply(r, ctx, NGX_HTTP_OK, VIEW("application/xml"),
                               writer_view(&w));
}

/* ---- Set Blob Tags ---------------------------------------------------- */

ngx_int_t
ngx_http_blob_set_tags(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_wr_t *wr = ngx_http_blob_write_new(ctx, STORE_BLOB_SET);
    proto_err_t err;

    if (wr == NULL) {
        return NGX_ERROR;
    }

    err = proto_cond_check_form(&ctx->headers.cond, true);
    if (err == PROTO_OK) {
        err = proto_headers_body_check(&ctx->headers, false, &ctx->body_check,
                                       &ctx->fault);
    }
    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    wr->change.flags = STORE_SET_TAGS;
    wr->change.props = &wr->props;
    return ngx_http_blob_need_container(r, ctx,
                                        &ngx_http_blob_step_set_tags_found);
}

/* What is not changed here is forwarded with its body, which is not read
 * before that is known. */
static ngx_int_t
ngx_http_blob_set_tags_found(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_wr_t *wr = ctx->op_data;
    tier_rc_t rc = ngx_http_blob_find_blob(ctx);

    if (rc < 0) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(rc));
    }

    if (!ngx_http_blob_write_local(ctx)) {
        return ngx_http_blob_forward(r, ctx);
    }

    wr->change.incarnation = ctx->container.incarnation;
    return ngx_http_blob_body_read(r, ctx, (size_t) ctx->op->body_limit,
                                   &ngx_http_blob_step_set_tags_received);
}

static ngx_int_t
ngx_http_blob_set_tags_received(ngx_http_request_t *r,
                                ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_wr_t *wr = ctx->op_data;
    proto_err_t err;

    err = proto_tags_xml(ngx_http_blob_body_view(ctx), &ctx->scratch,
                         &wr->props.tags, &ctx->fault);
    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    wr->props.tag_count = proto_tags_count(&wr->props);
    return ngx_http_blob_commit(ctx, &wr->change,
                                &ngx_http_blob_step_aside_committed);
}

/* ---- Set Blob Tier ---------------------------------------------------- */

/* Under the index's lock, in a thread. */
static int
ngx_http_blob_tier_check(void *data, const store_blob_t *now)
{
    ngx_http_blob_tier_t *t = data;
    int verdict = ngx_http_blob_guard_check(t->guard, now);

    if (verdict != 0 || now == NULL) {
        return verdict;
    }

    t->rehydrated = now->props.tier == TIER_ARCHIVE && t->to != TIER_ARCHIVE;
    return (int) proto_tier_change_check(&now->props);
}

ngx_int_t
ngx_http_blob_set_tier(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_wr_t *wr = ngx_http_blob_write_new(ctx, STORE_BLOB_SET);
    ngx_http_blob_tier_t *t = ngx_pcalloc(r->pool, sizeof(*t));
    proto_err_t err;

    if (wr == NULL || t == NULL) {
        return NGX_ERROR;
    }

    err = proto_cond_check_form(&ctx->headers.cond, true);
    if (err == PROTO_OK) {
        err = proto_tier_headers(&ctx->headers, &t->to, &ctx->fault);
    }
    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    t->guard = &wr->guard;
    wr->props.tier = t->to;
    wr->props.tier_change_time_s = ctx->now_s;
    wr->change.flags = STORE_SET_TIER;
    wr->change.props = &wr->props;
    wr->change.check = ngx_http_blob_tier_check;
    wr->change.check_ctx = t;
    return ngx_http_blob_need_container(r, ctx,
                                        &ngx_http_blob_step_set_tier_found);
}

/* Leaving Archive takes hours at an origin, and only it says how far it is:
 * it is asked itself. */
static ngx_int_t
ngx_http_blob_set_tier_found(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_wr_t *wr = ctx->op_data;
    tier_rc_t rc = ngx_http_blob_find_blob(ctx);

    if (rc < 0) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(rc));
    }

    if (!ngx_http_blob_write_local(ctx)
        || (ngx_http_blob_has_origin(ctx) && store_blob_visible(&ctx->blob)
            && ctx->blob.props.tier == TIER_ARCHIVE))
    {
        return ngx_http_blob_forward(r, ctx);
    }

    wr->change.incarnation = ctx->container.incarnation;
    return ngx_http_blob_commit(ctx, &wr->change,
                                &ngx_http_blob_step_aside_committed);
}

static ngx_int_t
ngx_http_blob_aside_committed(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_wr_t *wr = ctx->op_data;
    ngx_uint_t status = NGX_HTTP_NO_CONTENT;
    ngx_http_blob_tier_t *t;

    if (wr->change.rc != TIER_OK) {
        return ngx_http_blob_fail(r, ctx,
                                  ngx_http_blob_change_error(&wr->change));
    }

    if (wr->change.flags == STORE_SET_TIER) {
        t = wr->change.check_ctx;
        status = t->rehydrated ? NGX_HTTP_ACCEPTED : NGX_HTTP_OK;
    }

    if (ngx_http_blob_header(r, VIEW("x-blob-edge-durability"), VIEW("local"))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_blob_reply(r, ctx, status, VIEW_NULL, VIEW_NULL);
}
