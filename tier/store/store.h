#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/props.h"
#include "base/rc.h"
#include "base/view.h"
#include "base/writer.h"

/*
 * The store: records of containers and blobs, their bytes, and the queue of
 * commits that the origin has not seen. Knows no HTTP. Several processes open
 * one store at the same time; each opens it after fork, once per path.
 *
 *     body_open -> body_write* -> body_finish -.
 *                                               > commit -> (durable)
 *     change filled in by the caller ----------'
 *
 *     reader: every call is one short look at one state of the index; what it
 *     returns is copied out into the caller's `scratch`.
 *
 * No answer may leave that reflects a commit above store_durable(): results
 * carry `seen`, to be given to store_wait_durable when it is larger.
 * store_commit returns only when its own changes are durable.
 */

#define STORE_FORMAT          2                  /* of the folder */
#define STORE_INLINE_MAX      (16 * 1024)        /* rides in the journal */
#define STORE_OWN_FILE_MIN    (64 * 1024 * 1024) /* gets a file of its own */
#define STORE_BLOCKS_MAX      50000              /* committed, of one blob */
#define STORE_UNCOMMITTED_MAX 100000             /* uncommitted, of one name */
#define STORE_BLOCK_ID_MAX    64
#define STORE_NAME_MAX        3072 /* bytes: 1,024 UTF-16 units in UTF-8 */
#define STORE_LABEL_MAX       128  /* bytes of an account or container name */
#define STORE_FENCE_MAX       64   /* bytes of a fence's owner */
#define STORE_ETAG_MAX        128  /* bytes of an origin's ETag */
#define STORE_SERVICE_MAX     (16 * 1024) /* bytes kept of an account */
#define STORE_RECORD_MAX      (48 * 1024) /* room that any one record fits in */
#define STORE_PATH_MAX        512

typedef struct store_s store_t;
typedef struct store_reader_s store_reader_t;
typedef struct store_body_s store_body_t;

/* ---- opening ---------------------------------------------------------- */

typedef struct store_opts_s {
    const tier_log_t *log; /* outlives the store; may be NULL */
    uint64_t size_bytes;   /* all of the store; 0: no limit */
    uint64_t dirty_bytes;  /* dirty + uncommitted + being written; 0: none */
    uint64_t map_bytes;    /* index's address space; 0: 64 GiB, sparse */
    uint64_t journal_file_bytes;    /* 0: 64 MiB */
    uint64_t checkpoint_bytes;      /* journal between two; 0: 256 MiB */
    uint64_t segment_bytes;         /* 0: 256 MiB */
    uint64_t facts_max;             /* entries; 0: 1,000,000 */
    uint64_t uncommitted_max_age_s; /* 0: 7 days */
    bool take_over;                 /* the store was another host's */
    bool read_only; /* no writes; still needs a store that exists */
    int64_t (*now_us)(void *ctx); /* wall clock, for tests; NULL: the real */
    void *now_ctx;
} store_opts_t;

/* Opens, creates or recovers. May block for long (rebuild after an OS crash,
 * another process doing so): never on an event loop. The reason of a failure
 * is in the log and says what to do. TIER_EVERSION: another format;
 * TIER_EBUSY: another host's; TIER_ECORRUPT: fsck. */
TIER_MUST_CHECK tier_rc_t store_open(const char *path,
                                     const store_opts_t *opts, store_t **ret);
/* Readers and bodies first. NULL is fine. */
void store_close(store_t *store);

/* 16 bytes, for ids minted by this edge; stable for the store's life. */
const uint8_t *store_uuid(const store_t *store);

/* ---- what is read ----------------------------------------------------- */

typedef enum {
    STORE_NONE = 0,  /* no version: only uncommitted blocks or a fence */
    STORE_OWNED,     /* standalone: the truth is here */
    STORE_DIRTY,     /* the origin does not have it yet */
    STORE_CLEAN,     /* the origin has it, the bytes are here too */
    STORE_TOMBSTONE, /* deleted, the origin has not seen it */
    STORE_ALIAS      /* clean, bytes gone; ETag and times given to clients */
} store_state_t;

/* What a name's next version replaces at the origin. */
typedef enum {
    STORE_BASE_UNKNOWN = 0,
    STORE_BASE_ABSENT,
    STORE_BASE_ETAG
} store_base_t;

