#ifndef SYNC_BODY_H
#define SYNC_BODY_H

#include "sync/carry.h"

/*
 * A run of a content's bytes as a request's body. The files' bytes are
 * compared with the CRC taken when they came in before any of them is sent:
 * what rotted here is never committed to the lake.
 */
typedef struct sync_piece_s {
    store_extent_t extent; /* where it is */
    uint64_t skip;         /* into the extent */
    uint64_t length;
    bool has_crc; /* the piece is the whole extent: crc64 is its own */
} sync_piece_t;

typedef struct sync_pieces_s {
    sync_piece_t *piece;
    unsigned n;
    unsigned cap;
} sync_pieces_t;

/* All of a content; extents longer than `split` are cut (0: never). */
TIER_MUST_CHECK tier_rc_t sync_pieces_load(const sync_env_t *env,
                                           uint64_t content, uint64_t split,
                                           sync_pieces_t *ret);
void sync_pieces_free(sync_pieces_t *p);
/* Reads whole extents and compares checksums. TIER_ECORRUPT, TIER_EIO. */
TIER_MUST_CHECK tier_rc_t sync_pieces_verify(const sync_env_t *env,
                                             const sync_pieces_t *p);

/* Reads pieces [at, end) one after the other. */
typedef struct sync_reader_s {
    const sync_env_t *env;
    const sync_pieces_t *pieces;
    unsigned first, at, end;
    uint64_t off; /* in the piece */
    int fd;
    store_file_kind_t kind;
    uint64_t file;
} sync_reader_t;

void sync_reader_init(sync_reader_t *r, const sync_env_t *env,
                      const sync_pieces_t *p, unsigned first, unsigned end);
int64_t sync_reader_read(void *reader, void *buf, size_t cap);
bool sync_reader_rewind(void *reader);
void sync_reader_close(sync_reader_t *r);

#endif
