#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "base/digest.h"
#include "base/endian.h"
#include "base/log.h"
#include "store/format.h"
#include "store/index.h"
#include "store/store.h"

/* What the files of tier/store share. */

#define SHARED_MAGIC   0x315f524853454542ull
#define SHARED_VERSION 1
#define SHARED_SLOTS   256
#define BOOT_ID_LEN    36

/* What one process has reserved for bodies; counted only while it lives. */
typedef struct shared_slot_s {
    _Atomic int32_t pid;
    int32_t reserved;
    _Atomic uint64_t bytes;
} shared_slot_t;

/* STORE/run/shared, mapped by every process: set up anew by whoever opens the
 * store with nobody else in it. */
typedef struct shared_s {
    uint64_t magic;
    uint64_t version;
    uint8_t uuid[16];
    char boot[40];
    uint64_t pid_ns;
    pthread_mutex_t sync;    /* robust: its holder syncs the journal for all */
    _Atomic uint32_t synced; /* counts syncs; futex */
    _Atomic uint64_t durable;      /* commits up to it are on stable media */
    _Atomic uint64_t appended;     /* ... are in the journal */
    _Atomic uint64_t journal_file; /* where `appended` is, or a later one */
    _Atomic uint64_t journal_next; /* may exist: set before it is created */
    _Atomic uint64_t next_segment;
    _Atomic uint64_t failed;     /* a sync failed */
    _Atomic uint64_t held_bytes; /* dirty + uncommitted */
    _Atomic uint64_t file_bytes; /* segments and journal, about */
    shared_slot_t slots[SHARED_SLOTS];
} shared_t;

typedef struct segment_s segment_t;

struct store_s {
    char path[STORE_PATH_MAX];
    store_opts_t opts;
    const tier_log_t *log;
    uint8_t uuid[16];
    char boot[40];
    int users_fd; /* shared flock while open */
    index_t *index;
    index_t *facts;
    shared_t *shared;
    shared_slot_t *slot;

    /* under the index's write lock */
    int journal_fd;
    uint64_t journal_file;
    uint64_t journal_salt;

    /* under shared->sync */
    int sync_fd;
    uint64_t sync_file;

    pthread_mutex_t segment_lock;
    segment_t *segment; /* the open one, or NULL */
    _Atomic int64_t space_checked_ms;
    _Atomic uint64_t space_free;
    _Atomic uint64_t facts_count;
    int64_t sets_checked_ms; /* maintain.c */
};

struct store_reader_s {
    store_t *store;
    index_txn_t *txn;
    index_txn_t *facts;
};

/* ---- util.c ----------------------------------------------------------- */

void store_error(const store_t *store, const char *what, const char *path);
tier_rc_t errno_rc(int err);
TIER_MUST_CHECK tier_rc_t write_full(int fd, const void *buf, size_t len,
                                     uint64_t offset);
/* TIER_NOT_FOUND when the file ends before. */
TIER_MUST_CHECK tier_rc_t read_full(int fd, void *buf, size_t len,
                                    uint64_t offset);
TIER_MUST_CHECK tier_rc_t sync_dir(const store_t *store, const char *sub);
/* path of "sub/name" in the store */
void store_path(const store_t *store, char *buf, size_t cap, const char *fmt,
                ...) __attribute__((format(printf, 4, 5)));
/* By a new file and a rename; synced. */
TIER_MUST_CHECK tier_rc_t write_file(const store_t *store, const char *sub,
                                     const char *name, const void *buf,
                                     size_t len);
/* At most cap - 1 bytes, terminated. TIER_NOT_FOUND. */
TIER_MUST_CHECK tier_rc_t read_text(const char *path, char *buf, size_t cap);
void boot_id(char buf[40]);
void random_bytes(void *buf, size_t len);
void remove_tree(const char *path);
/* Ids of the files "ID<suffix>" of a folder, ascending; free(*ret). */
TIER_MUST_CHECK tier_rc_t list_files(const store_t *store, const char *sub,
                                     const char *suffix, uint64_t **ret,
                                     size_t *ret_n, uint64_t *ret_bytes);
int64_t store_now_us(const store_t *store);
static inline int64_t
store_now_ms(const store_t *store)
{
    return store_now_us(store) / 1000;
}
void header_make(const store_t *store, file_header_t *h, uint64_t magic,
                 uint64_t id);
bool header_ok(const store_t *store, const file_header_t *h, uint64_t magic,
               uint64_t id);

