#include "ngx_http_blob_origin.h"

#include "proto/reply.h"
#include "proto/sas.h"
#include "proto/snapshot.h"
#include "proto/xml_out.h"

/*
 * Answers of the origin and of blob-tier to a client's own request. Those of
 * reads stream through with clean headers. The answer of a write is held: it
 * waits for what follows from it here (record, fact, container, fence; rule
 * 6), then it goes to the client.
 *
 *     header ──▶ held, refresh begins ──▶ ... ──▶ refreshed ─┐
 *            ──▶ body is collected    ──▶ ... ──▶ last ──────┴─▶ release
 *
 * Documents that name the origin's endpoint, or lists of blocks that ours are
 * to be added to, are collected the same way and changed when they are whole.
 *
 * While it is held r->buffered says so and keeps the request alive.
 */

#define BLOB_HELD 0x08 /* of r->buffered; image_filter's, which is off */

static ngx_int_t ngx_http_blob_fwd_refresh(ngx_http_request_t *r,
                                           ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_fwd_dropped(ngx_http_request_t *r,
                                           ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_fwd_fact(ngx_http_request_t *r,
                                        ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_fwd_unfence(ngx_http_request_t *r,
                                           ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_fwd_create(ngx_http_request_t *r,
                                          ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_fwd_refreshed(ngx_http_request_t *r,
                                             ngx_http_blob_ctx_t *ctx);

static const ngx_http_blob_step_t ngx_http_blob_step_fwd_refresh = {
    "fwd_refresh", "noting what was forwarded", ngx_http_blob_fwd_refresh
};
static const ngx_http_blob_step_t ngx_http_blob_step_fwd_fact = {
    "fwd_fact", "dropping facts", ngx_http_blob_fwd_fact
};
static const ngx_http_blob_step_t ngx_http_blob_step_fwd_dropped = {
    "fwd_dropped", "dropping blocks", ngx_http_blob_fwd_dropped
};
static const ngx_http_blob_step_t ngx_http_blob_step_fwd_unfence = {
    "fwd_unfence", "ending fence", ngx_http_blob_fwd_unfence
};
static const ngx_http_blob_step_t ngx_http_blob_step_fwd_create = {
    "fwd_create", "committing container", ngx_http_blob_fwd_create
};
static const ngx_http_blob_step_t ngx_http_blob_step_fwd_refreshed = {
    "fwd_refreshed", "sending answer", ngx_http_blob_fwd_refreshed
};

/* ---- what follows from an answer -------------------------------------- */

static view_t
ngx_http_blob_out_value(ngx_http_request_t *r, const char *name)
{
    ngx_list_part_t *part;
    ngx_table_elt_t *h;
    ngx_uint_t i;

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;
        for (i = 0; i < part->nelts; i++) {
            if (h[i].hash
                && view_eq_ci(ngx_http_blob_view(h[i].key), view_str(name))) {
                return ngx_http_blob_view(h[i].value);
            }
        }
    }

    return VIEW_NULL;
}

/* Queues the change and goes on with `next`, also when it cannot. */
static ngx_int_t
ngx_http_blob_fwd_commit(ngx_http_blob_ctx_t *ctx, store_change_t *change,
                         const ngx_http_blob_step_t *next)
{
    if (ngx_http_blob_commit(ctx, change, next) == BLOB_WAIT) {
        return BLOB_WAIT;
    }

    return ngx_http_blob_goto(ctx, next);
}

/* Blocks that wait here for a list go with the blob, also if the origin has
 * none of that name: that is how an upload is given up. They go when the
 * origin has committed a list of them, too. */
static bool
ngx_http_blob_fwd_drops_blocks(ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_fwd_t *fwd = ngx_http_blob_fwd(ctx);
    proto_delete_t what;

    if (!fwd->fenced || ctx->container_found != BLOB_LOOKUP_FOUND
        || !ctx->blob.uncommitted)
    {
        return false;
    }

    if (ctx->op->id == PROTO_OP_PUT_BLOCK_LIST) {
        return fwd->read && fwd->status == NGX_HTTP_CREATED;
    }

    return ctx->op->id == PROTO_OP_DELETE_BLOB
        && (fwd->status < NGX_HTTP_SPECIAL_RESPONSE
            || fwd->status == NGX_HTTP_NOT_FOUND)
        && ctx->snapshot == 0
        && proto_uri_param(&ctx->uri, PROTO_PARAM_VERSIONID).len == 0
        && proto_snapshot_delete(&ctx->uri, &ctx->headers, &what, &ctx->fault)
               == PROTO_OK
        && what != PROTO_DELETE_ONLY;
}

/* A clean record that the origin's answer contradicts goes. */
static ngx_int_t
ngx_http_blob_fwd_refresh_blob(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_fwd_t *fwd = ngx_http_blob_fwd(ctx);
    view_t etag = proto_answer_etag(ngx_http_blob_out_value(r, "ETag"));
    store_change_t *change;
    store_kind_t kind = STORE_BLOB_FORGET;
    bool changed;

    /* Only the origin knows of snapshots, so it has to be asked when the blob
     * is deleted: what is not resident is not deleted here. */
    if (ctx->op->id == PROTO_OP_SNAPSHOT_BLOB && ctx->blob.resident
        && fwd->status < NGX_HTTP_SPECIAL_RESPONSE)
    {
        kind = STORE_BLOB_EVICT;
    }

    changed = kind == STORE_BLOB_EVICT || ctx->op->id == PROTO_OP_DELETE_BLOB
           || ctx->op->id == PROTO_OP_ABORT_COPY_BLOB
           || ctx->op->id == PROTO_OP_SET_BLOB_TIER || fwd->status >= 500
           || (etag.len && ctx->op->id != PROTO_OP_SNAPSHOT_BLOB
               && !view_eq(etag, ctx->blob.origin_etag));

    if (!ngx_http_blob_fwd_record(ctx) || !changed) {
        return ngx_http_blob_goto(ctx, &ngx_http_blob_step_fwd_fact);
    }

    change = ngx_http_blob_fwd_change(ctx, kind);
    change->if_number = ctx->blob.number;
    return ngx_http_blob_fwd_commit(ctx, change, &ngx_http_blob_step_fwd_fact);
}

/* A blob that was nothing but blocks here has been deleted, whatever the
 * origin knows of it. */
static ngx_int_t
ngx_http_blob_fwd_dropped(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_fwd_t *fwd = ngx_http_blob_fwd(ctx);

    fwd->deleted = fwd->change.rc == TIER_OK
                && fwd->status == NGX_HTTP_NOT_FOUND
                && ctx->op->id == PROTO_OP_DELETE_BLOB
                && view_eq(ngx_http_blob_out_value(r, "x-ms-error-code"),
                           VIEW("BlobNotFound"));

    return ngx_http_blob_goto(ctx, &ngx_http_blob_step_fwd_fact);
}

static ngx_int_t
ngx_http_blob_fwd_fact(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    if (ngx_http_blob_fact_unknown(ctx, &ngx_http_blob_step_fwd_unfence)
        == BLOB_WAIT)
    {
        return BLOB_WAIT;
    }

    return ngx_http_blob_goto(ctx, &ngx_http_blob_step_fwd_unfence);
}

static ngx_int_t
ngx_http_blob_fwd_unfence(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_fwd_t *fwd = ngx_http_blob_fwd(ctx);

    if (!fwd->fenced) {
        return ngx_http_blob_goto(ctx, &ngx_http_blob_step_fwd_refreshed);
    }

    fwd->fenced = 0;
    return ngx_http_blob_fwd_commit(
        ctx, ngx_http_blob_fwd_change(ctx, STORE_FENCE_CLEAR),
        &ngx_http_blob_step_fwd_refreshed);
}

/* What the request set, over what was there. */
static ngx_int_t
ngx_http_blob_fwd_container_props(ngx_http_request_t *r,
                                  ngx_http_blob_ctx_t *ctx,
                                  store_change_t *change)
{
    container_props_t *props;

    props = ngx_palloc(r->pool, sizeof(*props));
    if (props == NULL) {
        return NGX_ERROR;
    }

    if (change->kind == STORE_CONTAINER_SET) {
        *props = ctx->container.props;
    } else {
        ngx_memzero(props, sizeof(*props));
    }

    if (ctx->op->id != PROTO_OP_SET_CONTAINER_ACL) {
        props->metadata = ctx->headers.metadata;
    }

    if (ctx->op->id != PROTO_OP_SET_CONTAINER_METADATA) {
        (void) proto_public_access_parse(
            proto_hdr(&ctx->headers, PROTO_HDR_X_MS_BLOB_PUBLIC_ACCESS),
            &props->public_access);
    }

    if (ctx->op->id == PROTO_OP_SET_CONTAINER_ACL) {
        props->acl = ngx_http_blob_body_view(ctx);
    }

    change->container_props = props;
    change->origin_etag =
        proto_answer_etag(ngx_http_blob_out_value(r, "ETag"));
    return NGX_OK;
}

static ngx_int_t
ngx_http_blob_fwd_refresh_container(ngx_http_request_t *r,
                                    ngx_http_blob_ctx_t *ctx)
{
    bool known = ctx->container_found == BLOB_LOOKUP_FOUND;
    store_change_t *change;

    switch (ctx->op->id) {

    case PROTO_OP_CREATE_CONTAINER:
        if (!known) {
            return ngx_http_blob_fwd_create(r, ctx);
        }
        /* it was deleted there without us: a new life */
        change = ngx_http_blob_fwd_change(ctx, STORE_CONTAINER_DELETE);
        change->flags = STORE_VOID_QUEUE;
        return ngx_http_blob_fwd_commit(ctx, change,
                                        &ngx_http_blob_step_fwd_create);

    case PROTO_OP_DELETE_CONTAINER:
        if (!known) {
            break;
        }
        change = ngx_http_blob_fwd_change(ctx, STORE_CONTAINER_DELETE);
        change->flags = STORE_VOID_QUEUE;
        return ngx_http_blob_fwd_commit(ctx, change,
                                        &ngx_http_blob_step_fwd_refreshed);

    case PROTO_OP_SET_CONTAINER_METADATA:
    case PROTO_OP_SET_CONTAINER_ACL:
        if (!known) {
            break;
        }
        change = ngx_http_blob_fwd_change(ctx, STORE_CONTAINER_SET);
        if (ngx_http_blob_fwd_container_props(r, ctx, change) != NGX_OK) {
            break;
        }
        return ngx_http_blob_fwd_commit(ctx, change,
                                        &ngx_http_blob_step_fwd_refreshed);

    default: /* a lease and its like: the origin is asked again */
        if (known && ctx->op->write
            && ngx_http_blob_fact_unknown(ctx,
                                          &ngx_http_blob_step_fwd_refreshed)
                   == BLOB_WAIT)
        {
            return BLOB_WAIT;
        }
    }

    return ngx_http_blob_goto(ctx, &ngx_http_blob_step_fwd_refreshed);
}

static ngx_int_t
ngx_http_blob_fwd_create(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    store_change_t *change;

    change = ngx_http_blob_fwd_change(ctx, STORE_CONTAINER_CREATE);
    change->incarnation = 0;
    if (ngx_http_blob_fwd_container_props(r, ctx, change) != NGX_OK) {
        return ngx_http_blob_goto(ctx, &ngx_http_blob_step_fwd_refreshed);
    }

    return ngx_http_blob_fwd_commit(ctx, change,
                                    &ngx_http_blob_step_fwd_refreshed);
}

static ngx_int_t
ngx_http_blob_fwd_refresh(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_uint_t status = ngx_http_blob_fwd(ctx)->status;

    if (ngx_http_blob_fwd_drops_blocks(ctx)) {
        store_change_t *change =
            ngx_http_blob_fwd_change(ctx, STORE_BLOB_DELETE);

        change->rc = TIER_EIO; /* until it is committed */
        return ngx_http_blob_fwd_commit(ctx, change,
                                        &ngx_http_blob_step_fwd_dropped);
    }

    if (ctx->op->id == PROTO_OP_SET_SERVICE_PROPERTIES) {
        return ngx_http_blob_cors_forget(ctx, &ngx_http_blob_step_fwd_unfence);
    }

    if (ctx->op->level == PROTO_LEVEL_ACCOUNT
        || (status >= NGX_HTTP_SPECIAL_RESPONSE && status < 500))
    {
        return ngx_http_blob_goto(ctx, &ngx_http_blob_step_fwd_unfence);
    }

    return ctx->op->level == PROTO_LEVEL_CONTAINER
             ? ngx_http_blob_fwd_refresh_container(r, ctx)
             : ngx_http_blob_fwd_refresh_blob(r, ctx);
}

/* ---- the answer ------------------------------------------------------- */

static bool
ngx_http_blob_fwd_holds(ngx_http_blob_ctx_t *ctx, ngx_uint_t status)
{
    ngx_http_blob_fwd_t *fwd = ngx_http_blob_fwd(ctx);
    bool done = status < NGX_HTTP_SPECIAL_RESPONSE;

    if (fwd->fenced
        || (done && ctx->op->id == PROTO_OP_GET_USER_DELEGATION_KEY)) {
        return true;
    }

    if (!ctx->op->write || fwd->tier) {
        return false;
    }

    switch (ctx->op->level) {
    case PROTO_LEVEL_BLOB:
        return done || status >= 500; /* then it may have been done */
    case PROTO_LEVEL_CONTAINER:
        return done;
    default:
        return ctx->op->id == PROTO_OP_SET_SERVICE_PROPERTIES
            && (done || status >= 500);
    }
}

static bool
ngx_http_blob_fwd_edits(ngx_http_blob_ctx_t *ctx, ngx_uint_t status)
{
    /* it may quote the URL that the edge made for it */
    if (ctx->copy_source.ptr != NULL && status >= NGX_HTTP_BAD_REQUEST) {
        return true;
    }

    if (status != NGX_HTTP_OK || ngx_http_blob_fwd(ctx)->tier) {
        return false;
    }

    switch (ctx->op->id) {
    case PROTO_OP_LIST_CONTAINERS:
    case PROTO_OP_FIND_BLOBS_BY_TAGS:
    case PROTO_OP_CONTAINER_FIND_BLOBS_BY_TAGS:
        return true;
    case PROTO_OP_GET_BLOCK_LIST:
        return ctx->splice.ptr != NULL;
    default:
        return false;
    }
}

static void
ngx_http_blob_fwd_set(ngx_table_elt_t *h, u_char *p, size_t len)
{
    h->value.data = p;
    h->value.len = len;
}

/* The ETag and time that clients know this content by. */
static ngx_int_t
ngx_http_blob_fwd_validators(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_table_elt_t *etag = r->headers_out.etag;
    ngx_table_elt_t *lm = r->headers_out.last_modified;
    view_t ours;
    u_char *p;

    if (etag == NULL || !ngx_http_blob_fwd_record(ctx)
        || !view_eq(proto_answer_etag(ngx_http_blob_view(etag->value)),
                    ctx->blob.origin_etag))
    {
        return NGX_OK;
    }

    ours = ctx->blob.props.etag;
    p = ngx_pnalloc(r->pool, ours.len + 3 + 64);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_http_blob_fwd_set(
        etag, p, (size_t) (ngx_sprintf(p, "\"%*s\"", ours.len, ours.ptr) - p));
    if (lm != NULL) {
        p += ours.len + 3;
        ngx_http_blob_fwd_set(
            lm, p,
            (size_t) (ngx_http_time(p, ctx->blob.props.last_modified_s) - p));
    }
    return NGX_OK;
}

static ngx_int_t
ngx_http_blob_fwd_clean(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    static const char *const drop[] = { "x-ms-request-id",
                                        "x-ms-client-request-id",
                                        "x-ms-version",
                                        "Server",
                                        "Date",
                                        "Via",
                                        "Set-Cookie",
                                        "X-Powered-By",
                                        NULL };
    ngx_list_part_t *part;
    ngx_table_elt_t *h;
    ngx_uint_t i;

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;
        for (i = 0; i < part->nelts; i++) {
            if (view_eq_ci(ngx_http_blob_view(h[i].key),
                           VIEW("x-ms-request-id"))) {
                ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                              "blob: forwarded, status=%ui, the origin's "
                              "request id is %V",
                              r->headers_out.status, &h[i].value);
            }
            if (ngx_http_blob_word_in(ngx_http_blob_view(h[i].key), drop)) {
                h[i].hash = 0;
            }
            if (view_eq_ci(ngx_http_blob_view(h[i].key),
                           VIEW("x-ms-copy-source"))) {
                h[i].value.len =
                    proto_answer_copy_source(ngx_http_blob_view(h[i].value))
                        .len;
            }
        }
    }

    r->headers_out.server = NULL;
    r->headers_out.date = NULL;
    if (r->headers_out.status < NGX_HTTP_BAD_REQUEST) {
        r->headers_out.status_line.len = 0; /* an error's is its message */
    }

    if (ngx_http_blob_fwd_validators(r, ctx) != NGX_OK
        || ngx_http_blob_common_headers(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    r->allow_ranges = 0;
    r->disable_not_modified = 1;
    return NGX_OK;
}

/* An answer that says nothing to the client: of another program than a Blob
 * service, or a refusal of our own credentials. */
static bool
ngx_http_blob_fwd_foreign(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                          proto_err_t *ret)
{
    ngx_http_blob_fwd_t *fwd = ngx_http_blob_fwd(ctx);
    ngx_uint_t status = r->headers_out.status;
    view_t code = ngx_http_blob_out_value(r, "x-ms-error-code");

    *ret = PROTO_ERR_SERVER_BUSY;

    if (status < NGX_HTTP_BAD_REQUEST) {
        return false;
    }

    if (fwd->tier) {
        /* its document has no request id of ours */
        *ret = proto_answer_error((unsigned) status, code);
        return true;
    }

    if (ctx->op->id != PROTO_OP_PREFLIGHT
        && !(proto_cred_is_origins(ctx->auth.cred) && code.len != 0)
        && !view_eq(code, VIEW("CannotVerifyCopySource"))
        && (status == NGX_HTTP_UNAUTHORIZED || status == NGX_HTTP_FORBIDDEN))
    {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "blob: the origin refuses the edge: %ui %*s; are "
                      "origin_account and origin_key (or origin_sas) of "
                      "blob_account \"%V\" right, and this host's clock?",
                      status, code.len, code.ptr, &ctx->account->name);
        return true;
    }

    if (code.len == 0) {
        *ret = proto_answer_error((unsigned) status, code);
        return true;
    }

    return false;
}

ngx_int_t
ngx_http_blob_forward_header(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_fwd_t *fwd = ngx_http_blob_fwd(ctx);
    proto_err_t err;

    if (r->upstream == NULL || r->upstream->headers_in.status_n == 0
        || fwd->held) {
        return NGX_DECLINED;
    }

    if (ngx_http_blob_fwd_foreign(r, ctx, &err)) {
        fwd->out = 0;
        return ngx_http_blob_error_replace(r, ctx, err);
    }

    fwd->status = r->headers_out.status;

    if (ngx_http_blob_fwd_holds(ctx, fwd->status)) {
        fwd->body = ngx_palloc(r->pool, BLOB_FORWARD_BODY_MAX);
        if (fwd->body == NULL) {
            return NGX_ERROR;
        }

        fwd->cap = BLOB_FORWARD_BODY_MAX;
        fwd->held = 1;
        r->buffered |= BLOB_HELD;

        ctx->step = &ngx_http_blob_step_fwd_refresh;
        ngx_http_blob_run(r, ctx);

        if (ngx_http_blob_fwd_clean(r, ctx) != NGX_OK) {
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    if (ngx_http_blob_fwd_clean(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_blob_fwd_edits(ctx, fwd->status)) {
        fwd->edit = 1;
        fwd->held = 1;
        fwd->refreshed = 1;
        r->buffered |= BLOB_HELD;
        return NGX_OK;
    }

    return ngx_http_blob_next_header(r);
}

static ngx_int_t
ngx_http_blob_fwd_edit(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_fwd_t *fwd = ngx_http_blob_fwd(ctx);
    view_t xml = view_of(fwd->body, fwd->len), endpoint;
    writer_t w;
    u_char *p;
    size_t cap;

    if (ctx->copy_source.ptr != NULL) {
        return NGX_OK;
    }

    endpoint = ngx_http_blob_endpoint(r, ctx);
    cap = xml.len + ctx->splice.len + 8 * endpoint.len + 64;
    p = ngx_palloc(r->pool, cap);
    if (p == NULL) {
        return NGX_ERROR;
    }

    writer_init_fixed(&w, p, cap);
    if (ctx->op->id == PROTO_OP_GET_BLOCK_LIST) {
        proto_xml_block_list_merge(&w, xml, ctx->splice);
    } else {
        proto_xml_endpoint(&w, xml, endpoint);
    }

    fwd->body = p;
    fwd->len = w.len;

    if (ctx->op->id == PROTO_OP_LIST_CONTAINERS
        && ngx_http_blob_list_pending(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return writer_ok(&w) ? NGX_OK : NGX_ERROR;
}

/* 202 in place of the origin's BlobNotFound. */
static void
ngx_http_blob_fwd_say_deleted(ngx_http_request_t *r, ngx_http_blob_fwd_t *fwd)
{
    ngx_list_part_t *part;
    ngx_table_elt_t *h;
    ngx_uint_t i;

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;
        for (i = 0; i < part->nelts; i++) {
            if (view_eq_ci(ngx_http_blob_view(h[i].key),
                           VIEW("x-ms-error-code"))) {
                h[i].hash = 0;
            }
        }
    }

    r->headers_out.status = NGX_HTTP_ACCEPTED;
    r->headers_out.status_line.len = 0;
    ngx_http_clear_content_length(r);
    r->headers_out.content_type.len = 0;
    r->headers_out.content_type_len = 0;
    fwd->len = 0;
    proto_reply_delete_headers(ngx_http_blob_emit, r);
}

static ngx_int_t
ngx_http_blob_fwd_release(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_fwd_t *fwd = ngx_http_blob_fwd(ctx);
    ngx_chain_t out;
    ngx_buf_t *b;
    ngx_int_t rc;

    r->buffered &= ~BLOB_HELD;
    fwd->out = 0;

    if (fwd->edit && ngx_http_blob_fwd_edit(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (fwd->deleted) {
        ngx_http_blob_fwd_say_deleted(r, fwd);
    }

    if (ctx->copy_source.ptr != NULL) {
        proto_sas_hide(fwd->body, fwd->len);
    }

    if (ctx->op->id == PROTO_OP_GET_USER_DELEGATION_KEY
        && fwd->status < NGX_HTTP_SPECIAL_RESPONSE)
    {
        ngx_http_blob_key_learn(ctx, view_of(fwd->body, fwd->len));
    }

    if (r->headers_out.status != NGX_HTTP_NO_CONTENT
        && r->headers_out.status != NGX_HTTP_NOT_MODIFIED)
    {
        r->headers_out.content_length_n = (off_t) fwd->len;
    }

    rc = ngx_http_blob_next_header(r);
    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = fwd->body;
    b->last = fwd->body + fwd->len;
    b->memory = fwd->len != 0;
    b->last_buf = 1;
    b->last_in_chain = 1;
    out.buf = b;
    out.next = NULL;
    return ngx_http_blob_next_body(r, &out);
}

void
ngx_http_blob_forward_lost(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_fwd_t *fwd;

    if (ctx == NULL || !(r->buffered & BLOB_HELD)) {
        return;
    }

    fwd = ngx_http_blob_fwd(ctx);
    fwd->last = 1;
    if (fwd->refreshed) {
        r->buffered &= ~BLOB_HELD;
    }
}

static ngx_int_t
ngx_http_blob_fwd_refreshed(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_fwd_t *fwd = ngx_http_blob_fwd(ctx);

    fwd->refreshed = 1;

    if (!fwd->last) {
        return BLOB_WAIT; /* the rest of the answer releases it */
    }

    return ngx_http_blob_finish(r, ctx, ngx_http_blob_fwd_release(r, ctx));
}

/* Room for so much more of the answer. */
static ngx_int_t
ngx_http_blob_fwd_room(ngx_http_request_t *r, ngx_http_blob_fwd_t *fwd,
                       size_t size)
{
    size_t max = fwd->edit ? BLOB_FORWARD_EDIT_MAX : BLOB_FORWARD_BODY_MAX;
    size_t cap = ngx_max(fwd->cap, BLOB_FORWARD_BODY_MAX);
    u_char *p;

    if (size <= fwd->cap - fwd->len) {
        return NGX_OK;
    }

    while (cap < fwd->len + size) {
        cap *= 2;
    }

    if (cap > max) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "blob: an answer of the origin that has to be held is "
                      "longer than %uz bytes",
                      max);
        return NGX_ERROR;
    }

    p = ngx_palloc(r->pool, cap);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (fwd->len != 0) {
        ngx_memcpy(p, fwd->body, fwd->len);
    }
    if (fwd->body != NULL) {
        (void) ngx_pfree(r->pool, fwd->body);
    }
    fwd->body = p;
    fwd->cap = cap;
    return NGX_OK;
}

ngx_int_t
ngx_http_blob_forward_body(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                           ngx_chain_t *in)
{
    ngx_http_blob_fwd_t *fwd = ngx_http_blob_fwd(ctx);
    ngx_buf_t *b;
    size_t size;

    if (!fwd->held) {
        return ngx_http_blob_next_body(r, in);
    }

    for (; in; in = in->next) {
        b = in->buf;
        size = ngx_buf_in_memory(b) ? (size_t) (b->last - b->pos) : 0;

        if ((size == 0 && !ngx_buf_special(b) && ngx_buf_size(b) != 0)
            || ngx_http_blob_fwd_room(r, fwd, size) != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (size != 0) {
            ngx_memcpy(fwd->body + fwd->len, b->pos, size);
            fwd->len += size;
            b->pos = b->last;
        }
        if (b->last_buf || (r != r->main && b->last_in_chain)) {
            fwd->last = 1;
        }
    }

    if (fwd->last && fwd->refreshed) {
        return ngx_http_blob_fwd_release(r, ctx);
    }

    return NGX_OK;
}
