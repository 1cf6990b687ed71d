#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/internal.h"

/*
 * Checkpoints: a compacted copy of the index, NUMBER.mdb, complete once its
 * manifest NUMBER.ok is there. It names the journal position that it holds,
 * and is published only when that position is durable. Two are kept.
 */
#define KEPT 2

static tier_rc_t
file_crc(int fd, uint64_t size, uint64_t *ret)
{
    uint8_t *buf = malloc(1u << 20);
    uint64_t crc = 0, at = 0;
    tier_rc_t rc = buf == NULL ? TIER_ENOMEM : TIER_OK;

    while (rc == TIER_OK && at < size) {
        size_t n = size - at < (1u << 20) ? (size_t) (size - at) : 1u << 20;

        rc = read_full(fd, buf, n, at);
        crc = rc ? crc : crc64_nvme(crc, buf, n);
        at += n;
    }
    free(buf);
    *ret = crc;
    return rc;
}

static bool
checkpoint_read(store_t *store, uint64_t number, checkpoint_t *ret)
{
    char path[STORE_PATH_MAX];
    tier_rc_t rc;
    int fd;

    store_path(store, path, sizeof(path), "checkpoint/%016llx.ok",
               (unsigned long long) number);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    rc = read_full(fd, ret, sizeof(*ret), 0);
    (void) close(fd);
    return rc == TIER_OK && ret->magic == CHECKPOINT_MAGIC
        && ret->version == FORMAT_VERSION && ret->number == number
        && memcmp(ret->uuid, store->uuid, sizeof(ret->uuid)) == 0
        && ret->crc
               == crc64_nvme(0, ret, __builtin_offsetof(checkpoint_t, crc));
}

unsigned
checkpoint_list(store_t *store, checkpoint_t *ret, unsigned max)
{
    uint64_t *ids;
    unsigned n = 0;
    size_t i;

    if (list_files(store, "checkpoint", ".ok", &ids, &i, NULL) != TIER_OK) {
        return 0;
    }
    while (i-- > 0 && n < max) {
        if (checkpoint_read(store, ids[i], &ret[n])) {
            n++;
        }
    }
    free(ids);
    return n;
}

/* The position that a copy holds: it says so itself. */
static tier_rc_t
checkpoint_state(store_t *store, const char *path, state_t *ret)
{
    index_opts_t opts = { .tables = T_MAX,
                          .map_bytes = store->opts.map_bytes,
                          .snapshot = true,
                          .log = store->log };
    index_txn_t *txn;
    index_t *index;
    tier_rc_t rc = index_open(path, &opts, &index);

    if (rc != TIER_OK) {
        return rc;
    }
    rc = index_begin(index, false, &txn);
    if (rc == TIER_OK) {
        rc = state_get(txn, ret);
        index_abort(txn);
    }
    index_close(index);
    return rc;
}

/* Copies to checkpoint/new.mdb and fills the manifest. */
static tier_rc_t
checkpoint_copy_out(store_t *store, const char *tmp, checkpoint_t *cp)
{
    struct stat fs;
    state_t st;
    tier_rc_t rc;
    int fd = open(tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0) {
        rc = errno_rc(errno);
        store_error(store, "create", tmp);
        return rc;
    }
    rc = index_copy(store->index, fd);
    if (rc == TIER_OK && (fsync(fd) != 0 || fstat(fd, &fs) != 0)) {
        rc = errno_rc(errno);
        store_error(store, "sync", tmp);
    }
    rc = rc ? rc : checkpoint_state(store, tmp, &st);
    if (rc == TIER_OK) {
        memset(cp, 0, sizeof(*cp));
        cp->magic = CHECKPOINT_MAGIC;
        cp->version = FORMAT_VERSION;
        cp->header_len = sizeof(*cp);
        memcpy(cp->uuid, store->uuid, sizeof(cp->uuid));
        cp->number = st.number;
        cp->file = st.file;
        cp->offset = st.offset;
        cp->size = (uint64_t) fs.st_size;
        cp->created_ms = (uint64_t) store_now_ms(store);
        rc = file_crc(fd, cp->size, &cp->data_crc);
        cp->crc = crc64_nvme(0, cp, __builtin_offsetof(checkpoint_t, crc));
    }
    (void) close(fd);
    return rc;
}

/* All but the newest complete ones, and data without a manifest. */
static void
checkpoint_tidy(store_t *store)
{
    checkpoint_t keep[KEPT];
    char path[STORE_PATH_MAX];
    unsigned kept = checkpoint_list(store, keep, KEPT);
    static const char *const suffixes[] = { ".ok", ".mdb" };

    for (unsigned s = 0; s < 2; s++) {
        uint64_t *ids;
        size_t n;

        if (list_files(store, "checkpoint", suffixes[s], &ids, &n, NULL)
            != TIER_OK) {
            return;
        }
        for (size_t i = 0; i < n; i++) {
            bool used = false;

            for (unsigned k = 0; k < kept; k++) {
                used = used || keep[k].number == ids[i];
            }
            if (!used) {
                store_path(store, path, sizeof(path), "checkpoint/%016llx%s",
                           (unsigned long long) ids[i], suffixes[s]);
                (void) unlink(path);
            }
        }
        free(ids);
    }
}

tier_rc_t
checkpoint_make(store_t *store)
{
    char tmp[STORE_PATH_MAX], path[STORE_PATH_MAX], name[32];
    checkpoint_t cp, last;
    tier_rc_t rc;

    store_path(store, tmp, sizeof(tmp), "checkpoint/new.mdb");
    rc = checkpoint_copy_out(store, tmp, &cp);
    if (rc != TIER_OK) {
        (void) unlink(tmp);
        return rc;
    }
    fault(FAULT_CHECKPOINT_COPIED);
    if (checkpoint_list(store, &last, 1) == 1 && last.number == cp.number) {
        (void) unlink(tmp);
        return TIER_OK;
    }
    rc = store_wait_durable(store, cp.number);
    if (rc != TIER_OK) {
        return rc;
    }
    store_path(store, path, sizeof(path), "checkpoint/%016llx.mdb",
               (unsigned long long) cp.number);
    if (rename(tmp, path) != 0) {
        rc = errno_rc(errno);
        store_error(store, "rename", tmp);
        return rc;
    }
    fault(FAULT_CHECKPOINT_NAMED);
    (void) snprintf(name, sizeof(name), "%016llx.ok",
                    (unsigned long long) cp.number);
    rc = write_file(store, "checkpoint", name, &cp, sizeof(cp));
    if (rc == TIER_OK) {
        fault(FAULT_CHECKPOINT_DONE);
        checkpoint_tidy(store);
        tier_log(store->log, TIER_LOG_INFO, "store %s: checkpoint %llu",
                 store->path, (unsigned long long) cp.number);
    }
    return rc;
}
