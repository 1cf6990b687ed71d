#include "ngx_http_blob_origin.h"

/*
 * Subrequests to the origin, and what is learnt from a HEAD: facts.
 *
 * An ask is a foreground subrequest without a body. Its header is taken by
 * the filter, its end posts the client's request, whose write event handler
 * runs the next step. The ask of a batch's part is in the background as the
 * part is: it has no turn to wait for, and posts the part itself.
 *
 * A fact bears the time at which its ask began. store_fact_put keeps the
 * younger one, so that an ask which was under way during a forwarded write
 * cannot put back what was there before (rule 6).
 */

typedef struct {
    store_t *store;
    view_t account;
    view_t container;
    view_t name;
    store_fact_t fact;
} ngx_http_blob_fact_task_t;

static ngx_int_t ngx_http_blob_fact_stored(ngx_http_request_t *r,
                                           ngx_http_blob_ctx_t *ctx);

static const ngx_http_blob_step_t ngx_http_blob_step_fact_stored = {
    "fact_stored", "noting what the origin said", ngx_http_blob_fact_stored
};

/* ---- subrequests ------------------------------------------------------ */

/* Runs at each finalisation; errors end here, the parent looks at status. */
static ngx_int_t
ngx_http_blob_sub_done(ngx_http_request_t *sr, void *data, ngx_int_t rc)
{
    ngx_http_blob_sub_t *sub = data;

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, sr->connection->log, 0,
                   "blob sub done: kind=%d status=%ui rc=%i", (int) sub->kind,
                   sub->status, rc);

    sub->done = 1;
    if (sub->kind == BLOB_CTX_SLICE) {
        ngx_http_blob_slice_ended(sub);
    }

    if (rc == NGX_HTTP_CLIENT_CLOSED_REQUEST || sr->connection->error) {
        return rc;
    }

    if (sr->background && ngx_http_post_request(sr->parent, NULL) != NGX_OK) {
        return NGX_ERROR;
    }

    if (rc == NGX_ERROR || rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        sub->failed = 1;
        return NGX_OK;
    }

    if (sub->in_memory && sr->out != NULL && sr->out->buf != NULL) {
        sub->body = view_of(sr->out->buf->pos,
                            (size_t) (sr->out->buf->last - sr->out->buf->pos));
    }

    return rc;
}

static ngx_str_t
ngx_http_blob_method_name(ngx_uint_t method)
{
    return ngx_http_blob_str(method == NGX_HTTP_HEAD     ? VIEW("HEAD")
                             : method == NGX_HTTP_PUT    ? VIEW("PUT")
                             : method == NGX_HTTP_DELETE ? VIEW("DELETE")
                                                         : VIEW("GET"));
}

static ngx_uint_t
ngx_http_blob_method(view_t name)
{
    return view_eq(name, VIEW("HEAD"))   ? NGX_HTTP_HEAD
         : view_eq(name, VIEW("PUT"))    ? NGX_HTTP_PUT
         : view_eq(name, VIEW("DELETE")) ? NGX_HTTP_DELETE
                                         : NGX_HTTP_GET;
}

ngx_int_t
ngx_http_blob_launch(ngx_http_request_t *r, ngx_pool_t *pool,
                     ngx_http_core_loc_conf_t *way, ngx_http_blob_sub_t *sub,
                     ngx_uint_t method, ngx_http_request_t **ret)
{
    ngx_http_post_subrequest_t *ps;
    ngx_http_request_t *sr;
    ngx_pool_t *saved = r->pool;
    ngx_int_t rc;

    ps = ngx_palloc(pool, sizeof(*ps));
    if (ps == NULL) {
        return NGX_ERROR;
    }
    ps->handler = ngx_http_blob_sub_done;
    ps->data = sub;

    r->pool = pool;
    rc = ngx_http_subrequest(
        r, &r->uri, NULL, &sr, ps,
        NGX_HTTP_SUBREQUEST_CLONE
            | (sub->in_memory ? NGX_HTTP_SUBREQUEST_IN_MEMORY : 0)
            | (r->background ? NGX_HTTP_SUBREQUEST_BACKGROUND : 0));
    r->pool = saved;
    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    sr->method = method;
    sr->method_name = ngx_http_blob_method_name(method);
    sr->request_body = NULL;
    sr->headers_in.headers = sub->out.headers;
    if (sr->headers_in.headers.last == &sub->out.headers.part) {
        sr->headers_in.headers.last = &sr->headers_in.headers.part;
    }
    sr->headers_in.content_length = NULL;
    sr->headers_in.content_length_n = method == NGX_HTTP_PUT ? 0 : -1;
    sr->headers_in.chunked = 0;
    sr->headers_in.range = NULL;
    sr->headers_in.if_range = NULL;
    sr->upstream_states = NULL;

    sr->loc_conf = way->loc_conf;
    ngx_http_update_location_config(sr);
    ngx_http_set_ctx(sr, sub, ngx_http_blob_module);

    if (ret != NULL) {
        *ret = sr;
    }
    return NGX_OK;
}

