#ifndef SYNC_EVICT_H
#define SYNC_EVICT_H

#include "store/store.h"

/*
 * Which clean bodies go when the disk gets full: those whose commits are the
 * oldest. Dirty ones never do.
 */

/* How many bytes of clean bodies are to go now. limit: the store's, 0: the
 * disk's; going: bytes let go a moment ago, which upkeep may still get back.
 * Begins at 85 % and ends at 75 %. */
uint64_t sync_evict_bytes(const store_stats_t *st, uint64_t limit,
                          uint64_t going);

/* May this one go? */
bool sync_evict_may(const store_blob_t *blob, int64_t now_ms,
                    uint64_t keep_clean_ms);

/* The oldest of those that were offered. */
#define SYNC_EVICT_MAX 4096

typedef struct sync_victim_s {
    uint64_t number;
    uint64_t bytes;
    unsigned where; /* the caller's */
    char *name;     /* malloc'ed */
    size_t name_len;
} sync_victim_t;

typedef struct sync_victims_s {
    sync_victim_t v[SYNC_EVICT_MAX]; /* a heap, youngest first */
    unsigned n;
    uint64_t bytes;
    uint64_t want; /* bytes; older ones are kept, whatever is over */
} sync_victims_t;

TIER_MUST_CHECK tier_rc_t sync_victims_offer(sync_victims_t *vs, view_t name,
                                             unsigned where,
                                             const store_blob_t *blob);
void sync_victims_free(sync_victims_t *vs);

#endif
