#include "ngx_http_blob_origin.h"

/*
 * What origins said of callers and the user delegation keys that they gave
 * out, shared by all workers and kept over a reload. A name is a digest; what
 * a name is made of is not in here. Bounded: the least used goes.
 */

#define BLOB_ZONE_SIZE   (2 * 1024 * 1024)
#define BLOB_ZONE_LAYOUT 1
#define BLOB_ZONE_EVICT  16 /* at most, for one that comes */

typedef struct {
    ngx_rbtree_node_t node; /* key: the name's first bytes */
    ngx_queue_t queue;
    time_t until;
    uint16_t len;
    u_char name[32];
    u_char value[1];
} ngx_http_blob_zone_node_t;

typedef struct {
    ngx_rbtree_t rbtree;
    ngx_rbtree_node_t sentinel;
    ngx_queue_t queue; /* last used first */
} ngx_http_blob_zone_t;

static ngx_http_blob_zone_t *
ngx_http_blob_zone_sh(ngx_shm_zone_t *zone)
{
    return ((ngx_slab_pool_t *) zone->shm.addr)->data;
}

static ngx_rbtree_key_t
ngx_http_blob_zone_key(const u_char *name)
{
    ngx_rbtree_key_t key;

    ngx_memcpy(&key, name, sizeof(key));
    return key;
}

static int
ngx_http_blob_zone_cmp(ngx_rbtree_key_t key, const u_char *name,
                       ngx_rbtree_node_t *node)
{
    ngx_http_blob_zone_node_t *n = (ngx_http_blob_zone_node_t *) node;

    return key < node->key ? -1
         : key > node->key ? 1
                           : ngx_memcmp(name, n->name, sizeof(n->name));
}

static void
ngx_http_blob_zone_insert(ngx_rbtree_node_t *temp, ngx_rbtree_node_t *node,
                          ngx_rbtree_node_t *sentinel)
{
    ngx_http_blob_zone_node_t *n = (ngx_http_blob_zone_node_t *) node;
    ngx_rbtree_node_t **p;

    for (;;) {
        p = ngx_http_blob_zone_cmp(node->key, n->name, temp) < 0
              ? &temp->left
              : &temp->right;
        if (*p == sentinel) {
            break;
        }
        temp = *p;
    }

    *p = node;
    node->parent = temp;
    node->left = sentinel;
    node->right = sentinel;
    ngx_rbt_red(node);
}

static ngx_http_blob_zone_node_t *
ngx_http_blob_zone_find(ngx_http_blob_zone_t *sh, const u_char *name)
{
    ngx_rbtree_node_t *node = sh->rbtree.root;
    ngx_rbtree_key_t key = ngx_http_blob_zone_key(name);
    int cmp;

    while (node != &sh->sentinel) {
        cmp = ngx_http_blob_zone_cmp(key, name, node);
        if (cmp == 0) {
            return (ngx_http_blob_zone_node_t *) node;
        }
        node = cmp < 0 ? node->left : node->right;
    }

    return NULL;
}

/* A key must not stay in memory that is given to something else. */
static void
ngx_http_blob_zone_remove(ngx_slab_pool_t *pool, ngx_http_blob_zone_t *sh,
                          ngx_http_blob_zone_node_t *n)
{
    ngx_queue_remove(&n->queue);
    ngx_rbtree_delete(&sh->rbtree, &n->node);
    ngx_explicit_memzero(n->value, n->len);
    ngx_slab_free_locked(pool, n);
}

bool
ngx_http_blob_zone_get(ngx_shm_zone_t *zone, const u_char name[32],
                       u_char buf[BLOB_ZONE_VALUE_MAX], size_t *ret_len)
{
    ngx_slab_pool_t *pool = (ngx_slab_pool_t *) zone->shm.addr;
    ngx_http_blob_zone_t *sh = ngx_http_blob_zone_sh(zone);
    ngx_http_blob_zone_node_t *n;
    bool found = false;

    ngx_shmtx_lock(&pool->mutex);

    n = ngx_http_blob_zone_find(sh, name);
    if (n != NULL && n->until <= ngx_time()) {
        ngx_http_blob_zone_remove(pool, sh, n);

    } else if (n != NULL) {
        ngx_queue_remove(&n->queue);
        ngx_queue_insert_head(&sh->queue, &n->queue);
        ngx_memcpy(buf, n->value, n->len);
        *ret_len = n->len;
        found = true;
    }

    ngx_shmtx_unlock(&pool->mutex);
    return found;
}

