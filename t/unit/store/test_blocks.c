#include "help.h"

typedef struct seen_s {
    char text[4096];
} seen_t;

static int
see(void *ctx, view_t id, uint64_t length)
{
    seen_t *s = ctx;
    size_t at = strlen(s->text);

    snprintf(s->text + at, sizeof(s->text) - at, "%.*s=%llu ", (int) id.len,
             (const char *) id.ptr, (unsigned long long) length);
    return 0;
}

static tier_rc_t
uncommitted(store_t *store, uint64_t inc, const char *name, char *text)
{
    store_reader_t *reader;
    seen_t s = { "" };
    tier_rc_t rc;

    assert_int_equal(store_reader_open(store, &reader), TIER_OK);
    rc = store_blocks_uncommitted(reader, inc, view_str(name), see, &s);
    store_reader_close(reader);
    strcpy(text, s.text);
    return rc;
}

static void
committed(store_t *store, uint64_t inc, const char *name, char *text)
{
    store_reader_t *reader;
    seen_t s = { "" };
    store_blob_t b;

    t_get(store, inc, name, &b);
    assert_int_equal(store_reader_open(store, &reader), TIER_OK);
    assert_int_equal(store_blocks_committed(reader, b.content, see, &s),
                     TIER_OK);
    store_reader_close(reader);
    strcpy(text, s.text);
}

static void
test_lists(void **state)
{
    store_t *store = t_open();
    uint64_t inc = t_container(store, "cont", STORE_MODE_OWNED);
    static uint8_t big[100000];
    static uint8_t all[100006];
    char text[4096];
    store_blob_t b;
    int verdict;

    (void) state;
    t_fill(big, sizeof(big), 7);
    assert_int_equal(t_block(store, "a", "id1", "abc", 3, NULL), TIER_OK);
    t_get(store, inc, "a", &b);
    assert_int_equal(b.state, STORE_NONE);
    assert_true(b.uncommitted);
    assert_null(t_read(store, inc, VIEW("a"), &(size_t){ 0 }));
    assert_int_equal(t_block(store, "a", "id22", "abc", 3, &verdict),
                     TIER_REFUSED);
    assert_int_equal(verdict, STORE_V_ID_LENGTH);
    assert_int_equal(t_block(store, "a", "id2", "xxx", 3, NULL), TIER_OK);
    assert_int_equal(t_block(store, "a", "id2", big, sizeof(big), NULL),
                     TIER_OK);
    assert_int_equal(t_block(store, "a", "id3", "never", 5, NULL), TIER_OK);
    assert_int_equal(uncommitted(store, inc, "a", text), TIER_OK);
    assert_string_equal(text, "id1=3 id2=100000 id3=5 ");

    assert_int_equal(
        t_list(store, "a", "L:id1,C:id2", STORE_MODE_OWNED, &verdict),
        TIER_NOT_FOUND);
    assert_int_equal(verdict, STORE_V_NO_BLOCK);
    assert_int_equal(
        t_list(store, "a", "L:id1,U:id2,L:id1", STORE_MODE_OWNED, NULL),
        TIER_OK);
    memcpy(all, "abc", 3);
    memcpy(all + 3, big, sizeof(big));
    memcpy(all + 3 + sizeof(big), "abc", 3);
    t_assert_blob(store, inc, "a", all, sizeof(all));
    assert_int_equal(uncommitted(store, inc, "a", text), TIER_NOT_FOUND);
    committed(store, inc, "a", text);
    assert_string_equal(text, "id1=3 id2=100000 id1=3 ");

    /* Latest: the uncommitted one wins, then the committed one */
    assert_int_equal(t_block(store, "a", "id1", "new", 3, NULL), TIER_OK);
    assert_int_equal(
        t_list(store, "a", "C:id1,L:id1,L:id2", STORE_MODE_OWNED, NULL),
        TIER_OK);
    memcpy(all, "abcnew", 6);
    memcpy(all + 6, big, sizeof(big));
    t_assert_blob(store, inc, "a", all, sizeof(all));
    assert_int_equal(t_list(store, "a", "U:id1", STORE_MODE_OWNED, &verdict),
                     TIER_NOT_FOUND);
    assert_int_equal(t_list(store, "a", "", STORE_MODE_OWNED, NULL), TIER_OK);
    t_assert_blob(store, inc, "a", "", 0);

    /* Put Blob drops what is uncommitted; a delete of blocks alone too */
    assert_int_equal(t_block(store, "a", "id1", "new", 3, NULL), TIER_OK);
    assert_int_equal(t_put(store, "a", "1", 1, STORE_MODE_OWNED, NULL),
                     TIER_OK);
    assert_int_equal(uncommitted(store, inc, "a", text), TIER_NOT_FOUND);
    assert_int_equal(t_block(store, "c", "long-id", "new", 3, NULL), TIER_OK);
    assert_int_equal(t_delete(store, "c", STORE_MODE_OWNED, NULL), TIER_OK);
    assert_int_equal(t_delete(store, "c", STORE_MODE_OWNED, NULL),
                     TIER_NOT_FOUND);
    t_verify(store);
    store_close(store);
}

