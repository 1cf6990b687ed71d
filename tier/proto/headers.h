#ifndef PROTO_HEADERS_H
#define PROTO_HEADERS_H

#include "base/props.h"
#include "base/view.h"
#include "base/writer.h"
#include "proto/cond.h"
#include "proto/error.h"
#include "proto/uri.h"

/*
 * Request headers, parsed once. Absent = null view, present and empty = kept.
 */
#define PROTO_METADATA_MAX (8 * 1024)

typedef struct proto_header_s {
    view_t name;
    view_t value;
} proto_header_t;

typedef enum {
    PROTO_HDR_AUTHORIZATION = 0,
    PROTO_HDR_CACHE_CONTROL,
    PROTO_HDR_CONTENT_ENCODING,
    PROTO_HDR_CONTENT_LANGUAGE,
    PROTO_HDR_CONTENT_LENGTH,
    PROTO_HDR_CONTENT_MD5,
    PROTO_HDR_CONTENT_TYPE,
    PROTO_HDR_DATE,
    PROTO_HDR_IF_MATCH,
    PROTO_HDR_IF_MODIFIED_SINCE,
    PROTO_HDR_IF_NONE_MATCH,
    PROTO_HDR_IF_UNMODIFIED_SINCE,
    PROTO_HDR_ORIGIN,
    PROTO_HDR_RANGE,
    PROTO_HDR_TRANSFER_ENCODING,
    PROTO_HDR_X_MS_ACCESS_TIER,
    PROTO_HDR_X_MS_BLOB_CACHE_CONTROL,
    PROTO_HDR_X_MS_BLOB_CONDITION_APPENDPOS,
    PROTO_HDR_X_MS_BLOB_CONDITION_MAXSIZE,
    PROTO_HDR_X_MS_BLOB_CONTENT_DISPOSITION,
    PROTO_HDR_X_MS_BLOB_CONTENT_ENCODING,
    PROTO_HDR_X_MS_BLOB_CONTENT_LANGUAGE,
    PROTO_HDR_X_MS_BLOB_CONTENT_LENGTH,
    PROTO_HDR_X_MS_BLOB_CONTENT_MD5,
    PROTO_HDR_X_MS_BLOB_CONTENT_TYPE,
    PROTO_HDR_X_MS_BLOB_PUBLIC_ACCESS,
    PROTO_HDR_X_MS_BLOB_TYPE,
    PROTO_HDR_X_MS_CLIENT_REQUEST_ID,
    PROTO_HDR_X_MS_CONTENT_CRC64,
    PROTO_HDR_X_MS_COPY_ACTION,
    PROTO_HDR_X_MS_COPY_SOURCE,
    PROTO_HDR_X_MS_COPY_SOURCE_AUTHORIZATION,
    PROTO_HDR_X_MS_COPY_SOURCE_BLOB_PROPERTIES,
    PROTO_HDR_X_MS_COPY_SOURCE_TAG_OPTION,
    PROTO_HDR_X_MS_DATE,
    PROTO_HDR_X_MS_DELETE_SNAPSHOTS,
    PROTO_HDR_X_MS_ENCRYPTION_ALGORITHM,
    PROTO_HDR_X_MS_ENCRYPTION_KEY,
    PROTO_HDR_X_MS_ENCRYPTION_SCOPE,
    PROTO_HDR_X_MS_IF_TAGS,
    PROTO_HDR_X_MS_IMMUTABILITY_POLICY_MODE,
    PROTO_HDR_X_MS_IMMUTABILITY_POLICY_UNTIL_DATE,
    PROTO_HDR_X_MS_LEASE_ACTION,
    PROTO_HDR_X_MS_LEASE_BREAK_PERIOD,
    PROTO_HDR_X_MS_LEASE_DURATION,
    PROTO_HDR_X_MS_LEASE_ID,
    PROTO_HDR_X_MS_LEGAL_HOLD,
    PROTO_HDR_X_MS_PAGE_WRITE,
    PROTO_HDR_X_MS_PROPOSED_LEASE_ID,
    PROTO_HDR_X_MS_RANGE,
    PROTO_HDR_X_MS_RANGE_GET_CONTENT_CRC64,
    PROTO_HDR_X_MS_RANGE_GET_CONTENT_MD5,
    PROTO_HDR_X_MS_REHYDRATE_PRIORITY,
    PROTO_HDR_X_MS_REQUIRES_SYNC,
    PROTO_HDR_X_MS_SOURCE_CONTENT_CRC64,
    PROTO_HDR_X_MS_SOURCE_CONTENT_MD5,
    PROTO_HDR_X_MS_SOURCE_IF_MATCH,
    PROTO_HDR_X_MS_SOURCE_IF_MODIFIED_SINCE,
    PROTO_HDR_X_MS_SOURCE_IF_NONE_MATCH,
    PROTO_HDR_X_MS_SOURCE_IF_TAGS,
    PROTO_HDR_X_MS_SOURCE_IF_UNMODIFIED_SINCE,
    PROTO_HDR_X_MS_SOURCE_RANGE,
    PROTO_HDR_X_MS_STRUCTURED_BODY,
    PROTO_HDR_X_MS_STRUCTURED_CONTENT_LENGTH,
    PROTO_HDR_X_MS_TAGS,
    PROTO_HDR_X_MS_VERSION,
    PROTO_HDR_COUNT
} proto_hdr_id_t;

