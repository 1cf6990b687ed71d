#include "ngx_http_blob.h"

#include "base/digest.h"
#include "proto/native.h"
#include "proto/structured.h"

/*
 * Request bodies, read unbuffered after authorisation.
 *
 *     client ─▶ nginx's one buffer ─▶ buf[cur] ─▶ task ─▶ store_body_write
 *                                     buf[1-cur] fills meanwhile
 *
 * The pump runs for two wake sources at once, the client's bytes and the one
 * task; whoever comes runs it, and it ends only when the task is back. While
 * both buffers are full the client is not read and has no deadline.
 *
 * A structured message is taken out of its frame on the way into the buffers:
 * everything behind that, lengths and digests too, knows the content alone.
 *
 * Bodies that ride in the journal (and XML) are collected in memory instead.
 * A body that the store cannot take is read to its end, up to a bound, so
 * that the client gets the answer and keeps its connection.
 */

#define BLOB_DRAIN_MAX (64 * 1024 * 1024)

struct ngx_http_blob_body_s {
    ngx_http_blob_ctx_t *ctx;
    store_t *store;
    store_body_t *body;
    store_digest_t digest;
    unsigned flags;  /* STORE_BODY_* */
    uint64_t length; /* without a frame */
    proto_structured_in_t in;

    u_char *mem; /* the whole body, if it stays in memory */
    size_t mem_len;

    u_char *buf[BLOB_BODY_BUFS];
    size_t fill;    /* in buf[cur] */
    size_t pending; /* in the other one, being written */
    ngx_uint_t cur;

    ngx_thread_task_t *task;
    tier_rc_t rc;
    tier_rc_t task_rc; /* the thread's, until it is back */
    bool opened;       /* the thread's as well: no bit beside others' bits */
    uint64_t drained;
    const ngx_http_blob_step_t *next;
    unsigned writing:1;
    unsigned finish:1; /* the task is the last one */
    unsigned to_store:1;
    unsigned framed:1;
};

static ngx_int_t ngx_http_blob_body_pump(ngx_http_request_t *r,
                                         ngx_http_blob_ctx_t *ctx);
static ngx_int_t ngx_http_blob_body_stored(ngx_http_request_t *r,
                                           ngx_http_blob_ctx_t *ctx);

static const ngx_http_blob_step_t ngx_http_blob_step_pump = {
    "body_pump", "reading client request body", ngx_http_blob_body_pump
};
static const ngx_http_blob_step_t ngx_http_blob_step_stored = {
    "body_stored", "checking client request body", ngx_http_blob_body_stored
};

static void
ngx_http_blob_body_cleanup(void *data)
{
    ngx_http_blob_body_t *b = data;

    if (b->body != NULL) {
        store_body_abort(b->body);
        b->body = NULL;
    }
}

/* post_handler of a reader that the pump drives itself */
static void
ngx_http_blob_body_started(ngx_http_request_t *r)
{
}

static void
ngx_http_blob_body_readable(ngx_http_request_t *r)
{
    ngx_http_blob_ctx_t *ctx =
        ngx_http_get_module_ctx(r, ngx_http_blob_module);

    if (ctx->step == &ngx_http_blob_step_pump) {
        ngx_http_blob_run(r, ctx);
    }
}

