#include "ngx_http_blob.h"

#include "proto/date.h"
#include "proto/reply.h"

/*
 * Answers. Headers go to nginx's list under the names and in the spelling
 * that they are given; only Content-Length is nginx's own, since its framing
 * hangs on it. Errors are sent by us and not by nginx's error pages, which
 * would close the connection and speak HTML.
 */

#define BLOB_ERROR_BODY_MAX 8192
#define BLOB_VERSION_OURS   "2023-11-03"
#define BLOB_ECHO_ID_MAX    1024

static uint64_t ngx_http_blob_id_state[2];

/* xorshift128+, seeded once a process: ids need to differ, not to be secret */
static uint64_t
ngx_http_blob_id_next(void)
{
    uint64_t a, b, *s = ngx_http_blob_id_state;

    if (s[0] == 0 && s[1] == 0) {
        s[0] = ((uint64_t) ngx_pid << 32) ^ (uint64_t) ngx_random();
        s[1] = ((uint64_t) ngx_time() << 20) ^ (uint64_t) ngx_current_msec
             ^ ((uint64_t) ngx_random() << 32) ^ 1;
    }

    a = s[0];
    b = s[1];
    s[0] = b;
    a ^= a << 23;
    s[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
    return s[1] + b;
}

/* A GUID of version 4. */
void
ngx_http_blob_request_id(u_char ret[36])
{
    static const char hex[] = "0123456789abcdef";
    uint64_t n[2];
    u_char *p = ret;
    ngx_uint_t i, d;

    n[0] = ngx_http_blob_id_next();
    n[1] = ngx_http_blob_id_next();
    n[0] = (n[0] & ~0xf000ULL) | 0x4000;
    n[1] = (n[1] & ~(3ULL << 62)) | (1ULL << 63);

    for (i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20) {
            *p++ = '-';
        }
        d = (n[i / 16] >> (60 - 4 * (i % 16))) & 15;
        *p++ = (u_char) hex[d];
    }
}

ngx_int_t
ngx_http_blob_header(ngx_http_request_t *r, view_t name, view_t value)
{
    ngx_table_elt_t *h;
    uint64_t n;

    if (name.len == 14 && view_eq_ci(name, VIEW("Content-Length"))) {
        if (view_to_u64(value, &n)) {
            r->headers_out.content_length_n = (off_t) n;
        }
        return NGX_OK;
    }

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif
    h->key.data = (u_char *) (uintptr_t) name.ptr;
    h->key.len = name.len;
    h->lowcase_key = h->key.data;
    h->value.len = value.len;
    h->value.data = ngx_pnalloc(r->pool, value.len + 1);
    if (h->value.data == NULL) {
        h->hash = 0;
        return NGX_ERROR;
    }
    if (value.len) {
        ngx_memcpy(h->value.data, value.ptr, value.len);
    }

    if (name.len == 6 && view_eq_ci(name, VIEW("Server"))) {
        r->headers_out.server = h;
    }

    return NGX_OK;
}

view_t
ngx_http_blob_etag_text(ngx_http_request_t *r, uint64_t etag)
{
    u_char *p = ngx_pnalloc(r->pool, 2 + 16);
    int digits;
    writer_t w;

    if (p == NULL) {
        return VIEW_NULL;
    }

    writer_init_fixed(&w, p, 2 + 16);
    writer_puts(&w, "0x");
    for (digits = 16; digits > 1 && etag >> (4 * (digits - 1)) == 0;) {
        digits--; /* as the store: without leading zeros */
    }
    writer_put_hex(&w, etag, digits);
    return writer_view(&w);
}

/* Names of metadata come out of scratch memory: copied. */
void
ngx_http_blob_emit(void *data, view_t name, view_t value)
{
    ngx_http_request_t *r = data;
    ngx_http_blob_ctx_t *ctx =
        ngx_http_get_module_ctx(r, ngx_http_blob_module);
    u_char *p;

    p = ngx_pnalloc(r->pool, name.len + 1);
    if (p == NULL) {
        return;
    }

    ngx_memcpy(p, name.ptr, name.len);
    if (ctx != NULL) {
        value = proto_reply_value(ctx->headers.version, name, value);
    }
    (void) ngx_http_blob_header(r, view_of(p, name.len), value);
}

