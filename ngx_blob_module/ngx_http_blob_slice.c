#include "ngx_http_blob_origin.h"

#include "base/digest.h"
#include "proto/structured.h"

/*
 * Reads through the hot tier: aligned slices of one content, each a foreground
 * subrequest of @blob_slice, kept in order by nginx's postpone filter.
 *
 *     launch ──▶ header: checked against the record, else nothing goes on
 *            ──▶ body: trimmed ──▶ done ──▶ its bytes have left ──▶ destroyed
 *
 * A slice has a pool of its own, which holds the subrequest itself, its
 * buffers and its open cache file; it goes when c->sent has passed the
 * slice's end, so that a stream of any length needs the memory of a few. The
 * client's headers go out with the first slice that holds what it should;
 * until then everything can be begun again, afterwards only cut.
 *
 * The window is one slice until the first one is good, then it grows.
 *
 * In a structured message every slice's part is a segment: its frame goes
 * with it, whatever order the slices come in, and the checksum of all is
 * combined from theirs.
 */

#define BLOB_SLICE_POOL (16 * 1024)
#define BLOB_CACHE_ID   16 /* bytes of the digest */

typedef struct {
    ngx_http_blob_sub_t sub; /* first */
    ngx_http_request_t *sr;
    ngx_http_blob_fill_t fill;
    ngx_pool_t *pool;
    uint64_t off; /* of the slice in the blob */
    uint64_t len;
    uint64_t skip; /* what of it the client wants */
    uint64_t want;
    uint64_t pos;    /* that came */
    uint64_t given;  /* that went on */
    off_t end;       /* c->sent when all of it has left */
    unsigned number; /* of its segment */
    uint64_t crc;
    unsigned valid:1;
} ngx_http_blob_slice_t;

struct ngx_http_blob_slices_s {
    uint64_t off; /* of the answer */
    uint64_t len;
    bool partial;
    uint64_t next; /* where the next slice begins */
    off_t base;    /* c->sent at the body's first byte */
    ngx_uint_t window;
    ngx_uint_t head;
    ngx_uint_t n;
    ngx_http_blob_slice_t *ring[BLOB_SLICES_MAX];
    u_char id[2 * BLOB_CACHE_ID];
    ngx_uint_t salt;   /* after a cache entry that was not what it should be */
    unsigned segments; /* of a structured message; 0: a plain answer */
    unsigned segment;  /* the last one launched */
    uint64_t framed;
    uint64_t crc; /* of the parts that have left */
};

static ngx_int_t ngx_http_blob_slices_pump(ngx_http_request_t *r,
                                           ngx_http_blob_ctx_t *ctx);

static const ngx_http_blob_step_t ngx_http_blob_step_slices = {
    "slices", "sending slices to client", ngx_http_blob_slices_pump
};

/* ---- life of a slice -------------------------------------------------- */

static void
ngx_http_blob_slices_cleanup(void *data)
{
    ngx_http_blob_slices_t *s = data;

    for (; s->n; s->n--) {
        ngx_destroy_pool(s->ring[s->head]->pool);
        s->head = (s->head + 1) % BLOB_SLICES_MAX;
    }
}

/* Before the first byte of a segment, and how far that is into the body. */
#define BLOB_FRAME_FRONT   (PROTO_STRUCTURED_HEAD + PROTO_STRUCTURED_SEG_HEAD)
#define BLOB_FRAME_SEGMENT (PROTO_STRUCTURED_SEG_HEAD + PROTO_STRUCTURED_CRC)

static ngx_int_t
ngx_http_blob_slice_frame(ngx_http_blob_slice_t *slice, ngx_chain_t ***ll,
                          bool front)
{
    ngx_http_blob_way_t *way = slice->sub.ctx->origin;
    ngx_chain_t *cl = ngx_alloc_chain_link(slice->pool);
    ngx_buf_t *b = ngx_create_temp_buf(slice->pool, BLOB_FRAME_FRONT);

    if (cl == NULL || b == NULL) {
        return NGX_ERROR;
    }

    if (front && slice->number == 1) {
        b->last += proto_structured_put_head(b->last, way->slices->len,
                                             way->slices->segments);
    }

    if (front) {
        b->last +=
            proto_structured_put_segment(b->last, slice->number, slice->want);
    } else {
        b->last = ngx_cpymem(b->last, &slice->crc, PROTO_STRUCTURED_CRC);
    }

    cl->buf = b;
    cl->next = NULL;
    **ll = cl;
    *ll = &cl->next;
    return NGX_OK;
}

