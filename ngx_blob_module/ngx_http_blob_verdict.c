#include "ngx_http_blob_origin.h"

#include "base/digest.h"
#include "proto/date.h"

/*
 * What the origin says of a caller: asked with the caller's own credentials
 * (proto/verdict.h says what), kept in the zone. And the user delegation keys
 * that it gave out through here.
 *
 *     verdict ──▶ zone ──▶ next
 *             ──▶ crowd ──▶ ask ──▶ asked: zone, then all who wait ──▶ next
 *
 * A token or a SAS goes to its account's own origin and nowhere else, and
 * into no log.
 */

typedef struct {
    uint16_t err; /* proto_err_t */
    u_char challenge[BLOB_ZONE_VALUE_MAX - sizeof(uint16_t)];
} ngx_http_blob_verdict_t;

static ngx_int_t ngx_http_blob_verdict_again(ngx_http_request_t *r,
                                             ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_verdict_asked(ngx_http_request_t *r,
                                             ngx_http_blob_ctx_t *ctx);

static const ngx_http_blob_step_t ngx_http_blob_step_verdict_again = {
    "verdict_again", "authorising blob request", ngx_http_blob_verdict_again
};
static const ngx_http_blob_step_t ngx_http_blob_step_verdict_asked = {
    "verdict_asked", "reading what the origin says of a caller",
    ngx_http_blob_verdict_asked
};

/* ---- names ------------------------------------------------------------ */

static void
ngx_http_blob_name_part(hmac_t *h, view_t v)
{
    uint32_t len = (uint32_t) v.len;

    hmac_update(h, view_of(&len, sizeof(len)));
    hmac_update(h, v);
}

static void
ngx_http_blob_verdict_name(ngx_http_blob_ctx_t *ctx,
                           const proto_probe_req_t *req, u_char ret[32])
{
    u_char probe = (u_char) ctx->auth.probe;
    hmac_t h;

    hmac_init(&h, VIEW("verdict"));
    ngx_http_blob_name_part(&h, ngx_http_blob_view(ctx->account->name));
    ngx_http_blob_name_part(
        &h, req->level == PROTO_LEVEL_ACCOUNT ? VIEW("") : ctx->uri.container);
    hmac_update(&h, view_of(ctx->auth.caller, sizeof(ctx->auth.caller)));
    hmac_update(&h, view_of(&probe, 1));
    hmac_final(&h, ret);
}

static bool
ngx_http_blob_key_name(ngx_http_blob_ctx_t *ctx, const proto_ud_t *ud,
                       u_char ret[32])
{
    u_char name[SHA256_LEN];
    hmac_t h;

    if (!proto_ud_name(ud, name)) {
        return false;
    }

    hmac_init(&h, VIEW("key"));
    ngx_http_blob_name_part(&h, ngx_http_blob_view(ctx->account->name));
    hmac_update(&h, view_of(name, sizeof(name)));
    hmac_final(&h, ret);
    return true;
}

/* ---- the caller's own credentials ------------------------------------- */

ngx_int_t
ngx_http_blob_query_part(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                         bool credential, view_t *ret)
{
    static const char *const sas[] = {
        "sv",  "ss",  "srt",  "sp",    "se",    "st",    "spr",     "sig",
        "sr",  "si",  "sip",  "ses",   "sdd",   "skoid", "sktid",   "skt",
        "ske", "sks", "skv",  "saoid", "suoid", "scid",  "skdutid", "sduoid",
        "srh", "srq", "rscc", "rscd",  "rsce",  "rscl",  "rsct",    NULL
    };
    view_t query = ctx->uri.raw_query, pair, name;
    size_t from, to;
    u_char *buf, *text;
    writer_t w, scratch;

    buf = ngx_pnalloc(r->pool, query.len + 1);
    text = ngx_pnalloc(r->pool, query.len + 1);
    if (buf == NULL || text == NULL) {
        return NGX_ERROR;
    }
    writer_init_fixed(&w, buf, query.len + 1);

    for (from = 0; from < query.len; from = to + 1) {
        to = view_find(query, '&', from);
        pair = view_sub(query, from, to - from);
        writer_init_fixed(&scratch, text, query.len + 1);

        if (pair.len == 0
            || !proto_uri_decode(view_sub(pair, 0, view_find(pair, '=', 0)),
                                 true, &scratch, &name)
            || ngx_http_blob_word_in(name, sas) != credential
            || view_eq_ci(name, VIEW("api-version")))
        {
            continue;
        }
        if (w.len) {
            writer_putc(&w, '&');
        }
        writer_put(&w, pair);
    }

    *ret = writer_view(&w);
    return writer_ok(&w) ? NGX_OK : NGX_ERROR;
}

ngx_int_t
ngx_http_blob_caller(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                     ngx_http_blob_out_spec_t *spec)
{
    spec->caller = true;

    if (ctx->auth.cred == PROTO_CRED_BEARER) {
        spec->authorization =
            proto_hdr(&ctx->headers, PROTO_HDR_AUTHORIZATION);
        return NGX_OK;
    }

    return ngx_http_blob_query_part(r, ctx, true, &spec->sas);
}

/* ---- asking ----------------------------------------------------------- */

static ngx_int_t
ngx_http_blob_verdict_fact(ngx_http_blob_ctx_t *ctx, proto_err_t err,
                           view_t challenge)
{
    ngx_http_blob_way_t *way = ctx->origin;

    if (way != NULL) {
        way->follow = BLOB_FOLLOW_NEVER; /* the blob has a crowd of its own */
    }

    ctx->challenge = challenge;
    ctx->auth_in.facts |= PROTO_NEED_VERDICT;
    ctx->auth_in.verdict = err;
    return ngx_http_blob_goto(ctx, ctx->next);
}

static ngx_int_t
ngx_http_blob_verdict_kept(ngx_http_blob_ctx_t *ctx, const u_char name[32])
{
    union {
        ngx_http_blob_verdict_t v;
        u_char buf[BLOB_ZONE_VALUE_MAX];
    } u;
    view_t challenge = VIEW_NULL;
    size_t len;
    u_char *p;

    if (!ngx_http_blob_zone_get(ctx->bmcf->zone, name, u.buf, &len)) {
        return NGX_DECLINED;
    }

    if (len > sizeof(u.v.err)) {
        len -= sizeof(u.v.err);
        p = ngx_pnalloc(ctx->r->pool, len);
        if (p == NULL) {
            return NGX_ERROR;
        }
        ngx_memcpy(p, u.v.challenge, len);
        challenge = view_of(p, len);
    }

    return ngx_http_blob_verdict_fact(ctx, (proto_err_t) u.v.err, challenge);
}

/* A snapshot or version that a SAS is for has to be asked for with it. */
static ngx_int_t
ngx_http_blob_verdict_query(ngx_http_blob_ctx_t *ctx,
                            const proto_probe_req_t *req, view_t *ret)
{
    view_t snapshot = proto_uri_param(&ctx->uri, PROTO_PARAM_SNAPSHOT);
    view_t version = proto_uri_param(&ctx->uri, PROTO_PARAM_VERSIONID);
    view_t prefix = proto_uri_param(&ctx->uri, PROTO_PARAM_PREFIX);
    size_t cap = req->query.len + 3 * (snapshot.len + version.len + prefix.len)
               + sizeof("&snapshot=&versionid=&prefix=");
    u_char *buf;
    writer_t w;

    *ret = req->query;
    if (ctx->auth.cred == PROTO_CRED_BEARER) {
        return NGX_OK;
    }

    buf = ngx_pnalloc(ctx->r->pool, cap);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    writer_init_fixed(&w, buf, cap);
    writer_put(&w, req->query);
    if (snapshot.len) {
        writer_puts(&w, w.len ? "&snapshot=" : "snapshot=");
        proto_uri_encode(&w, snapshot, false);
    }
    if (version.len) {
        writer_puts(&w, w.len ? "&versionid=" : "versionid=");
        proto_uri_encode(&w, version, false);
    }
    if (prefix.len && req->level == PROTO_LEVEL_CONTAINER) {
        writer_puts(&w, "&prefix="); /* sr=d: within the directory */
        proto_uri_encode(&w, prefix, false);
    }

    *ret = writer_view(&w);
    return writer_ok(&w) ? NGX_OK : NGX_ERROR;
}

static ngx_int_t
ngx_http_blob_verdict_ask(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                          const proto_probe_req_t *req)
{
    ngx_http_blob_out_spec_t spec = { .method = req->method,
                                      .hdrs = req->hdrs,
                                      .nhdrs = req->nhdrs,
                                      .content_length = -1 };
    view_t container = ctx->uri.container, blob = ctx->uri.blob;
    ngx_int_t rc;

    if (req->level != PROTO_LEVEL_BLOB) {
        ctx->uri.blob = VIEW("");
    }
    if (req->level == PROTO_LEVEL_ACCOUNT) {
        ctx->uri.container = VIEW("");
    }
    rc = ngx_http_blob_out_resource(r->pool, ctx, &spec.resource);
    ctx->uri.container = container;
    ctx->uri.blob = blob;

    if (rc != NGX_OK
        || ngx_http_blob_verdict_query(ctx, req, &spec.query) != NGX_OK
        || ngx_http_blob_caller(r, ctx, &spec) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_blob_ask_send(r, ctx, &spec,
                                  !view_eq(req->method, VIEW("HEAD")),
                                  &ngx_http_blob_step_verdict_asked);
}

ngx_int_t
ngx_http_blob_verdict(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                      const ngx_http_blob_step_t *next)
{
    if (ngx_http_blob_way(ctx) == NULL) {
        return NGX_ERROR;
    }

    ctx->next = next;
    return ngx_http_blob_verdict_again(r, ctx);
}

static ngx_int_t
ngx_http_blob_verdict_again(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;
    proto_probe_req_t req;
    ngx_str_t key;
    ngx_int_t rc;

    proto_probe_request(ctx->auth.probe, ctx->op->level,
                        ctx->auth.cred != PROTO_CRED_BEARER, &req);

    /* no blob's key has a zero in it */
    key.len = 33;
    key.data = ngx_pcalloc(r->pool, key.len);
    if (key.data == NULL) {
        return NGX_ERROR;
    }
    ngx_http_blob_verdict_name(ctx, &req, key.data + 1);

    rc = ngx_http_blob_verdict_kept(ctx, key.data + 1);
    if (rc != NGX_DECLINED) {
        return rc;
    }

    if (way->follow == BLOB_FOLLOW_NEVER) {
        rc = ngx_http_blob_crowd_join(ctx, &key,
                                      &ngx_http_blob_step_verdict_again);
        if (rc != NGX_DECLINED) {
            return rc;
        }
    }

    return ngx_http_blob_verdict_ask(r, ctx, &req);
}

/* An answer of 2xx to a request under a condition that nothing meets. */
static void
ngx_http_blob_verdict_complain(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;
    proto_probe_t probe = ctx->auth.probe;

    if (way->ask->status < NGX_HTTP_SPECIAL_RESPONSE && way->ask->status != 0
        && (probe == PROTO_PROBE_WRITE || probe == PROTO_PROBE_CREATE
            || probe == PROTO_PROBE_DELETE))
    {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "blob: the origin of blob_account \"%V\" ignores "
                      "If-Match: it is no Blob service; take \"bearer\" and "
                      "\"user_delegation_sas\" out of its blob_auth",
                      &ctx->account->name);
    }
}

static ngx_int_t
ngx_http_blob_verdict_asked(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;
    ngx_http_blob_sub_t *ask = way->ask;
    proto_probe_req_t req;
    ngx_http_blob_verdict_t v;
    view_t challenge = VIEW_NULL;
    u_char name[32];
    proto_err_t err;

    err = proto_probe_verdict(ctx->auth.probe, (unsigned) ask->status,
                              ask->code);
    ngx_http_blob_verdict_complain(r, ctx);

    if (err == PROTO_ERR_SERVER_BUSY) {
        ngx_http_blob_crowd_release(way);
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "blob: the origin answered %ui %*s to a question "
                      "whether a caller may do this",
                      ask->status, ask->code.len, ask->code.ptr);
        return ngx_http_blob_fail(r, ctx, err);
    }

    if (err == PROTO_ERR_INVALID_BEARER_TOKEN) {
        challenge = proto_answer_header(ask->hdrs, ask->nhdrs,
                                        VIEW("WWW-Authenticate"));
        challenge = view_sub(challenge, 0, sizeof(v.challenge));
    }

    v.err = (uint16_t) err;
    if (challenge.len) {
        ngx_memcpy(v.challenge, challenge.ptr, challenge.len);
    }

    proto_probe_request(ctx->auth.probe, ctx->op->level,
                        ctx->auth.cred != PROTO_CRED_BEARER, &req);
    ngx_http_blob_verdict_name(ctx, &req, name);
    ngx_http_blob_zone_put(
        ctx->bmcf->zone, name,
        (time_t) proto_verdict_until(err, ctx->auth.until_s, ngx_time()),
        view_of(&v, sizeof(v.err) + challenge.len));
    ngx_http_blob_crowd_release(way);

    return ngx_http_blob_verdict_fact(ctx, err, challenge);
}

