#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

/*
 * One batch: a write transaction of the index and, beside it, the journal
 * record that says the same. Whoever gets the lock first brings the index up
 * to the journal's end, since a process may have died between append and
 * apply.
 *
 *     tx_begin   lock, catch up, next file if this one is full
 *     tx_put...  into the index's transaction and into the record
 *     tx_finish  counters and state, append, publish, index commit
 */
#define ARENA_CHUNK (64u * 1024)
#define ROOM_KEPT   (256u << 20)

typedef struct arena_s {
    struct arena_s *next;
    size_t used;
    size_t cap;
    uint8_t data[];
} arena_t;

tier_rc_t
state_get(index_txn_t *txn, state_t *ret)
{
    view_t v;
    tier_rc_t rc = index_get(txn, T_META, VIEW("s"), &v);

    if (rc != TIER_OK) {
        return rc == TIER_NOT_FOUND ? TIER_ECORRUPT : rc;
    }
    if (v.len != sizeof(*ret)) {
        return TIER_ECORRUPT;
    }
    memcpy(ret, v.ptr, sizeof(*ret));
    return TIER_OK;
}

static tier_rc_t
tx_catch_up(tx_t *tx)
{
    store_t *store = tx->store;
    shared_t *sh = store->shared;
    uint64_t size;
    tier_rc_t rc = journal_use(store, &tx->st);

    if (rc == TIER_OK) {
        rc = journal_size(store, &size);
    }
    if (rc != TIER_OK) {
        return rc;
    }
    if (size == tx->st.offset && atomic_load(&sh->journal_next) == tx->st.file)
    {
        return TIER_OK;
    }

    replay_t rp = {
        .store = store,
        .index = store->index,
        .txn = tx->txn,
        .cut = true,
        .durable = atomic_load(&sh->durable),
        .st = tx->st,
    };
    rc = journal_replay(&rp);
    if (rc != TIER_OK) {
        if (rc == TIER_ECORRUPT) {
            shared_fail(store);
        }
        return rc;
    }
    tx->replayed = rp.records > 0;
    tx->next_made = rp.next_made;
    tx->st = rp.st;
    if (tx->replayed) {
        atomic_store(&sh->journal_file, tx->st.file);
        atomic_store(&sh->appended, tx->st.number);
    }
    return journal_use(store, &tx->st);
}

static void
tx_free(tx_t *tx)
{
    tx_end_change(tx);
    free(tx->arena);
    tx->arena = NULL;
    writer_free(&tx->rec);
    writer_free(&tx->val);
}

void
tx_abort(tx_t *tx)
{
    if (tx->txn != NULL) {
        index_abort(tx->txn);
        tx->txn = NULL;
    }
    tx_free(tx);
}

/* LMDB finds out in its commit that its map is full, when the journal has the
 * record already. So the last part of the map is for what makes room. */
static uint64_t
room_kept(const store_t *store)
{
    uint64_t kept = store->opts.map_bytes / 8;

    return kept < ROOM_KEPT ? kept : ROOM_KEPT;
}

tier_rc_t
tx_begin(store_t *store, tx_t *tx)
{
    tier_rc_t rc;

    memset(tx, 0, sizeof(*tx));
    tx->store = store;
    writer_init_grow(&tx->rec, RECORD_MAX - 4096, NULL, NULL);
    writer_init_grow(&tx->val, 16u << 20, NULL, NULL);
    if (writer_reserve(&tx->rec, RECORD_HEAD_LEN) == NULL) {
        tx_free(tx);
        return TIER_ENOMEM;
    }

    rc = index_begin(store->index, true, &tx->txn);
    if (rc != TIER_OK) {
        goto fail;
    }
    fault(FAULT_LOCKED);
    rc = atomic_load(&store->shared->failed) ? TIER_EIO : TIER_OK;
    rc = rc ? rc : state_get(tx->txn, &tx->st);
    rc = rc ? rc : tx_catch_up(tx);
    /* the next file's header says how long this one is, so whoever comes after
     * a rotation that died ends it, whatever its own limit says */
    if (rc == TIER_OK
        && (tx->next_made || tx->st.offset >= store->opts.journal_file_bytes))
    {
        rc = journal_rotate(store, &tx->st);
    }
    if (rc != TIER_OK) {
        goto fail;
    }
    tx->tight = index_room(store->index) < room_kept(store);
    tx->first = tx->st.number + 1;
    tx->now_ms = store_now_ms(store);
    return TIER_OK;

fail:
    tx_abort(tx);
    return rc;
}

void
tx_fail(tx_t *tx, tier_rc_t rc)
{
    if (tx->rc == TIER_OK) {
        tx->rc = rc;
    }
}

static void
tx_op(tx_t *tx, unsigned op, unsigned table, view_t key, view_t val)
{
    uint8_t *p = writer_reserve(&tx->rec, OP_HEAD_LEN + key.len + val.len);

    if (p == NULL) {
        tx_fail(tx, tx->rec.rc);
        return;
    }
    p[0] = (uint8_t) op;
    p[1] = (uint8_t) table;
    le16_put(p + 2, (uint16_t) key.len);
    le32_put(p + 4, (uint32_t) val.len);
    if (key.len > 0) {
        memcpy(p + OP_HEAD_LEN, key.ptr, key.len);
    }
    if (val.len > 0) {
        memcpy(p + OP_HEAD_LEN + key.len, val.ptr, val.len);
    }
}

