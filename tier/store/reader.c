#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "store/internal.h"

/*
 * Reads: renew, look, copy out, reset. A result's `seen` is the number of the
 * last commit that touched the record; where nothing was found it is that of
 * the last commit of all, since that may have deleted it.
 */

tier_rc_t
store_reader_open(store_t *store, store_reader_t **ret)
{
    store_reader_t *reader = calloc(1, sizeof(*reader));
    tier_rc_t rc;

    if (reader == NULL) {
        return TIER_ENOMEM;
    }
    reader->store = store;
    rc = index_begin(store->index, false, &reader->txn);
    if (rc == TIER_OK) {
        index_reset(reader->txn);
        rc = index_begin(store->facts, false, &reader->facts);
    }
    if (rc != TIER_OK) {
        tier_log(store->log, TIER_LOG_ERROR,
                 "store %s: no reader: %s (all of the index's 1024 reader "
                 "slots may be taken)",
                 store->path, tier_rc_name(rc));
        store_reader_close(reader);
        return rc;
    }
    index_reset(reader->facts);
    *ret = reader;
    return TIER_OK;
}

void
store_reader_close(store_reader_t *reader)
{
    if (reader == NULL) {
        return;
    }
    index_abort(reader->txn);
    index_abort(reader->facts);
    free(reader);
}

static uint64_t
last_number(index_txn_t *txn)
{
    state_t st;

    return state_get(txn, &st) == TIER_OK ? st.number : UINT64_MAX;
}

/* A copy in `scratch`, with room for an ETag's text before it. */
static tier_rc_t
copy_out(writer_t *scratch, view_t v, char **ret_etag, view_t *ret)
{
    uint8_t *p = writer_reserve(scratch, ETAG_TEXT_MAX + v.len);

    if (p == NULL) {
        return scratch->rc;
    }
    memcpy(p + ETAG_TEXT_MAX, v.ptr, v.len);
    *ret_etag = (char *) p;
    *ret = view_of(p + ETAG_TEXT_MAX, v.len);
    return TIER_OK;
}

static tier_rc_t
container_read(index_txn_t *txn, view_t account, view_t container,
               writer_t *scratch, store_container_t *ret)
{
    index_key_t k;
    view_t v;
    char *etag = NULL;
    tier_rc_t rc;

    if (container_key(account, container, &k) != TIER_OK) {
        return TIER_NOT_FOUND;
    }
    rc = index_get(txn, T_CONTAINER, key_view(&k), &v);
    rc = rc ? rc : copy_out(scratch, v, &etag, &v);
    return rc ? rc : container_decode(v, etag, ret);
}

tier_rc_t
store_container_get(store_reader_t *reader, view_t account, view_t container,
                    writer_t *scratch, store_container_t *ret)
{
    tier_rc_t rc = index_renew(reader->txn);

    if (rc != TIER_OK) {
        return rc;
    }
    rc = container_read(reader->txn, account, container, scratch, ret);
    if (rc == TIER_NOT_FOUND) {
        memset(ret, 0, sizeof(*ret));
        ret->seen = last_number(reader->txn);
    }
    index_reset(reader->txn);
    return rc;
}

static tier_rc_t
blob_read(index_txn_t *txn, uint64_t incarnation, view_t name,
          writer_t *scratch, blob_rec_t *ret)
{
    index_key_t k;
    view_t v;
    char *etag = NULL;
    tier_rc_t rc = name_find(txn, incarnation, name, &k);

    rc = rc ? rc : index_get(txn, T_BLOB, key_view(&k), &v);
    rc = rc ? rc : copy_out(scratch, v, &etag, &v);
    return rc ? rc : blob_decode(v, etag, ret);
}

tier_rc_t
store_blob_get(store_reader_t *reader, uint64_t incarnation, view_t name,
               writer_t *scratch, store_blob_t *ret)
{
    blob_rec_t rec;
    tier_rc_t rc = index_renew(reader->txn);

    if (rc != TIER_OK) {
        return rc;
    }
    rc = blob_read(reader->txn, incarnation, name, scratch, &rec);
    if (rc == TIER_OK) {
        *ret = rec.b;
        rc = rec.b.state == STORE_NONE ? TIER_NOT_FOUND : TIER_OK;
    } else if (rc == TIER_NOT_FOUND) {
        memset(ret, 0, sizeof(*ret));
        ret->seen = last_number(reader->txn);
    }
    index_reset(reader->txn);
    return rc;
}

