#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sync/merge.h"

/*
 * The merge against a model: an origin that pages, an index that scans, and
 * what a client should see, name by name, for every page size.
 */
#define NAMES_MAX 64

typedef struct fake_blob_s {
    const char *name;
    const char *etag;    /* NULL: not at the origin */
    store_state_t state; /* STORE_NONE with uncommitted false: no record */
    const char *local_etag;
    const char *origin_etag;
    bool uncommitted;
    const char *snapshot; /* at the origin only; the record is the base's */
    bool copied;          /* here */
} fake_blob_t;

typedef struct fake_s {
    const fake_blob_t *blobs; /* in order */
    unsigned n;
    unsigned origin_page; /* most items the origin gives at once */
    char got[NAMES_MAX][96];
    unsigned ngot;
    unsigned pages;
} fake_t;


static view_t
v(const char *s)
{
    return s == NULL ? VIEW_NULL : view_str(s);
}


static bool
fold(view_t name, view_t prefix, view_t delimiter, view_t *ret)
{
    if (delimiter.len == 0) {
        return false;
    }

    size_t at = view_find(name, delimiter.ptr[0], prefix.len);

    *ret = view_sub(name, 0, at + 1);
    return at < name.len;
}


/* Pages of the origin: its marker is the index of the next blob. */
static tier_rc_t
fake_page(void *ctx, view_t prefix, view_t delimiter, view_t marker,
          unsigned max, origin_page_t *ret)
{
    fake_t *f = ctx;
    uint64_t i = 0;
    unsigned limit = max < f->origin_page ? max : f->origin_page;
    char *next = malloc(32);

    f->pages++;
    memset(ret, 0, sizeof(*ret));
    ret->items = calloc(NAMES_MAX, sizeof(*ret->items));
    ret->strings.buf = (uint8_t *) next;

    if (marker.len != 0) {
        assert_true(view_to_u64(marker, &i));
    }

    for (; i < f->n && ret->n < limit; i++) {
        view_t name = v(f->blobs[i].name), p;
        origin_item_t *it = &ret->items[ret->n];

        if (f->blobs[i].etag == NULL || !view_starts_with(name, prefix)) {
            continue;
        }

        if (fold(name, prefix, delimiter, &p)) {
            if (ret->n != 0 && view_eq(ret->items[ret->n - 1].name, p)) {
                continue;
            }

            it->name = p;
            it->prefix = true;

            /* the whole prefix belongs to this item */
            while (i + 1 < f->n
                   && view_starts_with(v(f->blobs[i + 1].name), p)) {
                i++;
            }

        } else {
            it->name = name;
            it->props.etag = v(f->blobs[i].etag);
            it->rank = v(f->blobs[i].snapshot);
            it->said.before = it->rank;
        }

        it->base = f->blobs[i].snapshot == NULL;

        ret->n++;
    }

    if (i < f->n) {
        snprintf(next, 32, "%u", (unsigned) i);
        ret->next_marker = view_str(next);
    }

    return TIER_OK;
}


static tier_rc_t
fake_scan(void *ctx, const store_scan_t *scan, store_blob_fn fn, void *fn_ctx)
{
    fake_t *f = ctx;

    for (unsigned i = 0; i < f->n; i++) {
        const fake_blob_t *b = &f->blobs[i];
        view_t name = v(b->name);
        store_blob_t blob = { .state = b->state,
                              .uncommitted = b->uncommitted,
                              .origin_etag = v(b->origin_etag),
                              .props.etag = v(b->local_etag),
                              .props.copy_status =
                                  b->copied ? COPY_SUCCESS : COPY_NONE };
        int cmp = view_cmp(name, scan->from);

        if (b->snapshot != NULL || (b->state == STORE_NONE && !b->uncommitted)
            || !view_starts_with(name, scan->prefix)
            || (scan->from.len != 0
                && (cmp < 0 || (cmp == 0 && !scan->from_too)
                    || (scan->from_prefix
                        && view_starts_with(name, scan->from)))))
        {
            continue;
        }

        if (fn(fn_ctx, name, &blob) != 0) {
            return TIER_OK;
        }
    }

    return TIER_END;
}


