#ifndef PROTO_RANGE_H
#define PROTO_RANGE_H

#include "proto/error.h"
#include "proto/headers.h"

/*
 * Ranges of a read (REST: "Specifying the range header"): bytes=a-b, bytes=a-;
 * x-ms-range wins over Range. Suffix and multiple ranges are not offered:
 * they count as no range.
 */
typedef struct proto_range_s {
    uint64_t off;
    uint64_t len;
    bool partial; /* 206 with Content-Range */
} proto_range_t;

/* PROTO_OK, INVALID_RANGE (416), or 400 for x-ms-range-get-content-md5/-crc64
 * without a range, over 4 MiB, or both. */
proto_err_t proto_range_get(const proto_headers_t *headers, uint64_t size,
                            proto_range_t *ret, proto_fault_t *fault);

/* The header's value alone, inclusive; *ret_last is UINT64_MAX for an open
 * end. false: not a range that is offered. */
bool proto_range_parse(view_t v, uint64_t *ret_first, uint64_t *ret_last);

#endif