typedef struct store_container_s {
    uint64_t incarnation;
    uint64_t number;       /* of the commit that made this version */
    uint64_t seen;         /* wait for it before answering */
    store_state_t state;   /* OWNED, DIRTY (create or set is queued), CLEAN */
    int64_t checked_at_ms; /* when the origin last spoke of it */
    uint64_t etag;         /* props.etag is its text, 0x... */
    container_props_t props;
    view_t origin_etag;
} store_container_t;

typedef struct store_blob_s {
    uint64_t number; /* of the commit that made this version */
    uint64_t seen;   /* wait for it before answering */
    uint64_t queued; /* highest number still queued for this name; 0 none */
    store_state_t state;
    bool resident;      /* every byte of it is in local extents */
    bool uncommitted;   /* the name has uncommitted blocks */
    uint64_t content;   /* 0: empty or not resident */
    uint64_t snapshots; /* 0: it has none; else a handle for the store */
    uint64_t snapshot;  /* this is one: its time; 0: it is the base */
    uint64_t etag;      /* props.etag is its text, 0x... */
    blob_props_t props;
    view_t origin_etag; /* of this same content; empty when not clean */
    int64_t origin_last_modified_s;
    int64_t checked_at_ms; /* when the origin last spoke of it (commit) */
    store_base_t base;
    view_t base_etag;
    view_t fence_owner; /* empty: no fence; expired ones are reported too */
    int64_t fence_expires_ms;
} store_blob_t;

/* What is kept of an account itself. */
typedef struct store_account_s {
    uint64_t number; /* of the commit that made it */
    uint64_t seen;   /* wait for it before answering */
    view_t service;  /* as it was given */
} store_account_t;

/* A client may see it. */
static inline bool
store_blob_visible(const store_blob_t *blob)
{
    return blob->state == STORE_OWNED || blob->state == STORE_DIRTY
        || blob->state == STORE_CLEAN || blob->state == STORE_ALIAS;
}

/* One reader belongs to one thread at a time; none of its calls blocks beyond
 * page faults of the index. `scratch` takes what views point into: fixed
 * memory of STORE_RECORD_MAX bytes always does; a growing writer must not grow
 * before the views were used. */
TIER_MUST_CHECK tier_rc_t store_reader_open(store_t *store,
                                            store_reader_t **ret);
void store_reader_close(store_reader_t *reader);

/* TIER_NOT_FOUND: ret->seen is set and nothing else. */
TIER_MUST_CHECK tier_rc_t store_container_get(store_reader_t *reader,
                                              view_t account, view_t container,
                                              writer_t *scratch,
                                              store_container_t *ret);

/* TIER_NOT_FOUND: nothing was ever set; `seen` is. */
TIER_MUST_CHECK tier_rc_t store_account_get(store_reader_t *reader,
                                            view_t account, writer_t *scratch,
                                            store_account_t *ret);

/* TIER_OK also for TOMBSTONE: ask store_blob_visible. TIER_NOT_FOUND: no
 * version; `seen`, `uncommitted`, fence and `queued` are set, state is
 * STORE_NONE. */
TIER_MUST_CHECK tier_rc_t store_blob_get(store_reader_t *reader,
                                         uint64_t incarnation, view_t name,
                                         writer_t *scratch, store_blob_t *ret);

/* A snapshot of the name, by its time: 100 ns since the year 1, as ETags are.
 * TIER_NOT_FOUND: there is none, or no such name; `seen` is set. */
TIER_MUST_CHECK tier_rc_t store_snapshot_get(store_reader_t *reader,
                                             uint64_t incarnation, view_t name,
                                             uint64_t time, writer_t *scratch,
                                             store_blob_t *ret);

typedef enum { STORE_SEGMENT = 0, STORE_JOURNAL = 1 } store_file_kind_t;

/* A run of a content's bytes in one file; one block if id_len is not 0. */
typedef struct store_extent_s {
    store_file_kind_t kind;
    uint64_t file;
    uint64_t offset; /* in the file */
    uint64_t length;
    uint64_t blob_offset; /* in the content */
    uint64_t crc64;       /* CRC-64/NVME of all its bytes */
    uint64_t number;      /* of the commit that stored it */
    uint8_t id_len;       /* the client's block id, decoded */
    uint8_t id[STORE_BLOCK_ID_MAX];
} store_extent_t;

/* The extents that cover [offset, offset + length) of a content, in order,
 * whole (the caller cuts the ends); at most max of them: when *ret_n == max go
 * on at the end of the last. TIER_NOT_FOUND: no such content (any more):
 * look the record up again. */
