#include "ngx_http_blob_origin.h"

#include "proto/auth.h"
#include "proto/date.h"

/*
 * Requests to the origin: composed and signed here, carried by the locations
 * of conf/blob_origin.conf, whose variables read them. The headers replace
 * the request's own list, so that what is signed is what is sent.
 */

#define BLOB_SIGN_BUF   (64 * 1024)
#define BLOB_URL_ENCODE 3

typedef struct {
    const char *name;
    size_t offset; /* of an ngx_str_t in ngx_http_blob_out_t */
} ngx_http_blob_var_t;

static const ngx_http_blob_var_t ngx_http_blob_vars[] = {
    { "blob_origin_url", offsetof(ngx_http_blob_out_t, url) },
    { "blob_origin_host", offsetof(ngx_http_blob_out_t, host) },
    { "blob_origin_name", offsetof(ngx_http_blob_out_t, name) },
    { "blob_origin_if_match", offsetof(ngx_http_blob_out_t, if_match) },
    { "blob_cache_key", offsetof(ngx_http_blob_out_t, cache_key) },
};

ngx_str_t
ngx_http_blob_str(view_t v)
{
    ngx_str_t s;

    s.data = (u_char *) (uintptr_t) v.ptr;
    s.len = v.len;
    return s;
}

/* ---- variables -------------------------------------------------------- */

static ngx_http_blob_out_t *
ngx_http_blob_out_of(ngx_http_request_t *r)
{
    ngx_http_blob_kind_t *kind;
    ngx_http_blob_ctx_t *ctx;
    ngx_http_blob_way_t *way;

    kind = ngx_http_get_module_ctx(r, ngx_http_blob_module);
    if (kind == NULL) {
        return NULL;
    }

    if (*kind != BLOB_CTX_MAIN) {
        return &((ngx_http_blob_sub_t *) kind)->out;
    }

    ctx = (ngx_http_blob_ctx_t *) kind;
    way = ctx->origin;
    return way != NULL ? &way->out : NULL;
}

static ngx_int_t
ngx_http_blob_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
                       uintptr_t data)
{
    ngx_http_blob_out_t *out = ngx_http_blob_out_of(r);
    ngx_str_t *value;

    if (out == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    value = (ngx_str_t *) ((char *) out + data);

    v->valid = 1;
    v->no_cacheable = 1; /* subrequests share the values */
    v->not_found = 0;
    v->len = (unsigned) value->len;
    v->data = value->data != NULL ? value->data : (u_char *) "";
    return NGX_OK;
}

ngx_int_t
ngx_http_blob_vars_add(ngx_conf_t *cf)
{
    const ngx_http_blob_var_t *bv = ngx_http_blob_vars;
    ngx_http_variable_t *var;
    ngx_str_t name;
    ngx_uint_t i;

    for (i = 0; i < sizeof(ngx_http_blob_vars) / sizeof(*bv); i++) {
        name = ngx_http_blob_str(view_str(bv[i].name));
        var = ngx_http_add_variable(cf, &name, NGX_HTTP_VAR_NOCACHEABLE);
        if (var == NULL) {
            return NGX_ERROR;
        }
        var->get_handler = ngx_http_blob_variable;
        var->data = bv[i].offset;
    }

    return NGX_OK;
}

/* ---- composing -------------------------------------------------------- */

ngx_int_t
ngx_http_blob_out_header(ngx_http_blob_out_t *out, view_t name, view_t value)
{
    ngx_table_elt_t *h = ngx_list_push(&out->headers);

    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(*h));
    h->key = ngx_http_blob_str(name);
    h->value = ngx_http_blob_str(value);
    h->lowcase_key = ngx_pnalloc(out->headers.pool, name.len + 1);
    if (h->lowcase_key == NULL) {
        return NGX_ERROR;
    }
    h->hash = ngx_hash_strlow(h->lowcase_key, h->key.data, h->key.len);
    return NGX_OK;
}

ngx_int_t
ngx_http_blob_out_resource(ngx_pool_t *pool, ngx_http_blob_ctx_t *ctx,
                           view_t *ret)
{
    view_t container = ctx->uri.container, blob = ctx->uri.blob;
    size_t cap = (container.len + blob.len) * BLOB_URL_ENCODE + 3;
    u_char *buf;
    writer_t w;

    buf = ngx_pnalloc(pool, cap);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    writer_init_fixed(&w, buf, cap);
    writer_putc(&w, '/');
    proto_uri_encode(&w, container, false);
    if (blob.len) {
        writer_putc(&w, '/');
        proto_uri_encode(&w, blob, true);
    }

    *ret = writer_view(&w);
    return writer_ok(&w) ? NGX_OK : NGX_ERROR;
}

