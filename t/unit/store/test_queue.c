#include "help.h"

/* Write-back: states of records as their commits reach the origin. */

static char texts[64][128];
static unsigned n_texts;

static int
see(void *ctx, const store_entry_t *e)
{
    (void) ctx;
    snprintf(texts[n_texts++], 128, "%llu k%d %.*s base%d:%.*s%s%s",
             (unsigned long long) e->number, (int) e->kind, (int) e->name.len,
             (const char *) e->name.ptr, (int) e->base, (int) e->base_etag.len,
             (const char *) e->base_etag.ptr, e->latest ? " latest" : "",
             e->parked ? " parked" : "");
    return 0;
}

static unsigned
scan(store_t *store)
{
    store_reader_t *reader;

    n_texts = 0;
    assert_int_equal(store_reader_open(store, &reader), TIER_OK);
    assert_int_equal(store_queue_scan(reader, 0, 0, see, NULL), TIER_END);
    store_reader_close(reader);
    return n_texts;
}

static tier_rc_t
wb(store_t *store, store_kind_t kind, uint64_t number, const char *etag)
{
    store_change_t c;

    memset(&c, 0, sizeof(c));
    c.kind = kind;
    c.if_number = number;
    c.origin_etag = etag ? view_str(etag) : VIEW_NULL;
    c.error = VIEW("because");
    return t_commit(store, &c);
}

static void
upto(store_t *store, view_t a, view_t c, view_t n, uint64_t *hi, uint64_t *lo)
{
    store_reader_t *reader;

    assert_int_equal(store_reader_open(store, &reader), TIER_OK);
    assert_int_equal(store_dirty_upto(reader, a, c, n, hi, lo), TIER_OK);
    store_reader_close(reader);
}

static void
test_chain(void **state)
{
    store_t *store = t_open();
    uint64_t inc = t_container(store, "cont", STORE_MODE_CLEAN);
    uint64_t n1, n2, n3, hi, lo;
    char want[128];
    store_blob_t b;

    (void) state;
    t_put(store, "a", "one", 3, STORE_MODE_DIRTY, &n1);
    t_put(store, "b", "bbb", 3, STORE_MODE_DIRTY, &n2);
    t_put(store, "a", "three", 5, STORE_MODE_DIRTY, &n3);
    assert_int_equal(scan(store), 3);
    snprintf(want, sizeof(want), "%llu k1 a base0:", (unsigned long long) n1);
    assert_string_equal(texts[0], want);
    snprintf(want, sizeof(want), "%llu k1 a base0: latest",
             (unsigned long long) n3);
    assert_string_equal(texts[2], want);
    upto(store, ACCOUNT, CONTAINER, VIEW_NULL, &hi, &lo);
    assert_true(hi == n3 && lo == n1);
    upto(store, ACCOUNT, CONTAINER, VIEW("b"), &hi, &lo);
    assert_true(hi == n2 && lo == n1);
    upto(store, ACCOUNT, VIEW_NULL, VIEW_NULL, &hi, &lo);
    assert_true(hi == n3 && lo == n1);
    upto(store, VIEW_NULL, VIEW_NULL, VIEW_NULL, &hi, &lo);
    assert_true(hi == n3 && lo == n1);
    upto(store, VIEW("acc"), VIEW_NULL, VIEW_NULL, &hi, &lo);
    assert_true(hi == 0 && lo == 0);

    /* the first version's answer is the second one's base */
    assert_int_equal(wb(store, STORE_WB_DONE, n1, "E1"), TIER_OK);
    assert_int_equal(wb(store, STORE_WB_DONE, n1, "E1"), TIER_NOT_FOUND);
    t_get(store, inc, "a", &b);
    assert_int_equal(b.state, STORE_DIRTY);
    assert_true(b.base == STORE_BASE_ETAG && view_eq(b.base_etag, VIEW("E1")));
    assert_int_equal(scan(store), 2);
    snprintf(want, sizeof(want), "%llu k1 a base2:E1 latest",
             (unsigned long long) n3);
    assert_string_equal(texts[1], want);
    assert_int_equal(wb(store, STORE_WB_DONE, n2, "E2"), TIER_OK);
    assert_int_equal(wb(store, STORE_WB_DONE, n3, "E3"), TIER_OK);
    t_get(store, inc, "a", &b);
    assert_int_equal(b.state, STORE_CLEAN);
    assert_true(view_eq(b.origin_etag, VIEW("E3")) && b.number == n3);
    assert_true(b.queued == 0 && b.resident && b.base == STORE_BASE_UNKNOWN);

    /* clean: the next version replaces E3; then a delete */
    t_put(store, "a", "four", 4, STORE_MODE_DIRTY, &n1);
    t_get(store, inc, "a", &b);
    assert_true(view_eq(b.base_etag, VIEW("E3")) && b.origin_etag.len == 0);
    assert_int_equal(t_delete(store, "a", STORE_MODE_DIRTY, &n2), TIER_OK);
    t_get(store, inc, "a", &b);
    assert_int_equal(b.state, STORE_TOMBSTONE);
    assert_int_equal(t_delete(store, "a", STORE_MODE_DIRTY, NULL),
                     TIER_NOT_FOUND);
    assert_int_equal(wb(store, STORE_WB_DONE, n1, "E4"), TIER_OK);
    t_get(store, inc, "a", &b);
    assert_true(view_eq(b.base_etag, VIEW("E4")));
    t_verify(store);
    assert_int_equal(wb(store, STORE_WB_DONE, n2, NULL), TIER_OK);
    t_get(store, inc, "a", &b);
    assert_int_equal(b.state, STORE_NONE);
    assert_int_equal(scan(store), 0);
    t_verify(store);
    store_close(store);
}