static tier_rc_t
snapshot_read(index_txn_t *txn, uint64_t incarnation, view_t name,
              uint64_t time, writer_t *scratch, blob_rec_t *ret)
{
    uint8_t buf[SNAPSHOT_KEY_LEN];
    char etag_buf[ETAG_TEXT_MAX], *etag = NULL;
    blob_rec_t base;
    index_key_t k;
    view_t v;
    tier_rc_t rc = name_find(txn, incarnation, name, &k);

    rc = rc ? rc : index_get(txn, T_BLOB, key_view(&k), &v);
    rc = rc ? rc : blob_decode(v, etag_buf, &base);
    if (rc == TIER_OK && base.b.snapshots == 0) {
        rc = TIER_NOT_FOUND;
    }
    rc = rc ? rc
            : index_get(txn, T_SNAPSHOT,
                        snapshot_key(buf, base.b.snapshots, time), &v);
    rc = rc ? rc : copy_out(scratch, v, &etag, &v);
    rc = rc ? rc : blob_decode(v, etag, ret);
    if (rc == TIER_OK) {
        ret->b.snapshot = time;
    }
    return rc;
}

tier_rc_t
store_snapshot_get(store_reader_t *reader, uint64_t incarnation, view_t name,
                   uint64_t time, writer_t *scratch, store_blob_t *ret)
{
    blob_rec_t rec;
    tier_rc_t rc = index_renew(reader->txn);

    if (rc != TIER_OK) {
        return rc;
    }
    rc = snapshot_read(reader->txn, incarnation, name, time, scratch, &rec);
    if (rc == TIER_OK) {
        *ret = rec.b;
    } else if (rc == TIER_NOT_FOUND) {
        memset(ret, 0, sizeof(*ret));
        ret->seen = last_number(reader->txn);
    }
    index_reset(reader->txn);
    return rc;
}

/* ---- contents and blocks ---------------------------------------------- */

typedef struct extents_s {
    store_extent_t *e;
    unsigned max, n;
    uint64_t end;
} extents_t;

static int
extents_one(void *ctx, const store_extent_t *e)
{
    extents_t *x = ctx;

    if (e->blob_offset >= x->end || x->n == x->max) {
        return 1;
    }
    x->e[x->n++] = *e;
    return 0;
}

tier_rc_t
store_extents_get(store_reader_t *reader, uint64_t content, uint64_t offset,
                  uint64_t length, store_extent_t *ret, unsigned max,
                  unsigned *ret_n)
{
    extents_t x = { .e = ret, .max = max, .end = offset + length };
    tier_rc_t rc = index_renew(reader->txn);

    if (rc != TIER_OK) {
        return rc;
    }
    if (x.end < offset) {
        x.end = UINT64_MAX;
    }
    rc = content == 0
           ? TIER_OK
           : content_walk(reader->txn, content, offset, extents_one, &x);
    index_reset(reader->txn);
    *ret_n = x.n;
    return rc;
}

typedef struct blocks_s {
    store_block_fn fn;
    void *ctx;
} blocks_t;

static int
blocks_one(void *ctx, const store_extent_t *e)
{
    blocks_t *b = ctx;

    return e->id_len == 0
             ? 0
             : b->fn(b->ctx, view_of(e->id, e->id_len), e->length);
}

tier_rc_t
store_blocks_committed(store_reader_t *reader, uint64_t content,
                       store_block_fn fn, void *ctx)
{
    blocks_t b = { fn, ctx };
    tier_rc_t rc = index_renew(reader->txn);

    if (rc != TIER_OK) {
        return rc;
    }
    if (content != 0) {
        rc = content_walk(reader->txn, content, 0, blocks_one, &b);
    }
    index_reset(reader->txn);
    return rc;
}