/* SharedKey over exactly what goes out. */
static ngx_int_t
ngx_http_blob_out_sign(ngx_pool_t *pool, ngx_http_blob_ctx_t *ctx,
                       const ngx_http_blob_out_spec_t *spec, view_t path,
                       const proto_header_t *hdrs, unsigned nhdrs, view_t *ret)
{
    proto_sign_in_t in = { .method = spec->method,
                           .path = path,
                           .query = spec->query,
                           .hdrs = hdrs,
                           .nhdrs = nhdrs };
    u_char *buf;
    writer_t w, scratch;

    in.account = ngx_http_blob_view(ctx->account->origin_account);
    in.key = ctx->account->origin_key;

    buf = ngx_alloc(BLOB_SIGN_BUF, ctx->r->connection->log);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    writer_init_fixed(&scratch, buf, BLOB_SIGN_BUF);
    ret->ptr = ngx_pnalloc(pool, 256);
    if (ret->ptr != NULL) {
        writer_init_fixed(&w, (u_char *) (uintptr_t) ret->ptr, 256);
        proto_auth_sign(&in, &scratch, &w);
        *ret = writer_view(&w);
    }

    ngx_free(buf);
    return ret->ptr != NULL && writer_ok(&w) ? NGX_OK : NGX_ERROR;
}

static ngx_int_t
ngx_http_blob_out_url(ngx_pool_t *pool, ngx_http_blob_lake_t *lake,
                      const ngx_http_blob_out_spec_t *spec,
                      ngx_http_blob_out_t *ret, view_t *ret_path)
{
    view_t upstream = spec->forward ? lake->forward : lake->upstream;
    view_t sas = spec->caller ? spec->sas : lake->sas;
    size_t cap = lake->scheme.len + upstream.len + lake->path.len
               + spec->resource.len + spec->query.len + sas.len + 2;
    size_t path;
    u_char *buf;
    writer_t w;

    buf = ngx_pnalloc(pool, cap);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    writer_init_fixed(&w, buf, cap);
    writer_put(&w, lake->scheme);
    writer_put(&w, upstream);
    path = w.len;
    writer_put(&w, lake->path);
    writer_put(&w, spec->resource);
    *ret_path = view_of(buf + path, w.len - path);

    if (spec->query.len) {
        writer_putc(&w, '?');
        writer_put(&w, spec->query);
    }
    if (sas.len) {
        writer_putc(&w, spec->query.len ? '&' : '?');
        writer_put(&w, sas);
    }

    ret->url = ngx_http_blob_str(writer_view(&w));
    return writer_ok(&w) ? NGX_OK : NGX_ERROR;
}

ngx_int_t
ngx_http_blob_out_make(ngx_pool_t *pool, ngx_http_blob_ctx_t *ctx,
                       const ngx_http_blob_out_spec_t *spec,
                       ngx_http_blob_out_t *ret)
{
    ngx_http_blob_lake_t *lake = ngx_http_blob_lake(ctx);
    proto_header_t *all;
    view_t path, authorization, length = VIEW_NULL;
    unsigned i, n = 0;
    u_char *buf;
    writer_t w;

    ngx_memzero(ret, sizeof(*ret));
    ret->host = ngx_http_blob_str(lake->host);
    ret->name = ngx_http_blob_str(lake->name);

    all = ngx_palloc(pool, (spec->nhdrs + 3) * sizeof(*all));
    buf = ngx_pnalloc(pool, 64);
    if (all == NULL || buf == NULL
        || ngx_list_init(&ret->headers, pool, spec->nhdrs + 4,
                         sizeof(ngx_table_elt_t))
               != NGX_OK
        || ngx_http_blob_out_url(pool, lake, spec, ret, &path) != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < spec->nhdrs; i++) {
        all[n++] = spec->hdrs[i];
        /* the slice's own variable carries it, see blob_origin.conf */
        if (ctx->kind == BLOB_CTX_MAIN && !spec->forward
            && view_eq_ci(spec->hdrs[i].name, VIEW("If-Match")))
        {
            ret->if_match = ngx_http_blob_str(spec->hdrs[i].value);
        }
    }

    writer_init_fixed(&w, buf, 64);
    proto_date_rfc1123(&w, ngx_time());
    all[n].name = VIEW("x-ms-date");
    all[n++].value = writer_view(&w);
    all[n].name = VIEW("x-ms-version");
    all[n++].value =
        spec->version.len ? spec->version : VIEW(BLOB_ORIGIN_VERSION);

    for (i = 0; i < n; i++) {
        if (ngx_http_blob_out_header(ret, all[i].name, all[i].value) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (spec->caller) {
        return spec->authorization.len == 0
                 ? NGX_OK
                 : ngx_http_blob_out_header(ret, VIEW("Authorization"),
                                            spec->authorization);
    }

    if (ctx->account->origin_key.len == 0) {
        return NGX_OK; /* the URL has a SAS */
    }

    if (spec->content_length >= 0) {
        /* signed, but sent by nginx */
        length.len = w.len;
        writer_put_u64(&w, (uint64_t) spec->content_length);
        length = view_of(buf + length.len, w.len - length.len);
        all[n].name = VIEW("Content-Length");
        all[n++].value = length;
    }

    if (ngx_http_blob_out_sign(pool, ctx, spec, path, all, n, &authorization)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_blob_out_header(ret, VIEW("Authorization"), authorization);
}
