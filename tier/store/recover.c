#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/internal.h"

/*
 * Recovery, by whoever opens the store with nobody else in it. The index is
 * believed if it is the inode, of this boot, that its mark names: LMDB runs
 * without syncs, so what it holds survives processes but not the kernel.
 * Anything else: newest good checkpoint, and the journal after it.
 */

index_opts_t
index_options(const store_t *store)
{
    return (index_opts_t){ .tables = T_MAX,
                           .map_bytes = store->opts.map_bytes,
                           .create = true,
                           .log = store->log };
}

/* ---- the mark --------------------------------------------------------- */

static bool
mark_make(const store_t *store, char *buf, size_t cap)
{
    char path[STORE_PATH_MAX];
    struct stat st;

    store_path(store, path, sizeof(path), "index/data.mdb");
    if (stat(path, &st) != 0) {
        return false;
    }
    (void) snprintf(buf, cap, "boot %s dev %llu ino %llu\n", store->boot,
                    (unsigned long long) st.st_dev,
                    (unsigned long long) st.st_ino);
    return true;
}

static bool
mark_holds(const store_t *store)
{
    char path[STORE_PATH_MAX], want[160], have[160];

    store_path(store, path, sizeof(path), "index/mark");
    return store->boot[0] != '\0' && mark_make(store, want, sizeof(want))
        && read_text(path, have, sizeof(have)) == TIER_OK
        && strcmp(want, have) == 0;
}

/* ---- rebuild ---------------------------------------------------------- */

#define COPY_BUF (1u << 20)

static tier_rc_t
copy_checked(int from, int to, const checkpoint_t *cp)
{
    uint8_t *buf = malloc(COPY_BUF);
    uint64_t crc = 0, at = 0;
    tier_rc_t rc = buf == NULL ? TIER_ENOMEM : TIER_OK;

    while (rc == TIER_OK && at < cp->size) {
        size_t n =
            cp->size - at < COPY_BUF ? (size_t) (cp->size - at) : COPY_BUF;

        rc = read_full(from, buf, n, at);
        if (rc == TIER_OK) {
            crc = crc64_nvme(crc, buf, n);
            rc = write_full(to, buf, n, at);
        }
        at += n;
    }
    free(buf);
    if (rc == TIER_OK && crc != cp->data_crc) {
        rc = TIER_NOT_FOUND;
    }
    return rc;
}

/* TIER_NOT_FOUND: this checkpoint is no good. */
static tier_rc_t
checkpoint_copy(store_t *store, const checkpoint_t *cp, const char *folder)
{
    char path[STORE_PATH_MAX], data[STORE_PATH_MAX + 16];
    tier_rc_t rc = TIER_NOT_FOUND;
    int from, to = -1;

    store_path(store, path, sizeof(path), "checkpoint/%016llx.mdb",
               (unsigned long long) cp->number);
    (void) snprintf(data, sizeof(data), "%s/data.mdb", folder);
    from = open(path, O_RDONLY | O_CLOEXEC);
    if (from >= 0) {
        to = open(data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        rc = to < 0 ? errno_rc(errno) : copy_checked(from, to, cp);
        (void) close(from);
    }
    if (to >= 0) {
        (void) close(to);
    }
    if (rc == TIER_NOT_FOUND) {
        tier_log(store->log, TIER_LOG_WARN,
                 "store %s: checkpoint %s is damaged; an older one is tried",
                 store->path, path);
        (void) unlink(data);
    }
    return rc;
}

static tier_rc_t
rebuild_base(store_t *store, const char *folder, bool *ret_found)
{
    checkpoint_t cps[8];
    unsigned n = checkpoint_list(store, cps, 8);

    *ret_found = false;
    for (unsigned i = 0; i < n; i++) {
        tier_rc_t rc = checkpoint_copy(store, &cps[i], folder);
        if (rc == TIER_OK) {
            *ret_found = true;
            return TIER_OK;
        }
        if (rc < 0) {
            return rc;
        }
    }
    return TIER_OK;
}

static tier_rc_t
rebuild_replay(store_t *store, index_t *index, bool based, uint64_t stop_file,
               uint64_t stop_offset, bool cut, state_t *ret)
{
    replay_t rp = { .store = store,
                    .index = index,
                    .commits = true,
                    .cut = cut,
                    .durable = 0,
                    .stop_file = stop_file,
                    .stop_offset = stop_offset };
    tier_rc_t rc = index_begin(index, true, &rp.txn);

    if (rc != TIER_OK) {
        return rc;
    }
    if (based) {
        rc = state_get(rp.txn, &rp.st);
    } else {
        rp.st = (state_t){ .file = 1,
                           .offset = FILE_HEADER_LEN,
                           .next_id = 1,
                           .next_segment = 1 };
        rc = index_put(rp.txn, T_META, VIEW("s"),
                       view_of(&rp.st, sizeof(rp.st)));
    }
    if (rc == TIER_OK) {
        rc = journal_replay(&rp);
    }
    if (rc != TIER_OK) {
        if (rp.txn != NULL) {
            index_abort(rp.txn);
        }
        return rc;
    }
    *ret = rp.st;
    if (cut && rp.records > 0) {
        tier_log(store->log, TIER_LOG_NOTICE,
                 "store %s: %llu records of the journal applied", store->path,
                 (unsigned long long) rp.records);
    }
    return index_commit(rp.txn);
}

tier_rc_t
rebuild(store_t *store, const char *path, uint64_t stop_file,
        uint64_t stop_offset, bool cut, state_t *ret)
{
    index_opts_t opts = index_options(store);
    index_t *index;
    bool based;
    tier_rc_t rc;

    remove_tree(path);
    if (mkdir(path, 0700) != 0) {
        rc = errno_rc(errno);
        store_error(store, "create folder", path);
        return rc;
    }
    rc = rebuild_base(store, path, &based);
    if (rc != TIER_OK) {
        return rc;
    }
    if (cut) {
        fault(FAULT_REBUILD_COPIED);
    }
    rc = index_open(path, &opts, &index);
    if (rc != TIER_OK) {
        return rc;
    }
    rc = rebuild_replay(store, index, based, stop_file, stop_offset, cut, ret);
    index_close(index);
    return rc;
}

/* What a failed sync left in memory only must not be taken for written. */
static void
journal_forget_cache(store_t *store)
{
    char path[STORE_PATH_MAX];
    uint64_t *ids;
    size_t n;

    if (list_files(store, "journal", ".journal", &ids, &n, NULL) != TIER_OK) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        int fd = -1;

        if (store_file_path(store, STORE_JOURNAL, ids[i], path, sizeof(path))
            == TIER_OK)
        {
            fd = open(path, O_RDONLY | O_CLOEXEC);
        }
        if (fd >= 0) {
            (void) posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
            (void) close(fd);
        }
    }
    free(ids);
}

