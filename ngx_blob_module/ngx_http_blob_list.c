#include "ngx_http_blob.h"

#include "proto/lease.h"
#include "proto/list.h"
#include "proto/reply.h"

/*
 * List Blobs and List Containers without an origin, Get Block List. Each is
 * one task: it scans with a reader of its own, in slices, and writes the
 * document as it goes. The document is malloc'd memory that the reply sends
 * as it is.
 */

#define BLOB_LIST_BODY_MAX (64 * 1024 * 1024)
#define BLOB_LIST_SLICE    1000

typedef struct {
    store_reader_t *reader;
    writer_t out;
    u_char cursor_buf[STORE_NAME_MAX + 8];
    u_char marker_buf[STORE_NAME_MAX + 8];
    view_t cursor; /* last name looked at */
    bool cursor_prefix;
    bool cursor_too;          /* not looked at yet */
    bool ended;               /* what follows was not asked for */
    uint64_t cursor_snapshot; /* of it; 0: its base was looked at */
    view_t marker;            /* last name written */
    uint64_t marker_snapshot;
    unsigned count;
    bool more;
    proto_list_opts_t opts;
    view_t account;
    uint64_t incarnation;
    uint64_t seen;
    int64_t now_ms; /* leases are listed as of then */
    tier_rc_t rc;

    /* Get Block List */
    view_t name;
    uint64_t content;
    bool snapshot; /* has no uncommitted blocks */
    bool committed;
    bool uncommitted;
    bool section; /* our uncommitted blocks alone, to be spliced in */
} ngx_http_blob_ls_t;

