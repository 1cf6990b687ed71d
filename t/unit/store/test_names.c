#include "help.h"

/* Names of any length in byte order, against a sorted array. */

#define NAMES 600

static uint8_t pool[NAMES][STORE_NAME_MAX];
static view_t names[NAMES];
static unsigned n_names;

static int
by_bytes(const void *a, const void *b)
{
    return view_cmp(*(const view_t *) a, *(const view_t *) b);
}

/* Lengths around the chunk's, few different bytes, shared beginnings. */
static void
make_names(void)
{
    static const size_t lens[] = { 1,   2,   5,   479,  480,  481,  482,
                                   959, 960, 961, 1440, 1441, 3071, 3072 };
    static const uint8_t letters[] = { 'a', 0, 1, 'b', 0xff, '/' };
    unsigned n = 0;

    srand(42);
    for (unsigned i = 0; i < NAMES; i++) {
        size_t len = lens[rand() % 14];
        size_t same =
            (size_t) rand() % 3 == 0 ? len - 1 : (size_t) (rand() % 4) * 480;

        for (size_t k = 0; k < len; k++) {
            pool[i][k] = k < same ? 'a' : letters[rand() % 6];
        }
        names[n++] = view_of(pool[i], len);
    }
    qsort(names, n, sizeof(names[0]), by_bytes);
    n_names = 0;
    for (unsigned i = 0; i < n; i++) {
        if (n_names == 0 || !view_eq(names[n_names - 1], names[i])) {
            names[n_names++] = names[i];
        }
    }
}

static tier_rc_t
change(store_t *store, store_kind_t kind, view_t name)
{
    store_change_t c = t_change(kind, NULL);

    c.name = name;
    return t_commit(store, &c);
}

typedef struct walk_s {
    unsigned n;
    view_t got[NAMES + 1];
    uint8_t mem[NAMES][STORE_NAME_MAX];
} walk_t;

static walk_t walk;

static int
collect(void *ctx, view_t name, const store_blob_t *b)
{
    walk_t *w = ctx;

    assert_true(store_blob_visible(b));
    assert_true(w->n < NAMES);
    memcpy(w->mem[w->n], name.ptr, name.len);
    w->got[w->n] = view_of(w->mem[w->n], name.len);
    w->n++;
    return 0;
}

/* In pages of `limit`. */
static void
scan_all(store_reader_t *reader, uint64_t inc, view_t prefix, unsigned limit)
{
    store_scan_t scan = { .prefix = prefix, .limit = limit };
    uint64_t seen;
    tier_rc_t rc;

    walk.n = 0;
    do {
        rc = store_blob_scan(reader, inc, &scan, collect, &walk, &seen);
        if (walk.n > 0) {
            scan.from = walk.got[walk.n - 1];
        }
    } while (rc == TIER_OK);
    assert_int_equal(rc, TIER_END);
}

static void
compare(view_t prefix, const bool *gone)
{
    unsigned k = 0;

    for (unsigned i = 0; i < n_names; i++) {
        if (view_starts_with(names[i], prefix) && !(gone && gone[i])) {
            assert_true(k < walk.n);
            assert_true(view_eq(walk.got[k], names[i]));
            k++;
        }
    }
    assert_int_equal(k, walk.n);
}