/* Kills the process when the fault that the environment names is reached. */
void fault_setup(void);
void fault_hit(unsigned point);
extern unsigned fault_armed;
static inline void
fault(unsigned point)
{
    if (__builtin_expect(fault_armed == point, 0)) {
        fault_hit(point);
    }
}

/* The points, in the order of a commit's life. */
enum {
    FAULT_SEGMENT_MADE = 1,
    FAULT_BODY_SYNCED,
    FAULT_LOCKED,
    FAULT_APPLIED,
    FAULT_HALF_APPENDED,
    FAULT_APPENDED,
    FAULT_PUBLISHED,
    FAULT_INDEXED,
    FAULT_SYNCED,
    FAULT_ROTATE_SYNCED,
    FAULT_ROTATE_HALF,
    FAULT_ROTATE_MADE,
    FAULT_CHECKPOINT_COPIED,
    FAULT_CHECKPOINT_NAMED,
    FAULT_CHECKPOINT_DONE,
    FAULT_MOVED,
    FAULT_JOURNAL_GONE,
    FAULT_SEGMENT_GONE,
    FAULT_REBUILD_COPIED,
    FAULT_REBUILD_REPLAYED,
    FAULT_REBUILD_RENAMED,
    FAULT_POINTS
};

/* ---- shared.c --------------------------------------------------------- */

TIER_MUST_CHECK tier_rc_t shared_attach(store_t *store, bool fresh,
                                        bool *ret_was_failed);
void shared_detach(store_t *store);
void shared_fail(store_t *store);
uint64_t shared_reserved(const store_t *store);

/* ---- record.c: values of the tables ----------------------------------- */

typedef struct blob_rec_s {
    store_blob_t b; /* seen: number of the last commit that touched it */
    uint64_t block_set;
} blob_rec_t;

typedef struct content_s {
    uint64_t length;
    uint32_t refs; /* by records and entries */
    uint32_t queue_refs;
    uint32_t extents;
    uint8_t flags;
    view_t account;
    view_t few; /* the extents when they are beside the head, else null */
} content_t;

typedef struct block_set_s {
    uint64_t bytes;
    int64_t last_put_ms;
    uint32_t count;
    uint8_t id_len;
} block_set_t;

typedef struct block_owner_s {
    uint64_t incarnation;
    view_t account;
    view_t name;
} block_owner_t;

#define ETAG_TEXT_MAX 20

void etag_text(uint64_t etag, char buf[ETAG_TEXT_MAX], view_t *ret);
bool etag_parse(view_t text, uint64_t *ret);

void blob_encode(writer_t *w, const blob_rec_t *rec);
/* etag_buf backs props.etag. */
TIER_MUST_CHECK tier_rc_t blob_decode(view_t in, char etag_buf[ETAG_TEXT_MAX],
                                      blob_rec_t *ret);
void container_encode(writer_t *w, const store_container_t *c);
TIER_MUST_CHECK tier_rc_t container_decode(view_t in,
                                           char etag_buf[ETAG_TEXT_MAX],
                                           store_container_t *ret);
void content_encode(writer_t *w, const content_t *c);
TIER_MUST_CHECK tier_rc_t content_decode(view_t in, content_t *ret);
#define EXTENT_FIXED 42 /* bytes, then its id */
void extent_encode(writer_t *w, const store_extent_t *e);
/* false at the end; *ok is cleared when damaged */
bool extent_next(view_t *in, store_extent_t *ret, bool *ok);
void block_set_encode(writer_t *w, const block_set_t *s);
TIER_MUST_CHECK tier_rc_t block_set_decode(view_t in, block_set_t *ret);
void block_owner_encode(writer_t *w, const block_owner_t *o);
TIER_MUST_CHECK tier_rc_t block_owner_decode(view_t in, block_owner_t *ret);
void entry_encode(writer_t *w, const store_entry_t *e);
TIER_MUST_CHECK tier_rc_t entry_decode(view_t in, store_entry_t *ret);
void fact_encode(writer_t *w, view_t full_key, bool is_container,
                 const store_fact_t *fact);
TIER_MUST_CHECK tier_rc_t fact_decode(view_t in, view_t full_key,
                                      bool is_container, store_fact_t *ret);

/* ---- names.c ---------------------------------------------------------- */

typedef struct key_s {
    size_t len;
    uint8_t buf[KEY_MAX];
} index_key_t;

static inline view_t
key_view(const index_key_t *k)
{
    return view_of(k->buf, k->len);
}