ngx_int_t
ngx_http_blob_sub_take(ngx_http_request_t *sr, ngx_http_blob_sub_t *sub)
{
    ngx_list_part_t *part;
    ngx_table_elt_t *h;
    ngx_uint_t i, n = 0;

    if (sr->upstream == NULL || sr->upstream->headers_in.status_n == 0) {
        return NGX_DECLINED; /* raised by nginx */
    }

    for (part = &sr->upstream->headers_in.headers.part; part;
         part = part->next) {
        n += part->nelts;
    }

    sub->hdrs = ngx_palloc(sr->pool, (n + 1) * sizeof(proto_header_t));
    if (sub->hdrs == NULL) {
        return NGX_ERROR;
    }

    sub->nhdrs = 0;
    for (part = &sr->upstream->headers_in.headers.part; part;
         part = part->next) {
        h = part->elts;
        for (i = 0; i < part->nelts; i++) {
            sub->hdrs[sub->nhdrs].name = ngx_http_blob_view(h[i].key);
            sub->hdrs[sub->nhdrs].value = ngx_http_blob_view(h[i].value);
            sub->nhdrs++;
        }
    }

    sub->status = sr->upstream->headers_in.status_n;
    sub->code =
        proto_answer_header(sub->hdrs, sub->nhdrs, VIEW("x-ms-error-code"));
    return NGX_OK;
}

/* ---- asks ------------------------------------------------------------- */

static void
ngx_http_blob_asked(ngx_http_request_t *r)
{
    ngx_http_blob_ctx_t *ctx =
        ngx_http_get_module_ctx(r, ngx_http_blob_module);
    ngx_http_blob_way_t *way = ctx->origin;

    if (way->ask->done && (r->background || r == r->connection->data)) {
        r->write_event_handler = ngx_http_request_empty_handler;
        ngx_http_blob_run(r, ctx);
    }
}

ngx_int_t
ngx_http_blob_ask_send(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                       const ngx_http_blob_out_spec_t *spec, bool in_memory,
                       const ngx_http_blob_step_t *next)
{
    ngx_http_blob_ways_t *ways = ngx_http_blob_ways(r);
    ngx_http_blob_way_t *way = ngx_http_blob_way(ctx);
    ngx_http_blob_sub_t *sub;

    sub = ngx_pcalloc(r->pool, sizeof(*sub));
    if (sub == NULL || way == NULL || ways == NULL) {
        return NGX_ERROR;
    }

    sub->kind = BLOB_CTX_ASK;
    sub->ctx = ctx;
    sub->in_memory = in_memory;
    way->ask = sub;
    way->asked_ms = ngx_http_blob_now_ms();

    if (ngx_http_blob_out_make(r->pool, ctx, spec, &sub->out) != NGX_OK) {
        return NGX_ERROR;
    }

    r->write_event_handler = ngx_http_blob_asked;
    ctx->step = next;

    if (ngx_http_blob_launch(r, r->pool, ways->ask, sub,
                             ngx_http_blob_method(spec->method), NULL)
        != NGX_OK)
    {
        r->write_event_handler = ngx_http_request_empty_handler;
        return NGX_ERROR;
    }

    return BLOB_WAIT;
}

ngx_int_t
ngx_http_blob_ask(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                  ngx_http_blob_ask_t what, const ngx_http_blob_step_t *next)
{
    ngx_http_blob_out_spec_t spec = { .method = VIEW("HEAD"),
                                      .content_length = -1 };
    view_t blob = ctx->uri.blob;
    ngx_int_t rc;

    switch (what) {
    case BLOB_ASK_BLOB:
        break;
    case BLOB_ASK_CONTAINER:
        spec.query = VIEW("restype=container");
        break;
    case BLOB_ASK_ACL:
        spec.query = VIEW("restype=container&comp=acl");
        spec.method = VIEW("GET");
        break;
    }
    if (what != BLOB_ASK_BLOB) {
        ctx->uri.blob = VIEW("");
    }

    rc = ngx_http_blob_out_resource(r->pool, ctx, &spec.resource);
    ctx->uri.blob = blob;

    return rc == NGX_OK ? ngx_http_blob_ask_send(r, ctx, &spec,
                                                 what == BLOB_ASK_ACL, next)
                        : NGX_ERROR;
}

/* ---- facts ------------------------------------------------------------ */

/* A time that is yet to come (the clock was set) is not believed. */
bool
ngx_http_blob_is_fresh(ngx_http_blob_ctx_t *ctx, int64_t checked_at_ms)
{
    int64_t age = ngx_http_blob_now_ms() - checked_at_ms;

    return age >= 0 && age < ctx->policy.fresh_ms;
}

