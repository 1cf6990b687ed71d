#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

/*
 * Contents: a head that counts who refers to it, and extents in order. Few
 * extents are kept beside the head, many in values keyed by the offset of
 * their first byte, so that any byte of a blob of 50,000 blocks is one seek
 * away. SEGREF says the reverse: which contents have bytes in a file.
 */

static view_t
chunk_key(uint8_t buf[16], uint64_t id, uint64_t offset)
{
    be64_put(buf, id);
    be64_put(buf + 8, offset);
    return view_of(buf, 16);
}

static int
walk_extents(view_t in, uint64_t at, uint64_t from, extent_fn fn, void *ctx,
             tier_rc_t *rc)
{
    store_extent_t e;
    bool ok = true;
    int stop = 0;

    while (stop == 0 && extent_next(&in, &e, &ok)) {
        e.blob_offset = at;
        at += e.length;
        if (at > from) {
            stop = fn(ctx, &e);
        }
    }
    *rc = ok ? TIER_OK : TIER_ECORRUPT;
    return ok ? stop : 1;
}

tier_rc_t
content_walk(index_txn_t *txn, uint64_t id, uint64_t from, extent_fn fn,
             void *ctx)
{
    uint8_t buf[16], id_buf[8];
    content_t c;
    view_t k, v;
    tier_rc_t rc = index_get(txn, T_CONTENT, id_key(id_buf, id), &v);

    if (rc == TIER_OK) {
        rc = content_decode(v, &c);
    }
    if (rc != TIER_OK) {
        return rc;
    }
    if (c.few.ptr != NULL) {
        (void) walk_extents(c.few, 0, from, fn, ctx, &rc);
        return rc;
    }
    if (from >= c.length) {
        return TIER_OK;
    }
    /* the chunk that begins at or before `from` */
    rc = index_before(txn, T_CONTENT, chunk_key(buf, id, from + 1), &k, &v);
    while (rc == TIER_OK && k.len == 16 && be64_get(k.ptr) == id) {
        if (walk_extents(v, be64_get(k.ptr + 8), from, fn, ctx, &rc) != 0) {
            return rc;
        }
        rc = index_next(txn, T_CONTENT, &k, &v);
    }
    return rc == TIER_NOT_FOUND ? TIER_OK : rc;
}

void
segref_key(index_key_t *k, store_file_kind_t kind, uint64_t file,
           uint64_t owner)
{
    k->buf[0] = (uint8_t) kind;
    be64_put(k->buf + 1, file);
    be64_put(k->buf + 9, owner);
    k->len = 17;
}

void
segref_add(tx_t *tx, const store_extent_t *e, uint64_t owner, int64_t bytes)
{
    uint8_t val[8];
    int64_t sum = bytes;
    index_key_t k;
    view_t v;

    segref_key(&k, e->kind, e->file, owner);
    if (tx->rc == TIER_OK) {
        tier_rc_t rc = index_get(tx->txn, T_SEGREF, key_view(&k), &v);
        if (rc == TIER_OK && v.len == 8) {
            sum += (int64_t) le64_get(v.ptr);
        } else if (rc < 0) {
            tx_fail(tx, rc);
        }
    }
    if (sum <= 0) {
        tx_del(tx, T_SEGREF, key_view(&k));
        return;
    }
    le64_put(val, (uint64_t) sum);
    tx_put(tx, T_SEGREF, key_view(&k), view_of(val, sizeof(val)));
}

/* Neighbours are mostly of one file: one write for each run. */
static void
segref_all(tx_t *tx, const store_extent_t *e, size_t n, uint64_t owner,
           int sign)
{
    int64_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum += (int64_t) e[i].length;
        if (i + 1 == n || e[i + 1].kind != e[i].kind
            || e[i + 1].file != e[i].file) {
            segref_add(tx, &e[i], owner, sign * sum);
            sum = 0;
        }
    }
}

static void
head_put(tx_t *tx, uint64_t id, const content_t *c)
{
    uint8_t buf[8];

    content_encode(tx_value(tx), c);
    tx_put_value(tx, T_CONTENT, id_key(buf, id));
}

/* Head and extents, whatever was there before of the same count. */
static void
extents_put(tx_t *tx, uint64_t id, content_t *c, const store_extent_t *e,
            size_t n)
{
    uint8_t buf[16];
    uint64_t at = 0, start = 0;
    writer_t *w = tx_value(tx);
    size_t i;

    for (i = 0; i < n && w->len <= CONTENT_FEW; i++) {
        extent_encode(w, &e[i]);
    }
    if (i == n && w->len <= CONTENT_FEW && writer_ok(w)) {
        c->few = tx_dup(tx, writer_view(w));
        head_put(tx, id, c);
        return;
    }
    c->few = VIEW_NULL;
    head_put(tx, id, c);
    w = tx_value(tx);
    for (i = 0; i < n; i++) {
        if (w->len > 0 && w->len + EXTENT_FIXED + e[i].id_len > CONTENT_FEW) {
            tx_put_value(tx, T_CONTENT, chunk_key(buf, id, start));
            w = tx_value(tx);
            start = at;
        }
        extent_encode(w, &e[i]);
        at += e[i].length;
    }
    if (w->len > 0) {
        tx_put_value(tx, T_CONTENT, chunk_key(buf, id, start));
    }
}

