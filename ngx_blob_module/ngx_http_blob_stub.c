#include "ngx_http_blob.h"

/*
 * Stand-ins for the origin side: weak, so that the real functions win where
 * they are linked in. Without them an account with an origin answers
 * NotImplemented for what only the origin can tell.
 */

#define BLOB_WEAK __attribute__((weak))

BLOB_WEAK ngx_int_t
ngx_http_blob_read_origin(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    if (ctx->blob_found == BLOB_LOOKUP_FOUND && ctx->blob.resident) {
        return ngx_http_blob_read_resident(r, ctx);
    }

    return ngx_http_blob_fail(r, ctx, PROTO_ERR_NOT_IMPLEMENTED);
}

BLOB_WEAK ngx_int_t
ngx_http_blob_forward(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    return ngx_http_blob_fail(r, ctx, PROTO_ERR_NOT_IMPLEMENTED);
}

BLOB_WEAK ngx_int_t
ngx_http_blob_container_resolve(ngx_http_request_t *r,
                                ngx_http_blob_ctx_t *ctx,
                                const ngx_http_blob_step_t *next)
{
    return ngx_http_blob_fail(r, ctx, PROTO_ERR_NOT_IMPLEMENTED);
}

BLOB_WEAK ngx_int_t
ngx_http_blob_fact_for_write(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                             const ngx_http_blob_step_t *next)
{
    return ngx_http_blob_fail(r, ctx, PROTO_ERR_NOT_IMPLEMENTED);
}

BLOB_WEAK ngx_int_t
ngx_http_blob_list_origin(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    return ngx_http_blob_fail(r, ctx, PROTO_ERR_NOT_IMPLEMENTED);
}

BLOB_WEAK char *
ngx_http_blob_origin_account(ngx_conf_t *cf, ngx_http_blob_main_conf_t *bmcf,
                             ngx_http_blob_account_t *account)
{
    return NGX_CONF_OK;
}

BLOB_WEAK ngx_int_t
ngx_http_blob_origin_preconf(ngx_conf_t *cf)
{
    return NGX_OK;
}

BLOB_WEAK ngx_int_t
ngx_http_blob_origin_postconf(ngx_conf_t *cf, ngx_http_blob_main_conf_t *bmcf)
{
    return NGX_OK;
}

/* clang-format off */

static ngx_http_module_t  ngx_http_blob_filter_stub_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */
    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */
    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */
    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};

BLOB_WEAK ngx_module_t  ngx_http_blob_filter_module = {
    NGX_MODULE_V1,
    &ngx_http_blob_filter_stub_ctx,        /* module context */
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
