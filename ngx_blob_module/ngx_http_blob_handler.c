#include "ngx_http_blob_copy.h"

#include "proto/lease.h"
#include "proto/native.h"
#include "proto/snapshot.h"

/*
 * A request's way in: parse, the gate, dispatch. What a request means is
 * decided by proto; here it is only carried from one question to the next.
 */

#define BLOB_HEADERS_MAX 256

static ngx_int_t ngx_http_blob_parse(ngx_http_request_t *r,
                                     ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_gate(ngx_http_request_t *r,
                                    ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_gate_fact(ngx_http_request_t *r,
                                         ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_dispatch(ngx_http_request_t *r,
                                        ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_start_native(ngx_http_request_t *r,
                                            ngx_http_blob_ctx_t *ctx);

static const ngx_http_blob_step_t ngx_http_blob_step_parse = {
    "parse", "parsing blob request", ngx_http_blob_parse
};
static const ngx_http_blob_step_t ngx_http_blob_step_gate = {
    "gate", "authorising blob request", ngx_http_blob_gate
};
static const ngx_http_blob_step_t ngx_http_blob_step_gate_fact = {
    "gate_fact", "authorising blob request", ngx_http_blob_gate_fact
};
static const ngx_http_blob_step_t ngx_http_blob_step_native = {
    "native", "starting blob operation", ngx_http_blob_start_native
};
static const ngx_http_blob_step_t ngx_http_blob_step_dispatch = {
    "dispatch", "starting blob operation", ngx_http_blob_dispatch
};

/* op id -> first step of what is done here; the rest forwards or refuses */
static const ngx_http_blob_step_pt ngx_http_blob_native[] = {
    [PROTO_OP_LIST_CONTAINERS] = ngx_http_blob_list_containers,
    [PROTO_OP_GET_ACCOUNT_INFO] = ngx_http_blob_account_info,
    [PROTO_OP_CONTAINER_ACCOUNT_INFO] = ngx_http_blob_account_info,
    [PROTO_OP_BLOB_ACCOUNT_INFO] = ngx_http_blob_account_info,
    [PROTO_OP_BATCH] = ngx_http_blob_batch,
    [PROTO_OP_CONTAINER_BATCH] = ngx_http_blob_batch,
    [PROTO_OP_GET_SERVICE_PROPERTIES] = ngx_http_blob_service_get,
    [PROTO_OP_SET_SERVICE_PROPERTIES] = ngx_http_blob_service_set,
    [PROTO_OP_PREFLIGHT] = ngx_http_blob_preflight,
    [PROTO_OP_CREATE_CONTAINER] = ngx_http_blob_container_create,
    [PROTO_OP_GET_CONTAINER_PROPERTIES] = ngx_http_blob_container_get,
    [PROTO_OP_GET_CONTAINER_METADATA] = ngx_http_blob_container_get,
    [PROTO_OP_SET_CONTAINER_METADATA] = ngx_http_blob_container_set,
    [PROTO_OP_GET_CONTAINER_ACL] = ngx_http_blob_container_get,
    [PROTO_OP_SET_CONTAINER_ACL] = ngx_http_blob_container_set,
    [PROTO_OP_DELETE_CONTAINER] = ngx_http_blob_container_delete,
    [PROTO_OP_LEASE_CONTAINER] = ngx_http_blob_lease,
    [PROTO_OP_LIST_BLOBS] = ngx_http_blob_list_blobs,
    [PROTO_OP_GET_BLOB] = ngx_http_blob_read,
    [PROTO_OP_GET_BLOB_PROPERTIES] = ngx_http_blob_read,
    [PROTO_OP_GET_BLOB_METADATA] = ngx_http_blob_read,
    [PROTO_OP_SET_BLOB_PROPERTIES] = ngx_http_blob_set,
    [PROTO_OP_SET_BLOB_METADATA] = ngx_http_blob_set,
    [PROTO_OP_GET_BLOB_TAGS] = ngx_http_blob_get_tags,
    [PROTO_OP_SET_BLOB_TAGS] = ngx_http_blob_set_tags,
    [PROTO_OP_SET_BLOB_TIER] = ngx_http_blob_set_tier,
    [PROTO_OP_FIND_BLOBS_BY_TAGS] = ngx_http_blob_find_by_tags,
    [PROTO_OP_CONTAINER_FIND_BLOBS_BY_TAGS] = ngx_http_blob_find_by_tags,
    [PROTO_OP_DELETE_BLOB] = ngx_http_blob_delete,
    [PROTO_OP_LEASE_BLOB] = ngx_http_blob_lease,
    [PROTO_OP_SNAPSHOT_BLOB] = ngx_http_blob_snapshot,
    [PROTO_OP_ABORT_COPY_BLOB] = ngx_http_blob_abort_copy,
    [PROTO_OP_PUT_BLOB] = ngx_http_blob_put,
    [PROTO_OP_PUT_BLOCK] = ngx_http_blob_put_block,
    [PROTO_OP_PUT_BLOCK_LIST] = ngx_http_blob_put_block_list,
    [PROTO_OP_GET_BLOCK_LIST] = ngx_http_blob_get_block_list,
    [PROTO_OP_PUT_APPEND_BLOB] = ngx_http_blob_append_create,
    [PROTO_OP_APPEND_BLOCK] = ngx_http_blob_append_block,
    [PROTO_OP_SEAL_APPEND_BLOB] = ngx_http_blob_seal,
    [PROTO_OP_COUNT] = NULL,
};

_Static_assert(sizeof(ngx_http_blob_native) / sizeof(ngx_http_blob_native[0])
                   == PROTO_OP_COUNT + 1,
               "one entry an operation");

ngx_int_t
ngx_http_blob_handler(ngx_http_request_t *r)
{
    ngx_http_blob_ctx_t *ctx;

    if (r == r->main) {
        ctx = ngx_http_blob_ctx_create(r);
        if (ctx == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

    } else {
        if (!ngx_http_blob_is_part(r)) {
            return NGX_HTTP_NOT_FOUND;
        }

        ctx = ngx_http_get_module_ctx(r, ngx_http_blob_module);
        if (ctx == NULL) {
            return NGX_ERROR;
        }
    }

    ngx_http_blob_request_id(ctx->request_id);
    ctx->now_s = ngx_time();

    /* held until ngx_http_blob_finish */
    r->main->count++;
    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    ctx->step = &ngx_http_blob_step_parse;
    ngx_http_blob_run(r, ctx);
    return NGX_DONE;
}

/* nginx's list of request headers as proto's array. */
static proto_err_t
ngx_http_blob_take_headers(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_list_part_t *part;
    ngx_table_elt_t *h;
    ngx_uint_t i, n = 0;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        n += part->nelts;
    }

    if (n > BLOB_HEADERS_MAX) {
        return PROTO_ERR_REQUEST_HEADERS_TOO_LARGE;
    }

    ctx->hdrs = ngx_palloc(r->pool, (n + 1) * sizeof(proto_header_t));
    if (ctx->hdrs == NULL) {
        return PROTO_ERR_INTERNAL_ERROR;
    }

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;
        for (i = 0; i < part->nelts; i++) {
            ctx->hdrs[ctx->nhdrs].name = ngx_http_blob_view(h[i].key);
            ctx->hdrs[ctx->nhdrs].value = ngx_http_blob_view(h[i].value);
            ctx->nhdrs++;
        }
    }

    return PROTO_OK;
}

static proto_err_t
ngx_http_blob_find_account(ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_account_t *account = ctx->blcf->account;

    if (account == NULL) {
        account = ngx_http_blob_account_find(ctx->bmcf, ctx->uri.account);

    } else if (!ngx_http_blob_account_is(account, ctx->uri.account)) {
        account = NULL;
    }

    ctx->account = account;
    return account == NULL ? PROTO_ERR_ACCOUNT_NOT_FOUND : PROTO_OK;
}

/* A host that is an account's other name stands for the account. */
void
ngx_http_blob_host_account(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                           proto_uri_opts_t *opts)
{
    view_t host = ngx_http_blob_view(r->headers_in.server);
    ngx_http_blob_account_t *account;

    if (view_find(host, '.', 0) == host.len) {
        return;
    }

    account = ngx_http_blob_account_find(ctx->bmcf, host);
    if (account != NULL
        && (ctx->blcf->account == NULL || ctx->blcf->account == account))
    {
        opts->style = PROTO_URI_FIXED;
        opts->account = ngx_http_blob_view(account->name);
    }
}

static proto_err_t
ngx_http_blob_understand(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    proto_uri_opts_t opts = { .style = ctx->blcf->style };
    proto_err_t err;

    if (r->http_version >= 2000) {
        return PROTO_ERR_HTTP_VERSION_NOT_SUPPORTED;
    }

    if (ctx->blcf->account != NULL) {
        opts.account = ngx_http_blob_view(ctx->blcf->account->name);
    }

    ctx->target = ngx_http_blob_view(r->unparsed_uri);
    if (r->headers_in.host != NULL) {
        ctx->host = ngx_http_blob_view(r->headers_in.host->value);
    }
    ngx_http_blob_host_account(r, ctx, &opts);

    if (ctx->part != NULL) {
        ngx_http_blob_part_opts(ctx, &opts);
    }

    err = ngx_http_blob_take_headers(r, ctx);
    if (err == PROTO_OK) {
        err = proto_uri_parse(ctx->target, ctx->host, &opts, &ctx->scratch,
                              &ctx->uri, &ctx->fault);
    }
    if (err == PROTO_OK) {
        err = proto_headers_parse(ctx->hdrs, ctx->nhdrs, &ctx->uri,
                                  &ctx->scratch, &ctx->headers, &ctx->fault);
    }
    if (err == PROTO_OK) {
        err = ngx_http_blob_find_account(ctx);
    }
    if (err != PROTO_OK) {
        return err;
    }

    ctx->op = proto_op_find(ngx_http_blob_view(r->method_name), &ctx->uri,
                            &ctx->headers, &ctx->fault);
    if (ctx->op == NULL) {
        return ctx->fault.err;
    }

    ctx->policy = policy_lookup(&ctx->account->policy, ctx->uri.container,
                                ctx->uri.blob);
    return ctx->part != NULL ? ngx_http_blob_part_check(ctx) : PROTO_OK;
}

void
ngx_http_blob_auth_account(ngx_http_blob_ctx_t *ctx,
                           ngx_http_blob_account_t *account,
                           proto_auth_in_t *in)
{
    ngx_uint_t i;

    for (i = 0; i < account->nkeys; i++) {
        in->keys[i] = account->keys[i];
    }
    in->nkeys = (unsigned) account->nkeys;
    in->refused = (unsigned) (account->auth_refused | ctx->blcf->auth_refused);
    in->insecure = account->auth_insecure || ctx->blcf->auth_insecure;
    in->has_origin = account->origin.len != 0;
    in->origin_tls =
        in->has_origin
        && ngx_strncasecmp(account->origin.data, (u_char *) "https://", 8)
               == 0;
}

static void
ngx_http_blob_auth_input(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    proto_auth_in_t *in = &ctx->auth_in;

    in->method = ngx_http_blob_view(r->method_name);
    in->uri = &ctx->uri;
    in->op = ctx->op;
    in->headers = &ctx->headers;
    in->hdrs = ctx->hdrs;
    in->nhdrs = ctx->nhdrs;
    in->now_s = ctx->now_s;
    in->client_ip = ngx_http_blob_view(r->connection->addr_text);
#if (NGX_HTTP_SSL)
    in->https = r->connection->ssl != NULL;
#endif
    ngx_http_blob_auth_account(ctx, ctx->account, in);
    in->scratch = &ctx->scratch;
}

static ngx_int_t
ngx_http_blob_parse(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    proto_err_t err = ngx_http_blob_understand(r, ctx);

    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    if (ctx->bmcf->store == NULL) {
        return ngx_http_blob_fail(r, ctx, PROTO_ERR_SERVER_BUSY);
    }

    if (ngx_http_blob_service_version(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_blob_auth_input(r, ctx);
    return ngx_http_blob_cors_know(r, ctx, &ngx_http_blob_step_gate);
}

/* ---- the gate --------------------------------------------------------- */

static ngx_int_t
ngx_http_blob_gate(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    proto_err_t err = proto_auth_check(&ctx->auth_in, &ctx->auth);

    if (err != PROTO_OK) {
        ctx->fault = ctx->auth.fault;
        return ngx_http_blob_fail(r, ctx, err);
    }

    switch (ctx->auth.need) {

    case PROTO_NEED_NONE:
        return ngx_http_blob_goto(ctx, &ngx_http_blob_step_dispatch);

    case PROTO_NEED_CONTAINER:
        if (ngx_http_blob_find_container(ctx) < 0) {
            return NGX_ERROR;
        }
        if (ctx->container_found == BLOB_LOOKUP_ABSENT
            && ngx_http_blob_has_origin(ctx) && !ctx->resolved)
        {
            ctx->resolved = 1;
            return ngx_http_blob_container_resolve(
                r, ctx, &ngx_http_blob_step_gate_fact);
        }
        if (ctx->container_found == BLOB_LOOKUP_FOUND
            && ngx_http_blob_has_origin(ctx) && !ctx->resolved)
        {
            ctx->resolved = 1;
            return ngx_http_blob_container_renew(
                r, ctx, &ngx_http_blob_step_gate_fact);
        }
        return ngx_http_blob_goto(ctx, &ngx_http_blob_step_gate_fact);

    case PROTO_NEED_UD_KEY:
        ctx->auth_in.facts |= PROTO_NEED_UD_KEY;
        ctx->auth_in.ud_key = ngx_http_blob_verdict_key(ctx);
        return BLOB_NEXT;

    default:
        return ngx_http_blob_verdict(r, ctx, &ngx_http_blob_step_gate);
    }
}

void
ngx_http_blob_auth_container(ngx_http_blob_ctx_t *ctx)
{
    proto_auth_in_t *in = &ctx->auth_in;

    in->facts |= PROTO_NEED_CONTAINER;
    in->container_exists = ctx->container_found == BLOB_LOOKUP_FOUND;
    if (in->container_exists) {
        in->public_access = ctx->container.props.public_access;
        in->acl = ctx->container.props.acl;
    }
}

static ngx_int_t
ngx_http_blob_gate_fact(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_auth_container(ctx);
    return ngx_http_blob_goto(ctx, &ngx_http_blob_step_gate);
}

/* ---- dispatch --------------------------------------------------------- */

static ngx_int_t
ngx_http_blob_dispatch(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    const proto_op_t *op = ctx->op;
    bool origin = ngx_http_blob_has_origin(ctx);
    proto_how_t how = origin ? op->with_origin : op->standalone;
    proto_err_t err;

    /* the policies of a batch are those of its parts' blobs */
    if (op->write
        && (ctx->uri.secondary
            || (ctx->policy.write == WRITE_OFF && !proto_op_is_batch(op))))
    {
        return ngx_http_blob_fail(r, ctx,
                                  PROTO_ERR_INSUFFICIENT_ACCOUNT_PERMISSIONS);
    }

    if (how == PROTO_REFUSE
        || (how == PROTO_NATIVE && ngx_http_blob_native[op->id] == NULL
            && !proto_copy_has_source(op)))
    {
        return ngx_http_blob_fail(r, ctx, PROTO_ERR_NOT_IMPLEMENTED);
    }

    if (how == PROTO_NATIVE && !proto_op_is_batch(op)) {
        err = proto_native_check(op, &ctx->uri, &ctx->headers, &ctx->fault);
        if (err == PROTO_OK && !origin) {
            err =
                proto_lease_guard(op, &ctx->headers, &ctx->lease, &ctx->fault);
        }

        if (err != PROTO_OK && !origin) {
            return ngx_http_blob_fail(r, ctx, err);
        }

        if (err != PROTO_OK || (origin && proto_snapshot_sent(op, &ctx->uri))
            || (origin && proto_lease_sent(op, &ctx->headers))
            || (origin && op->level != PROTO_LEVEL_ACCOUNT
                && ctx->policy.write == WRITE_THROUGH
                && (op->write || op->id == PROTO_OP_GET_BLOCK_LIST))
            || ctx->auth.relay)
        {
            how = PROTO_FORWARD;
        }
    }

    if (how == PROTO_FORWARD && proto_copy_has_source(op)) {
        return ngx_http_blob_copy(r, ctx, true);
    }

    if (how == PROTO_FORWARD && op->id == PROTO_OP_LIST_CONTAINERS) {
        return ngx_http_blob_list_account(r, ctx);
    }

    if (how == PROTO_FORWARD) {
        return ngx_http_blob_forward(r, ctx);
    }

    ctx->snapshot = proto_snapshot_of(&ctx->uri);

    if (origin && op->write && op->level == PROTO_LEVEL_BLOB) {
        return ngx_http_blob_lake_allows(r, ctx, &ngx_http_blob_step_native);
    }

    return ngx_http_blob_start_native(r, ctx);
}

static ngx_int_t
ngx_http_blob_start_native(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    return proto_copy_has_source(ctx->op)
             ? ngx_http_blob_copy(r, ctx, false)
             : ngx_http_blob_native[ctx->op->id](r, ctx);
}
