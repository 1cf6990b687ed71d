#include <string.h>

#include "unit.h"

#include "proto/snapshot.h"


static proto_uri_t uri;
static proto_headers_t headers;
static proto_fault_t fault;


static int
fresh(void **state)
{
    (void) state;
    memset(&uri, 0, sizeof(uri));
    memset(&headers, 0, sizeof(headers));
    memset(&fault, 0, sizeof(fault));
    return 0;
}


static proto_err_t
check(proto_op_id_t id)
{
    return proto_snapshot_check(proto_op_row(id), &uri, &fault);
}


static void
names_one(void **state)
{
    (void) state;
    assert_int_equal(proto_snapshot_of(&uri), 0);
    assert_false(proto_snapshot_sent(proto_op_row(PROTO_OP_GET_BLOB), &uri));
    assert_int_equal(check(PROTO_OP_PUT_BLOB), PROTO_OK);

    uri.known[PROTO_PARAM_SNAPSHOT] = VIEW("1970-01-01T00:00:00.0000002Z");
    assert_true(proto_snapshot_of(&uri) == 621355968000000002);
    assert_true(proto_snapshot_sent(proto_op_row(PROTO_OP_GET_BLOB), &uri));

    assert_false(proto_snapshot_sent(proto_op_row(PROTO_OP_LIST_BLOBS), &uri));

    uri.known[PROTO_PARAM_SNAPSHOT] = VIEW("x");
    assert_int_equal(proto_snapshot_of(&uri), 0);
    assert_true(proto_snapshot_sent(proto_op_row(PROTO_OP_GET_BLOB), &uri));
}


static void
rows(void **state)
{
    static const proto_op_id_t fine[] = {
        PROTO_OP_GET_BLOB,          PROTO_OP_GET_BLOB_PROPERTIES,
        PROTO_OP_GET_BLOB_METADATA, PROTO_OP_GET_BLOCK_LIST,
        PROTO_OP_DELETE_BLOB,       PROTO_OP_GET_BLOB_TAGS,
    };
    static const proto_op_id_t not [] = {
        PROTO_OP_PUT_BLOB,       PROTO_OP_PUT_BLOCK,
        PROTO_OP_PUT_BLOCK_LIST, PROTO_OP_SET_BLOB_METADATA,
        PROTO_OP_SNAPSHOT_BLOB,  PROTO_OP_LEASE_BLOB,
        PROTO_OP_APPEND_BLOCK,   PROTO_OP_SET_BLOB_TAGS,
        PROTO_OP_SET_BLOB_TIER,
    };

    (void) state;
    uri.known[PROTO_PARAM_SNAPSHOT] = VIEW("2026-11-25T08:16:47.1234567Z");

    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
        assert_int_equal(check(fine[i]), PROTO_OK);
    }

    for (size_t i = 0; i < sizeof(not ) / sizeof(not [0]); i++) {
        assert_int_equal(check(not [i]),
                         PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE);
        assert_view(fault.name, "snapshot");
    }

    uri.known[PROTO_PARAM_SNAPSHOT] = VIEW("2026-11-25");
    assert_int_equal(check(PROTO_OP_GET_BLOB),
                     PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE);
}


static void
deletes(void **state)
{
    proto_delete_t what;

    (void) state;
    assert_int_equal(proto_snapshot_delete(&uri, &headers, &what, &fault),
                     PROTO_OK);
    assert_int_equal(what, PROTO_DELETE_BASE);
    headers.known[PROTO_HDR_X_MS_DELETE_SNAPSHOTS] = VIEW("Include");
    assert_int_equal(proto_snapshot_delete(&uri, &headers, &what, &fault),
                     PROTO_OK);
    assert_int_equal(what, PROTO_DELETE_INCLUDE);
    headers.known[PROTO_HDR_X_MS_DELETE_SNAPSHOTS] = VIEW("only");
    assert_int_equal(proto_snapshot_delete(&uri, &headers, &what, &fault),
                     PROTO_OK);
    assert_int_equal(what, PROTO_DELETE_ONLY);
    headers.known[PROTO_HDR_X_MS_DELETE_SNAPSHOTS] = VIEW("all");
    assert_int_equal(proto_snapshot_delete(&uri, &headers, &what, &fault),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    headers.known[PROTO_HDR_X_MS_DELETE_SNAPSHOTS] = VIEW("include");
    uri.known[PROTO_PARAM_SNAPSHOT] = VIEW("2026-11-25T08:16:47.1234567Z");
    assert_int_equal(proto_snapshot_delete(&uri, &headers, &what, &fault),
                     PROTO_ERR_INVALID_OPERATION);
}


static void
emit(void *ctx, view_t name, view_t value)
{
    unsigned *n = ctx;

    assert_view(name, "x-ms-snapshot");
    assert_view(value, "1970-01-01T00:00:00.0000001Z");
    (*n)++;
}


static void
answers(void **state)
{
    unsigned n = 0;

    (void) state;
    proto_reply_snapshot_headers(621355968000000001, emit, &n);
    assert_int_equal(n, 1);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(names_one, fresh),
        cmocka_unit_test_setup(rows, fresh),
        cmocka_unit_test_setup(deletes, fresh),
        cmocka_unit_test(answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
