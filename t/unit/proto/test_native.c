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
    assert_int_equal(check(PROTO_OP_PUT_BLOCK),
                     PROTO_ERR_CONDITION_HEADERS_NOT_SUPPORTED);
    assert_int_equal(check(PROTO_OP_DELETE_CONTAINER),
                     PROTO_ERR_CONDITION_HEADERS_NOT_SUPPORTED);
}


static void
tags(void **state)
{
    (void) state;
    headers.known[PROTO_HDR_X_MS_TAGS] = VIEW("a=b");
    assert_int_equal(check(PROTO_OP_PUT_BLOB), PROTO_OK);
    assert_int_equal(check(PROTO_OP_PUT_BLOCK_LIST), PROTO_OK);
    assert_int_equal(check(PROTO_OP_COPY_BLOB), PROTO_OK);
    assert_int_equal(check(PROTO_OP_COPY_BLOB_FROM_URL), PROTO_OK);
    assert_int_equal(check(PROTO_OP_PUT_BLOB_FROM_URL), PROTO_OK);
    assert_int_equal(check(PROTO_OP_PUT_APPEND_BLOB), PROTO_OK);
    assert_int_equal(check(PROTO_OP_PUT_BLOCK), PROTO_ERR_UNSUPPORTED_HEADER);
    assert_view(fault.name, "x-ms-tags");

    fresh(NULL);
    headers.known[PROTO_HDR_X_MS_IF_TAGS] = VIEW("a='b'");
    assert_int_equal(check(PROTO_OP_GET_BLOB), PROTO_OK);
    assert_int_equal(check(PROTO_OP_PUT_BLOB), PROTO_OK);
    assert_int_equal(check(PROTO_OP_COPY_BLOB), PROTO_OK);
    assert_int_equal(check(PROTO_OP_APPEND_BLOCK), PROTO_OK);
    assert_int_equal(check(PROTO_OP_SNAPSHOT_BLOB), PROTO_OK);
    assert_int_equal(check(PROTO_OP_LEASE_BLOB), PROTO_OK);
    assert_int_equal(check(PROTO_OP_LEASE_CONTAINER),
                     PROTO_ERR_CONDITION_HEADERS_NOT_SUPPORTED);

    headers.known[PROTO_HDR_X_MS_IF_TAGS] = VIEW("a=b");
    assert_int_equal(check(PROTO_OP_GET_BLOB), PROTO_ERR_INVALID_HEADER_VALUE);
    assert_view(fault.name, "x-ms-if-tags");
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


static proto_err_t
length(proto_op_id_t id, uint32_t version, uint64_t n)
{
    uint64_t ret = 0;
    bool framed = true;
    proto_err_t err;

    headers.version = version;
    headers.has_content_length = true;
    headers.content_length = n;
    err = proto_body_length(proto_op_row(id), &headers, &framed, &ret, &fault);
    assert_true(err != PROTO_OK || framed || ret == n);
    return err;
}


#define MIB (1024ull * 1024)


static void
body_lengths(void **state)
{
    static const struct {
        proto_op_id_t id;
        uint32_t version;
        uint64_t mib;
    } cases[] = {
        { PROTO_OP_PUT_BLOCK, 20160530, 4 },
        { PROTO_OP_PUT_BLOCK, 20160531, 100 },
        { PROTO_OP_PUT_BLOCK, 20191211, 100 },
        { PROTO_OP_PUT_BLOCK, 20191212, 4000 },
        { PROTO_OP_PUT_BLOCK, 0, 4000 },
        { PROTO_OP_PUT_BLOB, 20090919, 64 },
        { PROTO_OP_PUT_BLOB, 20160531, 256 },
        { PROTO_OP_PUT_BLOB, 20191212, 5000 },
        { PROTO_OP_APPEND_BLOCK, 20221101, 4 },
        { PROTO_OP_APPEND_BLOCK, 20221102, 100 },
    };
    uint64_t ret;
    bool framed;

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t max = cases[i].mib * MIB;

        assert_int_equal(length(cases[i].id, cases[i].version, max), PROTO_OK);
        assert_int_equal(length(cases[i].id, cases[i].version, max + 1),
                         PROTO_ERR_REQUEST_BODY_TOO_LARGE);
        assert_true(fault.max == max);
    }

    /* a frame does not count */
    headers.known[PROTO_HDR_X_MS_STRUCTURED_BODY] =
        VIEW("XSM/1.0; properties=crc64");
    headers.known[PROTO_HDR_X_MS_STRUCTURED_CONTENT_LENGTH] = VIEW("4194304");
    assert_int_equal(length(PROTO_OP_PUT_BLOCK, 20090919, 4 * MIB + 39),
                     PROTO_OK);
    assert_int_equal(proto_body_length(proto_op_row(PROTO_OP_PUT_BLOCK),
                                       &headers, &framed, &ret, &fault),
                     PROTO_OK);
    assert_true(framed && ret == 4 * MIB);
    headers.known[PROTO_HDR_X_MS_STRUCTURED_CONTENT_LENGTH] = VIEW("4194305");
    assert_int_equal(length(PROTO_OP_PUT_BLOCK, 20090919, 4 * MIB + 40),
                     PROTO_ERR_REQUEST_BODY_TOO_LARGE);

    fresh(NULL);
    assert_int_equal(proto_body_length(proto_op_row(PROTO_OP_PUT_BLOCK),
                                       &headers, &framed, &ret, &fault),
                     PROTO_ERR_MISSING_CONTENT_LENGTH_HEADER);
    headers.chunked = true;
    assert_int_equal(length(PROTO_OP_PUT_BLOCK, 0, 5),
                     PROTO_ERR_MISSING_CONTENT_LENGTH_HEADER);
}


