#include "help.h"

/* Snapshots: what they keep, what goes with what, listings. */

static uint8_t mem[STORE_RECORD_MAX];

static store_change_t
snap(store_t *store, const char *name)
{
    store_change_t c = t_change(STORE_SNAPSHOT_CREATE, name);

    (void) t_commit(store, &c);
    return c;
}

static tier_rc_t
get(store_t *store, uint64_t inc, const char *name, uint64_t time,
    store_blob_t *ret)
{
    store_reader_t *reader;
    writer_t w;
    tier_rc_t rc;

    writer_init_fixed(&w, mem, sizeof(mem));
    assert_int_equal(store_reader_open(store, &reader), TIER_OK);
    rc = store_snapshot_get(reader, inc, view_str(name), time, &w, ret);
    store_reader_close(reader);
    return rc;
}

static tier_rc_t
del(store_t *store, const char *name, uint64_t time, unsigned flags,
    int *verdict)
{
    store_change_t c =
        t_change(time ? STORE_SNAPSHOT_DELETE : STORE_BLOB_DELETE, name);

    c.snapshot = time;
    c.flags = flags;
    (void) t_commit(store, &c);
    *verdict = c.verdict;
    return c.rc;
}

static void
put(store_t *store, const char *name, const char *text)
{
    assert_int_equal(
        t_put(store, name, text, strlen(text), STORE_MODE_OWNED, NULL),
        TIER_OK);
}

/* The bytes behind a record, as a client would read them. */
static void
assert_text(store_t *store, const store_blob_t *b, const char *text)
{
    char path[STORE_PATH_MAX], have[64];
    store_reader_t *reader;
    store_extent_t e;
    unsigned n;
    FILE *f;

    assert_int_equal(b->props.content_length, strlen(text));
    assert_int_equal(store_reader_open(store, &reader), TIER_OK);
    assert_int_equal(store_extents_get(reader, b->content, 0,
                                       b->props.content_length, &e, 1, &n),
                     TIER_OK);
    assert_int_equal(n, 1);
    assert_int_equal(
        store_file_path(store, e.kind, e.file, path, sizeof(path)), TIER_OK);
    store_reader_close(reader);
    f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, (long) e.offset, SEEK_SET), 0);
    assert_int_equal(fread(have, 1, strlen(text), f), strlen(text));
    fclose(f);
    assert_memory_equal(have, text, strlen(text));
}

static uint64_t
owned_bytes(store_t *store)
{
    store_reader_t *reader;
    store_stats_t st;

    assert_int_equal(store_reader_open(store, &reader), TIER_OK);
    assert_int_equal(store_stats(reader, VIEW_NULL, &st), TIER_OK);
    store_reader_close(reader);
    return st.owned_bytes;
}

static void
test_life(void **state)
{
    store_t *store = t_open();
    uint64_t inc = t_container(store, "cont", STORE_MODE_OWNED);
    store_change_t one, two;
    store_blob_t b, base;
    int verdict;

    (void) state;
    put(store, "a", "first");
    t_get(store, inc, "a", &base);
    one = snap(store, "a");
    assert_int_equal(one.rc, TIER_OK);
    assert_true(one.snapshot > base.etag);
    assert_true(one.etag == base.etag); /* no metadata given */
    assert_int_equal(owned_bytes(store), 5);

    put(store, "a", "second text");
    t_get(store, inc, "a", &base);
    assert_true(base.snapshots != 0);
    assert_true(base.snapshot == 0);
    two = snap(store, "a");
    assert_true(two.snapshot > one.snapshot);
    assert_int_equal(owned_bytes(store), 16);

    assert_int_equal(get(store, inc, "a", one.snapshot, &b), TIER_OK);
    assert_true(b.snapshot == one.snapshot && b.state == STORE_OWNED);
    assert_true(b.etag == one.etag);
    assert_text(store, &b, "first");
    assert_int_equal(get(store, inc, "a", two.snapshot, &b), TIER_OK);
    assert_text(store, &b, "second text");
    assert_int_equal(get(store, inc, "a", one.snapshot + 1, &b),
                     TIER_NOT_FOUND);
    assert_true(b.seen != 0);
    assert_int_equal(get(store, inc, "b", one.snapshot, &b), TIER_NOT_FOUND);
    t_verify(store);

    assert_int_equal(del(store, "a", 0, 0, &verdict), TIER_REFUSED);
    assert_int_equal(verdict, STORE_V_SNAPSHOTS);
    assert_int_equal(del(store, "a", one.snapshot + 1, 0, &verdict),
                     TIER_NOT_FOUND);
    assert_int_equal(verdict, STORE_V_NO_BLOB);
    assert_int_equal(del(store, "a", one.snapshot, 0, &verdict), TIER_OK);
    assert_int_equal(owned_bytes(store), 11);
    assert_int_equal(get(store, inc, "a", one.snapshot, &b), TIER_NOT_FOUND);
    assert_int_equal(del(store, "a", two.snapshot, 0, &verdict), TIER_OK);
    t_get(store, inc, "a", &base);
    assert_true(base.snapshots == 0);
    assert_int_equal(del(store, "a", 0, 0, &verdict), TIER_OK);
    assert_int_equal(owned_bytes(store), 0);
    t_verify(store);
    store_close(store);
}

