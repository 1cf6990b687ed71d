#include "ngx_http_blob_origin.h"
#include "ngx_http_blob_tier.h"

#include "proto/copy.h"
#include "proto/date.h"
#include "proto/list.h"
#include "proto/native.h"

/*
 * Operations that the origin does itself, and listings that blob-tier merges.
 *
 *     flush    until the origin has what was committed here of that blob
 *     fence    (write back) nothing else commits to it meanwhile
 *     out      the client's own request, streamed both ways, re-signed; with
 *              the client's own token or user delegation SAS if it has one,
 *              so that nobody gets what the origin's key alone may do
 *     answer   answer.c
 *
 * Once out, nginx's upstream code owns the request.
 */

#define BLOB_POLL_MIN_MS  10
#define BLOB_POLL_MAX_MS  50
#define BLOB_FENCE_BASE_S 60

static ngx_int_t ngx_http_blob_fwd_flush(ngx_http_request_t *r,
                                         ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_fwd_fence(ngx_http_request_t *r,
                                         ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_fwd_fenced(ngx_http_request_t *r,
                                          ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_fwd_send(ngx_http_request_t *r,
                                        ngx_http_blob_ctx_t *ctx);

static const ngx_http_blob_step_t ngx_http_blob_step_fwd_flush = {
    "fwd_flush", "waiting for write-back", ngx_http_blob_fwd_flush
};
static const ngx_http_blob_step_t ngx_http_blob_step_fwd_fence = {
    "fwd_fence", "fencing blob", ngx_http_blob_fwd_fence
};
static const ngx_http_blob_step_t ngx_http_blob_step_fwd_fenced = {
    "fwd_fenced", "fencing blob", ngx_http_blob_fwd_fenced
};
static const ngx_http_blob_step_t ngx_http_blob_step_fwd_send = {
    "fwd_send", "forwarding request", ngx_http_blob_fwd_send
};

bool
ngx_http_blob_forwarding(ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->kind == BLOB_CTX_MAIN ? ctx->origin : NULL;

    return way != NULL && way->fwd != NULL && way->fwd->out;
}

ngx_http_blob_fwd_t *
ngx_http_blob_fwd(ngx_http_blob_ctx_t *ctx)
{
    return ((ngx_http_blob_way_t *) ctx->origin)->fwd;
}

store_change_t *
ngx_http_blob_fwd_change(ngx_http_blob_ctx_t *ctx, store_kind_t kind)
{
    ngx_http_blob_fwd_t *fwd = ngx_http_blob_fwd(ctx);
    store_change_t *change = &fwd->change;

    ngx_memzero(change, sizeof(*change));
    change->kind = kind;
    change->mode = STORE_MODE_CLEAN;
    change->account = ngx_http_blob_view(ctx->account->name);
    change->container = ctx->uri.container;
    change->incarnation = ctx->container.incarnation;
    if (ctx->op->level == PROTO_LEVEL_BLOB) {
        change->name = ctx->uri.blob;
    }
    change->fence_owner = view_of(ctx->request_id, 36);
    return change;
}

/* ---- fence ------------------------------------------------------------ */

typedef struct {
    ngx_thread_task_t task;
    store_t *store;
    store_change_t change;
    u_char names[1];
} ngx_http_blob_unfence_t;

static void
ngx_http_blob_unfence_run(void *data, ngx_log_t *log)
{
    ngx_http_blob_unfence_t *u = data;
    store_change_t *changes[1] = { &u->change };

    store_commit(u->store, changes, 1);
}

static void
ngx_http_blob_unfence_done(ngx_event_t *ev)
{
    ngx_free(ev->data);
}

static view_t
ngx_http_blob_unfence_keep(u_char **p, view_t v)
{
    u_char *at = *p;

    *p = ngx_cpymem(at, v.ptr, v.len);
    return view_of(at, v.len);
}

/* The request went in the middle, say because the client did: its fence must
 * not stand until it expires. Outlives the request's memory. */
static void
ngx_http_blob_fwd_cleanup(void *data)
{
    ngx_http_blob_fwd_t *fwd = data;
    ngx_http_blob_ctx_t *ctx = fwd->ctx;
    ngx_http_blob_unfence_t *u;
    store_change_t *change;
    u_char *p;

    if (!fwd->fenced) {
        return;
    }

    change = ngx_http_blob_fwd_change(ctx, STORE_FENCE_CLEAR);
    u = ngx_calloc(sizeof(*u) + change->account.len + change->container.len
                       + change->name.len + change->fence_owner.len,
                   ngx_cycle->log);
    if (u == NULL) {
        return;
    }

    p = u->names;
    u->change = *change;
    u->change.account = ngx_http_blob_unfence_keep(&p, change->account);
    u->change.container = ngx_http_blob_unfence_keep(&p, change->container);
    u->change.name = ngx_http_blob_unfence_keep(&p, change->name);
    u->change.fence_owner =
        ngx_http_blob_unfence_keep(&p, change->fence_owner);
    u->store = ctx->bmcf->store;
    u->task.ctx = u;
    u->task.handler = ngx_http_blob_unfence_run;
    u->task.event.data = u;
    u->task.event.handler = ngx_http_blob_unfence_done;

    if (ngx_thread_task_post(ctx->bmcf->io, &u->task) != NGX_OK) {
        ngx_free(u);
    }
}

static ngx_int_t
ngx_http_blob_fwd_ready(ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_fwd_t *fwd = ngx_http_blob_fwd(ctx);

    return ngx_http_blob_goto(
        ctx, fwd->before != NULL ? fwd->before : &ngx_http_blob_step_fwd_send);
}

ngx_int_t
ngx_http_blob_forward_out(ngx_http_blob_ctx_t *ctx)
{
    return ngx_http_blob_goto(ctx, &ngx_http_blob_step_fwd_send);
}

ngx_int_t
ngx_http_blob_forward_hold(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                           const ngx_http_blob_step_t *next)
{
    store_change_t *change = ngx_http_blob_fwd_change(ctx, STORE_FENCE_SET);
    int64_t body_s =
        r->headers_in.content_length_n > 0
            ? (int64_t) r->headers_in.content_length_n / (1024 * 1024)
            : 0;

    change->fence_expires_ms =
        ngx_http_blob_now_ms() + (BLOB_FENCE_BASE_S + body_s) * 1000;
    return ngx_http_blob_commit(ctx, change, next);
}

static ngx_int_t
ngx_http_blob_fwd_fence(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    if (!ctx->op->write || ctx->op->level != PROTO_LEVEL_BLOB
        || ctx->policy.write != WRITE_BACK
        || ctx->container_found != BLOB_LOOKUP_FOUND)
    {
        return ngx_http_blob_fwd_ready(ctx);
    }

    return ngx_http_blob_forward_hold(r, ctx, &ngx_http_blob_step_fwd_fenced);
}

static ngx_int_t
ngx_http_blob_fwd_fenced(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_fwd_t *fwd = ngx_http_blob_fwd(ctx);

    if (fwd->change.rc == TIER_AGAIN) {
        /* another forward, or a commit that came in between */
        fwd->upto = UINT64_MAX;
        return ngx_http_blob_goto(ctx, &ngx_http_blob_step_fwd_flush);
    }

    if (fwd->change.rc != TIER_OK && fwd->change.rc != TIER_NOT_FOUND) {
        return ngx_http_blob_fail(r, ctx,
                                  ngx_http_blob_rc_error(fwd->change.rc));
    }

    fwd->fenced = fwd->change.rc == TIER_OK;
    return ngx_http_blob_fwd_ready(ctx);
}

/* ---- flush ------------------------------------------------------------ */

/* Is what holds the queue up an entry that waits for the operator? */
static bool
ngx_http_blob_queue_parked(ngx_http_blob_ctx_t *ctx, uint64_t lowest)
{
    store_entry_t entry;
    bool parked = false;
    u_char *buf;
    writer_t w;

    buf = ngx_alloc(STORE_RECORD_MAX, ctx->r->connection->log);
    if (buf == NULL) {
        return false;
    }

    writer_init_fixed(&w, buf, STORE_RECORD_MAX);
    if (store_queue_get(ctx->bmcf->reader, lowest, &w, &entry) == TIER_OK) {
        parked = entry.parked;
    }

    ngx_free(buf);
    return parked;
}

static ngx_int_t
ngx_http_blob_fwd_flush(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_fwd_t *fwd = ngx_http_blob_fwd(ctx);
    bool blob = ctx->op->level == PROTO_LEVEL_BLOB;
    uint64_t highest, lowest;
    bool first = fwd->deadline_ms == 0;
    bool again = fwd->upto == UINT64_MAX;
    bool queued;
    tier_rc_t rc;

    if (ctx->op->level == PROTO_LEVEL_ACCOUNT) {
        return ngx_http_blob_goto(ctx, &ngx_http_blob_step_fwd_send);
    }

    rc = store_dirty_upto(ctx->bmcf->reader,
                          ngx_http_blob_view(ctx->account->name),
                          ctx->uri.container, blob ? ctx->uri.blob : VIEW_NULL,
                          &highest, &lowest);
    if (rc < 0) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(rc));
    }

    if (first || again) {
        fwd->upto = highest;
    }

    queued =
        highest != 0 && lowest != 0 && fwd->upto != 0 && lowest <= fwd->upto;
    if (!again && !queued) {
        return ngx_http_blob_goto(ctx, fwd->flushed != NULL
                                           ? fwd->flushed
                                           : &ngx_http_blob_step_fwd_fence);
    }

    if (first) {
        fwd->poll_ms = BLOB_POLL_MIN_MS;
        fwd->deadline_ms = ngx_http_blob_now_ms() + BLOB_FLUSH_DEADLINE_MS;
    }

    if (ngx_http_blob_now_ms() > fwd->deadline_ms
        || (first && queued && !ngx_http_blob_tier_alive(ctx))
        || (queued && ngx_http_blob_queue_parked(ctx, lowest)))
    {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "blob: write-back does not come to the end of what is "
                      "queued before this request; is blob-tier running? "
                      "\"blob-tier status %V\" says more",
                      &ctx->bmcf->store_path);
        return ngx_http_blob_fail(r, ctx, PROTO_ERR_SERVER_BUSY);
    }

    fwd->poll_ms = ngx_min(fwd->poll_ms * 2, BLOB_POLL_MAX_MS);
    return ngx_http_blob_sleep(ctx, fwd->poll_ms,
                               &ngx_http_blob_step_fwd_flush);
}

