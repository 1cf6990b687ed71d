#include "proto/access_tier.h"


bool
proto_tier_parse(view_t v, access_tier_t *ret)
{
    static const struct {
        const char *name;
        access_tier_t tier;
    } tiers[] = { { "Hot", TIER_HOT },
                  { "Cool", TIER_COOL },
                  { "Cold", TIER_COLD },
                  { "Archive", TIER_ARCHIVE } };

    for (size_t i = 0; i < sizeof(tiers) / sizeof(tiers[0]); i++) {
        if (view_eq_ci(v, view_str(tiers[i].name))) {
            *ret = tiers[i].tier;
            return true;
        }
    }

    return false;
}


/* P4 to P80 */
static bool
is_page_tier(view_t v)
{
    uint64_t n;

    return v.len >= 2 && (v.ptr[0] | 0x20) == 'p'
        && view_to_u64(view_sub(v, 1, v.len - 1), &n);
}


proto_err_t
proto_tier_headers(const proto_headers_t *headers, access_tier_t *ret,
                   proto_fault_t *fault)
{
    view_t tier = proto_hdr(headers, PROTO_HDR_X_MS_ACCESS_TIER);
    view_t priority = proto_hdr(headers, PROTO_HDR_X_MS_REHYDRATE_PRIORITY);

    if (tier.len == 0) {
        return proto_fault(fault, PROTO_ERR_MISSING_REQUIRED_HEADER,
                           VIEW("x-ms-access-tier"), VIEW_NULL);
    }

    if (priority.len != 0 && !view_eq_ci(priority, VIEW("High"))
        && !view_eq_ci(priority, VIEW("Standard")))
    {
        return proto_fault(fault, PROTO_ERR_INVALID_HEADER_VALUE,
                           VIEW("x-ms-rehydrate-priority"), priority);
    }

    if (proto_tier_parse(tier, ret)) {
        return PROTO_OK;
    }

    return is_page_tier(tier)
             ? proto_fault(fault, PROTO_ERR_INVALID_BLOB_TIER, VIEW_NULL,
                           VIEW_NULL)
             : proto_fault(fault, PROTO_ERR_INVALID_HEADER_VALUE,
                           VIEW("x-ms-access-tier"), tier);
}


proto_err_t
proto_tier_change_check(const blob_props_t *now)
{
    return now->type == BLOB_BLOCK
             ? PROTO_OK
             : PROTO_ERR_ACCESS_TIER_NOT_SUPPORTED_FOR_BLOB_TYPE;
}


proto_err_t
proto_tier_op_check(proto_op_id_t op, const blob_props_t *now)
{
    if (now->tier != TIER_ARCHIVE) {
        return PROTO_OK;
    }

    switch (op) {
    case PROTO_OP_GET_BLOB:
    case PROTO_OP_SET_BLOB_PROPERTIES:
    case PROTO_OP_SET_BLOB_METADATA:
    case PROTO_OP_SNAPSHOT_BLOB:
    case PROTO_OP_QUERY_BLOB_CONTENTS:
    case PROTO_OP_PUT_BLOB:
    case PROTO_OP_PUT_BLOB_FROM_URL:
    case PROTO_OP_PUT_BLOCK_LIST:
    case PROTO_OP_COPY_BLOB:
    case PROTO_OP_COPY_BLOB_FROM_URL:
    case PROTO_OP_PUT_APPEND_BLOB:
    case PROTO_OP_PUT_PAGE_BLOB:
        return now->archive_status.len != 0 ? PROTO_ERR_BLOB_BEING_REHYDRATED
                                            : PROTO_ERR_BLOB_ARCHIVED;

    default:
        return PROTO_OK;
    }
}
