#include "ngx_http_blob_origin.h"

#include "proto/batch.h"

/*
 * Blob Batch. Each part is a subrequest with a ctx of its own, that goes
 * parse -> gate -> dispatch like a client's request; what it answers is caught
 * where it would leave the filters.
 *
 *     outer  body ─▶ pump ─▶ ... ─▶ pump ─▶ answer
 *                     │ launch        ▲ post, when a part ends
 *     part            └▶ parse ─▶ gate ─▶ dispatch ─▶ ... ─▶ finalised
 *
 * Parts are background subrequests: they are not in the order of the outer
 * answer, and no client can hold them up. So are the asks that they start
 * (ask.c). Each has a pool of its own, which goes when its answer has been
 * written down, so that 256 parts need the memory of a few.
 */

#define BLOB_BATCH_PARALLEL 8
#define BLOB_PART_BODY_MAX  (64 * 1024)
#define BLOB_PART_POOL_SIZE 4096

typedef struct ngx_http_blob_batch_s ngx_http_blob_batch_t;

struct ngx_http_blob_batch_part_s {
    ngx_http_blob_batch_t *batch;
    const proto_batch_part_t *in;
    ngx_pool_t *pool; /* NULL: not begun, or written down */
    ngx_http_request_t *sr;
    u_char *body;
    size_t body_len;
    view_t text;       /* the answer, in the outer request's pool */
    unsigned headed:1; /* has a status and headers */
    unsigned failed:1;
    unsigned done:1;
};

struct ngx_http_blob_batch_s {
    ngx_http_blob_ctx_t *ctx;
    proto_op_id_t kind;
    proto_batch_part_t *in;
    ngx_http_blob_batch_part_t *parts;
    unsigned n;
    unsigned next;
    unsigned active;
    unsigned done;
    u_char guid[PROTO_BATCH_GUID_LEN];
};

