#include <stdlib.h>

#include "sync/evict.h"


uint64_t
sync_evict_bytes(const store_stats_t *st, uint64_t limit, uint64_t going)
{
    uint64_t used = st->segment_bytes + st->journal_bytes;
    uint64_t disk = used + st->free_bytes;
    uint64_t room = limit != 0 && limit < disk ? limit : disk;
    uint64_t high = room / 100 * 85, low = room / 100 * 75, want;

    if (used <= high || used - low <= going) {
        return 0;
    }

    want = used - low - going;
    return want < st->clean_bytes ? want : st->clean_bytes;
}


bool
sync_evict_may(const store_blob_t *blob, int64_t now_ms,
               uint64_t keep_clean_ms)
{
    return blob->state == STORE_CLEAN && blob->resident && blob->queued == 0
        && blob->content != 0
        && blob->checked_at_ms + (int64_t) keep_clean_ms <= now_ms;
}


static void
swap(sync_victim_t *a, sync_victim_t *b)
{
    sync_victim_t t = *a;

    *a = *b;
    *b = t;
}


static void
sift_up(sync_victims_t *vs, unsigned i)
{
    for (; i != 0 && vs->v[(i - 1) / 2].number < vs->v[i].number;
         i = (i - 1) / 2) {
        swap(&vs->v[i], &vs->v[(i - 1) / 2]);
    }
}


static void
drop_youngest(sync_victims_t *vs)
{
    unsigned i = 0;

    vs->bytes -= vs->v[0].bytes;
    free(vs->v[0].name);
    vs->v[0] = vs->v[--vs->n];

    for (;;) {
        unsigned top = i;

        for (unsigned k = 2 * i + 1; k <= 2 * i + 2 && k < vs->n; k++) {
            top = vs->v[k].number > vs->v[top].number ? k : top;
        }

        if (top == i) {
            return;
        }

        swap(&vs->v[i], &vs->v[top]);
        i = top;
    }
}


tier_rc_t
sync_victims_offer(sync_victims_t *vs, view_t name, unsigned where,
                   const store_blob_t *blob)
{
    sync_victim_t *v;

    if (vs->n == SYNC_EVICT_MAX || vs->bytes >= vs->want) {
        if (vs->n == 0 || blob->number > vs->v[0].number) {
            return TIER_OK;
        }
    }

    if (vs->n == SYNC_EVICT_MAX) {
        drop_youngest(vs);
    }

    v = &vs->v[vs->n];
    v->name = malloc(name.len + 1);

    if (v->name == NULL) {
        return TIER_ENOMEM;
    }

    memcpy(v->name, name.ptr, name.len);
    v->name_len = name.len;
    v->number = blob->number;
    v->bytes = blob->props.content_length;
    v->where = where;
    vs->bytes += v->bytes;
    sift_up(vs, vs->n++);

    while (vs->n != 0 && vs->bytes - vs->v[0].bytes >= vs->want) {
        drop_youngest(vs);
    }

    return TIER_OK;
}


void
sync_victims_free(sync_victims_t *vs)
{
    for (unsigned i = 0; i < vs->n; i++) {
        free(vs->v[i].name);
    }

    vs->n = 0;
    vs->bytes = 0;
}
