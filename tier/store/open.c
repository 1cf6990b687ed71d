#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/internal.h"

/*
 * Opening. STORE/lock is held while somebody opens, run/users as long as a
 * store is open: exclusively got, nobody else is in it, and recovery is ours.
 *
 *     lock EX -> format, host -> users EX?  yes: shared anew, recover
 *                                           no:  attach to what is there
 *             -> users SH -> unlock
 */

static const char *const folders[] = { "index",      "journal", "segments",
                                       "checkpoint", "facts",   "run" };

static tier_rc_t
make_folder(store_t *store, const char *path)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST) {
        return TIER_OK;
    }
    store_error(store, "create folder", path);
    return errno == ENOENT ? TIER_EINVAL : errno_rc(errno);
}

static tier_rc_t
lock_file(store_t *store, const char *name, int *ret_fd)
{
    char path[STORE_PATH_MAX];
    int fd;

    store_path(store, path, sizeof(path), "%s", name);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        tier_rc_t rc = errno_rc(errno);
        store_error(store, "open", path);
        return rc == TIER_NOT_FOUND ? TIER_EINVAL : rc;
    }
    *ret_fd = fd;
    return TIER_OK;
}

static tier_rc_t
lock_wait(store_t *store, int fd)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        return TIER_OK;
    }
    tier_log(store->log, TIER_LOG_NOTICE,
             "store %s: another process is opening it; waiting", store->path);
    while (flock(fd, LOCK_EX) != 0) {
        if (errno != EINTR) {
            store_error(store, "lock", "lock");
            return TIER_EIO;
        }
    }
    return TIER_OK;
}

/* ---- format ----------------------------------------------------------- */

static bool
format_parse(const char *text, unsigned *ret_version, uint8_t uuid[16])
{
    unsigned bytes[16];
    char hex[40];

    if (sscanf(text, FORMAT_TEXT " %u\nuuid %32[0-9a-f]", ret_version, hex)
        < 1) {
        return false;
    }
    if (*ret_version != FORMAT_VERSION) {
        return true; /* the rest is not ours to read */
    }
    for (unsigned i = 0; i < 16; i++) {
        if (sscanf(hex + 2 * i, "%2x", &bytes[i]) != 1) {
            return false;
        }
        uuid[i] = (uint8_t) bytes[i];
    }
    return true;
}

/* The first journal file comes before `format`: a store with a format and
 * without a journal has lost it. */
static tier_rc_t
format_create(store_t *store)
{
    char text[128];
    state_t st = { .file = 0 };
    shared_t none;
    tier_rc_t rc;
    int n;

    if (store->opts.read_only) {
        tier_log(store->log, TIER_LOG_ERROR, "%s is no store", store->path);
        return TIER_NOT_FOUND;
    }
    random_bytes(store->uuid, sizeof(store->uuid));
    memset(&none, 0, sizeof(none));
    store->shared = &none;
    rc = journal_rotate(store, &st);
    store->shared = NULL;
    journal_close(store);
    if (rc != TIER_OK) {
        return rc;
    }
    n = snprintf(text, sizeof(text), FORMAT_TEXT " %d\nuuid ", FORMAT_VERSION);
    for (unsigned i = 0; i < 16; i++) {
        n += snprintf(text + n, sizeof(text) - (size_t) n, "%02x",
                      store->uuid[i]);
    }
    n += snprintf(text + n, sizeof(text) - (size_t) n, "\n");
    rc = write_file(store, ".", "format", text, (size_t) n);
    if (rc == TIER_OK) {
        tier_log(store->log, TIER_LOG_NOTICE, "store %s: created",
                 store->path);
    }
    return rc;
}

/* A creation that died left a journal file without `format`: of no use, and
 * its uuid is lost. Only an empty one may go. */
static tier_rc_t
format_leftovers(store_t *store)
{
    char path[STORE_PATH_MAX];
    struct stat st;

    if (store_file_path(store, STORE_JOURNAL, 1, path, sizeof(path))
        != TIER_OK) {
        return TIER_ELIMIT;
    }
    if (stat(path, &st) != 0) {
        return TIER_OK;
    }
    if (st.st_size <= FILE_HEADER_LEN) {
        (void) unlink(path);
        return TIER_OK;
    }
    tier_log(store->log, TIER_LOG_ERROR,
             "store %s: there is a journal but no format file: it was "
             "removed or not copied. Put it back, or name another folder",
             store->path);
    return TIER_ECORRUPT;
}

static tier_rc_t
format_check(store_t *store)
{
    char path[STORE_PATH_MAX], text[256];
    unsigned version = 0;
    tier_rc_t rc;

    store_path(store, path, sizeof(path), "format");
    rc = read_text(path, text, sizeof(text));
    if (rc == TIER_NOT_FOUND) {
        rc = format_leftovers(store);
        return rc ? rc : format_create(store);
    }
    if (rc != TIER_OK) {
        store_error(store, "read", path);
        return rc;
    }
    if (!format_parse(text, &version, store->uuid)) {
        tier_log(store->log, TIER_LOG_ERROR,
                 "store %s: the file format is not one of a store; name an "
                 "empty or new folder",
                 store->path);
        return TIER_ECORRUPT;
    }
    if (version != FORMAT_VERSION) {
        tier_log(store->log, TIER_LOG_ERROR,
                 "store %s: has format %u, this program knows format %d. Use "
                 "the release that made it (blob-tier flush --wait, then an "
                 "empty folder for this one)",
                 store->path, version, FORMAT_VERSION);
        return TIER_EVERSION;
    }
    return TIER_OK;
}

/* ---- host ------------------------------------------------------------- */