static ngx_int_t
ngx_http_blob_body_begin(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                         uint64_t limit, const ngx_http_blob_step_t *next,
                         ngx_http_blob_body_t **ret)
{
    ngx_pool_cleanup_t *cln;
    ngx_http_blob_body_t *b;

    proto_err_t err;
    uint64_t length;
    bool framed;

    err = proto_body_length(ctx->op, &ctx->headers, &framed, &length,
                            &ctx->fault);
    if (err == PROTO_OK && length > limit) {
        err = PROTO_ERR_REQUEST_BODY_TOO_LARGE;
    }
    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    b = ngx_pcalloc(r->pool, sizeof(*b));
    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (b == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_blob_body_cleanup;
    cln->data = b;

    b->ctx = ctx;
    b->store = ctx->bmcf->store;
    b->length = length;
    if (framed) {
        b->framed = 1;
        proto_structured_in_init(
            &b->in, (uint64_t) r->headers_in.content_length_n, length);
    }
    b->next = next;
    ctx->body = b;
    *ret = b;
    return NGX_OK;
}

/* Starts nginx's reader and runs the pump. The reader counts the request
 * once more than we, who hold it already, need. */
static ngx_int_t
ngx_http_blob_body_start(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_int_t rc;

    r->request_body_no_buffering = 1;
    rc = ngx_http_read_client_request_body(r, ngx_http_blob_body_started);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        if (r->connection->error) {
            return ngx_http_blob_finish(r, ctx, NGX_ERROR);
        }
        return NGX_ERROR;
    }

    r->main->count--;
    r->read_event_handler = ngx_http_blob_body_readable;
    r->write_event_handler = ngx_http_request_empty_handler;
    return ngx_http_blob_goto(ctx, &ngx_http_blob_step_pump);
}

ngx_int_t
ngx_http_blob_body_read(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                        size_t limit, const ngx_http_blob_step_t *step)
{
    ngx_http_blob_body_t *b;
    ngx_int_t rc;

    rc = ngx_http_blob_body_begin(r, ctx, limit, step, &b);
    if (rc != NGX_OK) {
        return rc;
    }

    b->mem = ngx_pnalloc(r->pool, (size_t) b->length + 1);
    if (b->mem == NULL) {
        return NGX_ERROR;
    }

    return ngx_http_blob_body_start(r, ctx);
}

view_t
ngx_http_blob_body_view(ngx_http_blob_ctx_t *ctx)
{
    return view_of(ctx->body->mem, ctx->body->mem_len);
}

ngx_int_t
ngx_http_blob_body_stream(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                          const ngx_http_blob_step_t *step)
{
    ngx_http_blob_body_t *b;
    ngx_uint_t i;
    ngx_int_t rc;

    rc = ngx_http_blob_body_begin(r, ctx, ctx->op->body_limit, step, &b);
    if (rc != NGX_OK) {
        return rc;
    }


    b->to_store = 1;
    b->flags = ctx->op->id == PROTO_OP_PUT_BLOB || ctx->body_check.has_md5
                 ? STORE_BODY_MD5
                 : 0;

    if (b->length <= STORE_INLINE_MAX) {
        b->mem = ngx_pnalloc(r->pool, (size_t) b->length + 1);
        if (b->mem == NULL) {
            return NGX_ERROR;
        }

    } else {
        for (i = 0; i < BLOB_BODY_BUFS; i++) {
            b->buf[i] = ngx_pmemalign(
                r->pool, (size_t) ngx_min(b->length, BLOB_BODY_BUF_SIZE),
                4096);
            if (b->buf[i] == NULL) {
                return NGX_ERROR;
            }
        }
    }

    return ngx_http_blob_body_start(r, ctx);
}

store_body_t *
ngx_http_blob_body_take(ngx_http_blob_ctx_t *ctx)
{
    store_body_t *body = ctx->body->body;

    ctx->body->body = NULL;
    return body;
}

bool
ngx_http_blob_body_framed(ngx_http_blob_ctx_t *ctx)
{
    return ctx->body != NULL && ctx->body->framed;
}

const store_digest_t *
ngx_http_blob_body_digest(ngx_http_blob_ctx_t *ctx)
{
    return &ctx->body->digest;
}

/* Nothing more of it goes into the store. */
static bool
ngx_http_blob_body_spoilt(const ngx_http_blob_body_t *b)
{
    return b->rc != TIER_OK || b->in.err != PROTO_OK;
}

/* Content into memory or the buffer at hand, `max` bytes at most, which have
 * room there; returns how much of [p, p + n) that took. */
