#ifndef PROTO_OP_H
#define PROTO_OP_H

#include <stdint.h>

#include "base/view.h"
#include "proto/error.h"
#include "proto/headers.h"
#include "proto/uri.h"

/*
 * The operations of the Blob service (REST: "Operations on the account,
 * containers, blobs"), one row each. A request is told apart by method,
 * level, restype, comp and, for PUT without comp, by header.
 */
typedef enum {
    /* account */
    PROTO_OP_LIST_CONTAINERS = 0,
    PROTO_OP_GET_ACCOUNT_INFO,
    PROTO_OP_GET_USER_DELEGATION_KEY,
    PROTO_OP_GET_SERVICE_PROPERTIES,
    PROTO_OP_SET_SERVICE_PROPERTIES,
    PROTO_OP_GET_SERVICE_STATS,
    PROTO_OP_BATCH,
    PROTO_OP_FIND_BLOBS_BY_TAGS,
    PROTO_OP_PREFLIGHT,
    /* container */
    PROTO_OP_CREATE_CONTAINER,
    PROTO_OP_GET_CONTAINER_PROPERTIES,
    PROTO_OP_GET_CONTAINER_METADATA,
    PROTO_OP_SET_CONTAINER_METADATA,
    PROTO_OP_GET_CONTAINER_ACL,
    PROTO_OP_SET_CONTAINER_ACL,
    PROTO_OP_DELETE_CONTAINER,
    PROTO_OP_UNDELETE_CONTAINER,
    PROTO_OP_RENAME_CONTAINER,
    PROTO_OP_LEASE_CONTAINER,
    PROTO_OP_LIST_BLOBS,
    PROTO_OP_CONTAINER_BATCH,
    PROTO_OP_CONTAINER_FIND_BLOBS_BY_TAGS,
    PROTO_OP_CONTAINER_ACCOUNT_INFO,
    /* blob */
    PROTO_OP_GET_BLOB,
    PROTO_OP_GET_BLOB_PROPERTIES,
    PROTO_OP_GET_BLOB_METADATA,
    PROTO_OP_SET_BLOB_PROPERTIES,
    PROTO_OP_SET_BLOB_METADATA,
    PROTO_OP_DELETE_BLOB,
    PROTO_OP_UNDELETE_BLOB,
    PROTO_OP_LEASE_BLOB,
    PROTO_OP_SNAPSHOT_BLOB,
    PROTO_OP_COPY_BLOB,
    PROTO_OP_COPY_BLOB_FROM_URL,
    PROTO_OP_ABORT_COPY_BLOB,
    PROTO_OP_SET_BLOB_TIER,
    PROTO_OP_GET_BLOB_TAGS,
    PROTO_OP_SET_BLOB_TAGS,
    PROTO_OP_QUERY_BLOB_CONTENTS,
    PROTO_OP_SET_IMMUTABILITY_POLICY,
    PROTO_OP_DELETE_IMMUTABILITY_POLICY,
    PROTO_OP_SET_LEGAL_HOLD,
    PROTO_OP_SET_BLOB_EXPIRY,
    PROTO_OP_BLOB_ACCOUNT_INFO,
    /* block blob */
    PROTO_OP_PUT_BLOB,
    PROTO_OP_PUT_BLOB_FROM_URL,
    PROTO_OP_PUT_BLOCK,
    PROTO_OP_PUT_BLOCK_FROM_URL,
    PROTO_OP_PUT_BLOCK_LIST,
    PROTO_OP_GET_BLOCK_LIST,
    /* append and page blob */
    PROTO_OP_PUT_APPEND_BLOB,
    PROTO_OP_PUT_PAGE_BLOB,
    PROTO_OP_APPEND_BLOCK,
    PROTO_OP_APPEND_BLOCK_FROM_URL,
    PROTO_OP_SEAL_APPEND_BLOB,
    PROTO_OP_PUT_PAGE,
    PROTO_OP_PUT_PAGE_FROM_URL,
    PROTO_OP_GET_PAGE_RANGES,
    PROTO_OP_INCREMENTAL_COPY_BLOB,
    PROTO_OP_COUNT
} proto_op_id_t;

typedef enum {
    PROTO_LEVEL_ACCOUNT = 0,
    PROTO_LEVEL_CONTAINER,
    PROTO_LEVEL_BLOB
} proto_level_t;

typedef enum {
    PROTO_BODY_NONE = 0,
    PROTO_BODY_XML,
    PROTO_BODY_STREAM
} proto_body_t;

/* How a row is served; the columns of docs/operations.md. */
typedef enum { PROTO_NATIVE = 0, PROTO_FORWARD, PROTO_REFUSE } proto_how_t;

/* What a SAS has to grant: any one of the letters, at this resource type. */
#define PROTO_PERM_R    (1u << 0)
#define PROTO_PERM_A    (1u << 1)
#define PROTO_PERM_C    (1u << 2)
#define PROTO_PERM_W    (1u << 3)
#define PROTO_PERM_D    (1u << 4)
#define PROTO_PERM_X    (1u << 5)
#define PROTO_PERM_L    (1u << 6)
#define PROTO_PERM_T    (1u << 7)
#define PROTO_PERM_M    (1u << 8)
#define PROTO_PERM_E    (1u << 9)
#define PROTO_PERM_O    (1u << 10)
#define PROTO_PERM_P    (1u << 11)
#define PROTO_PERM_I    (1u << 12)
#define PROTO_PERM_F    (1u << 13)
#define PROTO_PERM_Y    (1u << 14)
#define PROTO_PERM_ANY  (1u << 30) /* any valid SAS */
#define PROTO_PERM_NONE 0u         /* no SAS can */

typedef struct proto_op_s {
    proto_op_id_t id;
    const char *name; /* as the REST pages call it */
    proto_level_t level;
    const char *method; /* GET rows take HEAD too where `head` is set */
    bool head;
    const char *restype;
    const char *comp;
    unsigned hint;    /* op.c: header discriminator */
    uint32_t perms;   /* any of these letters */
    char sas_type;    /* 's', 'c' or 'o': what account SAS srt must have */
    bool service_sas; /* a service SAS can grant it */
    proto_body_t body;
    uint64_t body_limit;
    bool write; /* changes something: refused on -secondary and `write off` */
    proto_how_t with_origin; /* mode back */
    proto_how_t standalone;
} proto_op_t;

const proto_op_t *proto_op_row(proto_op_id_t id);

/* How long a body of the row may be. It grew with the versions
 * (blob-api 2.15); version 0, none given: as today. */
uint64_t proto_op_body_limit(const proto_op_t *op, uint32_t version);

/* A batch is taken apart here and never forwarded as a whole, whatever its
 * headers say: its parts would pass without our gate. */
static inline bool
proto_op_is_batch(const proto_op_t *op)
{
    return op->id == PROTO_OP_BATCH || op->id == PROTO_OP_CONTAINER_BATCH;
}


/* Refusals of an operation say which one it is. */
void proto_op_fault_name(const proto_op_t *op, proto_fault_t *fault);

/* The row, or NULL with *fault filled: UnsupportedHttpVerb,
 * InvalidQueryParameterValue for an unknown comp or restype... */
const proto_op_t *proto_op_find(view_t method, const proto_uri_t *uri,
                                const proto_headers_t *headers,
                                proto_fault_t *fault);

/* Makes a blob of a name, one that is there already or not. */
bool proto_op_makes_blob(proto_op_id_t op);

#endif
