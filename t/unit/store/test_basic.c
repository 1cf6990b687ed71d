#include "help.h"

static void
test_put_get_delete(void **state)
{
    store_t *store = t_open();
    uint64_t inc = t_container(store, "cont", STORE_MODE_OWNED);
    static uint8_t big[300000];
    store_blob_t b, b2;
    uint64_t number;

    (void) state;
    t_fill(big, sizeof(big), 1);
    assert_int_equal(
        t_put(store, "small", "hello", 5, STORE_MODE_OWNED, &number), TIER_OK);
    assert_true(number > 1 && store_durable(store) >= number);
    assert_int_equal(
        t_put(store, "big", big, sizeof(big), STORE_MODE_OWNED, NULL),
        TIER_OK);
    assert_int_equal(t_put(store, "empty", "", 0, STORE_MODE_OWNED, NULL),
                     TIER_OK);
    t_assert_blob(store, inc, "small", "hello", 5);
    t_assert_blob(store, inc, "big", big, sizeof(big));
    t_assert_blob(store, inc, "empty", "", 0);

    t_get(store, inc, "small", &b);
    assert_int_equal(b.state, STORE_OWNED);
    assert_true(b.number == number && b.seen == number);
    assert_true(view_eq(b.props.content_type, VIEW("text/plain")));
    assert_true(view_starts_with(b.props.etag, VIEW("0x8D")));
    assert_int_equal(b.props.content_length, 5);

    /* replaced: new ETag, never back */
    assert_int_equal(
        t_put(store, "small", "hallo!", 6, STORE_MODE_OWNED, NULL), TIER_OK);
    t_get(store, inc, "small", &b2);
    assert_true(b2.etag > b.etag);
    assert_true(b2.props.creation_time_s == b.props.creation_time_s);
    t_assert_blob(store, inc, "small", "hallo!", 6);

    assert_int_equal(t_delete(store, "small", STORE_MODE_OWNED, NULL),
                     TIER_OK);
    assert_int_equal(t_delete(store, "small", STORE_MODE_OWNED, NULL),
                     TIER_NOT_FOUND);
    t_get(store, inc, "small", &b);
    assert_int_equal(b.state, STORE_NONE);
    assert_true(b.seen >= number);
    t_verify(store);
    store_close(store);
}

static int
check_fn(void *ctx, const store_blob_t *current)
{
    const char *want = ctx;

    if (want == NULL) {
        return current == NULL ? 0 : 409;
    }
    return current != NULL && view_eq(current->props.etag, view_str(want))
             ? 0
             : 412;
}

static void
test_conditions(void **state)
{
    store_t *store = t_open();
    uint64_t inc = t_container(store, "cont", STORE_MODE_OWNED);
    store_change_t c = t_change(STORE_BLOB_PUT, "a");
    store_change_t d = t_change(STORE_BLOB_PUT, "a");
    store_change_t *both[] = { &c, &d };
    char etag[32];
    store_blob_t b;

    (void) state;
    /* two create-only writes in one batch: the second sees the first */
    c.check = d.check = check_fn;
    c.body = t_body(store, "1", 1);
    d.body = t_body(store, "2", 1);
    store_commit(store, both, 2);
    assert_int_equal(c.rc, TIER_OK);
    assert_int_equal(d.rc, TIER_REFUSED);
    assert_int_equal(d.verdict, 409);
    assert_int_equal(d.number, 0);
    assert_null(d.body);
    t_assert_blob(store, inc, "a", "1", 1);

    t_get(store, inc, "a", &b);
    snprintf(etag, sizeof(etag), "%.*s", (int) b.props.etag.len,
             (const char *) b.props.etag.ptr);
    d = t_change(STORE_BLOB_DELETE, "a");
    d.check = check_fn;
    d.check_ctx = (void *) (uintptr_t) "0x1";
    assert_int_equal(t_commit(store, &d), TIER_REFUSED);
    assert_int_equal(d.verdict, 412);
    d.check_ctx = etag;
    assert_int_equal(t_commit(store, &d), TIER_OK);

    c = t_change(STORE_BLOB_PUT, "a");
    c.container = VIEW("other");
    c.body = t_body(store, "1", 1);
    assert_int_equal(t_commit(store, &c), TIER_NOT_FOUND);
    assert_int_equal(c.verdict, STORE_V_NO_CONTAINER);
    store_close(store);
}

