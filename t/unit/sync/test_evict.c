#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sync/evict.h"

static void
test_bytes(void **state)
{
    store_stats_t st = { 0 };

    (void) state;
    st.segment_bytes = 8500;
    st.free_bytes = 91500;
    st.clean_bytes = 6000;
    assert_int_equal(sync_evict_bytes(&st, 10000, 0), 0);
    st.segment_bytes = 8600;
    assert_int_equal(sync_evict_bytes(&st, 10000, 0), 1100);
    assert_int_equal(sync_evict_bytes(&st, 10000, 1000), 100);
    assert_int_equal(sync_evict_bytes(&st, 10000, 1100), 0);
    st.clean_bytes = 50; /* dirty ones never go */
    assert_int_equal(sync_evict_bytes(&st, 10000, 0), 50);
    st.clean_bytes = 6000;
    assert_int_equal(sync_evict_bytes(&st, 0, 0), 0);
    st.free_bytes = 1400; /* the disk is the limit */
    assert_int_equal(sync_evict_bytes(&st, 0, 0), 1100);
    assert_int_equal(sync_evict_bytes(&st, 1000000, 0), 1100);
}


static void
test_may(void **state)
{
    store_blob_t b = { .state = STORE_CLEAN,
                       .resident = true,
                       .content = 1,
                       .checked_at_ms = 1000 };

    (void) state;
    assert_true(sync_evict_may(&b, 2000, 1000));
    assert_false(sync_evict_may(&b, 1999, 1000));
    b.queued = 5;
    assert_false(sync_evict_may(&b, 2000, 1000));
    b.queued = 0;
    b.state = STORE_DIRTY;
    assert_false(sync_evict_may(&b, 2000, 1000));
    b.state = STORE_OWNED;
    assert_false(sync_evict_may(&b, 2000, 1000));
}


/* The oldest that together have what is wanted, whatever the order. */
static void
test_victims(void **state)
{
    sync_victims_t *vs = calloc(1, sizeof(*vs));
    uint64_t sum = 0;

    (void) state;
    vs->want = 1000;

    for (unsigned i = 0; i < 1000; i++) {
        store_blob_t b = { .number = (i * 7919) % 1000 + 1,
                           .props = { .content_length = 100 } };

        assert_int_equal(sync_victims_offer(vs, VIEW("name"), i, &b), TIER_OK);
    }

    assert_int_equal(vs->n, 10);

    for (unsigned i = 0; i < vs->n; i++) {
        assert_in_range(vs->v[i].number, 1, 10);
        sum += vs->v[i].number;
    }

    assert_int_equal(sum, 55);
    sync_victims_free(vs);

    vs->want = UINT64_MAX; /* more than there is room for */

    for (unsigned i = 0; i < SYNC_EVICT_MAX + 10; i++) {
        store_blob_t b = { .number = 10000 - i,
                           .props = { .content_length = 1 } };

        assert_int_equal(sync_victims_offer(vs, VIEW("n"), i, &b), TIER_OK);
    }

    assert_int_equal(vs->n, SYNC_EVICT_MAX);
    assert_int_equal(vs->v[0].number, 9990);
    sync_victims_free(vs);
    free(vs);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_may),
        cmocka_unit_test(test_victims),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
