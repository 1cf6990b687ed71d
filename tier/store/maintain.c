#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/internal.h"

/*
 * Upkeep, in slices. What is removed here is removed inside a transaction that
 * has caught up with the journal and whose state is durable: neither a commit
 * that somebody appended and did not live to apply, nor one that a power cut
 * takes back, can refer to it afterwards.
 */
#define PURGE_SLICE   500
#define MOVE_MAX      4096
#define MOVE_BYTES    (32u << 20)
#define SETS_EVERY_MS (10 * 60 * 1000)
#define COMPACT_SHARE 4 /* a segment with less than 1/4 alive moves out */
#define COMPACT_MIN   (1u << 20)

int
maintain_lock(store_t *store)
{
    char path[STORE_PATH_MAX];
    int fd;

    store_path(store, path, sizeof(path), "run/maintain");
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        (void) close(fd);
        fd = -1;
    }
    return fd;
}

tier_rc_t
extent_read(store_t *store, const store_extent_t *e, uint8_t *buf)
{
    char path[STORE_PATH_MAX];
    tier_rc_t rc;
    int fd;

    rc = store_file_path(store, e->kind, e->file, path, sizeof(path));
    if (rc != TIER_OK) {
        return rc;
    }
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno_rc(errno);
    }
    rc = read_full(fd, buf, (size_t) e->length, e->offset);
    (void) close(fd);
    if (rc == TIER_NOT_FOUND
        || (rc == TIER_OK
            && crc64_nvme(0, buf, (size_t) e->length) != e->crc64))
    {
        rc = TIER_ECORRUPT;
    }
    return rc;
}

static view_t
file_prefix(index_key_t *k, store_file_kind_t kind, uint64_t file)
{
    segref_key(k, kind, file, 0);
    return view_of(k->buf, 9);
}

/* ---- purge ------------------------------------------------------------ */

static void
purge_fn(tx_t *tx, void *ctx)
{
    bool *any = ctx;
    uint64_t incarnation;
    view_t k, v;
    tier_rc_t rc = index_seek(tx->txn, T_PURGE, VIEW_NULL, &k, &v);

    if (rc == TIER_OK) {
        incarnation = be64_get(k.ptr);
        v = tx_dup(tx, v);
        (void) tx_number(tx);
        *any = true;
        (void) purge_slice(tx, incarnation, v, PURGE_SLICE);
    } else if (rc < 0) {
        tx_fail(tx, rc);
    }
}

/* Sets whose last block is too old: their names, a few at a time. */
typedef struct old_sets_s {
    int64_t before_ms;
    uint64_t set[64];
    unsigned n;
} old_sets_t;

static tier_rc_t
old_sets_find(index_txn_t *txn, old_sets_t *o)
{
    view_t k, v;
    tier_rc_t rc = index_seek(txn, T_BLOCKSET, VIEW_NULL, &k, &v);

    while (rc == TIER_OK && o->n < 64) {
        block_set_t s;

        if (k.len == 8) {
            rc = block_set_decode(v, &s);
            if (rc == TIER_OK && s.last_put_ms < o->before_ms) {
                o->set[o->n++] = be64_get(k.ptr);
            }
        }
        rc = rc ? rc : index_next(txn, T_BLOCKSET, &k, &v);
    }
    return rc == TIER_NOT_FOUND ? TIER_OK : rc;
}

static void
old_sets_fn(tx_t *tx, void *ctx)
{
    old_sets_t *o = ctx;

    for (unsigned i = 0; i < o->n && tx->rc == TIER_OK; i++) {
        blob_rec_t cur, rec;
        block_owner_t owner;
        uint8_t key[9];
        view_t v;

        be64_put(key, o->set[i]);
        key[8] = 'n';
        if (!tx_get(tx, T_BLOCKSET, view_of(key, 9), &v)
            || block_owner_decode(v, &owner) != TIER_OK
            || !blob_load(tx, owner.incarnation, owner.name, &cur)
            || cur.block_set != o->set[i])
        {
            continue; /* gone meanwhile */
        }
        (void) tx_number(tx);
        rec = cur;
        blocks_drop(tx, owner.account, &rec);
        blob_store(tx, owner.account, owner.incarnation, owner.name, &cur,
                   &rec);
    }
}

