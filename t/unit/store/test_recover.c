#include "help.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

/* Opening again: trusted, rebuilt, damaged, of another version or host. */

static void
path_of(char buf[400], const char *sub)
{
    snprintf(buf, 400, "%s/%s", t_dir, sub);
}

static void
overwrite(const char *sub, const char *text)
{
    char path[400];
    FILE *f;

    path_of(path, sub);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static off_t
size_of(const char *sub)
{
    char path[400];
    struct stat st;

    path_of(path, sub);
    return stat(path, &st) == 0 ? st.st_size : -1;
}

#define J1 "journal/0000000000000001.journal"

static void
test_reopen(void **state)
{
    store_t *store = t_open();
    uint64_t inc = t_container(store, "cont", STORE_MODE_OWNED), n1, n2;
    static uint8_t big[100000];
    uint8_t uuid[16];
    char path[400];
    struct stat st;

    (void) state;
    memcpy(uuid, store_uuid(store), 16);
    t_put(store, "a", "one", 3, STORE_MODE_OWNED, &n1);
    t_put(store, "b", big, sizeof(big), STORE_MODE_OWNED, NULL);
    store_close(store);

    store = t_open(); /* trusted */
    assert_memory_equal(uuid, store_uuid(store), 16);
    t_assert_blob(store, inc, "a", "one", 3);
    t_put(store, "a", "two", 3, STORE_MODE_OWNED, &n2);
    assert_true(n2 == n1 + 2);
    store_close(store);

    overwrite("index/mark", "boot another\n"); /* as after a restart */
    store = t_open();
    t_assert_blob(store, inc, "a", "two", 3);
    t_assert_blob(store, inc, "b", big, sizeof(big));
    t_verify(store);
    assert_int_equal(store_maintain(store, STORE_MAINTAIN_CHECKPOINT),
                     TIER_OK);
    t_put(store, "c", "see", 3, STORE_MODE_OWNED, NULL);
    store_close(store);

    overwrite("index/mark", "boot another\n"); /* checkpoint + journal */
    store = t_open();
    t_assert_blob(store, inc, "a", "two", 3);
    t_assert_blob(store, inc, "c", "see", 3);
    t_verify(store);
    store_close(store);

    path_of(path, "index/data.mdb"); /* damaged, and the mark says so */
    assert_int_equal(truncate(path, 100), 0);
    store = t_open();
    t_assert_blob(store, inc, "c", "see", 3);
    store_close(store);
    path_of(path, "index/data.mdb");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(t_dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static void
test_bad_checkpoint(void **state)
{
    store_t *store = t_open();
    uint64_t inc = t_container(store, "cont", STORE_MODE_OWNED);
    char path[400], cmd[900];

    (void) state;
    t_put(store, "a", "one", 3, STORE_MODE_OWNED, NULL);
    assert_int_equal(store_maintain(store, STORE_MAINTAIN_CHECKPOINT),
                     TIER_OK);
    t_put(store, "b", "two", 3, STORE_MODE_OWNED, NULL);
    assert_int_equal(store_maintain(store, STORE_MAINTAIN_CHECKPOINT),
                     TIER_OK);
    store_close(store);
    /* the newest one rots */
    snprintf(path, sizeof(path), "%s/checkpoint", t_dir);
    snprintf(cmd, sizeof(cmd),
             "f=$(ls %s/*.mdb | tail -1); printf X | dd of=$f bs=1 seek=5000 "
             "conv=notrunc 2>/dev/null",
             path);
    assert_int_equal(system(cmd), 0);
    overwrite("index/mark", "boot another\n");
    store = t_open();
    t_assert_blob(store, inc, "a", "one", 3);
    t_assert_blob(store, inc, "b", "two", 3);
    t_verify(store);
    store_close(store);
}

static void
test_torn_and_damaged(void **state)
{
    store_t *store = t_open();
    uint64_t inc = t_container(store, "cont", STORE_MODE_OWNED);
    char path[400];
    off_t before, after;
    int fd;

    (void) state;
    t_put(store, "a", "one", 3, STORE_MODE_OWNED, NULL);
    before = size_of(J1);
    t_put(store, "b", "two", 3, STORE_MODE_OWNED, NULL);
    after = size_of(J1);
    store_close(store);

    /* a record cut anywhere is as if it had never been */
    path_of(path, J1);
    assert_int_equal(truncate(path, before + (after - before) / 2), 0);
    overwrite("index/mark", "boot another\n");
    store = t_open();
    assert_int_equal(size_of(J1), before);
    t_assert_blob(store, inc, "a", "one", 3);
    assert_null(t_read(store, inc, VIEW("b"), &(size_t){ 0 }));
    t_put(store, "b", "2nd", 3, STORE_MODE_OWNED, NULL);
    t_put(store, "c", "3rd", 3, STORE_MODE_OWNED, NULL);
    store_close(store);

    /* damage below what a later record knew to be durable is not a tear */
    fd = open(path, O_RDWR);
    assert_int_equal(pwrite(fd, "X", 1, before + 60), 1);
    close(fd);
    overwrite("index/mark", "boot another\n");
    t_quiet_errors(true);
    assert_int_equal(store_open(t_dir, &t_opts, &store), TIER_ECORRUPT);
    assert_true(t_quiet_errors(false) > 0);
    assert_true(size_of(J1) > before); /* nothing was cut */
}

static void
test_refused(void **state)
{
    store_t *store = t_open();
    store_opts_t opts;
    char lock[400], text[256] = "";
    FILE *f;

    (void) state;
    t_container(store, "cont", STORE_MODE_OWNED);
    store_close(store);
    t_quiet_errors(true);

    path_of(lock, "lock");
    f = fopen(lock, "r");
    assert_non_null(f);
    (void) !fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    overwrite("lock", "host elsewhere\nboot other\n");
    assert_int_equal(store_open(t_dir, &t_opts, &store), TIER_EBUSY);
    opts = t_opts;
    opts.take_over = true;
    assert_int_equal(store_open(t_dir, &opts, &store), TIER_OK);
    store_close(store);
    store = t_open(); /* for good */
    store_close(store);

    overwrite("format", "blob-edge-store 99\nuuid "
                        "00000000000000000000000000000000\n");
    assert_int_equal(store_open(t_dir, &t_opts, &store), TIER_EVERSION);
    overwrite("format", "something else\n");
    assert_int_equal(store_open(t_dir, &t_opts, &store), TIER_ECORRUPT);
    path_of(lock, "format");
    assert_int_equal(unlink(lock), 0);
    assert_int_equal(store_open(t_dir, &t_opts, &store), TIER_ECORRUPT);
    opts = t_opts;
    opts.read_only = true;
    assert_int_equal(store_open("/nonexistent/store", &opts, &store),
                     TIER_EINVAL);
    assert_int_equal(t_quiet_errors(false), 5);
}

/* ---- several processes ------------------------------------------------ */

#define EACH 300

static int
writer(void *ctx)
{
    unsigned me = (unsigned) (uintptr_t) ctx;
    static uint8_t buf[20000];
    store_t *store = NULL;

    if (store_open(t_dir, &t_opts, &store) != TIER_OK) {
        return 1;
    }
    for (unsigned i = 0; i < EACH; i++) {
        size_t len = i % 10 == 0 ? sizeof(buf) : 100 + i;
        char name[32];
        uint64_t n;

        t_fill(buf, len, me * 1000 + i);
        snprintf(name, sizeof(name), "p%u-%u", me, i);
        if (t_put(store, name, buf, len, STORE_MODE_OWNED, &n) != TIER_OK
            || store_durable(store) < n
            || t_put(store, "shared", buf, len, STORE_MODE_OWNED, &n)
                   != TIER_OK)
        {
            return 2;
        }
        if (i % 50 == 0) {
            (void) !store_maintain(store, STORE_MAINTAIN_CHECKPOINT);
        }
    }
    store_close(store);
    return 0;
}

static void
test_two_processes(void **state)
{
    static uint8_t buf[20000];
    pid_t pid[3];
    store_t *store;
    uint64_t inc;

    (void) state;
    t_opts.journal_file_bytes = 1 << 20;
    store = t_open();
    inc = t_container(store, "cont", STORE_MODE_OWNED);
    store_close(store);
    for (unsigned p = 0; p < 3; p++) {
        pid[p] = t_fork(writer, (void *) (uintptr_t) p);
    }
    for (unsigned p = 0; p < 3; p++) {
        assert_int_equal(t_join(pid[p]), 0);
    }
    store = t_open();
    for (unsigned p = 0; p < 3; p++) {
        for (unsigned i = 0; i < EACH; i++) {
            size_t len = i % 10 == 0 ? sizeof(buf) : 100 + i;
            char name[32];

            t_fill(buf, len, p * 1000 + i);
            snprintf(name, sizeof(name), "p%u-%u", p, i);
            t_assert_blob(store, inc, name, buf, len);
        }
    }
    t_verify(store);
    store_close(store);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_reopen),  T(test_bad_checkpoint), T(test_torn_and_damaged),
        T(test_refused), T(test_two_processes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
