#include "ngx_http_blob.h"

#include "base/digest.h"
#include "proto/access_tier.h"
#include "proto/range.h"
#include "proto/reply.h"
#include "proto/structured.h"

/*
 * Get Blob, Get Blob Properties, Get Blob Metadata, and the lookups that all
 * operations share.
 *
 * Resident bytes: small ones are read into memory and leave with the headers
 * in one write; larger ones are file buffers (sendfile), some extents at a
 * time, so that a blob of 50,000 blocks costs no more memory than one.
 */

#define BLOB_READ_WINDOW 64
#define BLOB_READ_FEW    4
#define BLOB_READ_AGAIN  8

typedef struct {
    uint64_t off; /* what is left to send */
    uint64_t len;
    uint64_t content;
    proto_range_t range;
    bool body;
    u_char *mem;
    store_extent_t few[BLOB_READ_FEW];
    /* digest of a range */
    ngx_array_t parts;
    bool digest_md5;
    tier_rc_t digest_rc;
    uint8_t md5[MD5_LEN];
    uint64_t crc64;
    /* window */
    bool primed; /* filled, not sent yet */
    ngx_buf_t *bufs;
    ngx_chain_t *links;
    store_extent_t *extents;
} ngx_http_blob_rd_t;

static ngx_int_t ngx_http_blob_read_found(ngx_http_request_t *r,
                                          ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_read_durable(ngx_http_request_t *r,
                                            ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_read_answer(ngx_http_request_t *r,
                                           ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_read_window(ngx_http_request_t *r,
                                           ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_read_fetch(ngx_http_request_t *r,
                                          ngx_http_blob_ctx_t *ctx,
                                          ngx_http_blob_rd_t *rd);
static ngx_int_t ngx_http_blob_window_first(ngx_http_request_t *r,
                                            ngx_http_blob_ctx_t *ctx,
                                            ngx_http_blob_rd_t *rd);
static ngx_int_t ngx_http_blob_container_resolved(ngx_http_request_t *r,
                                                  ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_late_fail(ngx_http_request_t *r,
                                         ngx_http_blob_ctx_t *ctx);

static const ngx_http_blob_step_t ngx_http_blob_step_read_found = {
    "read_found", "looking up blob", ngx_http_blob_read_found
};
static const ngx_http_blob_step_t ngx_http_blob_step_read_durable = {
    "read_durable", "reading blob", ngx_http_blob_read_durable
};
static const ngx_http_blob_step_t ngx_http_blob_step_read_answer = {
    "read_answer", "sending blob to client", ngx_http_blob_read_answer
};
static const ngx_http_blob_step_t ngx_http_blob_step_read_window = {
    "read_window", "sending blob to client", ngx_http_blob_read_window
};
static const ngx_http_blob_step_t ngx_http_blob_step_container_resolved = {
    "container_resolved", "looking up container",
    ngx_http_blob_container_resolved
};
static const ngx_http_blob_step_t ngx_http_blob_step_late_fail = {
    "late_fail", "sending blob error", ngx_http_blob_late_fail
};

/* ---- lookups ---------------------------------------------------------- */

tier_rc_t
ngx_http_blob_find_container(ngx_http_blob_ctx_t *ctx)
{
    tier_rc_t rc;

    writer_reset(&ctx->container_scratch);
    rc = store_container_get(
        ctx->bmcf->reader, ngx_http_blob_view(ctx->account->name),
        ctx->uri.container, &ctx->container_scratch, &ctx->container);
    if (rc < 0) {
        return rc;
    }

    ctx->seen = ngx_max(ctx->seen, ctx->container.seen);
    ctx->container_found =
        rc == TIER_OK ? BLOB_LOOKUP_FOUND : BLOB_LOOKUP_ABSENT;
    return rc;
}

tier_rc_t
ngx_http_blob_find_blob(ngx_http_blob_ctx_t *ctx)
{
    tier_rc_t rc;

    writer_reset(&ctx->blob_scratch);
    rc = ctx->snapshot != 0
           ? store_snapshot_get(ctx->bmcf->reader, ctx->container.incarnation,
                                ctx->uri.blob, ctx->snapshot,
                                &ctx->blob_scratch, &ctx->blob)
           : store_blob_get(ctx->bmcf->reader, ctx->container.incarnation,
                            ctx->uri.blob, &ctx->blob_scratch, &ctx->blob);
    if (rc < 0) {
        return rc;
    }

    ctx->seen = ngx_max(ctx->seen, ctx->blob.seen);
    ctx->blob_found = rc == TIER_OK ? BLOB_LOOKUP_FOUND : BLOB_LOOKUP_ABSENT;
    return rc;
}

static ngx_int_t
ngx_http_blob_late_fail(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    return ngx_http_blob_fail(r, ctx, ctx->late_err);
}

ngx_int_t
ngx_http_blob_fail_durable(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                           proto_err_t err)
{
    ctx->late_err = err;
    return ngx_http_blob_wait_durable(ctx, &ngx_http_blob_step_late_fail);
}

static ngx_int_t
ngx_http_blob_container_resolved(ngx_http_request_t *r,
                                 ngx_http_blob_ctx_t *ctx)
{
    if (ctx->container_found != BLOB_LOOKUP_FOUND) {
        return ngx_http_blob_fail_durable(r, ctx,
                                          PROTO_ERR_CONTAINER_NOT_FOUND);
    }

    return ngx_http_blob_goto(ctx, ctx->container_next);
}

ngx_int_t
ngx_http_blob_need_container(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                             const ngx_http_blob_step_t *next)
{
    tier_rc_t rc;

    if (ctx->container_found == BLOB_LOOKUP_NONE) {
        rc = ngx_http_blob_find_container(ctx);
        if (rc < 0) {
            return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(rc));
        }
    }

    ctx->container_next = next;

    if (ctx->container_found == BLOB_LOOKUP_ABSENT
        && ngx_http_blob_has_origin(ctx) && !ctx->resolved)
    {
        ctx->resolved = 1;
        return ngx_http_blob_container_resolve(
            r, ctx, &ngx_http_blob_step_container_resolved);
    }

    return ngx_http_blob_container_resolved(r, ctx);
}

/* ---- reading ---------------------------------------------------------- */

ngx_int_t
ngx_http_blob_read(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    proto_err_t err = proto_cond_check_form(&ctx->headers.cond, false);
    bool framed = false;

    if (err == PROTO_OK && ctx->op->id == PROTO_OP_GET_BLOB) {
        err = proto_structured_wanted(&ctx->headers, &framed, &ctx->fault);
        ctx->framed = framed;
    }

    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    return ngx_http_blob_need_container(r, ctx,
                                        &ngx_http_blob_step_read_found);
}

static ngx_int_t
ngx_http_blob_read_found(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    tier_rc_t rc = ngx_http_blob_find_blob(ctx);
    bool origin = ngx_http_blob_has_origin(ctx);

    if (rc < 0) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(rc));
    }

    if (ngx_http_blob_tags_elsewhere(ctx)) {
        return ngx_http_blob_forward(r, ctx);
    }

    /* the origin has nothing in a container that it has not heard of */
    if (rc == TIER_NOT_FOUND && origin && ctx->container.state != STORE_DIRTY)
    {
        return ngx_http_blob_read_origin(r, ctx);
    }

    if (rc == TIER_NOT_FOUND || !store_blob_visible(&ctx->blob)) {
        return ngx_http_blob_fail_durable(r, ctx, PROTO_ERR_BLOB_NOT_FOUND);
    }

    /* clean records are believed for a while only, which the origin side knows
     */
    if (origin
        && (ctx->blob.state == STORE_CLEAN || ctx->blob.state == STORE_ALIAS))
    {
        return ngx_http_blob_read_origin(r, ctx);
    }

    return ngx_http_blob_read_resident(r, ctx);
}

proto_err_t
ngx_http_blob_read_check(ngx_http_blob_ctx_t *ctx, const blob_props_t *props,
                         view_t origin_etag, uint64_t *ret_off,
                         uint64_t *ret_len, bool *ret_partial)
{
    proto_cond_state_t state = { .exists = true,
                                 .etag = props->etag,
                                 .origin_etag = origin_etag,
                                 .last_modified_s = props->last_modified_s,
                                 .tags = props->tags };
    proto_range_t range = { .off = 0,
                            .len = props->content_length,
                            .partial = false };
    proto_err_t err;

    err = ngx_http_blob_lease_guard(&ctx->lease, NULL, &props->lease);
    if (err != PROTO_OK) {
        return err;
    }

    err = proto_cond_check_read(&ctx->headers.cond, &state);
    if (err == PROTO_OK) {
        err = proto_tier_op_check(ctx->op->id, props);
    }
    if (err != PROTO_OK) {
        return err;
    }

    if (ctx->op->id == PROTO_OP_GET_BLOB) {
        err = proto_range_get(&ctx->headers, props->content_length, &range,
                              &ctx->fault);
        if (err != PROTO_OK) {
            return err;
        }
    }

    *ret_off = range.off;
    *ret_len = range.len;
    *ret_partial = range.partial;
    return PROTO_OK;
}

/* A 304 or 416 says what the blob is, too. */
ngx_int_t
ngx_http_blob_read_refuse(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                          proto_err_t err, const blob_props_t *props)
{
    u_char *buf;
    writer_t w;

    if (err == PROTO_ERR_INVALID_RANGE) {
        buf = ngx_pnalloc(r->pool, 64);
        if (buf == NULL) {
            return NGX_ERROR;
        }
        writer_init_fixed(&w, buf, 64);
        writer_puts(&w, "bytes */");
        writer_put_u64(&w, props->content_length);
        ctx->keep_headers = 1;
        if (ngx_http_blob_header(r, VIEW("Content-Range"), writer_view(&w))
            != NGX_OK) {
            return NGX_ERROR;
        }

    } else if (err == PROTO_ERR_NOT_MODIFIED) {
        ctx->keep_headers = 1;
        proto_reply_validators(props->etag, props->last_modified_s,
                               ngx_http_blob_emit, r);
    }

    return ngx_http_blob_fail_durable(r, ctx, err);
}

ngx_int_t
ngx_http_blob_read_resident(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_rd_t *rd;
    proto_err_t err;

    rd = ngx_pcalloc(r->pool, sizeof(*rd));
    if (rd == NULL) {
        return NGX_ERROR;
    }
    ctx->op_data = rd;

    err = ngx_http_blob_read_check(ctx, &ctx->blob.props,
                                   ctx->blob.origin_etag, &rd->range.off,
                                   &rd->range.len, &rd->range.partial);
    if (err != PROTO_OK) {
        return ngx_http_blob_read_refuse(r, ctx, err, &ctx->blob.props);
    }

    rd->off = rd->range.off;
    rd->len = rd->range.len;
    rd->content = ctx->blob.content;
    return ngx_http_blob_read_fetch(r, ctx, rd);
}

static ngx_int_t
ngx_http_blob_read_compose(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                           const blob_props_t *props,
                           proto_reply_blob_opts_t *opts)
{
    blob_props_t now = *props;

    if (ngx_http_blob_common_headers(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    proto_lease_settle(&now.lease, ngx_http_blob_now_ms());
    opts->head = r->method == NGX_HTTP_HEAD;
    opts->metadata_only = ctx->op->id == PROTO_OP_GET_BLOB_METADATA;
    opts->override = ctx->auth.override;
    proto_reply_blob_headers(&now, opts, ngx_http_blob_emit, r);

    r->headers_out.status =
        opts->partial ? NGX_HTTP_PARTIAL_CONTENT : NGX_HTTP_OK;
    return NGX_OK;
}

ngx_int_t
ngx_http_blob_read_headers(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                           const blob_props_t *props, uint64_t off,
                           uint64_t len, bool partial, uint64_t framed)
{
    proto_reply_blob_opts_t opts = {
        .partial = partial, .off = off, .len = len, .framed = framed
    };

    return ngx_http_blob_read_compose(r, ctx, props, &opts);
}

/* One extent's part of [off, off + len) into p; a whole one's checksum is
 * looked at, small ones have it for next to nothing. */
static ngx_int_t
ngx_http_blob_read_extent(ngx_http_blob_ctx_t *ctx, const store_extent_t *e,
                          uint64_t off, uint64_t len, u_char *p,
                          uint64_t *ret_n)
{
    uint64_t skip = off - e->blob_offset;
    uint64_t n = ngx_min(e->length - skip, len);
    ngx_file_t *file;
    ssize_t got;

    file = ngx_http_blob_file_get(ctx, e->kind, e->file);
    if (file == NULL) {
        return NGX_ERROR;
    }

    got = pread(file->fd, p, n, (off_t) (e->offset + skip));
    if (got != (ssize_t) n
        || (n == e->length && n <= BLOB_SMALL_READ
            && crc64_nvme(0, p, n) != e->crc64))
    {
        ngx_log_error(NGX_LOG_ERR, ctx->r->connection->log,
                      got < 0 ? ngx_errno : 0,
                      "blob: \"%V\" at %uL is damaged: %z of %uL bytes",
                      &file->name, e->offset + skip, got, n);
        return NGX_ERROR;
    }

    *ret_n = n;
    return NGX_OK;
}

/* [off, off + len) into memory. NGX_DECLINED: in more than a few extents. */
static ngx_int_t
ngx_http_blob_read_memory(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                          ngx_http_blob_rd_t *rd)
{
    uint64_t done = 0, n;
    unsigned i, count;
    u_char *mem;

    mem = ngx_pnalloc(r->pool, rd->len);
    if (mem == NULL
        || store_extents_get(ctx->bmcf->reader, rd->content, rd->off, rd->len,
                             rd->few, BLOB_READ_FEW, &count)
               != TIER_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < count && done < rd->len; i++) {
        if (ngx_http_blob_read_extent(ctx, &rd->few[i], rd->off + done,
                                      rd->len - done, mem + done, &n)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
        done += n;
    }

    if (done < rd->len) {
        return NGX_DECLINED;
    }

    rd->mem = mem;
    return NGX_OK;
}

/* ---- ranges with a digest --------------------------------------------- */

/* The parts of a range that is read whole before its headers are sent: 4 MiB
 * at most (proto_range_get), in a thread. */
typedef struct {
    int fd;
    off_t off;
    size_t len;
} ngx_http_blob_part_t;

static void
ngx_http_blob_digest_task(void *data, const tier_log_t *log)
{
    ngx_http_blob_rd_t *rd = data;
    ngx_http_blob_part_t *part = rd->parts.elts;
    u_char *p = rd->mem;
    ngx_uint_t i;
    md5_t md5;

    for (i = 0; i < rd->parts.nelts; i++) {
        if (pread(part[i].fd, p, part[i].len, part[i].off)
            != (ssize_t) part[i].len) {
            rd->digest_rc = TIER_EIO;
            tier_log(log, TIER_LOG_ERROR, "read of a blob failed: errno=%d",
                     errno);
            return;
        }
        p += part[i].len;
    }

    if (rd->digest_md5) {
        md5_init(&md5);
        md5_update(&md5, rd->mem, rd->len);
        md5_final(&md5, rd->md5);

    } else {
        rd->crc64 = crc64_nvme(0, rd->mem, rd->len);
    }
}

static ngx_int_t
ngx_http_blob_digest_start(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                           ngx_http_blob_rd_t *rd)
{
    ngx_http_blob_part_t *part;
    uint64_t done = 0, skip;
    store_extent_t *e;
    ngx_file_t *file;
    unsigned i, n;

    if (ngx_array_init(&rd->parts, r->pool, 4, sizeof(*part)) != NGX_OK) {
        return NGX_ERROR;
    }

    while (done < rd->len) {
        if (store_extents_get(ctx->bmcf->reader, rd->content, rd->off + done,
                              rd->len - done, rd->few, BLOB_READ_FEW, &n)
                != TIER_OK
            || n == 0)
        {
            return NGX_ERROR;
        }

        for (i = 0; i < n && done < rd->len; i++) {
            e = &rd->few[i];
            skip = rd->off + done - e->blob_offset;
            file = ngx_http_blob_file_get(ctx, e->kind, e->file);
            part = ngx_array_push(&rd->parts);
            if (file == NULL || part == NULL) {
                return NGX_ERROR;
            }

            part->fd = file->fd;
            part->off = (off_t) (e->offset + skip);
            part->len = ngx_min(e->length - skip, rd->len - done);
            done += part->len;
        }
    }

    rd->mem = ngx_pnalloc(r->pool, rd->len);
    if (rd->mem == NULL) {
        return NGX_ERROR;
    }

    rd->digest_md5 = ctx->headers.range_md5;
    return ngx_http_blob_task(ctx, ctx->bmcf->io, ngx_http_blob_digest_task,
                              rd, &ngx_http_blob_step_read_durable);
}

/* Takes hold of the bytes (in memory, or their files open) right after the
 * lookup, since the content may be replaced at any time; then waits until what
 * was seen is durable. */
static ngx_int_t
ngx_http_blob_read_fetch(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                         ngx_http_blob_rd_t *rd)
{
    ngx_int_t rc = NGX_OK;

    rd->body = r->method != NGX_HTTP_HEAD && ctx->op->id == PROTO_OP_GET_BLOB
            && rd->len > 0;

    if (rd->body && (ctx->headers.range_md5 || ctx->headers.range_crc64)) {
        rc = ngx_http_blob_digest_start(r, ctx, rd);
        if (rc == BLOB_WAIT) {
            return rc;
        }

    } else if (rd->body) {
        rc = rd->len <= BLOB_SMALL_READ ? ngx_http_blob_read_memory(r, ctx, rd)
                                        : NGX_DECLINED;
        if (rc == NGX_DECLINED) {
            rc = ngx_http_blob_window_first(r, ctx, rd);
        }
    }

    /* replaced or moved since the lookup: the record knows more */
    if (rc == NGX_ERROR && ctx->looked_again < BLOB_READ_AGAIN) {
        ctx->looked_again++;
        return ngx_http_blob_goto(ctx, &ngx_http_blob_step_read_found);
    }

    return rc != NGX_OK ? NGX_ERROR : ngx_http_blob_read_durable(r, ctx);
}

static ngx_int_t
ngx_http_blob_read_durable(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    return ngx_http_blob_wait_durable(ctx, &ngx_http_blob_step_read_answer);
}

/* Around what is in memory at once, around the windows as they leave. */
static ngx_int_t
ngx_http_blob_read_frame(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                         ngx_http_blob_rd_t *rd, view_t *body,
                         uint64_t *ret_framed)
{
    if (rd->body && rd->mem == NULL) {
        return ngx_http_blob_frame_start(r, ctx, rd->range.len, ret_framed);
    }

    if (ngx_http_blob_frame_memory(r, *body, body) != NGX_OK) {
        return NGX_ERROR;
    }

    *ret_framed = body->len;
    return NGX_OK;
}

static ngx_int_t
ngx_http_blob_read_answer(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_rd_t *rd = ctx->op_data;
    proto_reply_blob_opts_t opts = { .partial = rd->range.partial,
                                     .off = rd->range.off,
                                     .len = rd->range.len };
    view_t body = view_of(rd->mem, rd->mem != NULL ? rd->len : 0);
    ngx_int_t rc;

    if (rd->digest_rc != TIER_OK
        || (ctx->framed
            && ngx_http_blob_read_frame(r, ctx, rd, &body, &opts.framed)
                   != NGX_OK))
    {
        return NGX_ERROR;
    }

    if (rd->parts.nelts != 0) {
        opts.range_md5 = rd->digest_md5 ? rd->md5 : NULL;
        opts.range_crc64 = rd->digest_md5 ? NULL : &rd->crc64;
    }

    if (ngx_http_blob_read_compose(r, ctx, &ctx->blob.props, &opts) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!rd->body || rd->mem != NULL) {
        return ngx_http_blob_send(r, ctx, r->headers_out.status, body);
    }

    ngx_http_blob_own_reply(r, ctx);
    r->headers_out.content_length_n =
        (off_t) (opts.framed != 0 ? opts.framed : rd->range.len);

    rc = ngx_http_discard_request_body(r);
    if (rc == NGX_OK) {
        rc = ngx_http_send_header(r);
    }
    if (rc == NGX_ERROR || rc > NGX_OK) {
        return ngx_http_blob_finish(r, ctx, NGX_ERROR);
    }

    return ngx_http_blob_goto(ctx, &ngx_http_blob_step_read_window);
}

/* ---- windows of file buffers ------------------------------------------ */

static ngx_int_t
ngx_http_blob_window_fill(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                          ngx_http_blob_rd_t *rd)
{
    ngx_file_t *shared, *file = NULL;
    uint64_t skip, len;
    store_extent_t *e;
    ngx_buf_t *b;
    unsigned i, n;

    if (store_extents_get(ctx->bmcf->reader, rd->content, rd->off, rd->len,
                          rd->extents, BLOB_READ_WINDOW, &n)
            != TIER_OK
        || n == 0)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        e = &rd->extents[i];
        b = &rd->bufs[i];

        shared = ngx_http_blob_file_get(ctx, e->kind, e->file);
        if (shared == NULL) {
            return NGX_ERROR;
        }

        /* a copy: nginx keeps a request's reading state in it */
        if (file == NULL || file->fd != shared->fd) {
            file = ngx_palloc(r->pool, sizeof(*file));
            if (file == NULL) {
                return NGX_ERROR;
            }
            *file = *shared;
            file->log = r->connection->log;
        }

        skip = rd->off - e->blob_offset;
        len = ngx_min(e->length - skip, rd->len);

        ngx_memzero(b, sizeof(*b));
        b->in_file = 1;
        b->file = file;
        b->file_pos = (off_t) (e->offset + skip);
        b->file_last = b->file_pos + (off_t) len;

        rd->off += len;
        rd->len -= len;
        rd->links[i].buf = b;
        rd->links[i].next = i + 1 < n ? &rd->links[i + 1] : NULL;
    }

    b = &rd->bufs[n - 1];
    b->last_in_chain = 1;
    b->last_buf = rd->len == 0;
    b->flush = rd->len != 0;
    return NGX_OK;
}

static ngx_int_t
ngx_http_blob_window_first(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                           ngx_http_blob_rd_t *rd)
{
    rd->bufs = ngx_palloc(r->pool, BLOB_READ_WINDOW * sizeof(ngx_buf_t));
    rd->links = ngx_palloc(r->pool, BLOB_READ_WINDOW * sizeof(ngx_chain_t));
    rd->extents =
        ngx_palloc(r->pool, BLOB_READ_WINDOW * sizeof(store_extent_t));
    if (rd->bufs == NULL || rd->links == NULL || rd->extents == NULL) {
        return NGX_ERROR;
    }

    rd->primed = true;
    return ngx_http_blob_window_fill(r, ctx, rd);
}

static ngx_int_t
ngx_http_blob_window_wait(ngx_http_request_t *r)
{
    ngx_http_core_loc_conf_t *clcf;
    ngx_event_t *wev = r->connection->write;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (!wev->delayed) {
        ngx_add_timer(wev, clcf->send_timeout);
    }

    return ngx_handle_write_event(wev, clcf->send_lowat);
}

static void
ngx_http_blob_window_writable(ngx_http_request_t *r)
{
    ngx_http_blob_ctx_t *ctx =
        ngx_http_get_module_ctx(r, ngx_http_blob_module);
    ngx_connection_t *c = r->connection;
    ngx_int_t rc;

    if (c->write->timedout) {
        c->timedout = 1;
        (void) ngx_http_blob_finish(r, ctx, NGX_HTTP_REQUEST_TIME_OUT);
        return;
    }

    if (c->write->delayed || r->aio) {
        if (ngx_http_blob_window_wait(r) != NGX_OK) {
            (void) ngx_http_blob_finish(r, ctx, NGX_ERROR);
        }
        return;
    }

    rc = ngx_http_output_filter(r, NULL);

    if (rc == NGX_ERROR
        || ((r->buffered || c->buffered)
            && ngx_http_blob_window_wait(r) != NGX_OK))
    {
        (void) ngx_http_blob_finish(r, ctx, NGX_ERROR);
        return;
    }

    if (!r->buffered && !c->buffered) {
        ngx_http_blob_run(r, ctx);
    }
}

static ngx_int_t
ngx_http_blob_read_window(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_rd_t *rd = ctx->op_data;
    ngx_int_t rc;

    if (!rd->primed && ngx_http_blob_window_fill(r, ctx, rd) != NGX_OK) {
        /* gone in the middle: cut, the client asks again */
        return ngx_http_blob_finish(r, ctx, NGX_ERROR);
    }

    rd->primed = false;
    rc = ngx_http_output_filter(r, rd->links);

    if (rc == NGX_ERROR || rd->len == 0) {
        return ngx_http_blob_finish(r, ctx, rc);
    }

    if (!r->buffered && !r->connection->buffered) {
        return BLOB_NEXT;
    }

    r->write_event_handler = ngx_http_blob_window_writable;
    if (ngx_http_blob_window_wait(r) != NGX_OK) {
        return ngx_http_blob_finish(r, ctx, NGX_ERROR);
    }

    return BLOB_WAIT;
}