uint64_t
content_create(tx_t *tx, view_t account, bool owned, store_extent_t *extents,
               size_t n)
{
    content_t c = { .account = account,
                    .extents = (uint32_t) n,
                    .flags = owned ? CONTENT_FLAG_OWNED : 0 };
    uint64_t id;

    for (size_t i = 0; i < n; i++) {
        c.length += extents[i].length;
    }
    if (c.length == 0) {
        return 0;
    }
    id = tx_id(tx);
    extents_put(tx, id, &c, extents, n);
    segref_all(tx, extents, n, id, 1);
    return id;
}

static void
class_add(tx_t *tx, const content_t *c, int sign)
{
    counters_t *n = tx_counters(tx, c->account);
    int64_t bytes = sign * (int64_t) c->length;

    if (c->queue_refs > 0) {
        n->dirty_bytes += bytes;
    } else if (c->refs > 0 && (c->flags & CONTENT_FLAG_OWNED)) {
        n->owned_bytes += bytes;
    } else if (c->refs > 0) {
        n->clean_bytes += bytes;
    }
}

typedef struct gather_s {
    store_extent_t *e;
    size_t n;
    size_t cap;
} gather_t;

static int
gather_one(void *ctx, const store_extent_t *e)
{
    gather_t *g = ctx;

    if (g->n < g->cap) {
        g->e[g->n++] = *e;
    }
    return g->n == g->cap;
}

/* All extents, in the arena. */
static store_extent_t *
content_extents(tx_t *tx, uint64_t id, const content_t *c)
{
    gather_t g = { .cap = c->extents };
    tier_rc_t rc;

    g.e = tx_alloc(tx, (c->extents + 1) * sizeof(*g.e));
    if (g.e == NULL || tx->rc != TIER_OK) {
        return NULL;
    }
    memset(g.e, 0, (c->extents + 1) * sizeof(*g.e));
    rc = content_walk(tx->txn, id, 0, gather_one, &g);
    if (rc != TIER_OK || g.n != c->extents) {
        tx_fail(tx, rc < 0 ? rc : TIER_ECORRUPT);
        return NULL;
    }
    return g.e;
}

static bool
content_load(tx_t *tx, uint64_t id, content_t *ret)
{
    uint8_t buf[8];
    view_t v;

    if (!tx_get(tx, T_CONTENT, id_key(buf, id), &v)) {
        return false;
    }
    if (content_decode(v, ret) != TIER_OK) {
        tx_fail(tx, TIER_ECORRUPT);
        return false;
    }
    return true;
}

bool
content_length(tx_t *tx, uint64_t id, uint64_t *ret)
{
    content_t c;

    if (!content_load(tx, id, &c)) {
        return false;
    }
    *ret = c.length;
    return true;
}

void
content_ref(tx_t *tx, uint64_t id, int records, int entries)
{
    store_extent_t *e;
    uint8_t buf[8];
    content_t c;

    if (id == 0 || (records == 0 && entries == 0)) {
        return;
    }
    if (!content_load(tx, id, &c)) {
        tx_fail(tx, TIER_ECORRUPT);
        return;
    }
    class_add(tx, &c, -1);
    c.refs = (uint32_t) ((int64_t) c.refs + records);
    c.queue_refs = (uint32_t) ((int64_t) c.queue_refs + entries);
    class_add(tx, &c, 1);
    if (c.refs > 0 || c.queue_refs > 0) {
        head_put(tx, id, &c);
        return;
    }
    e = content_extents(tx, id, &c);
    if (e == NULL) {
        return;
    }
    segref_all(tx, e, c.extents, id, -1);
    if (c.few.ptr != NULL) {
        tx_del(tx, T_CONTENT, id_key(buf, id));
    } else {
        tx_del_prefix(tx, T_CONTENT, id_key(buf, id));
    }
}

/* ---- appending -------------------------------------------------------- */

/* One more at the end of the last chunk, or in a chunk of its own: chunks are
 * filled as extents_put fills them. */
static void
chunk_append(tx_t *tx, uint64_t id, uint64_t at, const store_extent_t *e)
{
    uint8_t buf[16];
    view_t key = chunk_key(buf, id, UINT64_MAX), k, v;
    tier_rc_t rc = index_before(tx->txn, T_CONTENT, key, &k, &v);
    writer_t *w = tx_value(tx);

    if (rc != TIER_OK || k.len != 16 || be64_get(k.ptr) != id) {
        tx_fail(tx, rc < 0 ? rc : TIER_ECORRUPT);
        return;
    }
    if (v.len + EXTENT_FIXED + e->id_len <= CONTENT_FEW) {
        at = be64_get(k.ptr + 8);
        writer_put(w, v);
    }
    extent_encode(w, e);
    tx_put_value(tx, T_CONTENT, chunk_key(buf, id, at));
}