TIER_MUST_CHECK tier_rc_t store_extents_get(store_reader_t *reader,
                                            uint64_t content, uint64_t offset,
                                            uint64_t length,
                                            store_extent_t *ret, unsigned max,
                                            unsigned *ret_n);

/* Absolute path, NUL-terminated. Files are only ever unlinked, never cut or
 * punched: an open descriptor stays good; ENOENT on open means: look the
 * record up again, once. */
TIER_MUST_CHECK tier_rc_t store_file_path(const store_t *store,
                                          store_file_kind_t kind,
                                          uint64_t file, char *buf,
                                          size_t cap);

/* Callbacks of scans: 0 goes on, anything else ends the scan. Views and
 * structs are the store's and last as long as the call; no store calls from
 * inside, no waiting. */
typedef int (*store_block_fn)(void *ctx, view_t id, uint64_t length);
typedef int (*store_blob_fn)(void *ctx, view_t name, const store_blob_t *blob);
typedef int (*store_container_fn)(void *ctx, view_t container,
                                  const store_container_t *c);

/* Blocks of a content in order (none for one of Put Blob). */
TIER_MUST_CHECK tier_rc_t store_blocks_committed(store_reader_t *reader,
                                                 uint64_t content,
                                                 store_block_fn fn, void *ctx);
/* By id. TIER_NOT_FOUND: the name has none. */
TIER_MUST_CHECK tier_rc_t store_blocks_uncommitted(store_reader_t *reader,
                                                   uint64_t incarnation,
                                                   view_t name,
                                                   store_block_fn fn,
                                                   void *ctx);
/* The same with where their bytes are; id and id_len are set. The file may go
 * as soon as the name has other blocks: look again when it cannot be opened.
 */
typedef int (*store_extent_fn)(void *ctx, const store_extent_t *extent);
TIER_MUST_CHECK tier_rc_t store_uncommitted_extents(store_reader_t *reader,
                                                    uint64_t incarnation,
                                                    view_t name,
                                                    store_extent_fn fn,
                                                    void *ctx);

typedef struct store_scan_s {
    view_t prefix;    /* names that start with it; may be null */
    view_t from;      /* exclusive; null: from the first */
    bool from_prefix; /* skip every name that starts with `from` too */
    bool from_too;    /* inclusive: `from` itself, if it is there */
    unsigned limit;   /* calls of fn; 0: none. Split long scans */

    bool snapshots;    /* a name's snapshots, oldest first, before its base */
    uint64_t snapshot; /* of `from`: goes on after it; 0: after its base */
} store_scan_t;

/* Names in byte order, TOMBSTONE, ALIAS and uncommitted-only (STORE_NONE)
 * ones too. *ret_seen is the number the whole scan reflects. TIER_END: there
 * are no more names; TIER_OK: the limit or fn ended it. */
TIER_MUST_CHECK tier_rc_t store_blob_scan(store_reader_t *reader,
                                          uint64_t incarnation,
                                          const store_scan_t *scan,
                                          store_blob_fn fn, void *ctx,
                                          uint64_t *ret_seen);
TIER_MUST_CHECK tier_rc_t store_container_scan(store_reader_t *reader,
                                               view_t account,
                                               const store_scan_t *scan,
                                               store_container_fn fn,
                                               void *ctx, uint64_t *ret_seen);

/* ---- durability ------------------------------------------------------- */

/* Highest number on stable media. One load. */
uint64_t store_durable(const store_t *store);
/* Blocks for a sync at most. */
TIER_MUST_CHECK tier_rc_t store_wait_durable(store_t *store, uint64_t number);

/* ---- bodies ----------------------------------------------------------- */

#define STORE_BODY_MD5 1u /* digest the MD5 too */

typedef struct store_digest_s {
    uint64_t length;
    uint64_t crc64;
    bool has_md5;
    uint8_t md5[16];
} store_digest_t;

/* Room for exactly `length` bytes. Any thread; a body belongs to one thread at
 * a time. Up to STORE_INLINE_MAX it is memory only and does not block; else
 * disk I/O. TIER_ENOSPC: disk or limit, before a byte was taken. */
TIER_MUST_CHECK tier_rc_t store_body_open(store_t *store, uint64_t length,
                                          unsigned flags, store_body_t **ret);
/* In order. More than `length` in all is TIER_EINVAL. */
TIER_MUST_CHECK tier_rc_t store_body_write(store_body_t *body, const void *buf,
                                           size_t len);
/* Fewer than `length` bytes so far is TIER_EINVAL. Not durable yet: that is
 * the commit's work. */
