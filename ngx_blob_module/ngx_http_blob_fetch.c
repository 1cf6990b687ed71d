#include "ngx_http_blob_fetch.h"
#include "ngx_http_blob_tier.h"

#include "base/digest.h"

/*
 * The pump runs for two wake sources at once, the socket and the one task;
 * whoever comes runs it, and it ends only when the task is back. While both
 * buffers are full, or the task is the last one, nobody waits for the socket.
 */

#define BLOB_FETCH_ASK_MAX (16 * 1024) /* URL, token, conditions */
#define BLOB_FETCH_HEAD_MAX                                                   \
    (64 * 1024) /* what the source's headers may be                           \
                 */
#define BLOB_FETCH_HEADERS 160
/* blob-tier gives a source a minute; it says so before this */
#define BLOB_FETCH_WAIT_MS 120000

struct ngx_http_blob_fetch_s {
    ngx_http_blob_ctx_t *ctx;
    const proto_copy_t *copy;
    const ngx_http_blob_step_t *next;
    proto_fetched_t source;
    proto_err_t err;

    ngx_http_blob_tier_t tier;

    u_char *ask;
    size_t ask_len;
    size_t sent;

    u_char *head;
    size_t head_len; /* read, with bytes of the body at its end */
    u_char *meta;    /* what proto_fetched keeps */

    u_char *buf[BLOB_BODY_BUFS];
    size_t fill;    /* in buf[cur] */
    size_t pending; /* in the other one, being written */
    ngx_uint_t cur;
    uint64_t got;

    store_t *store;
    store_body_t *body;
    store_digest_t digest;
    unsigned flags; /* STORE_BODY_* */
    ngx_thread_task_t *task;
    tier_rc_t task_rc; /* the thread's, until it is back */
    bool opened;       /* the thread's as well: no bit beside others' bits */
    unsigned known:1;  /* the head was read */
    unsigned writing:1;
    unsigned finish:1; /* the task is the last one */
    unsigned ended:1;  /* and it is back */
};

static ngx_int_t ngx_http_blob_fetch_pump(ngx_http_request_t *r,
                                          ngx_http_blob_ctx_t *ctx);

static const ngx_http_blob_step_t ngx_http_blob_step_fetch = {
    "fetch_pump", "fetching the source of a copy", ngx_http_blob_fetch_pump
};

/* ---- the socket ------------------------------------------------------- */

static void
ngx_http_blob_fetch_cleanup(void *data)
{
    ngx_http_blob_fetch_t *f = data;

    ngx_http_blob_tier_close(&f->tier);
    if (f->body != NULL) {
        store_body_abort(f->body);
        f->body = NULL;
    }
}

static void
ngx_http_blob_fetch_event(ngx_event_t *ev)
{
    ngx_connection_t *c = ev->data;
    ngx_http_blob_fetch_t *f = c->data;

    if (f->ctx->step == &ngx_http_blob_step_fetch) {
        ngx_http_blob_wake(f->ctx);
    }
}

static ngx_int_t
ngx_http_blob_fetch_wait_task(ngx_http_blob_fetch_t *f)
{
    if (f->tier.pc.connection != NULL
        && f->tier.pc.connection->read->timer_set) {
        ngx_del_timer(f->tier.pc.connection->read);
    }

    return BLOB_WAIT;
}

/* ---- the end ---------------------------------------------------------- */

/* The task is back or was never posted. */
static ngx_int_t
ngx_http_blob_fetch_ended(ngx_http_blob_fetch_t *f)
{
    ngx_log_t *log = f->ctx->r->connection->log;

    ngx_http_blob_tier_close(&f->tier);

    if (f->err == PROTO_OK) {
        f->err =
            proto_body_verify(&f->copy->check, f->digest.md5, f->digest.crc64,
                              &f->ctx->fault, &f->ctx->scratch);

    } else if (f->source.why.len) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "blob: the source of a copy cannot be read: %*s",
                      f->source.why.len, f->source.why.ptr);
    }

    f->source.props.has_md5 = f->digest.has_md5;
    ngx_memcpy(f->source.props.md5, f->digest.md5, MD5_LEN);
    return ngx_http_blob_goto(f->ctx, f->next);
}

