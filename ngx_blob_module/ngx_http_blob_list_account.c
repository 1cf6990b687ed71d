#include "ngx_http_blob_origin.h"

#include "proto/containers.h"
#include "proto/lease.h"
#include "proto/xml_out.h"

/*
 * List Containers of an account with an origin. The origin answers; containers
 * that were made here while it was away and that it is still to be told of
 * are put in where they belong.
 *
 *     index is scanned ──▶ forwarded ──▶ the document is completed (answer.c)
 *
 * The index is looked at first: a container that is carried in between is in
 * one of the two.
 */

#define BLOB_PENDING_MAX   (16 * 1024 * 1024)
#define BLOB_PENDING_SLICE 1000

typedef struct {
    size_t name, xml, end; /* in `text` */
} ngx_http_blob_pending_t;

typedef struct {
    proto_containers_t ask;
    store_reader_t *reader;
    view_t account;
    int64_t now_ms;
    u_char cursor_buf[STORE_LABEL_MAX];
    view_t cursor;
    writer_t text;  /* names and elements */
    writer_t items; /* ngx_http_blob_pending_t */
    unsigned n;
    uint64_t seen;
    tier_rc_t rc;
} ngx_http_blob_la_t;

static ngx_int_t ngx_http_blob_la_scanned(ngx_http_request_t *r,
                                          ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_la_forward(ngx_http_request_t *r,
                                          ngx_http_blob_ctx_t *ctx);

static const ngx_http_blob_step_t ngx_http_blob_step_la_scanned = {
    "la_scanned", "listing containers", ngx_http_blob_la_scanned
};
static const ngx_http_blob_step_t ngx_http_blob_step_la_forward = {
    "la_forward", "forwarding request", ngx_http_blob_la_forward
};

static void
ngx_http_blob_la_cleanup(void *data)
{
    ngx_http_blob_la_t *la = data;

    writer_free(&la->text);
    writer_free(&la->items);
}

/* ---- in a thread ------------------------------------------------------ */

static int
ngx_http_blob_la_one(void *data, view_t name, const store_container_t *c)
{
    ngx_http_blob_la_t *la = data;
    container_props_t props = c->props;
    ngx_http_blob_pending_t item;

    ngx_memcpy(la->cursor_buf, name.ptr, name.len);
    la->cursor = view_of(la->cursor_buf, name.len);

    if (c->state != STORE_DIRTY) {
        return 0;
    }

    proto_lease_settle(&props.lease, la->now_ms);
    item.name = la->text.len;
    writer_put(&la->text, name);
    item.xml = la->text.len;
    proto_xml_container(&la->text, name, &props, la->ask.metadata);
    item.end = la->text.len;
    writer_put(&la->items, view_of(&item, sizeof(item)));

    /* one more says that there are more */
    return ++la->n > la->ask.max || !writer_ok(&la->text)
        || !writer_ok(&la->items);
}

static void
ngx_http_blob_la_task(void *data, const tier_log_t *log)
{
    ngx_http_blob_la_t *la = data;
    store_scan_t scan = { .prefix = la->ask.prefix,
                          .limit = BLOB_PENDING_SLICE };
    uint64_t seen = 0;

    la->cursor = la->ask.last;

    do {
        scan.from = la->cursor.len ? la->cursor : VIEW_NULL;
        la->rc = store_container_scan(la->reader, la->account, &scan,
                                      ngx_http_blob_la_one, la, &seen);
        la->seen = ngx_max(la->seen, seen);
    } while (la->rc == TIER_OK && la->n <= la->ask.max && writer_ok(&la->text)
             && writer_ok(&la->items));

    if (la->rc >= 0) {
        la->rc = writer_ok(&la->text) ? la->items.rc : la->text.rc;
    }
}

/* ---- the request ------------------------------------------------------ */

static ngx_http_blob_la_t *
ngx_http_blob_la_new(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_la_t *la = ngx_pcalloc(r->pool, sizeof(*la));
    ngx_pool_cleanup_t *cln = ngx_pool_cleanup_add(r->pool, 0);

    if (la == NULL || cln == NULL) {
        return NULL;
    }

    writer_init_grow(&la->text, BLOB_PENDING_MAX, NULL, NULL);
    writer_init_grow(&la->items, BLOB_PENDING_MAX, NULL, NULL);
    cln->handler = ngx_http_blob_la_cleanup;
    cln->data = la;

    la->account = ngx_http_blob_view(ctx->account->name);
    la->now_ms = ngx_http_blob_now_ms();
    proto_containers_parse(&ctx->uri, &la->ask);
    ctx->op_data = la;
    return la;
}

ngx_int_t
ngx_http_blob_list_account(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_la_t *la = ngx_http_blob_la_new(r, ctx);
    uint64_t highest;
    tier_rc_t rc;

    if (la == NULL) {
        return NGX_ERROR;
    }

    rc = store_dirty_upto(ctx->bmcf->reader, la->account, VIEW_NULL, VIEW_NULL,
                          &highest, NULL);
    if (rc < 0) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(rc));
    }

    if (highest == 0) {
        return ngx_http_blob_forward(r, ctx);
    }

    la->reader = ngx_http_blob_thread_reader(ctx);
    if (la->reader == NULL) {
        return NGX_ERROR;
    }

    return ngx_http_blob_task(ctx, ctx->bmcf->io, ngx_http_blob_la_task, la,
                              &ngx_http_blob_step_la_scanned);
}