static tier_rc_t
blocks_of_set(index_txn_t *txn, uint64_t set, store_extent_fn fn, void *ctx)
{
    uint8_t buf[8];
    view_t prefix = id_key(buf, set), k, v;
    store_extent_t e;
    bool ok = true;
    tier_rc_t rc = index_seek(txn, T_BLOCK, prefix, &k, &v);

    while (rc == TIER_OK && view_starts_with(k, prefix)) {
        if (!extent_next(&v, &e, &ok) || k.len - 8 > sizeof(e.id)) {
            return TIER_ECORRUPT;
        }
        e.id_len = (uint8_t) (k.len - 8);
        memcpy(e.id, k.ptr + 8, e.id_len);
        if (fn(ctx, &e) != 0) {
            return TIER_OK;
        }
        rc = index_next(txn, T_BLOCK, &k, &v);
    }
    return rc == TIER_NOT_FOUND ? TIER_OK : rc;
}

tier_rc_t
store_uncommitted_extents(store_reader_t *reader, uint64_t incarnation,
                          view_t name, store_extent_fn fn, void *ctx)
{
    char etag[ETAG_TEXT_MAX];
    blob_rec_t rec;
    index_key_t k;
    view_t v;
    tier_rc_t rc = index_renew(reader->txn);

    if (rc != TIER_OK) {
        return rc;
    }
    rc = name_find(reader->txn, incarnation, name, &k);
    rc = rc ? rc : index_get(reader->txn, T_BLOB, key_view(&k), &v);
    rc = rc ? rc : blob_decode(v, etag, &rec);
    if (rc == TIER_OK) {
        rc = rec.block_set == 0
               ? TIER_NOT_FOUND
               : blocks_of_set(reader->txn, rec.block_set, fn, ctx);
    }
    index_reset(reader->txn);
    return rc;
}

static int
blocks_length(void *ctx, const store_extent_t *e)
{
    const blocks_t *b = ctx;

    return b->fn(b->ctx, view_of(e->id, e->id_len), e->length);
}

tier_rc_t
store_blocks_uncommitted(store_reader_t *reader, uint64_t incarnation,
                         view_t name, store_block_fn fn, void *ctx)
{
    blocks_t b = { fn, ctx };

    return store_uncommitted_extents(reader, incarnation, name, blocks_length,
                                     &b);
}

/* ---- scans ------------------------------------------------------------ */

/* Where a scan starts: the first name that is >= *buf. */
static bool
scan_start(const store_scan_t *scan, uint8_t *buf, size_t cap, size_t *ret_len)
{
    bool from = scan->from.len > 0 && view_cmp(scan->from, scan->prefix) >= 0;
    view_t at = from ? scan->from : scan->prefix;
    size_t len;

    if (scan->from_prefix && scan->from.len > 0
        && view_starts_with(scan->prefix, scan->from))
    {
        return false;
    }
    len = at.len < cap ? at.len : cap;
    if (len > 0) {
        memcpy(buf, at.ptr, len);
    }
    if (from && (scan->snapshot != 0 || scan->from_too)) {
        *ret_len = len; /* the rest of this very name first */
        return true;
    }
    if (from) {
        if (!scan->from_prefix) {
            if (len < cap) {
                buf[len++] = 0; /* the next possible name */
            }
        } else {
            while (len > 0 && buf[len - 1] == 0xff) {
                len--;
            }
            if (len == 0) {
                return false;
            }
            buf[len - 1]++;
        }
    }
    *ret_len = len;
    return true;
}

typedef struct blob_scan_s {
    index_txn_t *txn;
    const store_scan_t *scan;
    store_blob_fn fn;
    void *ctx;
    unsigned n;
} blob_scan_t;

/* 0 goes on. */
static int
blob_scan_one(blob_scan_t *s, view_t name, const store_blob_t *blob)
{
    if (s->scan->limit != 0 && s->n++ == s->scan->limit) {
        return 1;
    }
    return s->fn(s->ctx, name, blob);
}