typedef struct proto_headers_s {
    view_t known[PROTO_HDR_COUNT];
    uint32_t version; /* yyyymmdd of x-ms-version or api-version; 0: none */
    bool has_content_length;
    uint64_t content_length;
    bool chunked;
    proto_cond_t cond;
    view_t metadata; /* packed pairs in scratch; empty: none were sent */
    bool range_md5;
    bool range_crc64;
} proto_headers_t;

static inline view_t
proto_hdr(const proto_headers_t *h, proto_hdr_id_t id)
{
    return h->known[id];
}

/* PROTO_OK or what to answer (InvalidHeaderValue, InvalidMetadata...). Cheap:
 * one pass, no allocation; views point into hdrs or scratch (fixed buffer;
 * metadata takes 4 bytes a pair beside names and values). A known header
 * given twice is refused: which one was meant and signed? */
proto_err_t proto_headers_parse(const proto_header_t *hdrs, unsigned n,
                                const proto_uri_t *uri, writer_t *scratch,
                                proto_headers_t *ret, proto_fault_t *fault);

/* The x-ms-meta-* headers alone, packed into scratch. */
proto_err_t proto_headers_metadata(const proto_header_t *hdrs, unsigned n,
                                   writer_t *scratch, view_t *ret,
                                   proto_fault_t *fault);

/* The properties that Put Blob, Put Block List and Set Blob Properties store:
 * x-ms-blob-* first, then (`standard`: Put Blob only) the standard content
 * headers. Content type defaults to application/octet-stream with `standard`
 * or Put Block List. has_md5/md5 come from x-ms-blob-content-md5 (InvalidMd5
 * when malformed, empty clears). Leaves length, times, etag alone. */
proto_err_t proto_headers_blob_props(const proto_headers_t *h, bool standard,
                                     bool default_type, blob_props_t *ret,
                                     proto_fault_t *fault);

/* What checks the body: at most one of them (BothCrc64AndMd5HeaderPresent).
 * `blob_md5`: x-ms-blob-content-md5 counts first (Put Blob). */
typedef struct proto_body_check_s {
    bool has_md5;
    bool has_crc64;
    uint8_t md5[16];
    uint64_t crc64;
} proto_body_check_t;

proto_err_t proto_headers_body_check(const proto_headers_t *h, bool blob_md5,
                                     proto_body_check_t *ret,
                                     proto_fault_t *fault);

/* Faults of a body that did not match; the texts go into scratch. */
proto_err_t proto_fault_md5(proto_fault_t *fault, const uint8_t user[16],
                            const uint8_t ours[16], writer_t *scratch);
proto_err_t proto_fault_crc64(proto_fault_t *fault, uint64_t user,
                              uint64_t ours, writer_t *scratch);

/* What was said of the bytes against what they are: PROTO_OK, or one of those.
 * `md5` is looked at only if there is one to check. */
proto_err_t proto_body_verify(const proto_body_check_t *check,
                              const uint8_t md5[16], uint64_t crc64,
                              proto_fault_t *fault, writer_t *scratch);

/* blockid: percent-decoded text -> decoded bytes of 1..64, else
 * InvalidQueryParameterValue (MissingRequiredQueryParameter when absent). */
#define PROTO_BLOCK_ID_MAX 64
proto_err_t proto_block_id_parse(view_t text, uint8_t buf[PROTO_BLOCK_ID_MAX],
                                 view_t *ret, proto_fault_t *fault);

#endif
