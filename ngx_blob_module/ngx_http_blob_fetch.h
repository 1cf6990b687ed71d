#ifndef NGX_HTTP_BLOB_FETCH_H
#define NGX_HTTP_BLOB_FETCH_H

#include "ngx_http_blob.h"

#include "proto/copy.h"
#include "proto/fetched.h"

/*
 * The bytes of a copy's source outside the edge. blob-tier fetches them by
 * the rules of blob_copy_source and sends them over its socket in the store's
 * folder; here they go into a body of the store, which is committed as any
 * other: conditions, guards and commits stay in one place. nginx's own event
 * loop reads the socket, no location and no upstream is needed, so that it is
 * the same in a server that knows no origin.
 *
 *     blob-tier ─▶ buf[cur] ─▶ task ─▶ store_body_write
 *                  buf[1-cur] fills meanwhile; when both are full the socket
 *                  is not read, and blob-tier does not read the source
 */
typedef struct ngx_http_blob_fetch_s ngx_http_blob_fetch_t;

/* Fetches the source (pool memory of the request, ask->account apart, which is
 * the request's own); at `next` it is either whole in the store or
 * `ngx_http_blob_fetch_error` says what went wrong. For requests without a
 * body. Returns as a step does. */
ngx_int_t ngx_http_blob_fetch(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                              const proto_fetched_ask_t *ask,
                              const ngx_http_blob_step_t *next,
                              ngx_http_blob_fetch_t **ret);

/* PROTO_OK: all bytes are here and are what x-ms-source-content-md5 or -crc64
 * say. */
proto_err_t ngx_http_blob_fetch_error(const ngx_http_blob_fetch_t *fetch);
/* Answers it, for the rows that do with what the source said. BLOB_DONE. */
ngx_int_t ngx_http_blob_fetch_fail(ngx_http_request_t *r,
                                   ngx_http_blob_ctx_t *ctx,
                                   ngx_http_blob_fetch_t *fetch);
/* Properties of the source with the MD5 of what came (none for blocks that
 * need none). */
const blob_props_t *
ngx_http_blob_fetch_props(const ngx_http_blob_fetch_t *fetch);
const store_digest_t *
ngx_http_blob_fetch_digest(const ngx_http_blob_fetch_t *fetch);
/* Once: for the commit, which takes it come what may. */
store_body_t *ngx_http_blob_fetch_take(ngx_http_blob_fetch_t *fetch);

#endif