#define MANY 5000

static void
test_many(void **state)
{
    store_t *store = t_open();
    uint64_t inc = t_container(store, "cont", STORE_MODE_OWNED);
    static store_change_t c[MANY];
    static store_change_t *cs[MANY];
    static char ids[MANY][40];
    static store_block_ref_t refs[MANY];
    store_change_t list = t_change(STORE_BLOCK_LIST, "m");
    store_reader_t *reader;
    store_extent_t e[3];
    store_stats_t st;
    store_blob_t b;
    unsigned n;

    (void) state;
    for (int i = 0; i < MANY; i++) {
        char buf[16];
        int len = snprintf(buf, sizeof(buf), "%d,", i);

        c[i] = t_change(STORE_BLOCK_PUT, "m");
        snprintf(ids[i], sizeof(ids[i]), "id-%036d", i);
        c[i].block_id = view_of(ids[i], 36);
        snprintf(ids[i], sizeof(ids[i]), "%036d", i);
        c[i].body = t_body(store, buf, (size_t) len);
        cs[i] = &c[i];
        refs[i].which = STORE_BLOCK_LATEST;
        refs[i].id = c[i].block_id;
    }
    store_commit(store, cs, MANY);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(c[i].rc, TIER_OK);
    }
    list.blocks = refs;
    list.nblocks = MANY;
    assert_int_equal(t_commit(store, &list), TIER_OK);
    t_get(store, inc, "m", &b);
    assert_true(b.props.content_length
                == 10 * 2 + 90 * 3 + 900 * 4 + 4000 * 5);
    free(t_read(store, inc, VIEW("m"), &(size_t){ 0 }));

    /* any byte in one look */
    assert_int_equal(store_reader_open(store, &reader), TIER_OK);
    for (uint64_t at = 0; at < b.props.content_length; at += 97) {
        assert_int_equal(store_extents_get(reader, b.content, at, 1, e, 3, &n),
                         TIER_OK);
        assert_int_equal(n, 1);
        assert_true(e[0].blob_offset <= at
                    && at < e[0].blob_offset + e[0].length);
        assert_int_equal(e[0].id_len, 36);
    }
    assert_int_equal(store_extents_get(reader, b.content,
                                       b.props.content_length, 1, e, 3, &n),
                     TIER_OK);
    assert_int_equal(n, 0);

    /* edit one block of it: committed ids */
    refs[17].which = STORE_BLOCK_COMMITTED;
    assert_int_equal(t_commit(store, &list), TIER_OK);
    assert_int_equal(store_stats(reader, VIEW_NULL, &st), TIER_OK);
    assert_true(st.owned_bytes == b.props.content_length);
    assert_int_equal(st.uncommitted_bytes, 0);
    store_reader_close(reader);
    t_verify(store);
    store_close(store);
}

static int64_t fake_us;

static int64_t
fake_now(void *ctx)
{
    (void) ctx;
    return fake_us;
}

static void
test_old_sets(void **state)
{
    store_t *store;
    uint64_t inc;
    char text[4096];

    (void) state;
    fake_us = 1700000000000000;
    t_opts.now_us = fake_now;
    store = t_open();
    inc = t_container(store, "cont", STORE_MODE_OWNED);
    t_put(store, "a", "x", 1, STORE_MODE_OWNED, NULL);
    t_block(store, "a", "id1", "abc", 3, NULL);
    t_block(store, "b", "id1", "abc", 3, NULL);
    fake_us += 4ll * 24 * 3600 * 1000000;
    t_block(store, "b", "id2", "abc", 3, NULL);
    fake_us += 4ll * 24 * 3600 * 1000000;
    assert_int_equal(store_maintain(store, STORE_MAINTAIN_ALL), TIER_OK);
    assert_int_equal(uncommitted(store, inc, "a", text), TIER_NOT_FOUND);
    assert_int_equal(uncommitted(store, inc, "b", text), TIER_OK);
    t_assert_blob(store, inc, "a", "x", 1);
    fake_us += 8ll * 24 * 3600 * 1000000;
    assert_int_equal(store_maintain(store, STORE_MAINTAIN_ALL), TIER_OK);
    assert_int_equal(uncommitted(store, inc, "b", text), TIER_NOT_FOUND);
    t_verify(store);
    store_close(store);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_lists),
        T(test_many),
        T(test_old_sets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