static void
test_set(void **state)
{
    store_t *store = t_open();
    uint64_t inc = t_container(store, "cont", STORE_MODE_OWNED);
    store_change_t c = t_change(STORE_BLOB_SET, "a");
    blob_props_t p;
    store_blob_t b;
    uint64_t etag;

    (void) state;
    memset(&p, 0, sizeof(p));
    p.metadata = VIEW("\1\0\1\0kv");
    c.props = &p;
    c.flags = STORE_SET_META;
    assert_int_equal(t_commit(store, &c), TIER_NOT_FOUND);
    assert_int_equal(c.verdict, STORE_V_NO_BLOB);
    t_put(store, "a", "xyz", 3, STORE_MODE_OWNED, NULL);
    t_get(store, inc, "a", &b);
    etag = b.etag;
    assert_int_equal(t_commit(store, &c), TIER_OK);
    t_get(store, inc, "a", &b);
    assert_true(b.etag > etag && c.etag == b.etag);
    assert_true(view_eq(b.props.metadata, p.metadata));
    assert_true(view_eq(b.props.content_type, VIEW("text/plain")));
    etag = b.etag;
    c.flags = STORE_SET_TIER;
    p.tier = TIER_COOL;
    assert_int_equal(t_commit(store, &c), TIER_OK);
    t_get(store, inc, "a", &b);
    assert_true(b.etag == etag && b.props.tier == TIER_COOL);
    t_assert_blob(store, inc, "a", "xyz", 3);
    store_close(store);
}

static void
test_containers(void **state)
{
    store_t *store = t_open();
    uint64_t inc = t_container(store, "cont", STORE_MODE_OWNED), inc2, seen;
    store_change_t c = t_change(STORE_CONTAINER_DELETE, NULL);
    store_reader_t *reader;
    store_container_t con;
    store_stats_t st;
    uint8_t mem[4096];
    writer_t w;

    (void) state;
    (void) seen;
    for (int i = 0; i < 1200; i++) {
        char name[32];

        snprintf(name, sizeof(name), "n%d", i);
        if (i % 100 == 0) {
            t_put(store, name, "abc", 3, STORE_MODE_OWNED, NULL);
        }
    }
    t_block(store, "blocks", "id", "data", 4, NULL);
    assert_int_equal(t_commit(store, &c), TIER_OK);
    inc2 = t_container(store, "cont", STORE_MODE_OWNED);
    assert_true(inc2 != inc);
    assert_null(t_read(store, inc2, VIEW("n0"), &(size_t){ 0 }));

    writer_init_fixed(&w, mem, sizeof(mem));
    assert_int_equal(store_reader_open(store, &reader), TIER_OK);
    assert_int_equal(store_container_get(reader, ACCOUNT, CONTAINER, &w, &con),
                     TIER_OK);
    assert_true(con.incarnation == inc2 && con.state == STORE_OWNED);
    assert_int_equal(
        store_container_get(reader, ACCOUNT, VIEW("nope"), &w, &con),
        TIER_NOT_FOUND);

    assert_int_equal(store_stats(reader, ACCOUNT, &st), TIER_OK);
    assert_int_equal(st.blobs, 12);
    assert_int_equal(store_maintain(store, STORE_MAINTAIN_ALL), TIER_OK);
    assert_int_equal(store_stats(reader, VIEW_NULL, &st), TIER_OK);
    assert_int_equal(st.blobs, 0);
    assert_int_equal(st.owned_bytes, 0);
    assert_int_equal(st.uncommitted_bytes, 0);
    assert_int_equal(st.containers, 1);
    store_reader_close(reader);
    t_verify(store);
    store_close(store);
}