/* A version that was replaced is still there to be carried. */
static void
test_retained(void **state)
{
    store_t *store = t_open();
    store_reader_t *reader;
    store_extent_t e;
    store_stats_t st;
    store_entry_t en;
    uint8_t mem[8192];
    uint64_t n1, n2;
    unsigned n;
    writer_t w;

    (void) state;
    t_container(store, "cont", STORE_MODE_CLEAN);
    t_put(store, "a", "one", 3, STORE_MODE_DIRTY, &n1);
    t_put(store, "a", "twotwo", 6, STORE_MODE_DIRTY, &n2);
    assert_int_equal(store_reader_open(store, &reader), TIER_OK);
    writer_init_fixed(&w, mem, sizeof(mem));
    assert_int_equal(store_queue_get(reader, n1, &w, &en), TIER_OK);
    assert_false(en.latest);
    assert_int_equal(store_extents_get(reader, en.content, 0, 3, &e, 1, &n),
                     TIER_OK);
    assert_int_equal(n, 1);
    assert_int_equal(e.length, 3);
    assert_true(e.number == n1);
    assert_int_equal(store_stats(reader, VIEW_NULL, &st), TIER_OK);
    assert_int_equal(st.dirty_bytes, 9);
    assert_int_equal(st.queued, 2);
    assert_int_equal(wb(store, STORE_WB_DONE, n1, "E1"), TIER_OK);
    assert_int_equal(store_extents_get(reader, en.content, 0, 3, &e, 1, &n),
                     TIER_NOT_FOUND);
    assert_int_equal(wb(store, STORE_WB_PARK, n2, NULL), TIER_OK);
    assert_int_equal(store_queue_get(reader, n2, &w, &en), TIER_OK);
    assert_true(en.parked && view_eq(en.error, VIEW("because")));
    assert_int_equal(store_stats(reader, ACCOUNT, &st), TIER_OK);
    assert_int_equal(st.parked, 1);
    assert_int_equal(wb(store, STORE_WB_ATTEMPT, n2, NULL), TIER_OK);
    assert_int_equal(wb(store, STORE_WB_RETRY, n2, NULL), TIER_OK);
    assert_int_equal(wb(store, STORE_WB_DONE, n2, "E2"), TIER_OK);
    assert_int_equal(store_stats(reader, VIEW_NULL, &st), TIER_OK);
    assert_true(st.parked == 0 && st.queued == 0 && st.dirty_bytes == 0
                && st.clean_bytes == 6);
    store_reader_close(reader);
    t_verify(store);
    store_close(store);
}