static void
host_name(char *buf, size_t cap)
{
    char text[80] = "";

    if (read_text("/etc/machine-id", text, sizeof(text)) == TIER_OK
        && strlen(text) >= 32)
    {
        (void) snprintf(buf, cap, "%.32s", text);
        return;
    }
    if (gethostname(buf, cap) != 0) {
        (void) snprintf(buf, cap, "unknown");
    }
    buf[cap - 1] = '\0';
}

/* The lock file names host and boot. A container that came up again under
 * another name is the same host as long as the kernel did not restart. */
static tier_rc_t
host_check(store_t *store, int lock_fd)
{
    char host[65], want[256], have[256], old_host[65], old_boot[41];
    ssize_t n = pread(lock_fd, have, sizeof(have) - 1, 0);
    bool other;

    host_name(host, sizeof(host));
    (void) snprintf(want, sizeof(want), "host %s\nboot %s\n", host,
                    store->boot);
    have[n > 0 ? n : 0] = '\0';
    if (strcmp(have, want) == 0) {
        return TIER_OK;
    }
    other = sscanf(have, "host %64s boot %40s", old_host, old_boot) == 2
         && strcmp(old_host, host) != 0 && strcmp(old_boot, store->boot) != 0;
    if (other && !store->opts.take_over) {
        tier_log(store->log, TIER_LOG_ERROR,
                 "store %s: belongs to host %s, this is %s. If that host is "
                 "gone or has let go of it for good, run blob-tier fsck "
                 "--take-over here; two hosts at once destroy it",
                 store->path, old_host, host);
        return TIER_EBUSY;
    }
    if (ftruncate(lock_fd, 0) != 0
        || write_full(lock_fd, want, strlen(want), 0) != TIER_OK
        || fsync(lock_fd) != 0)
    {
        store_error(store, "write", "lock");
        return TIER_EIO;
    }
    return TIER_OK;
}

/* ---- open and close --------------------------------------------------- */

static void
defaults(store_opts_t *o)
{
#define DEFAULT(field, value)                                                 \
    do {                                                                      \
        if (o->field == 0) {                                                  \
            o->field = (value);                                               \
        }                                                                     \
    } while (0)
    DEFAULT(map_bytes, 64ull << 30);
    DEFAULT(journal_file_bytes, 64ull << 20);
    DEFAULT(checkpoint_bytes, 256ull << 20);
    DEFAULT(segment_bytes, 256ull << 20);
    DEFAULT(facts_max, 1000000);
    DEFAULT(uncommitted_max_age_s, 7ull * 24 * 3600);
#undef DEFAULT
}

static tier_rc_t
open_alone(store_t *store)
{
    bool failed = false;
    tier_rc_t rc = shared_attach(store, true, &failed);

    rc = rc ? rc : recover(store, failed);
    return rc ? rc : facts_open(store, true);
}

static tier_rc_t
open_joined(store_t *store)
{
    index_opts_t opts = index_options(store);
    char path[STORE_PATH_MAX];
    tier_rc_t rc = shared_attach(store, false, NULL);

    store_path(store, path, sizeof(path), "index");
    rc = rc ? rc : index_open(path, &opts, &store->index);
    return rc ? rc : facts_open(store, false);
}

static tier_rc_t
open_locked(store_t *store, int lock_fd)
{
    tier_rc_t rc = TIER_OK;
    char path[STORE_PATH_MAX];

    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        store_path(store, path, sizeof(path), "%s", folders[i]);
        rc = rc ? rc : make_folder(store, path);
    }
    rc = rc ? rc : format_check(store);
    rc = rc ? rc : host_check(store, lock_fd);
    rc = rc ? rc : lock_file(store, "run/users", &store->users_fd);
    if (rc != TIER_OK) {
        return rc;
    }
    if (flock(store->users_fd, LOCK_EX | LOCK_NB) == 0) {
        rc = open_alone(store);
    } else {
        rc = open_joined(store);
    }
    if (rc == TIER_OK && flock(store->users_fd, LOCK_SH) != 0) {
        rc = TIER_EIO;
    }
    return rc;
}

tier_rc_t
store_open(const char *path, const store_opts_t *opts, store_t **ret)
{
    store_t *store = calloc(1, sizeof(*store));
    int lock_fd = -1;
    tier_rc_t rc;

    if (store == NULL) {
        return TIER_ENOMEM;
    }
    fault_setup();
    store->opts = *opts;
    store->log = opts->log;
    defaults(&store->opts);
    store->users_fd = store->journal_fd = store->sync_fd = -1;
    (void) pthread_mutex_init(&store->segment_lock, NULL);
    boot_id(store->boot);
    if (strlen(path) + 64 > sizeof(store->path)) {
        tier_log(opts->log, TIER_LOG_ERROR, "store: path too long: %s", path);
        store_close(store);
        return TIER_EINVAL;
    }
    memcpy(store->path, path, strlen(path));

    rc = opts->read_only ? TIER_OK : make_folder(store, path);
    rc = rc ? rc : lock_file(store, "lock", &lock_fd);
    rc = rc ? rc : lock_wait(store, lock_fd);
    rc = rc ? rc : open_locked(store, lock_fd);
    if (lock_fd >= 0) {
        (void) close(lock_fd);
    }
    if (rc != TIER_OK) {
        store_close(store);
        return rc;
    }
    *ret = store;
    return TIER_OK;
}

void
store_close(store_t *store)
{
    if (store == NULL) {
        return;
    }
    segments_close(store);
    journal_close(store);
    index_close(store->index);
    index_close(store->facts);
    shared_detach(store);
    if (store->users_fd >= 0) {
        (void) close(store->users_fd);
    }
    (void) pthread_mutex_destroy(&store->segment_lock);
    free(store);
}

const uint8_t *
store_uuid(const store_t *store)
{
    return store->uuid;
}
