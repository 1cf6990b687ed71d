#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/internal.h"

/*
 * The journal: files ID.journal, ascending without a gap. A file is left for
 * the next one only when all of it is synced; the next one's header says how
 * long it is. So damage that is not in the last file is never a torn tail.
 */
#define REPLAY_BUF    (1u << 20)
#define REPLAY_COMMIT (32u << 20)

static int
journal_open_file(store_t *store, uint64_t id, int flags)
{
    char path[STORE_PATH_MAX];

    if (store_file_path(store, STORE_JOURNAL, id, path, sizeof(path))
        != TIER_OK) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(path, flags | O_CLOEXEC, 0600);
}

static tier_rc_t
journal_header(store_t *store, int fd, uint64_t id, file_header_t *ret)
{
    tier_rc_t rc = read_full(fd, ret, sizeof(*ret), 0);

    if (rc == TIER_OK && !header_ok(store, ret, JOURNAL_MAGIC, id)) {
        rc = TIER_NOT_FOUND;
    }
    return rc;
}

static tier_rc_t
journal_lost(store_t *store, uint64_t id, uint64_t offset, const char *what)
{
    tier_log(store->log, TIER_LOG_ERROR,
             "store %s: journal file %016llx is damaged at %llu: %s. Writes "
             "are refused; keep a copy of the store and run blob-tier fsck",
             store->path, (unsigned long long) id, (unsigned long long) offset,
             what);
    return TIER_ECORRUPT;
}

/* ---- appending -------------------------------------------------------- */

void
journal_close(store_t *store)
{
    if (store->journal_fd >= 0) {
        (void) close(store->journal_fd);
        store->journal_fd = -1;
    }
    if (store->sync_fd >= 0) {
        (void) close(store->sync_fd);
        store->sync_fd = -1;
    }
}

tier_rc_t
journal_use(store_t *store, const state_t *st)
{
    file_header_t h;
    tier_rc_t rc;
    int fd;

    if (store->journal_fd >= 0 && store->journal_file == st->file) {
        return TIER_OK;
    }
    fd = journal_open_file(store, st->file, O_RDWR);
    if (fd < 0) {
        rc = errno_rc(errno);
        store_error(store, "open", "journal file");
        return rc == TIER_NOT_FOUND ? TIER_ECORRUPT : rc;
    }
    rc = journal_header(store, fd, st->file, &h);
    if (rc != TIER_OK) {
        (void) close(fd);
        return rc < 0 ? rc : journal_lost(store, st->file, 0, "bad header");
    }
    if (store->journal_fd >= 0) {
        (void) close(store->journal_fd);
    }
    store->journal_fd = fd;
    store->journal_file = st->file;
    store->journal_salt = h.salt;
    return TIER_OK;
}

tier_rc_t
journal_size(store_t *store, uint64_t *ret)
{
    struct stat st;

    if (fstat(store->journal_fd, &st) != 0) {
        return errno_rc(errno);
    }
    *ret = (uint64_t) st.st_size;
    return TIER_OK;
}

/* The next file may be there already, left by a process that died: its header
 * alone if at all. Never another inode under an id: a leader may have it
 * open. */
static tier_rc_t
journal_make(store_t *store, uint64_t id, uint64_t prev_len, uint64_t first)
{
    file_header_t h;
    tier_rc_t rc;
    int fd = journal_open_file(store, id, O_RDWR | O_CREAT);

    if (fd < 0) {
        rc = errno_rc(errno);
        store_error(store, "create", "journal file");
        return rc;
    }
    rc = journal_header(store, fd, id, &h);
    if (rc == TIER_NOT_FOUND || h.prev_len != prev_len) {
        header_make(store, &h, JOURNAL_MAGIC, id);
        h.prev_len = prev_len;
        h.first_number = first;
        h.crc = crc64_nvme(0, &h, __builtin_offsetof(file_header_t, crc));
        rc = ftruncate(fd, 0) != 0 ? errno_rc(errno) : TIER_OK;
        rc = rc ? rc : write_full(fd, &h, sizeof(h) / 2, 0);
        fault(FAULT_ROTATE_HALF);
        rc = rc ? rc : write_full(fd, &h, sizeof(h), 0);
    }
    if (rc == TIER_OK && fsync(fd) != 0) {
        rc = errno_rc(errno);
    }
    (void) close(fd);
    if (rc != TIER_OK) {
        store_error(store, "write", "journal file");
        return rc;
    }
    return sync_dir(store, "journal");
}

