#ifndef SYNC_CARRY_H
#define SYNC_CARRY_H

#include "base/log.h"
#include "base/policy.h"
#include "origin/origin.h"
#include "store/store.h"

/*
 * Carrying one commit to the origin: what is sent, under which condition, and
 * what its answer means. No loop over the queue, no sleep, no clock: the
 * caller chooses the entry, waits, and commits the outcome.
 *
 *   base absent   If-None-Match: *        base etag   If-Match
 *   base unknown  look first: an origin blob older than the commit (by the
 *                 origin's clock, in whole seconds) or known when it was made
 *                 is replaced under If-Match, any other is a conflict
 *   412 / 409     read back: our own lost commit counts as done, anything
 *                 else is a conflict (policy)
 */

/* What carrying needs from outside; fakes in tests. `request` and `head` are
 * origin.h's, for one connection; `parallel` runs fn(ctx, i, lane) for i in
 * [0, n), on at most `lanes` lanes, each lane's calls in one thread. */
typedef struct sync_env_s {
    void *ctx;
    tier_rc_t (*request)(void *ctx, unsigned lane, const origin_req_t *req,
                         origin_answer_t *ret);
    tier_rc_t (*extents)(void *ctx, uint64_t content, uint64_t offset,
                         store_extent_t *ret, unsigned max, unsigned *ret_n);
    /* Opens the file of an extent for reading: a descriptor or -1. */
    int (*open_file)(void *ctx, store_file_kind_t kind, uint64_t file);
    void (*parallel)(void *ctx, unsigned n,
                     void (*fn)(void *job, unsigned i, unsigned lane),
                     void *job);
    /* Did the edge know, when it made the entry, that the origin holds this
     * ETag under its name? NULL: no. */
    bool (*knew)(void *ctx, const store_entry_t *entry, view_t etag);
    const uint8_t *edge_id; /* 16 bytes, for minted block ids */
    const tier_log_t *log;
} sync_env_t;

typedef enum {
    SYNC_DONE = 0, /* the origin has it: STORE_WB_DONE */
    SYNC_CONFLICT, /* the rule gave way: STORE_WB_CONFLICT */
    SYNC_PARK,     /* an operator has to look: STORE_WB_PARK */
    SYNC_LATER     /* again after delay_ms */
} sync_verdict_t;

typedef struct sync_outcome_s {
    sync_verdict_t verdict;
    char etag[STORE_ETAG_MAX]; /* without quotes; empty for a delete */
    size_t etag_len;
    int64_t last_modified_s;
    unsigned retry_after_s; /* the origin asked for it */
    bool throttled;
    char text[256]; /* why, for logs and operators */
} sync_outcome_t;

/* Bodies up to this go in one Put Blob. */
#define SYNC_PUT_BLOB_MAX (16ull << 20)
/* Bodies from this on are worth staging. */
#define SYNC_STAGE_MIN (256ull << 10)
/* Blocks of a body without blocks of its own, and the longest one sent. */
#define SYNC_BLOCK_BYTES (16ull << 20)
#define SYNC_BLOCK_MAX   (256ull << 20)

/* staged: what sync_stage returned for this entry, or 0. */
void sync_carry(const sync_env_t *env, const store_entry_t *entry,
                conflict_rule_t rule, unsigned staged, sync_outcome_t *ret);

/* Uploads an entry's blocks ahead of its turn: how many; 0: not done. Nothing
 * is visible at the origin by that. Not while an earlier commit to the same
 * name waits, which would take the blocks away. */
unsigned sync_stage(const sync_env_t *env, const store_entry_t *entry);

/* Milliseconds before the n-th attempt (n >= 1): exponential from 200 ms to
 * 60 s, half of it jitter from `random`. */
uint64_t sync_backoff_ms(unsigned attempts, unsigned retry_after_s,
                         uint64_t random);

/* A block id of ours: edge, commit, index; 20 bytes, base64 in buf. */
#define SYNC_BLOCK_ID_TEXT 28
void sync_block_id(const uint8_t edge_id[16], uint64_t number, uint32_t index,
                   char buf[SYNC_BLOCK_ID_TEXT + 1]);

#endif
