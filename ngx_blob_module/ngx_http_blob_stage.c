#include "ngx_http_blob_origin.h"
#include "ngx_http_blob_tier.h"

#include "proto/fetched.h"

/*
 * A block list that names blocks which only the origin has is the origin's to
 * commit. What it names of the blocks that wait here has to be there first:
 * blob-tier uploads them, by the list itself, under the client's ids.
 *
 *     flush ─▶ fence ─▶ POST /stage, the list ─▶ fence anew ─▶ the list
 *
 * Until the origin has said 201 they stay here as they are, so that whoever
 * dies in between loses nothing and a client that asks again starts anew.
 */

#define BLOB_STAGE_HEAD_MAX (8 * 1024)
#define BLOB_STAGE_HEADERS  32
/* a third of what a fence stands for */
#define BLOB_STAGE_RENEW_MS 20000
#define BLOB_STAGE_MAX_MS   (3600 * 1000)

typedef struct {
    ngx_http_blob_tier_t tier;
    ngx_http_blob_ctx_t *ctx;
    int64_t deadline_ms;

    view_t ask[2]; /* the header, the list */
    ngx_uint_t asking;
    size_t sent; /* of ask[asking] */

    u_char *head;
    size_t head_len;
    proto_err_t err;
    unsigned done:1;
} ngx_http_blob_stage_t;

