#ifndef PROTO_ANSWER_H
#define PROTO_ANSWER_H

#include "base/props.h"
#include "base/writer.h"
#include "proto/error.h"
#include "proto/headers.h"

/*
 * What an origin answered, read back into properties: the other direction of
 * reply.h. Views point into `hdrs`, metadata is packed into `scratch` (fixed
 * buffer, PROTO_METADATA_MAX and a half or more).
 */

/* Get Blob, Get Blob Properties: false when something that every blob has is
 * missing or malformed (ETag, Last-Modified, length). */
bool proto_answer_blob(const proto_header_t *hdrs, unsigned n,
                       writer_t *scratch, blob_props_t *ret);
/* The same of a server that need not be a Blob service: whatever it has of
 * it, without metadata; a header that is malformed counts as absent. */
void proto_answer_source(const proto_header_t *hdrs, unsigned n,
                         blob_props_t *ret);
/* What may change at an origin without a new ETag, tier, tags and lease, from
 * a later answer into what is known of the same version. Tags that are no
 * longer as many are no longer known. */
void proto_answer_refresh(blob_props_t *props, const blob_props_t *heard);
/* Get Container Properties; `acl` is left alone. */
bool proto_answer_container(const proto_header_t *hdrs, unsigned n,
                            writer_t *scratch, container_props_t *ret);
/* First header of that name (any case), or null. */
view_t proto_answer_header(const proto_header_t *hdrs, unsigned n,
                           view_t name);
/* Without W/ and quotes. */
view_t proto_answer_etag(view_t quoted);
/* x-ms-copy-source as clients see it: without what the edge had it read with,
 * which follows a snapshot or version that the edge asked for. */
view_t proto_answer_copy_source(view_t url);
/* "bytes a-b/total": false if malformed. */
bool proto_answer_content_range(view_t v, uint64_t *ret_off, uint64_t *ret_len,
                                uint64_t *ret_total);
/* The row that says the same as an origin's status and x-ms-error-code (may
 * be null): 5xx, 429 and a refusal of our own credentials are ServerBusy. */
proto_err_t proto_answer_error(unsigned status, view_t code);

#endif
