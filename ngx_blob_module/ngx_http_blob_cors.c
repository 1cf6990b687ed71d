#include "ngx_http_blob_origin.h"

#include "proto/cors.h"
#include "proto/service.h"

/*
 * CORS: preflight requests, and what an account's rules add to each answer.
 *
 * A standalone account keeps its rules itself (service.c). With an origin they
 * are the origin's. A request that has an Origin lets them be asked for, with
 * the edge's own key; what was said is a fact of the account and counts for
 * `fresh`. When they cannot be had the edge adds nothing, lets the origin
 * answer preflights, and asks again after a while.
 *
 *     know ──▶ fact ──▶ next
 *          ──▶ crowd ──▶ ask: Get Blob Service Properties
 *                    ──▶ asked: fact, then all who wait ──▶ next
 */
#define BLOB_CORS_RETRY_MS 30000
/* Nobody has to be let in to make the edge ask. */
#define BLOB_CORS_FRESH_MIN_MS 1000

/* A fact without such a mark: rules were set, and are not known yet. */
#define BLOB_CORS_MARK VIEW("rules")

typedef enum {
    BLOB_CORS_UNKNOWN = 0,
    BLOB_CORS_KNOWN,
    BLOB_CORS_DENIED /* and it is too early to ask again */
} ngx_http_blob_cors_t;

