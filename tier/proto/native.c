#include "proto/native.h"

#include "proto/lease.h"

#include "proto/snapshot.h"
#include "proto/structured.h"
#include "proto/tags.h"


typedef struct beyond_s {
    proto_hdr_id_t id;
    const char *name;
    proto_err_t err;
} beyond_t;

static const beyond_t beyond[] = {
    { PROTO_HDR_X_MS_ENCRYPTION_KEY, "x-ms-encryption-key",
      PROTO_ERR_UNSUPPORTED_HEADER },
    { PROTO_HDR_X_MS_ENCRYPTION_SCOPE, "x-ms-encryption-scope",
      PROTO_ERR_UNSUPPORTED_HEADER },
    { PROTO_HDR_X_MS_IMMUTABILITY_POLICY_UNTIL_DATE,
      "x-ms-immutability-policy-until-date", PROTO_ERR_UNSUPPORTED_HEADER },
    { PROTO_HDR_X_MS_LEGAL_HOLD, "x-ms-legal-hold",
      PROTO_ERR_UNSUPPORTED_HEADER },
};


/* Bodies of content are taken out of their frame, and blobs put into one; XML
 * and answers without a body are never framed. */
static proto_err_t
check_structured(const proto_op_t *op, const proto_headers_t *headers,
                 proto_fault_t *fault)
{
    view_t v = proto_hdr(headers, PROTO_HDR_X_MS_STRUCTURED_BODY);

    if (v.len == 0 || op->body == PROTO_BODY_STREAM
        || op->id == PROTO_OP_GET_BLOB) {
        return PROTO_OK;
    }

    return proto_fault(fault, PROTO_ERR_UNSUPPORTED_HEADER,
                       VIEW("x-ms-structured-body"), v);
}


/* Containers are compared by time alone (blob-api 2.8). */
static proto_err_t
check_container_cond(const proto_op_t *op, const proto_headers_t *headers)
{
    return op->write && op->level == PROTO_LEVEL_CONTAINER
                && (headers->cond.if_match.ptr != NULL
                    || headers->cond.if_none_match.ptr != NULL)
             ? PROTO_ERR_CONDITION_HEADERS_NOT_SUPPORTED
             : PROTO_OK;
}


/* Rows that make a version of the blob and store its tags. */
static bool
takes_tags(proto_op_id_t id)
{
    switch (id) {
    case PROTO_OP_PUT_BLOB:
    case PROTO_OP_PUT_BLOCK_LIST:
    case PROTO_OP_PUT_APPEND_BLOB:
    case PROTO_OP_PUT_BLOB_FROM_URL:
    case PROTO_OP_COPY_BLOB:
    case PROTO_OP_COPY_BLOB_FROM_URL:
        return true;
    default:
        return false;
    }
}


/* Rows that evaluate it with the other conditions. */
static bool
takes_if_tags(proto_op_id_t id)
{
    switch (id) {
    case PROTO_OP_GET_BLOB:
    case PROTO_OP_GET_BLOB_PROPERTIES:
    case PROTO_OP_GET_BLOB_METADATA:
    case PROTO_OP_GET_BLOB_TAGS:
    case PROTO_OP_SET_BLOB_PROPERTIES:
    case PROTO_OP_SET_BLOB_METADATA:
    case PROTO_OP_SET_BLOB_TAGS:
    case PROTO_OP_SET_BLOB_TIER:
    case PROTO_OP_DELETE_BLOB:
    case PROTO_OP_PUT_BLOB:
    case PROTO_OP_PUT_BLOCK_LIST:
    case PROTO_OP_PUT_APPEND_BLOB:
    case PROTO_OP_APPEND_BLOCK:
    case PROTO_OP_APPEND_BLOCK_FROM_URL:
    case PROTO_OP_SEAL_APPEND_BLOB:
    case PROTO_OP_PUT_BLOB_FROM_URL:
    case PROTO_OP_COPY_BLOB:
    case PROTO_OP_COPY_BLOB_FROM_URL:
    case PROTO_OP_SNAPSHOT_BLOB:
    case PROTO_OP_LEASE_BLOB:
        return true;
    default:
        return false;
    }
}


static proto_err_t
check_tags(const proto_op_t *op, const proto_headers_t *headers,
           proto_fault_t *fault)
{
    view_t tags = proto_hdr(headers, PROTO_HDR_X_MS_TAGS);
    view_t if_tags = proto_hdr(headers, PROTO_HDR_X_MS_IF_TAGS);

    if (tags.len != 0 && !takes_tags(op->id)) {
        return proto_fault(fault, PROTO_ERR_UNSUPPORTED_HEADER,
                           VIEW("x-ms-tags"), tags);
    }

    if (if_tags.len != 0 && !takes_if_tags(op->id)) {
        return proto_fault(fault, PROTO_ERR_CONDITION_HEADERS_NOT_SUPPORTED,
                           VIEW("x-ms-if-tags"), if_tags);
    }

    return proto_tags_if_check("x-ms-if-tags", if_tags, fault);
}


