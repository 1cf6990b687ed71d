#include "ngx_http_blob_tier.h"

static ngx_int_t
ngx_http_blob_tier_address(ngx_http_blob_ctx_t *ctx, struct sockaddr_un *sun)
{
    u_char *last = (u_char *) sun->sun_path + sizeof(sun->sun_path) - 1;

    ngx_memzero(sun, sizeof(*sun));
    sun->sun_family = AF_UNIX;

    return ngx_snprintf((u_char *) sun->sun_path, sizeof(sun->sun_path) - 1,
                        "%V/run/tier.sock%Z", &ctx->bmcf->store_path)
                == last
             ? NGX_DECLINED
             : NGX_OK;
}

bool
ngx_http_blob_tier_alive(ngx_http_blob_ctx_t *ctx)
{
    struct sockaddr_un sun;
    ngx_socket_t s;
    bool alive;

    if (ngx_http_blob_tier_address(ctx, &sun) != NGX_OK) {
        return true; /* too long to ask */
    }

    s = ngx_socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s == (ngx_socket_t) -1) {
        return true;
    }

    alive = connect(s, (struct sockaddr *) &sun, sizeof(sun)) == 0
         || ngx_socket_errno == NGX_EAGAIN;
    ngx_close_socket(s);
    return alive;
}

ngx_int_t
ngx_http_blob_tier_connect(ngx_http_blob_ctx_t *ctx, ngx_http_blob_tier_t *t,
                           void *data, ngx_event_handler_pt handler)
{
    ngx_log_t *log = ctx->r->connection->log;
    ngx_connection_t *c;
    ngx_int_t rc;

    if (ngx_http_blob_tier_address(ctx, &t->sun) != NGX_OK) {
        return NGX_DECLINED;
    }

    ngx_str_set(&t->name, "blob-tier");
    t->pc.sockaddr = (struct sockaddr *) &t->sun;
    t->pc.socklen = sizeof(t->sun);
    t->pc.name = &t->name;
    t->pc.get = ngx_event_get_peer;
    t->pc.log = log;
    t->pc.log_error = NGX_ERROR_ERR;

    rc = ngx_event_connect_peer(&t->pc);
    c = t->pc.connection;

    if (rc != NGX_OK && rc != NGX_AGAIN) {
        if (c != NULL && rc != NGX_DECLINED) {
            ngx_http_blob_tier_close(t);
        }
        t->pc.connection = NULL;
        return NGX_DECLINED;
    }

    c->data = data;
    c->log = log;
    c->read->log = c->log;
    c->write->log = c->log;
    c->read->handler = handler;
    c->write->handler = handler;
    return NGX_OK;
}

void
ngx_http_blob_tier_close(ngx_http_blob_tier_t *t)
{
    if (t->pc.connection != NULL) {
        ngx_close_connection(t->pc.connection);
        t->pc.connection = NULL;
    }
}

ngx_int_t
ngx_http_blob_tier_wait(ngx_http_blob_tier_t *t, ngx_msec_t ms)
{
    ngx_connection_t *c = t->pc.connection;

    if (ngx_handle_read_event(c->read, 0) != NGX_OK
        || ngx_handle_write_event(c->write, 0) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_add_timer(c->read, ms);
    return BLOB_WAIT;
}
