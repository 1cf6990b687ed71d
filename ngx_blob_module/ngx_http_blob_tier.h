#ifndef NGX_HTTP_BLOB_TIER_H
#define NGX_HTTP_BLOB_TIER_H

#include "ngx_http_blob.h"

#include <sys/un.h>

/*
 * A connection to blob-tier's socket in the store's folder, for requests that
 * are no client's: nginx's own event loop reads it, no location and no
 * upstream is needed.
 */
typedef struct {
    ngx_peer_connection_t pc;
    struct sockaddr_un sun;
    ngx_str_t name;
} ngx_http_blob_tier_t;

/* A socket that nobody listens on refuses at once. */
bool ngx_http_blob_tier_alive(ngx_http_blob_ctx_t *ctx);
/* NGX_DECLINED: blob-tier does not run. The events' connection has `data`. */
ngx_int_t ngx_http_blob_tier_connect(ngx_http_blob_ctx_t *ctx,
                                     ngx_http_blob_tier_t *t, void *data,
                                     ngx_event_handler_pt handler);
void ngx_http_blob_tier_close(ngx_http_blob_tier_t *t);
/* BLOB_WAIT until the socket is ready, or its read event has timed out. */
ngx_int_t ngx_http_blob_tier_wait(ngx_http_blob_tier_t *t, ngx_msec_t ms);

#endif