static ngx_http_blob_fwd_t *
ngx_http_blob_fwd_new(ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ngx_http_blob_way(ctx);
    ngx_http_blob_fwd_t *fwd;
    ngx_pool_cleanup_t *cln;

    fwd = ngx_pcalloc(ctx->r->pool, sizeof(*fwd));
    cln = ngx_pool_cleanup_add(ctx->r->pool, 0);
    if (way == NULL || fwd == NULL || cln == NULL
        || ngx_http_blob_ways(ctx->r) == NULL)
    {
        return NULL;
    }

    cln->handler = ngx_http_blob_fwd_cleanup;
    cln->data = fwd;
    fwd->ctx = ctx;
    way->fwd = fwd;
    return fwd;
}

ngx_int_t
ngx_http_blob_flush(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                    const ngx_http_blob_step_t *next)
{
    ngx_http_blob_fwd_t *fwd = ngx_http_blob_fwd_new(ctx);

    if (fwd == NULL) {
        return NGX_ERROR;
    }

    fwd->flushed = next;
    return ngx_http_blob_goto(ctx, &ngx_http_blob_step_fwd_flush);
}

ngx_int_t
ngx_http_blob_forward(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_fwd_t *fwd = ngx_http_blob_fwd_new(ctx);
    proto_err_t err = PROTO_OK;
    uint64_t length;
    bool framed;

    if (fwd == NULL) {
        return NGX_ERROR;
    }

    /* an origin reads with its own rights what it is told to copy */
    if (proto_copy_has_source(ctx->op) && ctx->copy_source.ptr == NULL) {
        return ngx_http_blob_fail(r, ctx, PROTO_ERR_NOT_IMPLEMENTED);
    }

    if (ctx->op->body != PROTO_BODY_NONE) {
        err = proto_body_length(ctx->op, &ctx->headers, &framed, &length,
                                &ctx->fault);

    } else if (r->headers_in.chunked) {
        err = PROTO_ERR_MISSING_CONTENT_LENGTH_HEADER;
    }
    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    if (ctx->op->level != PROTO_LEVEL_ACCOUNT
        && ctx->container_found == BLOB_LOOKUP_NONE
        && ngx_http_blob_find_container(ctx) < 0)
    {
        return NGX_ERROR;
    }

    /* the record knows which ETag is which */
    if (ctx->op->level == PROTO_LEVEL_BLOB
        && ctx->container_found == BLOB_LOOKUP_FOUND
        && ngx_http_blob_find_blob(ctx) < 0)
    {
        return NGX_ERROR;
    }

    if (ctx->op->id == PROTO_OP_SET_CONTAINER_ACL) {
        fwd->read = 1;
        return ngx_http_blob_body_read(r, ctx, (size_t) ctx->op->body_limit,
                                       &ngx_http_blob_step_fwd_flush);
    }

    /* a list that could not be committed here */
    if (ctx->op->id == PROTO_OP_PUT_BLOCK_LIST && ctx->body != NULL) {
        fwd->read = 1;
        fwd->before = ngx_http_blob_stage_step();
    }

    return ngx_http_blob_goto(ctx, &ngx_http_blob_step_fwd_flush);
}

