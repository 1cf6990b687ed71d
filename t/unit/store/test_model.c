#include "help.h"

#include "base/digest.h"

/* Random operations against a simple model; reopened, maintained, checked. */

#define NAMES  40
#define ROUNDS 4000
#define BLOCKS 4
#define SNAPS  3

typedef struct block_s {
    bool there;
    size_t len;
    uint64_t seed;
} block_t;

typedef struct snap_s {
    uint64_t time;
    size_t len;
    uint64_t sum;
} snap_t;

typedef struct model_s {
    bool exists;
    unsigned parts;
    size_t len[16]; /* of the parts */
    uint64_t seed[16];
    int id[16]; /* -1: no id */
    block_t un[BLOCKS];
    uint64_t number; /* of the version */
    bool dirty;
    bool tomb;
    bool append;
    snap_t snap[SNAPS]; /* those with a time */
} model_t;

static model_t model[NAMES];
static const char *const ids[BLOCKS] = { "b0", "b1", "b2", "b3" };
static uint8_t buf[200000], want[2000000];

static const char *
name_of(unsigned i)
{
    static char name[700];
    size_t len;

    snprintf(name, sizeof(name), "n%02u", i);
    if (i % 4 == 3) {
        len = 485 + i;
        memset(name + 3, 'x', len);
        name[3 + len] = '\0';
    }
    return name;
}

static size_t
some_len(void)
{
    switch (rand() % 5) {
    case 0:
        return 1 + (size_t) rand() % 20;
    case 1:
        return 16384 + (size_t) rand() % 3;
    case 2:
        return 1 + (size_t) rand() % 150000;
    default:
        return 1 + (size_t) rand() % 5000;
    }
}

static void
do_put(store_t *store, unsigned i, store_mode_t mode)
{
    model_t *m = &model[i];
    uint64_t seed = (uint64_t) rand();
    size_t len = rand() % 20 == 0 ? 0 : some_len();

    t_fill(buf, len, seed);
    assert_int_equal(t_put(store, name_of(i), buf, len, mode, &m->number),
                     TIER_OK);
    memset(m->un, 0, sizeof(m->un));
    m->exists = true;
    m->tomb = false;
    m->append = false;
    m->dirty = mode == STORE_MODE_DIRTY;
    m->parts = 1;
    m->len[0] = len;
    m->seed[0] = seed;
    m->id[0] = -1;
}

static void
do_block(store_t *store, unsigned i)
{
    block_t *b = &model[i].un[rand() % BLOCKS];

    b->len = some_len();
    b->seed = (uint64_t) rand();
    b->there = true;
    t_fill(buf, b->len, b->seed);
    assert_int_equal(
        t_block(store, name_of(i), ids[b - model[i].un], buf, b->len, NULL),
        TIER_OK);
}

static bool
find_committed(const model_t *m, int id, size_t *len, uint64_t *seed)
{
    for (unsigned k = 0; m->exists && k < m->parts; k++) {
        if (m->id[k] == id) {
            *len = m->len[k];
            *seed = m->seed[k];
            return true;
        }
    }
    return false;
}

static void
do_list(store_t *store, unsigned i, store_mode_t mode)
{
    model_t *m = &model[i], next = { .exists = true };
    char list[256] = "";
    bool missing = false;
    store_change_t c;
    tier_rc_t rc;

    next.parts = (unsigned) rand() % 8;
    for (unsigned k = 0; k < next.parts; k++) {
        int id = rand() % BLOCKS;
        char which = "LCU"[rand() % 3];
        bool ok = which != 'C' && m->un[id].there;

        if (ok) {
            next.len[k] = m->un[id].len;
            next.seed[k] = m->un[id].seed;
        } else if (which != 'U') {
            ok = find_committed(m, id, &next.len[k], &next.seed[k]);
        }
        next.id[k] = id;
        missing = missing || !ok;
        snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%c:%s",
                 k ? "," : "", which, ids[id]);
    }
    (void) c;
    rc = t_list(store, name_of(i), list, mode, NULL);
    assert_int_equal(rc, missing ? TIER_NOT_FOUND : TIER_OK);
    if (!missing) {
        memcpy(next.snap, m->snap, sizeof(next.snap));
        *m = next;
        m->dirty = mode == STORE_MODE_DIRTY;
    }
}

