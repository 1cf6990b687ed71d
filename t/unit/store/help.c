#include "help.h"

#include <fcntl.h>
#include <ftw.h>

#include "base/digest.h"

char t_dir[256];
store_opts_t t_opts;
static bool quiet;
static int errors;

static void
log_line(void *ctx, tier_log_level_t level, const char *line)
{
    (void) ctx;
    if (level == TIER_LOG_ERROR) {
        errors++;
        if (!quiet) {
            fprintf(stderr, "  log: %s\n", line);
        }
    }
}

static const tier_log_t log_hook = { log_line, NULL, TIER_LOG_DEBUG };

int
t_quiet_errors(bool q)
{
    int n = errors;

    quiet = q;
    errors = 0;
    return n;
}

void
t_setup(void)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(t_dir, sizeof(t_dir), "%s/blob-store-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(t_dir));
    memset(&t_opts, 0, sizeof(t_opts));
    t_opts.map_bytes = 1ull << 30;
    t_opts.log = &log_hook;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void) st;
    (void) type;
    (void) ftw;
    return remove(path);
}

void
t_teardown(void)
{
    nftw(t_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int
t_case_setup(void **state)
{
    (void) state;
    t_setup();
    return 0;
}

int
t_case_teardown(void **state)
{
    (void) state;
    t_teardown();
    return 0;
}

store_t *
t_open(void)
{
    store_t *store = NULL;

    assert_int_equal(store_open(t_dir, &t_opts, &store), TIER_OK);
    return store;
}

tier_rc_t
t_commit(store_t *store, store_change_t *c)
{
    store_commit(store, &c, 1);
    return c->rc;
}

store_change_t
t_change(store_kind_t kind, const char *name)
{
    store_change_t c;

    memset(&c, 0, sizeof(c));
    c.kind = kind;
    c.account = ACCOUNT;
    c.container = CONTAINER;
    c.name = name == NULL ? VIEW_NULL : view_str(name);
    return c;
}

uint64_t
t_container(store_t *store, const char *name, store_mode_t mode)
{
    store_change_t c = t_change(STORE_CONTAINER_CREATE, NULL);

    c.container = view_str(name);
    c.mode = mode;
    (void) t_commit(store, &c);
    assert_true(c.rc == TIER_OK || c.rc == TIER_EXISTS);
    return c.result_incarnation;
}

store_body_t *
t_body(store_t *store, const void *buf, size_t len)
{
    store_body_t *body = NULL;
    store_digest_t d;

    if (store_body_open(store, len, 0, &body) != TIER_OK) {
        return NULL;
    }
    if (store_body_write(body, buf, len / 2) != TIER_OK
        || store_body_write(body, (const uint8_t *) buf + len / 2,
                            len - len / 2)
               != TIER_OK
        || store_body_finish(body, &d) != TIER_OK)
    {
        store_body_abort(body);
        return NULL;
    }
    return body;
}

tier_rc_t
t_put(store_t *store, const char *name, const void *buf, size_t len,
      store_mode_t mode, uint64_t *ret_number)
{
    store_change_t c = t_change(STORE_BLOB_PUT, name);
    blob_props_t props;

    memset(&props, 0, sizeof(props));
    props.content_type = VIEW("text/plain");
    c.props = &props;
    c.mode = mode;
    c.body = t_body(store, buf, len);
    if (c.body == NULL) {
        return TIER_EIO;
    }
    (void) t_commit(store, &c);
    if (ret_number != NULL) {
        *ret_number = c.number;
    }
    return c.rc;
}

tier_rc_t
t_block(store_t *store, const char *name, const char *id, const void *buf,
        size_t len, int *verdict)
{
    store_change_t c = t_change(STORE_BLOCK_PUT, name);

    c.block_id = view_str(id);
    c.body = t_body(store, buf, len);
    if (c.body == NULL) {
        return TIER_EIO;
    }
    (void) t_commit(store, &c);
    if (verdict != NULL) {
        *verdict = c.verdict;
    }
    return c.rc;
}

tier_rc_t
t_list(store_t *store, const char *name, const char *list, store_mode_t mode,
       int *verdict)
{
    store_change_t c = t_change(STORE_BLOCK_LIST, name);
    store_block_ref_t refs[64];
    blob_props_t props;
    unsigned n = 0;

    memset(&props, 0, sizeof(props));
    while (*list != '\0') {
        size_t len = strcspn(list, ",");

        refs[n].which = *list == 'L' ? STORE_BLOCK_LATEST
                      : *list == 'C' ? STORE_BLOCK_COMMITTED
                                     : STORE_BLOCK_UNCOMMITTED;
        refs[n++].id = view_of(list + 2, len - 2);
        list += len + (list[len] == ',');
    }
    c.blocks = refs;
    c.nblocks = n;
    c.props = &props;
    c.mode = mode;
    (void) t_commit(store, &c);
    if (verdict != NULL) {
        *verdict = c.verdict;
    }
    return c.rc;
}

tier_rc_t
t_delete(store_t *store, const char *name, store_mode_t mode,
         uint64_t *ret_number)
{
    store_change_t c = t_change(STORE_BLOB_DELETE, name);

    c.mode = mode;
    (void) t_commit(store, &c);
    if (ret_number != NULL) {
        *ret_number = c.number;
    }
    return c.rc;
}

tier_rc_t
t_delete_all(store_t *store, const char *name, store_mode_t mode)
{
    store_change_t c = t_change(STORE_BLOB_DELETE, name);

    c.mode = mode;
    c.flags = STORE_WITH_SNAPSHOTS;
    return t_commit(store, &c);
}

tier_rc_t
t_append_new(store_t *store, const char *name)
{
    store_change_t c = t_change(STORE_BLOB_PUT, name);
    blob_props_t props;

    memset(&props, 0, sizeof(props));
    props.type = BLOB_APPEND;
    c.props = &props;
    return t_commit(store, &c);
}

tier_rc_t
t_append(store_t *store, const char *name, const void *buf, size_t len)
{
    store_change_t c = t_change(STORE_APPEND, name);

    c.body = t_body(store, buf, len);
    return c.body == NULL ? TIER_EIO : t_commit(store, &c);
}

tier_rc_t
t_snapshot(store_t *store, const char *name, uint64_t *ret_time)
{
    store_change_t c = t_change(STORE_SNAPSHOT_CREATE, name);

    (void) t_commit(store, &c);
    if (ret_time != NULL) {
        *ret_time = c.snapshot;
    }
    return c.rc;
}

static void
read_extent(store_t *store, const store_extent_t *e, uint8_t *buf)
{
    char path[STORE_PATH_MAX];
    int fd;

    assert_int_equal(
        store_file_path(store, e->kind, e->file, path, sizeof(path)), TIER_OK);
    fd = open(path, O_RDONLY);
    if (fd < 0) {
        fail_msg("extent's file is missing: %s", path);
    }
    assert_int_equal(pread(fd, buf, e->length, (off_t) e->offset), e->length);
    close(fd);
    assert_true(crc64_nvme(0, buf, e->length) == e->crc64);
}

uint8_t *
t_read(store_t *store, uint64_t incarnation, view_t name, size_t *ret_len)
{
    return t_read_at(store, incarnation, name, 0, ret_len);
}

uint8_t *
t_read_at(store_t *store, uint64_t incarnation, view_t name, uint64_t time,
          size_t *ret_len)
{
    tier_rc_t rc;
    static uint8_t mem[STORE_RECORD_MAX];
    store_reader_t *reader;
    store_extent_t e[7];
    store_blob_t b;
    writer_t w;
    uint8_t *buf;
    uint64_t at = 0;

    writer_init_fixed(&w, mem, sizeof(mem));
    assert_int_equal(store_reader_open(store, &reader), TIER_OK);
    rc = time ? store_snapshot_get(reader, incarnation, name, time, &w, &b)
              : store_blob_get(reader, incarnation, name, &w, &b);
    if (rc != TIER_OK || !store_blob_visible(&b)) {
        store_reader_close(reader);
        return NULL;
    }
    assert_true(b.resident);
    buf = malloc(b.props.content_length + 1);
    while (at < b.props.content_length) {
        unsigned n;

        assert_int_equal(store_extents_get(reader, b.content, at,
                                           b.props.content_length - at, e, 7,
                                           &n),
                         TIER_OK);
        assert_true(n > 0);
        for (unsigned i = 0; i < n; i++) {
            assert_true(e[i].blob_offset == at);
            read_extent(store, &e[i], buf + at);
            at += e[i].length;
        }
    }
    assert_true(at == b.props.content_length);
    store_reader_close(reader);
    *ret_len = at;
    return buf;
}

void
t_assert_blob(store_t *store, uint64_t incarnation, const char *name,
              const void *buf, size_t len)
{
    size_t have = 0;
    uint8_t *p = t_read(store, incarnation, view_str(name), &have);

    if (p == NULL) {
        fail_msg("no blob %s", name);
    }
    assert_int_equal(have, len);
    assert_memory_equal(p, buf, len);
    free(p);
}

void
t_get(store_t *store, uint64_t incarnation, const char *name,
      store_blob_t *ret)
{
    static uint8_t mem[STORE_RECORD_MAX];
    store_reader_t *reader;
    writer_t w;

    writer_init_fixed(&w, mem, sizeof(mem));
    assert_int_equal(store_reader_open(store, &reader), TIER_OK);
    (void) !store_blob_get(reader, incarnation, view_str(name), &w, ret);
    store_reader_close(reader);
}

void
t_verify(store_t *store)
{
    uint64_t bad = 99;

    assert_int_equal(store_verify_index(store), TIER_OK);
    assert_int_equal(store_verify_bodies(store, &bad), TIER_OK);
    assert_int_equal(bad, 0);
}

void
t_fill(uint8_t *buf, size_t len, uint64_t seed)
{
    for (size_t i = 0; i < len; i++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        buf[i] = (uint8_t) (seed >> 56);
    }
}

pid_t
t_fork(int (*fn)(void *ctx), void *ctx)
{
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        _exit(fn(ctx));
    }
    return pid;
}

int
t_join(pid_t pid)
{
    int status;

    if (waitpid(pid, &status, 0) != pid) {
        return -1;
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
