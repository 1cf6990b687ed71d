#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "base/props.h"
#include "base/rc.h"
#include "base/view.h"
#include "base/writer.h"

/*
 * The store: journal and data segments (the truth), the index (an ordered
 * view of them in LMDB) and facts (what the origin last said). It knows
 * records, contents and commits, not HTTP.
 *
 * A store is a folder; several processes of one host have it open at once
 * (nginx workers, blob-tier). Open it after fork. A store_t may be used by
 * all threads of its process; a reader and a body by one at a time.
 *
 *   store_open -> store_reader_open -> lookups ... -> store_close
 *   store_body_open -> store_body_write* -> store_body_finish
 *                   -> a change of store_commit, or store_body_abort
 *
 * Lookups are short index reads that never wait for a writer. Functions that
 * may block on the disk or on other writers say "blocks": call them from a
 * thread.
 */
typedef struct store_s store_t;
typedef struct store_reader_s store_reader_t;
typedef struct store_body_s store_body_t;

/* Bodies up to this ride in the journal. */
#define STORE_INLINE_MAX         (16 * 1024)
#define STORE_NAME_MAX           4096 /* bytes of a blob's name */
#define STORE_BLOCK_ID_MAX       64
#define STORE_BLOCKS_COMMITTED   50000
#define STORE_BLOCKS_UNCOMMITTED 100000
#define STORE_ETAG_MAX           128
/* Scratch that holds any one record. */
#define STORE_SCRATCH_SIZE (24 * 1024)
#define STORE_PATH_MAX     4096

typedef struct store_opts_s {
    uint64_t size_bytes; /* limit of what the store takes on disk; 0: none */
    uint64_t
        dirty_bytes;    /* limit of dirty + reserved + uncommitted; 0: none */
    uint64_t map_bytes; /* of the index, when created; 0: 64 GiB */
    bool read_only;
    bool take_over; /* a store that another host had open last */
    tier_log_t log;
} store_opts_t;

/* Blocks. Creates the store if the folder is empty or absent (its parent must
 * exist). Failures are logged with what to do: TIER_EVERSION, TIER_EBUSY
 * (another host), TIER_EIO, TIER_ECORRUPT. */
TIER_MUST_CHECK tier_rc_t store_open(const char *dir, const store_opts_t *opts,
                                     store_t **ret);
void store_close(store_t *store);

/* ---- lookups ---------------------------------------------------------- */

TIER_MUST_CHECK tier_rc_t store_reader_open(store_t *store,
                                            store_reader_t **ret);
void store_reader_close(store_reader_t *reader);

typedef struct store_container_s {
    uint64_t incarnation;
    uint64_t number;         /* commit that made this state */
    bool owned;              /* standalone; else the origin has (or had) it */
    container_props_t props; /* etag is its text */
    uint64_t seen; /* highest commit number that this read reflects */
} store_container_t;

typedef enum {
    STORE_OWNED = 1, /* standalone: nothing to carry anywhere */
    STORE_DIRTY,     /* the origin does not have it yet */
    STORE_CLEAN,     /* the origin has this same content */
    STORE_TOMBSTONE, /* deleted here, the origin has not seen it yet */
    STORE_ALIAS      /* clean, bytes gone: etag and last-modified are kept */
} store_state_t;

typedef enum {
    STORE_BASE_UNKNOWN = 0,
    STORE_BASE_ABSENT,
    STORE_BASE_ETAG
} store_base_t;

typedef struct store_blob_s {
    uint64_t number;
    store_state_t state;
    bool resident;    /* bytes are in local extents */
    uint64_t content; /* 0: none */
    uint64_t etag;    /* props.etag is its text */
    blob_props_t props;
    view_t origin_etag; /* clean and alias: the origin's, without quotes */
    int64_t origin_last_modified_s;
    int64_t confirmed_ms; /* when the origin confirmed it, Unix ms */
    store_base_t base;    /* what this content replaces at the origin */
    view_t base_etag;
    uint64_t fence_owner; /* 0: none */
    int64_t fence_expiry_ms;
    uint64_t seen;
} store_blob_t;

/* Results point into `scratch`, a fixed buffer of STORE_SCRATCH_SIZE or more;
 * it is reset first. TIER_NOT_FOUND sets ret->seen only. */
TIER_MUST_CHECK tier_rc_t store_container_get(store_reader_t *reader,
                                              view_t account, view_t name,
                                              writer_t *scratch,
                                              store_container_t *ret);