static void
do_delete(store_t *store, unsigned i, store_mode_t mode)
{
    model_t *m = &model[i];
    bool blocks = false;
    bool snaps = false;
    tier_rc_t rc;

    for (unsigned k = 0; k < BLOCKS; k++) {
        blocks = blocks || m->un[k].there;
    }
    for (unsigned k = 0; k < SNAPS; k++) {
        snaps = snaps || m->snap[k].time;
    }
    rc = t_delete(store, name_of(i), mode, NULL);
    if (snaps) {
        assert_int_equal(rc, TIER_REFUSED);
        rc = t_delete_all(store, name_of(i), mode);
    }
    assert_int_equal(rc, m->exists || blocks ? TIER_OK : TIER_NOT_FOUND);
    if (m->exists) {
        memset(m, 0, sizeof(*m));
        m->tomb = mode == STORE_MODE_DIRTY;
    }
    memset(m->un, 0, sizeof(m->un));
}

static size_t
want_of(const model_t *m)
{
    size_t len = 0;

    for (unsigned k = 0; k < m->parts; k++) {
        t_fill(want + len, m->len[k], m->seed[k]);
        len += m->len[k];
    }
    return len;
}

/* Another part, or what was there becomes an append blob. */
static void
do_append(store_t *store, unsigned i)
{
    model_t *m = &model[i];
    size_t len = some_len();
    uint64_t seed = (uint64_t) rand();

    if (!m->append || m->parts == 16) {
        assert_int_equal(t_append_new(store, name_of(i)), TIER_OK);
        memset(m->un, 0, sizeof(m->un));
        m->exists = m->append = true;
        m->parts = 0;
        return;
    }
    t_fill(buf, len, seed);
    assert_int_equal(t_append(store, name_of(i), buf, len), TIER_OK);
    m->len[m->parts] = len;
    m->seed[m->parts] = seed;
    m->id[m->parts++] = -1;
}

/* Takes one, or lets one go. */
static void
do_snapshot(store_t *store, unsigned i)
{
    model_t *m = &model[i];
    snap_t *s = &m->snap[rand() % SNAPS];
    store_change_t c = t_change(STORE_SNAPSHOT_DELETE, name_of(i));

    if (s->time != 0) {
        c.snapshot = s->time;
        assert_int_equal(t_commit(store, &c), TIER_OK);
        s->time = 0;
        return;
    }
    assert_int_equal(t_snapshot(store, name_of(i), &s->time),
                     m->exists ? TIER_OK : TIER_NOT_FOUND);
    s->len = want_of(m);
    s->sum = crc64_nvme(0, want, s->len);
}

static int
first(void *ctx, const store_entry_t *e)
{
    *(uint64_t *) ctx = e->number;
    return 1;
}

static void
do_carry(store_t *store)
{
    store_reader_t *reader;
    store_change_t c;
    uint64_t number = 0;

    assert_int_equal(store_reader_open(store, &reader), TIER_OK);
    (void) !store_queue_scan(reader, 0, 0, first, &number);
    store_reader_close(reader);
    if (number == 0) {
        return;
    }
    memset(&c, 0, sizeof(c));
    c.kind = STORE_WB_DONE;
    c.if_number = number;
    c.origin_etag = VIEW("etag");
    assert_int_equal(t_commit(store, &c), TIER_OK);
}