ngx_int_t
ngx_http_blob_common_headers(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    view_t version = VIEW_NULL, id = VIEW_NULL;

    if (ctx != NULL) {
        version = proto_hdr(&ctx->headers, PROTO_HDR_X_MS_VERSION);
        id = proto_hdr(&ctx->headers, PROTO_HDR_X_MS_CLIENT_REQUEST_ID);
        if (version.len == 0) {
            version = proto_uri_param(&ctx->uri, PROTO_PARAM_API_VERSION);
        }
        if (ctx->headers.version == 0) {
            version = VIEW_NULL;
        }
    }

    if (version.len == 0) {
        version = VIEW(BLOB_VERSION_OURS);
    }

    if (ngx_http_blob_header(r, VIEW("Server"), VIEW("Blob-Edge")) != NGX_OK
        || (ctx != NULL
            && ngx_http_blob_header(r, VIEW("x-ms-request-id"),
                                    view_of(ctx->request_id, 36))
                   != NGX_OK)
        || ngx_http_blob_header(r, VIEW("x-ms-version"), version) != NGX_OK
        || (id.ptr != NULL && id.len <= BLOB_ECHO_ID_MAX
            && ngx_http_blob_header(r, VIEW("x-ms-client-request-id"), id)
                   != NGX_OK))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}

void
ngx_http_blob_own_reply(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ctx->own_reply = 1;
    r->allow_ranges = 0;
    r->disable_not_modified = 1;
    r->headers_out.last_modified_time = -1;
}

/* What the client has sent or will send of a body that nobody reads. nginx
 * discards it and keeps the connection; after an Expect it must not invite
 * the body, and cannot know whether one comes. */
static ngx_int_t
ngx_http_blob_discard(ngx_http_request_t *r)
{
    ngx_int_t rc;

    if (r->request_body != NULL) {
        return NGX_OK;
    }

    if (r->headers_in.expect != NULL && !r->expect_tested
        && (r->headers_in.content_length_n > 0 || r->headers_in.chunked))
    {
        r->keepalive = 0;
    }

    r->expect_tested = 1;
    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        /* a body that cannot be parsed: the answer is still ours */
        r->keepalive = 0;
    }

    return r->connection->error ? NGX_ERROR : NGX_OK;
}

ngx_int_t
ngx_http_blob_send(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                   ngx_uint_t status, view_t body)
{
    ngx_chain_t out;
    ngx_buf_t *b;
    ngx_int_t rc;

    if (ngx_http_blob_discard(r) != NGX_OK) {
        return ngx_http_blob_finish(r, ctx, NGX_ERROR);
    }

    ngx_http_blob_own_reply(r, ctx);
    r->headers_out.status = status;

    if (r->method != NGX_HTTP_HEAD || r->headers_out.content_length_n < 0) {
        r->headers_out.content_length_n = (off_t) body.len;
    }

    if (status == NGX_HTTP_NOT_MODIFIED) {
        r->headers_out.content_length_n = -1;
    }

    if (body.len == 0) {
        r->header_only = 1;
    }

    rc = ngx_http_send_header(r);
    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return ngx_http_blob_finish(r, ctx, rc > NGX_OK ? NGX_ERROR : rc);
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return ngx_http_blob_finish(r, ctx, NGX_ERROR);
    }

    b->pos = (u_char *) (uintptr_t) body.ptr;
    b->last = b->pos + body.len;
    b->memory = 1;
    b->last_buf = 1;
    b->last_in_chain = 1;
    out.buf = b;
    out.next = NULL;

    return ngx_http_blob_finish(r, ctx, ngx_http_output_filter(r, &out));
}

ngx_int_t
ngx_http_blob_reply(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                    ngx_uint_t status, view_t content_type, view_t body)
{
    if (ngx_http_blob_common_headers(r, ctx) != NGX_OK
        || (content_type.len
            && ngx_http_blob_header(r, VIEW("Content-Type"), content_type)
                   != NGX_OK))
    {
        return NGX_ERROR;
    }

    return ngx_http_blob_send(r, ctx, status, body);
}

ngx_int_t
ngx_http_blob_error_body(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                         proto_err_t err, view_t *ret)
{
    u_char *buf;
    writer_t w;

    buf = ngx_pnalloc(r->pool, BLOB_ERROR_BODY_MAX);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    if (ctx->fault.err != err) {
        ngx_memzero(&ctx->fault, sizeof(ctx->fault));
        ctx->fault.err = err;
    }
    proto_op_fault_name(ctx->op, &ctx->fault);

    writer_init_fixed(&w, buf, BLOB_ERROR_BODY_MAX);
    proto_error_xml(&w, &ctx->fault, view_of(ctx->request_id, 36), ngx_time());
    if (!writer_ok(&w)) {
        /* what the client sent is too long to be shown */
        ngx_memzero(&ctx->fault, sizeof(ctx->fault));
        ctx->fault.err = err;
        writer_init_fixed(&w, buf, BLOB_ERROR_BODY_MAX);
        proto_error_xml(&w, &ctx->fault, view_of(ctx->request_id, 36),
                        ngx_time());
    }

    *ret = writer_view(&w);
    return NGX_OK;
}