/* Also finds tombstones and aliases: look at ret->state. */
TIER_MUST_CHECK tier_rc_t store_blob_get(store_reader_t *reader,
                                         uint64_t incarnation, view_t name,
                                         writer_t *scratch, store_blob_t *ret);

typedef enum {
    STORE_FILE_JOURNAL = 1,
    STORE_FILE_SEGMENT = 2
} store_file_kind_t;

/* A run of a content's bytes, whole extents or a part of one. */
typedef struct store_extent_s {
    store_file_kind_t kind;
    uint64_t file;
    uint64_t offset; /* in the file */
    uint64_t length;
    uint64_t blob_offset; /* in the content */
    uint64_t crc64;       /* of the whole extent, when `whole` */
    bool whole;
    uint8_t id_len; /* the client's block id; 0: none */
    uint8_t id[STORE_BLOCK_ID_MAX];
} store_extent_t;

/* Extents that cover [off, off+len), cut to it, in order; at most max, *ret_n
 * of them. TIER_NOT_FOUND: the content is gone, look the record up again. */
TIER_MUST_CHECK tier_rc_t store_extents_get(store_reader_t *reader,
                                            uint64_t content, uint64_t off,
                                            uint64_t len, store_extent_t *out,
                                            unsigned max, unsigned *ret_n);
/* Absolute path of the file that holds an extent; buf of STORE_PATH_MAX. */
void store_file_path(const store_t *store, store_file_kind_t kind,
                     uint64_t file, char *buf, size_t cap);

/* Blocks of a content / uncommitted ones of a name, in order (committed:
 * commit order; uncommitted: bytes of the id). Return false to stop. */
typedef bool (*store_block_fn)(void *ctx, view_t id, uint64_t length);
TIER_MUST_CHECK tier_rc_t store_blocks_committed(store_reader_t *reader,
                                                 uint64_t content,
                                                 store_block_fn fn, void *ctx);
/* TIER_NOT_FOUND when there is none. */
TIER_MUST_CHECK tier_rc_t store_blocks_uncommitted(store_reader_t *reader,
                                                   uint64_t incarnation,
                                                   view_t name,
                                                   store_block_fn fn,
                                                   void *ctx);

/* Names in byte order, from `from` (exclusive if `after`, else inclusive)
 * while they begin with `prefix`, one read transaction: keep to some thousand
 * per call. The views live during the callback. `blob` is NULL for a name that
 * has uncommitted blocks only (asked for by `uncommitted`). Long scans: from a
 * thread. Returns TIER_END when the prefix is exhausted, TIER_OK when fn
 * stopped it. */
typedef bool (*store_blob_fn)(void *ctx, view_t name,
                              const store_blob_t *blob);
TIER_MUST_CHECK tier_rc_t store_blob_scan(store_reader_t *reader,
                                          uint64_t incarnation, view_t prefix,
                                          view_t from, bool after,
                                          bool uncommitted, store_blob_fn fn,
                                          void *ctx, uint64_t *ret_seen);
typedef bool (*store_container_fn)(void *ctx, view_t name,
                                   const store_container_t *container);
TIER_MUST_CHECK tier_rc_t store_container_scan(store_reader_t *reader,
                                               view_t account, view_t prefix,
                                               view_t from, bool after,
                                               store_container_fn fn,
                                               void *ctx, uint64_t *ret_seen);

/* Highest commit number on stable media; no answer may reflect a later one. */
uint64_t store_durable(const store_t *store);
/* Blocks until it is. */
TIER_MUST_CHECK tier_rc_t store_wait_durable(store_t *store, uint64_t number);

/* ---- bodies ----------------------------------------------------------- */

#define STORE_BODY_MD5 1u /* compute MD5 beside CRC64 */

typedef struct store_digest_s {
    uint64_t length;
    uint64_t crc64;
    bool has_md5;
    uint8_t md5[16];
} store_digest_t;

/* Reserves room for exactly `length` bytes. TIER_ENOSPC: a limit or the
 * disk; nothing was taken. */
TIER_MUST_CHECK tier_rc_t store_body_open(store_t *store, uint64_t length,
                                          unsigned flags, store_body_t **ret);
/* Appends; blocks on the disk's cache only. TIER_EINVAL beyond the length. */
TIER_MUST_CHECK tier_rc_t store_body_write(store_body_t *body, const void *buf,
                                           size_t len);
