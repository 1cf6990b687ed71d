#include "ngx_http_blob_origin.h"

#include "proto/structured.h"

/*
 * Answers as structured messages: proto's encoder over the buffers that pass.
 * The copy filter above has read files into memory (filter_need_in_memory),
 * since every byte goes through a checksum. Buffers are not copied: a frame
 * part goes between them, and one that a segment's end lies in is split into
 * a buffer that borrows its front and itself, so that its owner sees it
 * consumed only when all of it has left.
 */

ngx_int_t
ngx_http_blob_frame_memory(ngx_http_request_t *r, view_t body, view_t *ret)
{
    proto_structured_out_t out;
    uint64_t size;
    bool frame;
    writer_t w;
    u_char *p;
    view_t v;

    proto_structured_out_init(&out, body.len);
    size = proto_structured_out_framed(&out);

    p = ngx_pnalloc(r->pool, (size_t) size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    writer_init_fixed(&w, p, (size_t) size);
    while ((v = proto_structured_out_next(&out, &body, &frame)).len != 0) {
        writer_put(&w, v);
    }

    *ret = writer_view(&w);
    return writer_ok(&w) ? NGX_OK : NGX_ERROR;
}

ngx_int_t
ngx_http_blob_frame_start(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                          uint64_t length, uint64_t *ret)
{
    proto_structured_out_t *out = ngx_palloc(r->pool, sizeof(*out));

    if (out == NULL) {
        return NGX_ERROR;
    }

    proto_structured_out_init(out, length);
    ctx->frame = out;
    r->filter_need_in_memory = 1;
    *ret = proto_structured_out_framed(out);
    return NGX_OK;
}

static ngx_int_t
ngx_http_blob_frame_link(ngx_http_request_t *r, ngx_chain_t ***ll,
                         ngx_buf_t *b)
{
    ngx_chain_t *cl = ngx_alloc_chain_link(r->pool);

    if (cl == NULL) {
        return NGX_ERROR;
    }

    cl->buf = b;
    cl->next = NULL;
    **ll = cl;
    *ll = &cl->next;
    return NGX_OK;
}

/* A buffer of a frame part, which is copied, or of a borrowed front. */
static ngx_buf_t *
ngx_http_blob_frame_buf(ngx_http_request_t *r, view_t v, bool copy)
{
    ngx_buf_t *b;

    if (copy) {
        b = ngx_create_temp_buf(r->pool, v.len);
        if (b != NULL) {
            b->last = ngx_cpymem(b->last, v.ptr, v.len);
        }
        return b;
    }

    b = ngx_calloc_buf(r->pool);
    if (b != NULL) {
        b->pos = (u_char *) (uintptr_t) v.ptr;
        b->last = b->pos + v.len;
        b->memory = 1;
    }
    return b;
}

/* What one buffer becomes. */
static ngx_int_t
ngx_http_blob_frame_one(ngx_http_request_t *r, proto_structured_out_t *out,
                        ngx_buf_t *b, ngx_chain_t ***ll)
{
    view_t io = view_of(b->pos, (size_t) (b->last - b->pos)), v;
    ngx_uint_t last = b->last_buf;
    ngx_buf_t *made = NULL;
    bool frame;

    b->last_buf = 0;
    b->in_file = 0; /* it may be in both: memory is what counts from here */

    while ((v = proto_structured_out_next(out, &io, &frame)).len != 0) {
        if (frame || io.len != 0) {
            made = ngx_http_blob_frame_buf(r, v, frame);
            if (made == NULL
                || ngx_http_blob_frame_link(r, ll, made) != NGX_OK) {
                return NGX_ERROR;
            }
            continue;
        }

        b->pos = (u_char *) (uintptr_t) v.ptr;
        if (ngx_http_blob_frame_link(r, ll, b) != NGX_OK) {
            return NGX_ERROR;
        }
        made = b;
    }

    if (last && made != NULL) {
        made->last_buf = 1;
        made->last_in_chain = 1;
    }

    return NGX_OK;
}

ngx_int_t
ngx_http_blob_frame_body(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                         ngx_chain_t *in)
{
    ngx_chain_t *out = NULL, **ll = &out, *next;
    ngx_int_t rc;

    for (; in; in = in->next) {
        if (ngx_buf_special(in->buf)) {
            rc = ngx_http_blob_frame_link(r, &ll, in->buf);

        } else {
            rc = ngx_buf_in_memory(in->buf)
                   ? ngx_http_blob_frame_one(r, ctx->frame, in->buf, &ll)
                   : NGX_ERROR;
        }
        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    rc = ngx_http_blob_next_body(r, out);

    /* the last filter keeps links of its own */
    for (; out; out = next) {
        next = out->next;
        ngx_free_chain(r->pool, out);
    }

    return rc;
}
