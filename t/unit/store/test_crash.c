#include "help.h"

#include <signal.h>
#include <sys/mman.h>
#include <time.h>

#include "store/internal.h"

/*
 * A child is killed, at each fault point or at any moment, in the middle of
 * all kinds of changes. Whatever it had an answer for is there afterwards;
 * what it was at is there or not, whole; the index equals its rebuild.
 */
#define NAMES 12
#define LOG   NAMES /* an append blob: `is` and `next` count its parts */
#define PARTS 300

typedef struct slot_s {
    volatile int busy; /* an operation on the name is under way */
    volatile int is;   /* 0: absent, else seed of its content */
    volatile int next; /* what it is going to be */
} slot_t;

static slot_t *slots;
static uint8_t buf[70000], want[70000];

static size_t
len_of(int seed)
{
    return seed % 7 == 0 ? 60000 + (size_t) seed % 1000 : 10 + (size_t) seed;
}

static void
name_of(char name[600], unsigned i)
{
    snprintf(name, 600, "n%u", i);
    if (i % 3 == 0) {
        memset(name + 2, 'y', 490);
        name[492] = '\0';
    }
}

/* As two blocks and a list, or in one piece. */
static tier_rc_t
write_one(store_t *store, const char *name, int seed, store_mode_t mode)
{
    size_t len = len_of(seed);
    tier_rc_t rc;

    t_fill(buf, len, (uint64_t) seed);
    if (seed % 3 != 0) {
        return t_put(store, name, buf, len, mode, NULL);
    }
    rc = t_block(store, name, "x", buf, 5, NULL);
    rc = rc ? rc : t_block(store, name, "y", buf + 5, len - 5, NULL);
    return rc ? rc : t_list(store, name, "L:x,L:y", mode, NULL);
}

static int
first(void *ctx, const store_entry_t *e)
{
    *(uint64_t *) ctx = e->number;
    return 1;
}

static tier_rc_t
carry_one(store_t *store)
{
    store_reader_t *reader;
    store_change_t c;
    uint64_t number = 0;
    tier_rc_t rc = store_reader_open(store, &reader);

    if (rc != TIER_OK) {
        return rc;
    }
    rc = store_queue_scan(reader, 0, 0, first, &number);
    store_reader_close(reader);
    if (rc < 0 || number == 0) {
        return rc < 0 ? rc : TIER_OK;
    }
    memset(&c, 0, sizeof(c));
    c.kind = STORE_WB_DONE;
    c.if_number = number;
    c.origin_etag = VIEW("e");
    return t_commit(store, &c);
}

/* Some are taken, now and then all of a name go. */
static tier_rc_t
snapshots(store_t *store, const char *name)
{
    store_change_t c = t_change(STORE_BLOB_DELETE, name);

    switch (rand() % 16) {
    case 0:
        return t_snapshot(store, name, NULL);
    case 1:
    case 2:
    case 3:
        c.flags = STORE_ONLY_SNAPSHOTS;
        return t_commit(store, &c);
    default:
        return TIER_OK;
    }
}

static size_t
part_len(int part)
{
    return part % 40 == 1 ? 17000 : 1 + (size_t) part % 90;
}

/* One more part, or all anew. */
static int
log_one(store_t *store)
{
    slot_t *s = &slots[LOG];
    tier_rc_t rc;

    s->next = s->is < PARTS ? s->is + 1 : 0;
    s->busy = 1;
    if (s->next == 0) {
        rc = t_append_new(store, "log");
    } else {
        t_fill(buf, part_len(s->next), (uint64_t) s->next);
        rc = t_append(store, "log", buf, part_len(s->next));
    }
    s->is = s->next;
    s->busy = 0;
    if (rc == TIER_OK && rand() % 20 == 0) {
        rc = snapshots(store, "log"); /* the next append cannot be in place */
    }
    return rc;
}

static bool
log_matches(const uint8_t *p, size_t have, int parts)
{
    size_t at = 0;

    for (int i = 1; i <= parts; i++) {
        size_t len = part_len(i);

        t_fill(want, len, (uint64_t) i);
        if (have - at < len || memcmp(p + at, want, len) != 0) {
            return false;
        }
        at += len;
    }
    return at == have;
}

static void
log_check(store_t *store, uint64_t inc, const char *what)
{
    slot_t *s = &slots[LOG];
    size_t have = 0;
    uint8_t *p = t_read(store, inc, VIEW("log"), &have);
    bool new = p && s->busy &&log_matches(p, have, s->next);

    if (p == NULL || (!new && !log_matches(p, have, s->is))) {
        fail_msg("%s: the log has %zu bytes, want %d parts%s", what, have,
                 s->is, s->busy ? " or one more" : "");
    }
    s->is = new ? s->next : s->is;
    s->busy = 0;
    free(p);
}