tier_rc_t
journal_rotate(store_t *store, state_t *st)
{
    shared_t *sh = store->shared;
    uint64_t next = st->file + 1;
    tier_rc_t rc;

    if (st->file != 0) {
        if (fdatasync(store->journal_fd) != 0) {
            store_error(store, "sync", "journal");
            shared_fail(store);
            return TIER_EIO;
        }
        fault(FAULT_ROTATE_SYNCED);
    }
    atomic_store(&sh->journal_next, next);
    rc = journal_make(store, next, st->file == 0 ? 0 : st->offset,
                      st->number + 1);
    if (rc != TIER_OK) {
        return rc;
    }
    fault(FAULT_ROTATE_MADE);
    atomic_store(&sh->journal_file, next);
    st->file = next;
    st->offset = FILE_HEADER_LEN;
    return journal_use(store, st);
}

tier_rc_t
journal_append(store_t *store, uint64_t offset, view_t record)
{
    tier_rc_t rc;

    if (fault_armed == FAULT_HALF_APPENDED) {
        rc = write_full(store->journal_fd, record.ptr, record.len / 2, offset);
        fault(FAULT_HALF_APPENDED);
    }
    rc = write_full(store->journal_fd, record.ptr, record.len, offset);
    if (rc != TIER_OK) {
        store_error(store, "append to", "journal");
        if (ftruncate(store->journal_fd, (off_t) offset) != 0) {
            store_error(store, "cut", "journal");
        }
        return rc;
    }
    fault(FAULT_APPENDED);
    return TIER_OK;
}

/* ---- replay ----------------------------------------------------------- */

typedef struct window_s {
    int fd;
    uint64_t size; /* of the file */
    uint64_t at;   /* of buf in the file */
    size_t len;    /* valid in buf */
    size_t cap;
    uint8_t *buf;
} window_t;

/* `len` bytes at `offset`, in memory. NOT_FOUND past the end. */
static tier_rc_t
window_get(window_t *w, uint64_t offset, size_t len, const uint8_t **ret)
{
    tier_rc_t rc;
    size_t want;

    if (len > w->size || offset > w->size - len) {
        return TIER_NOT_FOUND;
    }
    if (offset < w->at || offset + len > w->at + w->len) {
        if (len > w->cap) {
            uint8_t *grown = realloc(w->buf, len);
            if (grown == NULL) {
                return TIER_ENOMEM;
            }
            w->buf = grown;
            w->cap = len;
        }
        want =
            w->size - offset < w->cap ? (size_t) (w->size - offset) : w->cap;
        rc = read_full(w->fd, w->buf, want, offset);
        if (rc != TIER_OK) {
            return rc;
        }
        w->at = offset;
        w->len = want;
    }
    *ret = w->buf + (offset - w->at);
    return TIER_OK;
}

/* TIER_NOT_FOUND: no valid record there. */
static tier_rc_t
record_get(window_t *w, uint64_t salt, uint64_t offset, record_head_t *head,
           const uint8_t **ret)
{
    const uint8_t *p;
    tier_rc_t rc = window_get(w, offset, RECORD_HEAD_LEN, &p);

    if (rc != TIER_OK) {
        return rc;
    }
    memcpy(head, p, sizeof(*head));
    if (head->len < RECORD_HEAD_LEN || head->len > RECORD_MAX
        || head->len % 8 != 0)
    {
        return TIER_NOT_FOUND;
    }
    rc = window_get(w, offset, (size_t) head->len, &p);
    if (rc != TIER_OK) {
        return rc;
    }
    if (head->crc != crc64_nvme(salt, p + 8, (size_t) head->len - 8)) {
        return TIER_NOT_FOUND;
    }
    *ret = p;
    return TIER_OK;
}

