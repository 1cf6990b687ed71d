#include "help.h"

/* What the store does with leases: it keeps them, and knows no rules. */

static const lease_t held = { LEASE_LEASED,
                              30,
                              1700000030000,
                              { 1, 2, 3, 4, 5, 6, 7, 8, 9 } };
static const lease_t none;

static void
assert_lease(const lease_t *a, const lease_t *b)
{
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->duration_s, b->duration_s);
    assert_int_equal(a->ends_ms, b->ends_ms);
    assert_memory_equal(a->id, b->id, LEASE_ID_LEN);
}

static void
assert_blob_lease(store_t *store, uint64_t inc, const char *name,
                  const lease_t *lease)
{
    store_blob_t b;

    t_get(store, inc, name, &b);
    assert_lease(&b.props.lease, lease);
}

static void
get_container(store_t *store, store_container_t *ret)
{
    static uint8_t mem[STORE_RECORD_MAX];
    store_reader_t *reader;
    writer_t w;

    writer_init_fixed(&w, mem, sizeof(mem));
    assert_int_equal(store_reader_open(store, &reader), TIER_OK);
    assert_int_equal(store_container_get(reader, ACCOUNT, CONTAINER, &w, ret),
                     TIER_OK);
    store_reader_close(reader);
}

static tier_rc_t
lease_blob(store_t *store, const char *name, const lease_t *lease)
{
    store_change_t c = t_change(STORE_BLOB_LEASE, name);

    c.lease = lease;
    return t_commit(store, &c);
}

/* As the module works: from what is there, under the lock. */
typedef struct turn_s {
    store_change_t *change;
    lease_t next;
    int verdict;
} turn_t;

static int
turn(void *ctx, const store_blob_t *now)
{
    turn_t *t = ctx;

    if (now != NULL) {
        t->next = now->props.lease;
        t->next.id[0]++;
        t->change->lease = &t->next;
    }
    return t->verdict;
}

static void
test_blob(void **state)
{
    store_t *store = t_open();
    uint64_t inc = t_container(store, "cont", STORE_MODE_OWNED);
    store_change_t c = t_change(STORE_BLOB_LEASE, "a");
    turn_t t = { .change = &c };
    store_blob_t before, b;

    (void) state;
    assert_int_equal(lease_blob(store, "a", &held), TIER_NOT_FOUND);
    t_put(store, "a", "xyz", 3, STORE_MODE_OWNED, NULL);
    t_get(store, inc, "a", &before);
    assert_lease(&before.props.lease, &none);

    assert_int_equal(lease_blob(store, "a", NULL), TIER_EINVAL);
    assert_int_equal(lease_blob(store, "a", &held), TIER_OK);
    t_get(store, inc, "a", &b);
    assert_lease(&b.props.lease, &held);
    assert_true(b.etag == before.etag && b.number == before.number);
    assert_int_equal(b.props.last_modified_s, before.props.last_modified_s);
    assert_true(b.seen > before.seen); /* answers wait for it */
    t_assert_blob(store, inc, "a", "xyz", 3);

    c.check = turn;
    c.check_ctx = &t;
    assert_int_equal(t_commit(store, &c), TIER_OK);
    assert_int_equal(c.etag, before.etag);
    assert_true(c.number > 0);
    t_get(store, inc, "a", &b);
    assert_int_equal(b.props.lease.id[0], held.id[0] + 1);

    t.verdict = 77;
    assert_int_equal(t_commit(store, &c), TIER_REFUSED);
    assert_int_equal(c.verdict, 77);
    t_get(store, inc, "a", &b);
    assert_int_equal(b.props.lease.id[0], held.id[0] + 1);

    /* a name of uncommitted blocks is no blob yet */
    t_block(store, "blocks", "id", "data", 4, NULL);
    assert_int_equal(lease_blob(store, "blocks", &held), TIER_NOT_FOUND);
    t_verify(store);
    store_close(store);
}

static void
test_kept(void **state)
{
    store_t *store = t_open();
    uint64_t inc = t_container(store, "cont", STORE_MODE_OWNED);
    store_change_t c = t_change(STORE_BLOB_SET, "a");
    blob_props_t p;
    int verdict;

    (void) state;
    t_put(store, "a", "xyz", 3, STORE_MODE_OWNED, NULL);
    assert_int_equal(lease_blob(store, "a", &held), TIER_OK);
    t_put(store, "a", "longer", 6, STORE_MODE_OWNED, NULL);
    assert_blob_lease(store, inc, "a", &held);

    t_block(store, "a", "i1", "data", 4, NULL);
    assert_blob_lease(store, inc, "a", &held);
    assert_int_equal(t_list(store, "a", "L:i1", STORE_MODE_OWNED, &verdict),
                     TIER_OK);
    assert_blob_lease(store, inc, "a", &held);

    memset(&p, 0, sizeof(p));
    c.props = &p;
    c.flags = STORE_SET_META;
    assert_int_equal(t_commit(store, &c), TIER_OK);
    assert_blob_lease(store, inc, "a", &held);

    c.lease = &none; /* a write that ends it */
    assert_int_equal(t_commit(store, &c), TIER_OK);
    assert_blob_lease(store, inc, "a", &none);

    assert_int_equal(lease_blob(store, "a", &held), TIER_OK);
    assert_int_equal(t_delete(store, "a", STORE_MODE_OWNED, NULL), TIER_OK);
    t_put(store, "a", "new", 3, STORE_MODE_OWNED, NULL);
    assert_blob_lease(store, inc, "a", &none);

    /* a delete that says what becomes of it leaves nothing behind */
    c = t_change(STORE_BLOB_DELETE, "a");
    c.lease = &held;
    assert_int_equal(t_commit(store, &c), TIER_OK);
    t_put(store, "a", "new", 3, STORE_MODE_OWNED, NULL);
    assert_blob_lease(store, inc, "a", &none);
    t_verify(store);
    store_close(store);
}

