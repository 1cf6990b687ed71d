#include "ngx_http_blob_origin.h"

/*
 * The filters, below not_modified and the range body filter, above gzip: what
 * leaves a blob server has headers that this module made.
 *
 *     subrequests      slices are checked and trimmed, asks are taken in
 *     own replies      pass; gzip is kept off
 *     forwards         forward.c cleans or holds them
 *     nginx's errors   (bad request line, oversized headers, a dead origin)
 *                      get the Blob service's document
 */

#define BLOB_ERROR_DOC_MAX 1024

typedef struct {
    view_t body;
    unsigned sent:1;
} ngx_http_blob_error_t;

static ngx_http_output_header_filter_pt ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt ngx_http_next_body_filter;

static ngx_int_t ngx_http_blob_filter_init(ngx_conf_t *cf);

/* clang-format off */

static ngx_http_module_t  ngx_http_blob_filter_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_blob_filter_init,             /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};

ngx_module_t  ngx_http_blob_filter_module = {
    NGX_MODULE_V1,
    &ngx_http_blob_filter_module_ctx,      /* module context */
    NULL,                                  /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};

/* clang-format on */

/* A subrequest that is a part of a batch goes the way of a client's request,
 * to another end. */
static ngx_http_blob_batch_part_t *
ngx_http_blob_part_of(ngx_http_request_t *r)
{
    ngx_http_blob_kind_t *kind;

    if (r == r->main) {
        return NULL;
    }

    kind = ngx_http_get_module_ctx(r, ngx_http_blob_module);
    return kind != NULL && *kind == BLOB_CTX_MAIN
             ? ((ngx_http_blob_ctx_t *) kind)->part
             : NULL;
}

ngx_int_t
ngx_http_blob_next_header(ngx_http_request_t *r)
{
    ngx_http_blob_batch_part_t *part = ngx_http_blob_part_of(r);

    if (part != NULL) {
        return ngx_http_blob_part_header(r, part);
    }

    if (r == r->main
        && ngx_http_blob_cors_headers(
               r, ngx_http_get_module_ctx(r, ngx_http_blob_module))
               != NGX_OK)
    {
        return NGX_ERROR;
    }

#if (NGX_HTTP_GZIP)
    r->gzip_tested = 1;
    r->gzip_ok = 0;
#endif
    return ngx_http_next_header_filter(r);
}

ngx_int_t
ngx_http_blob_next_body(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_http_blob_batch_part_t *part = ngx_http_blob_part_of(r);

    return part != NULL ? ngx_http_blob_part_body(r, part, in)
                        : ngx_http_next_body_filter(r, in);
}

/* ---- nginx's own errors ----------------------------------------------- */

static proto_err_t
ngx_http_blob_error_of(ngx_uint_t status)
{
    switch (status) {
    case NGX_HTTP_UNAUTHORIZED:
    case NGX_HTTP_FORBIDDEN:
        return PROTO_ERR_AUTHORIZATION_FAILURE;
    case NGX_HTTP_NOT_FOUND:
        return PROTO_ERR_RESOURCE_NOT_FOUND;
    case NGX_HTTP_NOT_ALLOWED:
        return PROTO_ERR_UNSUPPORTED_HTTP_VERB;
    case NGX_HTTP_LENGTH_REQUIRED:
        return PROTO_ERR_MISSING_CONTENT_LENGTH_HEADER;
    case NGX_HTTP_REQUEST_ENTITY_TOO_LARGE:
        return PROTO_ERR_REQUEST_BODY_TOO_LARGE;
    case NGX_HTTP_REQUEST_URI_TOO_LARGE:
        return PROTO_ERR_REQUEST_URI_TOO_LONG;
    case NGX_HTTP_RANGE_NOT_SATISFIABLE:
        return PROTO_ERR_INVALID_RANGE;
    case NGX_HTTP_NOT_IMPLEMENTED:
        return PROTO_ERR_NOT_IMPLEMENTED;
    case NGX_HTTP_VERSION_NOT_SUPPORTED:
        return PROTO_ERR_HTTP_VERSION_NOT_SUPPORTED;
    case NGX_HTTP_TOO_MANY_REQUESTS:
    case NGX_HTTP_BAD_GATEWAY:
    case NGX_HTTP_SERVICE_UNAVAILABLE:
    case NGX_HTTP_GATEWAY_TIME_OUT:
        return PROTO_ERR_SERVER_BUSY;
    default:
        return status >= 500 ? PROTO_ERR_INTERNAL_ERROR
                             : PROTO_ERR_INVALID_URI;
    }
}