/* ---- out -------------------------------------------------------------- */

bool
ngx_http_blob_word_in(view_t v, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (view_eq_ci(v, view_str(*words))) {
            return true;
        }
    }

    return false;
}

bool
ngx_http_blob_fwd_record(ngx_http_blob_ctx_t *ctx)
{
    return ctx->op->level == PROTO_LEVEL_BLOB
        && ctx->blob_found == BLOB_LOOKUP_FOUND
        && (ctx->blob.state == STORE_CLEAN || ctx->blob.state == STORE_ALIAS)
        && ctx->blob.origin_etag.len != 0;
}

/* An ETag that a client was given here, as the origin knows it. */
static ngx_int_t
ngx_http_blob_fwd_etag(ngx_http_request_t *r, view_t ours, view_t origin,
                       view_t *value)
{
    u_char *p;

    if (origin.len == 0 || !view_eq(proto_answer_etag(*value), ours)) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, origin.len + 2);
    if (p == NULL) {
        return NGX_ERROR;
    }
    p[0] = '"';
    ngx_memcpy(p + 1, origin.ptr, origin.len);
    p[origin.len + 1] = '"';
    *value = view_of(p, origin.len + 2);
    return NGX_OK;
}

/* The same of a date. What cannot be read is the origin's to refuse. */
static ngx_int_t
ngx_http_blob_fwd_since(ngx_http_request_t *r, int64_t ours_s,
                        int64_t origin_s, view_t *value)
{
    int64_t t_s, there_s;
    u_char *p;

    if (!proto_date_parse_http(*value, &t_s)) {
        return NGX_OK;
    }

    there_s = proto_cond_since(t_s, ours_s, origin_s);
    if (there_s == t_s) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, sizeof("Mon, 28 Sep 1970 06:00:00 GMT"));
    if (p == NULL) {
        return NGX_ERROR;
    }
    *value = view_of(p, (size_t) (ngx_http_time(p, there_s) - p));
    return NGX_OK;
}

