#include "ngx_http_blob.h"

#include <time.h>

/*
 * The driver and everything that wakes it. The tricks that nginx asks for
 * (count, blocked, the write handler of a terminated request, a timer that
 * keeps a leaving worker alive) are here and nowhere else.
 */

#define BLOB_HOLD_MS 3600000

typedef struct {
    ngx_http_blob_ctx_t *ctx;
    ngx_http_blob_task_pt fn;
    void *data;
    const tier_log_t *log;
    const ngx_http_blob_step_t *step;
} ngx_http_blob_task_ctx_t;

/* A leaving worker goes when no timer is left; this one stands for all
 * tasks in flight. */
static ngx_event_t ngx_http_blob_hold;
static ngx_connection_t ngx_http_blob_hold_conn;
static ngx_uint_t ngx_http_blob_held;

static void
ngx_http_blob_hold_fired(ngx_event_t *ev)
{
    ngx_add_timer(ev, BLOB_HOLD_MS);
}

void
ngx_http_blob_block(ngx_http_blob_ctx_t *ctx)
{
    ctx->r->main->blocked++;

    if (ngx_http_blob_held++ == 0) {
        ngx_http_blob_hold.handler = ngx_http_blob_hold_fired;
        ngx_http_blob_hold.data = &ngx_http_blob_hold_conn;
        ngx_http_blob_hold.log = ngx_cycle->log;
        ngx_add_timer(&ngx_http_blob_hold, BLOB_HOLD_MS);
    }
}

void
ngx_http_blob_unblock(ngx_http_blob_ctx_t *ctx)
{
    ctx->r->main->blocked--;

    if (--ngx_http_blob_held == 0) {
        ngx_del_timer(&ngx_http_blob_hold);
    }
}

/* A ctx and its scratch buffers are one block and are used again: three
 * buffers of a record's size would otherwise be mapped anew each request. */
#define BLOB_SLABS_KEPT 128

typedef struct {
    ngx_http_blob_ctx_t ctx;
    u_char scratch[BLOB_SCRATCH_SIZE];
    u_char container[STORE_RECORD_MAX];
    u_char blob[STORE_RECORD_MAX];
} ngx_http_blob_slab_t;

static ngx_http_blob_slab_t *ngx_http_blob_slabs[BLOB_SLABS_KEPT];
static ngx_uint_t ngx_http_blob_slabs_n;

static void
ngx_http_blob_ctx_cleanup(void *data)
{
    ngx_http_blob_slab_t *slab = data;

    if (slab->ctx.timer.timer_set) {
        ngx_del_timer(&slab->ctx.timer);
    }

    if (ngx_http_blob_slabs_n < BLOB_SLABS_KEPT) {
        ngx_http_blob_slabs[ngx_http_blob_slabs_n++] = slab;

    } else {
        ngx_free(slab);
    }
}

ngx_http_blob_ctx_t *
ngx_http_blob_ctx_create(ngx_http_request_t *r)
{
    ngx_http_blob_slab_t *slab;
    ngx_http_blob_ctx_t *ctx;
    ngx_pool_cleanup_t *cln;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    slab = ngx_http_blob_slabs_n
             ? ngx_http_blob_slabs[--ngx_http_blob_slabs_n]
             : ngx_alloc(sizeof(*slab), r->connection->log);
    if (slab == NULL) {
        return NULL;
    }

    ctx = &slab->ctx;
    ngx_memzero(ctx, sizeof(*ctx));
    cln->handler = ngx_http_blob_ctx_cleanup;
    cln->data = slab;

    ctx->r = r;
    ctx->bmcf = ngx_http_get_module_main_conf(r, ngx_http_blob_module);
    ctx->blcf = ngx_http_get_module_loc_conf(r, ngx_http_blob_module);
    writer_init_fixed(&ctx->scratch, slab->scratch, BLOB_SCRATCH_SIZE);
    writer_init_fixed(&ctx->container_scratch, slab->container,
                      STORE_RECORD_MAX);
    writer_init_fixed(&ctx->blob_scratch, slab->blob, STORE_RECORD_MAX);
    ngx_http_set_ctx(r, ctx, ngx_http_blob_module);
    return ctx;
}

