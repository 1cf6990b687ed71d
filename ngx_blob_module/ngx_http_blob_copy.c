#include "ngx_http_blob_copy.h"
#include "ngx_http_blob_origin.h"

#include "proto/native.h"
#include "proto/reply.h"
#include "proto/snapshot.h"
#include "proto/tags.h"

/*
 * Copy Blob, Copy Blob From URL, Put Blob From URL, Put Block From URL, and
 * what is looked at of a source before an origin copies it.
 *
 *     source ──▶ may it be read? ──▶ container, record
 *       here (owned, dirty, clean and fresh) ──▶ conditions, part
 *            ──▶ target: container, conditions
 *            ──▶ same account, whole: the new blob shares the content
 *                else, or to check a digest: bytes are read (copy_move.c)
 *            ──▶ commit, as Put Blob's or Put Block's
 *       at a lake ──▶ flushed, then the lake copies: the request goes there
 *            with the lake's own URL and a SAS in x-ms-copy-source
 *       elsewhere ──▶ ngx_http_blob_copy_external
 *
 * Properties and content are one record's: a source that is written meanwhile
 * is copied as it was, or looked at again when its content has gone.
 */

#define BLOB_COPY_TRIES 4

static ngx_int_t ngx_http_blob_copy_gate(ngx_http_request_t *r,
                                         ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_copy_gate_fact(ngx_http_request_t *r,
                                              ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_copy_container(ngx_http_request_t *r,
                                              ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_copy_flushed(ngx_http_request_t *r,
                                            ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_copy_target(ngx_http_request_t *r,
                                           ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_copy_allowed(ngx_http_request_t *r,
                                            ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_copy_read(ngx_http_request_t *r,
                                         ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_copy_commit(ngx_http_request_t *r,
                                           ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_copy_committed(ngx_http_request_t *r,
                                              ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_abort_found(ngx_http_request_t *r,
                                           ngx_http_blob_ctx_t *ctx);

static const ngx_http_blob_step_t ngx_http_blob_step_copy_gate = {
    "copy_gate", "authorising copy source", ngx_http_blob_copy_gate
};
static const ngx_http_blob_step_t ngx_http_blob_step_copy_gate_fact = {
    "copy_gate_fact", "authorising copy source", ngx_http_blob_copy_gate_fact
};
static const ngx_http_blob_step_t ngx_http_blob_step_copy_container = {
    "copy_container", "looking up copy source", ngx_http_blob_copy_container
};
static const ngx_http_blob_step_t ngx_http_blob_step_copy_flushed = {
    "copy_flushed", "forwarding copy", ngx_http_blob_copy_flushed
};
static const ngx_http_blob_step_t ngx_http_blob_step_copy_target = {
    "copy_target", "looking up blob", ngx_http_blob_copy_target
};
static const ngx_http_blob_step_t ngx_http_blob_step_copy_allowed = {
    "copy_allowed", "checking conditions", ngx_http_blob_copy_allowed
};
static const ngx_http_blob_step_t ngx_http_blob_step_copy_read = {
    "copy_read", "checking copy source", ngx_http_blob_copy_read
};
static const ngx_http_blob_step_t ngx_http_blob_step_copy_committed = {
    "copy_committed", "sending reply", ngx_http_blob_copy_committed
};
static const ngx_http_blob_step_t ngx_http_blob_step_abort_found = {
    "abort_found", "looking up blob", ngx_http_blob_abort_found
};

/* ---- two sides -------------------------------------------------------- */

static void
ngx_http_blob_copy_swap(ngx_http_blob_ctx_t *ctx, bool to_source)
{
    ngx_http_blob_copy_t *cp = ctx->copy;
    ngx_http_blob_side_t *side = &cp->source, was;
    view_t *authorization = &ctx->headers.known[PROTO_HDR_AUTHORIZATION];

    if (cp->swapped == to_source) {
        return;
    }

    was.account = ctx->account;
    was.uri = ctx->uri;
    was.policy = ctx->policy;
    was.container_found = ctx->container_found;
    was.container = ctx->container;
    was.blob_found = ctx->blob_found;
    was.blob = ctx->blob;
    was.container_scratch = ctx->container_scratch;
    was.blob_scratch = ctx->blob_scratch;
    was.snapshot = ctx->snapshot;
    was.auth_in = ctx->auth_in;
    was.auth = ctx->auth;
    was.authorization = *authorization;
    was.origin = ctx->origin;
    was.resolved = ctx->resolved;

    ctx->account = side->account;
    ctx->uri = side->uri;
    ctx->policy = side->policy;
    ctx->container_found = side->container_found;
    ctx->container = side->container;
    ctx->blob_found = side->blob_found;
    ctx->blob = side->blob;
    ctx->container_scratch = side->container_scratch;
    ctx->blob_scratch = side->blob_scratch;
    ctx->snapshot = side->snapshot;
    ctx->auth_in = side->auth_in;
    ctx->auth = side->auth;
    *authorization = side->authorization;
    ctx->origin = side->origin;
    ctx->resolved = side->resolved & 1;

    *side = was;
    cp->swapped = to_source;
}

/* The source as a side of its own; the account is known. */
static ngx_int_t
ngx_http_blob_copy_side(ngx_http_blob_ctx_t *ctx,
                        ngx_http_blob_account_t *account)
{
    ngx_http_blob_copy_t *cp = ctx->copy;
    ngx_http_blob_side_t *side = &cp->source;
    u_char *buf;

    buf = ngx_palloc(ctx->r->pool, 2 * STORE_RECORD_MAX);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    side->account = account;
    side->uri = cp->copy.uri;
    side->snapshot = proto_snapshot_of(&side->uri);
    side->policy =
        policy_lookup(&account->policy, side->uri.container, side->uri.blob);
    side->authorization = proto_copy_token(
        &cp->copy, &ctx->headers, ctx->auth.cred, account == ctx->account);
    proto_copy_auth_in(&cp->copy, &ctx->auth_in, side->authorization,
                       &cp->gate, &side->auth_in);
    ngx_http_blob_auth_account(ctx, account, &side->auth_in);

    writer_init_fixed(&side->container_scratch, buf, STORE_RECORD_MAX);
    writer_init_fixed(&side->blob_scratch, buf + STORE_RECORD_MAX,
                      STORE_RECORD_MAX);
    return NGX_OK;
}

/* ---- refusals --------------------------------------------------------- */

ngx_int_t
ngx_http_blob_copy_source_fail(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                               proto_err_t why)
{
    const proto_error_row_t *row = proto_error_row(why);
    u_char *buf;
    writer_t w;

    ngx_http_blob_copy_swap(ctx, false);

    if (proto_copy_tells_source(ctx->op)) {
        buf = ngx_pnalloc(r->pool, 16);
        if (buf == NULL) {
            return NGX_ERROR;
        }
        writer_init_fixed(&w, buf, 16);
        writer_put_u64(&w, row->status);

        if (ngx_http_blob_header(r, VIEW("x-ms-copy-source-status-code"),
                                 writer_view(&w))
                != NGX_OK
            || ngx_http_blob_header(r, VIEW("x-ms-copy-source-error-code"),
                                    view_str(row->code))
                   != NGX_OK)
        {
            return NGX_ERROR;
        }
        ctx->keep_headers = 1;
    }

    return ngx_http_blob_fail_durable(r, ctx,
                                      proto_copy_source_error(row->status));
}

ngx_int_t
ngx_http_blob_copy_external(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ctx->copy->external = 1;
    return ngx_http_blob_need_container(r, ctx,
                                        &ngx_http_blob_step_copy_target);
}

static ngx_int_t
ngx_http_blob_copy_fail(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                        proto_err_t err)
{
    ngx_http_blob_copy_swap(ctx, false);
    return ngx_http_blob_fail_durable(r, ctx, err);
}

/* ---- the request ------------------------------------------------------ */

/* What another server keeps to itself is no source here, whatever its
 * credentials. */
static bool
ngx_http_blob_copy_serves(void *r, view_t account)
{
    return ngx_http_blob_account_served(r, account) != NULL;
}

static proto_err_t
ngx_http_blob_copy_parse(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_copy_t *cp = ctx->copy;
    proto_copy_edge_t edge = { .host = ctx->host,
                               .https = ctx->auth_in.https,
                               .opts.style = ctx->blcf->style,
                               .serves = ngx_http_blob_copy_serves,
                               .ctx = r };
    proto_err_t err;
    writer_t w;
    u_char *buf;

    buf = ngx_pnalloc(ctx->r->pool, PROTO_COPY_SCRATCH);
    if (buf == NULL) {
        return PROTO_ERR_INTERNAL_ERROR;
    }
    writer_init_fixed(&w, buf, PROTO_COPY_SCRATCH);

    if (ctx->blcf->account != NULL) {
        edge.opts.account = ngx_http_blob_view(ctx->blcf->account->name);
    }
    ngx_http_blob_host_account(r, ctx, &edge.opts);

    err = proto_copy_parse(&ctx->headers, ctx->op, &edge, &w, &cp->copy,
                           &ctx->fault);
    cp->fetch_url = cp->copy.url.text;

    if (err == PROTO_OK && ctx->op->id == PROTO_OP_PUT_BLOB_FROM_URL) {
        err = proto_put_blob_check(&ctx->headers, &ctx->fault);
    }
    if (err == PROTO_OK && ctx->op->id == PROTO_OP_PUT_BLOCK_FROM_URL) {
        err = proto_block_id_parse(
            proto_uri_param(&ctx->uri, PROTO_PARAM_BLOCKID), cp->block_id,
            &cp->block, &ctx->fault);
    }
    if (err == PROTO_OK && ctx->op->id == PROTO_OP_APPEND_BLOCK_FROM_URL) {
        err = proto_append_parse(&ctx->headers, &cp->ap.append, &ctx->fault);
    }
    if (err == PROTO_OK) {
        err = proto_cond_check_form(&ctx->headers.cond, true);
    }
    if (err == PROTO_OK) {
        err = proto_headers_blob_props(&ctx->headers, false, false, &cp->sent,
                                       &ctx->fault);
    }
    if (err == PROTO_OK) {
        err = proto_tags_props(&ctx->headers, &ctx->scratch, &cp->sent,
                               &ctx->fault);
    }

    return err;
}

ngx_int_t
ngx_http_blob_copy(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                   bool forward)
{
    ngx_http_blob_account_t *account;
    ngx_http_blob_copy_t *cp;
    proto_err_t err;
    bool trusted;

    cp = ngx_pcalloc(r->pool, sizeof(*cp));
    if (cp == NULL) {
        return NGX_ERROR;
    }
    ctx->copy = cp;
    /* tags of a target that the origin has are looked at there */
    cp->forward = forward
               || (ngx_http_blob_has_origin(ctx)
                   && ctx->headers.cond.if_tags.ptr != NULL);

    err = ngx_http_blob_copy_parse(r, ctx);
    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    if (!cp->copy.local) {
        /* an origin might take the edge's signature for a right to read it:
         * without a copy_source forward refuses */
        if (cp->forward) {
            return ngx_http_blob_forward(r, ctx);
        }
        return proto_copy_reads_tags(&cp->copy)
                 ? ngx_http_blob_fail(r, ctx, PROTO_ERR_NOT_IMPLEMENTED)
                 : ngx_http_blob_copy_external(r, ctx);
    }

    account = ngx_http_blob_account_served(r, cp->copy.uri.account);
    if (account == NULL) {
        return ngx_http_blob_copy_source_fail(r, ctx,
                                              PROTO_ERR_ACCOUNT_NOT_FOUND);
    }

    if (ngx_http_blob_copy_side(ctx, account) != NGX_OK) {
        return NGX_ERROR;
    }

    trusted =
        proto_copy_trusted(&cp->copy, ctx->auth.cred, account == ctx->account);
    ngx_http_blob_copy_swap(ctx, true);

    if (trusted) {
        return ngx_http_blob_goto(ctx, &ngx_http_blob_step_copy_container);
    }

    return ngx_http_blob_goto(ctx, &ngx_http_blob_step_copy_gate);
}

/* ---- may the source be read? (swapped) -------------------------------- */

static ngx_int_t
ngx_http_blob_copy_gate(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    proto_auth_in_t *in = &ctx->auth_in;
    proto_err_t err = proto_auth_check(in, &ctx->auth);

    /* what only the origin could tell of such a request: not here */
    if (err == PROTO_OK && ctx->auth.relay) {
        err = PROTO_ERR_AUTHORIZATION_FAILURE;
    }

    if (err != PROTO_OK) {
        return ngx_http_blob_copy_source_fail(r, ctx, err);
    }

    switch (ctx->auth.need) {

    case PROTO_NEED_NONE:
        return ngx_http_blob_goto(ctx, &ngx_http_blob_step_copy_container);

    case PROTO_NEED_CONTAINER:
        if (ngx_http_blob_find_container(ctx) < 0) {
            return NGX_ERROR;
        }
        if (ctx->container_found == BLOB_LOOKUP_ABSENT
            && ngx_http_blob_has_origin(ctx) && !ctx->resolved
            && ngx_http_blob_ways(r) != NULL)
        {
            ctx->resolved = 1;
            return ngx_http_blob_container_resolve(
                r, ctx, &ngx_http_blob_step_copy_gate_fact);
        }
        return ngx_http_blob_goto(ctx, &ngx_http_blob_step_copy_gate_fact);

    case PROTO_NEED_UD_KEY:
        in->facts |= PROTO_NEED_UD_KEY;
        in->ud_key = ngx_http_blob_verdict_key(ctx);
        return BLOB_NEXT;

    default:
        if (ngx_http_blob_ways(r) == NULL) {
            return ngx_http_blob_copy_source_fail(
                r, ctx, PROTO_ERR_AUTHENTICATION_FAILED);
        }
        return ngx_http_blob_verdict(r, ctx, &ngx_http_blob_step_copy_gate);
    }
}

static ngx_int_t
ngx_http_blob_copy_gate_fact(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_auth_container(ctx);
    return ngx_http_blob_goto(ctx, &ngx_http_blob_step_copy_gate);
}

/* ---- where is it? (swapped) ------------------------------------------- */

/* With an origin versions and snapshots are its own. */
static bool
ngx_http_blob_copy_base(const ngx_http_blob_ctx_t *ctx)
{
    return proto_uri_param(&ctx->uri, PROTO_PARAM_SNAPSHOT).len == 0
        && proto_uri_param(&ctx->uri, PROTO_PARAM_VERSIONID).len == 0;
}

/* Without one: what the URL names can be here. */
static bool
ngx_http_blob_copy_known(const ngx_http_blob_ctx_t *ctx)
{
    return ngx_http_blob_copy_base(ctx)
        || (ctx->snapshot != 0
            && proto_uri_param(&ctx->uri, PROTO_PARAM_VERSIONID).len == 0);
}

/* The record's content can be taken as the blob's: it is newer than what the
 * origin has, or the origin said lately that it is the same. Tags change there
 * without a new ETag. */
static bool
ngx_http_blob_copy_here(ngx_http_blob_ctx_t *ctx)
{
    const store_blob_t *b = &ctx->blob;

    if (!ngx_http_blob_has_origin(ctx)) {
        return true;
    }

    /* of what the origin has, it alone knows the tags */
    if (proto_copy_reads_tags(&ctx->copy->copy)
        && (b->state != STORE_DIRTY || !proto_tags_known(&b->props)))
    {
        return false;
    }

    return ngx_http_blob_copy_base(ctx) && b->resident
        && b->props.type == BLOB_BLOCK
        && (b->state == STORE_DIRTY
            || (b->state == STORE_CLEAN
                && ngx_http_blob_is_fresh(ctx, b->checked_at_ms)));
}

/* The lake's URL of the source, with a right to read it. */
static ngx_int_t
ngx_http_blob_copy_lake_url(ngx_http_blob_ctx_t *ctx, view_t *ret)
{
    ngx_http_blob_account_t *account = ctx->account;
    ngx_http_blob_lake_t *lake = ngx_http_blob_lake(ctx);
    const proto_copy_t *copy = &ctx->copy->copy;
    size_t cap;
    u_char *buf;
    writer_t w, sas;

    cap = account->origin.len + lake->sas.len + 4 * PROTO_COPY_SOURCE_MAX;
    buf = ngx_pnalloc(ctx->r->pool, cap + 1024);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    writer_init_fixed(&sas, buf + cap, 1024);
    if (account->origin_key.len != 0) {
        proto_copy_sas(&sas, copy, ngx_http_blob_view(account->origin_account),
                       account->origin_key,
                       ctx->now_s + proto_copy_sas_lifetime_s(ctx->op));
    }

    writer_init_fixed(&w, buf, cap);
    proto_copy_source_put(&w, copy, ngx_http_blob_view(account->origin),
                          sas.len != 0 ? writer_view(&sas) : lake->sas);
    *ret = writer_view(&w);
    return writer_ok(&w) && writer_ok(&sas) ? NGX_OK : NGX_ERROR;
}

static void
ngx_http_blob_copy_state(const ngx_http_blob_ctx_t *ctx,
                         proto_cond_state_t *ret)
{
    ret->exists = true;
    ret->etag = ctx->blob.props.etag;
    ret->origin_etag = ctx->blob.origin_etag;
    ret->last_modified_s = ctx->blob.props.last_modified_s;
    ret->tags = ctx->blob.props.tags;
}

static ngx_int_t
ngx_http_blob_copy_at_lake(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_copy_t *cp = ctx->copy;
    proto_cond_state_t state;

    if (!ngx_http_blob_has_origin(ctx)) {
        /* an origin is to read what only this edge has */
        return ngx_http_blob_copy_fail(r, ctx, PROTO_ERR_NOT_IMPLEMENTED);
    }

    if (ngx_http_blob_ways(r) == NULL
        || ngx_http_blob_copy_lake_url(ctx, &cp->fetch_url) != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* blocks are collected where the list of them will be committed */
    if (cp->source.account->origin.len == 0
        || (ctx->op->id == PROTO_OP_PUT_BLOCK_FROM_URL && !cp->forward))
    {
        if (ngx_http_blob_fwd_record(ctx)) {
            ngx_http_blob_copy_state(ctx, &state);
            proto_copy_cond_there(&cp->copy, &state,
                                  ctx->blob.origin_last_modified_s);
        }
        ngx_http_blob_copy_swap(ctx, false);
        return ngx_http_blob_copy_external(r, ctx);
    }

    return ngx_http_blob_flush(r, ctx, &ngx_http_blob_step_copy_flushed);
}

static ngx_int_t
ngx_http_blob_copy_flushed(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    if (ngx_http_blob_find_blob(ctx) < 0) {
        return NGX_ERROR;
    }

    if (ngx_http_blob_fwd_record(ctx)) {
        ctx->copy_etag = ctx->blob.props.etag;
        ctx->copy_origin_etag = ctx->blob.origin_etag;
        ctx->copy_modified_s = ctx->blob.props.last_modified_s;
        ctx->copy_origin_modified_s = ctx->blob.origin_last_modified_s;
    }

    ctx->copy_source = ctx->copy->fetch_url;
    ngx_http_blob_copy_swap(ctx, false);
    return ngx_http_blob_forward(r, ctx);
}

static ngx_int_t
ngx_http_blob_copy_found(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_copy_t *cp = ctx->copy;
    proto_cond_state_t state;
    proto_err_t err;

    ngx_http_blob_copy_state(ctx, &state);
    err = proto_copy_cond(&cp->copy, &state);
    if (err == PROTO_OK) {
        err =
            proto_copy_part(&cp->copy, ctx->op, ctx->blob.props.content_length,
                            &cp->off, &cp->len);
    }
    if (err != PROTO_OK) {
        return ngx_http_blob_copy_fail(r, ctx, err);
    }

    ngx_http_blob_copy_swap(ctx, false);
    return ngx_http_blob_need_container(r, ctx,
                                        &ngx_http_blob_step_copy_target);
}

static ngx_int_t
ngx_http_blob_copy_container(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    bool origin = ngx_http_blob_has_origin(ctx);
    tier_rc_t rc;

    if (ctx->container_found != BLOB_LOOKUP_FOUND) {
        rc = ngx_http_blob_find_container(ctx);
        if (rc < 0) {
            return ngx_http_blob_copy_fail(r, ctx, ngx_http_blob_rc_error(rc));
        }
    }

    if (ctx->container_found != BLOB_LOOKUP_FOUND) {
        if (!origin) {
            return ngx_http_blob_copy_source_fail(
                r, ctx, PROTO_ERR_CONTAINER_NOT_FOUND);
        }
        return ngx_http_blob_copy_at_lake(r, ctx); /* it knows better */
    }

    rc = ngx_http_blob_find_blob(ctx);
    if (rc < 0) {
        return ngx_http_blob_copy_fail(r, ctx, ngx_http_blob_rc_error(rc));
    }

    if (rc == TIER_OK && ctx->blob.state == STORE_TOMBSTONE
        && ngx_http_blob_copy_base(ctx))
    {
        rc = TIER_NOT_FOUND;
        origin = false;
    }

    if (!origin
        && (rc == TIER_NOT_FOUND || !ngx_http_blob_copy_known(ctx)
            || !store_blob_visible(&ctx->blob)))
    {
        return ngx_http_blob_copy_source_fail(r, ctx,
                                              PROTO_ERR_BLOB_NOT_FOUND);
    }

    if (ctx->copy->forward || rc == TIER_NOT_FOUND
        || !ngx_http_blob_copy_here(ctx))
    {
        return ngx_http_blob_copy_at_lake(r, ctx);
    }

    return ngx_http_blob_copy_found(r, ctx);
}

/* ---- the target ------------------------------------------------------- */

static ngx_int_t
ngx_http_blob_copy_target(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    bool block = ctx->op->id == PROTO_OP_PUT_BLOCK_FROM_URL;
    bool append = ctx->op->id == PROTO_OP_APPEND_BLOCK_FROM_URL;
    ngx_http_blob_ap_t *ap = &ctx->copy->ap;
    ngx_http_blob_wr_t *wr;
    tier_rc_t rc;

    wr = ngx_http_blob_write_new(ctx, block    ? STORE_BLOCK_PUT
                                      : append ? STORE_APPEND
                                               : STORE_BLOB_PUT);
    if (wr == NULL) {
        return NGX_ERROR;
    }

    wr->change.incarnation = ctx->container.incarnation;

    if (append) {
        ap->wr = wr;
        wr->change.check = ngx_http_blob_append_check;
        wr->change.check_ctx = ap;
    }

    if (block) {
        ngx_http_blob_write_block(wr);
        wr->change.block_id = ctx->copy->block;
    }

    if (!ngx_http_blob_write_guarded(wr)) {
        return ngx_http_blob_copy_read(r, ctx);
    }

    rc = ngx_http_blob_find_blob(ctx);
    if (rc < 0) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(rc));
    }

    if (rc == TIER_NOT_FOUND && ngx_http_blob_has_origin(ctx)) {
        ctx->facts_asked = 1;
        return ngx_http_blob_fact_for_write(r, ctx,
                                            &ngx_http_blob_step_copy_allowed);
    }

    return ngx_http_blob_copy_allowed(r, ctx);
}

static ngx_int_t
ngx_http_blob_copy_allowed(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_wr_t *wr = ctx->op_data;
    proto_err_t err;

    if (ctx->facts_asked) {
        ngx_http_blob_write_fact(ctx, wr);
    }

    err = ngx_http_blob_write_early(ctx, wr);
    if (err != PROTO_OK) {
        return ngx_http_blob_fail_durable(
            r, ctx, proto_copy_target_error(ctx->op, err));
    }

    return ngx_http_blob_copy_read(r, ctx);
}

/* ---- the bytes -------------------------------------------------------- */

/* Another account counts its bytes apart, and a block is a part. */
static bool
ngx_http_blob_copy_keeps(const ngx_http_blob_ctx_t *ctx)
{
    return ctx->copy->len != 0
        && (ctx->op->id == PROTO_OP_PUT_BLOCK_FROM_URL
            || ctx->op->id == PROTO_OP_APPEND_BLOCK_FROM_URL
            || ctx->copy->source.account != ctx->account);
}

/* The content has gone since the lookup: the record knows more. */
static ngx_int_t
ngx_http_blob_copy_again(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    if (ctx->copy->tries++ >= BLOB_COPY_TRIES) {
        return ngx_http_blob_fail_durable(r, ctx, PROTO_ERR_SERVER_BUSY);
    }

    ctx->copy->move = NULL;
    ctx->facts_asked = 0;
    ngx_http_blob_copy_swap(ctx, true);
    return ngx_http_blob_goto(ctx, &ngx_http_blob_step_copy_container);
}

/* The same of a source that is not here. */
static ngx_int_t
ngx_http_blob_copy_fetch(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_copy_t *cp = ctx->copy;
    proto_fetched_ask_t ask = { .copy = &cp->copy, .url = cp->fetch_url };

    if (cp->fetch == NULL) {
        if (cp->copy.local) {
            ask.lake = ngx_http_blob_view(cp->source.account->name);
        }
        return ngx_http_blob_fetch(r, ctx, &ask, &ngx_http_blob_step_copy_read,
                                   &cp->fetch);
    }

    if (ngx_http_blob_fetch_error(cp->fetch) != PROTO_OK) {
        return ngx_http_blob_fetch_fail(r, ctx, cp->fetch);
    }

    cp->source.blob.props = *ngx_http_blob_fetch_props(cp->fetch);
    cp->len = cp->source.blob.props.content_length;
    return ngx_http_blob_copy_commit(r, ctx);
}

static ngx_int_t
ngx_http_blob_copy_read(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_copy_t *cp = ctx->copy;
    const proto_body_check_t *check = &cp->copy.check;
    const store_digest_t *digest;
    bool keeps = ngx_http_blob_copy_keeps(ctx);
    proto_err_t err;
    tier_rc_t rc;

    if (cp->external) {
        return ngx_http_blob_copy_fetch(r, ctx);
    }

    if (cp->move == NULL) {
        if (!keeps && !check->has_md5 && !check->has_crc64) {
            return ngx_http_blob_copy_commit(r, ctx);
        }
        return ngx_http_blob_move(r, ctx, cp->source.blob.content, cp->off,
                                  cp->len, keeps,
                                  &ngx_http_blob_step_copy_read);
    }

    rc = ngx_http_blob_move_rc(cp->move);
    if (rc == TIER_NOT_FOUND) {
        return ngx_http_blob_copy_again(r, ctx);
    }
    if (rc != TIER_OK) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(rc));
    }

    digest = ngx_http_blob_move_digest(cp->move);

    err = proto_body_verify(check, digest->md5, digest->crc64, &ctx->fault,
                            &ctx->scratch);
    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    return ngx_http_blob_copy_commit(r, ctx);
}

/* ---- the commit ------------------------------------------------------- */

/* Copy Blob and Copy Blob From URL are told of afterwards. */
static ngx_int_t
ngx_http_blob_copy_mark(ngx_http_blob_ctx_t *ctx, blob_props_t *props)
{
    ngx_http_blob_copy_t *cp = ctx->copy;
    size_t cap = 4 * PROTO_COPY_SOURCE_MAX;
    u_char *buf;
    writer_t w;

    if (ctx->op->id == PROTO_OP_PUT_BLOB_FROM_URL) {
        return NGX_OK;
    }

    buf = ngx_pnalloc(ctx->r->pool, cap);
    if (buf == NULL) {
        return NGX_ERROR;
    }
    writer_init_fixed(&w, buf, cap);
    proto_copy_source_shown(&w, &cp->copy);

    ngx_http_blob_request_id(cp->id);
    props->copy_id = view_of(cp->id, sizeof(cp->id));
    props->copy_source = writer_view(&w);
    props->copy_status = COPY_SUCCESS;
    props->copy_completion_time_s = ngx_time();
    props->copy_done = cp->len;
    props->copy_total = cp->len;
    return writer_ok(&w) ? NGX_OK : NGX_ERROR;
}

static ngx_int_t
ngx_http_blob_copy_commit(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_copy_t *cp = ctx->copy;
    ngx_http_blob_wr_t *wr = ctx->op_data;
    store_change_t *change = &wr->change;
    ngx_int_t rc;

    if (change->kind == STORE_BLOB_PUT) {
        proto_copy_props(&cp->copy, ctx->op, &cp->source.blob.props, &cp->sent,
                         &wr->props);
        if (ngx_http_blob_copy_mark(ctx, &wr->props) != NGX_OK) {
            return NGX_ERROR;
        }
        change->props = &wr->props;
    }

    ngx_http_blob_write_patient(wr);
    cp->ap.append.length = cp->len;

    if (cp->external) {
        change->body = ngx_http_blob_fetch_take(cp->fetch);
    } else if (ngx_http_blob_copy_keeps(ctx)) {
        change->body = ngx_http_blob_move_take(cp->move);
    } else {
        change->copy_content = cp->source.blob.content;
    }

    rc = ngx_http_blob_commit(ctx, change, &ngx_http_blob_step_copy_committed);
    if (rc == NGX_ERROR) {
        store_body_abort(change->body);
    }

    return rc;
}

/* What the answer says of the bytes: what was asked to be checked, and for a
 * blob the MD5 that it has. */
static void
ngx_http_blob_copy_digests(ngx_http_blob_ctx_t *ctx,
                           proto_reply_write_opts_t *opts)
{
    ngx_http_blob_copy_t *cp = ctx->copy;
    const store_digest_t *digest;
    ngx_http_blob_wr_t *wr = ctx->op_data;

    if (ctx->op->id == PROTO_OP_PUT_BLOB_FROM_URL && wr->props.has_md5) {
        opts->md5 = wr->props.md5;
    }

    if (cp->move == NULL && cp->fetch == NULL) {
        return;
    }

    digest = cp->external ? ngx_http_blob_fetch_digest(cp->fetch)
                          : ngx_http_blob_move_digest(cp->move);
    if (cp->copy.check.has_md5) {
        opts->md5 = digest->md5;
    } else {
        opts->crc64 = &digest->crc64;
    }
}

static ngx_int_t
ngx_http_blob_copy_committed(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    bool marked = ctx->op->id == PROTO_OP_COPY_BLOB
               || ctx->op->id == PROTO_OP_COPY_BLOB_FROM_URL;
    proto_reply_write_opts_t opts = { 0 };
    ngx_http_blob_copy_t *cp = ctx->copy;
    ngx_http_blob_wr_t *wr = ctx->op_data;
    store_change_t *change = &wr->change;

    if (change->rc == TIER_NOT_FOUND && change->verdict == STORE_V_NO_BLOB) {
        return ngx_http_blob_copy_again(r, ctx);
    }

    if (change->rc != TIER_OK) {
        return ngx_http_blob_fail(
            r, ctx,
            proto_copy_target_error(ctx->op,
                                    ngx_http_blob_change_error(change)));
    }

    if (change->kind != STORE_BLOCK_PUT) {
        opts.etag = ngx_http_blob_etag_text(r, change->etag);
        opts.last_modified_s = change->last_modified_s;
    }
    ngx_http_blob_copy_digests(ctx, &opts);

    if (ngx_http_blob_common_headers(r, ctx) != NGX_OK
        || ngx_http_blob_header(r, VIEW("x-blob-edge-durability"),
                                VIEW("local"))
               != NGX_OK)
    {
        return NGX_ERROR;
    }

    proto_reply_write_headers(&opts, ngx_http_blob_emit, r);
    if (change->kind == STORE_APPEND) {
        proto_reply_append_headers(change->append_offset,
                                   change->committed_blocks,
                                   ngx_http_blob_emit, r);
    }
    if (marked) {
        proto_reply_copy_headers(view_of(cp->id, sizeof(cp->id)), COPY_SUCCESS,
                                 ngx_http_blob_emit, r);
    }

    return ngx_http_blob_send(
        r, ctx, marked ? NGX_HTTP_ACCEPTED : NGX_HTTP_CREATED, VIEW_NULL);
}

/* ---- Abort Copy Blob -------------------------------------------------- */

ngx_int_t
ngx_http_blob_abort_copy(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    proto_err_t err =
        proto_abort_copy_check(&ctx->uri, &ctx->headers, &ctx->fault);

    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    return ngx_http_blob_need_container(r, ctx,
                                        &ngx_http_blob_step_abort_found);
}

/* Copies here are done when they are answered: none is ever pending. */
static ngx_int_t
ngx_http_blob_abort_found(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    tier_rc_t rc = ngx_http_blob_find_blob(ctx);

    if (rc < 0) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(rc));
    }

    return ngx_http_blob_fail_durable(r, ctx,
                                      rc == TIER_OK
                                              && store_blob_visible(&ctx->blob)
                                          ? PROTO_ERR_NO_PENDING_COPY_OPERATION
                                          : PROTO_ERR_BLOB_NOT_FOUND);
}