/* Sends what ends the message. */
static ngx_int_t
ngx_http_blob_slices_trailer(ngx_http_request_t *r, ngx_http_blob_slices_t *s)
{
    ngx_http_blob_slice_t *slice;
    ngx_chain_t out;
    ngx_uint_t i;
    ngx_buf_t *b;

    for (i = 0; i < s->n; i++) {
        slice = s->ring[(s->head + i) % BLOB_SLICES_MAX];
        s->crc = crc64_nvme_combine(s->crc, slice->crc, slice->want);
    }

    b = ngx_create_temp_buf(r->pool, PROTO_STRUCTURED_CRC);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->last = ngx_cpymem(b->last, &s->crc, PROTO_STRUCTURED_CRC);
    b->last_buf = 1;
    b->last_in_chain = 1;
    out.buf = b;
    out.next = NULL;
    return ngx_http_output_filter(r, &out);
}

static void
ngx_http_blob_slice_drop(ngx_http_blob_slices_t *s)
{
    ngx_pool_t *pool = s->ring[s->head]->pool;

    s->head = (s->head + 1) % BLOB_SLICES_MAX;
    s->n--;
    ngx_destroy_pool(pool);
}

/* Stands for one content of one blob for ever. */
static ngx_int_t
ngx_http_blob_cache_id(ngx_http_blob_ctx_t *ctx, u_char ret[])
{
    ngx_http_blob_way_t *way = ctx->origin;
    view_t account = ngx_http_blob_view(ctx->account->name);
    uint8_t digest[SHA256_LEN];
    size_t cap;
    u_char *buf;
    writer_t w;

    cap = account.len + ctx->uri.container.len + ctx->uri.blob.len
        + way->origin_etag.len + 3;
    buf = ngx_pnalloc(ctx->r->pool, cap);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    writer_init_fixed(&w, buf, cap);
    writer_put(&w, account);
    writer_putc(&w, 0);
    writer_put(&w, ctx->uri.container);
    writer_putc(&w, 0);
    writer_put(&w, ctx->uri.blob);
    writer_putc(&w, 0);
    writer_put(&w, way->origin_etag);
    sha256(writer_view(&w), digest);
    ngx_hex_dump(ret, digest, BLOB_CACHE_ID);
    return NGX_OK;
}

static ngx_int_t
ngx_http_blob_slice_out(ngx_http_blob_ctx_t *ctx, ngx_http_blob_slices_t *s,
                        ngx_http_blob_slice_t *slice)
{
    ngx_http_blob_way_t *way = ctx->origin;
    ngx_http_blob_out_spec_t spec = { .method = VIEW("GET"),
                                      .content_length = -1 };
    proto_header_t hdrs[2];
    u_char *range, *etag, *key;

    range = ngx_pnalloc(slice->pool, 64);
    etag = ngx_pnalloc(slice->pool, way->origin_etag.len + 2);
    key = ngx_pnalloc(slice->pool, sizeof(s->id) + 64);
    if (range == NULL || etag == NULL || key == NULL
        || ngx_http_blob_out_resource(slice->pool, ctx, &spec.resource)
               != NGX_OK)
    {
        return NGX_ERROR;
    }

    hdrs[0].name = VIEW("x-ms-range");
    hdrs[0].value.ptr = range;
    hdrs[0].value.len =
        (size_t) (ngx_sprintf(range, "bytes=%uL-%uL", slice->off,
                              slice->off + slice->len - 1)
                  - range);
    hdrs[1].name = VIEW("If-Match");
    hdrs[1].value.ptr = etag;
    hdrs[1].value.len =
        (size_t) (ngx_sprintf(etag, "\"%*s\"", way->origin_etag.len,
                              way->origin_etag.ptr)
                  - etag);
    spec.hdrs = hdrs;
    spec.nhdrs = 2;

    if (ngx_http_blob_out_make(slice->pool, ctx, &spec, &slice->sub.out)
        != NGX_OK) {
        return NGX_ERROR;
    }

    slice->sub.out.cache_key.data = key;
    slice->sub.out.cache_key.len =
        (size_t) (ngx_sprintf(key, "%*s/%uL", sizeof(s->id), s->id,
                              slice->off / BLOB_SLICE_SIZE)
                  - key);
    if (s->salt) {
        slice->sub.out.cache_key.len =
            (size_t) (ngx_sprintf(key + slice->sub.out.cache_key.len, "/%ui",
                                  s->salt)
                      - key);
    }
    return NGX_OK;
}

