#include "help.h"

/* What is kept of an account: set whole, durable, rebuilt. */

static uint8_t room[STORE_SERVICE_MAX + 64];

static tier_rc_t
get(store_t *store, view_t account, store_account_t *ret)
{
    store_reader_t *reader;
    writer_t w;
    tier_rc_t rc;

    writer_init_fixed(&w, room, sizeof(room));
    assert_int_equal(store_reader_open(store, &reader), TIER_OK);
    rc = store_account_get(reader, account, &w, ret);
    store_reader_close(reader);
    return rc;
}

static void
assert_service(store_t *store, view_t want)
{
    store_account_t a;

    assert_int_equal(get(store, ACCOUNT, &a), TIER_OK);
    assert_true(view_eq(a.service, want));
    assert_int_equal(a.seen, a.number);
}

static tier_rc_t
set(store_t *store, view_t text)
{
    store_change_t c = { .kind = STORE_ACCOUNT_SET,
                         .account = ACCOUNT,
                         .service = text };

    return t_commit(store, &c);
}

static void
test_set(void **state)
{
    store_t *store = t_open();
    uint64_t number;
    store_account_t a;

    (void) state;
    t_put(store, "x", "1", 1, STORE_MODE_OWNED, &number);
    assert_int_equal(get(store, ACCOUNT, &a), TIER_NOT_FOUND);
    assert_int_equal(a.seen, store_durable(store));
    assert_int_equal(set(store, VIEW("one")), TIER_OK);
    assert_service(store, VIEW("one"));
    assert_int_equal(get(store, ACCOUNT, &a), TIER_OK);
    number = a.number;
    assert_int_equal(set(store, VIEW("two")), TIER_OK);
    assert_service(store, VIEW("two"));
    assert_int_equal(get(store, ACCOUNT, &a), TIER_OK);
    assert_int_equal(a.number, number + 1);
    assert_int_equal(get(store, VIEW("other"), &a), TIER_NOT_FOUND);
    assert_int_equal(get(store, VIEW("acc"), &a), TIER_NOT_FOUND);
    assert_int_equal(get(store, VIEW(""), &a), TIER_NOT_FOUND);
    assert_int_equal(set(store, VIEW("")), TIER_OK);
    assert_service(store, VIEW(""));
    t_verify(store);
    store_close(store);
}

static int
check(void *ctx, const store_account_t *now)
{
    uint64_t *want = ctx;

    return *want == (now == NULL ? 0 : now->number) ? 0 : 7;
}

static void
test_check(void **state)
{
    store_t *store = t_open();
    uint64_t want = 1;
    store_change_t c = { .kind = STORE_ACCOUNT_SET,
                         .account = ACCOUNT,
                         .service = VIEW("mine"),
                         .check_account = check,
                         .check_ctx = &want };
    store_account_t a;

    (void) state;
    assert_int_equal(t_commit(store, &c), TIER_REFUSED);
    assert_int_equal(c.verdict, 7);
    assert_int_equal(c.number, 0);
    assert_int_equal(get(store, ACCOUNT, &a), TIER_NOT_FOUND);

    want = 0;
    assert_int_equal(t_commit(store, &c), TIER_OK);
    assert_int_equal(t_commit(store, &c), TIER_REFUSED);
    want = c.number;
    assert_int_equal(get(store, ACCOUNT, &a), TIER_OK);
    want = a.number;
    assert_int_equal(t_commit(store, &c), TIER_OK);
    store_close(store);
}

static void
test_bounds(void **state)
{
    static uint8_t big[STORE_SERVICE_MAX + 1];
    store_t *store = t_open();
    store_change_t c = { .kind = STORE_ACCOUNT_SET };
    store_account_t a;
    store_reader_t *reader;
    writer_t w;

    (void) state;
    t_fill(big, sizeof(big), 1);
    assert_int_equal(set(store, view_of(big, sizeof(big))), TIER_EINVAL);
    assert_int_equal(t_commit(store, &c), TIER_EINVAL);
    assert_int_equal(set(store, view_of(big, STORE_SERVICE_MAX)), TIER_OK);
    assert_service(store, view_of(big, STORE_SERVICE_MAX));

    writer_init_fixed(&w, room, 100);
    assert_int_equal(store_reader_open(store, &reader), TIER_OK);
    assert_int_equal(store_account_get(reader, ACCOUNT, &w, &a), TIER_ELIMIT);
    store_reader_close(reader);
    t_verify(store);
    store_close(store);
}

static void
forget_the_index(void)
{
    char path[300];

    snprintf(path, sizeof(path), "%s/index/mark", t_dir);
    assert_int_equal(unlink(path), 0);
}

static void
test_recover(void **state)
{
    store_t *store = t_open();

    (void) state;
    assert_int_equal(set(store, VIEW("old")), TIER_OK);
    assert_int_equal(set(store, VIEW("kept")), TIER_OK);
    store_close(store);

    for (int round = 0; round < 4; round++) {
        store = t_open();
        assert_service(store, VIEW("kept"));
        t_verify(store);
        if (round == 1) {
            assert_int_equal(store_maintain(store, STORE_MAINTAIN_CHECKPOINT),
                             TIER_OK);
        }
        store_close(store);
        if (round > 0) { /* trusted, journal, checkpoint */
            forget_the_index();
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_set),
        T(test_check),
        T(test_bounds),
        T(test_recover),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