/* Key of a name's record. TIER_NOT_FOUND: a long name without its chain. */
TIER_MUST_CHECK tier_rc_t name_find(index_txn_t *txn, uint64_t incarnation,
                                    view_t name, index_key_t *ret);
TIER_MUST_CHECK tier_rc_t container_key(view_t account, view_t container,
                                        index_key_t *ret);
/* account 0 container 0 number */
void group_key(view_t account, view_t container, uint64_t number,
               index_key_t *ret);

typedef struct name_iter_s {
    index_txn_t *txn;
    unsigned depth;
    uint64_t node[8];
    size_t len;
    uint8_t name[STORE_NAME_MAX + NAME_CHUNK];
    view_t val; /* of the record at `name` */
} name_iter_t;

/* At the first name >= target. TIER_NOT_FOUND: there is none. */
TIER_MUST_CHECK tier_rc_t name_seek(name_iter_t *it, index_txn_t *txn,
                                    uint64_t incarnation, view_t target);
TIER_MUST_CHECK tier_rc_t name_next(name_iter_t *it);

/* ---- journal.c -------------------------------------------------------- */

/* Applies the journal from st on to an index. */
typedef struct replay_s {
    store_t *store;
    index_t *index;
    index_txn_t *txn; /* write; committed and begun anew when it is big */
    bool commits;     /* may do that */
    bool cut;         /* a torn tail is cut off, else only passed over */
    uint64_t durable; /* known to be on disk: damage up to it is no tear */
    uint64_t stop_file, stop_offset; /* 0: everything */
    bool next_made; /* a later file than st.file is there, still empty */
    state_t st;
    uint64_t records;
    uint64_t pending_bytes;
} replay_t;

TIER_MUST_CHECK tier_rc_t journal_replay(replay_t *rp);
/* Opens st->file for appending; the index's lock is held. */
TIER_MUST_CHECK tier_rc_t journal_use(store_t *store, const state_t *st);
/* A new file behind st->file; moves st to its start. */
TIER_MUST_CHECK tier_rc_t journal_rotate(store_t *store, state_t *st);
TIER_MUST_CHECK tier_rc_t journal_size(store_t *store, uint64_t *ret);
TIER_MUST_CHECK tier_rc_t journal_append(store_t *store, uint64_t offset,
                                         view_t record);
void journal_close(store_t *store);

/* ---- tx.c: one batch -------------------------------------------------- */

#define TX_ACCOUNTS 32

typedef struct tx_s {
    store_t *store;
    index_txn_t *txn;
    tier_rc_t rc; /* sticky; not OK ends the batch */
    state_t st;
    uint64_t first; /* number of the batch's first commit */
    writer_t rec;   /* the record being made */
    writer_t val;   /* a value being made */
    bool replayed;  /* txn holds what somebody else had appended */
    bool next_made; /* the journal's next file is there: nothing more may go
                       into this one */
    bool tight;     /* the index is nearly full: only what makes room */
    bool appended;  /* the journal has the record */
    int64_t now_ms;
    unsigned naccounts;
    struct {
        char name[STORE_LABEL_MAX];
        size_t len;
        counters_t delta;
    } accounts[TX_ACCOUNTS];
    struct arena_s *arena;
} tx_t;

TIER_MUST_CHECK tier_rc_t tx_begin(store_t *store, tx_t *tx);
/* Ends it in any case. *ret_number: what the batch and its checks reflect. */
TIER_MUST_CHECK tier_rc_t tx_finish(tx_t *tx, uint64_t *ret_number);
void tx_abort(tx_t *tx);

/* All of these do nothing once tx->rc is set. Values are read with index_get
 * on tx->txn and copied with tx_dup before anything is written. */
void tx_put(tx_t *tx, table_t table, view_t key, view_t val);
void tx_del(tx_t *tx, table_t table, view_t key);
void tx_del_prefix(tx_t *tx, table_t table, view_t prefix);
/* Where in the journal the bytes will be. */
void tx_body(tx_t *tx, view_t bytes, uint64_t *ret_file, uint64_t *ret_offset);
/* Whether key is there; the value is a copy that lasts for the change. */
bool tx_get(tx_t *tx, table_t table, view_t key, view_t *ret);
void *tx_alloc(tx_t *tx, size_t len);
view_t tx_dup(tx_t *tx, view_t v);
void tx_end_change(tx_t *tx); /* frees what tx_alloc gave */
void tx_fail(tx_t *tx, tier_rc_t rc);
uint64_t tx_id(tx_t *tx);
uint64_t tx_number(tx_t *tx);
uint64_t tx_etag(tx_t *tx);
int64_t tx_last_modified(tx_t *tx);
counters_t *tx_counters(tx_t *tx, view_t account);
/* tx->val, emptied */
writer_t *tx_value(tx_t *tx);
void tx_put_value(tx_t *tx, table_t table, view_t key); /* tx->val */

