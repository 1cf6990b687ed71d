#ifndef BASE_PROPS_H
#define BASE_PROPS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rc.h"
#include "base/view.h"
#include "base/writer.h"

/*
 * What a blob or container is said to be: the properties that travel in
 * headers, listings and records alike. Views are borrowed from whatever
 * buffer filled them (a record copied out of the store, a parsed request).
 */
typedef enum { BLOB_BLOCK = 0, BLOB_PAGE = 1, BLOB_APPEND = 2 } blob_type_t;

typedef enum {
    TIER_NONE = 0, /* never set: answered as Hot, inferred */
    TIER_HOT,
    TIER_COOL,
    TIER_COLD,
    TIER_ARCHIVE
} access_tier_t;

/* A lease as it was last set; time alone moves it on (proto/lease.h). */
typedef enum {
    LEASE_NONE = 0, /* never leased, or released */
    LEASE_LEASED,
    LEASE_BREAKING,
    LEASE_BROKEN,
    LEASE_EXPIRED /* only ever heard of from an origin */
} lease_state_t;

#define LEASE_ID_LEN   16
#define LEASE_INFINITE (-1)

typedef struct lease_s {
    lease_state_t state;
    int32_t duration_s; /* LEASE_INFINITE, or seconds of the acquire */
    int64_t ends_ms;    /* Unix; LEASED: expiry, BREAKING: end of the break */
    uint8_t id[LEASE_ID_LEN]; /* the GUID's digits; zeros: not ours to know */
} lease_t;

typedef enum {
    COPY_NONE = 0, /* never the destination of a copy, or written since */
    COPY_PENDING,
    COPY_SUCCESS,
    COPY_ABORTED,
    COPY_FAILED
} copy_status_t;

typedef struct blob_props_s {
    uint64_t content_length;
    int64_t creation_time_s; /* Unix seconds */
    int64_t last_modified_s;
    view_t etag; /* without quotes: 0x8D... */
    blob_type_t type;
    access_tier_t tier;
    int64_t tier_change_time_s; /* 0: never set */
    uint32_t committed_blocks;  /* append blobs */
    uint32_t tag_count;         /* as an origin says; else count `tags` */
    bool sealed;                /* append blobs */
    bool has_md5;
    uint8_t md5[16];
    view_t content_type;
    view_t content_encoding;
    view_t content_language;
    view_t content_disposition;
    view_t cache_control;
    view_t metadata; /* packed pairs, see props_meta_* ; order as set */
    view_t tags;     /* packed pairs */
    lease_t lease;   /* kept by the store across writes */
    copy_status_t copy_status; /* the last copy onto this blob */
    int64_t copy_completion_time_s;
    uint64_t copy_done; /* bytes, of copy_total */
    uint64_t copy_total;
    view_t copy_id;
    view_t copy_source; /* without its query's secrets */
    view_t copy_status_text;
    view_t archive_status; /* rehydrate-pending-to-...; or null */
    view_t version_id;     /* as an origin says; or null */
} blob_props_t;

typedef struct container_props_s {
    int64_t last_modified_s;
    view_t etag;           /* without quotes */
    uint8_t public_access; /* 0 private, 1 blob, 2 container */
    bool beyond; /* the origin says what is not kept here: immutability, legal
                    hold, an encryption scope, versioning */
    view_t metadata; /* packed pairs */
    view_t acl;      /* SignedIdentifiers XML as stored, or empty */
    lease_t lease;   /* kept by the store across changes */
} container_props_t;

/* Packed pairs: le16 name length, le16 value length, name, value; repeated.
 * Names keep the case they were given in. */
void props_pairs_put(writer_t *w, view_t name, view_t value);
/* Walks packed pairs: false at the end. `*pos` starts at 0. Damaged input
 * ends the walk. */
bool props_pairs_next(view_t packed, size_t *pos, view_t *ret_name,
                      view_t *ret_value);

/* All of blob_props_t in the durable form that records carry (fixed part,
 * then length-prefixed strings) and back; decoded views point into `in`.
 * TIER_EINVAL when it does not parse. */
void blob_props_encode(writer_t *w, const blob_props_t *props);
TIER_MUST_CHECK tier_rc_t blob_props_decode(view_t in, blob_props_t *ret);
void container_props_encode(writer_t *w, const container_props_t *props);
TIER_MUST_CHECK tier_rc_t container_props_decode(view_t in,
                                                 container_props_t *ret);

#endif
