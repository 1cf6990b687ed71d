#include "proto/snapshot.h"
#include "proto/date.h"


bool
proto_snapshot_sent(const proto_op_t *op, const proto_uri_t *uri)
{
    return op->level == PROTO_LEVEL_BLOB
        && proto_uri_param(uri, PROTO_PARAM_SNAPSHOT).len != 0;
}


uint64_t
proto_snapshot_of(const proto_uri_t *uri)
{
    uint64_t ticks;

    return proto_date_parse_ticks(proto_uri_param(uri, PROTO_PARAM_SNAPSHOT),
                                  &ticks)
             ? ticks
             : 0;
}


/* A snapshot has properties, tags and blocks; all of it stays as it was. The
 * tier, which the service lets a snapshot change, is not kept for it alone. */
static bool
is_askable(const proto_op_t *op)
{
    return !op->write || op->id == PROTO_OP_DELETE_BLOB;
}


proto_err_t
proto_snapshot_check(const proto_op_t *op, const proto_uri_t *uri,
                     proto_fault_t *fault)
{
    if (!proto_snapshot_sent(op, uri)
        || (is_askable(op) && proto_snapshot_of(uri) != 0))
    {
        return PROTO_OK;
    }

    return proto_fault(fault, PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE,
                       VIEW("snapshot"),
                       proto_uri_param(uri, PROTO_PARAM_SNAPSHOT));
}


proto_err_t
proto_snapshot_delete(const proto_uri_t *uri, const proto_headers_t *headers,
                      proto_delete_t *ret, proto_fault_t *fault)
{
    view_t v = proto_hdr(headers, PROTO_HDR_X_MS_DELETE_SNAPSHOTS);

    *ret = PROTO_DELETE_BASE;

    if (v.len == 0) {
        return PROTO_OK;
    }

    if (proto_uri_param(uri, PROTO_PARAM_SNAPSHOT).len != 0) {
        return proto_fault(fault, PROTO_ERR_INVALID_OPERATION, VIEW_NULL,
                           VIEW_NULL);
    }

    if (view_eq_ci(v, VIEW("include"))) {
        *ret = PROTO_DELETE_INCLUDE;
        return PROTO_OK;
    }

    if (view_eq_ci(v, VIEW("only"))) {
        *ret = PROTO_DELETE_ONLY;
        return PROTO_OK;
    }

    return proto_fault(fault, PROTO_ERR_INVALID_HEADER_VALUE,
                       VIEW("x-ms-delete-snapshots"), v);
}


void
proto_reply_snapshot_headers(uint64_t snapshot, proto_emit_fn emit, void *ctx)
{
    uint8_t buf[PROTO_DATE_TICKS_LEN];
    writer_t w;

    writer_init_fixed(&w, buf, sizeof(buf));
    proto_date_ticks(&w, snapshot);
    emit(ctx, VIEW("x-ms-snapshot"), writer_view(&w));
}