void
tx_put(tx_t *tx, table_t table, view_t key, view_t val)
{
    if (tx->rc == TIER_OK) {
        tx_fail(tx, index_put(tx->txn, table, key, val));
        tx_op(tx, OP_PUT, table, key, val);
    }
}

void
tx_del(tx_t *tx, table_t table, view_t key)
{
    tier_rc_t rc;

    if (tx->rc != TIER_OK) {
        return;
    }
    rc = index_del(tx->txn, table, key);
    if (rc == TIER_OK) {
        tx_op(tx, OP_DEL, table, key, VIEW_NULL);
    } else if (rc < 0) {
        tx_fail(tx, rc);
    }
}

void
tx_del_prefix(tx_t *tx, table_t table, view_t prefix)
{
    if (tx->rc == TIER_OK) {
        tx_fail(tx, index_del_prefix(tx->txn, table, prefix));
        tx_op(tx, OP_DEL_PREFIX, table, prefix, VIEW_NULL);
    }
}

void
tx_body(tx_t *tx, view_t bytes, uint64_t *ret_file, uint64_t *ret_offset)
{
    *ret_file = tx->st.file;
    *ret_offset = tx->st.offset + tx->rec.len + OP_HEAD_LEN;
    if (tx->rc == TIER_OK) {
        tx_op(tx, OP_BODY, 0, VIEW_NULL, bytes);
    }
}

bool
tx_get(tx_t *tx, table_t table, view_t key, view_t *ret)
{
    view_t v;
    tier_rc_t rc;

    if (tx->rc != TIER_OK) {
        return false;
    }
    rc = index_get(tx->txn, table, key, &v);
    if (rc < 0) {
        tx_fail(tx, rc);
    }
    if (rc != TIER_OK) {
        return false;
    }
    *ret = tx_dup(tx, v);
    return ret->ptr != NULL;
}

void *
tx_alloc(tx_t *tx, size_t len)
{
    arena_t *a = tx->arena;
    void *p;

    len = (len + 15) & ~(size_t) 15;
    if (a == NULL || a->cap - a->used < len) {
        size_t cap = len > ARENA_CHUNK ? len : ARENA_CHUNK;
        arena_t *made = malloc(sizeof(*made) + cap);

        if (made == NULL) {
            tx_fail(tx, TIER_ENOMEM);
            return NULL;
        }
        made->next = a;
        made->used = 0;
        made->cap = cap;
        tx->arena = a = made;
    }
    p = a->data + a->used;
    a->used += len;
    return p;
}

view_t
tx_dup(tx_t *tx, view_t v)
{
    void *p = tx_alloc(tx, v.len + 1);

    if (p == NULL) {
        return VIEW_NULL;
    }
    if (v.len > 0) {
        memcpy(p, v.ptr, v.len);
    }
    return view_of(p, v.len);
}

void
tx_end_change(tx_t *tx)
{
    while (tx->arena != NULL && tx->arena->next != NULL) {
        arena_t *a = tx->arena;
        tx->arena = a->next;
        free(a);
    }
    if (tx->arena != NULL) {
        tx->arena->used = 0;
    }
}

uint64_t
tx_id(tx_t *tx)
{
    return tx->st.next_id++;
}

uint64_t
tx_number(tx_t *tx)
{
    return ++tx->st.number;
}

/* 100 ns since the year 1, as Azure's look: never behind the last one. */
uint64_t
tx_etag(tx_t *tx)
{
    uint64_t ticks =
        (uint64_t) store_now_us(tx->store) * 10 + 621355968000000000ull;

    tx->st.etag = ticks > tx->st.etag ? ticks : tx->st.etag + 1;
    return tx->st.etag;
}

int64_t
tx_last_modified(tx_t *tx)
{
    int64_t now_s = tx->now_ms / 1000;

    if (now_s > tx->st.last_modified_s) {
        tx->st.last_modified_s = now_s;
    }
    return tx->st.last_modified_s;
}

writer_t *
tx_value(tx_t *tx)
{
    writer_reset(&tx->val);
    return &tx->val;
}

void
tx_put_value(tx_t *tx, table_t table, view_t key)
{
    if (!writer_ok(&tx->val)) {
        tx_fail(tx, tx->val.rc);
        return;
    }
    tx_put(tx, table, key, writer_view(&tx->val));
}

/* ---- counters --------------------------------------------------------- */

static void
counters_add(counters_t *to, const counters_t *d)
{
    to->blobs += d->blobs;
    to->containers += d->containers;
    to->queued += d->queued;
    to->parked += d->parked;
    to->dirty_bytes += d->dirty_bytes;
    to->owned_bytes += d->owned_bytes;
    to->clean_bytes += d->clean_bytes;
    to->uncommitted_bytes += d->uncommitted_bytes;
}

