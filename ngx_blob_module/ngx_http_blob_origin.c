#include "ngx_http_blob_origin.h"

#include "proto/native.h"

#include "proto/structured.h"

/*
 * Accounts with an origin: what the configuration makes of them, reads of
 * blobs whose truth is there.
 *
 * A read knows its blob by the first of these that holds:
 *
 *     a record (clean, alias) that the origin spoke of within `fresh`, or
 *                  whose ETag the client's If-Match names
 *     a fact from within `fresh`
 *     an ask ──▶ a fact; a record that it contradicts is forgotten
 *
 * What the origin last said of a record is noted as a fact too, so that
 * keeping a record fresh costs no commit.
 */

#define BLOB_SAS_MAX        4096
#define BLOB_CROWD_FRESH_MS 1000 /* a shorter belief is not worth a wait */

static ngx_int_t ngx_http_blob_read_asked(ngx_http_request_t *r,
                                          ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_read_learnt(ngx_http_request_t *r,
                                           ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_read_forgotten(ngx_http_request_t *r,
                                              ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_lake_said(ngx_http_request_t *r,
                                         ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_write_asked(ngx_http_request_t *r,
                                           ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_write_learnt(ngx_http_request_t *r,
                                            ngx_http_blob_ctx_t *ctx);

static const ngx_http_blob_step_t ngx_http_blob_step_read_know = {
    "read_know", "looking up what the origin said", ngx_http_blob_read_know
};
static const ngx_http_blob_step_t ngx_http_blob_step_read_asked = {
    "read_asked", "reading what the origin says of a blob",
    ngx_http_blob_read_asked
};
static const ngx_http_blob_step_t ngx_http_blob_step_read_learnt = {
    "read_learnt", "reading blob", ngx_http_blob_read_learnt
};
static const ngx_http_blob_step_t ngx_http_blob_step_read_forgotten = {
    "read_forgotten", "reading blob", ngx_http_blob_read_forgotten
};
static const ngx_http_blob_step_t ngx_http_blob_step_lake_allows = {
    "lake_allows", "checking what the origin has", ngx_http_blob_lake_said
};
static const ngx_http_blob_step_t ngx_http_blob_step_write_asked = {
    "write_asked", "reading what the origin says of a blob",
    ngx_http_blob_write_asked
};
static const ngx_http_blob_step_t ngx_http_blob_step_write_learnt = {
    "write_learnt", "checking conditions", ngx_http_blob_write_learnt
};

/* ---- configuration ---------------------------------------------------- */

ngx_int_t
ngx_http_blob_origin_preconf(ngx_conf_t *cf)
{
    return ngx_http_blob_vars_add(cf);
}

/* A SAS as written or from its file, without a leading question mark. */
static char *
ngx_http_blob_origin_sas(ngx_conf_t *cf, ngx_http_blob_account_t *account,
                         ngx_http_blob_lake_t *lake)
{
    ngx_str_t sas = account->origin_sas_conf;
    u_char *path, *buf;
    ngx_fd_t fd;
    ssize_t n;

    if (sas.len > 5 && ngx_strncmp(sas.data, "file:", 5) == 0) {
        path = ngx_pnalloc(cf->pool, sas.len);
        buf = ngx_pnalloc(cf->pool, BLOB_SAS_MAX);
        if (path == NULL || buf == NULL) {
            return NGX_CONF_ERROR;
        }
        (void) ngx_cpystrn(path, sas.data + 5, sas.len - 4);

        fd = ngx_open_file(path, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);
        n = fd == NGX_INVALID_FILE ? -1 : ngx_read_fd(fd, buf, BLOB_SAS_MAX);
        if (n < 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                               "cannot read the SAS file \"%s\"", path);
        }
        if (fd != NGX_INVALID_FILE) {
            ngx_close_file(fd);
        }
        if (n < 0) {
            return NGX_CONF_ERROR;
        }

        while (n > 0 && buf[n - 1] <= ' ') {
            n--;
        }
        sas.data = buf;
        sas.len = (size_t) n;
    }

    if (sas.len && sas.data[0] == '?') {
        sas.data++;
        sas.len--;
    }

    lake->sas = ngx_http_blob_view(sas);
    return NGX_CONF_OK;
}

/* Feeds nginx the upstream blocks that it would find in a file. The parser is
 * told of a block, so that it accepts nested ones, and all of the text is in
 * its buffer, so that it never reads. */
static char *
ngx_http_blob_origin_parse(ngx_conf_t *cf, u_char *text, size_t len)
{
    ngx_conf_file_t file;
    ngx_conf_t pcf = *cf;
    ngx_buf_t b;

    ngx_memzero(&file, sizeof(file));
    ngx_memzero(&b, sizeof(b));

    b.start = b.pos = text;
    b.last = b.end = text + len;
    file.file.fd = cf->conf_file->file.fd;
    file.file.name = cf->conf_file->file.name;
    file.line = cf->conf_file->line;
    file.buffer = &b;

    pcf.conf_file = &file;
    pcf.cmd_type = NGX_HTTP_MAIN_CONF;
    pcf.args = ngx_array_create(cf->temp_pool, 10, sizeof(ngx_str_t));
    if (pcf.args == NULL) {
        return NGX_CONF_ERROR;
    }

    return ngx_conf_parse(&pcf, NULL);
}

/* One peer is named twice, so that a request without a body is tried again
 * when a kept connection turns out to be closed. Forwards open their own. */
static char *
ngx_http_blob_origin_upstreams(ngx_conf_t *cf,
                               ngx_http_blob_account_t *account,
                               ngx_http_blob_lake_t *lake, ngx_str_t peer)
{
    static const char *fmt = "upstream blob_origin_%V {"
                             " server %V max_fails=0;"
                             " server %V max_fails=0;"
                             " keepalive 64; }"
                             "upstream blob_forward_%V {"
                             " server %V max_fails=0; } }";
    size_t cap = ngx_strlen(fmt) + 2 * account->name.len + 3 * peer.len;
    u_char *text, *names;
    size_t len;

    text = ngx_pnalloc(cf->pool, cap);
    names = ngx_pnalloc(cf->pool, 2 * (account->name.len + 16));
    if (text == NULL || names == NULL) {
        return NGX_CONF_ERROR;
    }

    len = (size_t) (ngx_sprintf(names, "blob_origin_%V", &account->name)
                    - names);
    lake->upstream = view_of(names, len);
    names += len;
    len = (size_t) (ngx_sprintf(names, "blob_forward_%V", &account->name)
                    - names);
    lake->forward = view_of(names, len);

    len = (size_t) (ngx_sprintf(text, fmt, &account->name, &peer, &peer,
                                &account->name, &peer)
                    - text);
    return ngx_http_blob_origin_parse(cf, text, len);
}

char *
ngx_http_blob_origin_account(ngx_conf_t *cf, ngx_http_blob_main_conf_t *bmcf,
                             ngx_http_blob_account_t *account)
{
    view_t url = ngx_http_blob_view(account->origin);
    ngx_http_blob_lake_t *lake;
    size_t slash, colon;
    ngx_str_t peer;
    bool tls;

    lake = ngx_pcalloc(cf->pool, sizeof(*lake));
    if (lake == NULL) {
        return NGX_CONF_ERROR;
    }
    account->origin_data = lake;

    tls = (url.ptr[4] | 0x20) == 's';
    lake->scheme = tls ? VIEW("https://") : VIEW("http://");
    url = view_sub(url, lake->scheme.len, url.len);
    slash = view_find(url, '/', 0);
    lake->host = view_sub(url, 0, slash);
    lake->path = view_sub(url, slash, url.len);

    colon = lake->host.len;
    while (colon > 0 && lake->host.ptr[colon - 1] >= '0'
           && lake->host.ptr[colon - 1] <= '9')
    {
        colon--;
    }
    if (colon == 0 || colon == lake->host.len
        || lake->host.ptr[colon - 1] != ':') {
        colon = lake->host.len + 1; /* no port */
    }
    lake->name = view_sub(lake->host, 0, colon - 1);

    if (lake->name.len == 0
        || view_find(view_sub(lake->path, 1, lake->path.len), '/', 0)
               < (lake->path.len ? lake->path.len - 1 : 0))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "origin \"%V\": write https://ACCOUNT.blob.core."
                           "windows.net or http://HOST:PORT/ACCOUNT, nothing "
                           "after the account",
                           &account->origin);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_blob_origin_sas(cf, account, lake) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    if (account->upstream.len) {
        lake->upstream = ngx_http_blob_view(account->upstream);
        lake->forward = lake->upstream;
        return NGX_CONF_OK;
    }

    peer.data = ngx_pnalloc(cf->pool, lake->host.len + sizeof(":443"));
    if (peer.data == NULL) {
        return NGX_CONF_ERROR;
    }
    ngx_memcpy(peer.data, lake->host.ptr, lake->host.len);
    peer.len = lake->host.len;
    if (tls && lake->name.len == lake->host.len) {
        ngx_memcpy(peer.data + peer.len, ":443", 4);
        peer.len += 4;
    }

    return ngx_http_blob_origin_upstreams(cf, account, lake, peer);
}

static ngx_http_core_loc_conf_t *
ngx_http_blob_named(ngx_http_core_srv_conf_t *cscf, const char *name)
{
    ngx_http_core_loc_conf_t **clcf = cscf->named_locations;
    view_t want = view_str(name);

    for (; clcf != NULL && *clcf != NULL; clcf++) {
        if (view_eq(ngx_http_blob_view((*clcf)->name), want)) {
            return *clcf;
        }
    }

    return NULL;
}

/* The include has to be there, with proxy_pass; what else it needs shows in
 * the first member of proxy's configuration, which is public. */
static ngx_int_t
ngx_http_blob_ways_check(ngx_conf_t *cf, ngx_http_core_srv_conf_t *cscf,
                         ngx_http_blob_ways_t *ways)
{
    ngx_http_core_loc_conf_t *all[4], *clcf;
    static const char *names[] = { "@blob_slice", "@blob_ask", "@blob_forward",
                                   "@blob_tier" };
    extern ngx_module_t ngx_http_proxy_module;
    ngx_http_upstream_conf_t *u;
    const char *wrong = NULL;
    ngx_uint_t i;

    all[0] = ways->slice;
    all[1] = ways->ask;
    all[2] = ways->forward;
    all[3] = ways->tier;

    for (i = 0; i < 4; i++) {
        clcf = all[i];
        if (clcf == NULL || clcf->handler == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "server \"%V\" serves an account with an origin but "
                          "has no location %s with proxy_pass: add \"include "
                          "blob_origin.conf;\" to the server block, in %s:%ui",
                          &cscf->server_name, names[i], cscf->file_name,
                          cscf->line);
            return NGX_ERROR;
        }

        u = clcf->loc_conf[ngx_http_proxy_module.ctx_index];

        if (i == 0 && !u->cache) {
            wrong = "proxy_cache blob_slices";
        } else if (i == 0 && !u->cache_lock) {
            wrong = "proxy_cache_lock on";
        } else if (i == 0 && u->cache_convert_head) {
            wrong = "proxy_cache_convert_head off";
        } else if (i != 0 && u->cache) {
            wrong = "proxy_cache off";
        } else if (i == 2 && u->buffering) {
            wrong = "proxy_buffering off";
        } else if (i != 2 && !u->buffering) {
            wrong = "proxy_buffering on";
        } else if (i == 2 && u->request_buffering) {
            wrong = "proxy_request_buffering off";
        } else if (!u->pass_request_headers) {
            wrong = "proxy_pass_request_headers on";
        } else if (u->intercept_errors) {
            wrong = "proxy_intercept_errors off";
        }

        if (wrong != NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "location %s of server \"%V\" needs \"%s;\": see "
                          "the blob_origin.conf that comes with the module, "
                          "in %s:%ui",
                          names[i], &cscf->server_name, wrong, cscf->file_name,
                          cscf->line);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}

ngx_int_t
ngx_http_blob_origin_postconf(ngx_conf_t *cf, ngx_http_blob_main_conf_t *bmcf)
{
    ngx_http_core_main_conf_t *cmcf;
    ngx_http_core_srv_conf_t **cscf;
    ngx_http_blob_srv_conf_t *bscf;
    ngx_http_blob_ways_t *ways;
    bool used = false;
    ngx_uint_t i;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    cscf = cmcf->servers.elts;

    for (i = 0; i < cmcf->servers.nelts; i++) {
        bscf = cscf[i]->ctx->srv_conf[ngx_http_blob_module.ctx_index];
        if (!bscf->pass || !bscf->origin) {
            continue;
        }

        ways = ngx_pcalloc(cf->pool, sizeof(*ways));
        if (ways == NULL) {
            return NGX_ERROR;
        }
        ways->slice = ngx_http_blob_named(cscf[i], "@blob_slice");
        ways->ask = ngx_http_blob_named(cscf[i], "@blob_ask");
        ways->forward = ngx_http_blob_named(cscf[i], "@blob_forward");
        ways->tier = ngx_http_blob_named(cscf[i], "@blob_tier");
        if (ngx_http_blob_ways_check(cf, cscf[i], ways) != NGX_OK) {
            return NGX_ERROR;
        }
        bscf->origin_data = ways;
        used = true;
    }

    return used ? ngx_http_blob_zone_add(cf, bmcf) : NGX_OK;
}

ngx_http_blob_ways_t *
ngx_http_blob_ways(ngx_http_request_t *r)
{
    ngx_http_blob_srv_conf_t *bscf;

    bscf = ngx_http_get_module_srv_conf(r, ngx_http_blob_module);
    return bscf->origin_data;
}

ngx_http_blob_way_t *
ngx_http_blob_way(ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;

    if (way == NULL) {
        way = ngx_pcalloc(ctx->r->pool, sizeof(*way));
        if (way != NULL) {
            way->ctx = ctx;
            ctx->origin = way;
        }
    }

    return way;
}

/* ---- reads ------------------------------------------------------------ */

static bool
ngx_http_blob_record_clean(ngx_http_blob_ctx_t *ctx)
{
    return ctx->blob_found == BLOB_LOOKUP_FOUND
        && (ctx->blob.state == STORE_CLEAN || ctx->blob.state == STORE_ALIAS);
}

/* What only the origin can answer of a read: digests of ranges that are not
 * here. */
static bool
ngx_http_blob_read_passes(ngx_http_blob_ctx_t *ctx)
{
    bool here = ctx->blob_found == BLOB_LOOKUP_FOUND && ctx->blob.resident;

    return !here && (ctx->headers.range_md5 || ctx->headers.range_crc64);
}

static ngx_int_t
ngx_http_blob_read_begin(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;
    view_t body = VIEW_NULL;
    proto_err_t err;

    err = ngx_http_blob_read_check(ctx, &way->props, way->origin_etag,
                                   &way->off, &way->len, &way->partial);
    if (err != PROTO_OK) {
        return ngx_http_blob_read_refuse(r, ctx, err, &way->props);
    }

    /* a slice is a segment, of which a message has not so many */
    if (ctx->framed
        && way->len / BLOB_SLICE_SIZE >= PROTO_STRUCTURED_COUNT_MAX - 1)
    {
        return ngx_http_blob_forward(r, ctx);
    }

    if (r->method != NGX_HTTP_HEAD && ctx->op->id == PROTO_OP_GET_BLOB
        && way->len > 0)
    {
        return ngx_http_blob_slices(r, ctx);
    }

    if ((ctx->framed
         && ngx_http_blob_frame_memory(r, VIEW_NULL, &body) != NGX_OK)
        || ngx_http_blob_read_headers(r, ctx, &way->props, way->off, way->len,
                                      way->partial, body.len)
               != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_blob_send(r, ctx, r->headers_out.status, body);
}

/* The record's bytes from here, or from the origin under the ETag and times
 * that clients were given. */
static ngx_int_t
ngx_http_blob_read_record(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;

    if (way->fact.exists && way->fact.checked_at_ms > ctx->blob.checked_at_ms
        && view_eq(way->fact.origin_etag, ctx->blob.origin_etag))
    {
        proto_answer_refresh(&ctx->blob.props, &way->fact.props);
    }

    if (ctx->blob.resident) {
        return ngx_http_blob_read_resident(r, ctx);
    }

    way->props = ctx->blob.props;
    way->origin_etag = ctx->blob.origin_etag;
    return ngx_http_blob_read_begin(r, ctx);
}

static ngx_int_t
ngx_http_blob_read_fact(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;

    if (!way->fact.exists) {
        return ngx_http_blob_fail_durable(r, ctx, PROTO_ERR_BLOB_NOT_FOUND);
    }

    way->props = way->fact.props;
    way->props.etag = way->fact.origin_etag;
    way->origin_etag = way->fact.origin_etag;
    return ngx_http_blob_read_begin(r, ctx);
}

static bool
ngx_http_blob_record_trusted(ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;
    view_t named = proto_answer_etag(ctx->headers.cond.if_match);

    if (ngx_http_blob_is_fresh(ctx, ctx->blob.checked_at_ms)
        && way->doubt_ms < ctx->blob.checked_at_ms)
    {
        return true;
    }

    if (ngx_http_blob_fact_fresh(ctx) && way->fact.exists
        && view_eq(way->fact.origin_etag, ctx->blob.origin_etag))
    {
        return true;
    }

    /* the client asks for this very content */
    return ctx->blob.resident && named.len != 0
        && view_eq(named, ctx->blob.props.etag);
}

ngx_int_t
ngx_http_blob_read_know(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;
    ngx_int_t rc;

    ngx_http_blob_fact_find(ctx, ctx->uri.blob);

    if (!way->force) {
        if (ngx_http_blob_record_clean(ctx)) {
            if (ngx_http_blob_record_trusted(ctx)) {
                return ngx_http_blob_read_record(r, ctx);
            }

        } else if (ngx_http_blob_fact_fresh(ctx)) {
            return ngx_http_blob_read_fact(r, ctx);
        }
    }

    if (!way->force && way->follow == BLOB_FOLLOW_NEVER
        && ctx->policy.fresh_ms >= BLOB_CROWD_FRESH_MS)
    {
        rc =
            ngx_http_blob_crowd_join(ctx, NULL, &ngx_http_blob_step_read_know);
        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    return ngx_http_blob_ask(r, ctx, BLOB_ASK_BLOB,
                             &ngx_http_blob_step_read_asked);
}

ngx_int_t
ngx_http_blob_read_origin(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    if (ngx_http_blob_way(ctx) == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_blob_read_passes(ctx)) {
        return ngx_http_blob_forward(r, ctx);
    }

    return ngx_http_blob_read_know(r, ctx);
}

static ngx_int_t
ngx_http_blob_read_asked(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;

    way->force = false;

    /* one that was made here and is still on its way has no blobs there */
    if (way->ask->status == NGX_HTTP_NOT_FOUND
        && ctx->container.state != STORE_DIRTY
        && view_eq(way->ask->code, VIEW("ContainerNotFound")))
    {
        return ngx_http_blob_fail_durable(r, ctx,
                                          PROTO_ERR_CONTAINER_NOT_FOUND);
    }

    return ngx_http_blob_fact_learn(r, ctx, &ngx_http_blob_step_read_learnt);
}

static ngx_int_t
ngx_http_blob_read_learnt(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;
    store_change_t *change = &way->change;

    if (!ngx_http_blob_record_clean(ctx)) {
        return ngx_http_blob_read_fact(r, ctx);
    }

    if (way->fact.exists
        && view_eq(way->fact.origin_etag, ctx->blob.origin_etag)) {
        return ngx_http_blob_read_record(r, ctx);
    }

    /* somebody changed it there: the record is history */
    ngx_memzero(change, sizeof(*change));
    change->kind = STORE_BLOB_FORGET;
    change->account = ngx_http_blob_view(ctx->account->name);
    change->container = ctx->uri.container;
    change->incarnation = ctx->container.incarnation;
    change->name = ctx->uri.blob;
    change->if_number = ctx->blob.number;
    return ngx_http_blob_commit(ctx, change,
                                &ngx_http_blob_step_read_forgotten);
}

/* Somebody may have written meanwhile: the record is looked at again. */
static ngx_int_t
ngx_http_blob_read_forgotten(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    tier_rc_t rc = ngx_http_blob_find_blob(ctx);

    if (rc < 0) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(rc));
    }

    if (rc == TIER_NOT_FOUND) {
        return ngx_http_blob_read_fact(r, ctx);
    }

    if (ctx->blob.state == STORE_TOMBSTONE) {
        return ngx_http_blob_fail_durable(r, ctx, PROTO_ERR_BLOB_NOT_FOUND);
    }

    return ctx->blob.resident
             ? ngx_http_blob_read_resident(r, ctx)
             : ngx_http_blob_fail_durable(r, ctx, PROTO_ERR_SERVER_BUSY);
}

/* ---- writes ----------------------------------------------------------- */

ngx_int_t
ngx_http_blob_fact_for_write(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                             const ngx_http_blob_step_t *next)
{
    ngx_http_blob_way_t *way = ngx_http_blob_way(ctx);

    if (way == NULL) {
        return NGX_ERROR;
    }

    way->after = next;
    ngx_http_blob_fact_find(ctx, ctx->uri.blob);

    if (ngx_http_blob_fact_fresh(ctx)) {
        return ngx_http_blob_write_learnt(r, ctx);
    }

    return ngx_http_blob_ask(r, ctx, BLOB_ASK_BLOB,
                             &ngx_http_blob_step_write_asked);
}

/* The write names no lease, else it were forwarded. The origin is asked only
 * where its last word forbids the write, or where something was forwarded
 * since. */
ngx_int_t
ngx_http_blob_lake_allows(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                          const ngx_http_blob_step_t *next)
{
    ngx_http_blob_way_t *way = ngx_http_blob_way(ctx);

    if (way == NULL) {
        return NGX_ERROR;
    }

    ngx_http_blob_fact_find(ctx, ctx->uri.blob);

    if (way->doubt_ms == 0
        && (!way->has_fact || !way->fact.exists
            || proto_lake_check(ctx->op, &way->fact.props) == PROTO_OK))
    {
        return ngx_http_blob_goto(ctx, next);
    }

    way->write_next = next;
    return ngx_http_blob_fact_for_write(r, ctx,
                                        &ngx_http_blob_step_lake_allows);
}

static ngx_int_t
ngx_http_blob_lake_said(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;
    proto_err_t err = PROTO_OK;

    if (ctx->blob_found == BLOB_LOOKUP_FOUND) {
        err = proto_lake_check(ctx->op, &ctx->blob.props);
    }
    if (err != PROTO_OK) {
        return ngx_http_blob_fail_durable(r, ctx, err);
    }

    ctx->blob_found = BLOB_LOOKUP_NONE;
    ngx_memzero(&ctx->blob, sizeof(ctx->blob));
    return ngx_http_blob_goto(ctx, way->write_next);
}

static ngx_int_t
ngx_http_blob_write_asked(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    return ngx_http_blob_fact_learn(r, ctx, &ngx_http_blob_step_write_learnt);
}

static ngx_int_t
ngx_http_blob_write_learnt(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;
    store_blob_t *blob = &ctx->blob;

    ctx->blob_found =
        way->fact.exists ? BLOB_LOOKUP_FOUND : BLOB_LOOKUP_ABSENT;

    if (way->fact.exists) {
        ngx_memzero(blob, sizeof(*blob));
        blob->state = STORE_CLEAN;
        blob->props = way->fact.props;
        blob->props.etag = way->fact.origin_etag;
        blob->origin_etag = way->fact.origin_etag;
        blob->origin_last_modified_s = way->fact.props.last_modified_s;
        blob->checked_at_ms = way->fact.checked_at_ms;
    }

    return ngx_http_blob_goto(ctx, way->after);
}