static ngx_int_t
ngx_http_blob_fetch_failed(ngx_http_blob_fetch_t *f, proto_err_t err,
                           const char *why)
{
    f->err = err;
    f->source.why = view_str(why);
    return f->writing ? ngx_http_blob_fetch_wait_task(f)
                      : ngx_http_blob_fetch_ended(f);
}

/* ---- into the store --------------------------------------------------- */

/* In a thread: the first task reserves, each writes, the last one ends. */
static void
ngx_http_blob_fetch_task(void *data, ngx_log_t *log)
{
    ngx_http_blob_fetch_t *f = *(ngx_http_blob_fetch_t **) data;

    if (!f->opened) {
        f->task_rc =
            store_body_open(f->store, f->source.length, f->flags, &f->body);
        f->opened = true;
    }

    if (f->task_rc == TIER_OK && f->pending) {
        f->task_rc = store_body_write(f->body, f->buf[1 - f->cur], f->pending);
    }

    if (f->task_rc == TIER_OK && f->finish) {
        f->task_rc = store_body_finish(f->body, &f->digest);
    }
}

static void
ngx_http_blob_fetch_task_done(ngx_event_t *ev)
{
    ngx_http_blob_fetch_t *f = ev->data;

    f->writing = 0;
    f->pending = 0;
    f->ended = f->finish;
    ngx_http_blob_unblock(f->ctx);
    ngx_http_blob_wake(f->ctx);
}

static ngx_int_t
ngx_http_blob_fetch_post(ngx_http_request_t *r, ngx_http_blob_fetch_t *f)
{
    if (f->task == NULL) {
        f->task = ngx_thread_task_alloc(r->pool, sizeof(void *));
        if (f->task == NULL) {
            return NGX_ERROR;
        }
        *(ngx_http_blob_fetch_t **) f->task->ctx = f;
        f->task->handler = ngx_http_blob_fetch_task;
        f->task->event.data = f;
        f->task->event.handler = ngx_http_blob_fetch_task_done;
    }

    f->finish = f->got == f->source.length;
    f->pending = f->fill;
    f->fill = 0;
    f->cur = 1 - f->cur;

    f->writing = 1;
    if (ngx_thread_task_post(f->ctx->bmcf->io, f->task) != NGX_OK) {
        f->writing = 0;
        return NGX_ERROR;
    }

    ngx_http_blob_block(f->ctx);
    return BLOB_NEXT;
}

/* ---- the answer ------------------------------------------------------- */

static ngx_int_t
ngx_http_blob_fetch_send(ngx_http_blob_fetch_t *f)
{
    ngx_connection_t *c = f->tier.pc.connection;
    ssize_t n;

    n = c->send(c, f->ask + f->sent, f->ask_len - f->sent);
    if (n == NGX_AGAIN) {
        return ngx_http_blob_tier_wait(&f->tier, BLOB_FETCH_WAIT_MS);
    }
    if (n < 0) {
        return ngx_http_blob_fetch_failed(f, PROTO_ERR_SERVER_BUSY,
                                          "blob-tier closed its socket");
    }

    f->sent += (size_t) n;
    return BLOB_NEXT;
}

/* What is known of the source decides whether its bytes are wanted. */
static ngx_int_t
ngx_http_blob_fetch_known(ngx_http_request_t *r, ngx_http_blob_fetch_t *f,
                          view_t head)
{
    proto_header_t *hdrs;
    size_t rest, room;
    ngx_uint_t i;
    unsigned status, n;
    writer_t w;

    hdrs = ngx_palloc(r->pool, BLOB_FETCH_HEADERS * sizeof(*hdrs));
    f->meta = ngx_pnalloc(r->pool, PROTO_METADATA_MAX * 2);
    if (hdrs == NULL || f->meta == NULL) {
        return NGX_ERROR;
    }

    if (!proto_fetched_head(head, &status, hdrs, BLOB_FETCH_HEADERS, &n)) {
        return ngx_http_blob_fetch_failed(f, PROTO_ERR_SERVER_BUSY,
                                          "what blob-tier answers is no HTTP");
    }

    f->known = 1;
    writer_init_fixed(&w, f->meta, PROTO_METADATA_MAX * 2);
    f->err =
        proto_fetched(status, hdrs, n, f->copy, f->ctx->op, &w, &f->source);
    if (f->err != PROTO_OK) {
        return ngx_http_blob_fetch_ended(f);
    }

    room = (size_t) ngx_min(f->source.length, BLOB_BODY_BUF_SIZE);
    rest = ngx_min(f->head_len - head.len, room);
    for (i = 0; i < BLOB_BODY_BUFS; i++) {
        f->buf[i] = ngx_pmemalign(r->pool, room ? room : 1, 4096);
        if (f->buf[i] == NULL) {
            return NGX_ERROR;
        }
    }

    /* a buffer is larger than what can be here already, or all fits in it */
    ngx_memcpy(f->buf[0], f->head + head.len, rest);
    f->fill = rest;
    f->got = rest;
    return BLOB_NEXT;
}