static bool
fake_is_tombstone(void *ctx, view_t name)
{
    fake_t *f = ctx;

    for (unsigned i = 0; i < f->n; i++) {
        if (f->blobs[i].snapshot == NULL && view_eq(v(f->blobs[i].name), name))
        {
            return f->blobs[i].state == STORE_TOMBSTONE;
        }
    }

    return false;
}


/* "name etag", of the origin's with what was said of it; "name P" of a prefix,
 * "name U" of one that only has blocks. */
static void
fake_emit(void *ctx, const sync_item_t *item)
{
    fake_t *f = ctx;
    view_t etag = item->props->etag;
    view_t said = item->said != NULL ? item->said->before : VIEW_NULL;
    char *got = f->got[f->ngot];
    int n;

    assert_true(f->ngot < NAMES_MAX);
    f->ngot++;
    n = snprintf(got, sizeof(f->got[0]), "%.*s", (int) item->name.len,
                 (const char *) item->name.ptr);

    if (item->prefix || item->uncommitted) {
        snprintf(got + n, sizeof(f->got[0]) - (size_t) n, " %c",
                 item->prefix ? 'P' : 'U');
        return;
    }

    snprintf(got + n, sizeof(f->got[0]) - (size_t) n, " %.*s%.*s%s",
             (int) etag.len, (const char *) etag.ptr, (int) said.len,
             (const char *) said.ptr,
             item->props->copy_status == COPY_SUCCESS ? " copied" : "");
}


static void
expect(const fake_blob_t *blobs, unsigned n, sync_list_t list,
       const char *const *want)
{
    for (unsigned max = 1; max < 8; max++) {
        for (unsigned page = 1; page < 8; page++) {
            fake_t f = { .blobs = blobs, .n = n, .origin_page = page };
            sync_merge_env_t env = { &f, fake_page, fake_scan,
                                     fake_is_tombstone, fake_emit };
            char marker[1024];
            writer_t w;
            unsigned i = 0, turns = 0;

            list.max = max;
            list.marker = VIEW_NULL;

            do {
                unsigned before = f.ngot;

                writer_init_fixed(&w, marker, sizeof(marker));
                assert_int_equal(sync_merge_list(&env, &list, &w), TIER_OK);
                assert_true(f.ngot - before <= max);
                list.marker = writer_view(&w);

                /* the writer's memory is used again: keep the text */
                static char kept[1024];
                memcpy(kept, marker, w.len);
                list.marker = view_of(kept, w.len);
                assert_true(++turns < 200);
            } while (list.marker.len != 0);

            for (; want[i] != NULL; i++) {
                assert_true(i < f.ngot);
                assert_string_equal(f.got[i], want[i]);
            }

            assert_int_equal(f.ngot, i);
        }
    }
}

#define N(a) (sizeof(a) / sizeof((a)[0]))

static const fake_blob_t mixed[] = {
    { "a", "1", STORE_NONE, NULL, NULL, false, NULL, false },
    { "b", "1", STORE_CLEAN, "E1", "1", false, NULL,
      false }, /* given our ETag */
    { "c", "2", STORE_CLEAN, "E1", "1", false, NULL,
      false }, /* changed there */
    { "d", NULL, STORE_DIRTY, "E1", NULL, false, NULL, false }, /* only here */
    { "e", "1", STORE_TOMBSTONE, NULL, NULL, false, NULL, false },
    { "f", NULL, STORE_CLEAN, "E1", "1", false, NULL,
      false }, /* deleted there */
    { "g", NULL, STORE_NONE, NULL, NULL, true, NULL, false }, /* blocks only */
    { "h", "1", STORE_DIRTY, "E9", NULL, false, NULL,
      false }, /* replaced here */
    { "i", NULL, STORE_TOMBSTONE, NULL, NULL, false, NULL, false },
    { "j", "1", STORE_ALIAS, "E2", "1", false, NULL, false },
    { "z", NULL, STORE_DIRTY, "E3", NULL, false, NULL, false },
};


