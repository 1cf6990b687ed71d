#ifndef PROTO_SNAPSHOT_H
#define PROTO_SNAPSHOT_H

#include "base/writer.h"
#include "proto/error.h"
#include "proto/headers.h"
#include "proto/op.h"
#include "proto/reply.h"
#include "proto/uri.h"

/*
 * Snapshots (REST: "Snapshot Blob", "Delete Blob"). One is named by the time
 * it was taken at, an opaque text to clients; here a number, 100 ns since the
 * year 1. 0 stands for the base blob.
 */

/* The one that the URI names; 0: none, or not a time. */
uint64_t proto_snapshot_of(const proto_uri_t *uri);
/* Whether the request is about one, named well or badly. */
bool proto_snapshot_sent(const proto_op_t *op, const proto_uri_t *uri);

/* Whether the row can be asked of a snapshot kept here: PROTO_OK, or
 * InvalidQueryParameterValue: it cannot be written to, or is not a time. */
proto_err_t proto_snapshot_check(const proto_op_t *op, const proto_uri_t *uri,
                                 proto_fault_t *fault);

/* x-ms-delete-snapshots: what goes. Of a delete of a snapshot there is no such
 * choice: InvalidOperation. */
typedef enum {
    PROTO_DELETE_BASE = 0, /* a blob without snapshots */
    PROTO_DELETE_INCLUDE,
    PROTO_DELETE_ONLY
} proto_delete_t;

proto_err_t proto_snapshot_delete(const proto_uri_t *uri,
                                  const proto_headers_t *headers,
                                  proto_delete_t *ret, proto_fault_t *fault);

/* Snapshot Blob: x-ms-snapshot, beside the headers of any write. */
void proto_reply_snapshot_headers(uint64_t snapshot, proto_emit_fn emit,
                                  void *ctx);

#endif