static void
test_delete_flags(void **state)
{
    store_t *store = t_open();
    uint64_t inc = t_container(store, "cont", STORE_MODE_OWNED), time;
    store_blob_t b;
    int verdict;

    (void) state;
    put(store, "a", "text");
    time = snap(store, "a").snapshot;
    put(store, "a", "texts");
    (void) snap(store, "a");
    assert_int_equal(del(store, "a", 0, STORE_ONLY_SNAPSHOTS, &verdict),
                     TIER_OK);
    t_get(store, inc, "a", &b);
    assert_true(store_blob_visible(&b) && b.snapshots == 0);
    assert_int_equal(get(store, inc, "a", time, &b), TIER_NOT_FOUND);
    assert_int_equal(owned_bytes(store), 5);
    t_assert_blob(store, inc, "a", "texts", 5);

    time = snap(store, "a").snapshot;
    assert_int_equal(del(store, "a", 0, STORE_WITH_SNAPSHOTS, &verdict),
                     TIER_OK);
    assert_int_equal(owned_bytes(store), 0);
    assert_int_equal(get(store, inc, "a", time, &b), TIER_NOT_FOUND);

    /* a new blob of the name does not see them again */
    put(store, "a", "new");
    assert_int_equal(get(store, inc, "a", time, &b), TIER_NOT_FOUND);
    assert_int_equal(del(store, "none", 0, STORE_ONLY_SNAPSHOTS, &verdict),
                     TIER_NOT_FOUND);
    assert_int_equal(t_block(store, "blocks", "x", "1", 1, NULL), TIER_OK);
    assert_int_equal(del(store, "blocks", 0, STORE_ONLY_SNAPSHOTS, &verdict),
                     TIER_NOT_FOUND);
    t_verify(store);
    store_close(store);
}

static int
refuse_etag(void *ctx, const store_blob_t *b)
{
    return b != NULL && b->etag == *(uint64_t *) ctx ? 0 : 412;
}

static void
test_create(void **state)
{
    store_t *store = t_open();
    uint64_t inc = t_container(store, "cont", STORE_MODE_OWNED), etag;
    store_change_t c = t_change(STORE_SNAPSHOT_CREATE, "none");
    blob_props_t props;
    store_blob_t b;
    uint8_t meta[64];
    writer_t w;

    (void) state;
    assert_int_equal(t_commit(store, &c), TIER_NOT_FOUND);
    assert_int_equal(c.verdict, STORE_V_NO_BLOB);

    put(store, "a", "text");
    t_get(store, inc, "a", &b);
    etag = b.etag;
    writer_init_fixed(&w, meta, sizeof(meta));
    props_pairs_put(&w, VIEW("k"), VIEW("v"));
    memset(&props, 0, sizeof(props));
    props.metadata = writer_view(&w);
    c = t_change(STORE_SNAPSHOT_CREATE, "a");
    c.flags = STORE_SET_META;
    c.props = &props;
    c.check = refuse_etag;
    c.check_ctx = &etag;
    assert_int_equal(t_commit(store, &c), TIER_OK);
    assert_true(c.etag > etag && c.snapshot > c.etag);
    assert_int_equal(get(store, inc, "a", c.snapshot, &b), TIER_OK);
    assert_true(view_eq(b.props.metadata, writer_view(&w)));
    assert_true(view_eq(b.props.content_type, VIEW("text/plain")));
    t_get(store, inc, "a", &b);
    assert_true(b.etag == etag && b.props.metadata.len == 0);

    /* conditions of a delete are about the snapshot */
    c.kind = STORE_SNAPSHOT_DELETE;
    c.flags = 0;
    assert_int_equal(t_commit(store, &c), TIER_REFUSED);
    assert_int_equal(c.verdict, 412);
    etag = c.snapshot; /* some other */
    c.kind = STORE_SNAPSHOT_CREATE;
    assert_int_equal(t_commit(store, &c), TIER_REFUSED);

    c.check = NULL;
    c.mode = STORE_MODE_DIRTY;
    assert_int_equal(t_commit(store, &c), TIER_EINVAL);
    c.mode = STORE_MODE_OWNED;
    c.flags = STORE_SET_META;
    c.props = NULL;
    assert_int_equal(t_commit(store, &c), TIER_EINVAL);
    t_verify(store);
    store_close(store);
}

/* An empty blob and a lease: nothing to share, nothing to take along. */
static void
test_empty(void **state)
{
    store_t *store = t_open();
    uint64_t inc = t_container(store, "cont", STORE_MODE_OWNED);
    store_change_t c = t_change(STORE_BLOB_PUT, "e");
    store_blob_t b;
    int verdict;

    (void) state;
    assert_int_equal(t_commit(store, &c), TIER_OK);
    c = snap(store, "e");
    assert_int_equal(c.rc, TIER_OK);
    assert_int_equal(get(store, inc, "e", c.snapshot, &b), TIER_OK);
    assert_true(b.content == 0 && b.resident && b.props.content_length == 0);
    assert_int_equal(del(store, "e", 0, STORE_WITH_SNAPSHOTS, &verdict),
                     TIER_OK);
    t_verify(store);
    store_close(store);
}