TIER_MUST_CHECK tier_rc_t store_body_finish(store_body_t *body,
                                            store_digest_t *ret);
/* Gives up a body that no commit took. NULL is fine. Does not block. */
void store_body_abort(store_body_t *body);

/* ---- commits ---------------------------------------------------------- */

typedef enum {
    STORE_ACCOUNT_SET = 1,  /* service */
    STORE_CONTAINER_CREATE, /* container_props, mode */
    STORE_CONTAINER_SET,    /* container_props or null (only checked_at) */
    STORE_CONTAINER_LEASE,  /* lease; the version stays, ETag and all */
    STORE_CONTAINER_DELETE, /* mode; STORE_VOID_QUEUE */
    STORE_BLOB_PUT,         /* props, body or copy_content or neither, mode */
    STORE_BLOCK_PUT,        /* body (not empty), block_id */
    STORE_BLOCK_LIST,       /* blocks, props, mode */
    STORE_BLOB_SET,         /* props, STORE_SET_*, mode */
    STORE_BLOB_LEASE,       /* lease; the version stays, ETag and all */
    STORE_BLOB_DELETE,      /* mode; STORE_BLIND */
    STORE_FENCE_SET,        /* fence_owner, fence_expires_ms */
    STORE_FENCE_CLEAR,      /* fence_owner */
    STORE_BLOB_FORGET,      /* clean or alias: as if never heard of */
    STORE_BLOB_EVICT,       /* clean -> alias, the bytes may go; if_number */

    STORE_SNAPSHOT_CREATE, /* props' metadata with STORE_SET_META; OWNED */
    STORE_SNAPSHOT_DELETE, /* snapshot; `check` is asked about it */
    STORE_APPEND,          /* body (not empty), to an append blob; OWNED */

    STORE_WB_DONE,     /* if_number, origin_etag, origin_last_modified_s */
    STORE_WB_PARK,     /* if_number, error */
    STORE_WB_RETRY,    /* if_number: parked no more */
    STORE_WB_ATTEMPT,  /* if_number, error: one more attempt failed */
    STORE_WB_SKIP,     /* if_number: not carried, the version stays here */
    STORE_WB_DROP,     /* if_number: not carried, the version goes */
    STORE_WB_CONFLICT, /* if_number: carried elsewhere, origin's stays */
    STORE_KIND_MAX
} store_kind_t;

/* How a change relates to the origin. */
typedef enum {
    STORE_MODE_OWNED = 0, /* no origin: nothing is queued */
    STORE_MODE_DIRTY,     /* queued for write-back */
    STORE_MODE_CLEAN      /* the origin has it already (through) */
} store_mode_t;

#define STORE_BLIND       0x01u /* delete though there is no record */
#define STORE_VOID_QUEUE  0x02u /* container delete: its queue goes too */
#define STORE_UNFENCE     0x04u /* ends fence_owner's fence in one commit */
#define STORE_SET_HEADERS 0x10u /* content_*, cache_control, md5; new ETag */
#define STORE_SET_META    0x20u /* new ETag */
#define STORE_SET_TAGS    0x40u
#define STORE_SET_TIER    0x80u

/* Delete of a blob that has snapshots: they go with it, or they go and it
 * stays; else it is refused. */
#define STORE_WITH_SNAPSHOTS 0x0100u
#define STORE_ONLY_SNAPSHOTS 0x0200u

#define STORE_SET_SEALED     0x0400u /* of an append blob; new ETag */

typedef enum {
    STORE_BLOCK_LATEST = 0,
    STORE_BLOCK_COMMITTED,
    STORE_BLOCK_UNCOMMITTED
} store_block_which_t;

typedef struct store_block_ref_s {
    store_block_which_t which;
    view_t id; /* decoded */
} store_block_ref_t;

/* Verdicts of the store itself (rc says the class); those of `check` are the
 * caller's own and come with TIER_REFUSED. Negative, so that they differ. */
typedef enum {
    STORE_V_NONE = 0,
    STORE_V_NO_CONTAINER = -1, /* NOT_FOUND: none, or another incarnation */
    STORE_V_NO_BLOB = -2,      /* NOT_FOUND */
    STORE_V_NO_BLOCK = -3,     /* NOT_FOUND: a block of the list */
    STORE_V_ID_LENGTH = -4,    /* REFUSED: ids of other length are there */
    STORE_V_BLOCK_COUNT = -5,  /* ELIMIT: too many blocks */
    STORE_V_FENCED = -6,       /* AGAIN: a forward is under way */
    STORE_V_QUEUED = -7,       /* AGAIN: not while it is in the queue */
    STORE_V_NO_ENTRY = -8,     /* NOT_FOUND: WB_* of a number not queued */
    STORE_V_NUMBER = -9,       /* REFUSED: if_number is not the record's */
    STORE_V_STATE = -10,       /* REFUSED: not in this state */
    STORE_V_SNAPSHOTS = -11    /* REFUSED: it has snapshots */
} store_verdict_t;