/* A condition's value as the origin knows it. */
static ngx_int_t
ngx_http_blob_fwd_condition(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                            proto_header_t *h)
{
    static const char *const etags[] = { "If-Match", "If-None-Match", NULL };
    static const char *const dates[] = { "If-Modified-Since",
                                         "If-Unmodified-Since", NULL };
    static const char *const source_etags[] = { "x-ms-source-if-match",
                                                "x-ms-source-if-none-match",
                                                NULL };
    static const char *const source_dates[] = {
        "x-ms-source-if-modified-since", "x-ms-source-if-unmodified-since",
        NULL
    };
    bool record = ngx_http_blob_fwd_record(ctx);

    if (ngx_http_blob_word_in(h->name, source_etags)) {
        return ngx_http_blob_fwd_etag(r, ctx->copy_etag, ctx->copy_origin_etag,
                                      &h->value);
    }

    if (ngx_http_blob_word_in(h->name, source_dates)) {
        return ngx_http_blob_fwd_since(r, ctx->copy_modified_s,
                                       ctx->copy_origin_modified_s, &h->value);
    }

    if (record && ngx_http_blob_word_in(h->name, etags)) {
        return ngx_http_blob_fwd_etag(r, ctx->blob.props.etag,
                                      ctx->blob.origin_etag, &h->value);
    }

    if (record && ngx_http_blob_word_in(h->name, dates)) {
        return ngx_http_blob_fwd_since(r, ctx->blob.props.last_modified_s,
                                       ctx->blob.origin_last_modified_s,
                                       &h->value);
    }

    return NGX_OK;
}