/* A base's snapshots after `after`, oldest first. TIER_END: fn ended it. */
static tier_rc_t
blob_scan_snapshots(blob_scan_t *s, view_t name, uint64_t set, uint64_t after)
{
    uint8_t buf[SNAPSHOT_KEY_LEN], set_buf[8];
    char etag[ETAG_TEXT_MAX];
    view_t prefix = id_key(set_buf, set), k, v;
    tier_rc_t rc = index_seek(s->txn, T_SNAPSHOT,
                              snapshot_key(buf, set, after + 1), &k, &v);

    while (rc == TIER_OK && view_starts_with(k, prefix)) {
        blob_rec_t rec;

        rc = blob_decode(v, etag, &rec);
        if (rc != TIER_OK) {
            return rc;
        }
        rec.b.snapshot = be64_get(k.ptr + 8);
        if (blob_scan_one(s, name, &rec.b) != 0) {
            return TIER_END;
        }
        rc = index_next(s->txn, T_SNAPSHOT, &k, &v);
    }
    return rc == TIER_NOT_FOUND ? TIER_OK : rc;
}

/* One name: its snapshots if they are asked for, then its base. */
static tier_rc_t
blob_scan_name(blob_scan_t *s, const name_iter_t *it)
{
    const store_scan_t *scan = s->scan;
    view_t name = view_of(it->name, it->len);
    char etag[ETAG_TEXT_MAX];
    blob_rec_t rec;
    tier_rc_t rc = blob_decode(it->val, etag, &rec);

    if (rc == TIER_OK && scan->snapshots && rec.b.snapshots != 0) {
        rc = blob_scan_snapshots(s, name, rec.b.snapshots,
                                 view_eq(name, scan->from) ? scan->snapshot
                                                           : 0);
    }
    if (rc == TIER_OK && blob_scan_one(s, name, &rec.b) != 0) {
        rc = TIER_END;
    }
    return rc;
}

static tier_rc_t
blob_scan(index_txn_t *txn, uint64_t incarnation, const store_scan_t *scan,
          store_blob_fn fn, void *ctx)
{
    blob_scan_t s = { .txn = txn, .scan = scan, .fn = fn, .ctx = ctx };
    uint8_t start[STORE_NAME_MAX + 1];
    name_iter_t it;
    size_t len;
    tier_rc_t rc;

    if (!scan_start(scan, start, sizeof(start), &len)) {
        return TIER_END;
    }
    rc = name_seek(&it, txn, incarnation, view_of(start, len));
    while (rc == TIER_OK) {
        if (!view_starts_with(view_of(it.name, it.len), scan->prefix)) {
            return TIER_END;
        }
        rc = blob_scan_name(&s, &it);
        if (rc != TIER_OK) {
            return rc == TIER_END ? TIER_OK : rc;
        }
        rc = name_next(&it);
    }
    return rc == TIER_NOT_FOUND ? TIER_END : rc;
}

tier_rc_t
store_blob_scan(store_reader_t *reader, uint64_t incarnation,
                const store_scan_t *scan, store_blob_fn fn, void *ctx,
                uint64_t *ret_seen)
{
    tier_rc_t rc = index_renew(reader->txn);

    if (rc != TIER_OK) {
        return rc;
    }
    *ret_seen = last_number(reader->txn);
    rc = blob_scan(reader->txn, incarnation, scan, fn, ctx);
    index_reset(reader->txn);
    return rc;
}

static tier_rc_t
container_scan(index_txn_t *txn, view_t account, const store_scan_t *scan,
               store_container_fn fn, void *ctx)
{
    uint8_t start[STORE_LABEL_MAX + 1];
    char etag[ETAG_TEXT_MAX];
    store_container_t c;
    index_key_t key;
    view_t k, v;
    unsigned n = 0;
    size_t len, head = account.len + 1;
    tier_rc_t rc;

    if (account.len == 0 || account.len > STORE_LABEL_MAX
        || !scan_start(scan, start, sizeof(start), &len))
    {
        return TIER_END;
    }
    memcpy(key.buf, account.ptr, account.len);
    key.buf[account.len] = 0;
    memcpy(key.buf + head, start, len);
    key.len = head + len;
    rc = index_seek(txn, T_CONTAINER, key_view(&key), &k, &v);
    while (rc == TIER_OK && view_starts_with(k, view_of(key.buf, head))) {
        view_t name = view_sub(k, head, k.len);

        if (!view_starts_with(name, scan->prefix)) {
            return TIER_END;
        }
        if (scan->limit != 0 && n++ == scan->limit) {
            return TIER_OK;
        }
        rc = container_decode(v, etag, &c);
        if (rc != TIER_OK) {
            return rc;
        }
        if (fn(ctx, name, &c) != 0) {
            return TIER_OK;
        }
        rc = index_next(txn, T_CONTAINER, &k, &v);
    }
    return rc == TIER_OK || rc == TIER_NOT_FOUND ? TIER_END : rc;
}

