#include "ngx_http_blob_conf.h"

/*
 * Commits: one batch of this worker is in flight at a time and takes all
 * changes that wait, so that a busy worker syncs once for many of them.
 *
 * A patient change that meets the fence of a forward waits until that ends, as
 * another forward does.
 */

#define BLOB_COMMIT_BATCH   256
#define BLOB_FENCED_POLL_MS 10
#define BLOB_FENCED_SLOW_MS 50
#define BLOB_FENCED_MAX_MS  30000

typedef struct {
    ngx_queue_t queue;
    ngx_http_blob_ctx_t *ctx;
    store_change_t *change;
    const ngx_http_blob_step_t *step;
    const ngx_http_blob_step_t *again;
    ngx_msec_t poll_ms;
    bool kept; /* its body goes with the request */
} ngx_http_blob_commit_t;

typedef struct {
    store_t *store;
    unsigned n;
    store_change_t *changes[BLOB_COMMIT_BATCH];
    ngx_queue_t waiters; /* ngx_http_blob_commit_t, in the changes' order */
} ngx_http_blob_batch_t;

static ngx_queue_t ngx_http_blob_waiting;
static ngx_thread_task_t *ngx_http_blob_batch_task;
static ngx_uint_t ngx_http_blob_in_flight;

static void
ngx_http_blob_queue_move(ngx_queue_t *to, ngx_queue_t *from)
{
    if (!ngx_queue_empty(from)) {
        ngx_queue_add(to, from);
        ngx_queue_init(from);
    }
}

static ngx_int_t ngx_http_blob_batch_post(ngx_http_blob_main_conf_t *bmcf);
static ngx_int_t ngx_http_blob_commit_fenced(ngx_http_request_t *r,
                                             ngx_http_blob_ctx_t *ctx);

static const ngx_http_blob_step_t ngx_http_blob_step_commit_fenced = {
    "commit_fenced", "waiting for a forwarded request",
    ngx_http_blob_commit_fenced
};

/* In a thread. Every change has its own rc. */
static void
ngx_http_blob_batch_run(void *data, ngx_log_t *log)
{
    ngx_http_blob_batch_t *b = data;

    store_commit(b->store, b->changes, b->n);
}

static void
ngx_http_blob_batch_done(ngx_event_t *ev)
{
    ngx_http_blob_batch_t *b = ev->data;
    ngx_http_blob_commit_t *w;
    ngx_http_blob_ctx_t *ctx;
    ngx_queue_t done;
    ngx_queue_t *q;

    ngx_queue_init(&done);
    ngx_http_blob_queue_move(&done, &b->waiters);

    ngx_http_blob_in_flight = 0;

    /* the next batch starts before answers are composed */
    q = ngx_queue_head(&done);
    w = ngx_queue_data(q, ngx_http_blob_commit_t, queue);
    (void) ngx_http_blob_batch_post(w->ctx->bmcf);

    while (!ngx_queue_empty(&done)) {
        q = ngx_queue_head(&done);
        ngx_queue_remove(q);
        w = ngx_queue_data(q, ngx_http_blob_commit_t, queue);

        ctx = w->ctx;
        ctx->step = w->step;
        if (w->change->patient && store_change_fenced(w->change)) {
            ctx->commit = w;
            ctx->step = &ngx_http_blob_step_commit_fenced;
        }
        if (w->change->number > ctx->seen) {
            ctx->seen = w->change->number;
        }

        ngx_http_blob_unblock(ctx);
        ngx_http_blob_wake(ctx);
    }
}

