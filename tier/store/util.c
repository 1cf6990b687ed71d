#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/internal.h"

unsigned fault_armed;
static _Atomic unsigned fault_passes;

/* BLOB_EDGE_STORE_FAULT=POINT[:PASSES]: die the PASSES-th time. For crash
 * tests; a production environment has no such variable. */
void
fault_setup(void)
{
    const char *env = getenv("BLOB_EDGE_STORE_FAULT");
    char *end;

    if (env == NULL || *env == '\0') {
        fault_armed = 0;
        return;
    }
    fault_armed = (unsigned) strtoul(env, &end, 10);
    fault_passes = *end == ':' ? (unsigned) strtoul(end + 1, NULL, 10) : 1;
}

void
fault_hit(unsigned point)
{
    (void) point;
    if (atomic_fetch_sub(&fault_passes, 1) == 1) {
        (void) kill(getpid(), SIGKILL);
    }
}

void
store_error(const store_t *store, const char *what, const char *path)
{
    int err = errno;
    const char *mend = "";

    if (err == EACCES || err == EPERM) {
        mend = "; every user of a store runs as the same user (nginx's "
               "workers and blob-tier)";
    } else if (err == ENOSPC || err == EDQUOT) {
        mend = "; make room on its file system";
    } else if (err == EROFS) {
        mend = "; a store needs a writable file system";
    }
    tier_log(store->log, TIER_LOG_ERROR, "store %s: %s %s: %s%s", store->path,
             what, path, strerror(err), mend);
    errno = err;
}

tier_rc_t
errno_rc(int err)
{
    switch (err) {
    case ENOENT:
        return TIER_NOT_FOUND;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return TIER_ENOSPC;
    case ENOMEM:
        return TIER_ENOMEM;
    case EWOULDBLOCK:
        return TIER_EBUSY;
    default:
        return TIER_EIO;
    }
}

tier_rc_t
write_full(int fd, const void *buf, size_t len, uint64_t offset)
{
    const uint8_t *p = buf;

    while (len > 0) {
        ssize_t n = pwrite(fd, p, len, (off_t) offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return errno_rc(n < 0 ? errno : ENOSPC);
        }
        p += n;
        len -= (size_t) n;
        offset += (uint64_t) n;
    }
    return TIER_OK;
}

tier_rc_t
read_full(int fd, void *buf, size_t len, uint64_t offset)
{
    uint8_t *p = buf;

    while (len > 0) {
        ssize_t n = pread(fd, p, len, (off_t) offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return errno_rc(errno);
        }
        if (n == 0) {
            return TIER_NOT_FOUND;
        }
        p += n;
        len -= (size_t) n;
        offset += (uint64_t) n;
    }
    return TIER_OK;
}

void
store_path(const store_t *store, char *buf, size_t cap, const char *fmt, ...)
{
    va_list ap;
    int n = snprintf(buf, cap, "%s/", store->path);

    va_start(ap, fmt);
    if (n > 0 && (size_t) n < cap) {
        (void) vsnprintf(buf + n, cap - (size_t) n, fmt, ap);
    }
    va_end(ap);
}

tier_rc_t
sync_dir(const store_t *store, const char *sub)
{
    char path[STORE_PATH_MAX];
    tier_rc_t rc = TIER_OK;
    int fd;

    store_path(store, path, sizeof(path), "%s", sub);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0) {
        rc = errno_rc(errno);
        store_error(store, "sync folder", path);
    }
    if (fd >= 0) {
        (void) close(fd);
    }
    return rc;
}

tier_rc_t
write_file(const store_t *store, const char *sub, const char *name,
           const void *buf, size_t len)
{
    char path[STORE_PATH_MAX], tmp[STORE_PATH_MAX];
    tier_rc_t rc;
    int fd;

    store_path(store, path, sizeof(path), "%s/%s", sub, name);
    store_path(store, tmp, sizeof(tmp), "%s/%s.new", sub, name);
    fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        rc = errno_rc(errno);
        store_error(store, "create", tmp);
        return rc;
    }
    rc = write_full(fd, buf, len, 0);
    if (rc == TIER_OK && fsync(fd) != 0) {
        rc = errno_rc(errno);
    }
    (void) close(fd);
    if (rc == TIER_OK && rename(tmp, path) != 0) {
        rc = errno_rc(errno);
    }
    if (rc != TIER_OK) {
        store_error(store, "write", path);
        return rc;
    }
    return sync_dir(store, sub);
}