static void
test_flat(void **state)
{
    static const char *const want[] = { "a 1",  "b E1", "c 2",  "d E1",
                                        "h E9", "j E2", "z E3", NULL };

    (void) state;
    expect(mixed, N(mixed), (sync_list_t){ .prefix = VIEW("") }, want);
}


static void
test_uncommitted(void **state)
{
    static const char *const want[] = { "a 1",  "b E1", "c 2",  "d E1", "g U",
                                        "h E9", "j E2", "z E3", NULL };

    (void) state;
    expect(mixed, N(mixed),
           (sync_list_t){ .prefix = VIEW(""), .uncommitted = true }, want);
}


static const fake_blob_t tree[] = {
    { "a/1", "1", STORE_NONE, NULL, NULL, false, NULL, false },
    { "a/2", NULL, STORE_DIRTY, "E", NULL, false, NULL, false },
    { "b", "1", STORE_NONE, NULL, NULL, false, NULL, false },
    { "c/1", NULL, STORE_DIRTY, "E", NULL, false, NULL,
      false }, /* a prefix of ours */
    { "c/2", NULL, STORE_DIRTY, "E", NULL, false, NULL, false },
    { "d/1", "1", STORE_TOMBSTONE, NULL, NULL, false, NULL,
      false }, /* all deleted */
    { "d/2", "1", STORE_TOMBSTONE, NULL, NULL, false, NULL, false },
    { "e/1", "1", STORE_TOMBSTONE, NULL, NULL, false, NULL, false },
    { "e/2", "1", STORE_NONE, NULL, NULL, false, NULL,
      false }, /* one is left */
    { "f", NULL, STORE_DIRTY, "E", NULL, false, NULL, false },
    { "g/1", "1", STORE_TOMBSTONE, NULL, NULL, false, NULL, false },
    { "g/2", "1", STORE_CLEAN, "E", "1", false, NULL, false },
};


static void
test_delimiter(void **state)
{
    static const char *const want[] = { "a/ P", "b 1",  "c/ P", "e/ P",
                                        "f E",  "g/ P", NULL };

    (void) state;
    expect(tree, N(tree),
           (sync_list_t){ .prefix = VIEW(""), .delimiter = VIEW("/") }, want);
}


static void
test_prefix(void **state)
{
    static const char *const want[] = { "c/1 E", "c/2 E", NULL };
    static const char *const none[] = { NULL };

    (void) state;
    expect(tree, N(tree),
           (sync_list_t){ .prefix = VIEW("c/"), .delimiter = VIEW("/") },
           want);
    expect(tree, N(tree), (sync_list_t){ .prefix = VIEW("d/") }, none);
}


/* A name's snapshots around its record, cut anywhere; the origin may have the
 * base before them. */
static const fake_blob_t many[] = {
    { "a", "1", STORE_NONE, NULL, NULL, false, "2024", false },
    { "a", "2", STORE_NONE, NULL, NULL, false, "2025", false },
    { "a", "3", STORE_CLEAN, "E3", "3", false, NULL, true },
    { "b", "1", STORE_NONE, NULL, NULL, false, "2024", false },
    { "b", "2", STORE_NONE, NULL, NULL, false, "2025", false },
    { "b", "3", STORE_TOMBSTONE, NULL, NULL, false, NULL, false },
    { "c", "1", STORE_NONE, NULL, NULL, false, "2024", false },
    { "c", NULL, STORE_DIRTY, "E9", NULL, false, NULL, false },
    { "d", "1", STORE_NONE, NULL, NULL, false, "2024", false },
    { "d", NULL, STORE_CLEAN, "E1", "0", false, NULL, false },
    { "e", "3", STORE_NONE, NULL, NULL, false, NULL, false },
    { "e", "1", STORE_NONE, NULL, NULL, false, "2024", false },
    { "e", "2", STORE_NONE, NULL, NULL, false, "2025", false },
    { "f", NULL, STORE_DIRTY, "E9", NULL, false, NULL, false },
};