static ngx_int_t
ngx_http_blob_fetch_head(ngx_http_request_t *r, ngx_http_blob_fetch_t *f)
{
    ngx_connection_t *c = f->tier.pc.connection;
    u_char *end;
    ssize_t n;

    n = c->recv(c, f->head + f->head_len, BLOB_FETCH_HEAD_MAX - f->head_len);
    if (n == NGX_AGAIN) {
        return ngx_http_blob_tier_wait(&f->tier, BLOB_FETCH_WAIT_MS);
    }
    if (n <= 0) {
        return ngx_http_blob_fetch_failed(f, PROTO_ERR_SERVER_BUSY,
                                          "blob-tier did not answer");
    }

    f->head_len += (size_t) n;
    end = memmem(f->head, f->head_len, "\r\n\r\n", 4);
    if (end != NULL) {
        return ngx_http_blob_fetch_known(
            r, f, view_of(f->head, (size_t) (end + 4 - f->head)));
    }

    if (f->head_len == BLOB_FETCH_HEAD_MAX) {
        return ngx_http_blob_fetch_failed(
            f, PROTO_ERR_COPY_SOURCE_FAILED,
            "the source's headers are too large");
    }

    return BLOB_NEXT;
}

static ngx_int_t
ngx_http_blob_fetch_body(ngx_http_request_t *r, ngx_http_blob_fetch_t *f)
{
    ngx_connection_t *c = f->tier.pc.connection;
    size_t room;
    ssize_t n;

    if (f->got == f->source.length || f->fill == BLOB_BODY_BUF_SIZE) {
        return f->writing ? ngx_http_blob_fetch_wait_task(f)
                          : ngx_http_blob_fetch_post(r, f);
    }

    room = (size_t) ngx_min(f->source.length - f->got,
                            BLOB_BODY_BUF_SIZE - f->fill);
    n = c->recv(c, f->buf[f->cur] + f->fill, room);
    if (n == NGX_AGAIN) {
        return ngx_http_blob_tier_wait(&f->tier, BLOB_FETCH_WAIT_MS);
    }
    if (n <= 0) {
        return ngx_http_blob_fetch_failed(f, PROTO_ERR_COPY_SOURCE_FAILED,
                                          "it broke off");
    }

    f->fill += (size_t) n;
    f->got += (uint64_t) n;
    return BLOB_NEXT;
}

/* One turn with what is at hand. BLOB_NEXT: look again. */
static ngx_int_t
ngx_http_blob_fetch_turn(ngx_http_request_t *r, ngx_http_blob_fetch_t *f)
{
    if (f->writing && f->err != PROTO_OK) {
        return ngx_http_blob_fetch_wait_task(f);
    }

    if (!f->writing && (f->ended || f->task_rc != TIER_OK)) {
        if (f->task_rc != TIER_OK) {
            f->err = ngx_http_blob_rc_error(f->task_rc);
        }
        return ngx_http_blob_fetch_ended(f);
    }

    if (!f->writing && f->err != PROTO_OK) {
        return ngx_http_blob_fetch_ended(f);
    }

    if (f->tier.pc.connection->read->timedout) {
        return ngx_http_blob_fetch_failed(f, PROTO_ERR_SERVER_BUSY,
                                          "blob-tier does not answer");
    }

    if (f->sent < f->ask_len) {
        return ngx_http_blob_fetch_send(f);
    }

    return f->known ? ngx_http_blob_fetch_body(r, f)
                    : ngx_http_blob_fetch_head(r, f);
}

