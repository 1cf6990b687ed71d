#include "proto/range.h"

#define RANGE_DIGEST_MAX (4u * 1024 * 1024)

typedef struct range_spec_s {
    uint64_t first;
    uint64_t last; /* UINT64_MAX: to the end */
} range_spec_t;


/* Digits; more than 64 bits hold is past any end. */
static bool
parse_offset(view_t v, uint64_t *ret)
{
    v = view_trim(v);

    for (size_t i = 0; i < v.len; i++) {
        if (v.ptr[i] < '0' || v.ptr[i] > '9') {
            return false;
        }
    }

    if (!view_to_u64(v, ret)) {
        *ret = UINT64_MAX;
    }

    return v.len != 0;
}


static bool
parse_spec(view_t v, range_spec_t *ret)
{
    view_t unit = VIEW("bytes=");

    v = view_trim(v);

    if (!view_eq_ci(view_sub(v, 0, unit.len), unit)) {
        return false;
    }

    v = view_sub(v, unit.len, v.len);

    size_t dash = view_find(v, '-', 0);
    view_t last = view_trim(view_sub(v, dash + 1, v.len));

    if (dash == v.len || !parse_offset(view_sub(v, 0, dash), &ret->first)) {
        return false;
    }

    ret->last = UINT64_MAX;

    return last.len == 0
        || (parse_offset(last, &ret->last) && ret->last >= ret->first);
}


bool
proto_range_parse(view_t v, uint64_t *ret_first, uint64_t *ret_last)
{
    range_spec_t spec;

    if (!parse_spec(v, &spec)) {
        return false;
    }

    *ret_first = spec.first;
    *ret_last = spec.last;
    return true;
}


static proto_err_t
check_digests(const proto_headers_t *h, const proto_range_t *range,
              proto_fault_t *fault)
{
    if (!h->range_md5 && !h->range_crc64) {
        return PROTO_OK;
    }

    view_t name = h->range_md5 ? VIEW("x-ms-range-get-content-md5")
                               : VIEW("x-ms-range-get-content-crc64");

    if (!range->partial || (h->range_md5 && h->range_crc64)
        || range->len > RANGE_DIGEST_MAX)
    {
        return proto_fault(fault, PROTO_ERR_INVALID_HEADER_VALUE, name,
                           VIEW("true"));
    }

    return PROTO_OK;
}


proto_err_t
proto_range_get(const proto_headers_t *headers, uint64_t size,
                proto_range_t *ret, proto_fault_t *fault)
{
    view_t v = proto_hdr(headers, PROTO_HDR_X_MS_RANGE);
    range_spec_t spec;

    if (v.ptr == NULL || v.len == 0) {
        v = proto_hdr(headers, PROTO_HDR_RANGE);
    }

    ret->off = 0;
    ret->len = size;
    ret->partial = v.len != 0 && parse_spec(v, &spec);

    if (ret->partial) {
        if (spec.first >= size) {
            return proto_fault(fault, PROTO_ERR_INVALID_RANGE, VIEW_NULL,
                               VIEW_NULL);
        }

        if (spec.last >= size) {
            spec.last = size - 1;
        }

        ret->off = spec.first;
        ret->len = spec.last - spec.first + 1;
    }

    return check_digests(headers, ret, fault);
}
