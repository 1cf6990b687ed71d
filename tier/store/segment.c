#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store/internal.h"

/*
 * Bodies. Each process has one open segment and gives regions of it away; big
 * bodies get a file of their own. A segment's file is flocked while any body
 * in it is being written or waits for its commit, so that reclaim leaves it
 * alone; the lock goes with the process.
 *
 *     open -> refs: the store's one + one a body -> 0: closed (and unlocked)
 */
#define WRITE_OUT    (8u << 20)
#define FREE_MIN     (64u << 20)
#define SPACE_AGE_MS 500

struct segment_s {
    store_t *store;
    uint64_t id;
    int fd;
    unsigned refs;
    uint64_t used;
};

struct store_body_s {
    store_t *store;
    segment_t *segment; /* NULL: in mem */
    uint64_t offset;
    uint64_t length;
    uint64_t done;
    uint64_t started; /* write-out was begun up to here */
    uint64_t crc;
    bool want_md5;
    bool finished;
    bool counted;
    md5_t md5;
    uint8_t *mem;
};

tier_rc_t
store_file_path(const store_t *store, store_file_kind_t kind, uint64_t file,
                char *buf, size_t cap)
{
    size_t need = strlen(store->path) + sizeof("/segments/.segment") + 16;

    if (cap < need) {
        return TIER_ELIMIT;
    }
    if (kind == STORE_SEGMENT) {
        store_path(store, buf, cap, "segments/%016llx.segment",
                   (unsigned long long) file);
    } else {
        store_path(store, buf, cap, "journal/%016llx.journal",
                   (unsigned long long) file);
    }
    return TIER_OK;
}

/* ---- space ------------------------------------------------------------ */

static uint64_t
space_free(store_t *store)
{
    int64_t now_ms = store_now_ms(store);
    struct statvfs st;

    if (now_ms - atomic_load(&store->space_checked_ms) > SPACE_AGE_MS
        && statvfs(store->path, &st) == 0)
    {
        atomic_store(&store->space_free,
                     (uint64_t) st.f_bavail * (uint64_t) st.f_frsize);
        atomic_store(&store->space_checked_ms, now_ms);
    }
    return atomic_load(&store->space_free);
}

static tier_rc_t
space_check(store_t *store, uint64_t length)
{
    const store_opts_t *o = &store->opts;
    shared_t *sh = store->shared;
    uint64_t reserved = shared_reserved(store);

    if (o->dirty_bytes != 0
        && atomic_load(&sh->held_bytes) + reserved + length > o->dirty_bytes)
    {
        return TIER_ENOSPC;
    }
    if (o->size_bytes != 0
        && atomic_load(&sh->file_bytes) + length > o->size_bytes)
    {
        return TIER_ENOSPC;
    }
    return space_free(store) < length + FREE_MIN ? TIER_ENOSPC : TIER_OK;
}

/* ---- segments --------------------------------------------------------- */

static void
segment_unref(segment_t *seg) /* segment_lock is held */
{
    if (--seg->refs == 0) {
        (void) close(seg->fd);
        free(seg);
    }
}

/* Locked before it has its name, so that reclaim never sees it unlocked. */
static tier_rc_t
segment_file(store_t *store, uint64_t id, int *ret_fd)
{
    char path[STORE_PATH_MAX], tmp[STORE_PATH_MAX];
    file_header_t h;
    tier_rc_t rc =
        store_file_path(store, STORE_SEGMENT, id, path, sizeof(path));
    int fd;

    if (rc != TIER_OK) {
        return rc;
    }
    store_path(store, tmp, sizeof(tmp), "segments/%016llx.new",
               (unsigned long long) id);
    fd = open(tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        rc = errno_rc(errno);
        store_error(store, "create", tmp);
        return rc == TIER_NOT_FOUND ? TIER_EIO : rc;
    }
    header_make(store, &h, SEGMENT_MAGIC, id);
    h.crc = crc64_nvme(0, &h, __builtin_offsetof(file_header_t, crc));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        rc = errno_rc(errno);
    }
    rc = rc ? rc : write_full(fd, &h, sizeof(h), 0);
    if (rc == TIER_OK && (fsync(fd) != 0 || rename(tmp, path) != 0)) {
        rc = errno_rc(errno);
    }
    rc = rc ? rc : sync_dir(store, "segments");
    if (rc != TIER_OK) {
        store_error(store, "write", path);
        (void) unlink(tmp);
        (void) close(fd);
        return rc;
    }
    *ret_fd = fd;
    return TIER_OK;
}