static ngx_http_blob_zone_node_t *
ngx_http_blob_zone_alloc(ngx_slab_pool_t *pool, ngx_http_blob_zone_t *sh,
                         size_t size)
{
    ngx_http_blob_zone_node_t *n, *last;
    ngx_uint_t i;

    n = ngx_slab_alloc_locked(pool, size);

    for (i = 0;
         n == NULL && i < BLOB_ZONE_EVICT && !ngx_queue_empty(&sh->queue); i++)
    {
        last = ngx_queue_data(ngx_queue_last(&sh->queue),
                              ngx_http_blob_zone_node_t, queue);
        ngx_http_blob_zone_remove(pool, sh, last);
        n = ngx_slab_alloc_locked(pool, size);
    }

    return n;
}

void
ngx_http_blob_zone_put(ngx_shm_zone_t *zone, const u_char name[32],
                       time_t until, view_t value)
{
    ngx_slab_pool_t *pool = (ngx_slab_pool_t *) zone->shm.addr;
    ngx_http_blob_zone_t *sh = ngx_http_blob_zone_sh(zone);
    ngx_http_blob_zone_node_t *n;

    if (value.len > BLOB_ZONE_VALUE_MAX || until <= ngx_time()) {
        return;
    }

    ngx_shmtx_lock(&pool->mutex);

    n = ngx_http_blob_zone_find(sh, name);
    if (n != NULL) {
        ngx_http_blob_zone_remove(pool, sh, n);
    }

    n = ngx_http_blob_zone_alloc(
        pool, sh, offsetof(ngx_http_blob_zone_node_t, value) + value.len);
    if (n != NULL) {
        n->node.key = ngx_http_blob_zone_key(name);
        n->until = until;
        n->len = (uint16_t) value.len;
        ngx_memcpy(n->name, name, sizeof(n->name));
        ngx_memcpy(n->value, value.ptr, value.len);
        /* a reload may have moved it, and old workers have theirs */
        sh->rbtree.insert = ngx_http_blob_zone_insert;
        ngx_rbtree_insert(&sh->rbtree, &n->node);
        ngx_queue_insert_head(&sh->queue, &n->queue);
    }

    ngx_shmtx_unlock(&pool->mutex);
}

static ngx_int_t
ngx_http_blob_zone_init(ngx_shm_zone_t *zone, void *data)
{
    ngx_slab_pool_t *pool = (ngx_slab_pool_t *) zone->shm.addr;
    ngx_http_blob_zone_t *sh;

    if (data != NULL || zone->shm.exists) {
        return NGX_OK;
    }

    sh = ngx_slab_alloc(pool, sizeof(*sh));
    if (sh == NULL) {
        return NGX_ERROR;
    }

    ngx_rbtree_init(&sh->rbtree, &sh->sentinel, ngx_http_blob_zone_insert);
    ngx_queue_init(&sh->queue);
    pool->data = sh;
    pool->log_nomem = 0;
    return NGX_OK;
}

/* Verdicts are rows of the error table: a module with another one, which a
 * reload may bring, gets a zone of its own. */
ngx_int_t
ngx_http_blob_zone_add(ngx_conf_t *cf, ngx_http_blob_main_conf_t *bmcf)
{
    ngx_shm_zone_t *zone;
    ngx_str_t name;

    name.data = ngx_pnalloc(cf->pool, sizeof("blob_verdicts__") + 20);
    if (name.data == NULL) {
        return NGX_ERROR;
    }
    name.len = (size_t) (ngx_sprintf(name.data, "blob_verdicts_%d_%d",
                                     BLOB_ZONE_LAYOUT, (int) PROTO_ERR_COUNT)
                         - name.data);

    zone = ngx_shared_memory_add(cf, &name, BLOB_ZONE_SIZE,
                                 &ngx_http_blob_module);
    if (zone == NULL) {
        return NGX_ERROR;
    }

    zone->init = ngx_http_blob_zone_init;
    zone->data = bmcf;
    bmcf->zone = zone;
    return NGX_OK;
}
