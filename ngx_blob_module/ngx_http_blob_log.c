#include "ngx_http_blob.h"

/*
 * What nginx appends to error log lines of a request, without the signatures
 * of SAS. The order and the words are nginx's (ngx_http_log_error_handler).
 */

static const char ngx_http_blob_log_secret[] = "sig=";

/* Copies `text`; what follows "sig=" (also "%26sig%3D" of a nested URL) up to
 * the next separator becomes "...". */
static u_char *
ngx_http_blob_log_url(u_char *p, u_char *last, ngx_str_t *text)
{
    u_char *s = text->data, *end = text->data + text->len;
    size_t n;

    while (s < end && p < last) {
        n = 0;
        if (end - s >= 4
            && ngx_strncasecmp(s, (u_char *) ngx_http_blob_log_secret, 4) == 0)
        {
            n = 4;

        } else if (end - s >= 6
                   && ngx_strncasecmp(s, (u_char *) "sig%3d", 6) == 0) {
            n = 6;
        }

        if (n == 0) {
            *p++ = *s++;
            continue;
        }

        if ((size_t) (last - p) < n + 3) {
            return p;
        }

        p = ngx_cpymem(p, s, n);
        p = ngx_cpymem(p, "...", 3);
        for (s += n; s < end && *s != '&' && *s != ' ' && *s != '#'; s++) {
            /* the signature itself */
        }
    }

    return p;
}

static u_char *
ngx_http_blob_log_field(u_char *p, u_char *last, const char *name,
                        ngx_str_t *text)
{
    p = ngx_slprintf(p, last, ", %s: \"", name);
    p = ngx_http_blob_log_url(p, last, text);
    return ngx_slprintf(p, last, "\"");
}

u_char *
ngx_http_blob_log_handler(ngx_http_request_t *r, ngx_http_request_t *sr,
                          u_char *buf, size_t len)
{
    u_char *p = buf, *last = buf + len;
    ngx_http_upstream_t *u = sr->upstream;
    ngx_http_core_srv_conf_t *cscf;

    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);
    p = ngx_slprintf(p, last, ", server: %V", &cscf->server_name);

    if (r->request_line.len) {
        p = ngx_http_blob_log_field(p, last, "request", &r->request_line);
    }

    if (r != sr) {
        p = ngx_slprintf(p, last, ", subrequest: \"%V\"", &sr->uri);
    }

    if (u && u->peer.name) {
        p = ngx_slprintf(p, last, ", upstream: \"%V%V", &u->schema,
                         u->peer.name);
        p = ngx_http_blob_log_url(p, last, &u->uri);
        p = ngx_slprintf(p, last, "\"");
    }

    if (r->headers_in.host) {
        p = ngx_slprintf(p, last, ", host: \"%V\"",
                         &r->headers_in.host->value);
    }

    if (r->headers_in.referer) {
        p = ngx_http_blob_log_field(p, last, "referrer",
                                    &r->headers_in.referer->value);
    }

    return p;
}