static tier_rc_t
maintain_sets(store_t *store, bool now, bool *more)
{
    int64_t now_ms = store_now_ms(store);
    old_sets_t o = { .n = 0 };
    index_txn_t *txn;
    tier_rc_t rc;

    if (!now && now_ms - store->sets_checked_ms < SETS_EVERY_MS) {
        return TIER_OK;
    }
    o.before_ms = now_ms - (int64_t) store->opts.uncommitted_max_age_s * 1000;
    rc = index_begin(store->index, false, &txn);
    if (rc != TIER_OK) {
        return rc;
    }
    rc = old_sets_find(txn, &o);
    index_abort(txn);
    if (rc != TIER_OK || o.n == 0) {
        store->sets_checked_ms = now_ms;
        return rc;
    }
    *more = true;
    return commit_internal(store, old_sets_fn, &o);
}

/* ---- moves ------------------------------------------------------------ */

typedef struct collect_s {
    store_file_kind_t kind;
    uint64_t file;
    uint64_t owner;
    uint64_t bytes;
    size_t n;
    store_extent_t *e;
    move_t *m;
} collect_t;

static int
collect_one(void *ctx, const store_extent_t *e)
{
    collect_t *c = ctx;

    if (e->kind != c->kind || e->file != c->file) {
        return 0;
    }
    if (c->n == MOVE_MAX || (c->n > 0 && c->bytes + e->length > MOVE_BYTES)) {
        return 1;
    }
    c->m[c->n] = (move_t){ c->owner, e->offset, e->length, c->bytes };
    c->e[c->n++] = *e;
    c->bytes += e->length;
    return 0;
}

static tier_rc_t
collect_owner(index_txn_t *txn, collect_t *c)
{
    uint8_t buf[8];
    view_t set = id_key(buf, c->owner), k, v;
    store_extent_t e;
    bool ok = true;
    tier_rc_t rc = content_walk(txn, c->owner, 0, collect_one, c);

    if (rc != TIER_NOT_FOUND) {
        return rc;
    }
    memset(&e, 0, sizeof(e));
    rc = index_seek(txn, T_BLOCK, set, &k, &v);
    while (rc == TIER_OK && view_starts_with(k, set)) {
        if (!extent_next(&v, &e, &ok)) {
            return TIER_ECORRUPT;
        }
        if (collect_one(c, &e) != 0) {
            return TIER_OK;
        }
        rc = index_next(txn, T_BLOCK, &k, &v);
    }
    return rc == TIER_NOT_FOUND ? TIER_OK : rc;
}

static tier_rc_t
collect(store_t *store, collect_t *c)
{
    index_txn_t *txn;
    index_key_t key;
    view_t prefix = file_prefix(&key, c->kind, c->file), k, v;
    tier_rc_t rc = index_begin(store->index, false, &txn);

    if (rc != TIER_OK) {
        return rc;
    }
    rc = index_seek(txn, T_SEGREF, prefix, &k, &v);
    while (rc == TIER_OK && view_starts_with(k, prefix) && c->n < MOVE_MAX
           && c->bytes < MOVE_BYTES)
    {
        c->owner = be64_get(k.ptr + 9);
        rc = collect_owner(txn, c);
        rc = rc ? rc : index_next(txn, T_SEGREF, &k, &v);
    }
    index_abort(txn);
    return rc == TIER_NOT_FOUND ? TIER_OK : rc;
}