static ngx_int_t
ngx_http_blob_slice_launch(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;
    ngx_http_blob_slices_t *s = way->slices;
    ngx_http_blob_slice_t *slice;
    uint64_t from, to;
    ngx_pool_t *pool;

    pool = ngx_create_pool(BLOB_SLICE_POOL, r->connection->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    slice = ngx_pcalloc(pool, sizeof(*slice));
    if (slice == NULL) {
        ngx_destroy_pool(pool);
        return NGX_ERROR;
    }

    slice->pool = pool;
    slice->sub.kind = BLOB_CTX_SLICE;
    slice->sub.ctx = ctx;
    slice->off = s->next / BLOB_SLICE_SIZE * BLOB_SLICE_SIZE;
    slice->len =
        ngx_min(BLOB_SLICE_SIZE, way->props.content_length - slice->off);
    from = ngx_max(s->off, slice->off);
    to = ngx_min(s->off + s->len, slice->off + slice->len);
    slice->skip = from - slice->off;
    slice->want = to - from;
    slice->end = s->base + (off_t) (to - s->off);
    if (s->segments) {
        slice->number = ++s->segment;
        slice->end +=
            PROTO_STRUCTURED_HEAD + (off_t) slice->number * BLOB_FRAME_SEGMENT;
    }

    /* from here on the ring owns the pool */
    s->ring[(s->head + s->n++) % BLOB_SLICES_MAX] = slice;
    s->next = slice->off + slice->len;

    if (ngx_http_blob_slice_out(ctx, s, slice) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_blob_launch(r, pool, ngx_http_blob_ways(r)->slice,
                             &slice->sub, NGX_HTTP_GET, &slice->sr)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (s->segments) {
        slice->sr->filter_need_in_memory = 1;
    }

    return ngx_http_blob_fill_add(&slice->fill, slice->sr,
                                  &slice->sub.out.cache_key);
}

void
ngx_http_blob_slice_ended(ngx_http_blob_sub_t *sub)
{
    ngx_http_blob_fill_ended(&((ngx_http_blob_slice_t *) sub)->fill);
}

/* ---- filters ---------------------------------------------------------- */

/* Is it this content, this range, this length? */
static bool
ngx_http_blob_slice_check(ngx_http_request_t *sr, ngx_http_blob_slice_t *slice)
{
    ngx_http_blob_way_t *way = slice->sub.ctx->origin;
    uint64_t size = way->props.content_length;
    uint64_t off = 0, len, total;
    view_t v;

    v = proto_answer_header(slice->sub.hdrs, slice->sub.nhdrs, VIEW("ETag"));
    if (!view_eq(proto_answer_etag(v), way->origin_etag)) {
        return false;
    }

    v = proto_answer_header(slice->sub.hdrs, slice->sub.nhdrs,
                            VIEW("Content-Length"));
    if (!view_to_u64(v, &len) || len != slice->len) {
        return false;
    }

    if (slice->sub.status == NGX_HTTP_OK) {
        return slice->off == 0 && len == size;
    }

    v = proto_answer_header(slice->sub.hdrs, slice->sub.nhdrs,
                            VIEW("Content-Range"));
    return slice->sub.status == NGX_HTTP_PARTIAL_CONTENT
        && proto_answer_content_range(v, &off, &len, &total)
        && off == slice->off && len == slice->len && total == size;
}

static ngx_int_t
ngx_http_blob_slices_start(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;
    ngx_http_blob_slices_t *s = way->slices;
    ngx_http_blob_slice_t *slice = s->ring[s->head];
    off_t sent = r->connection->sent;
    ngx_int_t rc;

    if (ngx_http_blob_read_headers(r, ctx, &way->props, s->off, s->len,
                                   s->partial, s->framed)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_blob_own_reply(r, ctx);
    r->headers_out.content_length_n =
        (off_t) (s->segments ? s->framed : s->len);

    rc = ngx_http_send_header(r);
    if (rc == NGX_ERROR || rc > NGX_OK) {
        return NGX_ERROR;
    }

    s->base = sent + (off_t) r->header_size;
    slice->end += s->base;
    return NGX_OK;
}

ngx_int_t
ngx_http_blob_slice_header(ngx_http_request_t *sr, ngx_http_blob_sub_t *sub)
{
    ngx_http_blob_slice_t *slice = (ngx_http_blob_slice_t *) sub;
    ngx_http_request_t *r = sub->ctx->r;

    sr->header_sent = 1;

    if (ngx_http_blob_sub_take(sr, sub) == NGX_OK
        && ngx_http_blob_slice_check(sr, slice))
    {
        if (!r->header_sent
            && ngx_http_blob_slices_start(r, sub->ctx) != NGX_OK) {
            return NGX_ERROR;
        }
        slice->valid = 1;
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_INFO, sr->connection->log, 0,
                  "blob: slice at %uL: the %s answered %ui %*s, which is not "
                  "what was asked for",
                  slice->off, sr->cached ? "cache" : "origin", sub->status,
                  sub->code.len, sub->code.ptr);

    /* nothing of it goes into the cache or to the client */
    if (sr->upstream != NULL) {
        sr->upstream->cacheable = 0;
    }
    sr->header_only = 1;
    return NGX_OK;
}

/* Cuts b, which begins at `start` of the slice, to [lo, hi). */
static void
ngx_http_blob_slice_trim(ngx_buf_t *b, uint64_t start, uint64_t size,
                         uint64_t lo, uint64_t hi)
{
    off_t head = start < lo ? (off_t) ngx_min(lo - start, size) : 0;
    off_t tail =
        start + size > hi ? (off_t) ngx_min(start + size - hi, size) : 0;

    if (head + tail >= (off_t) size) {
        b->file_pos = b->file_last;
        b->pos = b->last;
        b->sync = 1;
        return;
    }

    if (b->in_file) {
        b->file_pos += head;
        b->file_last -= tail;
    }
    if (ngx_buf_in_memory(b)) {
        b->pos += (size_t) head;
        b->last -= (size_t) tail;
    }
}

ngx_int_t
ngx_http_blob_slice_body(ngx_http_request_t *sr, ngx_http_blob_sub_t *sub,
                         ngx_chain_t *in)
{
    ngx_http_blob_slice_t *slice = (ngx_http_blob_slice_t *) sub;
    ngx_chain_t *out = NULL, **ll = &out, *cl;
    uint64_t size;
    ngx_buf_t *b;

    if (in == NULL || sr->header_only) {
        return ngx_http_blob_next_body(sr, in);
    }

    for (; in; in = in->next) {
        b = in->buf;

        /* one without bytes could stay behind in the client's chain when the
         * slice's pool goes */
        if (ngx_buf_special(b)) {
            continue;
        }

        size = (uint64_t) ngx_buf_size(b);
        ngx_http_blob_slice_trim(b, slice->pos, size, slice->skip,
                                 slice->skip + slice->want);
        slice->pos += size;
        size = (uint64_t) ngx_buf_size(b);
        if (size == 0) {
            continue;
        }
        if (slice->number && slice->given == 0
            && ngx_http_blob_slice_frame(slice, &ll, true) != NGX_OK)
        {
            return NGX_ERROR;
        }
        slice->given += size;

        cl = ngx_alloc_chain_link(sr->pool);
        if (cl == NULL) {
            return NGX_ERROR;
        }
        cl->buf = b;
        *ll = cl;
        ll = &cl->next;

        if (slice->number == 0) {
            continue;
        }
        slice->crc = crc64_nvme(slice->crc, b->pos, (size_t) size);
        if (slice->given == slice->want
            && ngx_http_blob_slice_frame(slice, &ll, false) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }
    *ll = NULL;

    return out == NULL ? NGX_OK : ngx_http_blob_next_body(sr, out);
}

/* ---- pump ------------------------------------------------------------- */

static ngx_int_t
ngx_http_blob_slices_wait(ngx_http_request_t *r)
{
    ngx_http_core_loc_conf_t *clcf;
    ngx_event_t *wev = r->connection->write;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    r->read_event_handler =
        r->discard_body ? r->read_event_handler : ngx_http_test_reading;
    if (!wev->delayed) {
        ngx_add_timer(wev, clcf->send_timeout);
    }

    return ngx_handle_write_event(wev, clcf->send_lowat);
}

/* The client's request: a subrequest ended, or its connection can take more
 * while none is active. */
static void
ngx_http_blob_slices_event(ngx_http_request_t *r)
{
    ngx_http_blob_ctx_t *ctx =
        ngx_http_get_module_ctx(r, ngx_http_blob_module);
    ngx_connection_t *c = r->connection;
    ngx_event_t *wev = c->write;

    if (r != c->data) {
        return; /* a slice behind the active one has ended */
    }

    if (wev->timedout) {
        c->timedout = 1;
        (void) ngx_http_blob_finish(r, ctx, NGX_HTTP_REQUEST_TIME_OUT);
        return;
    }

    if (wev->delayed) {
        if (ngx_http_blob_slices_wait(r) != NGX_OK) {
            (void) ngx_http_blob_finish(r, ctx, NGX_ERROR);
        }
        return;
    }

    if ((r->postponed || r->buffered || c->buffered)
        && ngx_http_output_filter(r, NULL) == NGX_ERROR)
    {
        (void) ngx_http_blob_finish(r, ctx, NGX_ERROR);
        return;
    }

    ngx_http_blob_run(r, ctx);
}

static ngx_int_t
ngx_http_blob_slices_failed(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                            ngx_http_blob_slice_t *slice)
{
    ngx_http_blob_way_t *way = ctx->origin;
    ngx_http_blob_slices_t *s = way->slices;
    ngx_uint_t status = slice->sub.status;
    proto_err_t err;

    if (r->header_sent) {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "blob: the origin's blob changed or broke off in the "
                      "middle of an answer, which is cut");
        return ngx_http_blob_finish(r, ctx, NGX_ERROR);
    }

    r->write_event_handler = ngx_http_request_empty_handler;
    err = status == 0 ? PROTO_ERR_SERVER_BUSY
                      : proto_answer_error((unsigned) status, slice->sub.code);
    if (slice->sr->cached) {
        s->salt++;
    }

    ngx_http_blob_slice_drop(s);

    switch (status) {
    case NGX_HTTP_OK:
    case NGX_HTTP_PARTIAL_CONTENT:
    case NGX_HTTP_NOT_FOUND:
    case NGX_HTTP_PRECONDITION_FAILED:
    case NGX_HTTP_RANGE_NOT_SATISFIABLE:
        if (++way->tries < BLOB_READ_TRIES) {
            way->force = true;
            return ngx_http_blob_read_know(r, ctx);
        }
        return ngx_http_blob_fail(r, ctx, PROTO_ERR_SERVER_BUSY);

    default:
        return ngx_http_blob_fail(r, ctx, err);
    }
}

static bool
ngx_http_blob_slice_posted(ngx_http_request_t *r, ngx_http_blob_slice_t *slice)
{
    ngx_http_posted_request_t *pr;

    for (pr = r->main->posted_requests; pr; pr = pr->next) {
        if (pr->request == slice->sr) {
            return true;
        }
    }

    return false;
}

/* Lets go of slices that have left; those that are done, in *ret_done. */
static ngx_int_t
ngx_http_blob_slices_collect(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                             ngx_uint_t *ret_done)
{
    ngx_http_blob_way_t *way = ctx->origin;
    ngx_http_blob_slices_t *s = way->slices;
    ngx_http_blob_slice_t *slice;
    ngx_uint_t i;

    while (s->n) {
        slice = s->ring[s->head];
        if (!slice->sr->done || !slice->valid || slice->given != slice->want
            || r->connection->sent < slice->end
            || ngx_http_blob_slice_posted(r, slice))
        {
            break;
        }
        s->crc = crc64_nvme_combine(s->crc, slice->crc, slice->want);
        ngx_http_blob_slice_drop(s);
        if (s->window < BLOB_SLICES_MAX) {
            s->window++;
        }
    }

    for (i = 0; i < s->n; i++) {
        slice = s->ring[(s->head + i) % BLOB_SLICES_MAX];
        if (!slice->sr->done) {
            break;
        }
        if (!slice->valid || slice->given != slice->want) {
            return ngx_http_blob_slices_failed(r, ctx, slice);
        }
    }

    *ret_done = i;
    return NGX_OK;
}

static ngx_int_t
ngx_http_blob_slices_pump(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;
    ngx_http_blob_slices_t *s = way->slices;
    ngx_connection_t *c = r->connection;
    ngx_uint_t done, flushed = 0;
    ngx_int_t rc;

    for (;;) {
        done = BLOB_SLICES_MAX + 1;
        rc = ngx_http_blob_slices_collect(r, ctx, &done);
        if (done > BLOB_SLICES_MAX) {
            return rc; /* it failed, or is begun again */
        }

        if (s->next >= s->off + s->len && done == s->n) {
            rc = s->segments ? ngx_http_blob_slices_trailer(r, s)
                             : ngx_http_send_special(r, NGX_HTTP_LAST);
            return ngx_http_blob_finish(r, ctx, rc);
        }

        while (s->n < s->window && s->next < s->off + s->len) {
            if (ngx_http_blob_slice_launch(r, ctx) != NGX_OK) {
                return NGX_ERROR;
            }
        }

        if (done < s->n) {
            if (!c->buffered && c->write->timer_set && !c->write->delayed) {
                ngx_del_timer(c->write);
            }
            return BLOB_WAIT; /* a subrequest's end wakes us */
        }

        /* all that were started are done and still on their way out */
        if (c->buffered || flushed) {
            return ngx_http_blob_slices_wait(r) == NGX_OK ? BLOB_WAIT
                                                          : NGX_ERROR;
        }

        if (ngx_http_send_special(r, NGX_HTTP_FLUSH) == NGX_ERROR) {
            return ngx_http_blob_finish(r, ctx, NGX_ERROR);
        }
        flushed = 1;
    }
}

ngx_int_t
ngx_http_blob_slices(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;
    ngx_http_blob_slices_t *s = way->slices;
    ngx_pool_cleanup_t *cln;
    ngx_int_t rc;

    if (s == NULL) {
        s = ngx_pcalloc(r->pool, sizeof(*s));
        cln = ngx_pool_cleanup_add(r->pool, 0);
        if (s == NULL || cln == NULL) {
            return NGX_ERROR;
        }
        cln->handler = ngx_http_blob_slices_cleanup;
        cln->data = s;
        way->slices = s;

        rc = ngx_http_discard_request_body(r);
        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    s->off = way->off;
    s->len = way->len;
    s->partial = way->partial;
    s->next = s->off;
    s->window = 1;
    s->crc = 0;
    s->segment = 0;
    s->framed = 0;
    if (ctx->framed) {
        s->segments = (unsigned) ((s->off + s->len - 1) / BLOB_SLICE_SIZE
                                  - s->off / BLOB_SLICE_SIZE + 1);
        s->framed = proto_structured_length(s->len, s->segments);
    }

    if (ngx_http_blob_cache_id(ctx, s->id) != NGX_OK) {
        return NGX_ERROR;
    }

    r->write_event_handler = ngx_http_blob_slices_event;
    return ngx_http_blob_goto(ctx, &ngx_http_blob_step_slices);
}
