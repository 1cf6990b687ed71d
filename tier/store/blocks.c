#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

/*
 * Uncommitted blocks: a set belongs to a name's record (which may have nothing
 * else to say yet); a block is one extent under (set, client's id). A commit
 * of a list copies extents into a new content and drops the set.
 */

static bool
blocks_load_set(tx_t *tx, uint64_t set, block_set_t *ret)
{
    uint8_t buf[8];
    view_t v;

    if (!tx_get(tx, T_BLOCKSET, id_key(buf, set), &v)) {
        return false;
    }
    if (block_set_decode(v, ret) != TIER_OK) {
        tx_fail(tx, TIER_ECORRUPT);
        return false;
    }
    return true;
}

static view_t
block_key(index_key_t *k, uint64_t set, view_t id)
{
    be64_put(k->buf, set);
    if (id.len > 0) {
        memcpy(k->buf + 8, id.ptr, id.len);
    }
    k->len = 8 + id.len;
    return key_view(k);
}

static bool
block_get(tx_t *tx, uint64_t set, view_t id, store_extent_t *ret)
{
    bool ok = true;
    index_key_t k;
    view_t v;
    tier_rc_t rc;

    if (set == 0 || tx->rc != TIER_OK) {
        return false;
    }
    rc = index_get(tx->txn, T_BLOCK, block_key(&k, set, id), &v);
    if (rc == TIER_OK && !extent_next(&v, ret, &ok)) {
        rc = TIER_ECORRUPT;
    }
    if (rc < 0) {
        tx_fail(tx, rc);
    }
    return rc == TIER_OK;
}

static void
set_key_owner(uint8_t buf[9], uint64_t set)
{
    be64_put(buf, set);
    buf[8] = 'n';
}

/* A name's first block: the set, and who it belongs to. */
static void
blocks_new_set(tx_t *tx, store_change_t *c, blob_rec_t *cur, block_set_t *set)
{
    block_owner_t owner = { c->result_incarnation, c->account, c->name };
    uint8_t key[9];

    cur->block_set = tx_id(tx);
    cur->b.uncommitted = true;
    memset(set, 0, sizeof(*set));
    set->id_len = (uint8_t) c->block_id.len;
    set_key_owner(key, cur->block_set);
    block_owner_encode(tx_value(tx), &owner);
    tx_put_value(tx, T_BLOCKSET, view_of(key, sizeof(key)));
}

bool
blocks_check(tx_t *tx, store_change_t *c, const blob_rec_t *cur)
{
    store_extent_t old;
    block_set_t set;

    if (cur->block_set == 0) {
        return true;
    }
    if (!blocks_load_set(tx, cur->block_set, &set)) {
        tx_fail(tx, TIER_ECORRUPT);
        return false;
    }
    if (set.id_len != c->block_id.len) {
        change_fail(c, TIER_REFUSED, STORE_V_ID_LENGTH);
        return false;
    }
    if (set.count >= STORE_UNCOMMITTED_MAX
        && !block_get(tx, cur->block_set, c->block_id, &old))
    {
        change_fail(c, TIER_ELIMIT, STORE_V_BLOCK_COUNT);
        return false;
    }
    return true;
}

void
blocks_put(tx_t *tx, store_change_t *c, blob_rec_t *cur,
           const store_extent_t *extent)
{
    store_extent_t old;
    block_set_t set;
    uint8_t buf[8];
    index_key_t k;

    if (cur->block_set == 0) {
        blocks_new_set(tx, c, cur, &set);
    } else if (!blocks_load_set(tx, cur->block_set, &set)) {
        tx_fail(tx, TIER_ECORRUPT);
        return;
    }
    if (block_get(tx, cur->block_set, c->block_id, &old)) {
        segref_add(tx, &old, cur->block_set, -(int64_t) old.length);
        set.bytes -= old.length;
        set.count--;
        tx_counters(tx, c->account)->uncommitted_bytes -= (int64_t) old.length;
    }
    set.bytes += extent->length;
    set.count++;
    set.last_put_ms = tx->now_ms;
    tx_counters(tx, c->account)->uncommitted_bytes += (int64_t) extent->length;

    block_set_encode(tx_value(tx), &set);
    tx_put_value(tx, T_BLOCKSET, id_key(buf, cur->block_set));
    extent_encode(tx_value(tx), extent);
    tx_put_value(tx, T_BLOCK, block_key(&k, cur->block_set, c->block_id));
    segref_add(tx, extent, cur->block_set, (int64_t) extent->length);
}

/* The SEGREF rows of a set: one for each file it has bytes in. */
static void
blocks_drop_refs(tx_t *tx, uint64_t set)
{
    uint8_t buf[8];
    view_t prefix = id_key(buf, set), k, v;
    store_extent_t e, run = { .length = 0 };
    bool any = false, ok = true;
    tier_rc_t rc = index_seek(tx->txn, T_BLOCK, prefix, &k, &v);
    index_key_t key;

    while (rc == TIER_OK && view_starts_with(k, prefix)) {
        if (!extent_next(&v, &e, &ok)) {
            tx_fail(tx, TIER_ECORRUPT);
            return;
        }
        if (!any || e.file != run.file || e.kind != run.kind) {
            segref_key(&key, e.kind, e.file, set);
            tx_del(tx, T_SEGREF, key_view(&key));
            run = e;
            any = true;
        }
        rc = index_next(tx->txn, T_BLOCK, &k, &v);
    }
    if (rc < 0) {
        tx_fail(tx, rc);
    }
}