tier_rc_t
store_container_scan(store_reader_t *reader, view_t account,
                     const store_scan_t *scan, store_container_fn fn,
                     void *ctx, uint64_t *ret_seen)
{
    tier_rc_t rc = index_renew(reader->txn);

    if (rc != TIER_OK) {
        return rc;
    }
    *ret_seen = last_number(reader->txn);
    rc = container_scan(reader->txn, account, scan, fn, ctx);
    index_reset(reader->txn);
    return rc;
}

/* ---- queue ------------------------------------------------------------ */

/* What the record says that an entry cannot know. The record is decoded in
 * place: views last as long as the transaction. */
static tier_rc_t
entry_fill(index_txn_t *txn, view_t v, char etag[2][ETAG_TEXT_MAX],
           uint64_t number, store_entry_t *e)
{
    blob_rec_t rec;
    index_key_t k;
    tier_rc_t rc = entry_decode(v, e);

    if (rc != TIER_OK) {
        return rc;
    }
    e->number = number;
    if (e->kind >= STORE_Q_CONTAINER_CREATE) {
        etag_text(e->etag, etag[0], &e->container_props.etag);
        return TIER_OK;
    }
    etag_text(e->etag, etag[0], &e->props.etag);
    rc = name_find(txn, e->incarnation, e->name, &k);
    rc = rc ? rc : index_get(txn, T_BLOB, key_view(&k), &v);
    rc = rc ? rc : blob_decode(v, etag[1], &rec);
    if (rc == TIER_NOT_FOUND) {
        return TIER_OK; /* purged: its own base is all there is */
    }
    if (rc == TIER_OK
        && (rec.b.state == STORE_DIRTY || rec.b.state == STORE_TOMBSTONE))
    {
        e->latest = rec.b.number == number;
        e->base = rec.b.base;
        e->base_etag = rec.b.base_etag;
    }
    return rc;
}

tier_rc_t
store_queue_scan(store_reader_t *reader, uint64_t from, unsigned limit,
                 store_queue_fn fn, void *ctx)
{
    char etag[2][ETAG_TEXT_MAX];
    store_entry_t e;
    uint8_t buf[8];
    unsigned n = 0;
    view_t k, v;
    tier_rc_t rc = index_renew(reader->txn);

    if (rc != TIER_OK) {
        return rc;
    }
    rc = index_seek(reader->txn, T_QUEUE, id_key(buf, from), &k, &v);
    while (rc == TIER_OK && (limit == 0 || n++ < limit)) {
        rc = entry_fill(reader->txn, v, etag, be64_get(k.ptr), &e);
        if (rc != TIER_OK || fn(ctx, &e) != 0) {
            break;
        }
        rc = index_next(reader->txn, T_QUEUE, &k, &v);
    }
    index_reset(reader->txn);
    return rc == TIER_NOT_FOUND ? TIER_END : rc;
}

/* Copies everything that views point at. */
static tier_rc_t
entry_copy(writer_t *scratch, store_entry_t *e)
{
    view_t *views[] = { &e->account,
                        &e->container,
                        &e->name,
                        &e->error,
                        &e->base_etag,
                        &e->props.etag,
                        &e->props.content_type,
                        &e->props.content_encoding,
                        &e->props.content_language,
                        &e->props.content_disposition,
                        &e->props.cache_control,
                        &e->props.metadata,
                        &e->props.tags,
                        &e->container_props.etag,
                        &e->container_props.metadata,
                        &e->container_props.acl };
    size_t sum = 0;
    uint8_t *p;

    for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
        sum += views[i]->len;
    }
    p = writer_reserve(scratch, sum + 1);
    if (p == NULL) {
        return scratch->rc;
    }
    for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
        if (views[i]->ptr != NULL) {
            memcpy(p, views[i]->ptr, views[i]->len);
            views[i]->ptr = p;
            p += views[i]->len;
        }
    }
    return TIER_OK;
}

