#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "store/internal.h"

/*
 * The memory that all processes of a store share, and the group sync.
 *
 *     append record     appended = n      index commit      wait_durable(n)
 *     '------- under the index's write lock -------'        '- whoever gets
 *                                                              `sync` first
 *                                                              syncs for all
 */

static tier_rc_t
shared_init(shared_t *sh, const store_t *store)
{
    pthread_mutexattr_t attr;
    struct stat st;
    int rc;

    memset(sh, 0, sizeof(*sh));
    memcpy(sh->uuid, store->uuid, sizeof(sh->uuid));
    memcpy(sh->boot, store->boot, sizeof(sh->boot));
    if (stat("/proc/self/ns/pid", &st) == 0) {
        sh->pid_ns = st.st_ino;
    }
    rc = pthread_mutexattr_init(&attr);
    rc = rc ? rc : pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    rc = rc ? rc : pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    rc = rc ? rc : pthread_mutex_init(&sh->sync, &attr);
    if (rc != 0) {
        return TIER_EINTERNAL;
    }
    (void) pthread_mutexattr_destroy(&attr);
    sh->version = SHARED_VERSION;
    sh->magic = SHARED_MAGIC;
    return TIER_OK;
}

/* Pids mean the same thing to all only in one namespace; LMDB's table of
 * readers and the slots rest on that. */
static tier_rc_t
shared_check(const shared_t *sh, const store_t *store)
{
    struct stat st;

    if (sh->magic != SHARED_MAGIC || sh->version != SHARED_VERSION
        || memcmp(sh->uuid, store->uuid, sizeof(sh->uuid)) != 0
        || memcmp(sh->boot, store->boot, sizeof(sh->boot)) != 0)
    {
        tier_log(store->log, TIER_LOG_ERROR,
                 "store %s: run/shared is another version's; stop every "
                 "process that uses the store, then start again",
                 store->path);
        return TIER_EVERSION;
    }
    if (stat("/proc/self/ns/pid", &st) == 0 && st.st_ino != sh->pid_ns) {
        tier_log(store->log, TIER_LOG_ERROR,
                 "store %s: in use from another PID namespace; run every "
                 "user of the store in one (one container, or --pid)",
                 store->path);
        return TIER_EBUSY;
    }
    return TIER_OK;
}

static void
shared_take_slot(store_t *store)
{
    int32_t me = (int32_t) getpid();

    for (unsigned i = 0; i < SHARED_SLOTS; i++) {
        shared_slot_t *slot = &store->shared->slots[i];
        int32_t pid = atomic_load(&slot->pid);

        if (pid != 0 && (pid == me || kill(pid, 0) == 0 || errno != ESRCH)) {
            continue;
        }
        if (atomic_compare_exchange_strong(&slot->pid, &pid, me)) {
            atomic_store(&slot->bytes, 0);
            store->slot = slot;
            return;
        }
    }
}

tier_rc_t
shared_attach(store_t *store, bool fresh, bool *ret_was_failed)
{
    char path[STORE_PATH_MAX];
    struct stat st;
    tier_rc_t rc = TIER_OK;
    void *map;
    int fd;

    store_path(store, path, sizeof(path), "run/shared");
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || fstat(fd, &st) != 0
        || (st.st_size < (off_t) sizeof(shared_t)
            && ftruncate(fd, sizeof(shared_t)) != 0))
    {
        rc = errno_rc(errno);
        store_error(store, "open", path);
        if (fd >= 0) {
            (void) close(fd);
        }
        return rc;
    }
    map = mmap(NULL, sizeof(shared_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
               0);
    (void) close(fd);
    if (map == MAP_FAILED) {
        store_error(store, "map", path);
        return TIER_ENOMEM;
    }

    store->shared = map;
    if (fresh) {
        *ret_was_failed = store->shared->magic == SHARED_MAGIC
                       && atomic_load(&store->shared->failed) != 0;
        rc = shared_init(store->shared, store);
    } else {
        rc = shared_check(store->shared, store);
    }
    if (rc == TIER_OK) {
        shared_take_slot(store);
    }
    return rc;
}

