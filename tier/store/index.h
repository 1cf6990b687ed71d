#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include <stdbool.h>

#include "base/log.h"
#include "base/rc.h"
#include "base/view.h"

/*
 * Ordered tables in one LMDB environment; index.c is the only file that knows
 * LMDB. Values are checksummed. Views returned point into the map: those of a
 * read transaction last until its reset, those of a write transaction until
 * the next write.
 */
typedef struct index_s index_t;
typedef struct index_txn_s index_txn_t;

#define INDEX_TABLES_MAX 16

typedef struct index_opts_s {
    unsigned tables;
    uint64_t map_bytes;
    bool create;   /* make what is missing */
    bool snapshot; /* path is a file that nobody else has: no lock file */
    const tier_log_t *log;
} index_opts_t;

TIER_MUST_CHECK tier_rc_t index_open(const char *path,
                                     const index_opts_t *opts, index_t **ret);
void index_close(index_t *index);
/* Frees slots of readers that died. */
void index_check_readers(index_t *index);
unsigned index_readers(index_t *index);
uint64_t index_file_bytes(index_t *index);
/* What the map has left beyond the file's end. */
uint64_t index_room(index_t *index);
/* A compacted copy of the last committed state. */
TIER_MUST_CHECK tier_rc_t index_copy(index_t *index, int fd);

/* A write transaction waits for the lock that all processes share. */
TIER_MUST_CHECK tier_rc_t index_begin(index_t *index, bool write,
                                      index_txn_t **ret);
TIER_MUST_CHECK tier_rc_t index_commit(index_txn_t *txn);
void index_abort(index_txn_t *txn); /* also ends a read transaction */
/* Read transactions: reset lets go of the state, renew takes the newest. */
void index_reset(index_txn_t *txn);
TIER_MUST_CHECK tier_rc_t index_renew(index_txn_t *txn);

TIER_MUST_CHECK tier_rc_t index_get(index_txn_t *txn, unsigned table,
                                    view_t key, view_t *ret_val);
TIER_MUST_CHECK tier_rc_t index_put(index_txn_t *txn, unsigned table,
                                    view_t key, view_t val);
TIER_MUST_CHECK tier_rc_t index_del(index_txn_t *txn, unsigned table,
                                    view_t key);
TIER_MUST_CHECK tier_rc_t index_del_prefix(index_txn_t *txn, unsigned table,
                                           view_t prefix);

/* One cursor a table. TIER_NOT_FOUND at either end. */
TIER_MUST_CHECK tier_rc_t index_seek(index_txn_t *txn, unsigned table,
                                     view_t key, view_t *ret_key,
                                     view_t *ret_val); /* first >= key */
TIER_MUST_CHECK tier_rc_t index_next(index_txn_t *txn, unsigned table,
                                     view_t *ret_key, view_t *ret_val);
TIER_MUST_CHECK tier_rc_t index_before(index_txn_t *txn, unsigned table,
                                       view_t key, view_t *ret_key,
                                       view_t *ret_val); /* last < key */
TIER_MUST_CHECK tier_rc_t index_last(index_txn_t *txn, unsigned table,
                                     view_t *ret_key, view_t *ret_val);
TIER_MUST_CHECK tier_rc_t index_count(index_txn_t *txn, unsigned table,
                                      uint64_t *ret);

#endif