static void
counters_flush_one(tx_t *tx, view_t key, const counters_t *delta,
                   counters_t *ret)
{
    counters_t c = { 0 };
    view_t v;

    if (tx_get(tx, T_ACCOUNT, key, &v) && v.len == sizeof(c)) {
        memcpy(&c, v.ptr, sizeof(c));
    }
    counters_add(&c, delta);
    tx_put(tx, T_ACCOUNT, key, view_of(&c, sizeof(c)));
    *ret = c;
}

static const view_t all_accounts = { (const uint8_t *) "\0", 1 };

static void
counters_flush(tx_t *tx)
{
    static const counters_t zero;
    counters_t sum = { 0 }, now;

    for (unsigned i = 0; i < tx->naccounts; i++) {
        if (memcmp(&tx->accounts[i].delta, &zero, sizeof(zero)) != 0) {
            counters_add(&sum, &tx->accounts[i].delta);
            counters_flush_one(
                tx, view_of(tx->accounts[i].name, tx->accounts[i].len),
                &tx->accounts[i].delta, &now);
        }
    }
    tx->naccounts = 0;
    if (memcmp(&sum, &zero, sizeof(zero)) != 0) {
        counters_flush_one(tx, all_accounts, &sum, &now);
        atomic_store(&tx->store->shared->held_bytes,
                     (uint64_t) (now.dirty_bytes + now.uncommitted_bytes));
    }
}

counters_t *
tx_counters(tx_t *tx, view_t account)
{
    unsigned i;

    for (i = 0; i < tx->naccounts; i++) {
        if (tx->accounts[i].len == account.len
            && memcmp(tx->accounts[i].name, account.ptr, account.len) == 0)
        {
            return &tx->accounts[i].delta;
        }
    }
    if (tx->naccounts == TX_ACCOUNTS) {
        counters_flush(tx);
        i = 0;
    }
    tx->naccounts++;
    memset(&tx->accounts[i], 0, sizeof(tx->accounts[i]));
    if (account.len > 0 && account.len <= STORE_LABEL_MAX) {
        memcpy(tx->accounts[i].name, account.ptr, account.len);
        tx->accounts[i].len = account.len;
    }
    return &tx->accounts[i].delta;
}

/* ---- the end ---------------------------------------------------------- */

#define STATE_OP_LEN (OP_HEAD_LEN + 1 + sizeof(state_t))

static void
tx_seal(tx_t *tx)
{
    shared_t *sh = tx->store->shared;
    state_t st = tx->st;
    record_head_t head = { 0 };
    size_t len = (tx->rec.len + STATE_OP_LEN + 7) & ~(size_t) 7;
    uint8_t *pad;

    st.offset += len;
    st.next_segment = atomic_load(&sh->next_segment);
    tx_put(tx, T_META, VIEW("s"), view_of(&st, sizeof(st)));
    pad = writer_reserve(&tx->rec, len - tx->rec.len);
    if (tx->rc != TIER_OK || pad == NULL) {
        tx_fail(tx, tx->rec.rc);
        return;
    }
    memset(pad, 0, (size_t) (tx->rec.buf + tx->rec.len - pad));

    head.len = tx->rec.len;
    head.first = tx->first;
    head.last = tx->st.number;
    head.durable = atomic_load(&sh->durable);
    memcpy(tx->rec.buf, &head, sizeof(head));
    head.crc =
        crc64_nvme(tx->store->journal_salt, tx->rec.buf + 8, tx->rec.len - 8);
    memcpy(tx->rec.buf, &head, sizeof(head));
}

tier_rc_t
tx_finish(tx_t *tx, uint64_t *ret_number)
{
    shared_t *sh = tx->store->shared;
    bool changed = tx->rec.len > RECORD_HEAD_LEN;
    tier_rc_t rc;

    if (tx->rc == TIER_OK && changed) {
        counters_flush(tx);
        tx_seal(tx);
    }
    rc = tx->rc;
    *ret_number = changed ? tx->st.number : tx->first - 1;
    if (rc != TIER_OK || (!changed && !tx->replayed)) {
        tx_abort(tx);
        return rc;
    }
    fault(FAULT_APPLIED);
    if (changed) {
        rc = journal_append(tx->store, tx->st.offset, writer_view(&tx->rec));
        if (rc != TIER_OK) {
            tx_abort(tx);
            return rc;
        }
        tx->appended = true;
        atomic_store(&sh->appended, tx->st.number);
        (void) atomic_fetch_add(&sh->file_bytes, tx->rec.len);
    }
    fault(FAULT_PUBLISHED);
    rc = index_commit(tx->txn);
    tx->txn = NULL;
    tx_free(tx);
    fault(FAULT_INDEXED);
    if (rc != TIER_OK) {
        /* the journal has it: whoever comes next applies it */
        tier_log(tx->store->log, TIER_LOG_ERROR,
                 "store %s: the index cannot be written (%s); commit %llu is "
                 "in the journal and will be applied when it can",
                 tx->store->path, tier_rc_name(rc),
                 (unsigned long long) *ret_number);
    }
    return rc;
}