tier_rc_t
store_queue_get(store_reader_t *reader, uint64_t number, writer_t *scratch,
                store_entry_t *ret)
{
    char etag[2][ETAG_TEXT_MAX];
    store_entry_t e;
    uint8_t buf[8];
    view_t v;
    tier_rc_t rc = index_renew(reader->txn);

    if (rc != TIER_OK) {
        return rc;
    }
    rc = index_get(reader->txn, T_QUEUE, id_key(buf, number), &v);
    rc = rc ? rc : entry_fill(reader->txn, v, etag, number, &e);
    rc = rc ? rc : entry_copy(scratch, &e);
    index_reset(reader->txn);
    if (rc == TIER_OK) {
        *ret = e;
    }
    return rc;
}

/* Lowest and highest in one group. */
static tier_rc_t
group_range(index_txn_t *txn, view_t prefix, uint64_t *low, uint64_t *high)
{
    uint8_t end[KEY_MAX];
    view_t k, v;
    tier_rc_t rc = index_seek(txn, T_QGROUP, prefix, &k, &v);

    if (rc != TIER_OK || !view_starts_with(k, prefix)) {
        return rc == TIER_NOT_FOUND ? TIER_OK : rc;
    }
    *low = be64_get(k.ptr + k.len - 8);
    memcpy(end, prefix.ptr, prefix.len);
    memset(end + prefix.len, 0xff, 8);
    rc = index_before(txn, T_QGROUP, view_of(end, prefix.len + 8), &k, &v);
    if (rc == TIER_OK) {
        *high = be64_get(k.ptr + k.len - 8);
    }
    return rc == TIER_NOT_FOUND ? TIER_ECORRUPT : rc;
}

/* Over the containers of an account; one seek for each. */
static tier_rc_t
account_range(index_txn_t *txn, view_t account, uint64_t *low, uint64_t *high)
{
    index_key_t key;
    view_t k, v;
    tier_rc_t rc;

    memcpy(key.buf, account.ptr, account.len);
    key.buf[account.len] = 0;
    key.len = account.len + 1;
    rc = index_seek(txn, T_QGROUP, key_view(&key), &k, &v);
    while (rc == TIER_OK
           && view_starts_with(k, view_of(key.buf, account.len + 1))) {
        uint64_t lo = 0, hi = 0;

        memcpy(key.buf, k.ptr, k.len - 8);
        key.len = k.len - 8;
        rc = group_range(txn, key_view(&key), &lo, &hi);
        if (rc != TIER_OK) {
            return rc;
        }
        *low = *low == 0 || lo < *low ? lo : *low;
        *high = hi > *high ? hi : *high;
        key.buf[key.len - 1] = 1; /* past this container */
        rc = index_seek(txn, T_QGROUP, key_view(&key), &k, &v);
    }
    return rc == TIER_NOT_FOUND ? TIER_OK : rc;
}

static tier_rc_t
store_range(index_txn_t *txn, uint64_t *low, uint64_t *high)
{
    view_t k, v;
    tier_rc_t rc = index_seek(txn, T_QUEUE, VIEW_NULL, &k, &v);

    if (rc != TIER_OK) {
        return rc == TIER_NOT_FOUND ? TIER_OK : rc;
    }
    *low = be64_get(k.ptr);
    rc = index_last(txn, T_QUEUE, &k, &v);
    if (rc == TIER_OK) {
        *high = be64_get(k.ptr);
    }
    return rc;
}

/* A name's highest queued number; the container may be of any life, since
 * entries outlive it: the live one's record says. */