/* After the last byte. TIER_EINVAL when bytes are missing. */
TIER_MUST_CHECK tier_rc_t store_body_finish(store_body_t *body,
                                            store_digest_t *ret);
/* Gives it up (also after a commit that took it: then a no-op on the data)
 * and frees it. NULL is fine. */
void store_body_abort(store_body_t *body);

/* ---- commits ---------------------------------------------------------- */

typedef enum {
    /* made by clients */
    STORE_CONTAINER_CREATE = 1, /* TIER_EXISTS; props.metadata, access, acl */
    STORE_CONTAINER_SET,        /* metadata and/or access + acl, see `set` */
    STORE_CONTAINER_DELETE,     /* with all that is in it, queue included */
    STORE_BLOB_PUT,             /* props + body */
    STORE_BLOCK_PUT,            /* block_id + body; TIER_EINVAL: the length of
                                   ids differs; TIER_ELIMIT: too many */
    STORE_BLOCKLIST_PUT,        /* props + blocks; TIER_EINVAL: an id is
                                   missing (its position in `verdict`) */
    STORE_BLOB_SET,             /* see `set` */
    STORE_BLOB_DELETE,          /* TIER_NOT_FOUND; also drops uncommitted */

    /* about the origin */
    STORE_FENCE_SET = 32, /* fence_owner, fence_expiry_ms */
    STORE_FENCE_CLEAR,
    STORE_BLOB_FORGET,  /* a clean record whose origin changed, if `number`
                           is still its own */
    STORE_BLOB_CONFIRM, /* the origin confirmed a clean record: only
                           confirmed_ms moves */
    STORE_BLOB_EVICT,   /* clean -> alias, if `number` is still its own */
    STORE_QUEUE_DONE,   /* queue_number was carried; origin_etag (null for a
                           delete), origin_last_modified_s */
    STORE_QUEUE_PARK,   /* queue_number stands; `error` says why */
    STORE_QUEUE_RETRY,  /* not parked any more */
    STORE_QUEUE_DROP    /* given up by an operator or a conflict rule */
} store_change_kind_t;

#define STORE_SET_METADATA 1u
#define STORE_SET_PROPS    2u /* content-*, cache-control, md5 */
#define STORE_SET_TIER     4u
#define STORE_SET_TAGS     8u
#define STORE_SET_ACCESS   16u /* containers: public access and acl */

typedef enum {
    STORE_BLOCK_LATEST = 0,
    STORE_BLOCK_COMMITTED,
    STORE_BLOCK_UNCOMMITTED
} store_block_which_t;

typedef struct store_block_ref_s {
    store_block_which_t which;
    view_t id; /* decoded */
} store_block_ref_t;

/* Looks at what is there (NULL: nothing, or a tombstone) under the index's
 * lock, in the committing thread. 0 lets the change pass, anything else
 * refuses it: rc = TIER_REFUSED, verdict = the value. */
typedef int (*store_blob_check_fn)(void *ctx, const store_blob_t *now);
typedef int (*store_container_check_fn)(void *ctx,
                                        const store_container_t *now);

/* All that is pointed to stays the caller's until store_commit returns. */
typedef struct store_change_s {
    store_change_kind_t kind;
    view_t account;
    view_t container;
    uint64_t incarnation; /* of the container, for blob kinds; must still
                             be current, else TIER_NOT_FOUND with
                             container_gone */
    view_t name;
    bool owned; /* standalone; else it is queued for write-back */
    unsigned set;
    const blob_props_t *props; /* length, times, etag are the store's */
    const container_props_t *container_props;
    store_body_t *body; /* taken on success; abort it afterwards anyhow */
    view_t block_id;
    const store_block_ref_t *blocks;
    unsigned nblocks;
    store_base_t base; /* what is known of the origin's blob, used when the
                          index knows nothing of the name */
    view_t base_etag;
    store_blob_check_fn check;
    store_container_check_fn container_check;
    void *check_ctx;

    uint64_t number; /* FORGET, CONFIRM, EVICT: the record's */
    uint64_t queue_number;
    view_t origin_etag;
    int64_t origin_last_modified_s;
    view_t error;
    uint64_t fence_owner;
    int64_t fence_expiry_ms;

    /* out */
    tier_rc_t rc;
    int verdict;
    bool container_gone;
    uint64_t ret_number;
    uint64_t ret_incarnation; /* CONTAINER_CREATE */
    uint64_t ret_etag;
    int64_t ret_last_modified_s;
    char ret_etag_text[24]; /* 0x8D..., terminated */
} store_change_t;