static void
test_facts(void **state)
{
    store_t *store;
    store_reader_t *reader;
    store_fact_t f, g;
    uint8_t mem[8192];
    writer_t w;

    (void) state;
    t_opts.facts_max = 100;
    store = t_open();
    assert_int_equal(store_reader_open(store, &reader), TIER_OK);
    memset(&f, 0, sizeof(f));
    f.exists = true;
    f.checked_at_ms = 12345;
    f.origin_etag = VIEW("0x8DX");
    f.props.content_type = VIEW("a/b");
    f.props.content_length = 77;
    assert_int_equal(store_fact_put(store, ACCOUNT, CONTAINER, VIEW("x"), &f),
                     TIER_OK);
    writer_init_fixed(&w, mem, sizeof(mem));
    assert_int_equal(
        store_fact_get(reader, ACCOUNT, CONTAINER, VIEW("x"), &w, &g),
        TIER_OK);
    assert_true(g.exists && g.checked_at_ms == 12345
                && g.props.content_length == 77);
    assert_true(view_eq(g.props.etag, VIEW("0x8DX")));
    assert_int_equal(
        store_fact_get(reader, ACCOUNT, CONTAINER, VIEW("y"), &w, &g),
        TIER_NOT_FOUND);
    assert_int_equal(store_fact_del(store, ACCOUNT, CONTAINER, VIEW("x")),
                     TIER_OK);
    assert_int_equal(
        store_fact_get(reader, ACCOUNT, CONTAINER, VIEW("x"), &w, &g),
        TIER_NOT_FOUND);
    /* the container's own */
    f.container_props.public_access = 1;
    assert_int_equal(store_fact_put(store, ACCOUNT, CONTAINER, VIEW_NULL, &f),
                     TIER_OK);
    assert_int_equal(
        store_fact_get(reader, ACCOUNT, CONTAINER, VIEW_NULL, &w, &g),
        TIER_OK);
    assert_int_equal(g.container_props.public_access, 1);
    /* the account's */
    f.container_props.acl = VIEW("text");
    assert_int_equal(
        store_fact_get(reader, ACCOUNT, VIEW_NULL, VIEW_NULL, &w, &g),
        TIER_NOT_FOUND);
    assert_int_equal(store_fact_put(store, ACCOUNT, VIEW_NULL, VIEW_NULL, &f),
                     TIER_OK);
    assert_int_equal(store_fact_put(store, ACCOUNT, VIEW_NULL, VIEW("x"), &f),
                     TIER_EINVAL);
    assert_int_equal(
        store_fact_put(store, VIEW_NULL, VIEW_NULL, VIEW_NULL, &f),
        TIER_EINVAL);
    assert_int_equal(
        store_fact_get(reader, ACCOUNT, VIEW_NULL, VIEW_NULL, &w, &g),
        TIER_OK);
    assert_true(view_eq(g.container_props.acl, VIEW("text")));
    for (int i = 0; i < 1000; i++) {
        char name[16];

        snprintf(name, sizeof(name), "n%d", i);
        assert_int_equal(
            store_fact_put(store, ACCOUNT, CONTAINER, view_str(name), &f),
            TIER_OK);
    }
    store_reader_close(reader);
    store_close(store);
}