static tier_rc_t
rebuild_index(store_t *store)
{
    char made[STORE_PATH_MAX], path[STORE_PATH_MAX], mark[160];
    int64_t began_ms = store_now_ms(store);
    state_t st;
    tier_rc_t rc;

    tier_log(store->log, TIER_LOG_NOTICE,
             "store %s: rebuilding the index from checkpoint and journal",
             store->path);
    store_path(store, made, sizeof(made), "index.new");
    store_path(store, path, sizeof(path), "index");
    rc = rebuild(store, made, 0, 0, true, &st);
    if (rc != TIER_OK) {
        return rc;
    }
    fault(FAULT_REBUILD_REPLAYED);
    remove_tree(path);
    if (rename(made, path) != 0) {
        store_error(store, "rename", made);
        return TIER_EIO;
    }
    fault(FAULT_REBUILD_RENAMED);
    if (!mark_make(store, mark, sizeof(mark))) {
        return TIER_EIO;
    }
    rc = write_file(store, "index", "mark", mark, strlen(mark));
    tier_log(store->log, TIER_LOG_NOTICE,
             "store %s: index rebuilt up to number %llu in %lld ms",
             store->path, (unsigned long long) st.number,
             (long long) (store_now_ms(store) - began_ms));
    return rc;
}

/* ---- the whole -------------------------------------------------------- */

/* Journal positions and ids for those who come later. */
static tier_rc_t
recover_shared(store_t *store)
{
    shared_t *sh = store->shared;
    uint64_t *ids = NULL, bytes = 0, more = 0, number, next;
    size_t n = 0;
    counters_t all = { 0 };
    view_t v;
    tx_t tx;
    tier_rc_t rc = list_files(store, "segments", ".segment", &ids, &n, &bytes);

    next = n > 0 ? ids[n - 1] + 1 : 1;
    free(ids);
    rc = rc ? rc : list_files(store, "journal", ".journal", NULL, NULL, &more);
    /* journal_next is 0: this looks at the journal's end in any case */
    rc = rc ? rc : tx_begin(store, &tx);
    if (rc != TIER_OK) {
        return rc;
    }
    if (tx_get(&tx, T_ACCOUNT, view_of("\0", 1), &v) && v.len == sizeof(all)) {
        memcpy(&all, v.ptr, sizeof(all));
    }
    atomic_store(&sh->held_bytes,
                 (uint64_t) (all.dirty_bytes + all.uncommitted_bytes));
    atomic_store(&sh->file_bytes, bytes + more);
    atomic_store(&sh->next_segment,
                 tx.st.next_segment > next ? tx.st.next_segment : next);
    atomic_store(&sh->journal_file, tx.st.file);
    atomic_store(&sh->journal_next, tx.st.file);
    rc = tx_finish(&tx, &number);
    if (rc == TIER_OK) {
        atomic_store(&sh->appended, number);
        rc = number > 0 ? store_wait_durable(store, number) : TIER_OK;
    }
    return rc;
}

/* Half-made files of processes that died. */
static void
recover_tidy(store_t *store)
{
    char path[STORE_PATH_MAX];
    uint64_t *ids;
    size_t n;

    if (list_files(store, "segments", ".new", &ids, &n, NULL) == TIER_OK) {
        for (size_t i = 0; i < n; i++) {
            store_path(store, path, sizeof(path), "segments/%016llx.new",
                       (unsigned long long) ids[i]);
            (void) unlink(path);
        }
        free(ids);
    }
    store_path(store, path, sizeof(path), "index.new");
    remove_tree(path);
}

tier_rc_t
recover(store_t *store, bool force)
{
    index_opts_t opts = index_options(store);
    char path[STORE_PATH_MAX];
    bool trusted = !force && mark_holds(store);
    tier_rc_t rc = TIER_ECORRUPT;

    store_path(store, path, sizeof(path), "index");
    recover_tidy(store);
    if (trusted) {
        rc = index_open(path, &opts, &store->index);
    }
    if (rc == TIER_ECORRUPT) {
        if (force) {
            journal_forget_cache(store);
        }
        rc = rebuild_index(store);
        rc = rc ? rc : index_open(path, &opts, &store->index);
    }
    return rc ? rc : recover_shared(store);
}