static ngx_int_t ngx_http_blob_stage_start(ngx_http_request_t *r,
                                           ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_stage_pump(ngx_http_request_t *r,
                                          ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_stage_held(ngx_http_request_t *r,
                                          ngx_http_blob_ctx_t *ctx);

static ngx_int_t ngx_http_blob_stage_failed(ngx_http_request_t *r,
                                            ngx_http_blob_ctx_t *ctx);

static const ngx_http_blob_step_t ngx_http_blob_step_stage = {
    "stage", "sending blocks to the origin", ngx_http_blob_stage_start
};
static const ngx_http_blob_step_t ngx_http_blob_step_stage_pump = {
    "stage_pump", "sending blocks to the origin", ngx_http_blob_stage_pump
};
static const ngx_http_blob_step_t ngx_http_blob_step_stage_held = {
    "stage_held", "fencing blob", ngx_http_blob_stage_held
};

static const ngx_http_blob_step_t ngx_http_blob_step_stage_failed = {
    "stage_failed", "ending fence", ngx_http_blob_stage_failed
};

const ngx_http_blob_step_t *
ngx_http_blob_stage_step(void)
{
    return &ngx_http_blob_step_stage;
}

static void
ngx_http_blob_stage_cleanup(void *data)
{
    ngx_http_blob_stage_t *st = data;

    ngx_http_blob_tier_close(&st->tier);
}

static void
ngx_http_blob_stage_event(ngx_event_t *ev)
{
    ngx_connection_t *c = ev->data;
    ngx_http_blob_stage_t *st = c->data;

    if (st->ctx->step == &ngx_http_blob_step_stage_pump) {
        ngx_http_blob_wake(st->ctx);
    }
}

/* The fence goes first: who asks again at once must not meet it. */
static ngx_int_t
ngx_http_blob_stage_refuse(ngx_http_request_t *r, ngx_http_blob_stage_t *st,
                           proto_err_t err)
{
    ngx_http_blob_fwd_t *fwd = ngx_http_blob_fwd(st->ctx);

    ngx_http_blob_tier_close(&st->tier);
    st->err = err;

    if (!fwd->fenced) {
        return ngx_http_blob_fail(r, st->ctx, err);
    }

    fwd->fenced = 0;
    return ngx_http_blob_commit(
        st->ctx, ngx_http_blob_fwd_change(st->ctx, STORE_FENCE_CLEAR),
        &ngx_http_blob_step_stage_failed);
}

static ngx_int_t
ngx_http_blob_stage_failed(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_stage_t *st = ctx->op_data;

    return ngx_http_blob_fail(r, ctx, st->err);
}

static ngx_int_t
ngx_http_blob_stage_fail(ngx_http_request_t *r, ngx_http_blob_stage_t *st,
                         const char *why)
{
    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "blob: the blocks of a list cannot be sent to the origin: "
                  "%s",
                  why);
    return ngx_http_blob_stage_refuse(r, st, PROTO_ERR_SERVER_BUSY);
}

/* ---- asking ----------------------------------------------------------- */

static ngx_int_t
ngx_http_blob_stage_ask(ngx_http_request_t *r, ngx_http_blob_stage_t *st)
{
    ngx_http_blob_ctx_t *ctx = st->ctx;
    view_t account = ngx_http_blob_view(ctx->account->name);
    size_t cap =
        256 + 3 * (account.len + ctx->uri.container.len + ctx->uri.blob.len);
    u_char *buf = ngx_pnalloc(r->pool, cap);
    writer_t w;

    st->head = ngx_pnalloc(r->pool, BLOB_STAGE_HEAD_MAX);
    if (buf == NULL || st->head == NULL) {
        return NGX_ERROR;
    }

    st->ask[1] = ngx_http_blob_body_view(ctx);

    writer_init_fixed(&w, buf, cap);
    writer_puts(&w, "POST /stage?account=");
    proto_uri_encode(&w, account, false);
    writer_puts(&w, "&container=");
    proto_uri_encode(&w, ctx->uri.container, false);
    writer_puts(&w, "&blob=");
    proto_uri_encode(&w, ctx->uri.blob, false);
    writer_puts(&w, " HTTP/1.1\r\nHost: blob-tier\r\nConnection: close\r\n"
                    "Content-Length: ");
    writer_put_u64(&w, st->ask[1].len);
    writer_puts(&w, "\r\n\r\n");

    st->ask[0] = writer_view(&w);
    return writer_ok(&w) ? NGX_OK : NGX_ERROR;
}

static ngx_int_t
ngx_http_blob_stage_start(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_stage_t *st;
    ngx_pool_cleanup_t *cln;
    tier_rc_t rc;

    rc = ngx_http_blob_find_blob(ctx);
    if (rc < 0) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(rc));
    }

    if (!ctx->blob.uncommitted) {
        return ngx_http_blob_forward_out(ctx);
    }

    st = ngx_pcalloc(r->pool, sizeof(*st));
    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (st == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_blob_stage_cleanup;
    cln->data = st;
    st->ctx = ctx;
    st->deadline_ms = ngx_http_blob_now_ms() + BLOB_STAGE_MAX_MS;
    ctx->op_data = st;

    if (ngx_http_blob_stage_ask(r, st) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_blob_tier_connect(ctx, &st->tier, st,
                                   ngx_http_blob_stage_event)
        != NGX_OK)
    {
        return ngx_http_blob_stage_fail(r, st, "blob-tier does not run");
    }

    return ngx_http_blob_goto(ctx, &ngx_http_blob_step_stage_pump);
}

/* Nobody else commits to the name meanwhile, however long it takes. */
static ngx_int_t
ngx_http_blob_stage_hold(ngx_http_request_t *r, ngx_http_blob_stage_t *st)
{
    if (!ngx_http_blob_fwd(st->ctx)->fenced) {
        return ngx_http_blob_goto(st->ctx, st->done
                                               ? &ngx_http_blob_step_stage_held
                                               : st->ctx->step);
    }

    return ngx_http_blob_forward_hold(r, st->ctx,
                                      &ngx_http_blob_step_stage_held);
}

static ngx_int_t
ngx_http_blob_stage_held(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_fwd_t *fwd = ngx_http_blob_fwd(ctx);
    ngx_http_blob_stage_t *st = ctx->op_data;

    if (fwd->fenced && fwd->change.rc != TIER_OK) {
        fwd->fenced = 0; /* somebody else's by now */
        return ngx_http_blob_stage_fail(r, st, "the fence was lost");
    }

    return st->done ? ngx_http_blob_forward_out(ctx)
                    : ngx_http_blob_goto(ctx, &ngx_http_blob_step_stage_pump);
}

