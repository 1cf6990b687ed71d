#include "ngx_http_blob_origin.h"

/*
 * Many requests of one worker for the same thing at the origin: one of them
 * fetches, the others wait.
 *
 * Asks. Who comes while the question is out queues up; when the answer has
 * become a fact, or the one who asked is gone, all of them look at the facts
 * again. Not at the answer: a forwarded write may have made it old since.
 *
 * Slices. proxy_cache_lock decides who fetches and makes the others look again
 * every 500 ms; here they are told when the fetch ends. Waiters in other
 * workers keep to the 500 ms.
 */

/* ---- asks ------------------------------------------------------------- */

static ngx_rbtree_t ngx_http_blob_asks;
static ngx_rbtree_node_t ngx_http_blob_asks_sentinel;

static ngx_int_t
ngx_http_blob_ask_key(ngx_http_blob_ctx_t *ctx, ngx_str_t *ret)
{
    ngx_str_t *account = &ctx->account->name;
    view_t container = ctx->uri.container, blob = ctx->uri.blob;
    u_char *p;

    ret->len = account->len + container.len + blob.len + 2;
    ret->data = p = ngx_pnalloc(ctx->r->pool, ret->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(p, account->data, account->len);
    *p++ = '/';
    p = ngx_cpymem(p, container.ptr, container.len);
    *p++ = '/';
    ngx_memcpy(p, blob.ptr, blob.len);
    return NGX_OK;
}

static void
ngx_http_blob_crowd_woken(ngx_event_t *ev)
{
    ngx_http_blob_way_t *way = ev->data;

    ngx_http_blob_wake(way->ctx);
}

void
ngx_http_blob_crowd_absent(ngx_http_blob_way_t *way)
{
    way->absent = true;
}

void
ngx_http_blob_crowd_release(ngx_http_blob_way_t *way)
{
    ngx_http_blob_way_t *waiter;
    ngx_queue_t *q;

    if (!way->leads) {
        return;
    }

    way->leads = false;
    ngx_rbtree_delete(&ngx_http_blob_asks, &way->crowd.node);

    while (!ngx_queue_empty(&way->crowd_queue)) {
        q = ngx_queue_head(&way->crowd_queue);
        ngx_queue_remove(q);
        waiter = ngx_queue_data(q, ngx_http_blob_way_t, crowd_queue);
        waiter->follows = false;
        if (way->absent && waiter->follow == BLOB_FOLLOW_TWICE) {
            waiter->follow = BLOB_FOLLOW_ABSENT;
        }
        ngx_post_event(&waiter->crowd_event, &ngx_posted_events);
    }
}

static void
ngx_http_blob_crowd_cleanup(void *data)
{
    ngx_http_blob_way_t *way = data;

    ngx_http_blob_crowd_release(way);

    if (way->follows) {
        ngx_queue_remove(&way->crowd_queue);
    }
    if (way->crowd_event.posted) {
        ngx_delete_posted_event(&way->crowd_event);
    }
}

ngx_int_t
ngx_http_blob_crowd_join(ngx_http_blob_ctx_t *ctx, const ngx_str_t *key,
                         const ngx_http_blob_step_t *again)
{
    ngx_http_blob_way_t *way = ctx->origin, *leader;
    ngx_pool_cleanup_t *cln;
    ngx_str_node_t *node;
    uint32_t hash;

    if (ngx_http_blob_asks.root == NULL) {
        ngx_rbtree_init(&ngx_http_blob_asks, &ngx_http_blob_asks_sentinel,
                        ngx_str_rbtree_insert_value);
    }

    if (way->crowd_event.handler == NULL) {
        cln = ngx_pool_cleanup_add(ctx->r->pool, 0);
        if (cln == NULL) {
            return NGX_ERROR;
        }
        cln->handler = ngx_http_blob_crowd_cleanup;
        cln->data = way;
        way->crowd_event.handler = ngx_http_blob_crowd_woken;
        way->crowd_event.data = way;
        way->crowd_event.log = ngx_cycle->log;
    }

    if (key != NULL) {
        way->crowd.str = *key;

    } else if (ngx_http_blob_ask_key(ctx, &way->crowd.str) != NGX_OK) {
        return NGX_ERROR;
    }

    hash = ngx_murmur_hash2(way->crowd.str.data, way->crowd.str.len);
    node = ngx_str_rbtree_lookup(&ngx_http_blob_asks, &way->crowd.str, hash);

    if (node == NULL) {
        way->leads = true;
        way->absent = false;
        ngx_queue_init(&way->crowd_queue);
        way->crowd.node.key = hash;
        ngx_rbtree_insert(&ngx_http_blob_asks, &way->crowd.node);
        return NGX_DECLINED;
    }

    leader = (ngx_http_blob_way_t *) ((u_char *) node
                                      - offsetof(ngx_http_blob_way_t, crowd));
    way->follows = true;
    way->follow = way->follow == BLOB_FOLLOW_NEVER ? BLOB_FOLLOW_ONCE
                                                   : BLOB_FOLLOW_TWICE;
    ngx_queue_insert_tail(&leader->crowd_queue, &way->crowd_queue);
    ctx->step = again;
    return BLOB_WAIT;
}

/* ---- slices ----------------------------------------------------------- */

static ngx_queue_t ngx_http_blob_fills;
static ngx_event_t ngx_http_blob_fill_event;

/* Waking one may end others, so that each look begins at the head. */
static void
ngx_http_blob_fill_wake(ngx_event_t *ev)
{
    ngx_http_blob_fill_t *fill;
    ngx_http_cache_t *cache;
    ngx_queue_t *q;

again:

    for (q = ngx_queue_head(&ngx_http_blob_fills);
         q != ngx_queue_sentinel(&ngx_http_blob_fills); q = ngx_queue_next(q))
    {
        fill = ngx_queue_data(q, ngx_http_blob_fill_t, queue);
        if (!fill->wake) {
            continue;
        }

        fill->wake = 0;
        cache = fill->sr->cache;
        if (cache != NULL && cache->waiting && cache->wait_event.timer_set) {
            ngx_del_timer(&cache->wait_event);
            cache->wait_event.handler(&cache->wait_event);
            goto again;
        }
    }
}

static void
ngx_http_blob_fill_cleanup(void *data)
{
    ngx_http_blob_fill_t *fill = data;

    ngx_http_blob_fill_ended(fill);
    ngx_queue_remove(&fill->queue);
}

ngx_int_t
ngx_http_blob_fill_add(ngx_http_blob_fill_t *fill, ngx_http_request_t *sr,
                       ngx_str_t *key)
{
    ngx_pool_cleanup_t *cln = ngx_pool_cleanup_add(sr->pool, 0);

    if (cln == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_blob_fills.next == NULL) {
        ngx_queue_init(&ngx_http_blob_fills);
        ngx_http_blob_fill_event.handler = ngx_http_blob_fill_wake;
        ngx_http_blob_fill_event.log = ngx_cycle->log;
    }

    fill->sr = sr;
    fill->key = *key;
    ngx_queue_insert_tail(&ngx_http_blob_fills, &fill->queue);
    cln->handler = ngx_http_blob_fill_cleanup;
    cln->data = fill;
    return NGX_OK;
}

void
ngx_http_blob_fill_ended(ngx_http_blob_fill_t *fill)
{
    ngx_http_blob_fill_t *other;
    ngx_queue_t *q;
    ngx_uint_t n = 0;

    if (fill->sr == NULL || fill->sr->cached || fill->ended) {
        return;
    }
    fill->ended = 1;

    for (q = ngx_queue_head(&ngx_http_blob_fills);
         q != ngx_queue_sentinel(&ngx_http_blob_fills); q = ngx_queue_next(q))
    {
        other = ngx_queue_data(q, ngx_http_blob_fill_t, queue);
        if (other != fill && other->key.len == fill->key.len
            && ngx_memcmp(other->key.data, fill->key.data, fill->key.len) == 0)
        {
            other->wake = 1;
            n++;
        }
    }

    if (n != 0) {
        ngx_post_event(&ngx_http_blob_fill_event, &ngx_posted_events);
    }
}