static void
check_one(store_t *store, uint64_t inc, unsigned i)
{
    const model_t *m = &model[i];
    size_t len, have = 0;
    uint8_t *p;

    for (unsigned k = 0; k < SNAPS; k++) {
        if (m->snap[k].time != 0) {
            p = t_read_at(store, inc, view_str(name_of(i)), m->snap[k].time,
                          &have);
            assert_non_null(p);
            assert_int_equal(have, m->snap[k].len);
            assert_true(crc64_nvme(0, p, have) == m->snap[k].sum);
            free(p);
        }
    }
    len = want_of(m);
    p = t_read(store, inc, view_str(name_of(i)), &have);
    assert_true((p != NULL) == m->exists);
    if (p != NULL) {
        assert_int_equal(have, len);
        assert_memory_equal(p, want, len);
        free(p);
    }
}

static int
count(void *ctx, view_t name, const store_blob_t *b)
{
    (void) name;
    *(unsigned *) ctx += store_blob_visible(b);
    return 0;
}

static void
check_all(store_t *store, uint64_t inc)
{
    store_scan_t scan = { .limit = 0 };
    unsigned n = 0, have = 0;
    store_reader_t *reader;
    store_stats_t st;
    uint64_t seen, bytes = 0;

    for (unsigned i = 0; i < NAMES; i++) {
        check_one(store, inc, i);
        n += model[i].exists;
        for (unsigned k = 0; k < BLOCKS; k++) {
            bytes += model[i].un[k].there ? model[i].un[k].len : 0;
        }
    }
    assert_int_equal(store_reader_open(store, &reader), TIER_OK);
    assert_int_equal(store_blob_scan(reader, inc, &scan, count, &have, &seen),
                     TIER_END);
    assert_int_equal(have, n);
    assert_int_equal(store_stats(reader, VIEW_NULL, &st), TIER_OK);
    assert_int_equal(st.blobs, n);
    assert_int_equal(st.uncommitted_bytes, bytes);
    store_reader_close(reader);
    t_verify(store);
}

static void
run(store_mode_t mode, unsigned seed)
{
    store_t *store;
    uint64_t inc;

    srand(seed);
    memset(model, 0, sizeof(model));
    t_opts.journal_file_bytes = 1 << 20;
    t_opts.checkpoint_bytes = 2 << 20;
    t_opts.segment_bytes = 2 << 20;
    store = t_open();
    inc = t_container(store, "cont", mode);
    for (unsigned r = 0; r < ROUNDS; r++) {
        unsigned i = (unsigned) rand() % NAMES;

        switch (rand() % (mode == STORE_MODE_OWNED ? 14 : 10)) {
        case 0:
        case 1:
        case 2:
            do_put(store, i, mode);
            break;
        case 3:
        case 4:
        case 5:
            do_block(store, i);
            break;
        case 6:
            do_list(store, i, mode);
            break;
        case 7:
            do_delete(store, i, mode);
            break;
        case 8:
            if (mode == STORE_MODE_OWNED) {
                do_snapshot(store, i);
                break;
            }
            /* fall through */
        case 9:
        case 10:
        case 11:
        case 12:
        case 13:
            if (mode == STORE_MODE_OWNED) {
                do_append(store, i);
                break;
            }
            /* fall through */
        default:
            do_carry(store);
        }
        if (rand() % 50 == 0) {
            (void) !store_maintain(store, 0);
        }
        if (r % 1000 == 999) {
            check_all(store, inc);
            store_close(store);
            store = t_open();
            check_all(store, inc);
            assert_int_equal(store_maintain(store, STORE_MAINTAIN_CHECKPOINT
                                                       | STORE_MAINTAIN_ALL),
                             TIER_OK);
            check_all(store, inc);
        }
    }
    store_close(store);
}

static void
test_owned(void **state)
{
    (void) state;
    run(STORE_MODE_OWNED, 1);
}

static void
test_dirty(void **state)
{
    (void) state;
    run(STORE_MODE_DIRTY, 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_owned),
        T(test_dirty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
