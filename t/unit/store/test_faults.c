/* link: -Wl,--wrap=fdatasync */
#include "help.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

/* Disks that are full or fail, and an index that is full. */

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

static int fail_syncs;

int
__wrap_fdatasync(int fd)
{
    if (fail_syncs > 0) {
        fail_syncs--;
        errno = EIO;
        return -1;
    }
    return __real_fdatasync(fd);
}

static void
test_sync_fails(void **state)
{
    store_t *store = t_open();
    uint64_t inc = t_container(store, "cont", STORE_MODE_OWNED);
    static uint8_t big[50000];
    store_body_t *body;
    store_stats_t st;
    store_reader_t *reader;

    (void) state;
    t_put(store, "a", "one", 3, STORE_MODE_OWNED, NULL);
    t_quiet_errors(true);
    fail_syncs = 1;
    assert_int_equal(t_put(store, "b", "two", 3, STORE_MODE_OWNED, NULL),
                     TIER_EIO);
    /* never tried again: all writes are refused, reads go on */
    assert_int_equal(store_body_open(store, 10, 0, &body), TIER_EIO);
    assert_int_equal(t_delete(store, "a", STORE_MODE_OWNED, NULL), TIER_EIO);
    t_assert_blob(store, inc, "a", "one", 3);
    assert_int_equal(store_reader_open(store, &reader), TIER_OK);
    assert_int_equal(store_stats(reader, VIEW_NULL, &st), TIER_OK);
    assert_true(st.failed);
    store_reader_close(reader);
    store_close(store);

    t_quiet_errors(false);
    store = t_open(); /* rebuilt */
    t_assert_blob(store, inc, "a", "one", 3);
    assert_int_equal(
        t_put(store, "c", big, sizeof(big), STORE_MODE_OWNED, NULL), TIER_OK);
    t_verify(store);

    /* the body's own file */
    t_quiet_errors(true);
    body = t_body(store, big, sizeof(big));
    assert_non_null(body);
    fail_syncs = 1;
    {
        store_change_t c = t_change(STORE_BLOB_PUT, "d");

        c.body = body;
        assert_int_equal(t_commit(store, &c), TIER_EIO);
        assert_null(c.body);
    }
    t_quiet_errors(false);
    store_close(store);
    store = t_open();
    t_assert_blob(store, inc, "c", big, sizeof(big));
    assert_null(t_read(store, inc, VIEW("d"), &(size_t){ 0 }));
    store_close(store);
}

static void
test_disk_full(void **state)
{
    store_t *store = t_open();
    uint64_t inc = t_container(store, "cont", STORE_MODE_OWNED);
    struct rlimit old, lim;
    static uint8_t buf[4096];
    char name[32];
    unsigned n = 0;
    tier_rc_t rc;

    (void) state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    lim = old;
    lim.rlim_cur = 600000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &lim), 0);
    t_quiet_errors(true);
    do {
        snprintf(name, sizeof(name), "n%u", n);
        t_fill(buf, sizeof(buf), n);
        rc = t_put(store, name, buf, sizeof(buf), STORE_MODE_OWNED, NULL);
        n += rc == TIER_OK;
    } while (rc == TIER_OK);
    assert_int_equal(rc, TIER_ENOSPC);
    assert_true(n > 50);
    /* what is small still fits: nothing was left behind by the failure */
    assert_int_equal(t_delete(store, "n0", STORE_MODE_OWNED, NULL), TIER_OK);
    /* bodies, too, fail by themselves */
    {
        store_body_t *body;
        static uint8_t big[700000];

        assert_int_equal(store_body_open(store, sizeof(big), 0, &body),
                         TIER_OK);
        assert_int_equal(store_body_write(body, big, sizeof(big)),
                         TIER_ENOSPC);
        store_body_abort(body);
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    t_quiet_errors(false);
    assert_int_equal(
        t_put(store, name, buf, sizeof(buf), STORE_MODE_OWNED, NULL), TIER_OK);
    for (unsigned i = 1; i < n; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        t_fill(buf, sizeof(buf), i);
        t_assert_blob(store, inc, name, buf, sizeof(buf));
    }
    t_verify(store);
    store_close(store);
}

static void
test_index_full(void **state)
{
    store_t *store;
    uint64_t inc;
    char name[500];
    unsigned n = 0;
    tier_rc_t rc;

    (void) state;
    t_opts.map_bytes = 1 << 20;
    store = t_open();
    inc = t_container(store, "cont", STORE_MODE_OWNED);
    t_quiet_errors(true);
    memset(name, 'n', sizeof(name));
    do {
        snprintf(name + 400, 20, "%u", n);
        rc = t_put(store, name, "x", 1, STORE_MODE_OWNED, NULL);
        n += rc == TIER_OK;
    } while (rc == TIER_OK);
    assert_int_equal(rc, TIER_ENOSPC);
    assert_true(n > 100);
    assert_int_equal(t_delete(store, "m", STORE_MODE_OWNED, NULL),
                     TIER_NOT_FOUND);
    snprintf(name + 400, 20, "%u", n - 1);
    assert_int_equal(t_delete(store, name, STORE_MODE_OWNED, NULL), TIER_OK);
    n--;
    store_close(store);
    t_quiet_errors(false);
    t_opts.map_bytes = 1 << 26; /* more room: all goes on */
    store = t_open();
    for (unsigned i = 0; i < n; i++) {
        snprintf(name + 400, 20, "%u", i);
        t_assert_blob(store, inc, name, "x", 1);
    }
    assert_int_equal(t_put(store, "m", "x", 1, STORE_MODE_OWNED, NULL),
                     TIER_OK);
    t_verify(store);
    store_close(store);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_sync_fails),
        T(test_disk_full),
        T(test_index_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
