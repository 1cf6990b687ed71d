#ifndef PROTO_APPEND_H
#define PROTO_APPEND_H

#include <stdbool.h>

#include "base/props.h"
#include "proto/error.h"
#include "proto/headers.h"
#include "proto/reply.h"

/*
 * Append blobs (REST: "Put Blob", "Append Block", "Append Blob Seal").
 */
#define PROTO_APPEND_BLOCKS_MAX 50000

/* Plain data: a commit's check reads it in a thread. */
typedef struct proto_append_s {
    bool seal;    /* Append Blob Seal: no bytes */
    bool has_pos; /* the blob has to be exactly this long */
    bool has_max; /* ... and no longer than this afterwards */
    uint64_t pos;
    uint64_t max;
    uint64_t length; /* of what is appended */
} proto_append_t;

/* Put Blob of an append blob: it begins empty, in no tier. */
proto_err_t proto_append_create_check(const proto_headers_t *headers,
                                      proto_fault_t *fault);
/* Append Block; `length` is left to the caller, who knows it once the body is
 * taken out of its frame. */
proto_err_t proto_append_parse(const proto_headers_t *headers,
                               proto_append_t *ret, proto_fault_t *fault);
/* Append Blob Seal: of the conditions only the position. */
proto_err_t proto_append_parse_seal(const proto_headers_t *headers,
                                    proto_append_t *ret, proto_fault_t *fault);

/* Against the blob as it is; NULL: there is none. PROTO_OK, or BlobNotFound,
 * InvalidBlobType, BlobIsSealed, AppendPositionConditionNotMet,
 * MaxBlobSizeConditionNotMet, BlockCountExceedsLimit. A sealed blob may be
 * sealed again. */
proto_err_t proto_append_check(const proto_append_t *append,
                               const blob_props_t *now);

/* Beside the headers of any write: Append Block's; Seal's. */
void proto_reply_append_headers(uint64_t offset, uint32_t committed_blocks,
                                proto_emit_fn emit, void *ctx);
void proto_reply_seal_headers(proto_emit_fn emit, void *ctx);

#endif
