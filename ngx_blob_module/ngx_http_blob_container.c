#include "ngx_http_blob.h"

#include "proto/lease.h"
#include "proto/reply.h"
#include "proto/xml_in.h"
#include "proto/xml_out.h"

/*
 * Containers and the account. With an origin, what changes a container
 * is forwarded; it is read from the record, which is renewed like a blob's;
 * and one is created here when the lake cannot be reached.
 */

#define BLOB_ACL_MAX       (16 * 1024)
#define BLOB_ACL_EMPTY_MAX 256

typedef struct {
    store_change_t change;
    container_props_t props;
    proto_cond_t cond;
    proto_lease_guard_t lease;
    uint64_t number; /* of the version that `props` was made from */
    writer_t acl;
} ngx_http_blob_cw_t;

static ngx_int_t ngx_http_blob_container_got(ngx_http_request_t *r,
                                             ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_container_send(ngx_http_request_t *r,
                                              ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_container_body(ngx_http_request_t *r,
                                              ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_container_change(ngx_http_request_t *r,
                                                ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_container_committed(ngx_http_request_t *r,
                                                   ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_container_reached(ngx_http_request_t *r,
                                                 ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_container_commit(ngx_http_request_t *r,
                                                ngx_http_blob_ctx_t *ctx);

static const ngx_http_blob_step_t ngx_http_blob_step_container_got = {
    "container_got", "looking up container", ngx_http_blob_container_got
};
static const ngx_http_blob_step_t ngx_http_blob_step_container_send = {
    "container_send", "sending container", ngx_http_blob_container_send
};
static const ngx_http_blob_step_t ngx_http_blob_step_container_body = {
    "container_body", "reading access policies", ngx_http_blob_container_body
};
static const ngx_http_blob_step_t ngx_http_blob_step_container_change = {
    "container_change", "committing container", ngx_http_blob_container_change
};
static const ngx_http_blob_step_t ngx_http_blob_step_container_committed = {
    "container_committed", "sending reply", ngx_http_blob_container_committed
};
static const ngx_http_blob_step_t ngx_http_blob_step_container_reached = {
    "container_reached", "committing container",
    ngx_http_blob_container_reached
};

/* ---- reads ------------------------------------------------------------ */

ngx_int_t
ngx_http_blob_container_get(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    return ngx_http_blob_need_container(r, ctx,
                                        &ngx_http_blob_step_container_got);
}

/* The record, not older than `fresh`. What it has no place for the origin
 * says itself. */
static ngx_int_t
ngx_http_blob_container_got(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    if (ngx_http_blob_has_origin(ctx) && !ctx->resolved) {
        ctx->resolved = 1;
        return ngx_http_blob_container_renew(
            r, ctx, &ngx_http_blob_step_container_got);
    }

    if (ctx->container_found != BLOB_LOOKUP_FOUND) {
        return ngx_http_blob_fail_durable(r, ctx,
                                          PROTO_ERR_CONTAINER_NOT_FOUND);
    }

    if (ctx->container.props.beyond) {
        return ngx_http_blob_forward(r, ctx);
    }

    return ngx_http_blob_wait_durable(ctx, &ngx_http_blob_step_container_send);
}

static ngx_int_t
ngx_http_blob_container_send(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    container_props_t *props = &ctx->container.props;
    proto_err_t err =
        ngx_http_blob_lease_guard(&ctx->lease, NULL, &props->lease);
    view_t body = VIEW_NULL, type = VIEW_NULL;
    proto_reply_container_t what = PROTO_REPLY_CONTAINER_PROPERTIES;
    u_char *buf;
    writer_t w;

    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    proto_lease_settle(&props->lease, ngx_http_blob_now_ms());

    if (ctx->op->id == PROTO_OP_GET_CONTAINER_METADATA) {
        what = PROTO_REPLY_CONTAINER_METADATA;

    } else if (ctx->op->id == PROTO_OP_GET_CONTAINER_ACL) {
        what = PROTO_REPLY_CONTAINER_ACL;
        type = VIEW("application/xml");
        body = props->acl;

        if (body.len == 0) {
            buf = ngx_pnalloc(r->pool, BLOB_ACL_EMPTY_MAX);
            if (buf == NULL) {
                return NGX_ERROR;
            }
            writer_init_fixed(&w, buf, BLOB_ACL_EMPTY_MAX);
            proto_xml_policies_put(&w, NULL, 0);
            body = writer_view(&w);
        }
    }

    proto_reply_container_headers(props, what, ngx_http_blob_emit, r);
    return ngx_http_blob_reply(r, ctx, NGX_HTTP_OK, type, body);
}

ngx_int_t
ngx_http_blob_account_info(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    proto_reply_account_info(ngx_http_blob_emit, r);
    return ngx_http_blob_reply(r, ctx, NGX_HTTP_OK, VIEW_NULL, VIEW_NULL);
}

/* ---- writes ----------------------------------------------------------- */

/* Under the index's lock, in a thread. What was changed meanwhile by somebody
 * else must not be lost: the client tries again. */
static int
ngx_http_blob_container_check(void *data, const store_container_t *now)
{
    const ngx_http_blob_cw_t *cw = data;
    proto_cond_state_t state = { .exists = now != NULL };
    proto_err_t err;

    if (now == NULL) {
        return PROTO_ERR_CONTAINER_NOT_FOUND;
    }

    if (cw->number != 0 && cw->number != now->number) {
        return PROTO_ERR_SERVER_BUSY;
    }

    err = ngx_http_blob_lease_guard(&cw->lease, NULL, &now->props.lease);
    if (err != PROTO_OK) {
        return (int) err;
    }

    state.etag = now->props.etag;
    state.origin_etag = now->origin_etag;
    state.last_modified_s = now->props.last_modified_s;
    return (int) proto_cond_check_write(&cw->cond, &state, false);
}

static ngx_http_blob_cw_t *
ngx_http_blob_cw_new(ngx_http_blob_ctx_t *ctx, store_kind_t kind)
{
    ngx_http_blob_cw_t *cw = ngx_pcalloc(ctx->r->pool, sizeof(*cw));

    if (cw == NULL) {
        return NULL;
    }

    cw->cond = ctx->headers.cond;
    cw->lease = ctx->lease;
    cw->change.kind = kind;
    cw->change.mode = STORE_MODE_OWNED;
    cw->change.account = ngx_http_blob_view(ctx->account->name);
    cw->change.container = ctx->uri.container;
    if (kind != STORE_CONTAINER_CREATE) {
        cw->change.check_container = ngx_http_blob_container_check;
        cw->change.check_ctx = cw;
    }

    ctx->op_data = cw;
    return cw;
}

static proto_err_t
ngx_http_blob_container_access(ngx_http_blob_ctx_t *ctx,
                               ngx_http_blob_cw_t *cw)
{
    view_t v = proto_hdr(&ctx->headers, PROTO_HDR_X_MS_BLOB_PUBLIC_ACCESS);

    if (!proto_public_access_parse(v, &cw->props.public_access)) {
        return proto_fault(&ctx->fault, PROTO_ERR_INVALID_HEADER_VALUE,
                           VIEW("x-ms-blob-public-access"), v);
    }

    return PROTO_OK;
}

ngx_int_t
ngx_http_blob_container_create(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_cw_t *cw = ngx_http_blob_cw_new(ctx, STORE_CONTAINER_CREATE);
    proto_err_t err;

    if (cw == NULL) {
        return NGX_ERROR;
    }

    err = ngx_http_blob_container_access(ctx, cw);
    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    cw->props.metadata = ctx->headers.metadata;
    cw->change.container_props = &cw->props;

    if (!ngx_http_blob_has_origin(ctx)) {
        return ngx_http_blob_container_commit(r, ctx);
    }

    return ngx_http_blob_container_reach(
        r, ctx, &ngx_http_blob_step_container_reached);
}

/* The lake says whether it has one already; a lake that cannot be reached is
 * told later, and who was first there keeps what he has. */
static ngx_int_t
ngx_http_blob_container_reached(ngx_http_request_t *r,
                                ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_cw_t *cw = ctx->op_data;

    if (ctx->container_found == BLOB_LOOKUP_FOUND) {
        return ngx_http_blob_fail_durable(r, ctx,
                                          PROTO_ERR_CONTAINER_ALREADY_EXISTS);
    }

    if (ctx->unreachable) {
        cw->change.mode = STORE_MODE_DIRTY;
        return ngx_http_blob_container_commit(r, ctx);
    }

    return ngx_http_blob_forward(r, ctx);
}

static ngx_int_t
ngx_http_blob_container_commit(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_cw_t *cw = ctx->op_data;

    return ngx_http_blob_commit(ctx, &cw->change,
                                &ngx_http_blob_step_container_committed);
}

ngx_int_t
ngx_http_blob_container_delete(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_cw_t *cw = ngx_http_blob_cw_new(ctx, STORE_CONTAINER_DELETE);

    if (cw == NULL) {
        return NGX_ERROR;
    }

    return ngx_http_blob_commit(ctx, &cw->change,
                                &ngx_http_blob_step_container_committed);
}

ngx_int_t
ngx_http_blob_container_set(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_cw_t *cw = ngx_http_blob_cw_new(ctx, STORE_CONTAINER_SET);
    proto_err_t err;

    if (cw == NULL) {
        return NGX_ERROR;
    }

    err = ngx_http_blob_container_access(ctx, cw);
    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    if (ctx->op->id == PROTO_OP_SET_CONTAINER_ACL
        && r->headers_in.content_length_n > 0)
    {
        return ngx_http_blob_body_read(r, ctx, (size_t) ctx->op->body_limit,
                                       &ngx_http_blob_step_container_body);
    }

    return ngx_http_blob_need_container(r, ctx,
                                        &ngx_http_blob_step_container_change);
}

static ngx_int_t
ngx_http_blob_container_body(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_cw_t *cw = ctx->op_data;
    proto_policy_t policies[PROTO_POLICIES_MAX];
    proto_err_t err;
    unsigned n;
    u_char *buf;

    err = proto_xml_policies(ngx_http_blob_body_view(ctx), &ctx->scratch,
                             policies, &n, &ctx->fault);
    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    buf = ngx_pnalloc(r->pool, BLOB_ACL_MAX);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    writer_init_fixed(&cw->acl, buf, BLOB_ACL_MAX);
    if (n != 0) {
        proto_xml_policies_put(&cw->acl, policies, n);
    }
    if (!writer_ok(&cw->acl)) {
        return ngx_http_blob_fail(r, ctx, PROTO_ERR_INVALID_XML_NODE_VALUE);
    }

    return ngx_http_blob_need_container(r, ctx,
                                        &ngx_http_blob_step_container_change);
}

static ngx_int_t
ngx_http_blob_container_change(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_cw_t *cw = ctx->op_data;
    uint8_t access = cw->props.public_access;

    cw->props = ctx->container.props;
    cw->number = ctx->container.number;

    if (ctx->op->id == PROTO_OP_SET_CONTAINER_ACL) {
        cw->props.public_access = access;
        cw->props.acl = writer_view(&cw->acl);

    } else {
        cw->props.metadata = ctx->headers.metadata;
    }

    cw->change.incarnation = ctx->container.incarnation;
    cw->change.container_props = &cw->props;
    return ngx_http_blob_commit(ctx, &cw->change,
                                &ngx_http_blob_step_container_committed);
}

static ngx_int_t
ngx_http_blob_container_committed(ngx_http_request_t *r,
                                  ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_cw_t *cw = ctx->op_data;
    ngx_uint_t status = NGX_HTTP_OK;

    if (cw->change.rc != TIER_OK) {
        return ngx_http_blob_fail(r, ctx,
                                  ngx_http_blob_change_error(&cw->change));
    }

    if (cw->change.kind == STORE_CONTAINER_DELETE) {
        return ngx_http_blob_reply(r, ctx, NGX_HTTP_ACCEPTED, VIEW_NULL,
                                   VIEW_NULL);
    }

    if (cw->change.kind == STORE_CONTAINER_CREATE) {
        status = NGX_HTTP_CREATED;
    }

    proto_reply_validators(ngx_http_blob_etag_text(r, cw->change.etag),
                           cw->change.last_modified_s, ngx_http_blob_emit, r);
    return ngx_http_blob_reply(r, ctx, status, VIEW_NULL, VIEW_NULL);
}
