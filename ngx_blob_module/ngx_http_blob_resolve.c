#include "ngx_http_blob_origin.h"

/*
 * Containers of an account with an origin: one that has no record yet is asked
 * for; the record of one that has is believed for `fresh`, like a blob's. A
 * HEAD that shows the same ETag renews it by a fact, without a commit; another
 * ETag brings properties and access policies anew.
 */

static ngx_int_t ngx_http_blob_resolve(ngx_http_request_t *r,
                                       ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_resolve_asked(ngx_http_request_t *r,
                                             ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_resolve_acl(ngx_http_request_t *r,
                                           ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_resolve_done(ngx_http_request_t *r,
                                            ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_renew(ngx_http_request_t *r,
                                     ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_renew_asked(ngx_http_request_t *r,
                                           ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_renew_acl(ngx_http_request_t *r,
                                         ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_renew_done(ngx_http_request_t *r,
                                          ngx_http_blob_ctx_t *ctx);

static ngx_int_t ngx_http_blob_reach_asked(ngx_http_request_t *r,
                                           ngx_http_blob_ctx_t *ctx);

static const ngx_http_blob_step_t ngx_http_blob_step_reach_asked = {
    "reach_asked", "reading what the origin says of a container",
    ngx_http_blob_reach_asked
};
static const ngx_http_blob_step_t ngx_http_blob_step_resolve = {
    "resolve", "looking up container", ngx_http_blob_resolve
};
static const ngx_http_blob_step_t ngx_http_blob_step_resolve_asked = {
    "resolve_asked", "reading what the origin says of a container",
    ngx_http_blob_resolve_asked
};
static const ngx_http_blob_step_t ngx_http_blob_step_resolve_acl = {
    "resolve_acl", "reading a container's access policies",
    ngx_http_blob_resolve_acl
};
static const ngx_http_blob_step_t ngx_http_blob_step_resolve_done = {
    "resolve_done", "looking up container", ngx_http_blob_resolve_done
};
static const ngx_http_blob_step_t ngx_http_blob_step_renew = {
    "renew", "looking up container", ngx_http_blob_renew
};
static const ngx_http_blob_step_t ngx_http_blob_step_renew_asked = {
    "renew_asked", "reading what the origin says of a container",
    ngx_http_blob_renew_asked
};
static const ngx_http_blob_step_t ngx_http_blob_step_renew_acl = {
    "renew_acl", "reading a container's access policies",
    ngx_http_blob_renew_acl
};
static const ngx_http_blob_step_t ngx_http_blob_step_renew_done = {
    "renew_done", "looking up container", ngx_http_blob_renew_done
};

/* ---- what the origin says --------------------------------------------- */

/* A HEAD's answer into way->container_props; NGX_ERROR after logging. */
static ngx_int_t
ngx_http_blob_container_said(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;
    ngx_http_blob_sub_t *ask = way->ask;
    u_char *buf = ngx_palloc(r->pool, 2 * PROTO_METADATA_MAX);
    writer_t w;

    if (buf == NULL) {
        return NGX_ERROR;
    }

    writer_init_fixed(&w, buf, 2 * PROTO_METADATA_MAX);
    ngx_memzero(&way->container_props, sizeof(way->container_props));

    if (ask->status == NGX_HTTP_OK
        && proto_answer_container(ask->hdrs, ask->nhdrs, &w,
                                  &way->container_props))
    {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "blob: the origin answered %ui %*s to a HEAD of a container",
                  ask->status, ask->code.len, ask->code.ptr);
    return NGX_ERROR;
}

/* Policies that service SAS name. An origin that does not show them has none
 * for us. */
static void
ngx_http_blob_container_acl(ngx_http_request_t *r, ngx_http_blob_way_t *way)
{
    if (way->ask->status == NGX_HTTP_OK && !way->ask->failed) {
        way->container_props.acl = way->ask->body;
        return;
    }

    ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                  "blob: the origin answered %ui %*s to a question for a "
                  "container's access policies; those are not known here",
                  way->ask->status, way->ask->code.len, way->ask->code.ptr);
}

/* way->change: the container becomes what way->container_props say. */
static void
ngx_http_blob_container_change_new(ngx_http_blob_ctx_t *ctx, store_kind_t kind)
{
    ngx_http_blob_way_t *way = ctx->origin;
    store_change_t *change = &way->change;

    ngx_memzero(change, sizeof(*change));
    change->kind = kind;
    change->mode = STORE_MODE_CLEAN;
    change->account = ngx_http_blob_view(ctx->account->name);
    change->container = ctx->uri.container;
    change->container_props = &way->container_props;
    change->origin_etag = way->container_props.etag;
    change->origin_last_modified_s = way->container_props.last_modified_s;
    change->checked_at_ms = way->asked_ms;
}

/* As ngx_http_blob_crowd_join, for account/container/, which is no blob's. */
static ngx_int_t
ngx_http_blob_container_join(ngx_http_blob_ctx_t *ctx,
                             const ngx_http_blob_step_t *again)
{
    ngx_str_t container = ngx_http_blob_str(ctx->uri.container), key;

    key.len = ctx->account->name.len + container.len + 2;
    key.data = ngx_pnalloc(ctx->r->pool, key.len);
    if (key.data == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_sprintf(key.data, "%V/%V/", &ctx->account->name, &container);
    return ngx_http_blob_crowd_join(ctx, &key, again);
}

/* The record is as good as it gets, or there is none. */
static ngx_int_t
ngx_http_blob_container_end(ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;

    ngx_http_blob_crowd_release(way);
    way->follow = BLOB_FOLLOW_NEVER;
    return ngx_http_blob_goto(ctx, way->after);
}

static ngx_int_t
ngx_http_blob_container_fail(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                             proto_err_t err)
{
    ngx_http_blob_crowd_release(ctx->origin);
    return ngx_http_blob_fail(r, ctx, err);
}

/* ---- one without a record --------------------------------------------- */

ngx_int_t
ngx_http_blob_container_resolve(ngx_http_request_t *r,
                                ngx_http_blob_ctx_t *ctx,
                                const ngx_http_blob_step_t *next)
{
    ngx_http_blob_way_t *way = ngx_http_blob_way(ctx);

    if (way == NULL) {
        return NGX_ERROR;
    }

    way->after = next;
    return ngx_http_blob_goto(ctx, &ngx_http_blob_step_resolve);
}

/* Of a container that the origin has not nothing is noted here: who waits is
 * told, and believes it of a question that was sent after he came. So those
 * that come while one is out wait for the next one. */
static ngx_int_t
ngx_http_blob_resolve(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;
    tier_rc_t rc = ngx_http_blob_find_container(ctx);
    ngx_int_t joined;

    if (rc < 0) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(rc));
    }

    if (rc == TIER_OK || way->follow == BLOB_FOLLOW_ABSENT) {
        return ngx_http_blob_container_end(ctx);
    }

    if (way->follow != BLOB_FOLLOW_TWICE) {
        joined =
            ngx_http_blob_container_join(ctx, &ngx_http_blob_step_resolve);
        if (joined != NGX_DECLINED) {
            return joined;
        }
    }

    return ngx_http_blob_ask(r, ctx, BLOB_ASK_CONTAINER,
                             &ngx_http_blob_step_resolve_asked);
}

static ngx_int_t
ngx_http_blob_resolve_asked(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;
    ngx_http_blob_sub_t *ask = way->ask;

    if (ask->status == NGX_HTTP_NOT_FOUND) {
        ctx->container_found = BLOB_LOOKUP_ABSENT;
        ngx_http_blob_crowd_absent(way);
        return ngx_http_blob_container_end(ctx);
    }

    if (ngx_http_blob_container_said(r, ctx) != NGX_OK) {
        return ngx_http_blob_container_fail(r, ctx, PROTO_ERR_SERVER_BUSY);
    }

    ngx_http_blob_container_change_new(ctx, STORE_CONTAINER_CREATE);
    return ngx_http_blob_ask(r, ctx, BLOB_ASK_ACL,
                             &ngx_http_blob_step_resolve_acl);
}

static ngx_int_t
ngx_http_blob_resolve_acl(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;

    ngx_http_blob_container_acl(r, way);
    return ngx_http_blob_commit(ctx, &way->change,
                                &ngx_http_blob_step_resolve_done);
}

/* TIER_EXISTS is as good: somebody else asked at the same time. */
static ngx_int_t
ngx_http_blob_resolve_done(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;
    tier_rc_t rc = way->change.rc;

    if (rc >= 0) {
        rc = ngx_http_blob_find_container(ctx);
    }
    if (rc < 0) {
        return ngx_http_blob_container_fail(r, ctx,
                                            ngx_http_blob_rc_error(rc));
    }

    return ngx_http_blob_container_end(ctx);
}

/* ---- one whose record has aged ---------------------------------------- */

static bool
ngx_http_blob_container_fresh(ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;

    if (ctx->container.state != STORE_CLEAN) {
        return true;
    }

    ngx_http_blob_fact_find(ctx, VIEW(""));

    if (ngx_http_blob_is_fresh(ctx, ctx->container.checked_at_ms)
        && way->doubt_ms < ctx->container.checked_at_ms)
    {
        return true;
    }

    return ngx_http_blob_fact_fresh(ctx) && way->fact.exists
        && view_eq(way->fact.origin_etag, ctx->container.origin_etag);
}

ngx_int_t
ngx_http_blob_container_renew(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                              const ngx_http_blob_step_t *next)
{
    ngx_http_blob_way_t *way = ngx_http_blob_way(ctx);

    if (way == NULL) {
        return NGX_ERROR;
    }

    way->after = next;
    return ngx_http_blob_goto(ctx, &ngx_http_blob_step_renew);
}

static ngx_int_t
ngx_http_blob_renew(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;
    tier_rc_t rc = ngx_http_blob_find_container(ctx);
    ngx_int_t joined;

    if (rc < 0) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(rc));
    }

    if (rc != TIER_OK || ngx_http_blob_container_fresh(ctx)) {
        return ngx_http_blob_container_end(ctx);
    }

    if (way->follow == BLOB_FOLLOW_NEVER) {
        joined = ngx_http_blob_container_join(ctx, &ngx_http_blob_step_renew);
        if (joined != NGX_DECLINED) {
            return joined;
        }
    }

    return ngx_http_blob_ask(r, ctx, BLOB_ASK_CONTAINER,
                             &ngx_http_blob_step_renew_asked);
}

/* It is gone there. What waits to be carried into it is not ours to throw
 * away: then the record stays, and the operator hears of it from write-back.
 */
static ngx_int_t
ngx_http_blob_renew_gone(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;
    uint64_t queued = 0;

    if (store_dirty_upto(ctx->bmcf->reader,
                         ngx_http_blob_view(ctx->account->name),
                         ctx->uri.container, VIEW_NULL, &queued, NULL)
            < 0
        || queued != 0)
    {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "blob: the origin has no container %*s any more, but "
                      "writes to it are queued here",
                      ctx->uri.container.len, ctx->uri.container.ptr);
        return ngx_http_blob_container_end(ctx);
    }

    ngx_http_blob_container_change_new(ctx, STORE_CONTAINER_DELETE);
    way->change.incarnation = ctx->container.incarnation;
    return ngx_http_blob_commit(ctx, &way->change,
                                &ngx_http_blob_step_renew_done);
}

static ngx_int_t
ngx_http_blob_renew_asked(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;
    store_fact_t fact;

    if (way->ask->status == NGX_HTTP_NOT_FOUND) {
        return ngx_http_blob_renew_gone(r, ctx);
    }

    if (ngx_http_blob_container_said(r, ctx) != NGX_OK) {
        return ngx_http_blob_container_fail(r, ctx, PROTO_ERR_SERVER_BUSY);
    }

    /* a lease comes and goes without a new ETag */
    if (!view_eq(way->container_props.etag, ctx->container.origin_etag)
        || way->container_props.lease.state
               != ctx->container.props.lease.state)
    {
        return ngx_http_blob_ask(r, ctx, BLOB_ASK_ACL,
                                 &ngx_http_blob_step_renew_acl);
    }

    ngx_memzero(&fact, sizeof(fact));
    fact.exists = true;
    fact.checked_at_ms = way->asked_ms;
    fact.origin_etag = way->container_props.etag;
    fact.container_props = way->container_props;
    return ngx_http_blob_fact_post(ctx, VIEW(""), &fact,
                                   &ngx_http_blob_step_renew_done);
}

static ngx_int_t
ngx_http_blob_renew_acl(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;

    ngx_http_blob_container_acl(r, way);
    ngx_http_blob_container_change_new(ctx, STORE_CONTAINER_SET);
    way->change.incarnation = ctx->container.incarnation;
    return ngx_http_blob_commit(ctx, &way->change,
                                &ngx_http_blob_step_renew_done);
}

/* A change that was refused because somebody else's came first is as good. */
static ngx_int_t
ngx_http_blob_renew_done(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    tier_rc_t rc = ngx_http_blob_find_container(ctx);

    if (rc < 0) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(rc));
    }

    return ngx_http_blob_container_end(ctx);
}

/* ---- before one is made ------------------------------------------------ */

ngx_int_t
ngx_http_blob_container_reach(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                              const ngx_http_blob_step_t *next)
{
    ngx_http_blob_way_t *way = ngx_http_blob_way(ctx);
    tier_rc_t rc = ngx_http_blob_find_container(ctx);

    if (way == NULL || rc < 0) {
        return NGX_ERROR;
    }

    if (rc == TIER_OK && ngx_http_blob_container_fresh(ctx)) {
        return ngx_http_blob_goto(ctx, next);
    }

    way->after = next;
    return ngx_http_blob_ask(r, ctx, BLOB_ASK_CONTAINER,
                             &ngx_http_blob_step_reach_asked);
}

/* A record that has aged says nothing here: the lake will. */
static ngx_int_t
ngx_http_blob_reach_asked(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;

    ctx->unreachable = way->ask->status == 0 || way->ask->status >= 500;
    if (!ctx->unreachable) {
        ctx->container_found = BLOB_LOOKUP_NONE;
    }

    return ngx_http_blob_goto(ctx, way->after);
}