static size_t
ngx_http_blob_body_put(ngx_http_blob_body_t *b, u_char *to, size_t *len,
                       size_t max, u_char *p, size_t n)
{
    view_t io = view_of(p, n), data;

    if (!b->framed) {
        n = ngx_min(n, max);
        ngx_memcpy(to + *len, p, n);
        *len += n;
        return n;
    }

    while (io.len != 0 && b->in.err == PROTO_OK) {
        data = proto_structured_in_next(&b->in, &io, max);
        if (data.len == 0) {
            break; /* all taken, spoilt, or no room for what follows */
        }
        ngx_memcpy(to + *len, data.ptr, data.len);
        *len += data.len;
        max -= data.len;
    }

    return b->in.err != PROTO_OK ? n : n - io.len;
}

/* Moves what nginx has read into our buffer, as far as there is room. */
static void
ngx_http_blob_body_copy(ngx_http_request_t *r, ngx_http_blob_body_t *b)
{
    ngx_chain_t *cl;
    ngx_buf_t *buf;
    size_t n;

    while ((cl = r->request_body->bufs) != NULL) {
        buf = cl->buf;
        n = (size_t) (buf->last - buf->pos);

        if (n == 0) {
            /* the end of an empty body */

        } else if (ngx_http_blob_body_spoilt(b)) {
            b->drained += n; /* nobody wants it */

        } else if (b->mem != NULL) {
            n = ngx_http_blob_body_put(b, b->mem, &b->mem_len,
                                       (size_t) b->length - b->mem_len,
                                       buf->pos, n);

        } else {
            n = ngx_http_blob_body_put(b, b->buf[b->cur], &b->fill,
                                       BLOB_BODY_BUF_SIZE - b->fill, buf->pos,
                                       n);
        }

        buf->pos += n;
        if (buf->pos < buf->last) {
            return;
        }

        r->request_body->bufs = cl->next;
        ngx_free_chain(r->pool, cl);
    }
}

/* In a thread: the first task reserves, each writes, the last one ends. */
static void
ngx_http_blob_body_task(void *data, ngx_log_t *log)
{
    ngx_http_blob_body_t *b = *(ngx_http_blob_body_t **) data;

    if (!b->opened) {
        b->task_rc = store_body_open(b->store, b->length, b->flags, &b->body);
        b->opened = true;
    }

    if (b->task_rc == TIER_OK && b->pending) {
        b->task_rc = store_body_write(b->body, b->buf[1 - b->cur], b->pending);
    }

    if (b->task_rc == TIER_OK && b->finish) {
        b->task_rc = store_body_finish(b->body, &b->digest);
    }
}

static void
ngx_http_blob_body_task_done(ngx_event_t *ev)
{
    ngx_http_blob_body_t *b = ev->data;

    b->rc = b->task_rc;
    b->writing = 0;
    b->pending = 0;
    ngx_http_blob_unblock(b->ctx);
    ngx_http_blob_wake(b->ctx);
}

static ngx_int_t
ngx_http_blob_body_post(ngx_http_request_t *r, ngx_http_blob_body_t *b)
{
    if (b->task == NULL) {
        b->task = ngx_thread_task_alloc(r->pool, sizeof(void *));
        if (b->task == NULL) {
            return NGX_ERROR;
        }
        *(ngx_http_blob_body_t **) b->task->ctx = b;
        b->task->handler = ngx_http_blob_body_task;
        b->task->event.data = b;
        b->task->event.handler = ngx_http_blob_body_task_done;
    }

    b->pending = b->fill;
    b->fill = 0;
    b->cur = 1 - b->cur;

    b->writing = 1;
    if (ngx_thread_task_post(b->ctx->bmcf->io, b->task) != NGX_OK) {
        b->writing = 0;
        return NGX_ERROR;
    }

    ngx_http_blob_block(b->ctx);
    return NGX_OK;
}

static ngx_int_t
ngx_http_blob_body_wait_task(ngx_http_request_t *r)
{
    if (r->connection->read->timer_set) {
        ngx_del_timer(r->connection->read);
    }

    return BLOB_WAIT;
}

