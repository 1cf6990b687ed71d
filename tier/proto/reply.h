#ifndef PROTO_REPLY_H
#define PROTO_REPLY_H

#include <stdbool.h>

#include "base/props.h"
#include "base/view.h"
#include "proto/lease.h"

/*
 * Response headers, composed in one place. Each function hands them one by
 * one to `emit`; name and value live only for that call. What every answer
 * has (request id, version, date, server) is the caller's.
 */
typedef void (*proto_emit_fn)(void *ctx, view_t name, view_t value);

/* What a SAS says instead of the stored properties (rscc, rscd...); null:
 * as stored. */
typedef struct proto_override_s {
    view_t cache_control;
    view_t content_disposition;
    view_t content_encoding;
    view_t content_language;
    view_t content_type;
} proto_override_t;

typedef struct proto_reply_blob_opts_s {
    bool head;          /* Get Blob Properties: tier and its like as well */
    bool metadata_only; /* Get Blob Metadata */
    bool partial;       /* 206: Content-Range, x-ms-blob-content-md5 */
    uint64_t off;       /* of what is sent; the whole blob without partial */
    uint64_t len;
    const uint8_t *range_md5; /* of the range, when it was asked for */
    const uint64_t *range_crc64;
    uint64_t framed; /* length as a structured message; 0: it goes plain */
    proto_override_t override;
} proto_reply_blob_opts_t;

/* All headers of a GET or HEAD of a blob: validators, length, range, content
 * headers, metadata. The lease is settled already (proto_lease_settle), here
 * and of a container. */
void proto_reply_blob_headers(const blob_props_t *props,
                              const proto_reply_blob_opts_t *opts,
                              proto_emit_fn emit, void *ctx);

/* ETag and Last-Modified; a null etag and a time of 0 are left out. */
void proto_reply_validators(view_t etag, int64_t last_modified_s,
                            proto_emit_fn emit, void *ctx);

/* A header as a version had it: ETags are quoted since 2011-08-18. */
view_t proto_reply_value(uint32_t version, view_t name, view_t value);

/* Put Blob, Put Block, Put Block List, Set Blob Metadata and Properties. */
typedef struct proto_reply_write_opts_s {
    view_t etag; /* without quotes; null for Put Block */
    int64_t last_modified_s;
    const uint8_t *md5;    /* NULL: no Content-MD5 */
    const uint64_t *crc64; /* NULL: no x-ms-content-crc64 */
    bool structured;       /* the body came as a structured message */
} proto_reply_write_opts_t;

void proto_reply_write_headers(const proto_reply_write_opts_t *opts,
                               proto_emit_fn emit, void *ctx);

/* Copy Blob, Copy Blob From URL. */
void proto_reply_copy_headers(view_t copy_id, copy_status_t status,
                              proto_emit_fn emit, void *ctx);

/* Lease Blob, Lease Container; the status is proto_lease_reply_status. */
typedef struct proto_reply_lease_opts_s {
    proto_lease_action_t action;
    lease_t lease;  /* what the action made of it, */
    int64_t now_ms; /* and when */
    view_t etag;    /* without quotes; of the resource, not of the lease */
    int64_t last_modified_s;
} proto_reply_lease_opts_t;

void proto_reply_lease_headers(const proto_reply_lease_opts_t *opts,
                               proto_emit_fn emit, void *ctx);

/* Delete Blob: that nothing is left to undelete. */
void proto_reply_delete_headers(proto_emit_fn emit, void *ctx);

/* Get Container Properties, Metadata, ACL. */
typedef enum {
    PROTO_REPLY_CONTAINER_PROPERTIES = 0,
    PROTO_REPLY_CONTAINER_METADATA,
    PROTO_REPLY_CONTAINER_ACL
} proto_reply_container_t;

void proto_reply_container_headers(const container_props_t *props,
                                   proto_reply_container_t what,
                                   proto_emit_fn emit, void *ctx);

/* Get Block List; NULL: there is no committed blob. */
void proto_reply_block_list_headers(const blob_props_t *props,
                                    proto_emit_fn emit, void *ctx);

/* Get Account Information: a flat account of general purpose v2. */
void proto_reply_account_info(proto_emit_fn emit, void *ctx);

/* "private" has no word: VIEW_NULL. */
view_t proto_public_access_name(uint8_t public_access);
/* x-ms-blob-public-access; false for another word. Null or empty: private. */
bool proto_public_access_parse(view_t v, uint8_t *ret);
view_t proto_blob_type_name(blob_type_t type);
view_t proto_tier_name(access_tier_t tier);
view_t proto_copy_status_name(copy_status_t status);
copy_status_t proto_copy_status_parse(view_t v); /* COPY_NONE: another word */

#endif