void
shared_detach(store_t *store)
{
    if (store->slot != NULL) {
        atomic_store(&store->slot->bytes, 0);
        atomic_store(&store->slot->pid, 0);
        store->slot = NULL;
    }
    if (store->shared != NULL) {
        (void) munmap(store->shared, sizeof(shared_t));
        store->shared = NULL;
    }
}

void
shared_fail(store_t *store)
{
    if (atomic_exchange(&store->shared->failed, 1) == 0) {
        tier_log(store->log, TIER_LOG_ERROR,
                 "store %s: a sync failed; what the disk holds is unknown, "
                 "so nothing is written any more. Check the disk, then "
                 "restart every user of the store: it is rebuilt",
                 store->path);
    }
}

uint64_t
shared_reserved(const store_t *store)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < SHARED_SLOTS; i++) {
        shared_slot_t *slot = &store->shared->slots[i];
        int32_t pid = atomic_load(&slot->pid);
        uint64_t bytes = pid == 0 ? 0 : atomic_load(&slot->bytes);

        if (bytes != 0 && (kill(pid, 0) == 0 || errno != ESRCH)) {
            sum += bytes;
        }
    }
    return sum;
}

uint64_t
store_durable(const store_t *store)
{
    return atomic_load_explicit(&store->shared->durable, memory_order_acquire);
}

/* Holds `sync`. Older files were synced when the journal left them. */
static tier_rc_t
sync_journal(store_t *store)
{
    shared_t *sh = store->shared;
    uint64_t target = atomic_load(&sh->appended);
    uint64_t file = atomic_load(&sh->journal_file);
    char path[STORE_PATH_MAX];

    if (store->sync_fd < 0 || store->sync_file != file) {
        if (store->sync_fd >= 0) {
            (void) close(store->sync_fd);
        }
        if (store_file_path(store, STORE_JOURNAL, file, path, sizeof(path))
            != TIER_OK) {
            return TIER_EINTERNAL;
        }
        store->sync_fd = open(path, O_RDWR | O_CLOEXEC);
        store->sync_file = file;
        if (store->sync_fd < 0 && (errno == EMFILE || errno == ENFILE)) {
            /* no sync failed: who waits next tries again */
            store_error(store, "open to sync", "journal");
            return TIER_EIO;
        }
    }
    if (store->sync_fd < 0 || fdatasync(store->sync_fd) != 0) {
        store_error(store, "sync", "journal");
        shared_fail(store);
        return TIER_EIO;
    }
    fault(FAULT_SYNCED);
    atomic_store_explicit(&sh->durable, target, memory_order_release);
    return TIER_OK;
}

static void
sync_sleep(shared_t *sh, uint32_t seen)
{
    /* the time limit is for a leader that was killed */
    struct timespec limit = { 0, 20 * 1000 * 1000 };

    (void) syscall(SYS_futex, &sh->synced, FUTEX_WAIT, seen, &limit, NULL, 0);
}

static void
sync_wake(shared_t *sh)
{
    (void) atomic_fetch_add(&sh->synced, 1);
    (void) syscall(SYS_futex, &sh->synced, FUTEX_WAKE, INT32_MAX, NULL, NULL,
                   0);
}

/* Whoever finds `sync` free leads. The others sleep beside it, not in its
 * queue: those that a sync has covered must not wait for the next one. */
tier_rc_t
store_wait_durable(store_t *store, uint64_t number)
{
    shared_t *sh = store->shared;

    while (store_durable(store) < number) {
        uint32_t seen = atomic_load(&sh->synced);
        tier_rc_t rc = TIER_OK;
        int err = pthread_mutex_trylock(&sh->sync);

        if (err == EBUSY) {
            if (store_durable(store) < number) {
                sync_sleep(sh, seen);
            }
            continue;
        }
        if (err == EOWNERDEAD) {
            /* it guards a sync only: nothing is half done */
            err = pthread_mutex_consistent(&sh->sync);
        }
        if (err != 0) {
            return TIER_EINTERNAL;
        }
        if (store_durable(store) < number) {
            rc = atomic_load(&sh->failed) ? TIER_EIO : sync_journal(store);
        }
        (void) pthread_mutex_unlock(&sh->sync);
        sync_wake(sh);
        if (rc != TIER_OK) {
            return rc;
        }
    }
    return TIER_OK;
}