static ngx_int_t ngx_http_blob_cors_look(ngx_http_request_t *r,
                                         ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_cors_asked(ngx_http_request_t *r,
                                          ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_cors_noted(ngx_http_request_t *r,
                                          ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_preflight_send(ngx_http_request_t *r,
                                              ngx_http_blob_ctx_t *ctx);

static const ngx_http_blob_step_t ngx_http_blob_step_cors_look = {
    "cors_look", "looking up CORS rules", ngx_http_blob_cors_look
};
static const ngx_http_blob_step_t ngx_http_blob_step_cors_asked = {
    "cors_asked", "reading the origin's CORS rules", ngx_http_blob_cors_asked
};
static const ngx_http_blob_step_t ngx_http_blob_step_cors_noted = {
    "cors_noted", "looking up CORS rules", ngx_http_blob_cors_noted
};
static const ngx_http_blob_step_t ngx_http_blob_step_preflight_send = {
    "preflight_send", "answering preflight", ngx_http_blob_preflight_send
};

/* ---- an origin's rules ------------------------------------------------ */

/* `buf` of STORE_RECORD_MAX backs it. */
static ngx_http_blob_cors_t
ngx_http_blob_cors_fact(ngx_http_blob_ctx_t *ctx, u_char *buf,
                        store_fact_t *fact)
{
    policy_rule_t own;
    int64_t age;
    writer_t w;

    writer_init_fixed(&w, buf, STORE_RECORD_MAX);
    if (store_fact_get(ctx->bmcf->reader,
                       ngx_http_blob_view(ctx->account->name), VIEW_NULL,
                       VIEW_NULL, &w, fact)
        != TIER_OK)
    {
        ngx_memzero(fact, sizeof(*fact));
        return BLOB_CORS_UNKNOWN;
    }

    own = policy_lookup(&ctx->account->policy, VIEW(""), VIEW(""));
    age = ngx_http_blob_now_ms() - fact->checked_at_ms;

    if (age < 0 || (fact->exists && fact->origin_etag.len == 0)) {
        return BLOB_CORS_UNKNOWN;
    }

    if (!fact->exists) {
        return age < BLOB_CORS_RETRY_MS ? BLOB_CORS_DENIED : BLOB_CORS_UNKNOWN;
    }

    return age < ngx_max(own.fresh_ms, BLOB_CORS_FRESH_MIN_MS)
             ? BLOB_CORS_KNOWN
             : BLOB_CORS_UNKNOWN;
}

static ngx_int_t
ngx_http_blob_cors_post(ngx_http_blob_ctx_t *ctx, const store_fact_t *fact,
                        const ngx_http_blob_step_t *next)
{
    view_t container = ctx->uri.container;
    ngx_int_t rc;

    ctx->uri.container = VIEW_NULL;
    rc = ngx_http_blob_fact_post(ctx, VIEW_NULL, fact, next);
    ctx->uri.container = container;
    return rc;
}

ngx_int_t
ngx_http_blob_cors_forget(ngx_http_blob_ctx_t *ctx,
                          const ngx_http_blob_step_t *next)
{
    store_fact_t fact;

    ngx_memzero(&fact, sizeof(fact));
    fact.exists = true;
    fact.checked_at_ms = ngx_http_blob_now_ms();
    return ngx_http_blob_cors_post(ctx, &fact, next);
}

ngx_int_t
ngx_http_blob_cors_know(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                        const ngx_http_blob_step_t *next)
{
    ngx_http_blob_way_t *way;

    if (!ngx_http_blob_has_origin(ctx) || ctx->part != NULL
        || proto_hdr(&ctx->headers, PROTO_HDR_ORIGIN).len == 0
        || ngx_http_blob_ways(r) == NULL)
    {
        return ngx_http_blob_goto(ctx, next);
    }

    way = ngx_http_blob_way(ctx);
    if (way == NULL) {
        return NGX_ERROR;
    }

    way->after = next;
    return ngx_http_blob_goto(ctx, &ngx_http_blob_step_cors_look);
}

static ngx_int_t
ngx_http_blob_cors_ask(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_out_spec_t spec = { .method = VIEW("GET"),
                                      .query = VIEW(
                                          "restype=service&comp=properties"),
                                      .content_length = -1 };
    view_t container = ctx->uri.container, blob = ctx->uri.blob;
    ngx_int_t rc;

    ctx->uri.container = ctx->uri.blob = VIEW("");
    rc = ngx_http_blob_out_resource(r->pool, ctx, &spec.resource);
    ctx->uri.container = container;
    ctx->uri.blob = blob;

    return rc == NGX_OK ? ngx_http_blob_ask_send(
               r, ctx, &spec, true, &ngx_http_blob_step_cors_asked)
                        : NGX_ERROR;
}

static ngx_int_t
ngx_http_blob_cors_look(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    static u_char buf[STORE_RECORD_MAX];
    ngx_http_blob_way_t *way = ctx->origin;
    ngx_http_blob_cors_t known;
    store_fact_t fact;
    ngx_int_t joined;
    ngx_str_t key;

    known = ngx_http_blob_cors_fact(ctx, buf, &fact);

    if (known != BLOB_CORS_UNKNOWN) {
        ctx->cors_known = known == BLOB_CORS_KNOWN;
        return ngx_http_blob_goto(ctx, &ngx_http_blob_step_cors_noted);
    }

    if (way->follow == BLOB_FOLLOW_NEVER) {
        /* one slash: nothing in the account has that name */
        key.len = ctx->account->name.len + 1;
        key.data = ngx_pnalloc(r->pool, key.len);
        if (key.data == NULL) {
            return NGX_ERROR;
        }
        (void) ngx_sprintf(key.data, "%V/", &ctx->account->name);

        joined =
            ngx_http_blob_crowd_join(ctx, &key, &ngx_http_blob_step_cors_look);
        if (joined != NGX_DECLINED) {
            return joined;
        }
    }

    return ngx_http_blob_cors_ask(r, ctx);
}

/* The document of the origin's rules, of pool memory, as it is kept. */
static bool
ngx_http_blob_cors_read(ngx_http_request_t *r, view_t xml, view_t *ret)
{
    proto_service_t service;
    proto_fault_t fault;
    writer_t w;
    u_char *buf;

    buf = ngx_pnalloc(r->pool, STORE_SERVICE_MAX + xml.len + 1);
    if (buf == NULL) {
        return false;
    }

    ngx_memzero(&service, sizeof(service));
    writer_init_fixed(&w, buf + STORE_SERVICE_MAX, xml.len + 1);
    if (proto_service_cors(xml, &w, &service.cors, &fault) != PROTO_OK) {
        return false;
    }

    writer_init_fixed(&w, buf, STORE_SERVICE_MAX);
    proto_service_document(&w, &service);
    *ret = writer_view(&w);
    return writer_ok(&w);
}

static ngx_int_t
ngx_http_blob_cors_asked(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;
    ngx_http_blob_sub_t *ask = way->ask;
    store_fact_t fact;

    ngx_memzero(&fact, sizeof(fact));
    fact.checked_at_ms = way->asked_ms;
    fact.exists =
        ask->status == NGX_HTTP_OK && !ask->failed
        && ngx_http_blob_cors_read(r, ask->body, &fact.container_props.acl);

    if (fact.exists) {
        fact.origin_etag = BLOB_CORS_MARK;

    } else {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "blob: the origin answered %ui %*s to a question for "
                      "the CORS rules of \"%V\", or with a document that "
                      "cannot be read; answers have none of their headers",
                      ask->status, ask->code.len, ask->code.ptr,
                      &ctx->account->name);
    }

    ctx->cors_known = fact.exists;
    return ngx_http_blob_cors_post(ctx, &fact, &ngx_http_blob_step_cors_noted);
}

static ngx_int_t
ngx_http_blob_cors_noted(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;

    way->follow = BLOB_FOLLOW_NEVER; /* others ask for other things */
    return ngx_http_blob_goto(ctx, way->after);
}

/* ---- an account's rules ----------------------------------------------- */

/* None, or those that count now; texts live until the next call. `account`:
 * which commit made them. */
static tier_rc_t
ngx_http_blob_cors_rules(ngx_http_blob_ctx_t *ctx, proto_cors_t *ret,
                         store_account_t *account)
{
    static u_char buf[STORE_RECORD_MAX + BLOB_SERVICE_BUF];
    proto_service_t service;
    store_fact_t fact;
    proto_fault_t fault;
    writer_t texts;
    tier_rc_t rc;

    ngx_memzero(account, sizeof(*account));
    ngx_memzero(&service, sizeof(service));

    if (!ngx_http_blob_has_origin(ctx)) {
        rc = ngx_http_blob_service_load(ctx, buf, account, &service);
        *ret = service.cors;
        return rc;
    }

    /* an answer to a request without an origin only says that others may be
     * different: for that an old rule does */
    (void) ngx_http_blob_cors_fact(ctx, buf, &fact);
    if (fact.exists && fact.origin_etag.len != 0
        && (ctx->cors_known
            || proto_hdr(&ctx->headers, PROTO_HDR_ORIGIN).len == 0))
    {
        writer_init_fixed(&texts, buf + STORE_RECORD_MAX, BLOB_SERVICE_BUF);
        if (proto_service_read(fact.container_props.acl, &texts, &service,
                               &fault)
            != PROTO_OK)
        {
            return TIER_ECORRUPT;
        }
    }

    *ret = service.cors;
    return TIER_OK;
}

/* ---- Preflight Blob Request ------------------------------------------- */

ngx_int_t
ngx_http_blob_preflight(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    store_account_t account;
    proto_cors_t cors;
    proto_cors_ask_t ask;
    tier_rc_t rc;

    if (ngx_http_blob_has_origin(ctx) && !ctx->cors_known
        && proto_cors_ask(ctx->hdrs, ctx->nhdrs, &ask, &ctx->fault)
               == PROTO_OK)
    {
        return ngx_http_blob_forward(r, ctx);
    }

    rc = ngx_http_blob_cors_rules(ctx, &cors, &account);
    if (rc != TIER_OK) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(rc));
    }

    if (account.seen > ctx->seen) {
        ctx->seen = account.seen;
    }
    return ngx_http_blob_wait_durable(ctx, &ngx_http_blob_step_preflight_send);
}