/*
 * One change. Zero it, fill what its kind reads, keep everything it points to
 * until store_commit returns. In a batch, later changes see earlier ones.
 */
typedef struct store_change_s {
    store_kind_t kind;
    unsigned flags;
    store_mode_t mode;
    view_t account, container;
    view_t name;
    uint64_t incarnation; /* expected; 0: whichever lives */

    /* content_length, last_modified_s, etag are the store's to set (length is
     * the caller's when there are no bytes: CLEAN without a body);
     * creation_time_s 0: the current version's, or now. */
    const blob_props_t *props;
    const container_props_t *container_props;
    view_t service;

    store_body_t *body;    /* finished; the commit takes it, come what may */
    bool patient;          /* but for FENCED, if it is to be tried again */
    uint64_t copy_content; /* share these bytes instead */
    view_t block_id;
    const store_block_ref_t *blocks;
    unsigned nblocks;

    store_base_t base; /* only used when no record says better */
    view_t base_etag;
    view_t origin_etag;
    int64_t origin_last_modified_s;
    int64_t checked_at_ms; /* 0: now */

    view_t fence_owner; /* whose change this is; a fence of it lets it pass */
    int64_t fence_expires_ms;

    uint64_t snapshot;  /* SNAPSHOT_*: its time; a result of CREATE */
    uint64_t if_number; /* the queue entry (WB_*); 0 elsewhere: any */
    view_t error;       /* why it is parked, for the operator */

    /* Under the index's lock: `current` is NULL when no version is visible.
     * 0 passes; anything else becomes the verdict, rc TIER_REFUSED. Short, no
     * store calls. May set `lease`, of the change it belongs to. */
    int (*check)(void *ctx, const store_blob_t *current);
    int (*check_container)(void *ctx, const store_container_t *current);
    int (*check_account)(void *ctx, const store_account_t *current);
    void *check_ctx;

    /* What becomes of the lease: required for *_LEASE; of other changes of a
     * blob that leave one, NULL keeps it. */
    const lease_t *lease;

    /* results */
    tier_rc_t rc;
    int verdict;
    uint64_t number; /* of this commit; 0: nothing was committed */
    uint64_t etag;
    uint64_t content;
    uint64_t result_incarnation;
    uint64_t append_offset; /* APPEND: where its bytes begin */
    uint32_t committed_blocks;
    int64_t last_modified_s;
    int64_t creation_time_s;
} store_change_t;

static inline bool
store_change_fenced(const store_change_t *change)
{
    return change->rc == TIER_AGAIN && change->verdict == STORE_V_FENCED;
}

/* Blocks until durable or refused; from any thread, never the event loop.
 * Each change's outcome is its own `rc`; bodies were taken, but for that of a
 * patient change that was FENCED. A change of no effect (WB_RETRY of one not
 * parked) is TIER_OK without a number. After TIER_EIO nothing is written any
 * more until the store is opened anew by everybody; the change's fate is
 * decided then. */
void store_commit(store_t *store, store_change_t *changes[], unsigned n);

/* ---- write-back queue ------------------------------------------------- */

typedef enum {
    STORE_Q_PUT = 1,
    STORE_Q_BLOCK_LIST, /* as PUT; the extents carry block ids */
    STORE_Q_SET,        /* flags: STORE_SET_* */
    STORE_Q_DELETE,
    STORE_Q_CONTAINER_CREATE,
    STORE_Q_CONTAINER_SET,
    STORE_Q_CONTAINER_DELETE
} store_queue_kind_t;

typedef struct store_entry_s {
    uint64_t number;
    store_queue_kind_t kind;
    unsigned flags; /* STORE_SET_* */
    view_t account, container, name;
    uint64_t incarnation;
    uint64_t content; /* kept alive by the entry; 0: empty or none */
    uint64_t etag;
    int64_t committed_at_ms;
    blob_props_t props; /* as of this commit */
    container_props_t container_props;
    bool latest; /* the record's current version */
    bool parked;
    unsigned attempts;
    view_t error;
    /* what the origin holds under this name as far as is known now: taken
     * from the record, which WB_DONE of earlier versions keeps current */
    store_base_t base;
    view_t base_etag;
} store_entry_t;

