#include "help.h"

#include "base/digest.h"

/* Appends: in place, forked, long, moved, refused. */

#define ALL (4u << 20)

static uint8_t all[ALL]; /* what the blob should be */
static size_t total;
static uint64_t inc;

static tier_rc_t
create(store_t *store, const char *name, uint32_t blocks)
{
    store_change_t c = t_change(STORE_BLOB_PUT, name);
    blob_props_t props;

    memset(&props, 0, sizeof(props));
    props.type = BLOB_APPEND;
    props.committed_blocks = blocks;
    c.props = &props;
    total = 0;
    return t_commit(store, &c);
}

static store_change_t
append_bytes(store_t *store, const char *name, const void *p, size_t len)
{
    store_change_t c = t_change(STORE_APPEND, name);

    c.body = t_body(store, p, len);
    assert_non_null(c.body);
    (void) t_commit(store, &c);
    return c;
}

/* `len` more bytes of the blob, other ones each time. */
static store_change_t
append(store_t *store, const char *name, size_t len)
{
    store_change_t c;

    assert_true(total + len <= ALL);
    t_fill(all + total, len, total + 1);
    c = append_bytes(store, name, all + total, len);
    assert_int_equal(c.rc, TIER_OK);
    assert_int_equal(c.append_offset, total);
    total += len;
    return c;
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
test_plain(void **state)
{
    static const size_t len[] = { 1, 100, 16384, 16385, 70000, 3 };
    store_t *store = t_open();
    store_change_t c;
    uint64_t content = 0, etag = 0;
    store_blob_t b;

    (void) state;
    inc = t_container(store, "cont", STORE_MODE_OWNED);
    assert_int_equal(create(store, "a", 0), TIER_OK);
    t_get(store, inc, "a", &b);
    assert_true(b.props.type == BLOB_APPEND && b.content == 0);
    for (unsigned i = 0; i < 6; i++) {
        c = append(store, "a", len[i]);
        assert_int_equal(c.committed_blocks, i + 1);
        assert_true(c.etag > etag);
        assert_true(content == 0 || c.content == content); /* in place */
        etag = c.etag;
        content = c.content;
        t_assert_blob(store, inc, "a", all, total);
        assert_int_equal(owned_bytes(store), total);
    }
    t_get(store, inc, "a", &b);
    assert_int_equal(b.props.committed_blocks, 6);
    assert_false(b.props.has_md5);
    assert_true(b.number == c.number);
    t_verify(store);

    assert_int_equal(t_delete(store, "a", STORE_MODE_OWNED, NULL), TIER_OK);
    assert_int_equal(owned_bytes(store), 0);
    t_verify(store);
    store_close(store);
}

static int
only_at(void *ctx, const store_blob_t *b)
{
    return b != NULL && b->props.content_length == *(uint64_t *) ctx ? 0 : 412;
}

static void
test_refused(void **state)
{
    store_t *store = t_open();
    store_change_t c;
    uint64_t at = 5;
    store_blob_t b;

    (void) state;
    inc = t_container(store, "cont", STORE_MODE_OWNED);
    c = append_bytes(store, "none", "x", 1);
    assert_int_equal(c.rc, TIER_NOT_FOUND);
    assert_int_equal(c.verdict, STORE_V_NO_BLOB);

    assert_int_equal(t_put(store, "block", "x", 1, STORE_MODE_OWNED, NULL),
                     TIER_OK);
    c = append_bytes(store, "block", "x", 1);
    assert_int_equal(c.rc, TIER_REFUSED);
    assert_int_equal(c.verdict, STORE_V_STATE);

    assert_int_equal(create(store, "a", 0), TIER_OK);
    c = t_change(STORE_APPEND, "a");
    assert_int_equal(t_commit(store, &c), TIER_EINVAL);
    c.body = t_body(store, "x", 1);
    c.mode = STORE_MODE_DIRTY;
    assert_int_equal(t_commit(store, &c), TIER_EINVAL);
    assert_null(c.body);
    c = t_change(STORE_APPEND, "a");
    c.body = t_body(store, "x", 1);
    c.check = only_at;
    c.check_ctx = &at;
    assert_int_equal(t_commit(store, &c), TIER_REFUSED);
    assert_int_equal(c.verdict, 412);
    at = 0;
    c.body = t_body(store, "x", 1);
    assert_int_equal(t_commit(store, &c), TIER_OK);

    assert_int_equal(create(store, "full", STORE_BLOCKS_MAX - 1), TIER_OK);
    (void) append(store, "full", 1);
    c = append_bytes(store, "full", "x", 1);
    assert_int_equal(c.rc, TIER_ELIMIT);
    assert_int_equal(c.verdict, STORE_V_BLOCK_COUNT);
    t_get(store, inc, "full", &b);
    assert_int_equal(b.props.committed_blocks, STORE_BLOCKS_MAX);
    t_verify(store);
    store_close(store);
}

static void
test_sealed(void **state)
{
    store_t *store = t_open();
    store_change_t c = t_change(STORE_BLOB_SET, "a");
    blob_props_t props;
    store_blob_t b;
    uint64_t etag;

    (void) state;
    inc = t_container(store, "cont", STORE_MODE_OWNED);
    assert_int_equal(create(store, "a", 0), TIER_OK);
    etag = append(store, "a", 10).etag;
    memset(&props, 0, sizeof(props));
    props.sealed = true;
    c.props = &props;
    c.flags = STORE_SET_SEALED;
    assert_int_equal(t_commit(store, &c), TIER_OK);
    assert_true(c.etag > etag);
    t_get(store, inc, "a", &b);
    assert_true(b.props.sealed && b.props.committed_blocks == 1);
    store_close(store);
}

/* A reader that has an older record. */
static void
assert_prefix(store_t *store, uint64_t content, uint64_t len)
{
    store_reader_t *reader;
    store_extent_t e[64];
    uint64_t at = 0;
    unsigned n;

    assert_int_equal(store_reader_open(store, &reader), TIER_OK);
    while (at < len) {
        assert_int_equal(
            store_extents_get(reader, content, at, len - at, e, 64, &n),
            TIER_OK);
        assert_true(n > 0);
        for (unsigned i = 0; i < n; i++) {
            assert_true(e[i].blob_offset == at);
            assert_true(crc64_nvme(0, all + at, e[i].length) == e[i].crc64);
            at += e[i].length;
        }
    }
    assert_true(at == len); /* not one extent too many */
    store_reader_close(reader);
}

static void
test_many(void **state)
{
    store_t *store;
    uint64_t content = 0;

    (void) state;
    t_opts.journal_file_bytes = 1 << 20;
    store = t_open();
    inc = t_container(store, "cont", STORE_MODE_OWNED);
    assert_int_equal(create(store, "a", 0), TIER_OK);
    for (unsigned i = 0; i < 2000; i++) {
        size_t was = total;
        uint64_t before = content;

        content = append(store, "a", 1 + i % 300).content;
        assert_true(before == 0 || content == before);
        if (i % 50 == 49) {
            assert_prefix(store, content, was);
            t_assert_blob(store, inc, "a", all, total);
        }
        /* bodies move out of the journal in between */
        if (i % 400 == 399) {
            assert_int_equal(store_maintain(store, STORE_MAINTAIN_CHECKPOINT
                                                       | STORE_MAINTAIN_ALL),
                             TIER_OK);
            t_assert_blob(store, inc, "a", all, total);
            t_verify(store);
        }
    }
    assert_int_equal(owned_bytes(store), total);
    store_close(store);
    store = t_open();
    t_assert_blob(store, inc, "a", all, total);
    assert_int_equal(append(store, "a", 7).committed_blocks, 2001);
    t_assert_blob(store, inc, "a", all, total);
    assert_int_equal(t_delete(store, "a", STORE_MODE_OWNED, NULL), TIER_OK);
    assert_int_equal(store_maintain(store, STORE_MAINTAIN_ALL), TIER_OK);
    assert_int_equal(owned_bytes(store), 0);
    t_verify(store);
    store_close(store);
}

static void
assert_snapshot(store_t *store, uint64_t time, size_t len)
{
    size_t have = 0;
    uint8_t *p = t_read_at(store, inc, VIEW("a"), time, &have);

    assert_non_null(p);
    assert_int_equal(have, len);
    assert_memory_equal(p, all, len);
    free(p);
}

static void
test_shared(void **state)
{
    store_t *store = t_open();
    uint64_t one, two, content, length;
    store_change_t c;

    (void) state;
    inc = t_container(store, "cont", STORE_MODE_OWNED);
    assert_int_equal(create(store, "a", 0), TIER_OK);
    assert_int_equal(t_snapshot(store, "a", &one), TIER_OK); /* empty */
    for (unsigned i = 0; i < 100; i++) {
        (void) append(store, "a", 10);
    }
    content = append(store, "a", 10).content;
    length = total;
    assert_int_equal(t_snapshot(store, "a", &two), TIER_OK);
    c = append(store, "a", 20000);
    assert_true(c.content != content); /* forked */
    content = c.content;
    assert_int_equal(append(store, "a", 5).content, content); /* once */
    t_assert_blob(store, inc, "a", all, total);
    assert_snapshot(store, one, 0);
    assert_snapshot(store, two, length);
    assert_int_equal(owned_bytes(store), total + length);
    t_verify(store);

    /* a copy shares, too */
    c = t_change(STORE_BLOB_PUT, "copy");
    c.copy_content = content;
    assert_int_equal(t_commit(store, &c), TIER_OK);
    length = total;
    assert_true(append(store, "a", 1).content != content);
    t_assert_blob(store, inc, "copy", all, length);
    t_assert_blob(store, inc, "a", all, total);

    c = t_change(STORE_BLOB_DELETE, "a");
    c.flags = STORE_WITH_SNAPSHOTS;
    assert_int_equal(t_commit(store, &c), TIER_OK);
    assert_int_equal(owned_bytes(store), length);
    t_assert_blob(store, inc, "copy", all, length);
    t_verify(store);
    store_close(store);
}

/* In one batch: each sees the one before. */
static void
test_batch(void **state)
{
    store_t *store = t_open();
    store_change_t c[64], *p[64];

    (void) state;
    inc = t_container(store, "cont", STORE_MODE_OWNED);
    assert_int_equal(create(store, "a", 0), TIER_OK);
    t_fill(all, 6400, 9);
    for (unsigned i = 0; i < 64; i++) {
        c[i] = t_change(STORE_APPEND, "a");
        c[i].body = t_body(store, all + 100 * i, 100);
        p[i] = &c[i];
    }
    store_commit(store, p, 64);
    for (unsigned i = 0; i < 64; i++) {
        assert_int_equal(c[i].rc, TIER_OK);
        assert_int_equal(c[i].append_offset, 100 * i);
        assert_int_equal(c[i].committed_blocks, i + 1);
    }
    t_assert_blob(store, inc, "a", all, 6400);
    t_verify(store);
    store_close(store);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_plain), T(test_refused), T(test_sealed),
        T(test_many),  T(test_shared),  T(test_batch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