typedef struct work_s {
    unsigned point, passes;
    unsigned rounds;
    unsigned seed;
    unsigned mine; /* names with i % 2 == mine; 2: all */
    store_mode_t mode;
} work_t;

static int
work(void *ctx)
{
    const work_t *w = ctx;
    store_t *store = NULL;
    char env[32], name[600];

    snprintf(env, sizeof(env), "%u:%u", w->point, w->passes);
    setenv("BLOB_EDGE_STORE_FAULT", w->point ? env : "", 1);
    if (store_open(t_dir, &t_opts, &store) != TIER_OK) {
        return 1;
    }
    srand(w->seed);
    for (unsigned r = 0; r < w->rounds; r++) {
        unsigned i = (unsigned) rand() % NAMES;
        slot_t *s = &slots[i];
        tier_rc_t rc;

        if (w->mine != 2 && i % 2 != w->mine) {
            continue;
        }
        name_of(name, i);
        s->next = rand() % 4 == 0 ? 0 : 1 + rand() % 2000;
        s->busy = 1;
        rc = s->next ? write_one(store, name, s->next, w->mode)
                     : t_delete_all(store, name, w->mode);
        if (rc != TIER_OK && !(rc == TIER_NOT_FOUND && s->is == 0)) {
            return 2;
        }
        s->is = s->next;
        s->busy = 0;
        if (w->mode == STORE_MODE_OWNED && s->is != 0
            && snapshots(store, name) != TIER_OK)
        {
            return 5;
        }
        if (w->mode == STORE_MODE_OWNED && w->mine != 1
            && log_one(store) != TIER_OK) {
            return 6;
        }
        if (rand() % 3 == 0 && carry_one(store) != TIER_OK) {
            return 3;
        }
        if (r % 10 == 9) {
            rc = store_maintain(store, STORE_MAINTAIN_CHECKPOINT);
            if (rc < 0 && rc != TIER_EBUSY) {
                return 4;
            }
        }
    }
    store_close(store);
    return 0;
}

static bool
matches(const uint8_t *p, size_t have, int seed)
{
    size_t len = len_of(seed);

    if (seed == 0 || p == NULL) {
        return seed == 0 && p == NULL;
    }
    t_fill(want, len, (uint64_t) seed);
    return have == len && memcmp(p, want, len) == 0;
}

static void
check(store_t *store, uint64_t inc, const char *what)
{
    char name[600];

    for (unsigned i = 0; i < NAMES; i++) {
        slot_t *s = &slots[i];
        size_t have = 0;
        uint8_t *p;
        bool old, new;

        name_of(name, i);
        p = t_read(store, inc, view_str(name), &have);
        old = matches(p, have, s->is);
        new = s->busy &&matches(p, have, s->next);
        if (!old && !new) {
            fail_msg("%s: name %u is %s, want %d%s%d", what, i,
                     p ? "something else" : "absent", s->is,
                     s->busy ? " or " : " not ", s->next);
        }
        s->is = new ? s->next : s->is;
        s->busy = 0;
        free(p);
    }
    log_check(store, inc, what);
    t_verify(store);
}

static void
spoil_mark(void)
{
    char path[400];
    FILE *f;

    snprintf(path, sizeof(path), "%s/index/mark", t_dir);
    f = fopen(path, "w");
    if (f != NULL) {
        fputs("boot another\n", f);
        fclose(f);
    }
}

static uint64_t
begin(store_mode_t mode)
{
    store_t *store;
    uint64_t inc;

    t_opts.journal_file_bytes = 64 << 10;
    t_opts.segment_bytes = 256 << 10;
    memset(slots, 0, (NAMES + 1) * sizeof(*slots));
    setenv("BLOB_EDGE_STORE_FAULT", "", 1);
    store = t_open();
    inc = t_container(store, "cont", mode);
    assert_int_equal(t_append_new(store, "log"), TIER_OK);
    store_close(store);
    return inc;
}

/* Killed at each point; then opened by nobody but us. */
static void
run_points(store_mode_t mode)
{
    uint64_t inc = begin(mode);
    char what[64];

    for (unsigned point = 1; point < FAULT_POINTS; point++) {
        for (unsigned passes = 1; passes <= 3; passes++) {
            work_t w = { .point = point,
                         .passes = passes,
                         .rounds = 120,
                         .seed = point * 10 + passes,
                         .mine = 2,
                         .mode = mode };
            bool rebuild = point >= FAULT_REBUILD_COPIED;
            store_t *store;
            int rc;

            w.passes = rebuild ? 1 : passes;
            if (rebuild) {
                spoil_mark();
            }
            rc = t_join(t_fork(work, &w));
            snprintf(what, sizeof(what), "point %u pass %u", point, passes);
            if (rc != 128 + SIGKILL) {
                /* few passes of the rare ones are fine, errors are not */
                if (rc != 0 || passes == 1) {
                    fail_msg("%s: child ended with %d", what, rc);
                }
            }
            if (passes == 2) {
                spoil_mark();
            }
            store = t_open();
            check(store, inc, what);
            store_close(store);
        }
    }
}

