#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/internal.h"

/* Checks of the whole store; for fsck and tests. */

#define LOGGED_MAX 100

static void
differs(store_t *store, unsigned table, view_t key, const char *what,
        unsigned *n)
{
    char hex[2 * 40 + 1];
    size_t len = key.len < 40 ? key.len : 40;

    if ((*n)++ >= LOGGED_MAX) {
        return;
    }
    for (size_t i = 0; i < len; i++) {
        (void) snprintf(hex + 2 * i, 3, "%02x", key.ptr[i]);
    }
    hex[2 * len] = '\0';
    tier_log(store->log, TIER_LOG_ERROR, "store %s: table %u key %s%s: %s",
             store->path, table, hex, len < key.len ? "..." : "", what);
}

/* Both in order, like a merge. */
static tier_rc_t
compare_table(store_t *store, index_txn_t *live, index_txn_t *made,
              unsigned table, unsigned *n)
{
    view_t ka = VIEW_NULL, va = VIEW_NULL, kb = VIEW_NULL, vb = VIEW_NULL;
    tier_rc_t a = index_seek(live, table, VIEW_NULL, &ka, &va);
    tier_rc_t b = index_seek(made, table, VIEW_NULL, &kb, &vb);

    while (a == TIER_OK || b == TIER_OK) {
        int order = a != TIER_OK ? 1 : b != TIER_OK ? -1 : view_cmp(ka, kb);

        if (order < 0) {
            differs(store, table, ka, "only in the live index", n);
        } else if (order > 0) {
            differs(store, table, kb, "only in the rebuilt index", n);
        } else if (!view_eq(va, vb)) {
            differs(store, table, ka, "another value", n);
        }
        if (order <= 0) {
            a = index_next(live, table, &ka, &va);
        }
        if (order >= 0) {
            b = index_next(made, table, &kb, &vb);
        }
    }
    return a < 0 ? a : b < 0 ? b : TIER_OK;
}

static tier_rc_t
compare_indexes(store_t *store, index_txn_t *live, const char *path,
                unsigned *n)
{
    index_opts_t opts = index_options(store);
    index_txn_t *txn;
    index_t *index;
    tier_rc_t rc = index_open(path, &opts, &index);

    if (rc != TIER_OK) {
        return rc;
    }
    rc = index_begin(index, false, &txn);
    if (rc == TIER_OK) {
        for (unsigned t = 0; t < T_MAX && rc == TIER_OK; t++) {
            rc = compare_table(store, live, txn, t, n);
        }
        index_abort(txn);
    }
    index_close(index);
    return rc;
}

tier_rc_t
store_verify_index(store_t *store)
{
    char path[STORE_PATH_MAX];
    unsigned n = 0;
    index_txn_t *live = NULL;
    state_t st, made;
    tier_rc_t rc;
    int lock = maintain_lock(store);

    if (lock < 0) {
        return TIER_EBUSY;
    }
    store_path(store, path, sizeof(path), "run/verify");
    rc = index_begin(store->index, false, &live);
    if (rc == TIER_OK) {
        rc = state_get(live, &st);
        rc = rc ? rc : rebuild(store, path, st.file, st.offset, false, &made);
        rc = rc ? rc : compare_indexes(store, live, path, &n);
        index_abort(live);
    }
    remove_tree(path);
    (void) close(lock);
    return rc ? rc : n > 0 ? TIER_ECORRUPT : TIER_OK;
}

/* ---- bodies ----------------------------------------------------------- */

typedef struct check_s {
    store_t *store;
    uint64_t bad;
    uint64_t content;
    tier_rc_t rc;
    uint8_t *buf;
    size_t cap;
} check_t;

static int
check_extent(void *ctx, const store_extent_t *e)
{
    check_t *c = ctx;
    tier_rc_t rc;

    if (e->length > c->cap) {
        uint8_t *grown = realloc(c->buf, (size_t) e->length);

        if (grown == NULL) {
            c->rc = TIER_ENOMEM;
            return 1;
        }
        c->buf = grown;
        c->cap = (size_t) e->length;
    }
    rc = extent_read(c->store, e, c->buf);
    if (rc != TIER_OK && c->bad++ < LOGGED_MAX) {
        tier_log(c->store->log, TIER_LOG_ERROR,
                 "store %s: content %llu: %llu bytes at %llu of %s %016llx: "
                 "%s",
                 c->store->path, (unsigned long long) c->content,
                 (unsigned long long) e->length,
                 (unsigned long long) e->offset,
                 e->kind == STORE_JOURNAL ? "journal" : "segment",
                 (unsigned long long) e->file, tier_rc_name(rc));
    }
    return 0;
}

static tier_rc_t
check_all(index_txn_t *txn, check_t *c)
{
    view_t k, v;
    uint8_t next[9];
    tier_rc_t rc = index_seek(txn, T_CONTENT, VIEW_NULL, &k, &v);

    while (rc == TIER_OK && c->rc == TIER_OK) {
        c->content = be64_get(k.ptr);
        rc = content_walk(txn, c->content, 0, check_extent, c);
        be64_put(next, c->content + 1);
        rc = rc ? rc : index_seek(txn, T_CONTENT, view_of(next, 8), &k, &v);
    }
    if (rc == TIER_NOT_FOUND) {
        rc = index_seek(txn, T_BLOCK, VIEW_NULL, &k, &v);
    }
    while (rc == TIER_OK && c->rc == TIER_OK) {
        store_extent_t e;
        bool ok = true;

        memset(&e, 0, sizeof(e));
        c->content = be64_get(k.ptr);
        if (!extent_next(&v, &e, &ok)) {
            return TIER_ECORRUPT;
        }
        (void) check_extent(c, &e);
        rc = index_next(txn, T_BLOCK, &k, &v);
    }
    return rc == TIER_NOT_FOUND ? c->rc : rc;
}

tier_rc_t
store_verify_bodies(store_t *store, uint64_t *ret_bad)
{
    check_t c = { .store = store };
    index_txn_t *txn;
    tier_rc_t rc;
    int lock = maintain_lock(store);

    if (lock < 0) {
        return TIER_EBUSY;
    }
    rc = index_begin(store->index, false, &txn);
    if (rc == TIER_OK) {
        rc = check_all(txn, &c);
        index_abort(txn);
    }
    free(c.buf);
    (void) close(lock);
    *ret_bad = c.bad;
    return rc;
}