static ngx_int_t
ngx_http_blob_preflight_send(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    const proto_cors_rule_t *rule;
    store_account_t account;
    proto_cors_t cors;
    proto_cors_ask_t ask;
    proto_err_t err;
    tier_rc_t rc;

    rc = ngx_http_blob_cors_rules(ctx, &cors, &account);
    if (rc != TIER_OK) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(rc));
    }

    err = proto_cors_ask(ctx->hdrs, ctx->nhdrs, &ask, &ctx->fault);
    if (err == PROTO_OK) {
        err = proto_cors_preflight(&cors, &ask, &rule);
    }
    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    proto_cors_preflight_headers(rule, &ask, ngx_http_blob_emit, r);
    return ngx_http_blob_reply(r, ctx, NGX_HTTP_OK, VIEW_NULL, VIEW_NULL);
}

/* ---- headers of answers ------------------------------------------------ */

static void
ngx_http_blob_cors_name(writer_t *w, const proto_cors_rule_t *rule,
                        view_t name)
{
    if (!proto_cors_exposed(rule, name)) {
        return;
    }

    if (w->len != 0) {
        writer_putc(w, ',');
    }
    writer_put(w, name);
}

/* The names of the answer's headers that a page may see: browsers know no
 * prefixes. */
static ngx_int_t
ngx_http_blob_cors_expose(ngx_http_request_t *r, const proto_cors_rule_t *rule,
                          view_t *ret)
{
    ngx_list_part_t *part;
    ngx_table_elt_t *h;
    size_t cap = 64;
    ngx_uint_t i;
    u_char *buf;
    writer_t w;

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;
        for (i = 0; i < part->nelts; i++) {
            cap += h[i].key.len + 1;
        }
    }

    buf = ngx_pnalloc(r->pool, cap);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    writer_init_fixed(&w, buf, cap);
    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;
        for (i = 0; i < part->nelts; i++) {
            if (h[i].hash != 0) {
                ngx_http_blob_cors_name(&w, rule,
                                        ngx_http_blob_view(h[i].key));
            }
        }
    }

    /* those that nginx writes itself */
    ngx_http_blob_cors_name(&w, rule, VIEW("Date"));
    if (r->headers_out.content_length_n >= 0) {
        ngx_http_blob_cors_name(&w, rule, VIEW("Content-Length"));
    }

    *ret = writer_view(&w);
    return writer_ok(&w) ? NGX_OK : NGX_ERROR;
}