static tier_rc_t
op_apply(replay_t *rp, unsigned op, unsigned table, view_t key, view_t val)
{
    tier_rc_t rc = TIER_OK;

    if (op == OP_BODY) {
        return TIER_OK;
    }
    if (table >= T_MAX || key.len == 0 || key.len > KEY_MAX) {
        return TIER_ECORRUPT;
    }
    switch (op) {
    case OP_PUT:
        rc = index_put(rp->txn, table, key, val);
        if (table == T_META && val.len == sizeof(rp->st)) {
            memcpy(&rp->st, val.ptr, sizeof(rp->st));
        }
        break;
    case OP_DEL:
        rc = index_del(rp->txn, table, key);
        break;
    case OP_DEL_PREFIX:
        rc = index_del_prefix(rp->txn, table, key);
        break;
    default:
        return TIER_ECORRUPT;
    }
    return rc == TIER_NOT_FOUND ? TIER_OK : rc;
}

static tier_rc_t
record_apply(replay_t *rp, const uint8_t *p, const record_head_t *head)
{
    size_t at = RECORD_HEAD_LEN, len = (size_t) head->len;

    while (at + OP_HEAD_LEN <= len && p[at] != 0) {
        size_t klen = le16_get(p + at + 2), vlen = le32_get(p + at + 4);
        const uint8_t *key = p + at + OP_HEAD_LEN;
        tier_rc_t rc;

        if (klen > len - at - OP_HEAD_LEN
            || vlen > len - at - OP_HEAD_LEN - klen) {
            return TIER_ECORRUPT;
        }
        rc = op_apply(rp, p[at], p[at + 1], view_of(key, klen),
                      view_of(key + klen, vlen));
        if (rc != TIER_OK) {
            return rc;
        }
        at += OP_HEAD_LEN + klen + vlen;
    }
    rp->records++;
    rp->pending_bytes += len;
    if (!rp->commits || rp->pending_bytes < REPLAY_COMMIT) {
        return TIER_OK;
    }
    rp->pending_bytes = 0;
    {
        tier_rc_t rc = index_commit(rp->txn);
        rp->txn = NULL;
        return rc ? rc : index_begin(rp->index, true, &rp->txn);
    }
}

/* What follows `offset` is not a record: is that a tear, or damage to what was
 * on stable media once? A whole record behind it that was written when this
 * one was durable already says damage; nothing is searched for. */
static tier_rc_t
replay_tail(replay_t *rp, window_t *w, uint64_t id, uint64_t salt,
            uint64_t offset, const record_head_t *bad)
{
    record_head_t later;
    const uint8_t *p;

    if (rp->durable > rp->st.number) {
        return journal_lost(rp->store, id, offset, "durable commits are gone");
    }
    if (bad != NULL && bad->len >= RECORD_HEAD_LEN && bad->len <= RECORD_MAX
        && record_get(w, salt, offset + bad->len, &later, &p) == TIER_OK
        && later.durable > rp->st.number)
    {
        return journal_lost(rp->store, id, offset,
                            "a durable commit has a wrong checksum");
    }
    tier_log(rp->store->log, TIER_LOG_NOTICE,
             "store %s: %llu bytes of an unfinished commit behind number %llu "
             "are dropped",
             rp->store->path, (unsigned long long) (w->size - offset),
             (unsigned long long) rp->st.number);
    if (rp->cut) {
        if (ftruncate(w->fd, (off_t) offset) != 0) {
            store_error(rp->store, "cut", "journal");
            return TIER_EIO;
        }
        w->size = offset;
    }
    return TIER_OK;
}