static void
test_container(void **state)
{
    store_t *store = t_open();
    uint64_t inc = t_container(store, "cont", STORE_MODE_OWNED);
    store_change_t c = t_change(STORE_CONTAINER_LEASE, NULL);
    container_props_t p;
    store_container_t before, con;

    (void) state;
    get_container(store, &before);
    assert_int_equal(t_commit(store, &c), TIER_EINVAL);
    c.lease = &held;
    c.incarnation = inc + 1;
    assert_int_equal(t_commit(store, &c), TIER_NOT_FOUND);
    assert_int_equal(c.verdict, STORE_V_NO_CONTAINER);
    c.incarnation = inc;
    assert_int_equal(t_commit(store, &c), TIER_OK);
    get_container(store, &con);
    assert_lease(&con.props.lease, &held);
    assert_true(con.etag == before.etag && con.number == before.number
                && con.seen > before.seen && c.etag == before.etag);

    /* a change made from what was there before the lease */
    c = t_change(STORE_CONTAINER_SET, NULL);
    p = before.props;
    p.metadata = VIEW("\1\0\1\0kv");
    c.container_props = &p;
    assert_int_equal(t_commit(store, &c), TIER_OK);
    get_container(store, &con);
    assert_lease(&con.props.lease, &held);
    assert_true(view_eq(con.props.metadata, p.metadata));

    c = t_change(STORE_CONTAINER_DELETE, NULL);
    assert_int_equal(t_commit(store, &c), TIER_OK);
    t_container(store, "cont", STORE_MODE_OWNED);
    get_container(store, &con);
    assert_lease(&con.props.lease, &none);
    t_verify(store);
    store_close(store);
}

/* A lease at the origin is the origin's: there is none of ours beside it. */
static void
test_not_ours(void **state)
{
    store_t *store = t_open();
    store_change_t c = t_change(STORE_CONTAINER_LEASE, NULL);
    uint64_t inc = t_container(store, "cont", STORE_MODE_CLEAN);
    container_props_t p;
    store_container_t con;

    (void) state;
    t_put(store, "a", "xyz", 3, STORE_MODE_DIRTY, NULL);
    assert_int_equal(lease_blob(store, "a", &held), TIER_REFUSED);
    assert_blob_lease(store, inc, "a", &none);
    c.lease = &held;
    assert_int_equal(t_commit(store, &c), TIER_REFUSED);
    assert_int_equal(c.verdict, STORE_V_STATE);

    memset(&p, 0, sizeof(p)); /* what it says of it is taken as it is */
    p.lease.state = LEASE_BREAKING;
    c = t_change(STORE_CONTAINER_SET, NULL);
    c.mode = STORE_MODE_CLEAN;
    c.container_props = &p;
    assert_int_equal(t_commit(store, &c), TIER_OK);
    get_container(store, &con);
    assert_lease(&con.props.lease, &p.lease);
    store_close(store);
}

static void
forget_the_index(void)
{
    char path[400];
    FILE *f;

    snprintf(path, sizeof(path), "%s/index/mark", t_dir);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs("boot another\n", f);
    fclose(f);
}

static void
test_recover(void **state)
{
    store_t *store = t_open();
    uint64_t inc = t_container(store, "cont", STORE_MODE_OWNED);
    store_change_t c = t_change(STORE_CONTAINER_LEASE, NULL);
    lease_t other = held;
    store_container_t con;

    (void) state;
    other.id[0] = 99;
    c.lease = &other;
    t_put(store, "a", "one", 3, STORE_MODE_OWNED, NULL);
    assert_int_equal(lease_blob(store, "a", &held), TIER_OK);
    assert_int_equal(t_commit(store, &c), TIER_OK);
    store_close(store);

    for (int round = 0; round < 4; round++) {
        store = t_open();
        assert_blob_lease(store, inc, "a", &held);
        get_container(store, &con);
        assert_lease(&con.props.lease, &other);
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

    store = t_open(); /* the end of a lease is kept as well */
    assert_int_equal(lease_blob(store, "a", &none), TIER_OK);
    store_close(store);
    forget_the_index();
    store = t_open();
    assert_blob_lease(store, inc, "a", &none);
    store_close(store);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_blob),     T(test_kept),    T(test_container),
        T(test_not_ours), T(test_recover),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