static ngx_int_t
ngx_http_blob_batch_post(ngx_http_blob_main_conf_t *bmcf)
{
    ngx_thread_task_t *task = ngx_http_blob_batch_task;
    ngx_http_blob_commit_t *w;
    ngx_http_blob_batch_t *b;
    ngx_queue_t *q;

    if (ngx_http_blob_in_flight || ngx_queue_empty(&ngx_http_blob_waiting)) {
        return NGX_OK;
    }

    if (task == NULL) {
        task = ngx_thread_task_alloc(ngx_cycle->pool, sizeof(*b));
        if (task == NULL) {
            return NGX_ERROR;
        }
        ngx_http_blob_batch_task = task;
        b = task->ctx;
        ngx_queue_init(&b->waiters);
        task->handler = ngx_http_blob_batch_run;
        task->event.data = b;
        task->event.handler = ngx_http_blob_batch_done;
    }

    b = task->ctx;
    b->store = bmcf->store;
    b->n = 0;

    while (b->n < BLOB_COMMIT_BATCH
           && !ngx_queue_empty(&ngx_http_blob_waiting)) {
        q = ngx_queue_head(&ngx_http_blob_waiting);
        ngx_queue_remove(q);
        ngx_queue_insert_tail(&b->waiters, q);
        w = ngx_queue_data(q, ngx_http_blob_commit_t, queue);
        b->changes[b->n++] = w->change;
    }

    if (ngx_thread_task_post(bmcf->commits, task) == NGX_OK) {
        ngx_http_blob_in_flight = 1;
        return NGX_OK;
    }

    /* the queue of the pool is full, which one task a worker cannot do */
    ngx_http_blob_queue_move(&b->waiters, &ngx_http_blob_waiting);
    ngx_http_blob_queue_move(&ngx_http_blob_waiting, &b->waiters);
    return NGX_ERROR;
}

static ngx_int_t
ngx_http_blob_commit_post(ngx_http_blob_ctx_t *ctx, ngx_http_blob_commit_t *w)
{
    ngx_queue_insert_tail(&ngx_http_blob_waiting, &w->queue);

    if (ngx_http_blob_batch_post(ctx->bmcf) != NGX_OK) {
        ngx_queue_remove(&w->queue);
        return NGX_ERROR;
    }

    ngx_http_blob_block(ctx);
    return BLOB_WAIT;
}

ngx_int_t
ngx_http_blob_commit(ngx_http_blob_ctx_t *ctx, store_change_t *change,
                     const ngx_http_blob_step_t *step)
{
    return ngx_http_blob_commit_again(ctx, change, step, NULL);
}

ngx_int_t
ngx_http_blob_commit_again(ngx_http_blob_ctx_t *ctx, store_change_t *change,
                           const ngx_http_blob_step_t *step,
                           const ngx_http_blob_step_t *again)
{
    ngx_http_blob_commit_t *w;

    w = ngx_pcalloc(ctx->r->pool, sizeof(*w));
    if (w == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_blob_waiting.next == NULL) {
        ngx_queue_init(&ngx_http_blob_waiting);
    }

    w->ctx = ctx;
    w->change = change;
    w->step = step;
    w->again = again;
    w->poll_ms = BLOB_FENCED_POLL_MS;
    return ngx_http_blob_commit_post(ctx, w);
}

/* ---- behind a fence --------------------------------------------------- */

/* The request goes while it waits. */
static void
ngx_http_blob_fenced_cleanup(void *data)
{
    store_change_t *change = data;

    store_body_abort(change->body);
    change->body = NULL;
}

static ngx_int_t
ngx_http_blob_fenced_keep(ngx_http_request_t *r, ngx_http_blob_commit_t *w)
{
    ngx_pool_cleanup_t *cln;

    if (w->kept || w->change->body == NULL) {
        return NGX_OK;
    }

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        ngx_http_blob_fenced_cleanup(w->change);
        return NGX_ERROR;
    }

    cln->handler = ngx_http_blob_fenced_cleanup;
    cln->data = w->change;
    w->kept = true;
    return NGX_OK;
}

/* Until the record has no fence, or for too long; then the commit decides.
 * ctx->blob is not what it was. */
