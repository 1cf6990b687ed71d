#ifndef SYNC_BODY_H
#define SYNC_BODY_H

#include "sync/carry.h"

/*
 * A run of a content's bytes as a request's body. The bytes are compared with
 * the CRC taken when they came in while they are read: a whole extent before
 * its last byte is handed out, so that the request cannot come to its end; the
 * parts of a cut one all together, before the block list that commits them.
 * What rotted here is never committed to the lake.
 */
typedef struct sync_piece_s {
    store_extent_t extent; /* where it is */
    uint64_t skip;         /* into the extent */
    uint64_t length;
    bool has_crc; /* the piece is the whole extent: crc64 is its own */
    uint64_t crc; /* of the bytes as they were read */
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
/* One more extent at the end. */
TIER_MUST_CHECK tier_rc_t sync_pieces_add(sync_pieces_t *p,
                                          const store_extent_t *extent,
                                          uint64_t split);
void sync_pieces_free(sync_pieces_t *p);
uint64_t sync_pieces_bytes(const sync_pieces_t *p);
/* Every piece was read to its end: do the cut extents' checksums hold? */
bool sync_pieces_check(const sync_pieces_t *p);

/* Reads pieces [at, end) one after the other. */
typedef struct sync_reader_s {
    const sync_env_t *env;
    sync_pieces_t *pieces;
    unsigned first, at, end;
    uint64_t off; /* in the piece */
    tier_rc_t rc; /* why a read failed: TIER_ECORRUPT, TIER_EIO */
    int fd;
    store_file_kind_t kind;
    uint64_t file;
} sync_reader_t;

void sync_reader_init(sync_reader_t *r, const sync_env_t *env,
                      sync_pieces_t *p, unsigned first, unsigned end);
int64_t sync_reader_read(void *reader, void *buf, size_t cap);
bool sync_reader_rewind(void *reader);
void sync_reader_close(sync_reader_t *r);

#endif