/* From rp->st.offset to the end of file id, or to the stop. */
static tier_rc_t
replay_file(replay_t *rp, window_t *w, uint64_t id, uint64_t salt,
            uint64_t offset, bool last, uint64_t *ret_end)
{
    record_head_t head;
    const uint8_t *p;
    tier_rc_t rc;

    while (offset < w->size
           && !(rp->stop_file == id && offset >= rp->stop_offset)) {
        memset(&head, 0, sizeof(head));
        rc = record_get(w, salt, offset, &head, &p);
        if (rc == TIER_NOT_FOUND) {
            *ret_end = offset;
            return last
                     ? replay_tail(rp, w, id, salt, offset, &head)
                     : journal_lost(rp->store, id, offset, "wrong checksum");
        }
        if (rc != TIER_OK) {
            return rc;
        }
        if (head.first != rp->st.number + 1) {
            return journal_lost(rp->store, id, offset,
                                "numbers do not follow");
        }
        rc = record_apply(rp, p, &head);
        if (rc != TIER_OK) {
            return rc == TIER_ECORRUPT
                     ? journal_lost(rp->store, id, offset, "bad record")
                     : rc;
        }
        offset += head.len;
        if (rp->st.file != id || rp->st.offset != offset
            || rp->st.number != head.last) {
            return journal_lost(rp->store, id, offset, "bad position");
        }
    }
    *ret_end = offset;
    return TIER_OK;
}

static tier_rc_t
replay_open(replay_t *rp, uint64_t id, window_t *w, file_header_t *h)
{
    struct stat st;
    tier_rc_t rc;

    w->fd = journal_open_file(rp->store, id, rp->cut ? O_RDWR : O_RDONLY);
    if (w->fd < 0) {
        return errno == ENOENT ? TIER_NOT_FOUND : errno_rc(errno);
    }
    w->len = 0;
    rc = journal_header(rp->store, w->fd, id, h);
    if (rc == TIER_OK && fstat(w->fd, &st) == 0) {
        w->size = (uint64_t) st.st_size;
    }
    if (rc != TIER_OK) {
        (void) close(w->fd);
        w->fd = -1;
    }
    return rc;
}

/* Files from st.file on; a last one with half a header is as good as none. */
static tier_rc_t
replay_files(replay_t *rp, window_t *w, uint64_t *ret_last)
{
    uint64_t id = rp->st.file, offset = rp->st.offset, end = 0;
    file_header_t h, next_h;
    window_t next = { .fd = -1 };
    tier_rc_t rc = replay_open(rp, id, w, &h), next_rc;

    if (rc != TIER_OK) {
        return rc < 0 ? rc
                      : journal_lost(rp->store, id, 0,
                                     "it is missing or has a bad header");
    }
    if (offset > w->size) {
        return journal_lost(rp->store, id, w->size,
                            "it ends before what the index has");
    }
    for (;;) {
        next_rc = replay_open(rp, id + 1, &next, &next_h);
        if (next_rc < 0) {
            return next_rc;
        }
        rc = replay_file(rp, w, id, h.salt, offset, next_rc != TIER_OK, &end);
        if (rc == TIER_OK && next_rc == TIER_OK && rp->stop_file != id
            && (next_h.prev_len != end || w->size != end))
        {
            rc = journal_lost(rp->store, id, end, "it is cut short");
        }
        if (rc != TIER_OK || next_rc != TIER_OK || rp->stop_file == id) {
            *ret_last = id;
            if (next.fd >= 0) {
                (void) close(next.fd);
            }
            return rc;
        }
        (void) close(w->fd);
        w->fd = next.fd;
        w->size = next.size;
        w->len = 0;
        next.fd = -1;
        h = next_h;
        id++;
        offset = FILE_HEADER_LEN;
    }
}

tier_rc_t
journal_replay(replay_t *rp)
{
    window_t w = { .fd = -1, .cap = REPLAY_BUF };
    uint64_t last = 0;
    tier_rc_t rc;

    w.buf = malloc(w.cap);
    if (w.buf == NULL) {
        return TIER_ENOMEM;
    }
    rc = replay_files(rp, &w, &last);
    rp->next_made = rc == TIER_OK && last > rp->st.file;
    if (w.fd >= 0) {
        (void) close(w.fd);
    }
    free(w.buf);
    return rc;
}
