#ifndef PROTO_NATIVE_H
#define PROTO_NATIVE_H

#include "proto/error.h"
#include "proto/headers.h"
#include "proto/op.h"
#include "proto/uri.h"

/*
 * What a native row cannot honour. A header or parameter that changes what a
 * request means is never ignored: with an origin such a request is forwarded,
 * without one it is answered with the error returned here. PROTO_OK: the
 * request is what the native operation does.
 */
proto_err_t proto_native_check(const proto_op_t *op, const proto_uri_t *uri,
                               const proto_headers_t *headers,
                               proto_fault_t *fault);

/* What the version that an origin has of a blob forbids a native write that
 * names no lease: LeaseIdMissing, InvalidBlobType. */
proto_err_t proto_lake_check(const proto_op_t *op, const blob_props_t *lake);

/* The length that a body is said to have, without a frame, against the row's
 * limit: MissingContentLengthHeader, RequestBodyTooLarge, and what is wrong
 * with a structured message's headers. *ret_length untouched on failure. */
proto_err_t proto_body_length(const proto_op_t *op,
                              const proto_headers_t *headers, bool *ret_framed,
                              uint64_t *ret_length, proto_fault_t *fault);

/* Put Block: an empty block is none. */
proto_err_t proto_put_block_check(const proto_headers_t *headers,
                                  proto_fault_t *fault);

/* Put Blob: x-ms-blob-type has to be there and to be a type. */
proto_err_t proto_put_blob_check(const proto_headers_t *headers,
                                 proto_fault_t *fault);

#endif