static void
content_extend(tx_t *tx, uint64_t id, content_t *c, store_extent_t *e)
{
    store_extent_t *all = NULL;
    bool few = c->few.ptr != NULL;

    if (few) {
        all = content_extents(tx, id, c); /* with room for one more */
        if (all == NULL) {
            return;
        }
        all[c->extents] = *e;
    } else {
        chunk_append(tx, id, c->length, e);
    }
    class_add(tx, c, -1);
    c->length += e->length;
    c->extents++;
    class_add(tx, c, 1);
    if (few) {
        extents_put(tx, id, c, all, c->extents);
    } else {
        head_put(tx, id, c);
    }
    segref_add(tx, e, id, (int64_t) e->length);
}

/* What is shared is left alone: its extents and the new one. */
static uint64_t
content_fork(tx_t *tx, view_t account, uint64_t id, const content_t *c,
             uint64_t length, const store_extent_t *e)
{
    store_extent_t *all = content_extents(tx, id, c);
    uint64_t have = 0;
    uint32_t n;

    if (all == NULL) {
        return 0;
    }
    for (n = 0; n < c->extents && have < length; n++) {
        have += all[n].length;
    }
    if (have != length) {
        tx_fail(tx, TIER_ECORRUPT);
        return 0;
    }
    all[n] = *e;
    return content_create(tx, account, true, all, n + 1);
}

uint64_t
content_append(tx_t *tx, view_t account, uint64_t id, uint64_t length,
               store_extent_t *e)
{
    content_t c;

    if (id == 0) {
        return content_create(tx, account, true, e, 1);
    }
    if (!content_load(tx, id, &c)) {
        tx_fail(tx, TIER_ECORRUPT);
        return 0;
    }
    if (c.refs == 1 && c.queue_refs == 0 && c.length == length
        && (c.flags & CONTENT_FLAG_OWNED))
    {
        content_extend(tx, id, &c, e);
        return id;
    }
    return content_fork(tx, account, id, &c, length, e);
}

/* ---- moves ------------------------------------------------------------ */

static bool
extent_move(store_extent_t *e, store_file_kind_t kind, uint64_t file,
            const move_t *moves, size_t n, uint64_t to)
{
    size_t lo = 0, hi = n;

    if (e->kind != kind || e->file != file) {
        return false;
    }
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (moves[mid].offset < e->offset) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    if (lo == n || moves[lo].offset != e->offset
        || moves[lo].length != e->length) {
        return false;
    }
    e->kind = STORE_SEGMENT;
    e->file = to;
    e->offset = moves[lo].new_offset;
    return true;
}

static void
blocks_moved(tx_t *tx, store_file_kind_t kind, uint64_t file,
             const move_t *moves, size_t n, uint64_t to)
{
    uint8_t set_buf[8];
    view_t set = id_key(set_buf, moves[0].owner), k, v;
    tier_rc_t rc = index_seek(tx->txn, T_BLOCK, set, &k, &v);

    while (rc == TIER_OK && view_starts_with(k, set)) {
        view_t key = tx_dup(tx, k);
        store_extent_t e, old;
        bool ok = true;

        memset(&e, 0, sizeof(e));
        if (!extent_next(&v, &e, &ok)) {
            tx_fail(tx, TIER_ECORRUPT);
            return;
        }
        old = e;
        if (extent_move(&e, kind, file, moves, n, to)) {
            extent_encode(tx_value(tx), &e);
            tx_put_value(tx, T_BLOCK, key);
            segref_add(tx, &old, moves[0].owner, -(int64_t) e.length);
            segref_add(tx, &e, moves[0].owner, (int64_t) e.length);
            rc = index_seek(tx->txn, T_BLOCK, key, &k, &v);
            if (rc != TIER_OK) {
                break;
            }
        }
        if (tx->rc != TIER_OK) {
            return;
        }
        rc = index_next(tx->txn, T_BLOCK, &k, &v);
    }
    if (rc < 0) {
        tx_fail(tx, rc);
    }
}

void
content_moved(tx_t *tx, store_file_kind_t kind, uint64_t file,
              const move_t *moves, size_t n, uint64_t to)
{
    store_extent_t *e;
    uint64_t id = moves[0].owner;
    content_t c;

    if (!content_load(tx, id, &c)) {
        blocks_moved(tx, kind, file, moves, n, to);
        return;
    }
    e = content_extents(tx, id, &c);
    for (size_t i = 0; e != NULL && i < c.extents; i++) {
        store_extent_t old = e[i];

        if (extent_move(&e[i], kind, file, moves, n, to)) {
            segref_add(tx, &old, id, -(int64_t) old.length);
            segref_add(tx, &e[i], id, (int64_t) old.length);
        }
    }
    if (e != NULL) {
        extents_put(tx, id, &c, e, c.extents);
    }
}