static void
test_order(void **state)
{
    store_t *store = t_open();
    uint64_t inc = t_container(store, "cont", STORE_MODE_OWNED), seen;
    static bool gone[NAMES];
    store_reader_t *reader;
    store_stats_t st;

    (void) state;
    make_names();
    t_container(store, "other", STORE_MODE_OWNED);
    for (unsigned i = 0; i < n_names; i++) {
        /* not in order */
        assert_int_equal(
            change(store, STORE_BLOB_PUT, names[(i * 7919u) % n_names]),
            TIER_OK);
    }
    for (unsigned i = 0; i < n_names; i++) {
        (void) !change(store, STORE_BLOB_PUT, names[i]);
    }
    assert_int_equal(store_reader_open(store, &reader), TIER_OK);
    scan_all(reader, inc, VIEW_NULL, 0);
    compare(VIEW_NULL, NULL);
    scan_all(reader, inc, VIEW_NULL, 7);
    compare(VIEW_NULL, NULL);
    for (unsigned i = 0; i < n_names; i += 5) {
        for (unsigned k = 0; k < 5; k++) {
            static const size_t cut[] = { 1, 479, 480, 481, 1000 };
            view_t prefix = view_sub(names[i], 0, cut[k]);

            scan_all(reader, inc, prefix, 3);
            compare(prefix, NULL);
        }
    }
    /* a delimiter's jump: everything under `from` is passed over */
    for (unsigned i = 0; i < n_names; i += 3) {
        view_t from = view_sub(names[i], 0, 1 + (size_t) (rand() % 1000));
        store_scan_t scan = { .from = from, .from_prefix = true };
        unsigned k = 0;

        walk.n = 0;
        assert_int_equal(
            store_blob_scan(reader, inc, &scan, collect, &walk, &seen),
            TIER_END);
        for (unsigned j = 0; j < n_names; j++) {
            if (view_cmp(names[j], from) > 0
                && !view_starts_with(names[j], from)) {
                assert_true(k < walk.n && view_eq(walk.got[k], names[j]));
                k++;
            }
        }
        assert_int_equal(k, walk.n);

        /* inclusive: what is there of it, and what follows */
        scan = (store_scan_t){ .from = i % 2 ? names[i] : from,
                               .from_too = true };
        walk.n = 0;
        assert_int_equal(
            store_blob_scan(reader, inc, &scan, collect, &walk, &seen),
            TIER_END);
        k = 0;
        for (unsigned j = 0; j < n_names; j++) {
            k += view_cmp(names[j], scan.from) >= 0;
        }
        assert_int_equal(k, walk.n);
        assert_true(i % 2 == 0 || view_eq(walk.got[0], names[i]));
    }
    /* deletes take the chain along */
    for (unsigned i = 0; i < n_names; i++) {
        if (rand() % 2) {
            gone[i] = true;
            assert_int_equal(change(store, STORE_BLOB_DELETE, names[i]),
                             TIER_OK);
        }
    }
    scan_all(reader, inc, VIEW_NULL, 11);
    compare(VIEW_NULL, gone);
    assert_int_equal(store_verify_index(store), TIER_OK);
    for (unsigned i = 0; i < n_names; i++) {
        if (!gone[i]) {
            assert_int_equal(change(store, STORE_BLOB_DELETE, names[i]),
                             TIER_OK);
        }
    }
    scan_all(reader, inc, VIEW_NULL, 0);
    assert_int_equal(walk.n, 0);
    assert_int_equal(store_stats(reader, VIEW_NULL, &st), TIER_OK);
    assert_int_equal(st.blobs, 0);
    assert_int_equal(store_verify_index(store), TIER_OK);
    store_reader_close(reader);
    store_close(store);
}

typedef struct list_s {
    char text[512];
} list_t;

static int
see(void *ctx, view_t name, const store_container_t *c)
{
    list_t *l = ctx;

    (void) c;
    strncat(l->text, (const char *) name.ptr, name.len);
    strcat(l->text, " ");
    return 0;
}

static void
test_containers(void **state)
{
    store_t *store = t_open();
    store_change_t c = t_change(STORE_CONTAINER_CREATE, NULL);
    store_scan_t scan = { .prefix = VIEW_NULL };
    store_reader_t *reader;
    list_t l = { "" };
    uint64_t seen;

    (void) state;
    t_container(store, "b-two", STORE_MODE_OWNED);
    t_container(store, "a", STORE_MODE_OWNED);
    t_container(store, "b-one", STORE_MODE_OWNED);
    c.account = VIEW("acct2");
    c.container = VIEW("aa");
    assert_int_equal(t_commit(store, &c), TIER_OK);
    assert_int_equal(store_reader_open(store, &reader), TIER_OK);
    assert_int_equal(
        store_container_scan(reader, ACCOUNT, &scan, see, &l, &seen),
        TIER_END);
    assert_string_equal(l.text, "a b-one b-two ");
    l.text[0] = '\0';
    scan.prefix = VIEW("b-");
    scan.limit = 1;
    assert_int_equal(
        store_container_scan(reader, ACCOUNT, &scan, see, &l, &seen), TIER_OK);
    scan.from = VIEW("b-one");
    assert_int_equal(
        store_container_scan(reader, ACCOUNT, &scan, see, &l, &seen),
        TIER_END);
    assert_string_equal(l.text, "b-one b-two ");
    store_reader_close(reader);
    store_close(store);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_order),
        T(test_containers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