static tier_rc_t
name_highest(index_txn_t *txn, view_t account, view_t container, view_t name,
             uint64_t *high)
{
    char etag[ETAG_TEXT_MAX];
    store_container_t c;
    blob_rec_t rec;
    index_key_t k;
    view_t v;
    tier_rc_t rc = container_key(account, container, &k);

    rc = rc ? rc : index_get(txn, T_CONTAINER, key_view(&k), &v);
    rc = rc ? rc : container_decode(v, etag, &c);
    rc = rc ? rc : name_find(txn, c.incarnation, name, &k);
    rc = rc ? rc : index_get(txn, T_BLOB, key_view(&k), &v);
    rc = rc ? rc : blob_decode(v, etag, &rec);
    *high = rc == TIER_OK ? rec.b.queued : 0;
    return rc == TIER_NOT_FOUND ? TIER_OK : rc;
}

tier_rc_t
store_dirty_upto(store_reader_t *reader, view_t account, view_t container,
                 view_t name, uint64_t *ret_highest, uint64_t *ret_lowest)
{
    uint64_t low = 0, high = 0;
    index_key_t k;
    tier_rc_t rc;

    if (account.len > STORE_LABEL_MAX || container.len > STORE_LABEL_MAX) {
        return TIER_EINVAL;
    }
    rc = index_renew(reader->txn);
    if (rc != TIER_OK) {
        return rc;
    }
    if (account.len == 0) {
        rc = store_range(reader->txn, &low, &high);
    } else if (container.len == 0) {
        rc = account_range(reader->txn, account, &low, &high);
    } else {
        group_key(account, container, 0, &k);
        rc = group_range(reader->txn, view_of(k.buf, k.len - 8), &low, &high);
        if (rc == TIER_OK && name.len > 0) {
            rc = name_highest(reader->txn, account, container, name, &high);
        }
    }
    index_reset(reader->txn);
    if (ret_highest != NULL) {
        *ret_highest = high;
    }
    if (ret_lowest != NULL) {
        *ret_lowest = low;
    }
    return rc;
}

/* ---- figures ---------------------------------------------------------- */

static uint64_t
plain(int64_t n)
{
    return n > 0 ? (uint64_t) n : 0;
}

static void
stats_files(store_t *store, store_stats_t *s)
{
    struct statvfs fs;

    if (list_files(store, "journal", ".journal", NULL, NULL, &s->journal_bytes)
            != TIER_OK
        || list_files(store, "segments", ".segment", NULL, NULL,
                      &s->segment_bytes)
               != TIER_OK)
    {
        s->journal_bytes = 0; /* logged; a figure only */
    }
    if (statvfs(store->path, &fs) == 0) {
        s->free_bytes = (uint64_t) fs.f_bavail * (uint64_t) fs.f_frsize;
    }
    s->index_bytes = index_file_bytes(store->index);
    s->readers = index_readers(store->index);
}

tier_rc_t
store_stats(store_reader_t *reader, view_t account, store_stats_t *ret)
{
    store_t *store = reader->store;
    bool all = account.len == 0;
    counters_t c = { 0 };
    view_t v;
    tier_rc_t rc = index_renew(reader->txn);

    if (rc != TIER_OK) {
        return rc;
    }
    memset(ret, 0, sizeof(*ret));
    ret->last_number = last_number(reader->txn);
    rc = index_get(reader->txn, T_ACCOUNT, all ? view_of("\0", 1) : account,
                   &v);
    if (rc == TIER_OK && v.len == sizeof(c)) {
        memcpy(&c, v.ptr, sizeof(c));
    }
    index_reset(reader->txn);
    if (rc < 0) {
        return rc;
    }
    ret->blobs = plain(c.blobs);
    ret->containers = plain(c.containers);
    ret->queued = plain(c.queued);
    ret->parked = plain(c.parked);
    ret->dirty_bytes = plain(c.dirty_bytes);
    ret->owned_bytes = plain(c.owned_bytes);
    ret->clean_bytes = plain(c.clean_bytes);
    ret->uncommitted_bytes = plain(c.uncommitted_bytes);
    ret->durable = store_durable(store);
    ret->reserved_bytes = shared_reserved(store);
    ret->failed = atomic_load(&store->shared->failed) != 0;
    if (all) {
        stats_files(store, ret);
    }
    return TIER_OK;
}