static ngx_int_t ngx_http_blob_batch_begin(ngx_http_request_t *r,
                                           ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_batch_pump(ngx_http_request_t *r,
                                          ngx_http_blob_ctx_t *ctx);

static const ngx_http_blob_step_t ngx_http_blob_step_batch_begin = {
    "batch_begin", "reading blob batch", ngx_http_blob_batch_begin
};
static const ngx_http_blob_step_t ngx_http_blob_step_batch_pump = {
    "batch_pump", "running blob batch", ngx_http_blob_batch_pump
};

/* ---- what an answer says ---------------------------------------------- */

static view_t
ngx_http_blob_batch_guid(ngx_http_blob_batch_t *batch)
{
    return view_of(batch->guid, PROTO_BATCH_GUID_LEN);
}

static size_t
ngx_http_blob_part_room(ngx_http_blob_batch_part_t *part)
{
    size_t room = 1024 + part->in->content_id.len + part->body_len;
    ngx_list_part_t *lp;
    ngx_table_elt_t *h;
    ngx_uint_t i;

    for (lp = &part->sr->headers_out.headers.part; lp; lp = lp->next) {
        h = lp->elts;
        for (i = 0; i < lp->nelts; i++) {
            room += h[i].key.len + h[i].value.len + 4;
        }
    }

    return room + part->sr->headers_out.content_type.len;
}

static void
ngx_http_blob_part_headers(ngx_http_blob_batch_part_t *part, writer_t *w)
{
    ngx_http_request_t *sr = part->sr;
    ngx_list_part_t *lp;
    ngx_table_elt_t *h;
    ngx_uint_t i;
    view_t name;

    for (lp = &sr->headers_out.headers.part; lp; lp = lp->next) {
        h = lp->elts;
        for (i = 0; i < lp->nelts; i++) {
            name = ngx_http_blob_view(h[i].key);
            if (h[i].hash && !view_eq_ci(name, VIEW("Content-Length"))) {
                proto_batch_put_header(w, name,
                                       ngx_http_blob_view(h[i].value));
            }
        }
    }

    if (sr->headers_out.content_type.len) {
        proto_batch_put_header(
            w, VIEW("Content-Type"),
            ngx_http_blob_view(sr->headers_out.content_type));
    }
}

static void
ngx_http_blob_part_length(ngx_http_blob_batch_part_t *part, writer_t *w)
{
    u_char buf[NGX_INT64_LEN];
    writer_t n;

    if (part->body_len == 0) {
        return;
    }

    writer_init_fixed(&n, buf, sizeof(buf));
    writer_put_u64(&n, part->body_len);
    proto_batch_put_header(w, VIEW("Content-Length"), writer_view(&n));
}

/* A part that could not be run, or what it said is lost. */
static ngx_int_t
ngx_http_blob_part_refuse(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                          ngx_http_blob_batch_part_t *part, proto_err_t err)
{
    const proto_error_row_t *row = proto_error_row(err);
    size_t room = 1024;
    u_char *buf;
    view_t body;
    writer_t w;

    if (ngx_http_blob_error_body(r, ctx, err, &body) != NGX_OK) {
        return NGX_ERROR;
    }

    room += part->in->content_id.len + body.len;
    buf = ngx_pnalloc(r->pool, room);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    part->body_len = body.len;
    writer_init_fixed(&w, buf, room);
    proto_batch_put_open(&w, ngx_http_blob_batch_guid(part->batch),
                         part->in->content_id, row->status);
    proto_batch_put_header(&w, VIEW("x-ms-error-code"), view_str(row->code));
    proto_batch_put_header(&w, VIEW("x-ms-request-id"),
                           view_of(ctx->request_id, 36));
    proto_batch_put_header(&w, VIEW("Content-Type"), VIEW("application/xml"));
    ngx_http_blob_part_length(part, &w);
    proto_batch_put_body(&w, body);
    part->text = writer_view(&w);
    return writer_ok(&w) ? NGX_OK : NGX_ERROR;
}

/* The subrequest's answer, written down in the outer request's memory. */
static ngx_int_t
ngx_http_blob_part_write(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                         ngx_http_blob_batch_part_t *part)
{
    size_t room;
    u_char *buf;
    writer_t w;

    if (!part->headed || part->failed) {
        return ngx_http_blob_part_refuse(r, ctx, part,
                                         PROTO_ERR_INTERNAL_ERROR);
    }

    room = ngx_http_blob_part_room(part);
    buf = ngx_pnalloc(r->pool, room);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    writer_init_fixed(&w, buf, room);
    proto_batch_put_open(&w, ngx_http_blob_batch_guid(part->batch),
                         part->in->content_id,
                         (unsigned) part->sr->headers_out.status);
    ngx_http_blob_part_headers(part, &w);
    ngx_http_blob_part_length(part, &w);
    proto_batch_put_body(&w, view_of(part->body, part->body_len));
    part->text = writer_view(&w);
    return writer_ok(&w) ? NGX_OK : NGX_ERROR;
}

/* ---- catching it: the end of the filters ------------------------------ */

ngx_int_t
ngx_http_blob_part_header(ngx_http_request_t *sr,
                          ngx_http_blob_batch_part_t *part)
{
    sr->header_sent = 1;
    part->headed = 1;
    return NGX_OK;
}

ngx_int_t
ngx_http_blob_part_body(ngx_http_request_t *sr,
                        ngx_http_blob_batch_part_t *part, ngx_chain_t *in)
{
    ngx_buf_t *b;
    size_t size;

    for (; in; in = in->next) {
        b = in->buf;
        size = ngx_buf_in_memory(b) ? (size_t) (b->last - b->pos) : 0;

        if (size > BLOB_PART_BODY_MAX - part->body_len) {
            return NGX_ERROR;
        }

        if (size != 0) {
            if (part->body == NULL) {
                part->body = ngx_palloc(part->pool, BLOB_PART_BODY_MAX);
                if (part->body == NULL) {
                    return NGX_ERROR;
                }
            }
            ngx_memcpy(part->body + part->body_len, b->pos, size);
            part->body_len += size;
            b->pos = b->last;
        }
        b->file_pos = b->file_last;
    }

    return NGX_OK;
}

/* Runs at each finalisation of a part. Only the end of the connection ends
 * the others too. */
static ngx_int_t
ngx_http_blob_part_done(ngx_http_request_t *sr, void *data, ngx_int_t rc)
{
    ngx_http_blob_batch_part_t *part = data;

    if (sr->connection->error) {
        return rc;
    }

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE && !part->headed
        && rc != NGX_HTTP_CLIENT_CLOSED_REQUEST
        && rc != NGX_HTTP_REQUEST_TIME_OUT && rc != NGX_HTTP_CLOSE)
    {
        return rc; /* the filter makes a document of it, and it comes again */
    }

    if (rc == NGX_ERROR || rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        part->failed = 1;
        ngx_http_blob_forward_lost(
            sr, ngx_http_get_module_ctx(sr, ngx_http_blob_module));
    }

    if (sr->buffered || sr->postponed) {
        return NGX_OK;
    }

    if (!part->done) {
        part->done = 1;
        if (ngx_http_post_request(sr->main, NULL) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}

/* ---- launching -------------------------------------------------------- */

/* The part's headers in place of the outer request's. */
static ngx_int_t
ngx_http_blob_part_request(ngx_http_request_t *sr,
                           ngx_http_blob_batch_part_t *part)
{
    const proto_batch_part_t *in = part->in;
    ngx_http_headers_in_t *to = &sr->headers_in;
    ngx_table_elt_t *host = to->host, *h;
    ngx_str_t server = to->server;
    proto_header_t *hdrs;
    uint64_t length;
    unsigned i;

    hdrs = ngx_palloc(part->pool, (in->nhdrs + 1) * sizeof(*hdrs));
    ngx_memzero(to, sizeof(*to));
    if (hdrs == NULL
        || ngx_list_init(&to->headers, part->pool, in->nhdrs + 1,
                         sizeof(ngx_table_elt_t))
               != NGX_OK)
    {
        return NGX_ERROR;
    }

    to->host = host;
    to->server = server;
    to->content_length_n = -1;
    to->keep_alive_n = -1;

    proto_batch_headers(in, hdrs);
    for (i = 0; i < in->nhdrs; i++) {
        h = ngx_list_push(&to->headers);
        if (h == NULL) {
            return NGX_ERROR;
        }
        ngx_memzero(h, sizeof(*h));
        h->hash = 1;
        h->key = ngx_http_blob_str(hdrs[i].name);
        h->value = ngx_http_blob_str(hdrs[i].value);
        h->lowcase_key = ngx_pnalloc(part->pool, h->key.len + 1);
        if (h->lowcase_key == NULL) {
            return NGX_ERROR;
        }
        ngx_strlow(h->lowcase_key, h->key.data, h->key.len);

        if (view_eq_ci(hdrs[i].name, VIEW("Content-Length"))
            && view_to_u64(hdrs[i].value, &length) && length == 0)
        {
            to->content_length_n = 0;
        }
    }

    sr->method = part->batch->kind == PROTO_OP_DELETE_BLOB ? NGX_HTTP_DELETE
                                                           : NGX_HTTP_PUT;
    sr->method_name = ngx_http_blob_str(in->method);
    sr->unparsed_uri = ngx_http_blob_str(in->target);
    sr->request_body = NULL;
    sr->discard_body = 0;
    sr->filter_need_in_memory = 1;
    return NGX_OK;
}

static ngx_int_t
ngx_http_blob_part_launch(ngx_http_request_t *r,
                          ngx_http_blob_batch_part_t *part)
{
    ngx_http_post_subrequest_t *ps;
    ngx_http_blob_ctx_t *ctx;
    ngx_http_request_t *sr;
    ngx_pool_t *saved = r->pool;
    ngx_int_t rc;

    part->pool = ngx_create_pool(BLOB_PART_POOL_SIZE, r->connection->log);
    if (part->pool == NULL) {
        return NGX_ERROR;
    }

    ps = ngx_palloc(part->pool, sizeof(*ps));
    if (ps == NULL) {
        return NGX_ERROR;
    }
    ps->handler = ngx_http_blob_part_done;
    ps->data = part;

    r->pool = part->pool;
    rc = ngx_http_subrequest(r, &r->uri, NULL, &sr, ps,
                             NGX_HTTP_SUBREQUEST_CLONE
                                 | NGX_HTTP_SUBREQUEST_BACKGROUND);
    r->pool = saved;
    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    /* from here on it runs, and the handler ends it if it has no ctx */
    part->sr = sr;
    if (ngx_http_blob_part_request(sr, part) != NGX_OK) {
        return NGX_OK;
    }

    ctx = ngx_http_blob_ctx_create(sr);
    if (ctx != NULL) {
        ctx->part = part;
    }
    return NGX_OK;
}

/* ---- what the handler and parse ask ----------------------------------- */

bool
ngx_http_blob_is_part(ngx_http_request_t *r)
{
    return r->post_subrequest != NULL
        && r->post_subrequest->handler == ngx_http_blob_part_done;
}

void
ngx_http_blob_part_opts(ngx_http_blob_ctx_t *ctx, proto_uri_opts_t *opts)
{
    *opts = proto_batch_uri_opts(&ctx->part->batch->ctx->uri, ctx->target);
}

proto_err_t
ngx_http_blob_part_check(ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_ctx_t *outer = ctx->part->batch->ctx;

    proto_batch_inherit(&outer->headers, &outer->uri, &ctx->headers);
    ctx->uri.secondary = outer->uri.secondary;
    return proto_batch_part_check(&outer->uri, ctx->part->batch->kind, ctx->op,
                                  &ctx->uri);
}

/* ---- the outer request ------------------------------------------------ */

static bool
ngx_http_blob_part_posted(ngx_http_request_t *r,
                          ngx_http_blob_batch_part_t *part)
{
    ngx_http_posted_request_t *pr;

    for (pr = r->main->posted_requests; pr; pr = pr->next) {
        if (pr->request == part->sr || pr->request->parent == part->sr) {
            return true;
        }
    }

    return false;
}

static void
ngx_http_blob_batch_cleanup(void *data)
{
    ngx_http_blob_batch_t *batch = data;
    ngx_pool_t *pool;
    unsigned i;

    for (i = 0; i < batch->n; i++) {
        pool = batch->parts[i].pool;
        batch->parts[i].pool = NULL;
        if (pool != NULL) {
            ngx_destroy_pool(pool);
        }
    }
}

/* A part ended; or something happened to the client's connection, which
 * nobody wants to know before the answer. */
static void
ngx_http_blob_batch_event(ngx_http_request_t *r)
{
    ngx_event_t *wev = r->connection->write;

    if (wev->timer_set && !wev->delayed) {
        ngx_del_timer(wev); /* of a part that held its answer */
    }
    if (!wev->delayed) {
        wev->timedout = 0;
    }

    ngx_http_blob_run(r, ngx_http_get_module_ctx(r, ngx_http_blob_module));
}

static ngx_int_t
ngx_http_blob_batch_reply(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                          ngx_http_blob_batch_t *batch)
{
    u_char type[128], *buf;
    size_t room = 128;
    writer_t w, t;
    unsigned i;

    for (i = 0; i < batch->n; i++) {
        room += batch->parts[i].text.len;
    }

    buf = ngx_pnalloc(r->pool, room);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    writer_init_fixed(&w, buf, room);
    for (i = 0; i < batch->n; i++) {
        writer_put(&w, batch->parts[i].text);
    }
    proto_batch_put_close(&w, ngx_http_blob_batch_guid(batch));

    writer_init_fixed(&t, type, sizeof(type));
    proto_batch_put_type(&t, ngx_http_blob_batch_guid(batch));
    if (!writer_ok(&w) || !writer_ok(&t)) {
        return NGX_ERROR;
    }

    r->write_event_handler = ngx_http_request_empty_handler;
    return ngx_http_blob_reply(r, ctx, NGX_HTTP_ACCEPTED, writer_view(&t),
                               writer_view(&w));
}

static ngx_int_t
ngx_http_blob_batch_collect(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                            ngx_http_blob_batch_t *batch)
{
    ngx_http_blob_batch_part_t *part;
    ngx_pool_t *pool;
    unsigned i;

    for (i = 0; i < batch->next; i++) {
        part = &batch->parts[i];
        if (!part->done || part->pool == NULL) {
            continue;
        }

        if (part->text.ptr == NULL) {
            if (ngx_http_blob_part_write(r, ctx, part) != NGX_OK) {
                return NGX_ERROR;
            }
            batch->active--;
            batch->done++;
        }

        if (!ngx_http_blob_part_posted(r, part)) {
            pool = part->pool;
            part->pool = NULL;
            ngx_destroy_pool(pool);
        }
    }

    return NGX_OK;
}

static ngx_int_t
ngx_http_blob_batch_pump(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_batch_t *batch = ctx->op_data;
    ngx_http_blob_batch_part_t *part;

    if (ngx_http_blob_batch_collect(r, ctx, batch) != NGX_OK) {
        return NGX_ERROR;
    }

    while (batch->active < BLOB_BATCH_PARALLEL && batch->next < batch->n) {
        part = &batch->parts[batch->next++];
        if (ngx_http_blob_part_launch(r, part) == NGX_OK) {
            batch->active++;
            continue;
        }

        if (ngx_http_blob_part_refuse(r, ctx, part, PROTO_ERR_INTERNAL_ERROR)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
        batch->done++;
    }

    if (batch->done == batch->n) {
        return ngx_http_blob_batch_reply(r, ctx, batch);
    }

    r->write_event_handler = ngx_http_blob_batch_event;
    return BLOB_WAIT;
}

static ngx_http_blob_batch_t *
ngx_http_blob_batch_new(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_batch_t *batch;
    ngx_pool_cleanup_t *cln;

    batch = ngx_pcalloc(r->pool, sizeof(*batch));
    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (batch == NULL || cln == NULL) {
        return NULL;
    }

    batch->in =
        ngx_palloc(r->pool, PROTO_BATCH_PARTS_MAX * sizeof(*batch->in));
    if (batch->in == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_blob_batch_cleanup;
    cln->data = batch;
    batch->ctx = ctx;
    ngx_http_blob_request_id(batch->guid);
    ctx->op_data = batch;
    return batch;
}

static ngx_int_t
ngx_http_blob_batch_begin(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_batch_t *batch = ngx_http_blob_batch_new(r, ctx);
    view_t boundary;
    proto_err_t err;
    unsigned i, n = 0;

    if (batch == NULL) {
        return NGX_ERROR;
    }

    err =
        proto_batch_boundary(proto_hdr(&ctx->headers, PROTO_HDR_CONTENT_TYPE),
                             &boundary, &ctx->fault);
    if (err == PROTO_OK) {
        err = proto_batch_parse(ngx_http_blob_body_view(ctx), boundary,
                                batch->in, &n, &ctx->fault);
    }
    if (err == PROTO_OK) {
        err = proto_batch_check(batch->in, n, &batch->kind, &ctx->fault);
    }
    if (err != PROTO_OK && err != PROTO_ERR_EXCEEDS_MAX_BATCH_REQUEST_COUNT) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    /* too many: one part says so, without a Content-ID */
    if (err != PROTO_OK) {
        n = 1;
        batch->in[0].content_id = VIEW_NULL;
    }

    batch->parts = ngx_pcalloc(r->pool, n * sizeof(*batch->parts));
    if (batch->parts == NULL) {
        return NGX_ERROR;
    }
    batch->n = n;
    for (i = 0; i < n; i++) {
        batch->parts[i].batch = batch;
        batch->parts[i].in = &batch->in[i];
    }

    if (err != PROTO_OK) {
        return ngx_http_blob_part_refuse(r, ctx, &batch->parts[0], err)
                    != NGX_OK
                 ? NGX_ERROR
                 : ngx_http_blob_batch_reply(r, ctx, batch);
    }

    return ngx_http_blob_goto(ctx, &ngx_http_blob_step_batch_pump);
}

ngx_int_t
ngx_http_blob_batch(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    proto_err_t err;
    view_t boundary;

    err =
        proto_batch_boundary(proto_hdr(&ctx->headers, PROTO_HDR_CONTENT_TYPE),
                             &boundary, &ctx->fault);
    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    return ngx_http_blob_body_read(r, ctx, (size_t) ctx->op->body_limit,
                                   &ngx_http_blob_step_batch_begin);
}
