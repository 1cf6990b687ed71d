#ifndef SYNC_CARRY_PARTS_H
#define SYNC_CARRY_PARTS_H

#include <stdatomic.h>

#include "sync/body.h"
#include "sync/carry.h"

/*
 * Between carry.c (what to do, what an answer means) and send.c (requests and
 * bodies): one commit under way.
 */
#define CARRY_HEADERS_MAX 320 /* 256 of a request, and what is added */

typedef struct carry_s {
    const sync_env_t *env;
    const store_entry_t *e;
    conflict_rule_t rule;
    unsigned staged; /* blocks of it that are at the origin; 0: none */
    sync_outcome_t *out;
    view_t name; /* the entry's, or a conflict copy's */
    view_t if_match;
    bool if_absent;
    origin_answer_t *answer;
    proto_header_t h[CARRY_HEADERS_MAX];
    unsigned nh;
    bool crowded; /* there were more: it is not sent */
    uint8_t text_buf[24 * 1024];
    writer_t text; /* header values */
} carry_t;

void carry_outcome(carry_t *c, sync_verdict_t verdict, const char *what);
/* From an answer that says the same for every operation. */
void carry_failed(carry_t *c, const char *what);
void carry_done(carry_t *c, view_t etag, int64_t last_modified_s);
void carry_done_answer(carry_t *c);

/* A request's headers: reset, then any of the others. */
void carry_headers_reset(carry_t *c);
/* A null value: nothing. */
void carry_header(carry_t *c, view_t name, view_t value);
void carry_headers_cond(carry_t *c);
void carry_headers_metadata(carry_t *c, view_t packed);
void carry_headers_props(carry_t *c, const blob_props_t *p);
void carry_headers_tier(carry_t *c, const blob_props_t *p);
void carry_headers_tags(carry_t *c, const blob_props_t *p);

/* A body that is text in memory, for origin_req_t's read and rewind. */
typedef struct carry_text_s {
    view_t v;
    size_t at;
} carry_text_t;

int64_t carry_text_read(void *text, void *buf, size_t cap);
bool carry_text_rewind(void *text);

/* Sends it to c->name; false when there is no memory (outcome set). */
bool carry_send(carry_t *c, origin_req_t *req);

/* Blocks that are uploaded in parallel, one a piece. */
typedef struct carry_blocks_s {
    const sync_env_t *env;
    view_t container;
    view_t name;
    bool own_ids;    /* minted of `number`; else those of the extents */
    uint64_t number; /* of the commit */
    sync_pieces_t *pieces;

    origin_answer_t *answers; /* one a lane */
    _Atomic bool failed;
    _Atomic int failed_lane;
    _Atomic int rc; /* of the local side */
} carry_blocks_t;

/* TIER_OK: *ret says whether the origin has them all, else `why` (may be NULL)
 * is the answer of one that failed, without its headers. */
tier_rc_t carry_put_blocks(carry_blocks_t *b, bool *ret, origin_answer_t *why);

/* The whole content to c->name; what the last request was answered is in
 * c->answer. False: the outcome is set (the bytes cannot be sent). */
bool carry_upload(carry_t *c);

#endif