static ngx_int_t ngx_http_blob_list_start(ngx_http_request_t *r,
                                          ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_listed(ngx_http_request_t *r,
                                      ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_list_send(ngx_http_request_t *r,
                                         ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_blocks_start(ngx_http_request_t *r,
                                            ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_blocks_listed(ngx_http_request_t *r,
                                             ngx_http_blob_ctx_t *ctx);

static ngx_int_t ngx_http_blob_blocks_known(ngx_http_request_t *r,
                                            ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_blocks_spliced(ngx_http_request_t *r,
                                              ngx_http_blob_ctx_t *ctx);

static const ngx_http_blob_step_t ngx_http_blob_step_blocks_known = {
    "blocks_known", "listing blocks", ngx_http_blob_blocks_known
};
static const ngx_http_blob_step_t ngx_http_blob_step_blocks_spliced = {
    "blocks_spliced", "listing blocks", ngx_http_blob_blocks_spliced
};
static const ngx_http_blob_step_t ngx_http_blob_step_list_start = {
    "list_start", "listing blobs", ngx_http_blob_list_start
};
static const ngx_http_blob_step_t ngx_http_blob_step_listed = {
    "listed", "listing blobs", ngx_http_blob_listed
};
static const ngx_http_blob_step_t ngx_http_blob_step_list_send = {
    "list_send", "sending listing", ngx_http_blob_list_send
};
static const ngx_http_blob_step_t ngx_http_blob_step_blocks_start = {
    "blocks_start", "listing blocks", ngx_http_blob_blocks_start
};
static const ngx_http_blob_step_t ngx_http_blob_step_blocks_listed = {
    "blocks_listed", "listing blocks", ngx_http_blob_blocks_listed
};

static void
ngx_http_blob_ls_cleanup(void *data)
{
    ngx_http_blob_ls_t *ls = data;

    writer_free(&ls->out);
}

static ngx_http_blob_ls_t *
ngx_http_blob_ls_new(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_ls_t *ls;
    ngx_pool_cleanup_t *cln;

    ls = ngx_pcalloc(r->pool, sizeof(*ls));
    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (ls == NULL || cln == NULL) {
        return NULL;
    }

    writer_init_grow(&ls->out, BLOB_LIST_BODY_MAX, NULL, NULL);
    cln->handler = ngx_http_blob_ls_cleanup;
    cln->data = ls;

    ls->now_ms = ngx_http_blob_now_ms();
    ls->account = ngx_http_blob_view(ctx->account->name);
    ls->reader = ngx_http_blob_thread_reader(ctx);
    ctx->op_data = ls;
    return ls->reader == NULL ? NULL : ls;
}

/* ---- in a thread ------------------------------------------------------ */

static view_t
ngx_http_blob_ls_keep(u_char *buf, view_t name)
{
    size_t len = ngx_min(name.len, STORE_NAME_MAX);

    if (len) {
        ngx_memcpy(buf, name.ptr, len);
    }
    return view_of(buf, len);
}

/* Room for one more? The one that has none only says that there is more. */
static bool
ngx_http_blob_ls_full(ngx_http_blob_ls_t *ls)
{
    if (ls->count == ls->opts.max) {
        ls->more = true;
        return true;
    }

    ls->count++;
    return false;
}

/* 1 ends the scan: the page is full, or a prefix is to be stepped over. */
static int
ngx_http_blob_ls_blob(void *data, view_t name, const store_blob_t *blob)
{
    ngx_http_blob_ls_t *ls = data;
    bool visible = store_blob_visible(blob);
    blob_props_t props = blob->props;
    proto_list_blob_t item = { .name = name,
                               .props = &props,
                               .snapshot = blob->snapshot,
                               .uncommitted = !visible,
                               .metadata = ls->opts.metadata,
                               .tags = ls->opts.tags,
                               .copy = ls->opts.copy };
    view_t prefix;

    ls->cursor = ngx_http_blob_ls_keep(ls->cursor_buf, name);
    ls->cursor_prefix = false;
    ls->cursor_too = false;
    ls->cursor_snapshot = blob->snapshot;

    if (ls->opts.before.len && view_cmp(name, ls->opts.before) >= 0) {
        ls->ended = true;
        return 1;
    }

    if (!visible
        && !(ls->opts.uncommitted && blob->uncommitted
             && blob->state == STORE_NONE))
    {
        return 0;
    }

    if (ngx_http_blob_ls_full(ls)) {
        return 1;
    }

    if (proto_list_fold(&ls->opts, name, &prefix)) {
        proto_xml_blob_prefix(&ls->out, prefix);
        ls->cursor = ngx_http_blob_ls_keep(ls->cursor_buf, prefix);
        ls->cursor_prefix = true;
        ls->cursor_snapshot = 0;
        ls->marker = ngx_http_blob_ls_keep(ls->marker_buf, prefix);
        ls->marker_snapshot = 0;
        return 1;
    }

    proto_lease_settle(&props.lease, ls->now_ms);
    proto_xml_blob(&ls->out, &item);
    ls->marker = ngx_http_blob_ls_keep(ls->marker_buf, name);
    ls->marker_snapshot = blob->snapshot;
    return writer_ok(&ls->out) ? 0 : 1;
}

static int
ngx_http_blob_ls_container(void *data, view_t name,
                           const store_container_t *container)
{
    ngx_http_blob_ls_t *ls = data;
    container_props_t props = container->props;

    ls->cursor = ngx_http_blob_ls_keep(ls->cursor_buf, name);

    if (ngx_http_blob_ls_full(ls)) {
        return 1;
    }

    proto_lease_settle(&props.lease, ls->now_ms);
    proto_xml_container(&ls->out, name, &props, ls->opts.metadata);
    ls->marker = ngx_http_blob_ls_keep(ls->marker_buf, name);
    return writer_ok(&ls->out) ? 0 : 1;
}

static void
ngx_http_blob_ls_task(void *data, const tier_log_t *log)
{
    ngx_http_blob_ls_t *ls = data;
    store_scan_t scan = { .prefix = ls->opts.prefix,
                          .limit = BLOB_LIST_SLICE,
                          .snapshots = ls->opts.snapshots };
    uint64_t seen = 0;
    u_char buf[2 * STORE_NAME_MAX + 64];
    writer_t next;

    ls->cursor = ls->opts.after;
    ls->cursor_prefix = ls->opts.after_prefix;
    ls->cursor_too = ls->opts.after_too;
    ls->cursor_snapshot = ls->opts.after_snapshot;

    do {
        scan.from = ls->cursor.len ? ls->cursor : VIEW_NULL;
        scan.from_prefix = ls->cursor_prefix;
        scan.from_too = ls->cursor_too;
        scan.snapshot = ls->cursor_snapshot;
        ls->rc =
            ls->incarnation
                ? store_blob_scan(ls->reader, ls->incarnation, &scan,
                                  ngx_http_blob_ls_blob, ls, &seen)
                : store_container_scan(ls->reader, ls->account, &scan,
                                       ngx_http_blob_ls_container, ls, &seen);
        ls->seen = ngx_max(ls->seen, seen);
    } while (ls->rc == TIER_OK && !ls->more && !ls->ended
             && writer_ok(&ls->out));

    writer_init_fixed(&next, buf, sizeof(buf));
    if (ls->more) {
        proto_marker_format(&next, ls->marker, ls->marker_snapshot);
    }

    if (ls->incarnation) {
        proto_xml_blobs_end(&ls->out, writer_view(&next));

    } else {
        proto_xml_containers_end(&ls->out, writer_view(&next));
    }

    if (ls->rc >= 0) {
        ls->rc = writer_ok(&ls->out) ? next.rc : ls->out.rc;
    }
}

/* ---- listings --------------------------------------------------------- */

/* Where clients reach the account: of the request itself. */
view_t
ngx_http_blob_endpoint(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    size_t cap = ctx->host.len + ctx->account->name.len + 16;
    u_char *p = ngx_pnalloc(r->pool, cap);
    writer_t w;

    if (p == NULL) {
        return VIEW_NULL;
    }

    writer_init_fixed(&w, p, cap);
    writer_puts(&w, ctx->auth_in.https ? "https://" : "http://");
    writer_put(&w, ctx->host);
    writer_putc(&w, '/');
    if (ctx->uri.path_style) {
        writer_put(&w, ngx_http_blob_view(ctx->account->name));
        writer_putc(&w, '/');
    }

    return writer_view(&w);
}

static ngx_int_t
ngx_http_blob_list_prepare(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_ls_t *ls = ngx_http_blob_ls_new(r, ctx);
    proto_err_t err;

    if (ls == NULL) {
        return NGX_ERROR;
    }

    err = proto_list_parse(&ctx->uri, &ctx->scratch, &ls->opts, &ctx->fault);
    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    ls->opts.echo.endpoint = ngx_http_blob_endpoint(r, ctx);
    return NGX_OK;
}

ngx_int_t
ngx_http_blob_list_blobs(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_int_t rc;

    if (ngx_http_blob_has_origin(ctx)) {
        return ngx_http_blob_list_origin(r, ctx);
    }

    rc = ngx_http_blob_list_prepare(r, ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_blob_need_container(r, ctx,
                                        &ngx_http_blob_step_list_start);
}

static ngx_int_t
ngx_http_blob_list_start(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_ls_t *ls = ctx->op_data;

    ls->incarnation = ctx->container.incarnation;
    proto_xml_blobs_begin(&ls->out, &ls->opts.echo);
    return ngx_http_blob_task(ctx, ctx->bmcf->io, ngx_http_blob_ls_task, ls,
                              &ngx_http_blob_step_listed);
}

ngx_int_t
ngx_http_blob_list_containers(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_int_t rc = ngx_http_blob_list_prepare(r, ctx);
    ngx_http_blob_ls_t *ls = ctx->op_data;

    if (rc != NGX_OK) {
        return rc;
    }

    ls->opts.delimiter = VIEW_NULL;
    proto_xml_containers_begin(&ls->out, &ls->opts.echo);
    return ngx_http_blob_task(ctx, ctx->bmcf->io, ngx_http_blob_ls_task, ls,
                              &ngx_http_blob_step_listed);
}

static ngx_int_t
ngx_http_blob_listed(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_ls_t *ls = ctx->op_data;

    if (ls->rc != TIER_OK) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(ls->rc));
    }

    ctx->seen = ngx_max(ctx->seen, ls->seen);
    return ngx_http_blob_wait_durable(ctx, &ngx_http_blob_step_list_send);
}

static ngx_int_t
ngx_http_blob_list_send(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_ls_t *ls = ctx->op_data;

    return ngx_http_blob_reply(r, ctx, NGX_HTTP_OK, VIEW("application/xml"),
                               writer_view(&ls->out));
}

/* ---- Get Block List --------------------------------------------------- */

static int
ngx_http_blob_ls_block(void *data, view_t id, uint64_t length)
{
    ngx_http_blob_ls_t *ls = data;

    proto_xml_block(&ls->out, id, length);
    return writer_ok(&ls->out) ? 0 : 1;
}

static void
ngx_http_blob_blocks_task(void *data, const tier_log_t *log)
{
    ngx_http_blob_ls_t *ls = data;
    tier_rc_t rc = TIER_OK;

    if (!ls->section) {
        proto_xml_block_list_begin(&ls->out);
    }

    if (ls->committed && !ls->section) {
        proto_xml_blocks_begin(&ls->out, true);
        if (ls->content) {
            rc = store_blocks_committed(ls->reader, ls->content,
                                        ngx_http_blob_ls_block, ls);
        }
        proto_xml_blocks_end(&ls->out, true);
    }

    if (ls->uncommitted && rc >= 0) {
        proto_xml_blocks_begin(&ls->out, false);
        if (!ls->snapshot) {
            rc =
                store_blocks_uncommitted(ls->reader, ls->incarnation, ls->name,
                                         ngx_http_blob_ls_block, ls);
        }
        proto_xml_blocks_end(&ls->out, false);
    }

    if (!ls->section) {
        proto_xml_block_list_end(&ls->out);
    }
    ls->rc = rc < 0 ? rc : ls->out.rc;
}

ngx_int_t
ngx_http_blob_get_block_list(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_ls_t *ls = ngx_http_blob_ls_new(r, ctx);
    proto_err_t err;

    if (ls == NULL) {
        return NGX_ERROR;
    }

    err = proto_block_list_type(&ctx->uri, &ls->committed, &ls->uncommitted,
                                &ctx->fault);
    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    return ngx_http_blob_need_container(r, ctx,
                                        &ngx_http_blob_step_blocks_start);
}

/* What ctx->blob has of both kinds, from here. */
static ngx_int_t
ngx_http_blob_blocks_local(ngx_http_blob_ctx_t *ctx, ngx_http_blob_ls_t *ls)
{
    ls->content = store_blob_visible(&ctx->blob) ? ctx->blob.content : 0;
    return ngx_http_blob_task(ctx, ctx->bmcf->io, ngx_http_blob_blocks_task,
                              ls, &ngx_http_blob_step_blocks_listed);
}

/* The origin has the committed blocks, we have uncommitted ones. */
static ngx_int_t
ngx_http_blob_blocks_known(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_ls_t *ls = ctx->op_data;
    tier_rc_t rc;

    if (ctx->blob_found == BLOB_LOOKUP_FOUND) {
        if (!ls->uncommitted) {
            return ngx_http_blob_forward(r, ctx);
        }
        ls->section = true;
        return ngx_http_blob_task(ctx, ctx->bmcf->io,
                                  ngx_http_blob_blocks_task, ls,
                                  &ngx_http_blob_step_blocks_spliced);
    }

    rc = ngx_http_blob_find_blob(ctx); /* the fact is in its place */
    if (rc < 0) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(rc));
    }

    return ngx_http_blob_blocks_local(ctx, ls);
}

static ngx_int_t
ngx_http_blob_blocks_spliced(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_ls_t *ls = ctx->op_data;

    if (ls->rc != TIER_OK) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(ls->rc));
    }

    ctx->splice = writer_view(&ls->out);
    return ngx_http_blob_forward(r, ctx);
}