/* ---- the answer ------------------------------------------------------- */

static ngx_int_t
ngx_http_blob_stage_answered(ngx_http_request_t *r, ngx_http_blob_stage_t *st,
                             view_t head)
{
    proto_header_t hdrs[BLOB_STAGE_HEADERS];
    unsigned status, n;
    ngx_uint_t level;
    view_t code;

    if (!proto_fetched_head(head, &status, hdrs, BLOB_STAGE_HEADERS, &n)) {
        return ngx_http_blob_stage_fail(r, st,
                                        "what blob-tier answers is no HTTP");
    }

    ngx_http_blob_tier_close(&st->tier);

    if (status == NGX_HTTP_OK) {
        st->done = 1;
        return ngx_http_blob_stage_hold(r, st);
    }

    code = proto_answer_header(hdrs, n, VIEW("x-ms-error-code"));
    level = status < 500 ? NGX_LOG_INFO : NGX_LOG_ERR;
    ngx_log_error(level, r->connection->log, 0,
                  "blob: the blocks of a list cannot be sent to the origin: "
                  "%ui %*s; blob-tier's log says more",
                  (ngx_uint_t) status, code.len, code.ptr);
    return ngx_http_blob_stage_refuse(r, st, proto_answer_error(status, code));
}

static ngx_int_t
ngx_http_blob_stage_send(ngx_http_request_t *r, ngx_http_blob_stage_t *st)
{
    ngx_connection_t *c = st->tier.pc.connection;
    view_t left = view_sub(st->ask[st->asking], st->sent, SIZE_MAX);
    ssize_t n;

    if (left.len == 0) {
        st->asking++;
        st->sent = 0;
        return BLOB_NEXT;
    }

    n = c->send(c, (u_char *) (uintptr_t) left.ptr, left.len);
    if (n == NGX_AGAIN) {
        return ngx_http_blob_tier_wait(&st->tier, BLOB_STAGE_RENEW_MS);
    }
    if (n < 0) {
        return ngx_http_blob_stage_fail(r, st, "blob-tier closed its socket");
    }

    st->sent += (size_t) n;
    return BLOB_NEXT;
}

static ngx_int_t
ngx_http_blob_stage_recv(ngx_http_request_t *r, ngx_http_blob_stage_t *st)
{
    ngx_connection_t *c = st->tier.pc.connection;
    u_char *end;
    ssize_t n;

    n = c->recv(c, st->head + st->head_len,
                BLOB_STAGE_HEAD_MAX - st->head_len);
    if (n == NGX_AGAIN) {
        return ngx_http_blob_tier_wait(&st->tier, BLOB_STAGE_RENEW_MS);
    }
    if (n <= 0) {
        return ngx_http_blob_stage_fail(r, st, "blob-tier did not answer");
    }

    st->head_len += (size_t) n;
    end = memmem(st->head, st->head_len, "\r\n\r\n", 4);
    if (end != NULL) {
        return ngx_http_blob_stage_answered(
            r, st, view_of(st->head, (size_t) (end + 4 - st->head)));
    }

    return st->head_len == BLOB_STAGE_HEAD_MAX
             ? ngx_http_blob_stage_fail(r, st, "its answer is too long")
             : BLOB_NEXT;
}

static ngx_int_t
ngx_http_blob_stage_pump(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_stage_t *st = ctx->op_data;
    ngx_event_t *rev = st->tier.pc.connection->read;

    if (rev->timedout) {
        rev->timedout = 0;
        if (ngx_http_blob_now_ms() > st->deadline_ms) {
            return ngx_http_blob_stage_fail(r, st, "it takes too long");
        }
        return ngx_http_blob_stage_hold(r, st);
    }

    return st->asking < 2 ? ngx_http_blob_stage_send(r, st)
                          : ngx_http_blob_stage_recv(r, st);
}