/* The client's headers without its credentials and those of the hop. */
static ngx_int_t
ngx_http_blob_fwd_headers(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                          ngx_http_blob_out_spec_t *spec)
{
    static const char *const drop[] = { "Host",
                                        "Connection",
                                        "Keep-Alive",
                                        "TE",
                                        "Trailer",
                                        "Transfer-Encoding",
                                        "Upgrade",
                                        "Expect",
                                        "Proxy-Connection",
                                        "Cookie",
                                        "Content-Length",
                                        "Authorization",
                                        "Date",
                                        "x-ms-date",
                                        "x-ms-version",
                                        "Proxy-Authorization",
                                        "x-ms-copy-source-authorization",
                                        NULL };
    proto_header_t *hdrs;
    unsigned i, n = 0;

    hdrs = ngx_palloc(r->pool, (ctx->nhdrs + 1) * sizeof(*hdrs));
    if (hdrs == NULL) {
        return NGX_ERROR;
    }

    /* signed with the origin's key, a grant to create must not replace */
    if (ctx->auth.create_only) {
        hdrs[n++] = (proto_header_t){ VIEW("If-None-Match"), VIEW("*") };
    }

    for (i = 0; i < ctx->nhdrs; i++) {
        if (ngx_http_blob_word_in(ctx->hdrs[i].name, drop)
            || (ctx->copy_source.ptr == NULL
                && view_eq_ci(ctx->hdrs[i].name, VIEW("x-ms-copy-source")))
            || (ctx->auth.create_only
                && view_eq_ci(ctx->hdrs[i].name, VIEW("If-None-Match"))))
        {
            continue;
        }

        hdrs[n] = ctx->hdrs[i];

        if (view_eq_ci(hdrs[n].name, VIEW("x-ms-copy-source"))) {
            hdrs[n].value = ctx->copy_source;

        } else if (view_eq_ci(hdrs[n].name, VIEW("Accept"))
                   && ngx_strlcasestrn(
                          (u_char *) (uintptr_t) hdrs[n].value.ptr,
                          (u_char *) (uintptr_t) hdrs[n].value.ptr
                              + hdrs[n].value.len,
                          (u_char *) "arrow", 5 - 1)
                          != NULL)
        {
            /* listings are read here, and only as XML */
            hdrs[n].value = VIEW("application/xml");

        } else if (ngx_http_blob_fwd_condition(r, ctx, &hdrs[n]) != NGX_OK) {
            return NGX_ERROR;
        }
        n++;
    }

    spec->hdrs = hdrs;
    spec->nhdrs = n;
    return NGX_OK;
}

/* From here on nginx's upstream code owns the request. */
static ngx_int_t
ngx_http_blob_fwd_go(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                     ngx_http_core_loc_conf_t *place)
{
    ngx_http_blob_way_t *way = ctx->origin;
    ngx_int_t rc;

    r->headers_in.headers = way->out.headers;
    if (r->headers_in.headers.last == &way->out.headers.part) {
        r->headers_in.headers.last = &r->headers_in.headers.part;
    }
    r->headers_in.range = NULL;
    r->headers_in.if_range = NULL;

    r->loc_conf = place->loc_conf;
    ngx_http_update_location_config(r);
    way->fwd->out = 1;

    rc = r->content_handler(r);
    if (rc == NGX_DONE) {
        /* its count replaces ours; it may be finished already */
        ngx_http_finalize_request(r, NGX_DONE);
        return BLOB_DONE;
    }

    way->fwd->out = 0;
    return ngx_http_blob_fail(r, ctx, PROTO_ERR_INTERNAL_ERROR);
}

/* A body that was read already goes out of memory. */
static ngx_int_t
ngx_http_blob_fwd_body(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    view_t body = ngx_http_blob_body_view(ctx);
    ngx_chain_t *cl;
    ngx_buf_t *b;

    r->request_body->bufs = NULL;
    if (body.len == 0) {
        return NGX_OK;
    }

    b = ngx_calloc_buf(r->pool);
    cl = ngx_alloc_chain_link(r->pool);
    if (b == NULL || cl == NULL) {
        return NGX_ERROR;
    }

    b->start = b->pos = (u_char *) (uintptr_t) body.ptr;
    b->end = b->last = b->pos + body.len;
    b->memory = 1;
    cl->buf = b;
    cl->next = NULL;
    r->request_body->bufs = cl;
    return NGX_OK;
}