/* Commits n changes, each on its own; durable when it returns. Blocks. The
 * return is TIER_OK when the batch could be tried; then look at each rc. A
 * failure of the disk makes the store refuse writes until it is reopened. */
TIER_MUST_CHECK tier_rc_t store_commit(store_t *store,
                                       store_change_t *const *changes,
                                       unsigned n);

/* ---- write-back queue ------------------------------------------------- */

typedef enum {
    STORE_QUEUE_PUT = 1, /* whole content and properties */
    STORE_QUEUE_SET_METADATA,
    STORE_QUEUE_SET_PROPS,
    STORE_QUEUE_DELETE
} store_queue_kind_t;

typedef struct store_queue_entry_s {
    uint64_t number;
    store_queue_kind_t kind;
    view_t account;
    view_t container;
    uint64_t incarnation;
    view_t name;
    int64_t committed_ms;
    uint64_t content;
    blob_props_t props;
    bool superseded;   /* the record's number is another by now */
    store_base_t base; /* the record's, as of now */
    view_t base_etag;
    bool parked;
    view_t error;
} store_queue_entry_t;

/* Entries with number >= from, in order; views live during the callback. */
typedef bool (*store_queue_fn)(void *ctx, const store_queue_entry_t *entry);
TIER_MUST_CHECK tier_rc_t store_queue_scan(store_reader_t *reader,
                                           uint64_t from, store_queue_fn fn,
                                           void *ctx);
TIER_MUST_CHECK tier_rc_t store_queue_get(store_reader_t *reader,
                                          uint64_t number, writer_t *scratch,
                                          store_queue_entry_t *ret);
/* Highest queued number of a blob (name given), a container (name null) or
 * the whole store (incarnation 0); 0: nothing is queued. */
TIER_MUST_CHECK tier_rc_t store_queue_last(store_reader_t *reader,
                                           uint64_t incarnation, view_t name,
                                           uint64_t *ret);
/* Is anything of that order group with a number <= upto still queued? */
TIER_MUST_CHECK tier_rc_t store_queue_pending(store_reader_t *reader,
                                              uint64_t incarnation,
                                              uint64_t upto, bool *ret);

/* ---- facts ------------------------------------------------------------ */

/* What the origin said of a blob (or, with an empty name, of a container). */
typedef struct store_fact_s {
    bool exists;
    int64_t checked_ms;
    blob_props_t props; /* props.etag is the origin's, without quotes */
} store_fact_t;

TIER_MUST_CHECK tier_rc_t store_fact_get(store_reader_t *reader,
                                         view_t account, view_t container,
                                         view_t name, writer_t *scratch,
                                         store_fact_t *ret);
/* Blocks (shortly). Dropped at will when there are too many. */
TIER_MUST_CHECK tier_rc_t store_fact_put(store_t *store, view_t account,
                                         view_t container, view_t name,
                                         const store_fact_t *fact);
TIER_MUST_CHECK tier_rc_t store_fact_del(store_t *store, view_t account,
                                         view_t container, view_t name);

/* ---- upkeep ----------------------------------------------------------- */

typedef struct store_stats_s {
    uint64_t number; /* last commit */
    uint64_t durable;
    uint64_t containers;
    uint64_t blobs;
    uint64_t queued;
    uint64_t parked;
    uint64_t dirty_bytes;       /* contents the queue holds */
    uint64_t uncommitted_bytes; /* blocks without a list */
    uint64_t segment_bytes;
    uint64_t journal_bytes;
    uint64_t disk_free_bytes;
} store_stats_t;

TIER_MUST_CHECK tier_rc_t store_stats(store_t *store, store_stats_t *ret);

/* Blocks. Checkpoint when due, journal and segment files that nothing needs
 * any more are unlinked, stale readers cleared, old uncommitted blocks (7
 * days) dropped. One process calls it, by timer. */
TIER_MUST_CHECK tier_rc_t store_maintain(store_t *store);
/* Blocks. A checkpoint now. */
TIER_MUST_CHECK tier_rc_t store_checkpoint(store_t *store);

/* Blocks. Rebuilds an index from checkpoint and journal beside the live one
 * and compares them key by key; differences are logged. TIER_ECORRUPT if
 * there are any. Nothing may commit meanwhile. */
TIER_MUST_CHECK tier_rc_t store_verify_index(store_t *store);

#endif