/* ---- user delegation keys --------------------------------------------- */

view_t
ngx_http_blob_verdict_key(ngx_http_blob_ctx_t *ctx)
{
    u_char name[32], *buf;
    size_t len;

    if (ctx->bmcf->zone == NULL
        || !ngx_http_blob_key_name(ctx, &ctx->auth.ud, name))
    {
        return VIEW_NULL;
    }

    buf = ngx_palloc(ctx->r->pool, BLOB_ZONE_VALUE_MAX);
    if (buf == NULL
        || !ngx_http_blob_zone_get(ctx->bmcf->zone, name, buf, &len)) {
        return VIEW_NULL;
    }

    return view_of(buf, len);
}

void
ngx_http_blob_key_learn(ngx_http_blob_ctx_t *ctx, view_t answer)
{
    u_char name[32], texts[1024], value[64];
    proto_ud_t ud;
    int64_t until_s;
    writer_t w;
    view_t key;

    writer_init_fixed(&w, texts, sizeof(texts));

    if (!proto_ud_answer(answer, &w, &ud, value, sizeof(value), &key)
        || !ngx_http_blob_key_name(ctx, &ud, name)
        || !proto_date_parse_iso8601(ud.ske, &until_s))
    {
        ngx_log_error(NGX_LOG_WARN, ctx->r->connection->log, 0,
                      "blob: the origin's answer to Get User Delegation Key "
                      "cannot be read; SAS of that key are asked for one by "
                      "one");
        return;
    }

    ngx_http_blob_zone_put(ctx->bmcf->zone, name, (time_t) until_s, key);
    ngx_explicit_memzero(value, sizeof(value));
}