tier_rc_t
read_text(const char *path, char *buf, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0) {
        return errno_rc(errno);
    }
    n = read(fd, buf, cap - 1);
    (void) close(fd);
    if (n < 0) {
        return TIER_EIO;
    }
    buf[n] = '\0';
    return TIER_OK;
}

void
boot_id(char buf[40])
{
    char text[64] = "";

    memset(buf, 0, 40);
    if (read_text("/proc/sys/kernel/random/boot_id", text, sizeof(text))
        == TIER_OK)
    {
        memcpy(buf, text, strnlen(text, BOOT_ID_LEN));
    }
}

void
random_bytes(void *buf, size_t len)
{
    uint8_t *p = buf;

    while (len > 0) {
        ssize_t n = getrandom(p, len, 0);
        if (n <= 0) {
            continue;
        }
        p += n;
        len -= (size_t) n;
    }
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void) st;
    (void) type;
    (void) ftw;
    (void) remove(path);
    return 0;
}

void
remove_tree(const char *path)
{
    (void) nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int
compare_ids(const void *a, const void *b)
{
    uint64_t x, y;

    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x < y ? -1 : x > y;
}

/* Names are 16 hex digits and a suffix; anything else is somebody else's. */
static bool
file_id(const char *name, const char *suffix, uint64_t *ret)
{
    char *end;

    if (strlen(name) != 16 + strlen(suffix) || strcmp(name + 16, suffix) != 0)
    {
        return false;
    }
    *ret = strtoull(name, &end, 16);
    return end == name + 16;
}

tier_rc_t
list_files(const store_t *store, const char *sub, const char *suffix,
           uint64_t **ret, size_t *ret_n, uint64_t *ret_bytes)
{
    char path[STORE_PATH_MAX];
    uint64_t *ids = NULL, id, bytes = 0;
    size_t n = 0, cap = 0;
    struct dirent *de;
    struct stat st;
    DIR *dir;

    store_path(store, path, sizeof(path), "%s", sub);
    dir = opendir(path);
    if (dir == NULL) {
        store_error(store, "list", path);
        return errno_rc(errno);
    }
    while ((de = readdir(dir)) != NULL) {
        if (!file_id(de->d_name, suffix, &id)) {
            continue;
        }
        if (n == cap) {
            uint64_t *grown;
            cap = cap ? cap * 2 : 64;
            grown = realloc(ids, cap * sizeof(*ids));
            if (grown == NULL) {
                free(ids);
                (void) closedir(dir);
                return TIER_ENOMEM;
            }
            ids = grown;
        }
        ids[n++] = id;
        if (ret_bytes != NULL && fstatat(dirfd(dir), de->d_name, &st, 0) == 0)
        {
            bytes += (uint64_t) st.st_blocks * 512;
        }
    }
    (void) closedir(dir);
    if (n > 0) {
        qsort(ids, n, sizeof(*ids), compare_ids);
    }
    if (ret_bytes != NULL) {
        *ret_bytes = bytes;
    }
    if (ret != NULL) {
        *ret = ids;
        *ret_n = n;
    } else {
        free(ids);
    }
    return TIER_OK;
}

int64_t
store_now_us(const store_t *store)
{
    struct timespec ts;

    if (store->opts.now_us != NULL) {
        return store->opts.now_us(store->opts.now_ctx);
    }
    (void) clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

void
header_make(const store_t *store, file_header_t *h, uint64_t magic,
            uint64_t id)
{
    memset(h, 0, sizeof(*h));
    h->magic = magic;
    h->version = FORMAT_VERSION;
    h->header_len = FILE_HEADER_LEN;
    memcpy(h->uuid, store->uuid, sizeof(h->uuid));
    h->id = id;
    random_bytes(&h->salt, sizeof(h->salt));
    h->created_ms = (uint64_t) store_now_ms(store);
}

bool
header_ok(const store_t *store, const file_header_t *h, uint64_t magic,
          uint64_t id)
{
    return h->magic == magic && h->version == FORMAT_VERSION
        && h->header_len == FILE_HEADER_LEN && h->id == id
        && memcmp(h->uuid, store->uuid, sizeof(h->uuid)) == 0
        && h->crc == crc64_nvme(0, h, __builtin_offsetof(file_header_t, crc));
}
