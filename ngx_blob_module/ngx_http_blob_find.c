#include "ngx_http_blob.h"

#include "proto/list.h"
#include "proto/tags.h"

/*
 * Find Blobs by Tags without an origin: one task looks at every record of the
 * account or container, in slices, as listings do. A page ends when it is
 * full or when so many records were looked at: an empty page with a marker is
 * a page, and clients go on.
 */

#define BLOB_FIND_BODY_MAX (64 * 1024 * 1024)
#define BLOB_FIND_SLICE    1000
#define BLOB_FIND_RECORDS  200000

typedef struct {
    store_reader_t *reader;
    writer_t out;
    view_t account;
    view_t where;
    proto_list_opts_t opts;

    u_char container_buf[STORE_LABEL_MAX];
    view_t container; /* where the scan is */
    uint64_t incarnation;
    u_char cursor_buf[STORE_NAME_MAX];
    view_t cursor; /* last name looked at; empty: none yet */
    bool one;      /* container: no other is looked at */

    unsigned count;
    unsigned looked;
    bool more;
    uint64_t seen;
    tier_rc_t rc;
} ngx_http_blob_find_t;

static ngx_int_t ngx_http_blob_find_container_known(ngx_http_request_t *r,
                                                    ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_find_done(ngx_http_request_t *r,
                                         ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_find_send(ngx_http_request_t *r,
                                         ngx_http_blob_ctx_t *ctx);

static const ngx_http_blob_step_t ngx_http_blob_step_find_container = {
    "find_container", "looking for tags", ngx_http_blob_find_container_known
};
static const ngx_http_blob_step_t ngx_http_blob_step_find_done = {
    "find_done", "looking for tags", ngx_http_blob_find_done
};
static const ngx_http_blob_step_t ngx_http_blob_step_find_send = {
    "find_send", "sending blobs found", ngx_http_blob_find_send
};

/* ---- in a thread ------------------------------------------------------ */

static view_t
ngx_http_blob_find_keep(u_char *buf, size_t cap, view_t name)
{
    size_t len = ngx_min(name.len, cap);

    if (len) {
        ngx_memcpy(buf, name.ptr, len);
    }
    return view_of(buf, len);
}

/* Only those of a blob's tags that were asked about are shown. */
static void
ngx_http_blob_find_put(ngx_http_blob_find_t *f, view_t name, view_t tags)
{
    uint8_t buf[PROTO_TAGS_PACKED_MAX];
    view_t key, value;
    size_t pos = 0;
    writer_t w;

    writer_init_fixed(&w, buf, sizeof(buf));
    while (props_pairs_next(tags, &pos, &key, &value)) {
        if (proto_tags_named(f->where, key)) {
            props_pairs_put(&w, key, value);
        }
    }

    proto_xml_found(&f->out, name, f->container, writer_view(&w));
}

/* 1 ends the scan: there is no room for this one, or it was enough. */
static int
ngx_http_blob_find_blob_tags(void *data, view_t name, const store_blob_t *blob)
{
    ngx_http_blob_find_t *f = data;
    view_t tags = blob->props.tags;
    bool match;

    if (store_blob_visible(blob) && tags.len != 0
        && proto_tags_match(PROTO_TAGS_FIND, f->where, tags, f->container,
                            &match)
        && match)
    {
        if (f->count == f->opts.max) {
            f->more = true;
            return 1;
        }

        f->count++;
        ngx_http_blob_find_put(f, name, tags);
    }

    f->cursor =
        ngx_http_blob_find_keep(f->cursor_buf, sizeof(f->cursor_buf), name);
    f->more = ++f->looked == BLOB_FIND_RECORDS;
    return f->more || !writer_ok(&f->out);
}

static int
ngx_http_blob_find_next(void *data, view_t name, const store_container_t *c)
{
    ngx_http_blob_find_t *f = data;

    f->container = ngx_http_blob_find_keep(f->container_buf,
                                           sizeof(f->container_buf), name);
    f->incarnation = c->incarnation;
    f->cursor = VIEW("");
    return 1;
}

/* The rest of the container that the scan is in. */
static tier_rc_t
ngx_http_blob_find_in(ngx_http_blob_find_t *f)
{
    store_scan_t scan = { .limit = BLOB_FIND_SLICE };
    uint64_t seen = 0;
    tier_rc_t rc;

    do {
        scan.from = f->cursor.len ? f->cursor : VIEW_NULL;
        rc = store_blob_scan(f->reader, f->incarnation, &scan,
                             ngx_http_blob_find_blob_tags, f, &seen);
        f->seen = ngx_max(f->seen, seen);
    } while (rc == TIER_OK && !f->more && writer_ok(&f->out));

    return rc;
}

/* The container that a marker stands in, if it is still there. */
static void
ngx_http_blob_find_resume(ngx_http_blob_find_t *f)
{
    uint8_t scratch[STORE_RECORD_MAX];
    store_container_t c;
    writer_t w;

    writer_init_fixed(&w, scratch, sizeof(scratch));
    if (store_container_get(f->reader, f->account, f->container, &w, &c)
        == TIER_OK)
    {
        f->incarnation = c.incarnation;
        f->seen = ngx_max(f->seen, c.seen);
    }
}

static void
ngx_http_blob_find_task(void *data, const tier_log_t *log)
{
    ngx_http_blob_find_t *f = data;
    u_char name[STORE_LABEL_MAX + STORE_NAME_MAX + 1], buf[2 * sizeof(name)];
    store_scan_t scan = { .limit = 1 };
    tier_rc_t rc = TIER_END;
    writer_t next, at;
    uint64_t seen = 0;

    if (!f->one && f->container.len != 0) {
        ngx_http_blob_find_resume(f);
    }

    for (;;) {
        if (f->incarnation != 0) {
            rc = ngx_http_blob_find_in(f);
        }

        if (rc < 0 || f->more || f->one || !writer_ok(&f->out)) {
            break;
        }

        f->incarnation = 0;
        scan.from = f->container.len ? f->container : VIEW_NULL;
        rc = store_container_scan(f->reader, f->account, &scan,
                                  ngx_http_blob_find_next, f, &seen);
        f->seen = ngx_max(f->seen, seen);
        if (rc < 0 || f->incarnation == 0) {
            break;
        }
    }

    writer_init_fixed(&next, buf, sizeof(buf));
    if (f->more) {
        writer_init_fixed(&at, name, sizeof(name));
        writer_put(&at, f->container);
        writer_putc(&at, '/');
        writer_put(&at, f->cursor);
        proto_marker_format(&next, writer_view(&at), 0);
    }

    proto_xml_blobs_end(&f->out, writer_view(&next));
    f->rc = rc < 0 ? rc : writer_ok(&f->out) ? next.rc : f->out.rc;
}

/* ---- on the event loop ------------------------------------------------ */

static void
ngx_http_blob_find_cleanup(void *data)
{
    ngx_http_blob_find_t *f = data;

    writer_free(&f->out);
}

static ngx_http_blob_find_t *
ngx_http_blob_find_new(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_find_t *f = ngx_pcalloc(r->pool, sizeof(*f));
    ngx_pool_cleanup_t *cln = ngx_pool_cleanup_add(r->pool, 0);

    if (f == NULL || cln == NULL) {
        return NULL;
    }

    writer_init_grow(&f->out, BLOB_FIND_BODY_MAX, NULL, NULL);
    cln->handler = ngx_http_blob_find_cleanup;
    cln->data = f;

    f->account = ngx_http_blob_view(ctx->account->name);
    f->where = proto_uri_param(&ctx->uri, PROTO_PARAM_WHERE);
    f->one = ctx->op->level == PROTO_LEVEL_CONTAINER;
    f->reader = ngx_http_blob_thread_reader(ctx);
    ctx->op_data = f;
    return f->reader == NULL ? NULL : f;
}

static ngx_int_t
ngx_http_blob_find_start(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                         ngx_http_blob_find_t *f)
{
    proto_xml_found_begin(&f->out, ngx_http_blob_endpoint(r, ctx), f->where);
    return ngx_http_blob_task(ctx, ctx->bmcf->io, ngx_http_blob_find_task, f,
                              &ngx_http_blob_step_find_done);
}

ngx_int_t
ngx_http_blob_find_by_tags(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_find_t *f = ngx_http_blob_find_new(r, ctx);
    proto_err_t err;
    size_t slash;

    if (f == NULL) {
        return NGX_ERROR;
    }

    err = proto_tags_where_check(f->where, &ctx->fault);
    if (err == PROTO_OK) {
        err =
            proto_list_parse(&ctx->uri, &ctx->scratch, &f->opts, &ctx->fault);
    }
    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    /* a marker is "container/name" */
    slash = view_find(f->opts.after, '/', 0);
    f->container = view_sub(f->opts.after, 0, slash);
    f->cursor = view_sub(f->opts.after, slash + 1, f->opts.after.len);

    if (!f->one) {
        return ngx_http_blob_find_start(r, ctx, f);
    }

    return ngx_http_blob_need_container(r, ctx,
                                        &ngx_http_blob_step_find_container);
}

static ngx_int_t
ngx_http_blob_find_container_known(ngx_http_request_t *r,
                                   ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_find_t *f = ctx->op_data;

    f->container = ctx->uri.container;
    f->incarnation = ctx->container.incarnation;
    return ngx_http_blob_find_start(r, ctx, f);
}

static ngx_int_t
ngx_http_blob_find_done(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_find_t *f = ctx->op_data;

    if (f->rc != TIER_OK) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(f->rc));
    }

    ctx->seen = ngx_max(ctx->seen, f->seen);
    return ngx_http_blob_wait_durable(ctx, &ngx_http_blob_step_find_send);
}

static ngx_int_t
ngx_http_blob_find_send(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_find_t *f = ctx->op_data;

    return ngx_http_blob_reply(r, ctx, NGX_HTTP_OK, VIEW("application/xml"),
                               writer_view(&f->out));
}
