#include "ngx_http_blob.h"

#include "proto/reply.h"

#include <sys/random.h>

/*
 * Lease Blob and Lease Container without an origin; and the one place where
 * the lease of what is there meets any other operation. What the lease
 * becomes is worked out under the index's lock, from what it is then.
 */

typedef struct {
    store_change_t change;
    proto_lease_req_t req;
    proto_cond_t cond;
    lease_t lease;  /* what the action made of it, */
    int64_t now_ms; /* and when */
} ngx_http_blob_lease_t;

static ngx_int_t ngx_http_blob_lease_found(ngx_http_request_t *r,
                                           ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_lease_committed(ngx_http_request_t *r,
                                               ngx_http_blob_ctx_t *ctx);

static const ngx_http_blob_step_t ngx_http_blob_step_lease_found = {
    "lease_found", "committing lease", ngx_http_blob_lease_found
};
static const ngx_http_blob_step_t ngx_http_blob_step_lease_committed = {
    "lease_committed", "sending reply", ngx_http_blob_lease_committed
};

proto_err_t
ngx_http_blob_lease_guard(const proto_lease_guard_t *guard,
                          store_change_t *change, const lease_t *lease)
{
    static const lease_t none;
    proto_err_t err;
    bool over;

    err = proto_lease_check(guard, lease, ngx_http_blob_now_ms(), &over);
    if (change != NULL) {
        change->lease = over ? &none : NULL;
    }

    return err;
}

/* ---- the operations --------------------------------------------------- */

/* Under the index's lock, in a thread. */
static int
ngx_http_blob_lease_check(ngx_http_blob_lease_t *le, const lease_t *now,
                          const proto_cond_state_t *state)
{
    proto_err_t err = proto_cond_check_write(&le->cond, state, false);

    if (err != PROTO_OK) {
        return (int) err;
    }

    le->now_ms = ngx_http_blob_now_ms();
    err = proto_lease_apply(now, &le->req, le->now_ms, &le->lease);
    le->change.lease = &le->lease;
    return (int) err;
}

static int
ngx_http_blob_lease_check_blob(void *data, const store_blob_t *now)
{
    proto_cond_state_t state = { .exists = true };

    if (now == NULL) {
        return PROTO_ERR_BLOB_NOT_FOUND;
    }

    state.etag = now->props.etag;
    state.origin_etag = now->origin_etag;
    state.last_modified_s = now->props.last_modified_s;
    state.tags = now->props.tags;
    return ngx_http_blob_lease_check(data, &now->props.lease, &state);
}

static int
ngx_http_blob_lease_check_container(void *data, const store_container_t *now)
{
    proto_cond_state_t state = { .exists = true };

    if (now == NULL) {
        return PROTO_ERR_CONTAINER_NOT_FOUND;
    }

    state.etag = now->props.etag;
    state.origin_etag = now->origin_etag;
    state.last_modified_s = now->props.last_modified_s;
    return ngx_http_blob_lease_check(data, &now->props.lease, &state);
}

/* An id that nobody can guess from others: who has it may write. */
static bool
ngx_http_blob_lease_fresh(uint8_t ret[LEASE_ID_LEN])
{
    if (getrandom(ret, LEASE_ID_LEN, GRND_NONBLOCK) != LEASE_ID_LEN) {
        return false;
    }

    ret[6] = (ret[6] & 0x0f) | 0x40; /* version 4 */
    ret[8] = (ret[8] & 0x3f) | 0x80;
    return true;
}

ngx_int_t
ngx_http_blob_lease(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_lease_t *le = ngx_pcalloc(r->pool, sizeof(*le));
    uint8_t fresh[LEASE_ID_LEN];
    proto_err_t err;

    if (le == NULL || !ngx_http_blob_lease_fresh(fresh)) {
        return NGX_ERROR;
    }

    err = proto_cond_check_form(&ctx->headers.cond, true);
    if (err == PROTO_OK) {
        err = proto_lease_parse(&ctx->headers, fresh, &le->req, &ctx->fault);
    }
    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    le->cond = ctx->headers.cond;
    le->change.mode = STORE_MODE_OWNED;
    le->change.account = ngx_http_blob_view(ctx->account->name);
    le->change.container = ctx->uri.container;
    le->change.check_ctx = le;

    if (ctx->op->level == PROTO_LEVEL_BLOB) {
        le->change.kind = STORE_BLOB_LEASE;
        le->change.name = ctx->uri.blob;
        le->change.check = ngx_http_blob_lease_check_blob;

    } else {
        le->change.kind = STORE_CONTAINER_LEASE;
        le->change.check_container = ngx_http_blob_lease_check_container;
    }

    ctx->op_data = le;
    return ngx_http_blob_need_container(r, ctx,
                                        &ngx_http_blob_step_lease_found);
}

static ngx_int_t
ngx_http_blob_lease_found(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_lease_t *le = ctx->op_data;

    le->change.incarnation = ctx->container.incarnation;
    return ngx_http_blob_commit(ctx, &le->change,
                                &ngx_http_blob_step_lease_committed);
}

static ngx_int_t
ngx_http_blob_lease_committed(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_lease_t *le = ctx->op_data;
    proto_reply_lease_opts_t opts = { .action = le->req.action,
                                      .lease = le->lease,
                                      .now_ms = le->now_ms };

    if (le->change.rc != TIER_OK) {
        return ngx_http_blob_fail(r, ctx,
                                  ngx_http_blob_change_error(&le->change));
    }

    opts.etag = ngx_http_blob_etag_text(r, le->change.etag);
    opts.last_modified_s = le->change.last_modified_s;
    proto_reply_lease_headers(&opts, ngx_http_blob_emit, r);
    return ngx_http_blob_reply(r, ctx,
                               proto_lease_reply_status(le->req.action),
                               VIEW_NULL, VIEW_NULL);
}
