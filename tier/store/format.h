#ifndef STORE_FORMAT_H
#define STORE_FORMAT_H

#include <stdint.h>

#include "store/store.h"

/*
 * Bytes on disk. Everything is little-endian but the integers inside index
 * keys, which are big-endian so that memcmp orders them. Files and records
 * carry a CRC-64/NVME; those of records start from the file's salt.
 *
 *   STORE/format       text: "blob-edge-store 2", then "uuid HEX"
 *   STORE/lock         flock while somebody opens; text: host and boot
 *   STORE/index/       LMDB, and `mark`: which boot and inode may be trusted
 *   STORE/journal/     ID.journal    header, records, nothing after the last
 *   STORE/segments/    ID.segment    header, regions of body bytes
 *   STORE/checkpoint/  NUMBER.mdb    compacted index, NUMBER.ok its manifest
 *   STORE/facts/       LMDB, of this boot only
 *   STORE/run/         shared (mmap), users (flock), sockets: of this boot
 *   STORE/policy       not the store's: see base/policy.h
 *
 * A journal file:
 *
 *   |header 128|record|record|...
 *   record = |head 40|op|op|...|op|0..7 zeros|      one batch, all or nothing
 *   op     = |op 1|table 1|key length 2|value length 4|key|value|
 *
 * Ops are after-images of index entries, so that applying one twice changes
 * nothing. OP_BODY carries the bytes of small bodies, which extents point at.
 * The last op of each record puts META "s": where the journal then ends.
 */
#define FORMAT_VERSION   STORE_FORMAT
#define FORMAT_TEXT      "blob-edge-store"

#define JOURNAL_MAGIC    0x315f4c4e524a4542ull /* "BEJRNL_1" */
#define SEGMENT_MAGIC    0x315f4d4745534542ull /* "BESEGM_1" */
#define CHECKPOINT_MAGIC 0x315f54504b434542ull /* "BECKPT_1" */

#define FILE_HEADER_LEN  128
#define SEGMENT_ALIGN    512
#define SEGMENT_START    4096

/* Journal and segment files alike. */
typedef struct file_header_s {
    uint64_t magic;
    uint32_t version;
    uint32_t header_len;
    uint8_t uuid[16];
    uint64_t id;
    uint64_t salt;
    uint64_t prev_len;     /* journal: valid length of file id - 1; else 0 */
    uint64_t first_number; /* journal: of the first commit in it */
    uint64_t created_ms;
    uint8_t reserved[48];
    uint64_t crc; /* of all before it */
} file_header_t;

_Static_assert(sizeof(file_header_t) == FILE_HEADER_LEN, "file header");
_Static_assert(__builtin_offsetof(file_header_t, crc) == 120, "file header");

typedef struct record_head_s {
    uint64_t crc; /* of all after it, from the file's salt */
    uint64_t len; /* of the whole record, a multiple of 8 */
    uint64_t first;
    uint64_t last;    /* numbers of the commits in it */
    uint64_t durable; /* what was durable when it was written */
} record_head_t;

#define RECORD_HEAD_LEN 40
#define RECORD_MAX      (256u * 1024 * 1024)

_Static_assert(sizeof(record_head_t) == RECORD_HEAD_LEN, "record head");

typedef struct checkpoint_s {
    uint64_t magic;
    uint32_t version;
    uint32_t header_len;
    uint8_t uuid[16];
    uint64_t number; /* last commit in it */
    uint64_t file;   /* the journal goes on here */
    uint64_t offset;
    uint64_t size; /* of the .mdb */
    uint64_t data_crc;
    uint64_t created_ms;
    uint64_t reserved[4];
    uint64_t crc; /* of all before it */
} checkpoint_t;

_Static_assert(sizeof(checkpoint_t) == 120, "checkpoint manifest");

enum { OP_PUT = 1, OP_DEL = 2, OP_DEL_PREFIX = 3, OP_BODY = 4 };

#define OP_HEAD_LEN 8

/*
 * Tables. A value in LMDB is followed by 4 bytes: the low half of the CRC of
 * table, key and value.
 *
 *   META       "s"                                  state_t
 *   CONTAINER  account 0 container                  container record
 *   BLOB       node name                            blob record
 *              node 480-bytes-of-name 01            node of what follows
 *   CONTENT    content                              head, extents if few
 *              content blob-offset                  extents
 *   SEGREF     kind file owner                      live bytes of the owner
 *   BLOCK      set block-id                         extent
 *   BLOCKSET   set                                  counts
 *              set 'n'                              whose it is
 *   QUEUE      number                               entry
 *   QGROUP     account 0 container 0 number         (1 byte)
 *   ACCOUNT    account, or 00 for all               counters
 *   PURGE      incarnation                          account
 *   SNAPSHOT   set time                             blob record
 *   SERVICE    account                              number, the caller's text
 *
 * `node` is the container's incarnation at the top. Names keep their order at
 * any length: those of up to 480 bytes are a key as they are; longer ones
 * share an entry for their first 480 bytes (its key is one byte longer than
 * any name's, which is what tells it apart, and sorts behind the name of
 * exactly these bytes) that names the node where the rest is looked up.
 * Contents, sets, nodes and incarnations are numbered from one counter. The
 * time of a snapshot is in ticks of 100 ns since the year 1, as ETags are.
 */
typedef enum {
    T_META = 0,
    T_CONTAINER,
    T_BLOB,
    T_CONTENT,
    T_SEGREF,
    T_BLOCK,
    T_BLOCKSET,
    T_QUEUE,
    T_QGROUP,
    T_ACCOUNT,
    T_PURGE,
    T_SNAPSHOT,
    T_SERVICE,
    T_MAX
} table_t;

#define NAME_CHUNK 480
#define KEY_MAX    511
#define VALUE_TAIL 4
#define CONTENT_FEW                                                           \
    1800 /* bytes of extents beside the head, or in a chunk                   \
          */
#define BLOB_FLAG_RESIDENT 1
#define CONTENT_FLAG_OWNED 1

/* META "s" */
typedef struct state_s {
    uint64_t file; /* the journal position that the index contains */
    uint64_t offset;
    uint64_t number; /* of the last commit */
    uint64_t next_id;
    uint64_t etag; /* the last one given */
    int64_t last_modified_s;
    uint64_t next_segment; /* no segment of this id or above is named */
    uint64_t reserved;
} state_t;

_Static_assert(sizeof(state_t) == 64, "state");

/* ACCOUNT */
typedef struct counters_s {
    int64_t blobs;
    int64_t containers;
    int64_t queued;
    int64_t parked;
    int64_t dirty_bytes;
    int64_t owned_bytes;
    int64_t clean_bytes;
    int64_t uncommitted_bytes;
} counters_t;

_Static_assert(sizeof(counters_t) == 64, "counters");

#endif