void
blocks_drop(tx_t *tx, view_t account, blob_rec_t *cur)
{
    block_set_t set;
    uint8_t buf[8];
    view_t key = id_key(buf, cur->block_set);

    if (cur->block_set == 0) {
        return;
    }
    if (blocks_load_set(tx, cur->block_set, &set)) {
        tx_counters(tx, account)->uncommitted_bytes -= (int64_t) set.bytes;
    }
    blocks_drop_refs(tx, cur->block_set);
    tx_del_prefix(tx, T_BLOCK, key);
    tx_del_prefix(tx, T_BLOCKSET, key);
    cur->block_set = 0;
    cur->b.uncommitted = false;
}

/* ---- lists ------------------------------------------------------------ */

/* Committed blocks by id: open addressing over the arena. */
typedef struct table_s {
    tx_t *tx;
    store_extent_t **slot;
    size_t mask;
    size_t n;
} block_table_t;

static size_t
block_hash(const uint8_t *id, size_t len)
{
    return (size_t) crc64_nvme(0, id, len);
}

static int
table_add(void *ctx, const store_extent_t *e)
{
    block_table_t *t = ctx;
    store_extent_t *copy;
    size_t i;

    if (e->id_len == 0) {
        return 0;
    }
    if (t->n * 2 > t->mask) {
        tx_fail(t->tx, TIER_ECORRUPT);
        return 1;
    }
    for (i = block_hash(e->id, e->id_len) & t->mask; t->slot[i] != NULL;
         i = (i + 1) & t->mask)
    {
        if (t->slot[i]->id_len == e->id_len
            && memcmp(t->slot[i]->id, e->id, e->id_len) == 0)
        {
            return 0;
        }
    }
    copy = tx_alloc(t->tx, sizeof(*copy));
    if (copy == NULL) {
        return 1;
    }
    *copy = *e;
    t->slot[i] = copy;
    t->n++;
    return 0;
}

static bool
table_load(block_table_t *t, tx_t *tx, uint64_t content)
{
    tier_rc_t rc;

    t->tx = tx;
    t->n = 0;
    t->mask = (1u << 17) - 1; /* > 2 * STORE_BLOCKS_MAX */
    t->slot = tx_alloc(tx, (t->mask + 1) * sizeof(*t->slot));
    if (t->slot == NULL) {
        return false;
    }
    memset(t->slot, 0, (t->mask + 1) * sizeof(*t->slot));
    if (content == 0) {
        return true;
    }
    rc = content_walk(tx->txn, content, 0, table_add, t);
    if (rc < 0) {
        tx_fail(tx, rc);
    }
    return tx->rc == TIER_OK;
}

static bool
table_get(const block_table_t *t, view_t id, store_extent_t *ret)
{
    size_t i = block_hash(id.ptr, id.len) & t->mask;

    for (; t->slot[i] != NULL; i = (i + 1) & t->mask) {
        if (t->slot[i]->id_len == id.len
            && memcmp(t->slot[i]->id, id.ptr, id.len) == 0)
        {
            *ret = *t->slot[i];
            return true;
        }
    }
    return false;
}

store_extent_t *
blocks_resolve(tx_t *tx, store_change_t *c, const blob_rec_t *cur)
{
    uint64_t content = store_blob_visible(&cur->b) ? cur->b.content : 0;
    block_table_t committed = { .slot = NULL };
    store_extent_t *e;

    if (c->nblocks > STORE_BLOCKS_MAX) {
        change_fail(c, TIER_ELIMIT, STORE_V_BLOCK_COUNT);
        return NULL;
    }
    e = tx_alloc(tx, (c->nblocks + 1) * sizeof(*e));
    if (e == NULL) {
        return NULL;
    }
    memset(e, 0, (c->nblocks + 1) * sizeof(*e));

    for (unsigned i = 0; i < c->nblocks; i++) {
        const store_block_ref_t *ref = &c->blocks[i];
        bool found = false;

        if (ref->id.len > STORE_BLOCK_ID_MAX) {
            change_fail(c, TIER_NOT_FOUND, STORE_V_NO_BLOCK);
            return NULL;
        }
        if (ref->which != STORE_BLOCK_COMMITTED) {
            found = block_get(tx, cur->block_set, ref->id, &e[i]);
        }
        if (!found && ref->which != STORE_BLOCK_UNCOMMITTED) {
            if (committed.slot == NULL && !table_load(&committed, tx, content))
            {
                return NULL;
            }
            found = table_get(&committed, ref->id, &e[i]);
        }
        if (!found) {
            change_fail(c, TIER_NOT_FOUND, STORE_V_NO_BLOCK);
            return NULL;
        }
    }
    return e;
}
