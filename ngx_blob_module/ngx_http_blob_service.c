#include "ngx_http_blob.h"

#include "proto/date.h"
#include "proto/service.h"

/*
 * Properties of the service of a standalone account. With an origin they are
 * the origin's, and requests for them are forwarded. cors.c has what follows
 * from their CORS rules.
 */

typedef struct {
    store_change_t change;
    proto_service_t service;
    store_account_t account;
    uint64_t number; /* of the version that was changed; 0: there is none */
} ngx_http_blob_service_t;

static ngx_int_t ngx_http_blob_service_send(ngx_http_request_t *r,
                                            ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_service_received(ngx_http_request_t *r,
                                                ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_service_committed(ngx_http_request_t *r,
                                                 ngx_http_blob_ctx_t *ctx);

static const ngx_http_blob_step_t ngx_http_blob_step_service_send = {
    "service_send", "sending service properties", ngx_http_blob_service_send
};
static const ngx_http_blob_step_t ngx_http_blob_step_service_received = {
    "service_received", "committing service properties",
    ngx_http_blob_service_received
};
static const ngx_http_blob_step_t ngx_http_blob_step_service_committed = {
    "service_committed", "sending reply", ngx_http_blob_service_committed
};

tier_rc_t
ngx_http_blob_service_load(ngx_http_blob_ctx_t *ctx, u_char *buf,
                           store_account_t *account, proto_service_t *service)
{
    proto_fault_t fault;
    writer_t stored, texts;
    tier_rc_t rc;

    ngx_memzero(service, sizeof(*service));
    writer_init_fixed(&stored, buf, BLOB_SERVICE_BUF);
    rc = store_account_get(ctx->bmcf->reader,
                           ngx_http_blob_view(ctx->account->name), &stored,
                           account);
    if (rc != TIER_OK) {
        return rc == TIER_NOT_FOUND ? TIER_OK : rc;
    }

    writer_init_fixed(&texts, buf + stored.len, BLOB_SERVICE_BUF - stored.len);
    return proto_service_read(account->service, &texts, service, &fault)
                == PROTO_OK
             ? TIER_OK
             : TIER_ECORRUPT;
}

static ngx_http_blob_service_t *
ngx_http_blob_service_new(ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_service_t *sv = ngx_pcalloc(ctx->r->pool, sizeof(*sv));

    ctx->op_data = sv;
    return sv;
}

/* Loads into memory of the request. */
static tier_rc_t
ngx_http_blob_service_find(ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_service_t *sv = ctx->op_data;
    u_char *buf = ngx_pnalloc(ctx->r->pool, BLOB_SERVICE_BUF);
    tier_rc_t rc;

    if (buf == NULL) {
        return TIER_ENOMEM;
    }

    rc = ngx_http_blob_service_load(ctx, buf, &sv->account, &sv->service);
    if (rc == TIER_OK && sv->account.seen > ctx->seen) {
        ctx->seen = sv->account.seen;
    }
    return rc;
}

/* ---- Get Blob Service Properties -------------------------------------- */

ngx_int_t
ngx_http_blob_service_get(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    tier_rc_t rc;

    if (ngx_http_blob_service_new(ctx) == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_http_blob_service_find(ctx);
    if (rc != TIER_OK) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(rc));
    }

    return ngx_http_blob_wait_durable(ctx, &ngx_http_blob_step_service_send);
}

static ngx_int_t
ngx_http_blob_service_document(ngx_http_blob_ctx_t *ctx, view_t *ret)
{
    ngx_http_blob_service_t *sv = ctx->op_data;
    u_char *buf = ngx_pnalloc(ctx->r->pool, STORE_SERVICE_MAX);
    writer_t w;

    if (buf == NULL) {
        return NGX_ERROR;
    }

    writer_init_fixed(&w, buf, STORE_SERVICE_MAX);
    proto_service_document(&w, &sv->service);
    *ret = writer_view(&w);
    return writer_ok(&w) ? NGX_OK : NGX_ERROR;
}

static ngx_int_t
ngx_http_blob_service_send(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    view_t body;

    if (ngx_http_blob_service_document(ctx, &body) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_blob_reply(r, ctx, NGX_HTTP_OK, VIEW("application/xml"),
                               body);
}

/* ---- Set Blob Service Properties -------------------------------------- */

/* Under the index's lock, in a thread. Sections that were not sent are those
 * of the version that was read: somebody else's since must not be lost. */
static int
ngx_http_blob_service_check(void *data, const store_account_t *now)
{
    const ngx_http_blob_service_t *sv = data;

    return sv->number == (now == NULL ? 0 : now->number)
             ? PROTO_OK
             : PROTO_ERR_SERVER_BUSY;
}

ngx_int_t
ngx_http_blob_service_set(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_service_t *sv = ngx_http_blob_service_new(ctx);
    proto_err_t err;

    if (sv == NULL) {
        return NGX_ERROR;
    }

    err = proto_headers_body_check(&ctx->headers, false, &ctx->body_check,
                                   &ctx->fault);
    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    sv->change.kind = STORE_ACCOUNT_SET;
    sv->change.account = ngx_http_blob_view(ctx->account->name);
    sv->change.check_account = ngx_http_blob_service_check;
    sv->change.check_ctx = sv;
    return ngx_http_blob_body_read(r, ctx, (size_t) ctx->op->body_limit,
                                   &ngx_http_blob_step_service_received);
}

static ngx_int_t
ngx_http_blob_service_received(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_service_t *sv = ctx->op_data;
    view_t body = ngx_http_blob_body_view(ctx);
    u_char *buf = ngx_pnalloc(r->pool, body.len + 1);
    tier_rc_t rc = ngx_http_blob_service_find(ctx);
    proto_err_t err;
    writer_t texts;

    if (buf == NULL) {
        return NGX_ERROR;
    }
    if (rc != TIER_OK) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(rc));
    }

    writer_init_fixed(&texts, buf, body.len + 1);
    err = proto_service_body(body, &texts, &sv->service, &ctx->fault);
    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    sv->number = sv->account.number;
    if (ngx_http_blob_service_document(ctx, &sv->change.service) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_blob_commit(ctx, &sv->change,
                                &ngx_http_blob_step_service_committed);
}

static ngx_int_t
ngx_http_blob_service_committed(ngx_http_request_t *r,
                                ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_service_t *sv = ctx->op_data;

    if (sv->change.rc != TIER_OK) {
        return ngx_http_blob_fail(r, ctx,
                                  ngx_http_blob_change_error(&sv->change));
    }

    return ngx_http_blob_reply(r, ctx, NGX_HTTP_ACCEPTED, VIEW_NULL,
                               VIEW_NULL);
}

/* ---- requests without a version --------------------------------------- */

ngx_int_t
ngx_http_blob_service_version(ngx_http_blob_ctx_t *ctx)
{
    static u_char buf[BLOB_SERVICE_BUF];
    store_account_t account;
    proto_service_t service;
    view_t version;

    if (ctx->headers.version != 0 || ctx->part != NULL
        || ngx_http_blob_has_origin(ctx))
    {
        return NGX_OK;
    }

    if (ngx_http_blob_service_load(ctx, buf, &account, &service) != TIER_OK) {
        return NGX_ERROR;
    }

    if (service.default_version.len == 0) {
        return NGX_OK;
    }

    version = writer_take(&ctx->scratch, service.default_version);
    if (!writer_ok(&ctx->scratch)) {
        return NGX_ERROR;
    }

    ctx->headers.known[PROTO_HDR_X_MS_VERSION] = version;
    ctx->headers.version = proto_version_parse(version);
    if (account.seen > ctx->seen) {
        ctx->seen = account.seen;
    }
    return NGX_OK;
}