static tier_rc_t
segment_new(store_t *store, segment_t **ret)
{
    segment_t *seg = calloc(1, sizeof(*seg));
    tier_rc_t rc;

    if (seg == NULL) {
        return TIER_ENOMEM;
    }
    seg->store = store;
    seg->id = atomic_fetch_add(&store->shared->next_segment, 1);
    rc = segment_file(store, seg->id, &seg->fd);
    if (rc != TIER_OK) {
        free(seg);
        return rc;
    }
    seg->used = SEGMENT_START;
    fault(FAULT_SEGMENT_MADE);
    *ret = seg;
    return TIER_OK;
}

/* A region in the process's open segment. */
static tier_rc_t
segment_reserve(store_t *store, store_body_t *body, uint64_t room)
{
    tier_rc_t rc = TIER_OK;
    segment_t *seg;

    (void) pthread_mutex_lock(&store->segment_lock);
    seg = store->segment;
    if (seg != NULL && seg->used + room > store->opts.segment_bytes
        && seg->used > SEGMENT_START)
    {
        store->segment = NULL;
        segment_unref(seg);
        seg = NULL;
    }
    if (seg == NULL) {
        rc = segment_new(store, &seg);
        if (rc == TIER_OK) {
            seg->refs = 1;
            store->segment = seg;
        }
    }
    if (rc == TIER_OK) {
        seg->refs++;
        body->segment = seg;
        body->offset = seg->used;
        seg->used += room;
    }
    (void) pthread_mutex_unlock(&store->segment_lock);
    return rc;
}

void
segments_close(store_t *store)
{
    (void) pthread_mutex_lock(&store->segment_lock);
    if (store->segment != NULL) {
        segment_unref(store->segment);
        store->segment = NULL;
    }
    (void) pthread_mutex_unlock(&store->segment_lock);
}

static int
segment_lock(store_t *store, uint64_t id, char path[STORE_PATH_MAX],
             struct stat *st)
{
    int fd = -1;

    if (store_file_path(store, STORE_SEGMENT, id, path, STORE_PATH_MAX)
        == TIER_OK) {
        fd = open(path, O_RDWR | O_CLOEXEC);
    }
    if (fd >= 0 && (flock(fd, LOCK_EX | LOCK_NB) != 0 || fstat(fd, st) != 0)) {
        (void) close(fd);
        fd = -1;
    }
    return fd;
}

bool
segment_idle(store_t *store, uint64_t id, uint64_t *ret_size)
{
    char path[STORE_PATH_MAX];
    struct stat st;
    int fd = segment_lock(store, id, path, &st);

    if (fd < 0) {
        return false;
    }
    *ret_size = (uint64_t) st.st_size;
    (void) close(fd);
    return true;
}

bool
segment_remove(store_t *store, uint64_t id)
{
    char path[STORE_PATH_MAX];
    struct stat st;
    uint64_t had = atomic_load(&store->shared->file_bytes);
    int fd = segment_lock(store, id, path, &st);
    bool gone = fd >= 0 && unlink(path) == 0;

    if (gone) {
        uint64_t bytes = (uint64_t) st.st_size;

        (void) atomic_fetch_sub(&store->shared->file_bytes,
                                bytes < had ? bytes : had);
        fault(FAULT_SEGMENT_GONE);
    }
    if (fd >= 0) {
        (void) close(fd);
    }
    return gone;
}

/* ---- bodies ----------------------------------------------------------- */

static tier_rc_t
body_place(store_t *store, store_body_t *body, bool raw)
{
    uint64_t room =
        (body->length + SEGMENT_ALIGN - 1) & ~(uint64_t) (SEGMENT_ALIGN - 1);
    tier_rc_t rc;

    if (!raw && body->length <= STORE_INLINE_MAX) {
        body->mem = malloc(body->length ? (size_t) body->length : 1);
        return body->mem == NULL ? TIER_ENOMEM : TIER_OK;
    }
    if (body->length >= STORE_OWN_FILE_MIN) {
        rc = segment_new(store, &body->segment);
        if (rc == TIER_OK) {
            body->segment->refs = 1;
            body->offset = SEGMENT_START;
        }
    } else {
        rc = segment_reserve(store, body, room);
    }
    if (rc == TIER_OK) {
        (void) atomic_fetch_add(&store->shared->file_bytes, room);
    }
    return rc;
}