static inline view_t
id_key(uint8_t buf[8], uint64_t id)
{
    be64_put(buf, id);
    return view_of(buf, 8);
}

/* Chain keys are made; the key to put the record under. */
void name_make(tx_t *tx, uint64_t incarnation, view_t name, index_key_t *ret);
/* After a record's deletion: chain keys that lead nowhere go. */
void name_prune(tx_t *tx, uint64_t incarnation, view_t name);

/* ---- content.c -------------------------------------------------------- */

typedef int (*extent_fn)(void *ctx, const store_extent_t *extent);

/* Extents from the one that holds `from` on, until fn says other than 0. */
TIER_MUST_CHECK tier_rc_t content_walk(index_txn_t *txn, uint64_t id,
                                       uint64_t from, extent_fn fn, void *ctx);
/* Without a reference yet: content_ref next. */
uint64_t content_create(tx_t *tx, view_t account, bool owned,
                        store_extent_t *extents, size_t n);
/* The first `length` bytes of an owned content and then e: `id` itself, its
 * counts unmoved, when nobody else refers to it; else a new one, as
 * content_create's. id 0 is empty. */
uint64_t content_append(tx_t *tx, view_t account, uint64_t id, uint64_t length,
                        store_extent_t *e);
/* false: no such content. */
bool content_length(tx_t *tx, uint64_t id, uint64_t *ret);
/* Moves the counts; what nobody refers to goes. id 0 is fine. */
void content_ref(tx_t *tx, uint64_t id, int records, int entries);
void segref_add(tx_t *tx, const store_extent_t *e, uint64_t owner,
                int64_t bytes);
void segref_key(index_key_t *k, store_file_kind_t kind, uint64_t file,
                uint64_t owner);

/* One run of bytes that was copied elsewhere. */
typedef struct move_s {
    uint64_t owner;
    uint64_t offset; /* in the old file */
    uint64_t length;
    uint64_t new_offset; /* in the body, then in the new file */
} move_t;

/* Extents in (kind, file) that `moves` (one owner's, by offset) names now lie
 * in segment `to`. */
void content_moved(tx_t *tx, store_file_kind_t kind, uint64_t file,
                   const move_t *moves, size_t n, uint64_t to);

/* ---- blocks.c --------------------------------------------------------- */

/* Whether a block of this id may join; else c->rc and c->verdict. */
bool blocks_check(tx_t *tx, store_change_t *c, const blob_rec_t *cur);
void blocks_put(tx_t *tx, store_change_t *c, blob_rec_t *cur,
                const store_extent_t *extent);
void blocks_drop(tx_t *tx, view_t account, blob_rec_t *cur);
/* The list's extents from the arena; NULL: c->rc and c->verdict, or tx->rc. */
store_extent_t *blocks_resolve(tx_t *tx, store_change_t *c,
                               const blob_rec_t *cur);

/* ---- queue.c ---------------------------------------------------------- */

void queue_add(tx_t *tx, store_change_t *c, store_queue_kind_t kind,
               blob_rec_t *rec, const store_container_t *container);
void queue_void(tx_t *tx, view_t account, view_t container,
                uint64_t incarnation);
bool queue_load(tx_t *tx, uint64_t number, store_entry_t *ret);
void apply_wb(tx_t *tx, store_change_t *c);

/* ---- blobs.c, containers.c: kinds of changes -------------------------- */

bool blob_load(tx_t *tx, uint64_t incarnation, view_t name, blob_rec_t *ret);
/* Puts it, or deletes it when nothing is left to say. */
void blob_store(tx_t *tx, view_t account, uint64_t incarnation, view_t name,
                const blob_rec_t *before, blob_rec_t *rec);
/* Its content loses a reference and its snapshots go; blocks, fence and queue
 * stay. */
void blob_version_drop(tx_t *tx, blob_rec_t *rec);
void apply_blob(tx_t *tx, store_change_t *c);