void
ngx_http_blob_fact_find(ngx_http_blob_ctx_t *ctx, view_t blob)
{
    ngx_http_blob_way_t *way = ctx->origin;
    u_char *buf;

    way->has_fact = false;
    way->doubt_ms = 0;

    if (way->fact_scratch.buf == NULL) {
        buf = ngx_palloc(ctx->r->pool, STORE_RECORD_MAX);
        if (buf == NULL) {
            return;
        }
        writer_init_fixed(&way->fact_scratch, buf, STORE_RECORD_MAX);
    }

    if (store_fact_get(
            ctx->bmcf->reader, ngx_http_blob_view(ctx->account->name),
            ctx->uri.container, blob, &way->fact_scratch, &way->fact)
        == TIER_OK)
    {
        /* without an ETag: "unknown as of then" */
        way->has_fact = !way->fact.exists || way->fact.origin_etag.len != 0;
        way->doubt_ms = way->has_fact ? 0 : way->fact.checked_at_ms;
    }
}

bool
ngx_http_blob_fact_fresh(ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;

    return way->has_fact
        && ngx_http_blob_is_fresh(ctx, way->fact.checked_at_ms);
}

/* In a thread. */
static void
ngx_http_blob_fact_run(void *data, const tier_log_t *log)
{
    ngx_http_blob_fact_task_t *t = data;

    /* a cache: not being able to note it loses a round trip */
    if (store_fact_put(t->store, t->account, t->container, t->name, &t->fact)
        < 0) {
        tier_log(log, TIER_LOG_WARN,
                 "facts: cannot note what the origin said");
    }
}

static ngx_int_t
ngx_http_blob_fact_stored(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_crowd_release(ctx->origin);
    return ngx_http_blob_goto(ctx, ctx->next);
}

ngx_int_t
ngx_http_blob_fact_post(ngx_http_blob_ctx_t *ctx, view_t blob,
                        const store_fact_t *fact,
                        const ngx_http_blob_step_t *next)
{
    ngx_http_blob_fact_task_t *t;

    t = ngx_pcalloc(ctx->r->pool, sizeof(*t));
    if (t == NULL) {
        return NGX_ERROR;
    }

    t->store = ctx->bmcf->store;
    t->account = ngx_http_blob_view(ctx->account->name);
    t->container = ctx->uri.container;
    t->name = blob;
    t->fact = *fact;
    ctx->next = next;

    return ngx_http_blob_task(ctx, ctx->bmcf->io, ngx_http_blob_fact_run, t,
                              &ngx_http_blob_step_fact_stored);
}

ngx_int_t
ngx_http_blob_fact_learn(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                         const ngx_http_blob_step_t *next)
{
    ngx_http_blob_way_t *way = ctx->origin;
    ngx_http_blob_sub_t *ask = way->ask;
    proto_err_t err;
    writer_t w;
    u_char *buf;

    if (ask->status != NGX_HTTP_OK && ask->status != NGX_HTTP_NOT_FOUND) {
        err = ask->status == 0
                ? PROTO_ERR_SERVER_BUSY
                : proto_answer_error((unsigned) ask->status, ask->code);
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "blob: the origin answered %ui %*s to a HEAD",
                      ask->status, ask->code.len, ask->code.ptr);
        return ngx_http_blob_fail(r, ctx, err);
    }

    ngx_memzero(&way->fact, sizeof(way->fact));
    way->fact.checked_at_ms = way->asked_ms;
    way->fact.exists = ask->status == NGX_HTTP_OK;
    way->has_fact = true;

    if (way->fact.exists) {
        buf = ngx_palloc(r->pool, 2 * PROTO_METADATA_MAX);
        if (buf == NULL) {
            return NGX_ERROR;
        }
        writer_init_fixed(&w, buf, 2 * PROTO_METADATA_MAX);
        if (!proto_answer_blob(ask->hdrs, ask->nhdrs, &w, &way->fact.props)) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "blob: the origin's answer to a HEAD lacks ETag, "
                          "Last-Modified or Content-Length");
            return ngx_http_blob_fail(r, ctx, PROTO_ERR_SERVER_BUSY);
        }
        way->fact.origin_etag = way->fact.props.etag;
    }

    return ngx_http_blob_fact_post(ctx, ctx->uri.blob, &way->fact, next);
}

ngx_int_t
ngx_http_blob_fact_unknown(ngx_http_blob_ctx_t *ctx,
                           const ngx_http_blob_step_t *next)
{
    store_fact_t fact;

    ngx_memzero(&fact, sizeof(fact));
    fact.exists = true;
    fact.checked_at_ms = ngx_http_blob_now_ms();
    return ngx_http_blob_fact_post(ctx, ctx->uri.blob, &fact, next);
}