static void
test_points_owned(void **state)
{
    (void) state;
    run_points(STORE_MODE_OWNED);
}

static void
test_points_dirty(void **state)
{
    (void) state;
    run_points(STORE_MODE_DIRTY);
}

/* One dies, another goes on in the same store at the same time. */
static void
test_survivor(void **state)
{
    uint64_t inc = begin(STORE_MODE_OWNED);
    char what[64];

    (void) state;
    for (unsigned point = FAULT_SEGMENT_MADE; point < FAULT_REBUILD_COPIED;
         point++)
    {
        work_t dying = { .point = point,
                         .passes = 2,
                         .rounds = 400,
                         .seed = point,
                         .mine = 0,
                         .mode = STORE_MODE_OWNED };
        work_t living = { .rounds = 80,
                          .seed = point + 1000,
                          .mine = 1,
                          .mode = STORE_MODE_OWNED };
        store_t *store = t_open(); /* so that nobody is alone */
        pid_t a = t_fork(work, &dying), b = t_fork(work, &living);
        int rc;

        snprintf(what, sizeof(what), "survivor of point %u", point);
        rc = t_join(a);
        if (rc != 0 && rc != 128 + SIGKILL) {
            fail_msg("%s: the dying one ended with %d", what, rc);
        }
        rc = t_join(b);
        if (rc != 0) {
            fail_msg("%s: the living one ended with %d", what, rc);
        }
        t_container(store, "cont", STORE_MODE_OWNED); /* catches up */
        t_block(store, "zz", "x", "1", 1, NULL);
        check(store, inc, what);
        store_close(store);
    }
}

static int
put_and_die(void *ctx)
{
    store_t *store = NULL;

    (void) ctx;
    setenv("BLOB_EDGE_STORE_FAULT", "6", 1); /* FAULT_APPENDED */
    if (store_open(t_dir, &t_opts, &store) != TIER_OK) {
        return 1;
    }
    t_fill(buf, sizeof(buf), 77);
    return t_put(store, "late", buf, sizeof(buf), STORE_MODE_OWNED, NULL);
}

/* What the journal alone knows holds its segment: the index does not yet. */
static void
test_appended_only(void **state)
{
    uint64_t inc = begin(STORE_MODE_OWNED);
    store_t *store = t_open();

    (void) state;
    assert_int_equal(FAULT_APPENDED, 6);
    assert_int_equal(t_join(t_fork(put_and_die, NULL)), 128 + SIGKILL);
    assert_int_equal(store_maintain(store, STORE_MAINTAIN_ALL), TIER_OK);
    t_fill(want, sizeof(want), 77);
    t_assert_blob(store, inc, "late", want, sizeof(want));
    t_verify(store);
    store_close(store);
}

/* At any moment, several at once. */
static void
test_any_moment(void **state)
{
    uint64_t inc = begin(STORE_MODE_OWNED);
    char what[64];

    (void) state;
    for (unsigned round = 0; round < 40; round++) {
        work_t w[2] = { { .rounds = 100000, .seed = round, .mine = 0 },
                        { .rounds = 100000, .seed = round + 500, .mine = 1 } };
        struct timespec ts = { 0, (long) (rand() % 60) * 1000000 + 5000000 };
        store_t *store;
        pid_t a, b;

        if (round % 4 == 3) {
            spoil_mark();
        }
        a = t_fork(work, &w[0]);
        b = t_fork(work, &w[1]);
        nanosleep(&ts, NULL);
        kill(a, SIGKILL);
        nanosleep(&ts, NULL);
        kill(b, SIGKILL);
        assert_int_equal(t_join(a), 128 + SIGKILL);
        assert_int_equal(t_join(b), 128 + SIGKILL);
        snprintf(what, sizeof(what), "round %u", round);
        store = t_open();
        check(store, inc, what);
        store_close(store);
    }
}

static int
setup(void **state)
{
    (void) state;
    t_setup();
    slots = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return slots == MAP_FAILED ? -1 : 0;
}

static int
teardown(void **state)
{
    (void) state;
    munmap(slots, 4096);
    t_teardown();
    return 0;
}

#define SLOTS(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SLOTS(test_points_owned), SLOTS(test_points_dirty),
        SLOTS(test_survivor),     SLOTS(test_appended_only),
        SLOTS(test_any_moment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