static ngx_int_t
ngx_http_blob_la_scanned(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_la_t *la = ctx->op_data;

    if (la->rc != TIER_OK) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(la->rc));
    }

    if (la->n == 0) {
        return ngx_http_blob_forward(r, ctx);
    }

    ctx->seen = ngx_max(ctx->seen, la->seen);
    return ngx_http_blob_wait_durable(ctx, &ngx_http_blob_step_la_forward);
}

static ngx_int_t
ngx_http_blob_la_forward(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    return ngx_http_blob_forward(r, ctx);
}

/* ---- out and back ----------------------------------------------------- */

ngx_int_t
ngx_http_blob_list_query(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                         view_t *query)
{
    ngx_http_blob_la_t *la = ctx->op_data;
    writer_t w, scratch;
    size_t cap;
    u_char *p;

    if (ctx->op->id != PROTO_OP_LIST_CONTAINERS || la == NULL) {
        return NGX_OK;
    }

    cap = query->len + 3 * la->ask.marker.len + 16;
    p = ngx_pnalloc(r->pool, cap + query->len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    writer_init_fixed(&w, p, cap);
    writer_init_fixed(&scratch, p + cap, query->len + 1);
    proto_containers_query(&w, *query, &la->ask, &scratch);
    *query = writer_view(&w);
    return writer_ok(&w) ? NGX_OK : NGX_ERROR;
}

ngx_int_t
ngx_http_blob_list_pending(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_fwd_t *fwd = ngx_http_blob_fwd(ctx);
    ngx_http_blob_la_t *la = ctx->op_data;
    ngx_http_blob_pending_t item;
    proto_pending_t *ours;
    unsigned i;
    writer_t w;
    size_t cap;
    u_char *p;

    /* markers may become six times as long as they were sent */
    cap = fwd->len + la->text.len
        + 6 * (la->ask.marker.len + la->ask.last.len + STORE_LABEL_MAX) + 256;
    p = ngx_palloc(r->pool, cap);
    ours = ngx_palloc(r->pool, (la->n + 1) * sizeof(*ours));
    if (p == NULL || ours == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < la->n; i++) {
        ngx_memcpy(&item, la->items.buf + i * sizeof(item), sizeof(item));
        ours[i].name = view_of(la->text.buf + item.name, item.xml - item.name);
        ours[i].xml = view_of(la->text.buf + item.xml, item.end - item.xml);
    }

    writer_init_fixed(&w, p, cap);
    proto_containers_merge(&w, view_of(fwd->body, fwd->len), &la->ask, ours,
                           la->n);
    fwd->body = p;
    fwd->len = w.len;
    return writer_ok(&w) ? NGX_OK : NGX_ERROR;
}