static void
test_let_go(void **state)
{
    store_t *store = t_open();
    uint64_t inc = t_container(store, "cont", STORE_MODE_CLEAN), n1, etag;
    store_change_t c = t_change(STORE_BLOB_EVICT, "a");
    blob_props_t p;
    store_blob_t b;

    (void) state;
    t_put(store, "a", "one", 3, STORE_MODE_DIRTY, &n1);
    assert_int_equal(t_commit(store, &c), TIER_REFUSED);
    assert_int_equal(wb(store, STORE_WB_DONE, n1, "E1"), TIER_OK);
    t_get(store, inc, "a", &b);
    etag = b.etag;
    c.if_number = n1 + 7;
    assert_int_equal(t_commit(store, &c), TIER_REFUSED);
    assert_int_equal(c.verdict, STORE_V_NUMBER);
    c.if_number = n1;
    assert_int_equal(t_commit(store, &c), TIER_OK);
    t_get(store, inc, "a", &b);
    assert_true(b.state == STORE_ALIAS && !b.resident && b.content == 0
                && b.etag == etag && b.number == n1);
    c.kind = STORE_BLOB_FORGET;
    assert_int_equal(t_commit(store, &c), TIER_OK);
    t_get(store, inc, "a", &b);
    assert_int_equal(b.state, STORE_NONE);

    /* through, without bytes: the origin's ETag and time are kept */
    memset(&p, 0, sizeof(p));
    p.content_length = 1000;
    p.etag = VIEW("0x8DABCDEF0123456");
    p.last_modified_s = 1600000000;
    c = t_change(STORE_BLOB_PUT, "t");
    c.props = &p;
    c.mode = STORE_MODE_CLEAN;
    c.origin_etag = p.etag;
    assert_int_equal(t_commit(store, &c), TIER_OK);
    t_get(store, inc, "t", &b);
    assert_true(b.state == STORE_ALIAS && b.props.content_length == 1000);
    assert_true(view_eq(b.props.etag, p.etag));
    assert_int_equal(b.props.last_modified_s, 1600000000);
    /* not while something is queued */
    t_put(store, "t", "x", 1, STORE_MODE_DIRTY, &n1);
    assert_int_equal(t_commit(store, &c), TIER_AGAIN);
    assert_int_equal(c.verdict, STORE_V_QUEUED);
    assert_int_equal(wb(store, STORE_WB_CONFLICT, n1, NULL), TIER_OK);
    t_get(store, inc, "t", &b);
    assert_int_equal(b.state, STORE_NONE);
    t_put(store, "t", "x", 1, STORE_MODE_DIRTY, &n1);
    assert_int_equal(wb(store, STORE_WB_SKIP, n1, NULL), TIER_OK);
    t_get(store, inc, "t", &b);
    assert_true(b.state == STORE_OWNED && b.origin_etag.len == 0);
    /* the next version does not know what it replaces */
    t_put(store, "t", "y", 1, STORE_MODE_DIRTY, &n1);
    t_get(store, inc, "t", &b);
    assert_true(b.state == STORE_DIRTY && b.base == STORE_BASE_UNKNOWN);
    assert_int_equal(wb(store, STORE_WB_DROP, n1, NULL), TIER_OK);
    /* delete of what only the origin has */
    c = t_change(STORE_BLOB_DELETE, "far");
    c.mode = STORE_MODE_DIRTY;
    c.base = STORE_BASE_ETAG;
    c.base_etag = VIEW("EF");
    assert_int_equal(t_commit(store, &c), TIER_NOT_FOUND);
    c.flags = STORE_BLIND;
    assert_int_equal(t_commit(store, &c), TIER_OK);
    assert_int_equal(scan(store), 1);
    assert_non_null(strstr(texts[0], "far base2:EF latest"));
    t_verify(store);
    store_close(store);
}

static void
test_containers(void **state)
{
    store_t *store = t_open();
    store_change_t c = t_change(STORE_CONTAINER_DELETE, NULL);
    uint64_t hi, lo, n;

    (void) state;
    t_container(store, "cont", STORE_MODE_DIRTY);
    t_put(store, "a", "one", 3, STORE_MODE_DIRTY, &n);
    t_put(store, "a", "two", 3, STORE_MODE_DIRTY, &n);
    c.mode = STORE_MODE_DIRTY;
    c.flags = STORE_VOID_QUEUE;
    assert_int_equal(t_commit(store, &c), TIER_OK);
    assert_int_equal(scan(store), 1);
    t_container(store, "cont", STORE_MODE_DIRTY);
    assert_int_equal(scan(store), 2);
    upto(store, ACCOUNT, CONTAINER, VIEW_NULL, &hi, &lo);
    assert_true(lo == c.number && hi == c.number + 1);
    t_put(store, "a", "new", 3, STORE_MODE_DIRTY, &n);
    assert_int_equal(store_maintain(store, STORE_MAINTAIN_ALL), TIER_OK);
    assert_int_equal(wb(store, STORE_WB_DONE, lo, NULL), TIER_OK);
    assert_int_equal(wb(store, STORE_WB_DONE, hi, "CE"), TIER_OK);
    assert_int_equal(wb(store, STORE_WB_DONE, n, "E"), TIER_OK);
    assert_int_equal(scan(store), 0);
    t_verify(store);

    /* not voided: what was queued outlives the container's records */
    t_put(store, "z", "zzz", 3, STORE_MODE_DIRTY, &n);
    c.flags = 0;
    assert_int_equal(t_commit(store, &c), TIER_OK);
    assert_int_equal(store_maintain(store, STORE_MAINTAIN_ALL), TIER_OK);
    assert_int_equal(scan(store), 2);
    t_verify(store);
    assert_int_equal(wb(store, STORE_WB_DONE, n, "E"), TIER_OK);
    t_verify(store);
    store_close(store);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_chain),
        T(test_retained),
        T(test_let_go),
        T(test_containers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
