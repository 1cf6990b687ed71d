#include "proto/append.h"


static proto_err_t
parse_u64(const proto_headers_t *headers, proto_hdr_id_t id, const char *name,
          bool *ret_has, uint64_t *ret, proto_fault_t *fault)
{
    view_t v = proto_hdr(headers, id);

    *ret_has = v.len != 0;

    if (v.len == 0 || view_to_u64(v, ret)) {
        return PROTO_OK;
    }

    return proto_fault(fault, PROTO_ERR_INVALID_HEADER_VALUE, view_str(name),
                       v);
}


proto_err_t
proto_append_create_check(const proto_headers_t *headers, proto_fault_t *fault)
{
    view_t tier = proto_hdr(headers, PROTO_HDR_X_MS_ACCESS_TIER);

    if (headers->chunked
        || (headers->has_content_length && headers->content_length != 0))
    {
        return proto_fault(fault, PROTO_ERR_INVALID_HEADER_VALUE,
                           VIEW("Content-Length"),
                           proto_hdr(headers, PROTO_HDR_CONTENT_LENGTH));
    }

    if (tier.len != 0) {
        return proto_fault(fault,
                           PROTO_ERR_ACCESS_TIER_NOT_SUPPORTED_FOR_BLOB_TYPE,
                           VIEW("x-ms-access-tier"), tier);
    }

    return PROTO_OK;
}


proto_err_t
proto_append_parse_seal(const proto_headers_t *headers, proto_append_t *ret,
                        proto_fault_t *fault)
{
    *ret = (proto_append_t){ .seal = true };

    return parse_u64(headers, PROTO_HDR_X_MS_BLOB_CONDITION_APPENDPOS,
                     "x-ms-blob-condition-appendpos", &ret->has_pos, &ret->pos,
                     fault);
}


proto_err_t
proto_append_parse(const proto_headers_t *headers, proto_append_t *ret,
                   proto_fault_t *fault)
{
    proto_err_t err = proto_append_parse_seal(headers, ret, fault);

    ret->seal = false;

    if (err == PROTO_OK) {
        err = parse_u64(headers, PROTO_HDR_X_MS_BLOB_CONDITION_MAXSIZE,
                        "x-ms-blob-condition-maxsize", &ret->has_max,
                        &ret->max, fault);
    }

    return err;
}


proto_err_t
proto_append_check(const proto_append_t *append, const blob_props_t *now)
{
    if (now == NULL) {
        return PROTO_ERR_BLOB_NOT_FOUND;
    }

    if (now->type != BLOB_APPEND) {
        return PROTO_ERR_INVALID_BLOB_TYPE;
    }

    if (now->sealed && !append->seal) {
        return PROTO_ERR_BLOB_IS_SEALED;
    }

    if (append->has_pos && append->pos != now->content_length) {
        return PROTO_ERR_APPEND_POSITION_CONDITION_NOT_MET;
    }

    if (append->has_max
        && (now->content_length > append->max
            || append->length > append->max - now->content_length))
    {
        return PROTO_ERR_MAX_BLOB_SIZE_CONDITION_NOT_MET;
    }

    if (!append->seal && now->committed_blocks >= PROTO_APPEND_BLOCKS_MAX) {
        return PROTO_ERR_BLOCK_COUNT_EXCEEDS_LIMIT;
    }

    return PROTO_OK;
}


static void
emit_u64(const char *name, uint64_t n, proto_emit_fn emit, void *ctx)
{
    uint8_t buf[24];
    writer_t w;

    writer_init_fixed(&w, buf, sizeof(buf));
    writer_put_u64(&w, n);
    emit(ctx, view_str(name), writer_view(&w));
}


void
proto_reply_append_headers(uint64_t offset, uint32_t committed_blocks,
                           proto_emit_fn emit, void *ctx)
{
    emit_u64("x-ms-blob-append-offset", offset, emit, ctx);
    emit_u64("x-ms-blob-committed-block-count", committed_blocks, emit, ctx);
}


void
proto_reply_seal_headers(proto_emit_fn emit, void *ctx)
{
    emit(ctx, VIEW("x-ms-blob-sealed"), VIEW("true"));
}