static ngx_int_t
ngx_http_blob_error_headers(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                            proto_err_t err)
{
    const proto_error_row_t *row = proto_error_row(err);

    if (ngx_http_blob_header(r, VIEW("x-ms-error-code"), view_str(row->code))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (err == PROTO_ERR_SERVER_BUSY
        && ngx_http_blob_header(r, VIEW("Retry-After"), VIEW("1")) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (err == PROTO_ERR_NO_AUTHENTICATION_INFORMATION
        || err == PROTO_ERR_INVALID_BEARER_TOKEN)
    {
        return ngx_http_blob_header(
            r, VIEW("WWW-Authenticate"),
            ctx->challenge.len ? ctx->challenge : ctx->account->challenge);
    }

    return NGX_OK;
}

/* Headers that an operation added before it was refused stay behind. */
static void
ngx_http_blob_headers_drop(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_list_part_t *part;
    ngx_table_elt_t *h;
    ngx_uint_t i;

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;
        for (i = 0; i < part->nelts; i++) {
            h[i].hash = 0;
        }
    }

    r->headers_out.server = NULL;
    r->headers_out.content_length_n = -1;
}

ngx_int_t
ngx_http_blob_status_line(ngx_http_request_t *r, proto_err_t err)
{
    const proto_error_row_t *row = proto_error_row(err);
    size_t len = ngx_strlen(row->message);
    u_char *p = ngx_pnalloc(r->pool, len + 4);

    if (p == NULL) {
        return NGX_ERROR;
    }

    r->headers_out.status = row->status;
    r->headers_out.status_line.data = p;
    r->headers_out.status_line.len =
        (size_t) (ngx_sprintf(p, "%03ud %s", row->status, row->message) - p);
    return NGX_OK;
}

ngx_int_t
ngx_http_blob_fail(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                   proto_err_t err)
{
    const proto_error_row_t *row = proto_error_row(err);
    view_t body = VIEW_NULL;

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "blob fail: code=%s status=%ud", row->code, row->status);

    if (!ctx->keep_headers) {
        ngx_http_blob_headers_drop(r, ctx);
    }

    if (ngx_http_blob_common_headers(r, ctx) != NGX_OK
        || ngx_http_blob_error_headers(r, ctx, err) != NGX_OK
        || ngx_http_blob_status_line(r, err) != NGX_OK)
    {
        return ngx_http_blob_finish(r, ctx, NGX_ERROR);
    }

    if (row->status == NGX_HTTP_NOT_MODIFIED || r->method == NGX_HTTP_HEAD) {
        r->header_only = 1;
        return ngx_http_blob_send(r, ctx, row->status, VIEW_NULL);
    }

    if (ngx_http_blob_error_body(r, ctx, err, &body) != NGX_OK
        || ngx_http_blob_header(r, VIEW("Content-Type"),
                                VIEW("application/xml"))
               != NGX_OK)
    {
        return ngx_http_blob_finish(r, ctx, NGX_ERROR);
    }

    return ngx_http_blob_send(r, ctx, row->status, body);
}

proto_err_t
ngx_http_blob_rc_error(tier_rc_t rc)
{
    switch (rc) {
    case TIER_OK:
        return PROTO_OK;
    case TIER_NOT_FOUND:
        return PROTO_ERR_BLOB_NOT_FOUND;
    case TIER_EXISTS:
        return PROTO_ERR_BLOB_ALREADY_EXISTS;
    case TIER_REFUSED:
        return PROTO_ERR_CONDITION_NOT_MET;
    case TIER_EINVAL:
        return PROTO_ERR_INVALID_INPUT;
    case TIER_ELIMIT:
        return PROTO_ERR_OUT_OF_RANGE_INPUT;
    case TIER_AGAIN:
    case TIER_ENOSPC:
    case TIER_EBUSY:
    case TIER_EORIGIN:
        return PROTO_ERR_SERVER_BUSY;
    default:
        return PROTO_ERR_INTERNAL_ERROR;
    }
}