/* A 400 that came before the location was known.  nginx says 400 for headers
 * that are too large as well; then alone it lingers with nothing to discard.
 */
static proto_err_t
ngx_http_blob_error_early(ngx_http_request_t *r)
{
    if (r->headers_in.headers.part.elts == NULL) {
        return PROTO_ERR_INVALID_URI;
    }

    return r->lingering_close && !r->discard_body
             ? PROTO_ERR_REQUEST_HEADERS_TOO_LARGE
             : PROTO_ERR_INVALID_HEADER_VALUE;
}

/* Is this an error of a blob server that no location of somebody else's
 * raised? */
static bool
ngx_http_blob_error_ours(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_core_loc_conf_t *clcf;
    ngx_http_blob_srv_conf_t *bscf;
    ngx_http_blob_loc_conf_t *blcf;

    if (r->headers_out.status < NGX_HTTP_BAD_REQUEST) {
        return false;
    }

    if (ctx != NULL) {
        return true;
    }

    bscf = ngx_http_get_module_srv_conf(r, ngx_http_blob_module);
    blcf = ngx_http_get_module_loc_conf(r, ngx_http_blob_module);
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    return bscf->pass && (blcf->pass || clcf->name.len == 0);
}

static ngx_int_t
ngx_http_blob_error_headers_own(ngx_http_request_t *r,
                                ngx_http_blob_ctx_t *ctx, proto_err_t err,
                                view_t id)
{
    const proto_error_row_t *row = proto_error_row(err);

    if (ngx_http_blob_common_headers(r, ctx) != NGX_OK
        || (ctx == NULL
            && ngx_http_blob_header(r, VIEW("x-ms-request-id"), id) != NGX_OK)
        || ngx_http_blob_header(r, VIEW("x-ms-error-code"),
                                view_str(row->code))
               != NGX_OK
        || (err == PROTO_ERR_SERVER_BUSY
            && ngx_http_blob_header(r, VIEW("Retry-After"), VIEW("1"))
                   != NGX_OK))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}

ngx_int_t
ngx_http_blob_error_replace(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                            proto_err_t err)
{
    proto_fault_t fault = { .err = err };
    ngx_http_blob_error_t *e;
    ngx_list_part_t *part;
    ngx_table_elt_t *h;
    u_char *buf;
    ngx_uint_t i;
    writer_t w;
    view_t id;

    e = ngx_pcalloc(r->pool, sizeof(*e));
    buf = ngx_pnalloc(r->pool, BLOB_ERROR_DOC_MAX + 36);
    if (e == NULL || buf == NULL) {
        return NGX_ERROR;
    }

    if (ctx != NULL) {
        id = view_of(ctx->request_id, 36);
    } else {
        ngx_http_blob_request_id(buf + BLOB_ERROR_DOC_MAX);
        id = view_of(buf + BLOB_ERROR_DOC_MAX, 36);
    }

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;
        for (i = 0; i < part->nelts; i++) {
            h[i].hash = 0;
        }
    }
    ngx_http_clear_accept_ranges(r);
    ngx_http_clear_last_modified(r);
    ngx_http_clear_etag(r);
    r->headers_out.server = NULL;
    r->headers_out.date = NULL;
    r->headers_out.location = NULL;
    r->headers_out.content_range = NULL;
    r->headers_out.content_encoding = NULL;

    writer_init_fixed(&w, buf, BLOB_ERROR_DOC_MAX);
    proto_error_xml(&w, &fault, id, ngx_time());
    e->body = writer_view(&w);

    if (!writer_ok(&w)
        || ngx_http_blob_error_headers_own(r, ctx, err, id) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_blob_status_line(r, err) != NGX_OK) {
        return NGX_ERROR;
    }
    ngx_str_set(&r->headers_out.content_type, "application/xml");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    ngx_str_null(&r->headers_out.charset);
    r->headers_out.content_length_n = (off_t) e->body.len;

    ngx_http_set_ctx(r, e, ngx_http_blob_filter_module);
    return ngx_http_blob_next_header(r);
}

