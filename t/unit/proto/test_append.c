#include <string.h>

#include "unit.h"

#include "proto/append.h"


static proto_headers_t headers;
static proto_fault_t fault;
static proto_append_t append;
static blob_props_t now;


static int
fresh(void **state)
{
    (void) state;
    memset(&headers, 0, sizeof(headers));
    memset(&fault, 0, sizeof(fault));
    memset(&append, 0, sizeof(append));
    memset(&now, 0, sizeof(now));
    now.type = BLOB_APPEND;
    return 0;
}


static void
parses(void **state)
{
    (void) state;
    assert_int_equal(proto_append_parse(&headers, &append, &fault), PROTO_OK);
    assert_false(append.has_pos || append.has_max || append.seal);

    headers.known[PROTO_HDR_X_MS_BLOB_CONDITION_APPENDPOS] = VIEW("0");
    headers.known[PROTO_HDR_X_MS_BLOB_CONDITION_MAXSIZE] = VIEW("17");
    assert_int_equal(proto_append_parse(&headers, &append, &fault), PROTO_OK);
    assert_true(append.has_pos && append.pos == 0);
    assert_true(append.has_max && append.max == 17);
    assert_int_equal(proto_append_parse_seal(&headers, &append, &fault),
                     PROTO_OK);
    assert_true(append.seal && append.has_pos && !append.has_max);

    headers.known[PROTO_HDR_X_MS_BLOB_CONDITION_MAXSIZE] = VIEW("-1");
    assert_int_equal(proto_append_parse(&headers, &append, &fault),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    assert_view(fault.name, "x-ms-blob-condition-maxsize");
    headers.known[PROTO_HDR_X_MS_BLOB_CONDITION_APPENDPOS] = VIEW("x");
    assert_int_equal(proto_append_parse_seal(&headers, &append, &fault),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    assert_view(fault.name, "x-ms-blob-condition-appendpos");
}


static void
creates(void **state)
{
    (void) state;
    assert_int_equal(proto_append_create_check(&headers, &fault), PROTO_OK);
    headers.has_content_length = true;
    assert_int_equal(proto_append_create_check(&headers, &fault), PROTO_OK);
    headers.content_length = 1;
    headers.known[PROTO_HDR_CONTENT_LENGTH] = VIEW("1");
    assert_int_equal(proto_append_create_check(&headers, &fault),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    assert_view(fault.value, "1");
    headers.content_length = 0;
    headers.known[PROTO_HDR_X_MS_ACCESS_TIER] = VIEW("Cool");
    assert_int_equal(proto_append_create_check(&headers, &fault),
                     PROTO_ERR_ACCESS_TIER_NOT_SUPPORTED_FOR_BLOB_TYPE);
}


static void
checks(void **state)
{
    (void) state;
    assert_int_equal(proto_append_check(&append, NULL),
                     PROTO_ERR_BLOB_NOT_FOUND);
    assert_int_equal(proto_append_check(&append, &now), PROTO_OK);

    now.content_length = 10;
    append.has_pos = true;
    append.pos = 9;
    assert_int_equal(proto_append_check(&append, &now),
                     PROTO_ERR_APPEND_POSITION_CONDITION_NOT_MET);
    append.pos = 10;
    assert_int_equal(proto_append_check(&append, &now), PROTO_OK);

    append.has_max = true;
    append.max = 15;
    append.length = 5;
    assert_int_equal(proto_append_check(&append, &now), PROTO_OK);
    append.length = 6;
    assert_int_equal(proto_append_check(&append, &now),
                     PROTO_ERR_MAX_BLOB_SIZE_CONDITION_NOT_MET);
    append.length = UINT64_MAX;
    assert_int_equal(proto_append_check(&append, &now),
                     PROTO_ERR_MAX_BLOB_SIZE_CONDITION_NOT_MET);
    append.max = 9;
    append.length = 0;
    assert_int_equal(proto_append_check(&append, &now),
                     PROTO_ERR_MAX_BLOB_SIZE_CONDITION_NOT_MET);

    fresh(NULL);
    now.committed_blocks = PROTO_APPEND_BLOCKS_MAX - 1;
    assert_int_equal(proto_append_check(&append, &now), PROTO_OK);
    now.committed_blocks++;
    assert_int_equal(proto_append_check(&append, &now),
                     PROTO_ERR_BLOCK_COUNT_EXCEEDS_LIMIT);
    append.seal = true;
    assert_int_equal(proto_append_check(&append, &now), PROTO_OK);
    now.sealed = true;
    assert_int_equal(proto_append_check(&append, &now), PROTO_OK);
    append.seal = false;
    assert_int_equal(proto_append_check(&append, &now),
                     PROTO_ERR_BLOB_IS_SEALED);
    now.type = BLOB_BLOCK;
    assert_int_equal(proto_append_check(&append, &now),
                     PROTO_ERR_INVALID_BLOB_TYPE);
}


static char said[512];


static void
emit(void *ctx, view_t name, view_t value)
{
    size_t len = strlen(said);

    (void) ctx;
    snprintf(said + len, sizeof(said) - len, "%.*s: %.*s\n", (int) name.len,
             (const char *) name.ptr, (int) value.len,
             (const char *) value.ptr);
}


static void
answers(void **state)
{
    (void) state;
    said[0] = '\0';
    proto_reply_append_headers(12, 3, emit, NULL);
    proto_reply_seal_headers(emit, NULL);
    assert_string_equal(said, "x-ms-blob-append-offset: 12\n"
                              "x-ms-blob-committed-block-count: 3\n"
                              "x-ms-blob-sealed: true\n");
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(parses, fresh),
        cmocka_unit_test_setup(creates, fresh),
        cmocka_unit_test_setup(checks, fresh),
        cmocka_unit_test_setup(answers, fresh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