typedef struct seen_s {
    char text[4096];
    char name[64];
    uint64_t time;
    uint64_t first;
} seen_t;

static int
note(void *ctx, view_t name, const store_blob_t *b)
{
    seen_t *s = ctx;
    size_t len = strlen(s->text);

    snprintf(s->text + len, sizeof(s->text) - len, "%.*s%s ", (int) name.len,
             (const char *) name.ptr, b->snapshot ? "'" : "");
    snprintf(s->name, sizeof(s->name), "%.*s", (int) name.len,
             (const char *) name.ptr);
    s->time = b->snapshot;
    return 0;
}

static void
test_scan(void **state)
{
    store_t *store = t_open();
    uint64_t inc = t_container(store, "cont", STORE_MODE_OWNED), seen;
    store_scan_t scan = { .snapshots = true };
    store_reader_t *reader;
    seen_t s = { .time = 0 };

    (void) state;
    put(store, "a", "1");
    put(store, "a'", "1"); /* a name that reads like one */
    put(store, "b", "1");
    put(store, "c", "1");
    for (unsigned i = 0; i < 3; i++) {
        uint64_t t = snap(store, "b").snapshot;

        s.first = s.first ? s.first : t - 1;
    }
    assert_int_equal(store_reader_open(store, &reader), TIER_OK);
    assert_int_equal(store_blob_scan(reader, inc, &scan, note, &s, &seen),
                     TIER_END);
    assert_string_equal(s.text, "a a' b' b' b' b c ");

    /* one at a time, from where it stopped */
    memset(s.text, 0, sizeof(s.text));
    scan.limit = 1;
    for (unsigned i = 0; i < 7; i++) {
        assert_int_equal(store_blob_scan(reader, inc, &scan, note, &s, &seen),
                         i < 6 ? TIER_OK : TIER_END);
        scan.from = view_str(s.name);
        scan.snapshot = s.time;
    }
    assert_string_equal(s.text, "a a' b' b' b' b c ");

    /* the name it stopped at has gone meanwhile */
    memset(s.text, 0, sizeof(s.text));
    scan = (store_scan_t){ .snapshots = true,
                           .from = VIEW("b"),
                           .snapshot = s.first + 1 };
    assert_int_equal(t_delete(store, "a", STORE_MODE_OWNED, NULL), TIER_OK);
    store_change_t c = t_change(STORE_BLOB_DELETE, "b");
    c.flags = STORE_WITH_SNAPSHOTS;
    assert_int_equal(t_commit(store, &c), TIER_OK);
    assert_int_equal(store_blob_scan(reader, inc, &scan, note, &s, &seen),
                     TIER_END);
    assert_string_equal(s.text, "c ");

    /* without the option they are not there */
    memset(s.text, 0, sizeof(s.text));
    (void) snap(store, "c");
    scan = (store_scan_t){ .limit = 0 };
    assert_int_equal(store_blob_scan(reader, inc, &scan, note, &s, &seen),
                     TIER_END);
    assert_string_equal(s.text, "a' c ");
    store_reader_close(reader);
    store_close(store);
}

/* Deleted containers, rebuilds, moves out of the journal. */
static void
test_upkeep(void **state)
{
    store_t *store;
    uint64_t inc, time[40];
    store_change_t c = t_change(STORE_CONTAINER_DELETE, NULL);
    store_blob_t b;
    char text[32];

    (void) state;
    t_opts.journal_file_bytes = 4096;
    store = t_open();
    inc = t_container(store, "cont", STORE_MODE_OWNED);
    for (unsigned i = 0; i < 40; i++) {
        snprintf(text, sizeof(text), "text %02u", i);
        put(store, "a", text);
        time[i] = snap(store, "a").snapshot;
        if (i % 10 == 9) {
            assert_int_equal(store_maintain(store, STORE_MAINTAIN_CHECKPOINT
                                                       | STORE_MAINTAIN_ALL),
                             TIER_OK);
        }
    }
    t_verify(store);
    store_close(store);
    store = t_open();
    for (unsigned i = 0; i < 40; i++) {
        snprintf(text, sizeof(text), "text %02u", i);
        assert_int_equal(get(store, inc, "a", time[i], &b), TIER_OK);
        assert_text(store, &b, text);
    }
    assert_int_equal(t_commit(store, &c), TIER_OK);
    assert_int_equal(store_maintain(store, STORE_MAINTAIN_ALL), TIER_OK);
    assert_int_equal(owned_bytes(store), 0);
    t_verify(store);
    store_close(store);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_life),  T(test_delete_flags), T(test_create),
        T(test_empty), T(test_scan),         T(test_upkeep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