/* What every change of a blob asks first; false: c->rc, or tx->rc. */
bool change_open(tx_t *tx, store_change_t *c, blob_rec_t *cur);
bool change_check(store_change_t *c, const blob_rec_t *cur);
/* Results, and the record into the index. */
void change_close(tx_t *tx, store_change_t *c, const blob_rec_t *before,
                  blob_rec_t *rec);
/* A new ETag and Last-Modified; an origin's own where they can be kept. */
void set_stamp(tx_t *tx, const store_change_t *c, const blob_props_t *given,
               blob_rec_t *rec);

/* The body's one extent; its bytes go into the record if they are few. */
void take_body(tx_t *tx, store_change_t *c, store_extent_t *ret);

/* ---- append.c --------------------------------------------------------- */

void apply_append(tx_t *tx, store_change_t *c);

/* ---- accounts.c ------------------------------------------------------- */

void apply_account(tx_t *tx, store_change_t *c);

/* ---- snapshots.c ------------------------------------------------------ */

#define SNAPSHOT_KEY_LEN 16

view_t snapshot_key(uint8_t buf[SNAPSHOT_KEY_LEN], uint64_t set,
                    uint64_t time);
/* All of a record's: none afterwards. */
void snapshots_drop(tx_t *tx, blob_rec_t *rec);
void apply_snapshot(tx_t *tx, store_change_t *c);

bool container_load(tx_t *tx, view_t account, view_t container,
                    store_container_t *ret);
void container_store(tx_t *tx, view_t account, view_t container,
                     store_container_t *rec);
void apply_container(tx_t *tx, store_change_t *c);
/* Deletes up to `limit` records of a dead incarnation; true: all gone. */
bool purge_slice(tx_t *tx, uint64_t incarnation, view_t account,
                 unsigned limit);

static inline void
change_fail(store_change_t *c, tier_rc_t rc, int verdict)
{
    c->rc = rc;
    c->verdict = verdict;
}

/* ---- segment.c -------------------------------------------------------- */

/* Where a finished body lies; inline: mem. */
bool body_inline(const store_body_t *body, view_t *ret_bytes);
void body_extent(const store_body_t *body, store_extent_t *ret);
bool body_finished(const store_body_t *body);
uint64_t body_length(const store_body_t *body);
/* Syncs the segments of these bodies, once each. */
TIER_MUST_CHECK tier_rc_t bodies_sync(store_t *store, store_body_t *bodies[],
                                      unsigned n);
/* For upkeep: always in a segment, past the limits. */
TIER_MUST_CHECK tier_rc_t body_open_raw(store_t *store, uint64_t length,
                                        store_body_t **ret);
/* Unlinks a segment unless somebody writes to it. The caller is in a
 * transaction that sees no reference to it. True: it went. */
bool segment_remove(store_t *store, uint64_t id);
/* Nobody writes to it; its size. */
bool segment_idle(store_t *store, uint64_t id, uint64_t *ret_size);
void segments_close(store_t *store);

/* ---- commit.c --------------------------------------------------------- */

/* Runs fn in a transaction of its own and waits until it is durable. */
TIER_MUST_CHECK tier_rc_t commit_internal(store_t *store,
                                          void (*fn)(tx_t *tx, void *ctx),
                                          void *ctx);

/* ---- recover.c, checkpoint.c, facts.c --------------------------------- */

TIER_MUST_CHECK tier_rc_t recover(store_t *store, bool force);
index_opts_t index_options(const store_t *store);
/* For one of upkeep and checks at a time; -1: somebody else has it. */
int maintain_lock(store_t *store);
/* Reads an extent whole; buf has room. TIER_ECORRUPT: wrong checksum. */
TIER_MUST_CHECK tier_rc_t extent_read(store_t *store, const store_extent_t *e,
                                      uint8_t *buf);
/* Builds an index in folder `path` up to stop (0: everything). */
TIER_MUST_CHECK tier_rc_t rebuild(store_t *store, const char *path,
                                  uint64_t stop_file, uint64_t stop_offset,
                                  bool cut, state_t *ret);
TIER_MUST_CHECK tier_rc_t state_get(index_txn_t *txn, state_t *ret);
TIER_MUST_CHECK tier_rc_t checkpoint_make(store_t *store);
/* Complete ones, newest first; at most max. */
unsigned checkpoint_list(store_t *store, checkpoint_t *ret, unsigned max);
TIER_MUST_CHECK tier_rc_t facts_open(store_t *store, bool fresh);

#endif
