#include <string.h>

#include "unit.h"

#include "proto/native.h"


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
    return proto_native_check(proto_op_row(id), &uri, &headers, &fault);
}


static void
plain(void **state)
{
    (void) state;
    assert_int_equal(check(PROTO_OP_PUT_BLOB), PROTO_OK);
    assert_int_equal(check(PROTO_OP_GET_BLOB), PROTO_OK);
    assert_int_equal(check(PROTO_OP_CREATE_CONTAINER), PROTO_OK);
}


static void
beyond(void **state)
{
    (void) state;
    headers.known[PROTO_HDR_X_MS_ENCRYPTION_KEY] = VIEW("secret");
    assert_int_equal(check(PROTO_OP_PUT_BLOB), PROTO_ERR_UNSUPPORTED_HEADER);
    assert_view(fault.name, "x-ms-encryption-key");
    assert_int_equal(fault.value.len, 0); /* a secret is not echoed */

    fresh(NULL);
    headers.known[PROTO_HDR_X_MS_STRUCTURED_BODY] = VIEW("XSM/1.0");
    assert_int_equal(check(PROTO_OP_PUT_BLOCK), PROTO_OK);
    assert_int_equal(check(PROTO_OP_GET_BLOB), PROTO_OK);
    assert_int_equal(check(PROTO_OP_PUT_BLOCK_LIST),
                     PROTO_ERR_UNSUPPORTED_HEADER);
    assert_int_equal(check(PROTO_OP_GET_BLOB_METADATA),
                     PROTO_ERR_UNSUPPORTED_HEADER);

    fresh(NULL);
    headers.known[PROTO_HDR_X_MS_IF_TAGS] = VIEW("a='b'");
    assert_int_equal(check(PROTO_OP_GET_BLOB),
                     PROTO_ERR_CONDITION_HEADERS_NOT_SUPPORTED);
}


static void
versions(void **state)
{
    (void) state;
    uri.known[PROTO_PARAM_SNAPSHOT] = VIEW("2024-01-01T00:00:00.0000000Z");
    assert_int_equal(check(PROTO_OP_GET_BLOB), PROTO_OK);
    assert_int_equal(check(PROTO_OP_DELETE_BLOB), PROTO_OK);
    assert_int_equal(check(PROTO_OP_SET_BLOB_METADATA),
                     PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE);
    assert_view(fault.name, "snapshot");
    uri.known[PROTO_PARAM_SNAPSHOT] = VIEW("today");
    assert_int_equal(check(PROTO_OP_GET_BLOB),
                     PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE);

    fresh(NULL);
    uri.known[PROTO_PARAM_VERSIONID] = VIEW("2024-01-01T00:00:00.0000000Z");
    assert_int_equal(check(PROTO_OP_GET_BLOB), PROTO_ERR_BLOB_NOT_FOUND);
    assert_int_equal(check(PROTO_OP_DELETE_BLOB), PROTO_ERR_BLOB_NOT_FOUND);
    assert_int_equal(check(PROTO_OP_SET_BLOB_METADATA),
                     PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE);
    assert_view(fault.name, "versionid");
}


static void
blob_type(void **state)
{
    (void) state;
    assert_int_equal(proto_put_blob_check(&headers, &fault),
                     PROTO_ERR_MISSING_REQUIRED_HEADER);
    headers.known[PROTO_HDR_X_MS_BLOB_TYPE] = VIEW("Clay");
    assert_int_equal(proto_put_blob_check(&headers, &fault),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    headers.known[PROTO_HDR_X_MS_BLOB_TYPE] = VIEW("BlockBlob");
    assert_int_equal(proto_put_blob_check(&headers, &fault), PROTO_OK);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(plain, fresh),
        cmocka_unit_test_setup(beyond, fresh),
        cmocka_unit_test_setup(versions, fresh),
        cmocka_unit_test_setup(blob_type, fresh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