static ngx_int_t
ngx_http_blob_fwd_send(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;
    ngx_http_blob_out_spec_t spec = { .forward = true };
    bool put = r->method & (NGX_HTTP_PUT | NGX_HTTP_POST);

    spec.method = ngx_http_blob_view(r->method_name);
    spec.resource = ctx->uri.raw_resource;
    spec.version = proto_hdr(&ctx->headers, PROTO_HDR_X_MS_VERSION);
    if (spec.version.len == 0) {
        spec.version = proto_uri_param(&ctx->uri, PROTO_PARAM_API_VERSION);
    }

    if (put && r->headers_in.content_length_n < 0) {
        r->headers_in.content_length_n = 0;
    }
    spec.content_length = r->headers_in.content_length_n;

    /* after the flush the record may be another */
    if (ctx->op->level == PROTO_LEVEL_BLOB
        && ctx->container_found == BLOB_LOOKUP_FOUND
        && ngx_http_blob_find_blob(ctx) < 0)
    {
        return NGX_ERROR;
    }

    /* nobody's: a browser's question has no credentials */
    spec.caller = ctx->op->id == PROTO_OP_PREFLIGHT;

    if (proto_cred_is_origins(ctx->auth.cred)
        && ngx_http_blob_caller(r, ctx, &spec) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_blob_query_part(r, ctx, false, &spec.query) != NGX_OK
        || ngx_http_blob_list_query(r, ctx, &spec.query) != NGX_OK
        || ngx_http_blob_fwd_headers(r, ctx, &spec) != NGX_OK
        || ngx_http_blob_out_make(r->pool, ctx, &spec, &way->out) != NGX_OK
        || (way->fwd->read && ngx_http_blob_fwd_body(r, ctx) != NGX_OK))
    {
        return NGX_ERROR;
    }

    return ngx_http_blob_fwd_go(r, ctx, ngx_http_blob_ways(r)->forward);
}

/* ---- listings --------------------------------------------------------- */

static void
ngx_http_blob_tier_param(writer_t *w, const char *name, view_t value)
{
    if (value.ptr == NULL) {
        return;
    }

    if (w->len && w->buf[w->len - 1] != '?') {
        writer_putc(w, '&');
    }
    writer_puts(w, name);
    writer_putc(w, '=');
    proto_uri_encode(w, value, false);
}

ngx_int_t
ngx_http_blob_list_origin(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    static const struct {
        const char *name;
        proto_param_id_t id;
    } params[] = { { "prefix", PROTO_PARAM_PREFIX },
                   { "delimiter", PROTO_PARAM_DELIMITER },
                   { "marker", PROTO_PARAM_MARKER },
                   { "maxresults", PROTO_PARAM_MAXRESULTS },
                   { "include", PROTO_PARAM_INCLUDE },
                   { "startfrom", PROTO_PARAM_STARTFROM },
                   { "endbefore", PROTO_PARAM_ENDBEFORE } };
    ngx_http_blob_fwd_t *fwd = ngx_http_blob_fwd_new(ctx);
    ngx_http_blob_way_t *way = ctx->origin;
    size_t cap = 4096 + ctx->bmcf->store_path.len + 4 * ctx->target.len;
    proto_err_t err;
    view_t endpoint;
    ngx_uint_t i;
    u_char *buf;
    writer_t w;

    err = proto_list_check(&ctx->uri, &ctx->fault);
    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    buf = ngx_pnalloc(r->pool, cap);
    if (fwd == NULL || buf == NULL
        || ngx_list_init(&way->out.headers, r->pool, 4,
                         sizeof(ngx_table_elt_t))
               != NGX_OK)
    {
        return NGX_ERROR;
    }

    endpoint = ngx_http_blob_endpoint(r, ctx);

    writer_init_fixed(&w, buf, cap);
    writer_puts(&w, "http://unix:");
    writer_put(&w, ngx_http_blob_view(ctx->bmcf->store_path));
    writer_puts(&w, "/run/tier.sock:/list?");
    ngx_http_blob_tier_param(&w, "account",
                             ngx_http_blob_view(ctx->account->name));
    ngx_http_blob_tier_param(&w, "container", ctx->uri.container);
    ngx_http_blob_tier_param(&w, "endpoint", endpoint);
    for (i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
        ngx_http_blob_tier_param(&w, params[i].name,
                                 proto_uri_param(&ctx->uri, params[i].id));
    }
    if (!writer_ok(&w)) {
        return NGX_ERROR;
    }

    way->out.url = ngx_http_blob_str(writer_view(&w));
    ngx_str_set(&way->out.host, "blob-tier");
    ngx_str_set(&way->out.name, "blob-tier");
    fwd->tier = 1;
    r->headers_in.content_length_n = -1;
    return ngx_http_blob_fwd_go(r, ctx, ngx_http_blob_ways(r)->tier);
}