static void
test_fence(void **state)
{
    store_t *store = t_open();
    uint64_t inc = t_container(store, "cont", STORE_MODE_OWNED);
    store_change_t f = t_change(STORE_FENCE_SET, "a"), c, p;
    store_blob_t b;

    (void) state;
    f.fence_owner = VIEW("me");
    f.fence_expires_ms = INT64_MAX;
    assert_int_equal(t_commit(store, &f), TIER_OK);
    assert_int_equal(t_put(store, "a", "1", 1, STORE_MODE_OWNED, NULL),
                     TIER_AGAIN);
    f.fence_owner = VIEW("you");
    assert_int_equal(t_commit(store, &f), TIER_AGAIN);
    assert_int_equal(f.verdict, STORE_V_FENCED);
    t_get(store, inc, "a", &b);
    assert_int_equal(b.state, STORE_NONE);
    assert_true(view_eq(b.fence_owner, VIEW("me")));

    /* a patient change keeps its body and is tried again */
    p = t_change(STORE_BLOB_PUT, "a");
    p.body = t_body(store, "p", 1);
    p.patient = true;
    assert_int_equal(t_commit(store, &p), TIER_AGAIN);
    assert_true(store_change_fenced(&p));
    assert_non_null(p.body);
    assert_int_equal(t_commit(store, &p), TIER_AGAIN);

    /* the owner's change ends it */
    c = t_change(STORE_BLOB_PUT, "a");
    c.fence_owner = VIEW("me");
    c.flags = STORE_UNFENCE;
    c.body = t_body(store, "1", 1);
    assert_int_equal(t_commit(store, &c), TIER_OK);
    assert_int_equal(t_commit(store, &p), TIER_OK);
    assert_null(p.body);
    t_get(store, inc, "a", &b);
    assert_int_equal(b.number, p.number);
    assert_int_equal(t_put(store, "a", "2", 1, STORE_MODE_OWNED, NULL),
                     TIER_OK);
    /* an expired one does not hold anybody */
    f.fence_expires_ms = 1;
    assert_int_equal(t_commit(store, &f), TIER_OK);
    assert_int_equal(t_put(store, "a", "3", 1, STORE_MODE_OWNED, NULL),
                     TIER_OK);
    f.kind = STORE_FENCE_CLEAR;
    assert_int_equal(t_commit(store, &f), TIER_OK);
    t_get(store, inc, "a", &b);
    assert_int_equal(b.fence_owner.len, 0);
    t_verify(store);
    store_close(store);
}

static void
test_limits(void **state)
{
    store_t *store;
    store_body_t *a, *b;

    (void) state;
    t_opts.dirty_bytes = 1 << 20;
    store = t_open();
    t_container(store, "cont", STORE_MODE_DIRTY);
    assert_int_equal(store_body_open(store, 2 << 20, 0, &a), TIER_ENOSPC);
    /* what is being written counts */
    assert_int_equal(store_body_open(store, 700000, 0, &a), TIER_OK);
    assert_int_equal(store_body_open(store, 700000, 0, &b), TIER_ENOSPC);
    store_body_abort(a);
    /* and what is dirty */
    {
        static uint8_t buf[700000];

        assert_int_equal(
            t_put(store, "a", buf, sizeof(buf), STORE_MODE_DIRTY, NULL),
            TIER_OK);
    }
    assert_int_equal(store_body_open(store, 700000, 0, &b), TIER_ENOSPC);
    assert_int_equal(store_body_open(store, 100000, 0, &b), TIER_OK);
    store_body_abort(b);
    store_close(store);
    t_opts.dirty_bytes = 0;
    t_opts.size_bytes = 1 << 20;
    store = t_open();
    assert_int_equal(store_body_open(store, 700000, 0, &b), TIER_ENOSPC);
    store_close(store);
}

static void
test_bodies(void **state)
{
    store_t *store = t_open();
    store_digest_t d;
    store_body_t *b;

    (void) state;
    assert_int_equal(store_body_open(store, 10, STORE_BODY_MD5, &b), TIER_OK);
    assert_int_equal(store_body_write(b, "0123456789a", 11), TIER_EINVAL);
    assert_int_equal(store_body_write(b, "01234", 5), TIER_OK);
    assert_int_equal(store_body_finish(b, &d), TIER_EINVAL);
    assert_int_equal(store_body_write(b, "56789", 5), TIER_OK);
    assert_int_equal(store_body_finish(b, &d), TIER_OK);
    assert_true(d.has_md5 && d.md5[0] == 0x78 && d.md5[15] == 0xc7);
    store_body_abort(b);
    store_close(store);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_put_get_delete), T(test_conditions), T(test_set),
        T(test_containers),     T(test_facts),      T(test_fence),
        T(test_limits),         T(test_bodies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