static void
test_many(void **state)
{
    static const char *const want[] = { "a 12024", "a 22025", "a E3 copied",
                                        "b 12024", "b 22025", "c 12024",
                                        "c E9",    "d 12024", "e 3",
                                        "e 12024", "e 22025", "f E9",
                                        NULL };

    (void) state;
    expect(many, N(many), (sync_list_t){ .prefix = VIEW(""), .many = true },
           want);
}


static void
test_bounds(void **state)
{
    static const char *const from_c[] = { "c 2",  "d E1", "h E9",
                                          "j E2", "z E3", NULL };
    static const char *const to_h[] = { "a 1", "b E1", "c 2", "d E1", NULL };
    static const char *const middle[] = { "d E1", "h E9", NULL };
    static const char *const none[] = { NULL };
    static const char *const tops[] = { "c/ P", "e/ P", "f E", NULL };
    static const char *const snaps[] = { "b 12024", "b 22025", "c 12024",
                                         "c E9", NULL };
    view_t p = VIEW("");

    (void) state;
    expect(mixed, N(mixed), (sync_list_t){ .prefix = p, .first = VIEW("c") },
           from_c);
    expect(mixed, N(mixed), (sync_list_t){ .prefix = p, .before = VIEW("h") },
           to_h);
    expect(
        mixed, N(mixed),
        (sync_list_t){ .prefix = p, .first = VIEW("ca"), .before = VIEW("j") },
        middle);
    expect(
        mixed, N(mixed),
        (sync_list_t){ .prefix = p, .first = VIEW("d"), .before = VIEW("d") },
        none);
    expect(mixed, N(mixed), (sync_list_t){ .prefix = p, .first = VIEW("zz") },
           none);
    expect(tree, N(tree),
           (sync_list_t){ .prefix = p,
                          .delimiter = VIEW("/"),
                          .first = VIEW("c"),
                          .before = VIEW("g/") },
           tops);
    expect(many, N(many),
           (sync_list_t){ .prefix = p,
                          .many = true,
                          .first = VIEW("b"),
                          .before = VIEW("d") },
           snaps);
}


/* What is below `first` is passed over for some pages at a time. */
static void
test_dropped(void **state)
{
    enum { COUNT = 64 };
    static char names[COUNT][8];
    fake_blob_t blobs[COUNT] = { { .name = NULL } };
    fake_t f = { .blobs = blobs, .n = COUNT, .origin_page = 1 };
    sync_merge_env_t env = { &f, fake_page, fake_scan, fake_is_tombstone,
                             fake_emit };
    sync_list_t list = { .max = 5, .first = VIEW("n63") };
    char marker[1024], kept[1024];
    unsigned turns = 0;
    writer_t w;

    (void) state;

    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof(names[i]), "n%02u", i);
        blobs[i].name = names[i];
        blobs[i].etag = "1";
    }

    do {
        writer_init_fixed(&w, marker, sizeof(marker));
        assert_int_equal(sync_merge_list(&env, &list, &w), TIER_OK);
        assert_true(f.pages <= 20 * ++turns);
        memcpy(kept, marker, w.len);
        list.marker = view_of(kept, w.len);
    } while (list.marker.len != 0);

    assert_int_equal(turns, 4);
    assert_int_equal(f.ngot, 1);
    assert_string_equal(f.got[0], "n63 1");
}


static void
test_bad_marker(void **state)
{
    fake_t f = { .blobs = mixed, .n = N(mixed), .origin_page = 5 };
    sync_merge_env_t env = { &f, fake_page, fake_scan, fake_is_tombstone,
                             fake_emit };
    sync_list_t list = { .max = 5, .marker = VIEW("not ours") };
    char marker[64];
    writer_t w;

    (void) state;
    writer_init_fixed(&w, marker, sizeof(marker));
    assert_int_equal(sync_merge_list(&env, &list, &w), TIER_EINVAL);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flat),       cmocka_unit_test(test_uncommitted),
        cmocka_unit_test(test_delimiter),  cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_bad_marker), cmocka_unit_test(test_many),
        cmocka_unit_test(test_bounds),     cmocka_unit_test(test_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
