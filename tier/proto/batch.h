#ifndef PROTO_BATCH_H
#define PROTO_BATCH_H

#include "base/view.h"
#include "base/writer.h"
#include "proto/error.h"
#include "proto/headers.h"
#include "proto/op.h"
#include "proto/uri.h"

/*
 * Blob Batch (REST page of that name): a multipart/mixed body whose parts are
 * requests of their own, and the answer with one part for each.
 *
 *     --BOUNDARY                        --batchresponse_GUID
 *     Content-Type: application/http    Content-Type: application/http
 *     Content-ID: 0                     Content-ID: 0
 *
 *     DELETE /c/b HTTP/1.1              HTTP/1.1 202 Accepted
 *     x-ms-date: ...                    x-ms-request-id: ...
 *     Authorization: ...
 *                                       --batchresponse_GUID--
 *     --BOUNDARY--
 *
 * Lines end in CRLF or LF. Nothing here has authority: every part is parsed
 * and authorised again as any request is. Views point into the body.
 */
#define PROTO_BATCH_PARTS_MAX    256
#define PROTO_BATCH_HEADERS_MAX  64 /* of a part */
#define PROTO_BATCH_BOUNDARY_MAX 70 /* RFC 2046, 5.1.1 */
#define PROTO_BATCH_GUID_LEN     36

typedef struct proto_batch_part_s {
    view_t content_id; /* null: none was given */
    view_t method;
    view_t target;  /* raw, begins with a slash */
    view_t head;    /* lines of headers, see proto_batch_headers */
    unsigned nhdrs; /* in head */
} proto_batch_part_t;

/* What follows boundary= in Content-Type. MissingRequiredHeader when there
 * is no Content-Type, InvalidHeaderValue for another type or no boundary. */
proto_err_t proto_batch_boundary(view_t content_type, view_t *ret,
                                 proto_fault_t *fault);

/* Fills parts[PROTO_BATCH_PARTS_MAX]. InvalidInput for what is no batch: no
 * part, none of them HTTP, a last boundary that is missing;
 * ExceedsMaxBatchRequestCount. */
proto_err_t proto_batch_parse(view_t body, view_t boundary,
                              proto_batch_part_t *parts, unsigned *ret_n,
                              proto_fault_t *fault);

/* The part's headers into ret[part->nhdrs]. */
void proto_batch_headers(const proto_batch_part_t *part, proto_header_t *ret);

/* How a part's target is to be read. Some clients write the account into it
 * as the outer request does in path style, some leave it out (the Python
 * SDK). A target whose first segment is the outer request's account is taken
 * to have it, unless the batch is a container's and only the other reading is
 * of that container. */
proto_uri_opts_t proto_batch_uri_opts(const proto_uri_t *outer, view_t target);

/* All parts must do the same, Delete Blob or Set Blob Tier: else
 * InvalidInput. A part whose target cannot be read has its own answer. */
proto_err_t proto_batch_check(const proto_batch_part_t *parts, unsigned n,
                              proto_op_id_t *ret, proto_fault_t *fault);

/* What a part was found to be must be what the batch was accepted for, and
 * in its container if it has one: else InvalidInput. */
proto_err_t proto_batch_part_check(const proto_uri_t *outer,
                                   proto_op_id_t kind, const proto_op_t *op,
                                   const proto_uri_t *uri);

/* Parts carry no x-ms-version as a rule: the outer request's holds. */
void proto_batch_inherit(const proto_headers_t *outer,
                         const proto_uri_t *outer_uri,
                         proto_headers_t *headers);

/* ---- the answer, in this order: (open header* body)* close ------------- */

/* "multipart/mixed; boundary=..." */
void proto_batch_put_type(writer_t *w, view_t guid);
void proto_batch_put_open(writer_t *w, view_t guid, view_t content_id,
                          unsigned status);
void proto_batch_put_header(writer_t *w, view_t name, view_t value);
void proto_batch_put_body(writer_t *w, view_t body);
void proto_batch_put_close(writer_t *w, view_t guid);

#endif
