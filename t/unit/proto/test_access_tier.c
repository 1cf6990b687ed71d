#include <string.h>

#include "unit.h"

#include "proto/access_tier.h"

static proto_fault_t fault;


static proto_err_t
ask(const char *tier, const char *priority, access_tier_t *ret)
{
    proto_headers_t h = { 0 };

    if (tier != NULL) {
        h.known[PROTO_HDR_X_MS_ACCESS_TIER] = view_str(tier);
    }

    if (priority != NULL) {
        h.known[PROTO_HDR_X_MS_REHYDRATE_PRIORITY] = view_str(priority);
    }

    return proto_tier_headers(&h, ret, &fault);
}


static void
asked(void **state)
{
    access_tier_t tier = TIER_NONE;

    (void) state;
    assert_int_equal(ask("Hot", NULL, &tier), PROTO_OK);
    assert_int_equal(tier, TIER_HOT);
    assert_int_equal(ask("cool", "High", &tier), PROTO_OK);
    assert_int_equal(tier, TIER_COOL);
    assert_int_equal(ask("Cold", "standard", &tier), PROTO_OK);
    assert_int_equal(tier, TIER_COLD);
    assert_int_equal(ask("Archive", NULL, &tier), PROTO_OK);
    assert_int_equal(tier, TIER_ARCHIVE);
}


static void
refused(void **state)
{
    access_tier_t tier = TIER_NONE;

    (void) state;
    assert_int_equal(ask(NULL, NULL, &tier),
                     PROTO_ERR_MISSING_REQUIRED_HEADER);
    assert_int_equal(ask("", NULL, &tier), PROTO_ERR_MISSING_REQUIRED_HEADER);
    assert_int_equal(ask("Lukewarm", NULL, &tier),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    assert_view(fault.name, "x-ms-access-tier");
    assert_int_equal(ask("P", NULL, &tier), PROTO_ERR_INVALID_HEADER_VALUE);
    assert_int_equal(ask("P10", NULL, &tier), PROTO_ERR_INVALID_BLOB_TIER);
    assert_int_equal(ask("Hot", "Soon", &tier),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    assert_view(fault.name, "x-ms-rehydrate-priority");
    assert_int_equal(tier, TIER_NONE);
}


static void
archived(void **state)
{
    static const proto_op_id_t not [] = { PROTO_OP_GET_BLOB, PROTO_OP_PUT_BLOB,
                                          PROTO_OP_PUT_BLOCK_LIST,
                                          PROTO_OP_SET_BLOB_METADATA,
                                          PROTO_OP_SET_BLOB_PROPERTIES };
    static const proto_op_id_t still[] = {
        PROTO_OP_GET_BLOB_PROPERTIES, PROTO_OP_GET_BLOB_METADATA,
        PROTO_OP_GET_BLOB_TAGS,       PROTO_OP_SET_BLOB_TAGS,
        PROTO_OP_SET_BLOB_TIER,       PROTO_OP_DELETE_BLOB,
        PROTO_OP_GET_BLOCK_LIST
    };
    blob_props_t cold = { .tier = TIER_COLD };
    blob_props_t arch = { .tier = TIER_ARCHIVE };
    blob_props_t waking = { .tier = TIER_ARCHIVE,
                            .archive_status =
                                VIEW("rehydrate-pending-to-hot") };

    (void) state;
    for (size_t i = 0; i < sizeof(not ) / sizeof(not [0]); i++) {
        assert_int_equal(proto_tier_op_check(not [i], &cold), PROTO_OK);
        assert_int_equal(proto_tier_op_check(not [i], &arch),
                         PROTO_ERR_BLOB_ARCHIVED);
        assert_int_equal(proto_tier_op_check(not [i], &waking),
                         PROTO_ERR_BLOB_BEING_REHYDRATED);
    }

    for (size_t i = 0; i < sizeof(still) / sizeof(still[0]); i++) {
        assert_int_equal(proto_tier_op_check(still[i], &arch), PROTO_OK);
    }
}


static void
types(void **state)
{
    blob_props_t block = { .type = BLOB_BLOCK }, page = { .type = BLOB_PAGE };

    (void) state;
    assert_int_equal(proto_tier_change_check(&block), PROTO_OK);
    assert_int_equal(proto_tier_change_check(&page),
                     PROTO_ERR_ACCESS_TIER_NOT_SUPPORTED_FOR_BLOB_TYPE);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asked),
        cmocka_unit_test(refused),
        cmocka_unit_test(archived),
        cmocka_unit_test(types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