static ngx_int_t
ngx_http_blob_blocks_start(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_ls_t *ls = ctx->op_data;
    tier_rc_t rc = ngx_http_blob_find_blob(ctx);
    proto_err_t err;
    bool visible;

    if (rc < 0) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(rc));
    }

    visible = rc == TIER_OK && store_blob_visible(&ctx->blob);
    err = ngx_http_blob_lease_guard(&ctx->lease, NULL,
                                    visible ? &ctx->blob.props.lease : NULL);
    if (err != PROTO_OK) {
        return ngx_http_blob_fail_durable(r, ctx, err);
    }

    /* the origin's own list, unless blocks or bytes of ours say otherwise */
    if (ngx_http_blob_has_origin(ctx) && !ctx->blob.uncommitted
        && (rc == TIER_NOT_FOUND || (visible && !ctx->blob.resident)))
    {
        return ngx_http_blob_forward(r, ctx);
    }

    if (!visible && !ctx->blob.uncommitted) {
        return ngx_http_blob_fail_durable(r, ctx, PROTO_ERR_BLOB_NOT_FOUND);
    }

    if (visible && ctx->blob.props.type != BLOB_BLOCK) {
        return ngx_http_blob_fail_durable(r, ctx, PROTO_ERR_INVALID_BLOB_TYPE);
    }

    ls->incarnation = ctx->container.incarnation;
    ls->name = ctx->uri.blob;
    ls->snapshot = ctx->snapshot != 0;

    if (ngx_http_blob_has_origin(ctx) && ls->committed
        && (visible ? !ctx->blob.resident : ctx->blob.state == STORE_NONE))
    {
        return visible ? ngx_http_blob_blocks_known(r, ctx)
                       : ngx_http_blob_fact_for_write(
                           r, ctx, &ngx_http_blob_step_blocks_known);
    }

    return ngx_http_blob_blocks_local(ctx, ls);
}

static ngx_int_t
ngx_http_blob_blocks_listed(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_ls_t *ls = ctx->op_data;

    if (ls->rc != TIER_OK) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(ls->rc));
    }

    proto_reply_block_list_headers(
        store_blob_visible(&ctx->blob) ? &ctx->blob.props : NULL,
        ngx_http_blob_emit, r);
    return ngx_http_blob_wait_durable(ctx, &ngx_http_blob_step_list_send);
}