/* The origin's answer to a forwarded request has its own. */
static bool
ngx_http_blob_cors_theirs(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_way_t *way = ctx->origin;

    return way != NULL && way->fwd != NULL && !way->fwd->tier
        && !ctx->own_reply
        && ngx_http_get_module_ctx(r, ngx_http_blob_filter_module) == NULL;
}

ngx_int_t
ngx_http_blob_cors_headers(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    proto_cors_answer_t a;
    store_account_t account;
    proto_cors_t cors;
    view_t names = VIEW_NULL;

    if (ctx == NULL || ctx->kind != BLOB_CTX_MAIN || ctx->account == NULL
        || ctx->op == NULL || ctx->op->id == PROTO_OP_PREFLIGHT
        || ctx->bmcf->store == NULL || ngx_http_blob_cors_theirs(r, ctx))
    {
        return NGX_OK;
    }

    /* rules that are not durable yet are none yet */
    if (ngx_http_blob_cors_rules(ctx, &cors, &account) != TIER_OK
        || account.number > store_durable(ctx->bmcf->store))
    {
        return NGX_OK;
    }

    a = proto_cors_answer(&cors, proto_hdr(&ctx->headers, PROTO_HDR_ORIGIN),
                          ngx_http_blob_view(r->method_name));

    if (a.rule != NULL
        && ngx_http_blob_cors_expose(r, a.rule, &names) != NGX_OK) {
        return NGX_ERROR;
    }

    if ((a.allow_origin.len != 0
         && ngx_http_blob_header(r, VIEW("Access-Control-Allow-Origin"),
                                 a.allow_origin)
                != NGX_OK)
        || (names.len != 0
            && ngx_http_blob_header(r, VIEW("Access-Control-Expose-Headers"),
                                    names)
                   != NGX_OK)
        || (a.credentials
            && ngx_http_blob_header(
                   r, VIEW("Access-Control-Allow-Credentials"), VIEW("true"))
                   != NGX_OK)
        || (a.vary
            && ngx_http_blob_header(r, VIEW("Vary"), VIEW("Origin"))
                   != NGX_OK))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}
