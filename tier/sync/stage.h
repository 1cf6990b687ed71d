#ifndef SYNC_STAGE_H
#define SYNC_STAGE_H

#include "sync/carry.h"

/*
 * A list of blocks that only the origin can commit, since it names blocks that
 * only the origin has: what it names of the blocks that wait here is uploaded
 * under the client's own ids. The list itself is the caller's to send.
 * Nothing changes here, and nothing is visible at the origin by that, so that
 * it may break off anywhere and be done again.
 *
 *   Committed     one that the origin has committed
 *   Uncommitted   one of ours, else one that waits at the origin
 *   Latest        the same, else a committed one
 */
typedef struct sync_list_s {
    view_t container;
    view_t name;
    view_t xml; /* the body of Put Block List */
    /* Every block that waits here, in the order of the ids;
     * store_uncommitted_extents. TIER_NOT_FOUND: there is none. */
    tier_rc_t (*waiting)(void *ctx, store_extent_fn fn, void *fn_ctx);
    void *ctx;
} sync_list_t;

typedef struct sync_staged_s {
    unsigned status; /* 200: the list may go out; else the answer to it */
    char code[64];   /* x-ms-error-code; may be empty */
    char text[256];  /* for logs */
    unsigned blocks; /* uploaded */
    uint64_t bytes;
} sync_staged_t;

void sync_stage_list(const sync_env_t *env, const sync_list_t *list,
                     sync_staged_t *ret);

#endif