static ngx_int_t
ngx_http_blob_commit_fenced(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_commit_t *w = ctx->commit;
    int64_t now = ngx_http_blob_now_ms();
    tier_rc_t rc;

    if (ngx_http_blob_fenced_keep(r, w) != NGX_OK) {
        return NGX_ERROR;
    }

    /* what nobody waits for must not come after what is written next */
    if (r->connection->read->pending_eof) {
        return ngx_http_blob_finish(r, ctx, NGX_HTTP_CLIENT_CLOSED_REQUEST);
    }

    if (ctx->fenced_until_ms == 0) {
        ctx->fenced_until_ms = now + BLOB_FENCED_MAX_MS;
    }

    if (now > ctx->fenced_until_ms) {
        w->change->patient = false;
        return ngx_http_blob_commit_post(ctx, w);
    }

    rc = ngx_http_blob_find_blob(ctx);
    if (rc < 0
        || (ctx->blob.fence_owner.len != 0
            && ctx->blob.fence_expires_ms > now))
    {
        w->poll_ms = ngx_min(w->poll_ms * 2, BLOB_FENCED_SLOW_MS);
        return ngx_http_blob_sleep(ctx, w->poll_ms,
                                   &ngx_http_blob_step_commit_fenced);
    }

    return w->again != NULL ? ngx_http_blob_goto(ctx, w->again)
                            : ngx_http_blob_commit_post(ctx, w);
}

/* ---- waiting until durable -------------------------------------------- */

typedef struct {
    store_t *store;
    uint64_t number;
    tier_rc_t rc;
    const ngx_http_blob_step_t *step;
} ngx_http_blob_durable_t;

static ngx_int_t
ngx_http_blob_durable_done(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_durable_t *d = ctx->durable;

    if (d->rc != TIER_OK) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(d->rc));
    }

    return ngx_http_blob_goto(ctx, d->step);
}

static const ngx_http_blob_step_t ngx_http_blob_step_durable = {
    "durable", "waiting for the journal", ngx_http_blob_durable_done
};

static void
ngx_http_blob_durable_run(void *data, const tier_log_t *log)
{
    ngx_http_blob_durable_t *d = data;

    d->rc = store_wait_durable(d->store, d->number);
}

ngx_int_t
ngx_http_blob_wait_durable(ngx_http_blob_ctx_t *ctx,
                           const ngx_http_blob_step_t *step)
{
    ngx_http_blob_durable_t *d;

    if (store_durable(ctx->bmcf->store) >= ctx->seen) {
        return ngx_http_blob_goto(ctx, step);
    }

    d = ngx_palloc(ctx->r->pool, sizeof(*d));
    if (d == NULL) {
        return NGX_ERROR;
    }

    d->store = ctx->bmcf->store;
    d->number = ctx->seen;
    d->step = step;
    ctx->durable = d;

    return ngx_http_blob_task(ctx, ctx->bmcf->io, ngx_http_blob_durable_run, d,
                              &ngx_http_blob_step_durable);
}

/* ---- readers of threads ----------------------------------------------- */

#define BLOB_READERS_KEPT 16

static store_reader_t *ngx_http_blob_readers[BLOB_READERS_KEPT];
static ngx_uint_t ngx_http_blob_readers_n;

static void
ngx_http_blob_reader_back(void *data)
{
    if (ngx_http_blob_readers_n < BLOB_READERS_KEPT) {
        ngx_http_blob_readers[ngx_http_blob_readers_n++] = data;
        return;
    }

    store_reader_close(data);
}

void
ngx_http_blob_readers_close(void)
{
    while (ngx_http_blob_readers_n) {
        store_reader_close(ngx_http_blob_readers[--ngx_http_blob_readers_n]);
    }
}

store_reader_t *
ngx_http_blob_thread_reader(ngx_http_blob_ctx_t *ctx)
{
    store_reader_t *reader;
    ngx_pool_cleanup_t *cln;

    cln = ngx_pool_cleanup_add(ctx->r->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    if (ngx_http_blob_readers_n) {
        reader = ngx_http_blob_readers[--ngx_http_blob_readers_n];

    } else if (store_reader_open(ctx->bmcf->store, &reader) != TIER_OK) {
        return NULL;
    }

    cln->handler = ngx_http_blob_reader_back;
    cln->data = reader;
    return reader;
}