int64_t
ngx_http_blob_now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

ngx_int_t
ngx_http_blob_goto(ngx_http_blob_ctx_t *ctx, const ngx_http_blob_step_t *step)
{
    ctx->step = step;
    return BLOB_NEXT;
}

void
ngx_http_blob_run(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_int_t rc;

    do {
        r->connection->log->action = (char *) (uintptr_t) ctx->step->action;
        ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                       "blob step: %s", ctx->step->name);
        rc = ctx->step->run(r, ctx);
    } while (rc == BLOB_NEXT);

    if (rc == BLOB_WAIT || rc == BLOB_DONE) {
        return;
    }

    if (r->header_sent) {
        (void) ngx_http_blob_finish(r, ctx, NGX_ERROR);
        return;
    }

    (void) ngx_http_blob_fail(r, ctx, PROTO_ERR_INTERNAL_ERROR);
}

void
ngx_http_blob_wake(ngx_http_blob_ctx_t *ctx)
{
    ngx_http_request_t *r = ctx->r;
    ngx_connection_t *c = r->connection;

    ngx_http_set_log_request(c->log, r);

    if (c->error || ctx->finished) {
        /* terminated meanwhile, or the client is gone */
        if (r->main->blocked == 0) {
            if (r->write_event_handler != ngx_http_request_empty_handler) {
                r->write_event_handler(r);

            } else if (!ctx->finished) {
                (void) ngx_http_blob_finish(r, ctx, NGX_ERROR);
            }
        }

    } else {
        ngx_http_blob_run(r, ctx);
    }

    ngx_http_run_posted_requests(c);
}

ngx_int_t
ngx_http_blob_finish(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                     ngx_int_t rc)
{
    ctx->finished = 1;
    ngx_http_finalize_request(r, rc);
    return BLOB_DONE;
}

static void
ngx_http_blob_slept(ngx_event_t *ev)
{
    ngx_http_blob_wake(ev->data);
}

ngx_int_t
ngx_http_blob_sleep(ngx_http_blob_ctx_t *ctx, ngx_msec_t ms,
                    const ngx_http_blob_step_t *step)
{
    ctx->step = step;
    ctx->timer.handler = ngx_http_blob_slept;
    ctx->timer.data = ctx;
    ctx->timer.log = ctx->r->connection->log;
    ngx_add_timer(&ctx->timer, ms);
    return BLOB_WAIT;
}

/* In a thread: plain data only. */
static void
ngx_http_blob_task_run(void *data, ngx_log_t *log)
{
    ngx_http_blob_task_ctx_t *t = data;

    t->fn(t->data, t->log);
}

static void
ngx_http_blob_task_done(ngx_event_t *ev)
{
    ngx_http_blob_task_ctx_t *t = ev->data;
    ngx_http_blob_ctx_t *ctx = t->ctx;

    ctx->step = t->step;
    ngx_http_blob_unblock(ctx);
    ngx_http_blob_wake(ctx);
}

ngx_int_t
ngx_http_blob_task(ngx_http_blob_ctx_t *ctx, ngx_thread_pool_t *tp,
                   ngx_http_blob_task_pt fn, void *data,
                   const ngx_http_blob_step_t *step)
{
    ngx_http_blob_task_ctx_t *t;
    ngx_thread_task_t *task = ctx->task;

    if (task == NULL || task->event.active) {
        task = ngx_thread_task_alloc(ctx->r->pool, sizeof(*t));
        if (task == NULL) {
            return NGX_ERROR;
        }
        ctx->task = task;
    }

    t = task->ctx;
    t->ctx = ctx;
    t->fn = fn;
    t->data = data;
    t->log = &ctx->bmcf->log;
    t->step = step;

    task->handler = ngx_http_blob_task_run;
    task->event.data = t;
    task->event.handler = ngx_http_blob_task_done;

    if (ngx_thread_task_post(tp, task) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_blob_block(ctx);
    return BLOB_WAIT;
}