/* Our document in place of what comes. */
static ngx_int_t
ngx_http_blob_error_body_own(ngx_http_request_t *r, ngx_http_blob_error_t *e,
                             ngx_chain_t *in)
{
    ngx_chain_t out;
    ngx_buf_t *b;

    for (; in; in = in->next) {
        in->buf->pos = in->buf->last;
        in->buf->file_pos = in->buf->file_last;
    }

    if (e->sent) {
        return r->connection->buffered ? ngx_http_blob_next_body(r, NULL)
                                       : NGX_OK;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    e->sent = 1;
    b->pos = (u_char *) (uintptr_t) e->body.ptr;
    b->last = b->pos + e->body.len;
    b->memory = 1;
    b->last_buf = 1;
    b->last_in_chain = 1;
    out.buf = b;
    out.next = NULL;
    return ngx_http_blob_next_body(r, &out);
}

/* ---- filters ---------------------------------------------------------- */

static ngx_int_t
ngx_http_blob_header_filter(ngx_http_request_t *r)
{
    ngx_http_blob_kind_t *kind;
    ngx_http_blob_ctx_t *ctx;
    ngx_http_blob_sub_t *sub;
    ngx_uint_t status;
    ngx_int_t rc;

    kind = ngx_http_get_module_ctx(r, ngx_http_blob_module);

    if (r != r->main && ngx_http_blob_part_of(r) == NULL) {
        if (kind == NULL || *kind == BLOB_CTX_MAIN) {
            return ngx_http_next_header_filter(r);
        }

        sub = (ngx_http_blob_sub_t *) kind;
        if (*kind == BLOB_CTX_SLICE) {
            return ngx_http_blob_slice_header(r, sub);
        }

        r->header_sent = 1;
        if (ngx_http_blob_sub_take(r, sub) == NGX_ERROR) {
            return NGX_ERROR;
        }
        r->header_only = r->subrequest_in_memory ? 0 : 1;
        return NGX_OK;
    }

    ctx = (ngx_http_blob_ctx_t *) kind;

    if (ngx_http_get_module_ctx(r, ngx_http_blob_filter_module) != NULL) {
        return ngx_http_blob_next_header(r);
    }

    if (ctx != NULL && ctx->own_reply) {
        return ngx_http_blob_next_header(r);
    }

    if (ctx != NULL && ngx_http_blob_forwarding(ctx)) {
        rc = ngx_http_blob_forward_header(r, ctx);
        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    if (ngx_http_blob_error_ours(r, ctx)) {
        status = r->headers_out.status;
        return ngx_http_blob_error_replace(
            r, ctx,
            ctx == NULL && status == NGX_HTTP_BAD_REQUEST
                ? ngx_http_blob_error_early(r)
                : ngx_http_blob_error_of(status));
    }

    return ngx_http_next_header_filter(r);
}

static ngx_int_t
ngx_http_blob_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_http_blob_kind_t *kind;
    ngx_http_blob_error_t *e;

    kind = ngx_http_get_module_ctx(r, ngx_http_blob_module);

    if (r != r->main && ngx_http_blob_part_of(r) == NULL) {
        if (kind != NULL && *kind == BLOB_CTX_SLICE) {
            return ngx_http_blob_slice_body(r, (ngx_http_blob_sub_t *) kind,
                                            in);
        }

        if (kind != NULL && r->background && !r->subrequest_in_memory) {
            /* of a HEAD: nobody's turn would come to take it */
            return NGX_OK;
        }

        return ngx_http_next_body_filter(r, in);
    }

    e = ngx_http_get_module_ctx(r, ngx_http_blob_filter_module);
    if (e != NULL && in != NULL) {
        return ngx_http_blob_error_body_own(r, e, in);
    }

    if (kind != NULL && in != NULL
        && ngx_http_blob_forwarding((ngx_http_blob_ctx_t *) kind))
    {
        return ngx_http_blob_forward_body(r, (ngx_http_blob_ctx_t *) kind, in);
    }

    if (kind != NULL && in != NULL
        && ((ngx_http_blob_ctx_t *) kind)->frame != NULL)
    {
        return ngx_http_blob_frame_body(r, (ngx_http_blob_ctx_t *) kind, in);
    }

    return ngx_http_blob_next_body(r, in);
}

static ngx_int_t
ngx_http_blob_filter_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_blob_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_blob_body_filter;
    return NGX_OK;
}