static int
by_owner(const void *a, const void *b)
{
    const move_t *x = a, *y = b;

    if (x->owner != y->owner) {
        return x->owner < y->owner ? -1 : 1;
    }
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

typedef struct moving_s {
    collect_t *c;
    uint64_t to;
    uint64_t base; /* of the body in its file */
} moving_t;

static void
moving_fn(tx_t *tx, void *ctx)
{
    moving_t *mv = ctx;
    collect_t *c = mv->c;

    (void) tx_number(tx);
    for (size_t i = 0, j; i < c->n && tx->rc == TIER_OK; i = j) {
        for (j = i; j < c->n && c->m[j].owner == c->m[i].owner; j++) {
            c->m[j].new_offset += mv->base;
        }
        content_moved(tx, c->kind, c->file, c->m + i, j - i, mv->to);
        tx_end_change(tx);
    }
}

/* Bytes into one body, then one commit. */
static tier_rc_t
move_out(store_t *store, collect_t *c)
{
    store_digest_t digest;
    store_extent_t at;
    store_body_t *body = NULL;
    uint8_t *buf = malloc(MOVE_BYTES);
    moving_t mv = { .c = c };
    tier_rc_t rc = buf == NULL ? TIER_ENOMEM : TIER_OK;

    rc = rc ? rc : body_open_raw(store, c->bytes, &body);
    for (size_t i = 0; i < c->n && rc == TIER_OK; i++) {
        uint8_t *big = c->e[i].length > MOVE_BYTES
                         ? malloc((size_t) c->e[i].length)
                         : buf;

        rc = big == NULL ? TIER_ENOMEM : extent_read(store, &c->e[i], big);
        if (rc == TIER_OK) {
            rc = store_body_write(body, big, (size_t) c->e[i].length);
        }
        if (big != buf) {
            free(big);
        }
    }
    free(buf);
    rc = rc ? rc : store_body_finish(body, &digest);
    rc = rc ? rc : bodies_sync(store, &body, 1);
    if (rc == TIER_OK) {
        body_extent(body, &at);
        mv.to = at.file;
        mv.base = at.offset;
        qsort(c->m, c->n, sizeof(*c->m), by_owner);
        rc = commit_internal(store, moving_fn, &mv);
        fault(FAULT_MOVED);
    }
    store_body_abort(body);
    return rc;
}

static tier_rc_t
move_slice(store_t *store, store_file_kind_t kind, uint64_t file, bool *more)
{
    collect_t c = { .kind = kind, .file = file };
    tier_rc_t rc;

    c.e = calloc(MOVE_MAX, sizeof(*c.e));
    c.m = calloc(MOVE_MAX, sizeof(*c.m));
    rc = c.e == NULL || c.m == NULL ? TIER_ENOMEM : collect(store, &c);
    if (rc == TIER_OK && c.n > 0) {
        rc = move_out(store, &c);
        if (rc == TIER_OK) {
            *more = true;
        } else {
            tier_log(store->log, TIER_LOG_ERROR,
                     "store %s: %s %016llx: its bytes cannot be moved (%s); "
                     "the file stays. See blob-tier fsck",
                     store->path,
                     kind == STORE_JOURNAL ? "journal" : "segment",
                     (unsigned long long) file, tier_rc_name(rc));
            rc = rc == TIER_ECORRUPT || rc == TIER_NOT_FOUND ? TIER_OK : rc;
        }
    }
    free(c.e);
    free(c.m);
    return rc;
}

/* ---- files that hold nothing ------------------------------------------ */

/* Live bytes of a file. */
static tier_rc_t
file_live(index_txn_t *txn, store_file_kind_t kind, uint64_t file,
          uint64_t *ret)
{
    index_key_t key;
    view_t prefix = file_prefix(&key, kind, file), k, v;
    tier_rc_t rc = index_seek(txn, T_SEGREF, prefix, &k, &v);

    *ret = 0;
    while (rc == TIER_OK && view_starts_with(k, prefix)) {
        *ret += le64_get(v.ptr);
        rc = index_next(txn, T_SEGREF, &k, &v);
    }
    return rc == TIER_NOT_FOUND ? TIER_OK : rc;
}

static tier_rc_t
file_live_now(store_t *store, store_file_kind_t kind, uint64_t file,
              uint64_t *ret)
{
    index_txn_t *txn;
    tier_rc_t rc = index_begin(store->index, false, &txn);

    if (rc == TIER_OK) {
        rc = file_live(txn, kind, file, ret);
        index_abort(txn);
    }
    return rc;
}

static bool
file_unlink(store_t *store, store_file_kind_t kind, uint64_t file)
{
    char path[STORE_PATH_MAX];

    if (kind == STORE_SEGMENT) {
        return segment_remove(store, file);
    }
    if (store_file_path(store, kind, file, path, sizeof(path)) != TIER_OK
        || unlink(path) != 0)
    {
        return false;
    }
    fault(FAULT_JOURNAL_GONE);
    return true;
}

static tier_rc_t
remove_dead(store_t *store, store_file_kind_t kind, uint64_t file)
{
    uint64_t live, number;
    tx_t tx;
    tier_rc_t rc = tx_begin(store, &tx);

    if (rc != TIER_OK) {
        return rc;
    }
    rc = file_live(tx.txn, kind, file, &live);
    if (rc != TIER_OK) {
        tx_fail(&tx, rc);
    } else if (live == 0 && tx.st.number <= store_durable(store)) {
        (void) file_unlink(store, kind, file);
    }
    return tx_finish(&tx, &number);
}

static tier_rc_t
maintain_journal(store_t *store, bool *more)
{
    checkpoint_t cp[2];
    uint64_t *ids, keep, live = 0;
    size_t n;
    tier_rc_t rc;

    if (checkpoint_list(store, cp, 2) < 2) {
        return TIER_OK;
    }
    keep = cp[0].file < cp[1].file ? cp[0].file : cp[1].file;
    rc = list_files(store, "journal", ".journal", &ids, &n, NULL);
    if (rc != TIER_OK) {
        return rc;
    }
    for (size_t i = 0; i < n && rc == TIER_OK && ids[i] < keep; i++) {
        rc = file_live_now(store, STORE_JOURNAL, ids[i], &live);
        if (rc == TIER_OK && live > 0) {
            rc = move_slice(store, STORE_JOURNAL, ids[i], more);
            break;
        }
        rc = rc ? rc : remove_dead(store, STORE_JOURNAL, ids[i]);
    }
    free(ids);
    return rc;
}

static tier_rc_t
maintain_segments(store_t *store, bool *more)
{
    uint64_t *ids, size, live;
    size_t n;
    tier_rc_t rc = list_files(store, "segments", ".segment", &ids, &n, NULL);

    if (rc != TIER_OK) {
        return rc;
    }
    for (size_t i = 0; i < n && rc == TIER_OK; i++) {
        if (!segment_idle(store, ids[i], &size)) {
            continue;
        }
        rc = file_live_now(store, STORE_SEGMENT, ids[i], &live);
        if (rc == TIER_OK && live == 0) {
            rc = remove_dead(store, STORE_SEGMENT, ids[i]);
        } else if (rc == TIER_OK && size >= COMPACT_MIN
                   && live < size / COMPACT_SHARE) {
            rc = move_slice(store, STORE_SEGMENT, ids[i], more);
            break;
        }
    }
    free(ids);
    return rc;
}

/* ---- the whole -------------------------------------------------------- */

static tier_rc_t
maintain_checkpoint(store_t *store, bool now)
{
    uint64_t per_file = store->opts.journal_file_bytes, since;
    checkpoint_t cp = { .file = 1, .offset = FILE_HEADER_LEN };
    index_txn_t *txn;
    state_t st;
    tier_rc_t rc = index_begin(store->index, false, &txn);

    if (rc != TIER_OK) {
        return rc;
    }
    rc = state_get(txn, &st);
    index_abort(txn);
    if (rc != TIER_OK) {
        return rc;
    }
    (void) checkpoint_list(store, &cp, 1);
    since = (st.file - cp.file) * per_file + st.offset - cp.offset;
    return now || since >= store->opts.checkpoint_bytes
             ? checkpoint_make(store)
             : TIER_OK;
}

static tier_rc_t
maintain_purge(store_t *store, bool *more)
{
    index_txn_t *txn;
    bool any = false;
    uint64_t n = 0;
    tier_rc_t rc = index_begin(store->index, false, &txn);

    if (rc != TIER_OK) {
        return rc;
    }
    rc = index_count(txn, T_PURGE, &n);
    index_abort(txn);
    if (rc != TIER_OK || n == 0) {
        return rc;
    }
    rc = commit_internal(store, purge_fn, &any);
    *more = *more || any;
    return rc;
}

static void
count_files(store_t *store)
{
    uint64_t a = 0, b = 0;

    if (list_files(store, "journal", ".journal", NULL, NULL, &a) == TIER_OK
        && list_files(store, "segments", ".segment", NULL, NULL, &b)
               == TIER_OK)
    {
        atomic_store(&store->shared->file_bytes, a + b);
    }
}

tier_rc_t
store_maintain(store_t *store, unsigned flags)
{
    bool all = (flags & STORE_MAINTAIN_ALL) != 0, more;
    tier_rc_t rc;
    int lock;

    if (store->opts.read_only) {
        return TIER_EINVAL;
    }
    lock = maintain_lock(store);
    if (lock < 0) {
        return TIER_EBUSY;
    }
    index_check_readers(store->index);
    index_check_readers(store->facts);
    rc = maintain_checkpoint(store, flags & STORE_MAINTAIN_CHECKPOINT);
    do {
        more = false;
        rc = rc ? rc : maintain_purge(store, &more);
        rc = rc ? rc : maintain_sets(store, all, &more);
        rc = rc ? rc : maintain_journal(store, &more);
        rc = rc ? rc : maintain_segments(store, &more);
    } while (rc == TIER_OK && more && all);
    count_files(store);
    (void) close(lock);
    return rc ? rc : more ? TIER_AGAIN : TIER_OK;
}