static proto_err_t
check_version(const proto_op_t *op, const proto_uri_t *uri,
              proto_fault_t *fault)
{
    view_t version = proto_uri_param(uri, PROTO_PARAM_VERSIONID);

    if (version.len == 0) {
        return proto_snapshot_check(op, uri, fault);
    }

    if (!op->write || op->id == PROTO_OP_DELETE_BLOB) {
        return PROTO_ERR_BLOB_NOT_FOUND; /* there are none */
    }

    return proto_fault(fault, PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE,
                       VIEW("versionid"), version);
}


proto_err_t
proto_native_check(const proto_op_t *op, const proto_uri_t *uri,
                   const proto_headers_t *headers, proto_fault_t *fault)
{
    proto_err_t err;

    for (size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
        view_t v = proto_hdr(headers, beyond[i].id);

        if (v.len != 0) {
            return proto_fault(
                fault, beyond[i].err, view_str(beyond[i].name),
                beyond[i].id == PROTO_HDR_X_MS_ENCRYPTION_KEY ? VIEW_NULL : v);
        }
    }

    err = check_structured(op, headers, fault);
    if (err == PROTO_OK) {
        err = check_container_cond(op, headers);
    }
    if (err == PROTO_OK) {
        err = check_tags(op, headers, fault);
    }
    if (err != PROTO_OK) {
        return err;
    }

    return op->level == PROTO_LEVEL_BLOB ? check_version(op, uri, fault)
                                         : PROTO_OK;
}


proto_err_t
proto_body_length(const proto_op_t *op, const proto_headers_t *headers,
                  bool *ret_framed, uint64_t *ret_length, proto_fault_t *fault)
{
    uint64_t limit = proto_op_body_limit(op, headers->version);
    uint64_t length = headers->content_length;
    bool framed = false;
    proto_err_t err = PROTO_OK;

    if (!headers->has_content_length || headers->chunked) {
        return proto_fault(fault, PROTO_ERR_MISSING_CONTENT_LENGTH_HEADER,
                           VIEW_NULL, VIEW_NULL);
    }

    if (op->body == PROTO_BODY_STREAM) {
        err = proto_structured_body(headers, &framed, &length, fault);
    }

    if (err == PROTO_OK && length > limit) {
        err = proto_fault(fault, PROTO_ERR_REQUEST_BODY_TOO_LARGE, VIEW_NULL,
                          VIEW_NULL);
        fault->max = limit;
    }

    if (err == PROTO_OK) {
        *ret_framed = framed;
        *ret_length = length;
    }

    return err;
}


proto_err_t
proto_put_block_check(const proto_headers_t *headers, proto_fault_t *fault)
{
    uint64_t length = headers->content_length;
    bool framed;
    proto_err_t err = proto_structured_body(headers, &framed, &length, fault);

    if (err == PROTO_OK && headers->has_content_length && length == 0) {
        return proto_fault(fault, PROTO_ERR_INVALID_HEADER_VALUE,
                           framed ? VIEW("x-ms-structured-content-length")
                                  : VIEW("Content-Length"),
                           VIEW("0"));
    }

    return err;
}


proto_err_t
proto_put_blob_check(const proto_headers_t *headers, proto_fault_t *fault)
{
    view_t type = proto_hdr(headers, PROTO_HDR_X_MS_BLOB_TYPE);

    if (type.ptr == NULL) {
        return proto_fault(fault, PROTO_ERR_MISSING_REQUIRED_HEADER,
                           VIEW("x-ms-blob-type"), VIEW_NULL);
    }

    if (!view_eq_ci(type, VIEW("BlockBlob"))) {
        return proto_fault(fault, PROTO_ERR_INVALID_HEADER_VALUE,
                           VIEW("x-ms-blob-type"), type);
    }

    return PROTO_OK;
}


proto_err_t
proto_lake_check(const proto_op_t *op, const blob_props_t *lake)
{
    bool blocks = op->id == PROTO_OP_PUT_BLOCK
               || op->id == PROTO_OP_PUT_BLOCK_FROM_URL
               || op->id == PROTO_OP_PUT_BLOCK_LIST;

    if (proto_lease_locked(lake->lease.state)) {
        return PROTO_ERR_LEASE_ID_MISSING;
    }

    return blocks && lake->type != BLOB_BLOCK ? PROTO_ERR_INVALID_BLOB_TYPE
                                              : PROTO_OK;
}