static tier_rc_t
body_open(store_t *store, uint64_t length, unsigned flags, bool raw,
          store_body_t **ret)
{
    store_body_t *body = calloc(1, sizeof(*body));
    tier_rc_t rc;

    if (body == NULL) {
        return TIER_ENOMEM;
    }
    body->store = store;
    body->length = length;
    body->want_md5 = (flags & STORE_BODY_MD5) != 0;
    if (body->want_md5) {
        md5_init(&body->md5);
    }
    rc = body_place(store, body, raw);
    if (rc != TIER_OK) {
        free(body);
        return rc;
    }
    if (store->slot != NULL) {
        (void) atomic_fetch_add(&store->slot->bytes, length);
        body->counted = true;
    }
    *ret = body;
    return TIER_OK;
}

tier_rc_t
store_body_open(store_t *store, uint64_t length, unsigned flags,
                store_body_t **ret)
{
    tier_rc_t rc;

    if (store->opts.read_only) {
        return TIER_EINVAL;
    }
    if (atomic_load(&store->shared->failed)) {
        return TIER_EIO;
    }
    rc = space_check(store, length);
    return rc != TIER_OK ? rc : body_open(store, length, flags, false, ret);
}

tier_rc_t
body_open_raw(store_t *store, uint64_t length, store_body_t **ret)
{
    return body_open(store, length, 0, true, ret);
}

tier_rc_t
store_body_write(store_body_t *body, const void *buf, size_t len)
{
    tier_rc_t rc = TIER_OK;

    if (body->finished || len > body->length - body->done) {
        return TIER_EINVAL;
    }
    if (len == 0) {
        return TIER_OK;
    }
    body->crc = crc64_nvme(body->crc, buf, len);
    if (body->want_md5) {
        md5_update(&body->md5, buf, len);
    }
    if (body->mem != NULL) {
        memcpy(body->mem + body->done, buf, len);
    } else {
        rc =
            write_full(body->segment->fd, buf, len, body->offset + body->done);
        if (rc != TIER_OK) {
            store_error(body->store, "write", "segment");
            return rc;
        }
    }
    body->done += len;
    /* the disk starts early, so that the commit's sync is short */
    if (body->segment != NULL && body->done - body->started >= WRITE_OUT) {
        (void) sync_file_range(
            body->segment->fd, (off_t) (body->offset + body->started),
            (off_t) (body->done - body->started), SYNC_FILE_RANGE_WRITE);
        body->started = body->done;
    }
    return TIER_OK;
}

tier_rc_t
store_body_finish(store_body_t *body, store_digest_t *ret)
{
    if (body->finished || body->done != body->length) {
        return TIER_EINVAL;
    }
    body->finished = true;
    memset(ret, 0, sizeof(*ret));
    ret->length = body->length;
    ret->crc64 = body->crc;
    ret->has_md5 = body->want_md5;
    if (body->want_md5) {
        md5_final(&body->md5, ret->md5);
    }
    return TIER_OK;
}

void
store_body_abort(store_body_t *body)
{
    store_t *store;

    if (body == NULL) {
        return;
    }
    store = body->store;
    if (body->counted) {
        (void) atomic_fetch_sub(&store->slot->bytes, body->length);
    }
    if (body->segment != NULL) {
        (void) pthread_mutex_lock(&store->segment_lock);
        segment_unref(body->segment);
        (void) pthread_mutex_unlock(&store->segment_lock);
    }
    free(body->mem);
    free(body);
}

bool
body_inline(const store_body_t *body, view_t *ret_bytes)
{
    *ret_bytes = view_of(body->mem, (size_t) body->length);
    return body->mem != NULL;
}

void
body_extent(const store_body_t *body, store_extent_t *ret)
{
    ret->kind = body->mem != NULL ? STORE_JOURNAL : STORE_SEGMENT;
    ret->file = body->segment != NULL ? body->segment->id : 0;
    ret->offset = body->offset;
    ret->length = body->length;
    ret->crc64 = body->crc;
}

bool
body_finished(const store_body_t *body)
{
    return body->finished;
}

uint64_t
body_length(const store_body_t *body)
{
    return body->length;
}

tier_rc_t
bodies_sync(store_t *store, store_body_t *bodies[], unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        segment_t *seg = bodies[i]->segment;
        bool synced = seg == NULL;

        for (unsigned j = 0; j < i && !synced; j++) {
            synced = bodies[j]->segment == seg;
        }
        if (!synced && fdatasync(seg->fd) != 0) {
            store_error(store, "sync", "segment");
            shared_fail(store);
            return TIER_EIO;
        }
    }
    return TIER_OK;
}