typedef int (*store_queue_fn)(void *ctx, const store_entry_t *entry);

/* Entries with a number >= from, in order; as store_blob_scan. Only those at
 * or below store_durable() may be carried. */
TIER_MUST_CHECK tier_rc_t store_queue_scan(store_reader_t *reader,
                                           uint64_t from, unsigned limit,
                                           store_queue_fn fn, void *ctx);
TIER_MUST_CHECK tier_rc_t store_queue_get(store_reader_t *reader,
                                          uint64_t number, writer_t *scratch,
                                          store_entry_t *ret);
/* Highest and lowest queued number of an order group (null container: of the
 * account; null account: of the store) or, with a name, of that blob (lowest
 * is then the group's). 0: none. A flush to the returned highest is over when
 * the lowest has passed it. Either ret may be NULL. */
TIER_MUST_CHECK tier_rc_t store_dirty_upto(store_reader_t *reader,
                                           view_t account, view_t container,
                                           view_t name, uint64_t *ret_highest,
                                           uint64_t *ret_lowest);

/* ---- facts ------------------------------------------------------------ */

/* What the origin last said of a blob (or, with an empty name, a container)
 * that the edge does not own. A cache: may vanish at any time. */
typedef struct store_fact_s {
    bool exists;
    int64_t checked_at_ms;
    view_t origin_etag; /* as the origin wrote it, without quotes */
    blob_props_t props;
    /* when the name is empty; with no container either, of the account: acl is
     * then a text that is the caller's */
    container_props_t container_props;
} store_fact_t;

TIER_MUST_CHECK tier_rc_t store_fact_get(store_reader_t *reader,
                                         view_t account, view_t container,
                                         view_t name, writer_t *scratch,
                                         store_fact_t *ret);
/* A short write transaction of the facts' own: from a thread. One that was
 * checked later stays, and this one is dropped: checked_at_ms is when the
 * question was asked, not when the answer came. */
TIER_MUST_CHECK tier_rc_t store_fact_put(store_t *store, view_t account,
                                         view_t container, view_t name,
                                         const store_fact_t *fact);
TIER_MUST_CHECK tier_rc_t store_fact_del(store_t *store, view_t account,
                                         view_t container, view_t name);

/* ---- figures, upkeep, checks ------------------------------------------ */

typedef struct store_stats_s {
    uint64_t last_number;
    uint64_t durable;
    uint64_t blobs; /* visible records, tombstones not */
    uint64_t containers;
    uint64_t queued; /* entries */
    uint64_t parked;
    uint64_t dirty_bytes;
    uint64_t owned_bytes;
    uint64_t clean_bytes;
    uint64_t uncommitted_bytes;
    uint64_t reserved_bytes; /* bodies being written, all processes */
    uint64_t journal_bytes;
    uint64_t segment_bytes; /* files, dead bytes included */
    uint64_t index_bytes;
    uint64_t free_bytes; /* of the file system */
    uint64_t readers;
    bool failed; /* a sync failed: no writes until opened anew */
} store_stats_t;

/* account null: of the whole store; else only the counts kept by account
 * (blobs, containers, queued, parked, *_bytes of contents) are set. Lists
 * directories: not on an event loop when account is null. */
TIER_MUST_CHECK tier_rc_t store_stats(store_reader_t *reader, view_t account,
                                      store_stats_t *ret);

#define STORE_MAINTAIN_CHECKPOINT 1u /* now, whatever the journal's size */
#define STORE_MAINTAIN_ALL        2u /* no slices: until nothing is left */

/* One slice of upkeep: stale readers, checkpoint when due, purge of deleted
 * containers and of old uncommitted blocks, bodies out of old journal files,
 * those files and dead segments gone. Blocks. TIER_AGAIN: there is more to do;
 * TIER_EBUSY: another process is at it. */
TIER_MUST_CHECK tier_rc_t store_maintain(store_t *store, unsigned flags);

/* Live index == rebuild(checkpoint, journal), key by key. TIER_ECORRUPT: each
 * difference (the first 100) was logged. */
TIER_MUST_CHECK tier_rc_t store_verify_index(store_t *store);
/* Reads every extent of every content and compares checksums; differences are
 * logged. *ret_bad counts them. */
TIER_MUST_CHECK tier_rc_t store_verify_bodies(store_t *store,
                                              uint64_t *ret_bad);

#endif