static ngx_int_t
ngx_http_blob_fetch_pump(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_fetch_t *f = ctx->fetch;
    ngx_int_t rc;

    do {
        rc = ngx_http_blob_fetch_turn(r, f);
    } while (rc == BLOB_NEXT && ctx->step == &ngx_http_blob_step_fetch);

    if (rc == NGX_ERROR) {
        ngx_http_blob_tier_close(&f->tier);
    }

    return rc;
}

/* ---- outside ---------------------------------------------------------- */

ngx_int_t
ngx_http_blob_fetch(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                    const proto_fetched_ask_t *ask,
                    const ngx_http_blob_step_t *next,
                    ngx_http_blob_fetch_t **ret)
{
    ngx_http_blob_fetch_t *f = ngx_pcalloc(r->pool, sizeof(*f));
    ngx_pool_cleanup_t *cln = ngx_pool_cleanup_add(r->pool, 0);
    proto_fetched_ask_t whole = *ask;
    writer_t w;

    whole.account = ngx_http_blob_view(ctx->account->name);
    if (f == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_blob_fetch_cleanup;
    cln->data = f;
    f->ask = ngx_pnalloc(r->pool, BLOB_FETCH_ASK_MAX);
    f->head = ngx_pnalloc(r->pool, BLOB_FETCH_HEAD_MAX);
    if (f->ask == NULL || f->head == NULL) {
        return NGX_ERROR;
    }

    f->ctx = ctx;
    f->copy = ask->copy;
    f->next = next;
    f->store = ctx->bmcf->store;
    f->flags = (ctx->op->id != PROTO_OP_PUT_BLOCK_FROM_URL
                && ctx->op->id != PROTO_OP_APPEND_BLOCK_FROM_URL)
                    || ask->copy->check.has_md5
                 ? STORE_BODY_MD5
                 : 0;
    ctx->fetch = f;
    *ret = f;

    writer_init_fixed(&w, f->ask, BLOB_FETCH_ASK_MAX);
    proto_fetched_ask(&w, &whole);
    f->ask_len = w.len;
    if (!writer_ok(&w)) {
        f->err = PROTO_ERR_REQUEST_HEADERS_TOO_LARGE;
        return ngx_http_blob_fetch_ended(f);
    }

    if (ask->lake.len == 0 && ctx->account->policy.nsources == 0) {
        return ngx_http_blob_fetch_failed(
            f, PROTO_ERR_COPY_SOURCE_FORBIDDEN,
            "the account has no blob_copy_source");
    }

    if (ngx_http_blob_tier_connect(ctx, &f->tier, f, ngx_http_blob_fetch_event)
        != NGX_OK)
    {
        return ngx_http_blob_fetch_failed(
            f, PROTO_ERR_SERVER_BUSY,
            "blob-tier, which fetches it, does not run");
    }

    return ngx_http_blob_goto(ctx, &ngx_http_blob_step_fetch);
}

proto_err_t
ngx_http_blob_fetch_error(const ngx_http_blob_fetch_t *f)
{
    return f->err;
}

ngx_int_t
ngx_http_blob_fetch_fail(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                         ngx_http_blob_fetch_t *f)
{
    u_char *p;

    if (f->source.status < 300 || !proto_copy_tells_source(ctx->op)) {
        return ngx_http_blob_fail_durable(r, ctx, f->err);
    }

    p = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_blob_header(
            r, VIEW("x-ms-copy-source-status-code"),
            view_of(p, (size_t) (ngx_sprintf(p, "%ui",
                                             (ngx_uint_t) f->source.status)
                                 - p)))
            != NGX_OK
        || (f->source.code.len
            && ngx_http_blob_header(r, VIEW("x-ms-copy-source-error-code"),
                                    f->source.code)
                   != NGX_OK))
    {
        return NGX_ERROR;
    }

    ctx->keep_headers = 1;
    return ngx_http_blob_fail_durable(r, ctx, f->err);
}

const blob_props_t *
ngx_http_blob_fetch_props(const ngx_http_blob_fetch_t *f)
{
    return &f->source.props;
}

const store_digest_t *
ngx_http_blob_fetch_digest(const ngx_http_blob_fetch_t *f)
{
    return &f->digest;
}

store_body_t *
ngx_http_blob_fetch_take(ngx_http_blob_fetch_t *f)
{
    store_body_t *body = f->body;

    f->body = NULL;
    return body;
}