static void
empty_blocks(void **state)
{
    (void) state;
    headers.has_content_length = true;
    assert_int_equal(proto_put_block_check(&headers, &fault),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    assert_view(fault.name, "Content-Length");
    headers.content_length = 1;
    assert_int_equal(proto_put_block_check(&headers, &fault), PROTO_OK);
    headers.content_length = 39;
    headers.known[PROTO_HDR_X_MS_STRUCTURED_BODY] =
        VIEW("XSM/1.0; properties=crc64");
    headers.known[PROTO_HDR_X_MS_STRUCTURED_CONTENT_LENGTH] = VIEW("0");
    assert_int_equal(proto_put_block_check(&headers, &fault),
                     PROTO_ERR_INVALID_HEADER_VALUE);
}


static void
container_conditions(void **state)
{
    (void) state;
    headers.cond.has_modified_since = true;
    assert_int_equal(check(PROTO_OP_DELETE_CONTAINER), PROTO_OK);
    headers.cond.if_match = VIEW("\"0x1\"");
    assert_int_equal(check(PROTO_OP_DELETE_CONTAINER),
                     PROTO_ERR_CONDITION_HEADERS_NOT_SUPPORTED);
    assert_int_equal(check(PROTO_OP_GET_CONTAINER_PROPERTIES), PROTO_OK);
    assert_int_equal(check(PROTO_OP_PUT_BLOB), PROTO_OK);
}


static void
lake(void **state)
{
    blob_props_t props = { .type = BLOB_BLOCK };

    (void) state;
    assert_int_equal(proto_lake_check(proto_op_row(PROTO_OP_PUT_BLOB), &props),
                     PROTO_OK);
    assert_int_equal(
        proto_lake_check(proto_op_row(PROTO_OP_PUT_BLOCK), &props), PROTO_OK);

    props.type = BLOB_APPEND;
    assert_int_equal(proto_lake_check(proto_op_row(PROTO_OP_PUT_BLOB), &props),
                     PROTO_OK);
    assert_int_equal(
        proto_lake_check(proto_op_row(PROTO_OP_PUT_BLOCK_LIST), &props),
        PROTO_ERR_INVALID_BLOB_TYPE);

    props.lease.state = LEASE_BREAKING;
    assert_int_equal(
        proto_lake_check(proto_op_row(PROTO_OP_DELETE_BLOB), &props),
        PROTO_ERR_LEASE_ID_MISSING);
    props.lease.state = LEASE_BROKEN;
    assert_int_equal(
        proto_lake_check(proto_op_row(PROTO_OP_DELETE_BLOB), &props),
        PROTO_OK);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lake),
        cmocka_unit_test_setup(plain, fresh),
        cmocka_unit_test_setup(beyond, fresh),
        cmocka_unit_test_setup(tags, fresh),
        cmocka_unit_test_setup(versions, fresh),
        cmocka_unit_test_setup(blob_type, fresh),
        cmocka_unit_test_setup(body_lengths, fresh),
        cmocka_unit_test_setup(empty_blocks, fresh),
        cmocka_unit_test_setup(container_conditions, fresh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