/* The bytes are all here; memory bodies go to the store in one step. */
static ngx_int_t
ngx_http_blob_body_ended(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                         ngx_http_blob_body_t *b)
{
    r->read_event_handler = ngx_http_block_reading;

    if (!ngx_http_blob_body_spoilt(b) && b->to_store && b->mem != NULL) {
        b->rc = store_body_open(b->store, b->length, b->flags, &b->body);
        if (b->rc == TIER_OK) {
            b->rc = store_body_write(b->body, b->mem, b->mem_len);
        }
        if (b->rc == TIER_OK) {
            b->rc = store_body_finish(b->body, &b->digest);
        }
    }

    return ngx_http_blob_goto(ctx, &ngx_http_blob_step_stored);
}

/* One turn with what is at hand. BLOB_NEXT: look again. */
static ngx_int_t
ngx_http_blob_body_turn(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                        ngx_http_blob_body_t *b)
{
    ngx_int_t rc;

    ngx_http_blob_body_copy(r, b);

    if (b->fill == BLOB_BODY_BUF_SIZE) {
        if (b->writing) {
            return ngx_http_blob_body_wait_task(r);
        }
        return ngx_http_blob_body_post(r, b);
    }

    if (!r->reading_body) {
        if (b->writing) {
            return ngx_http_blob_body_wait_task(r);
        }
        if (ngx_http_blob_body_spoilt(b) || b->mem != NULL || b->finish) {
            return ngx_http_blob_body_ended(r, ctx, b);
        }
        b->finish = 1;
        return ngx_http_blob_body_post(r, b);
    }

    if (b->drained > BLOB_DRAIN_MAX && !b->writing) {
        r->keepalive = 0;
        return ngx_http_blob_body_ended(r, ctx, b);
    }

    rc = ngx_http_read_unbuffered_request_body(r);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        r->connection->error = 1;
        if (b->writing) {
            return BLOB_WAIT; /* the wake finds the error */
        }
        return ngx_http_blob_finish(r, ctx, NGX_ERROR);
    }

    if (rc == NGX_AGAIN && r->request_body->bufs == NULL) {
        return BLOB_WAIT;
    }

    return BLOB_NEXT;
}

static ngx_int_t
ngx_http_blob_body_pump(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_int_t rc;

    do {
        rc = ngx_http_blob_body_turn(r, ctx, ctx->body);
    } while (rc == BLOB_NEXT && ctx->step == &ngx_http_blob_step_pump);

    return rc;
}

/* What the client said of its bytes against what they are. */
static proto_err_t
ngx_http_blob_body_verify(ngx_http_blob_ctx_t *ctx, ngx_http_blob_body_t *b)
{
    const proto_body_check_t *check = &ctx->body_check;
    md5_t md5;

    if (!b->to_store) {
        b->digest.crc64 = crc64_nvme(0, b->mem, b->mem_len);
        if (check->has_md5) {
            md5_init(&md5);
            md5_update(&md5, b->mem, b->mem_len);
            md5_final(&md5, b->digest.md5);
        }
    }

    return proto_body_verify(check, b->digest.md5, b->digest.crc64,
                             &ctx->fault, &ctx->scratch);
}

static ngx_int_t
ngx_http_blob_body_stored(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_body_t *b = ctx->body;
    proto_err_t err;

    if (b->framed && b->rc == TIER_OK) {
        err = proto_structured_in_end(&b->in, &ctx->scratch, &ctx->fault);
        if (err != PROTO_OK) {
            return ngx_http_blob_fail(r, ctx, err);
        }
    }

    if (b->rc != TIER_OK) {
        return ngx_http_blob_fail(r, ctx, ngx_http_blob_rc_error(b->rc));
    }

    err = ngx_http_blob_body_verify(ctx, b);
    if (err != PROTO_OK) {
        return ngx_http_blob_fail(r, ctx, err);
    }

    return ngx_http_blob_goto(ctx, b->next);
}
