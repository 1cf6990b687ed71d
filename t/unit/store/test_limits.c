#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "store/internal.h"
#include "help.h"

/* What processes with other limits than their neighbours must not break. */

static void
rebuild_next_time(void)
{
    char path[300];

    (void) snprintf(path, sizeof(path), "%s/index/mark", t_dir);
    (void) unlink(path);
}

static int
die_rotating(void *ctx)
{
    static uint8_t buf[8000];
    char point[16];
    store_t *store;

    (void) ctx;
    (void) snprintf(point, sizeof(point), "%d", FAULT_ROTATE_MADE);
    (void) setenv("BLOB_EDGE_STORE_FAULT", point, 1);
    t_opts.journal_file_bytes = 64 << 10;
    store = t_open();
    for (int i = 0; i < 100; i++) {
        (void) t_put(store, "many", buf, sizeof(buf), STORE_MODE_OWNED, NULL);
    }
    return 0;
}

/* The next journal file is there, and the next opener would still have found
 * room in the last one. */
static void
test_rotation_ended_by_other_limit(void **state)
{
    store_t *store = t_open();
    uint64_t inc = t_container(store, "cont", STORE_MODE_OWNED);

    (void) state;
    store_close(store);
    assert_int_equal(t_join(t_fork(die_rotating, NULL)), 128 + SIGKILL);

    t_opts.journal_file_bytes = 64 << 20;
    store = t_open();
    assert_int_equal(t_put(store, "after", "after", 5, STORE_MODE_OWNED, NULL),
                     TIER_OK);
    store_close(store);
    rebuild_next_time();
    store = t_open();
    t_assert_blob(store, inc, "after", "after", 5);
    t_verify(store);
    store_close(store);
}

static int
commit_short_of_descriptors(void *ctx)
{
    store_t *store = t_open();
    struct rlimit all, few;
    int fd = dup(0), ret = 0;
    tier_rc_t rc;

    (void) ctx;
    (void) close(fd);
    (void) getrlimit(RLIMIT_NOFILE, &all);
    few = all;
    few.rlim_cur = (rlim_t) fd + 1; /* the journal's, none to sync it by */
    (void) setrlimit(RLIMIT_NOFILE, &few);
    rc = t_put(store, "a", "a", 1, STORE_MODE_OWNED, NULL);
    (void) setrlimit(RLIMIT_NOFILE, &all);
    if (rc != TIER_EIO) {
        ret = 1;
    } else if (atomic_load(&store->shared->failed) != 0) {
        ret = 2;
    } else if (t_put(store, "b", "b", 1, STORE_MODE_OWNED, NULL) != TIER_OK) {
        ret = 3;
    }
    store_close(store);
    return ret;
}

static void
test_no_descriptor_is_no_failed_sync(void **state)
{
    store_t *store = t_open();
    uint64_t inc = t_container(store, "cont", STORE_MODE_OWNED);

    (void) state;
    assert_int_equal(t_join(t_fork(commit_short_of_descriptors, NULL)), 0);
    assert_int_equal(t_put(store, "c", "c", 1, STORE_MODE_OWNED, NULL),
                     TIER_OK);
    t_assert_blob(store, inc, "b", "b", 1);
    t_verify(store);
    store_close(store);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_rotation_ended_by_other_limit),
        T(test_no_descriptor_is_no_failed_sync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
