#include "ngx_http_blob_write.h"

#include "proto/access_tier.h"
#include "proto/lease.h"
#include "proto/native.h"
#include "proto/reply.h"
#include "proto/snapshot.h"
#include "proto/tags.h"
#include "proto/xml_in.h"

/*
 * Writes to blobs that are committed here. Conditions are looked at twice:
 * before the body, so that a client learns early, and under the index's lock,
 * where it counts.
 */

static ngx_int_t ngx_http_blob_put_found(ngx_http_request_t *r,
                                         ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_put_allowed(ngx_http_request_t *r,
                                           ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_put_received(ngx_http_request_t *r,
                                            ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_put_committed(ngx_http_request_t *r,
                                             ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_block_ready(ngx_http_request_t *r,
                                           ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_block_received(ngx_http_request_t *r,
                                              ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_block_committed(ngx_http_request_t *r,
                                               ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_list_received(ngx_http_request_t *r,
                                             ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_list_parsed(ngx_http_request_t *r,
                                           ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_set_found(ngx_http_request_t *r,
                                         ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_delete_found(ngx_http_request_t *r,
                                            ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_delete_committed(ngx_http_request_t *r,
                                                ngx_http_blob_ctx_t *ctx);

static const ngx_http_blob_step_t ngx_http_blob_step_put_found = {
    "put_found", "looking up blob", ngx_http_blob_put_found
};
static const ngx_http_blob_step_t ngx_http_blob_step_put_allowed = {
    "put_allowed", "checking conditions", ngx_http_blob_put_allowed
};
static const ngx_http_blob_step_t ngx_http_blob_step_put_received = {
    "put_received", "committing blob", ngx_http_blob_put_received
};
static const ngx_http_blob_step_t ngx_http_blob_step_put_committed = {
    "put_committed", "sending reply", ngx_http_blob_put_committed
};
static const ngx_http_blob_step_t ngx_http_blob_step_block_ready = {
    "block_ready", "reading block", ngx_http_blob_block_ready
};
static const ngx_http_blob_step_t ngx_http_blob_step_block_received = {
    "block_received", "committing block", ngx_http_blob_block_received
};
static const ngx_http_blob_step_t ngx_http_blob_step_block_committed = {
    "block_committed", "sending reply", ngx_http_blob_block_committed
};
static const ngx_http_blob_step_t ngx_http_blob_step_list_received = {
    "list_received", "parsing block list", ngx_http_blob_list_received
};
static const ngx_http_blob_step_t ngx_http_blob_step_list_parsed = {
    "list_parsed", "committing block list", ngx_http_blob_list_parsed
};
static const ngx_http_blob_step_t ngx_http_blob_step_set_found = {
    "set_found", "committing properties", ngx_http_blob_set_found
};
static const ngx_http_blob_step_t ngx_http_blob_step_delete_found = {
    "delete_found", "committing delete", ngx_http_blob_delete_found
};
static const ngx_http_blob_step_t ngx_http_blob_step_delete_committed = {
    "delete_committed", "sending reply", ngx_http_blob_delete_committed
};

/* ---- shared ----------------------------------------------------------- */

/* Under the index's lock, in a thread. */
int
ngx_http_blob_guard_check(void *data, const store_blob_t *now)
{
    const ngx_http_blob_guard_t *guard = data;
    proto_cond_state_t state = { .exists = false };
    proto_err_t err;

    if (now != NULL) {
        state.exists = true;
        state.etag = now->props.etag;
        state.origin_etag = now->origin_etag;
        state.last_modified_s = now->props.last_modified_s;
        state.tags = now->props.tags;

    } else if (guard->fact) {
        state = guard->fact_state;
    }

    if (guard->create_only && state.exists) {
        return PROTO_ERR_UNAUTHORIZED_BLOB_OVERWRITE;
    }

    err = ngx_http_blob_lease_guard(&guard->lease, guard->change,
                                    now == NULL ? NULL : &now->props.lease);
    if (err != PROTO_OK) {
        return (int) err;
    }

    err = proto_cond_check_write(&guard->cond, &state,
                                 proto_op_makes_blob(guard->op));
    if (err == PROTO_OK && guard->block && now != NULL
        && now->props.type != BLOB_BLOCK)
    {
        err = PROTO_ERR_INVALID_BLOB_TYPE;
    }
    if (err == PROTO_OK && now != NULL) {
        err = proto_tier_op_check(guard->op, &now->props);
    }

    return (int) err;
}

ngx_http_blob_wr_t *
ngx_http_blob_write_new(ngx_http_blob_ctx_t *ctx, store_kind_t kind)
{
    ngx_http_blob_wr_t *wr = ngx_pcalloc(ctx->r->pool, sizeof(*wr));

    if (wr == NULL) {
        return NULL;
    }

    wr->guard.change = &wr->change;
    wr->guard.lease = ctx->lease;
    wr->guard.cond = ctx->headers.cond;
    wr->guard.create_only = ctx->auth.create_only;
    wr->guard.op = ctx->op->id;

    wr->change.kind = kind;
    wr->change.account = ngx_http_blob_view(ctx->account->name);
    wr->change.container = ctx->uri.container;
    wr->change.name = ctx->uri.blob;
    wr->change.mode =
        ngx_http_blob_has_origin(ctx) ? STORE_MODE_DIRTY : STORE_MODE_OWNED;
    wr->change.check = ngx_http_blob_guard_check;
    wr->change.check_ctx = &wr->guard;

    ctx->op_data = wr;
    return wr;
}

void
ngx_http_blob_write_block(ngx_http_blob_wr_t *wr)
{
    ngx_memzero(&wr->guard.cond, sizeof(wr->guard.cond));
    wr->guard.create_only = false;
    wr->guard.block = true;
}

/* What the fact says, for the guard and for write-back. */
void
ngx_http_blob_write_fact(ngx_http_blob_ctx_t *ctx, ngx_http_blob_wr_t *wr)
{
    wr->guard.fact = true;
    wr->guard.fact_state.exists = ctx->blob_found == BLOB_LOOKUP_FOUND;

    if (!wr->guard.fact_state.exists) {
        wr->change.base = STORE_BASE_ABSENT;
        return;
    }

    wr->guard.fact_state.etag = ctx->blob.props.etag;
    wr->guard.fact_state.origin_etag = ctx->blob.origin_etag;
    wr->guard.fact_state.last_modified_s = ctx->blob.props.last_modified_s;
    wr->change.base = STORE_BASE_ETAG;
    wr->change.base_etag = ctx->blob.origin_etag;
}

proto_err_t
ngx_http_blob_change_error(const store_change_t *change)
{
    switch (change->verdict) {
    case STORE_V_NONE:
        break;
    case STORE_V_NO_CONTAINER:
        return PROTO_ERR_CONTAINER_NOT_FOUND;
    case STORE_V_NO_BLOB:
        return PROTO_ERR_BLOB_NOT_FOUND;
    case STORE_V_NO_BLOCK:
        return PROTO_ERR_INVALID_BLOCK_LIST;
    case STORE_V_ID_LENGTH:
        return PROTO_ERR_INVALID_BLOB_OR_BLOCK;
    case STORE_V_BLOCK_COUNT:
        return PROTO_ERR_BLOCK_COUNT_EXCEEDS_LIMIT;
    case STORE_V_FENCED:
    case STORE_V_QUEUED:
        return PROTO_ERR_SERVER_BUSY;
    case STORE_V_SNAPSHOTS:
        return PROTO_ERR_SNAPSHOTS_PRESENT;
    default:
        if (change->verdict > 0) {
            return (proto_err_t) change->verdict;
        }
        return PROTO_ERR_INTERNAL_ERROR;
    }

    if (change->rc == TIER_EXISTS) {
        return PROTO_ERR_CONTAINER_ALREADY_EXISTS;
    }

    return ngx_http_blob_rc_error(change->rc);
}

ngx_int_t
ngx_http_blob_write_reply(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                          ngx_uint_t status, const store_change_t *change,
                          const store_digest_t *digest)
{
    proto_reply_write_opts_t opts = { 0 };

    opts.etag = ngx_http_blob_etag_text(r, change->etag);
    opts.last_modified_s = change->last_modified_s;
    opts.structured = ngx_http_blob_body_framed(ctx);

    if (change->kind == STORE_BLOCK_PUT) {
        opts.etag = VIEW_NULL;
        opts.md5 = ctx->body_check.has_md5 ? digest->md5 : NULL;
        opts.crc64 = ctx->body_check.has_md5 ? NULL : &digest->crc64;

    } else if (change->kind == STORE_BLOB_PUT && digest != NULL) {
        opts.md5 = digest->md5;
        opts.crc64 = &digest->crc64;

    } else if (digest != NULL) {
        opts.md5 = ctx->body_check.has_md5 ? digest->md5 : NULL;
        opts.crc64 = ctx->body_check.has_md5 ? NULL : &digest->crc64;
    }

    if (ngx_http_blob_common_headers(r, ctx) != NGX_OK
        || ngx_http_blob_header(r, VIEW("x-blob-edge-durability"),
                                VIEW("local"))
               != NGX_OK)
    {
        return NGX_ERROR;
    }

    proto_reply_write_headers(&opts, ngx_http_blob_emit, r);
    return ngx_http_blob_send(r, ctx, status, VIEW_NULL);
}

/* Existing blob against the conditions, before any body is read. */
proto_err_t
ngx_http_blob_write_early(ngx_http_blob_ctx_t *ctx, ngx_http_blob_wr_t *wr)
{
    bool found =
        ctx->blob_found == BLOB_LOOKUP_FOUND && store_blob_visible(&ctx->blob);

    return (proto_err_t) ngx_http_blob_guard_check(
        &wr->guard, found && !wr->guard.fact ? &ctx->blob : NULL);
}

bool
ngx_http_blob_write_guarded(const ngx_http_blob_wr_t *wr)
{
    return wr->guard.create_only || proto_cond_any(&wr->guard.cond)
        || wr->guard.lease.use != PROTO_LEASE_IGNORED;
}

/* What was looked up for conditions would be old after a wait. */
void
ngx_http_blob_write_patient(ngx_http_blob_wr_t *wr)
{
    wr->change.patient = !wr->guard.fact && !ngx_http_blob_write_guarded(wr);
}

/* The commit takes the body, come what may. */
ngx_int_t
ngx_http_blob_write_commit(ngx_http_blob_ctx_t *ctx, ngx_http_blob_wr_t *wr,
                           const ngx_http_blob_step_t *next)
{
    ngx_int_t rc;

    ngx_http_blob_write_patient(wr);
    wr->change.body = ngx_http_blob_body_take(ctx);
    rc = ngx_http_blob_commit(ctx, &wr->change, next);
    if (rc == NGX_ERROR) {
        store_body_abort(wr->change.body);
    }

    return rc;
}

/* ---- Put Blob, Put Block List: the way to the body -------------------- */

static ngx_int_t
ngx_http_blob_put_start(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                        store_kind_t kind)
{
    ngx_http_blob_wr_t *wr = ngx_http_blob_write_new(ctx, kind);
    bool put = kind == STORE_BLOB_PUT;
    proto_err_t err;

    if (wr == NULL) {
        return NGX_ERROR;
    }

    wr->guard.block = !put;

    err = put ? proto_put_blob_check(&ctx->headers, &ctx->fault) : PROTO_OK;
    if (err == PROTO_OK) {
        err = proto_cond_check_form(&ctx->headers.cond, true);
    }
    if (err == PROTO_OK) {
        err = proto_headers_blob_props(&ctx->headers, put, true, &wr->props,
                                       &ctx->fault);
    }
    if (err == PROTO_OK) {
        err = proto_tags_props(&ctx->headers, &ctx->scratch, &wr->props,
                               &ctx->fault);
    }
    if (err == PROTO_OK) {
        err = proto_headers_body_check(&ctx->headers, put, &ctx->body_check,
                                       &ctx->fault);
    }
    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    return ngx_http_blob_need_container(r, ctx, &ngx_http_blob_step_put_found);
}

ngx_int_t
ngx_http_blob_put(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    return ngx_http_blob_put_start(r, ctx, STORE_BLOB_PUT);
}

ngx_int_t
ngx_http_blob_put_block_list(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    return ngx_http_blob_put_start(r, ctx, STORE_BLOCK_LIST);
}

static ngx_int_t
ngx_http_blob_put_found(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_wr_t *wr = ctx->op_data;
    tier_rc_t rc;

    wr->change.incarnation = ctx->container.incarnation;

    if (!ngx_http_blob_write_guarded(wr)) {
        return ngx_http_blob_put_allowed(r, ctx);
    }

    rc = ngx_http_blob_find_blob(ctx);
    if (rc < 0) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(rc));
    }

    if (ngx_http_blob_tags_elsewhere(ctx)) {
        return ngx_http_blob_forward(r, ctx);
    }

    if (rc == TIER_NOT_FOUND && ngx_http_blob_has_origin(ctx)
        && ctx->container.state != STORE_DIRTY)
    {
        ctx->facts_asked = 1;
        return ngx_http_blob_fact_for_write(r, ctx,
                                            &ngx_http_blob_step_put_allowed);
    }

    return ngx_http_blob_put_allowed(r, ctx);
}

/* With the fact, if one was fetched, in ctx->blob. */
static ngx_int_t
ngx_http_blob_put_allowed(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_wr_t *wr = ctx->op_data;
    proto_err_t err;

    if (ngx_http_blob_write_guarded(wr)) {
        if (ctx->facts_asked) {
            ngx_http_blob_write_fact(ctx, wr);
        }

        err = ngx_http_blob_write_early(ctx, wr);
        if (err != PROTO_OK) {
            return ngx_http_blob_fail_durable(r, ctx, err);
        }
    }

    if (wr->change.kind == STORE_BLOCK_LIST) {
        return ngx_http_blob_body_read(r, ctx, (size_t) ctx->op->body_limit,
                                       &ngx_http_blob_step_list_received);
    }

    return ngx_http_blob_body_stream(r, ctx, &ngx_http_blob_step_put_received);
}

static ngx_int_t
ngx_http_blob_put_received(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    const store_digest_t *digest = ngx_http_blob_body_digest(ctx);
    ngx_http_blob_wr_t *wr = ctx->op_data;

    if (!wr->props.has_md5) {
        wr->props.has_md5 = true;
        ngx_memcpy(wr->props.md5, digest->md5, sizeof(wr->props.md5));
    }

    wr->props.content_length = digest->length;
    wr->change.props = &wr->props;
    return ngx_http_blob_write_commit(ctx, wr,
                                      &ngx_http_blob_step_put_committed);
}

/* The list names a block that is not here, but may be at the origin: of a blob
 * whose committed version is there. */
static bool
ngx_http_blob_list_elsewhere(ngx_http_blob_ctx_t *ctx,
                             const ngx_http_blob_wr_t *wr)
{
    if (wr->change.verdict != STORE_V_NO_BLOCK
        || !ngx_http_blob_has_origin(ctx)
        || ctx->container.state == STORE_DIRTY
        || ngx_http_blob_find_blob(ctx) < 0)
    {
        return false;
    }

    return ctx->blob_found == BLOB_LOOKUP_ABSENT
             ? ctx->blob.state == STORE_NONE
             : ctx->blob.state == STORE_ALIAS
                   || (ctx->blob.state == STORE_CLEAN && !ctx->blob.resident);
}

static ngx_int_t
ngx_http_blob_put_committed(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_wr_t *wr = ctx->op_data;
    bool set = wr->change.kind == STORE_BLOB_SET;

    if (wr->change.rc != TIER_OK && ngx_http_blob_list_elsewhere(ctx, wr)) {
        return ngx_http_blob_forward(r, ctx);
    }

    if (wr->change.rc != TIER_OK) {
        return ngx_http_blob_fail(r, ctx,
                                  ngx_http_blob_change_error(&wr->change));
    }

    return ngx_http_blob_write_reply(
        r, ctx, set ? NGX_HTTP_OK : NGX_HTTP_CREATED, &wr->change,
        set ? NULL : ngx_http_blob_body_digest(ctx));
}

/* ---- Put Block -------------------------------------------------------- */

ngx_int_t
ngx_http_blob_put_block(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_wr_t *wr = ngx_http_blob_write_new(ctx, STORE_BLOCK_PUT);
    proto_err_t err;

    if (wr == NULL) {
        return NGX_ERROR;
    }

    ngx_http_blob_write_block(wr);
    err =
        proto_block_id_parse(proto_uri_param(&ctx->uri, PROTO_PARAM_BLOCKID),
                             wr->block_id, &wr->change.block_id, &ctx->fault);
    if (err == PROTO_OK) {
        err = proto_headers_body_check(&ctx->headers, false, &ctx->body_check,
                                       &ctx->fault);
    }
    if (err == PROTO_OK) {
        err = proto_put_block_check(&ctx->headers, &ctx->fault);
    }
    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    return ngx_http_blob_need_container(r, ctx,
                                        &ngx_http_blob_step_block_ready);
}

static ngx_int_t
ngx_http_blob_block_ready(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_wr_t *wr = ctx->op_data;
    proto_err_t err;
    tier_rc_t rc;

    wr->change.incarnation = ctx->container.incarnation;

    if (ngx_http_blob_write_guarded(wr)) {
        rc = ngx_http_blob_find_blob(ctx);
        err = rc < 0 ? ngx_http_blob_rc_error(rc)
                     : ngx_http_blob_write_early(ctx, wr);
        if (err != PROTO_OK) {
            return ngx_http_blob_fail_durable(r, ctx, err);
        }
    }

    return ngx_http_blob_body_stream(r, ctx,
                                     &ngx_http_blob_step_block_received);
}

static ngx_int_t
ngx_http_blob_block_received(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_wr_t *wr = ctx->op_data;

    return ngx_http_blob_write_commit(ctx, wr,
                                      &ngx_http_blob_step_block_committed);
}

static ngx_int_t
ngx_http_blob_block_committed(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_wr_t *wr = ctx->op_data;

    if (wr->change.rc != TIER_OK) {
        return ngx_http_blob_fail(r, ctx,
                                  ngx_http_blob_change_error(&wr->change));
    }

    return ngx_http_blob_write_reply(r, ctx, NGX_HTTP_CREATED, &wr->change,
                                     ngx_http_blob_body_digest(ctx));
}

/* ---- Put Block List --------------------------------------------------- */

typedef struct {
    view_t xml;
    ngx_http_blob_wr_t *wr;
    store_block_ref_t *blocks; /* malloc: the thread has no pool */
    uint8_t *ids;
    unsigned cap;
    unsigned n;
    proto_fault_t fault;
} ngx_http_blob_parse_t;

static void
ngx_http_blob_parse_cleanup(void *data)
{
    ngx_http_blob_parse_t *p = data;

    free(p->blocks);
    free(p->ids);
}

static proto_err_t
ngx_http_blob_list_block(void *data, proto_block_which_t which, view_t id)
{
    static const store_block_which_t whichs[] = {
        [PROTO_BLOCK_LATEST] = STORE_BLOCK_LATEST,
        [PROTO_BLOCK_COMMITTED] = STORE_BLOCK_COMMITTED,
        [PROTO_BLOCK_UNCOMMITTED] = STORE_BLOCK_UNCOMMITTED
    };
    ngx_http_blob_parse_t *p = data;
    uint8_t *buf;

    if (p->n == p->cap || id.len > STORE_BLOCK_ID_MAX) {
        return PROTO_ERR_INVALID_BLOCK_ID;
    }

    buf = p->ids + (size_t) p->n * STORE_BLOCK_ID_MAX;
    ngx_memcpy(buf, id.ptr, id.len);
    p->blocks[p->n].which = whichs[which];
    p->blocks[p->n].id = view_of(buf, id.len);
    p->n++;
    return PROTO_OK;
}

/* Counts, takes memory for that many (50,000 at most), fills it. */
static void
ngx_http_blob_list_task(void *data, const tier_log_t *log)
{
    ngx_http_blob_parse_t *p = data;
    unsigned n;

    p->wr->err = proto_xml_block_list(p->xml, NULL, NULL, &p->cap, &p->fault);
    if (p->wr->err != PROTO_OK || p->cap == 0) {
        return;
    }

    p->blocks = malloc(p->cap * sizeof(*p->blocks));
    p->ids = malloc((size_t) p->cap * STORE_BLOCK_ID_MAX);
    if (p->blocks == NULL || p->ids == NULL) {
        p->wr->err = PROTO_ERR_SERVER_BUSY;
        return;
    }

    p->wr->err = proto_xml_block_list(p->xml, ngx_http_blob_list_block, p, &n,
                                      &p->fault);
}

/* A list can have megabytes: parsed in a thread unless it is short. */
static ngx_int_t
ngx_http_blob_list_received(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_wr_t *wr = ctx->op_data;
    ngx_http_blob_parse_t *p;
    ngx_pool_cleanup_t *cln;

    p = ngx_pcalloc(r->pool, sizeof(*p));
    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (p == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_blob_parse_cleanup;
    cln->data = p;
    p->xml = ngx_http_blob_body_view(ctx);
    p->wr = wr;
    ctx->parse = p;

    if (p->xml.len > BLOB_SMALL_READ) {
        return ngx_http_blob_task(ctx, ctx->bmcf->io, ngx_http_blob_list_task,
                                  p, &ngx_http_blob_step_list_parsed);
    }

    ngx_http_blob_list_task(p, NULL);
    return ngx_http_blob_goto(ctx, &ngx_http_blob_step_list_parsed);
}

static ngx_int_t
ngx_http_blob_list_parsed(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_wr_t *wr = ctx->op_data;
    ngx_http_blob_parse_t *p = ctx->parse;

    if (wr->err != PROTO_OK) {
        ctx->fault = p->fault;
        return ngx_http_blob_fail(r, ctx, wr->err);
    }

    ngx_http_blob_write_patient(wr);
    wr->change.blocks = p->blocks;
    wr->change.nblocks = p->n;
    wr->change.props = &wr->props;
    return ngx_http_blob_commit(ctx, &wr->change,
                                &ngx_http_blob_step_put_committed);
}

/* ---- Set Blob Metadata, Set Blob Properties --------------------------- */

ngx_int_t
ngx_http_blob_set(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_wr_t *wr = ngx_http_blob_write_new(ctx, STORE_BLOB_SET);
    bool metadata = ctx->op->id == PROTO_OP_SET_BLOB_METADATA;
    proto_err_t err;

    if (wr == NULL) {
        return NGX_ERROR;
    }

    err = proto_cond_check_form(&ctx->headers.cond, true);
    if (err == PROTO_OK) {
        err = proto_headers_blob_props(&ctx->headers, false, false, &wr->props,
                                       &ctx->fault);
    }
    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    wr->change.flags = metadata ? STORE_SET_META : STORE_SET_HEADERS;
    wr->change.props = &wr->props;
    return ngx_http_blob_need_container(r, ctx, &ngx_http_blob_step_set_found);
}

/* A record that has its bytes here is changed here; of another one the
 * origin knows more than we do. */
bool
ngx_http_blob_write_local(const ngx_http_blob_ctx_t *ctx)
{
    if (!ngx_http_blob_has_origin(ctx)) {
        return true;
    }

    return ctx->blob_found == BLOB_LOOKUP_FOUND
        && !ngx_http_blob_tags_elsewhere(ctx)
        && (ctx->blob.state == STORE_DIRTY
            || ctx->blob.state == STORE_TOMBSTONE
            || (ctx->blob.state == STORE_CLEAN && ctx->blob.resident));
}

ngx_int_t
ngx_http_blob_write_find(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                         const ngx_http_blob_step_t *self,
                         const ngx_http_blob_step_t *next)
{
    ngx_http_blob_wr_t *wr = ctx->op_data;
    tier_rc_t rc = ngx_http_blob_find_blob(ctx);

    if (rc < 0) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(rc));
    }

    if (!ngx_http_blob_write_local(ctx)) {
        return ngx_http_blob_forward(r, ctx);
    }

    wr->change.patient = true;
    wr->change.incarnation = ctx->container.incarnation;
    return ngx_http_blob_commit_again(ctx, &wr->change, next, self);
}

static ngx_int_t
ngx_http_blob_set_found(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    return ngx_http_blob_write_find(r, ctx, &ngx_http_blob_step_set_found,
                                    &ngx_http_blob_step_put_committed);
}

/* ---- Delete Blob ------------------------------------------------------ */

ngx_int_t
ngx_http_blob_delete(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    static const unsigned flags[] = {
        [PROTO_DELETE_BASE] = 0,
        [PROTO_DELETE_INCLUDE] = STORE_WITH_SNAPSHOTS,
        [PROTO_DELETE_ONLY] = STORE_ONLY_SNAPSHOTS,
    };
    ngx_http_blob_wr_t *wr;
    proto_delete_t what;
    proto_err_t err;

    wr = ngx_http_blob_write_new(
        ctx, ctx->snapshot != 0 ? STORE_SNAPSHOT_DELETE : STORE_BLOB_DELETE);
    if (wr == NULL) {
        return NGX_ERROR;
    }

    err = proto_cond_check_form(&ctx->headers.cond, true);
    if (err == PROTO_OK) {
        err = proto_snapshot_delete(&ctx->uri, &ctx->headers, &what,
                                    &ctx->fault);
    }
    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    /* those that are meant are the origin's */
    if (what != PROTO_DELETE_BASE && ngx_http_blob_has_origin(ctx)) {
        return ngx_http_blob_forward(r, ctx);
    }

    wr->change.flags = flags[what];
    wr->change.snapshot = ctx->snapshot;
    return ngx_http_blob_need_container(r, ctx,
                                        &ngx_http_blob_step_delete_found);
}

static ngx_int_t
ngx_http_blob_delete_found(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    return ngx_http_blob_write_find(r, ctx, &ngx_http_blob_step_delete_found,
                                    &ngx_http_blob_step_delete_committed);
}

static ngx_int_t
ngx_http_blob_delete_committed(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_wr_t *wr = ctx->op_data;

    if (wr->change.rc != TIER_OK) {
        return ngx_http_blob_fail(r, ctx,
                                  ngx_http_blob_change_error(&wr->change));
    }

    proto_reply_delete_headers(ngx_http_blob_emit, r);
    if (ngx_http_blob_header(r, VIEW("x-blob-edge-durability"), VIEW("local"))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_blob_reply(r, ctx, NGX_HTTP_ACCEPTED, VIEW_NULL,
                               VIEW_NULL);
}
