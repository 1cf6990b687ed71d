#include <string.h>

#include "unit.h"

#include "proto/op.h"

static uint8_t scratch_buf[8192];
static proto_uri_t uri;
static proto_headers_t h;
static proto_fault_t fault;


/* `hdrs` is "name: value|name: value". */
static const proto_op_t *
find(const char *method, const char *target, const char *hdrs)
{
    proto_uri_opts_t opts = { .style = PROTO_URI_HOST };
    proto_header_t list[8];
    unsigned n = 0;
    writer_t w;
    view_t all = view_str(hdrs);

    for (size_t from = 0; from < all.len;) {
        size_t to = view_find(all, '|', from);
        size_t colon = view_find(all, ':', from);

        list[n].name = view_sub(all, from, colon - from);
        list[n++].value = view_sub(all, colon + 1, to - colon - 1);
        from = to + 1;
    }

    writer_init_fixed(&w, scratch_buf, sizeof(scratch_buf));
    fault = (proto_fault_t){ 0 };
    assert_int_equal(proto_uri_parse(view_str(target), VIEW("a.b"), &opts, &w,
                                     &uri, &fault),
                     PROTO_OK);
    assert_int_equal(proto_headers_parse(list, n, &uri, &w, &h, &fault),
                     PROTO_OK);
    return proto_op_find(view_str(method), &uri, &h, &fault);
}


static void
is(const char *method, const char *target, const char *hdrs, proto_op_id_t id)
{
    const proto_op_t *op = find(method, target, hdrs);

    if (op == NULL || op->id != id) {
        print_error("%s %s [%s]: %s\n", method, target, hdrs,
                    op == NULL ? "no row" : op->name);
        fail();
    }
}


static void
none(const char *method, const char *target, proto_err_t err)
{
    const proto_op_t *op = find(method, target, "");

    if (op != NULL) {
        print_error("%s %s: %s\n", method, target, op->name);
        fail();
    }

    assert_int_equal(fault.err, err);
}


#define COPY "x-ms-copy-source: https://a.b/c/d"


/* blob-api 1, operation by operation. */
static void
operations(void **state)
{
    (void) state;
    is("GET", "/?comp=list", "", PROTO_OP_LIST_CONTAINERS);
    is("GET", "/?comp=list&include=&prefix=", "", PROTO_OP_LIST_CONTAINERS);
    is("GET", "/?restype=account&comp=properties", "",
       PROTO_OP_GET_ACCOUNT_INFO);
    is("HEAD", "/?restype=account&comp=properties", "",
       PROTO_OP_GET_ACCOUNT_INFO);
    is("GET", "/con?restype=account&comp=properties", "",
       PROTO_OP_CONTAINER_ACCOUNT_INFO);
    is("HEAD", "/con/b?restype=account&comp=properties", "",
       PROTO_OP_BLOB_ACCOUNT_INFO);
    is("POST", "/?restype=service&comp=userdelegationkey", "",
       PROTO_OP_GET_USER_DELEGATION_KEY);
    is("GET", "/?restype=service&comp=properties", "",
       PROTO_OP_GET_SERVICE_PROPERTIES);
    is("PUT", "/?restype=service&comp=properties", "",
       PROTO_OP_SET_SERVICE_PROPERTIES);
    is("GET", "/?restype=service&comp=stats", "", PROTO_OP_GET_SERVICE_STATS);
    is("POST", "/?comp=batch", "", PROTO_OP_BATCH);
    is("POST", "/?comp=batch&restype=container", "", PROTO_OP_BATCH); /* JS */
    is("POST", "/con?comp=batch&restype=container", "",
       PROTO_OP_CONTAINER_BATCH);
    is("GET", "/?comp=blobs&where=x", "", PROTO_OP_FIND_BLOBS_BY_TAGS);
    is("GET", "/con?restype=container&comp=blobs&where=x", "",
       PROTO_OP_CONTAINER_FIND_BLOBS_BY_TAGS);
    is("OPTIONS", "/con/b", "", PROTO_OP_PREFLIGHT);
    is("OPTIONS", "/", "", PROTO_OP_PREFLIGHT);

    is("PUT", "/con?restype=container", "", PROTO_OP_CREATE_CONTAINER);
    is("GET", "/con?restype=container", "", PROTO_OP_GET_CONTAINER_PROPERTIES);
    is("HEAD", "/con/?restype=container", "",
       PROTO_OP_GET_CONTAINER_PROPERTIES);
    is("GET", "/con?restype=container&comp=metadata", "",
       PROTO_OP_GET_CONTAINER_METADATA);
    is("PUT", "/con?restype=container&comp=metadata", "",
       PROTO_OP_SET_CONTAINER_METADATA);
    is("GET", "/con?restype=container&comp=acl", "",
       PROTO_OP_GET_CONTAINER_ACL);
    is("PUT", "/con?restype=container&comp=acl", "",
       PROTO_OP_SET_CONTAINER_ACL);
    is("DELETE", "/con?restype=container", "", PROTO_OP_DELETE_CONTAINER);
    is("PUT", "/con?restype=container&comp=undelete", "",
       PROTO_OP_UNDELETE_CONTAINER);
    is("PUT", "/con?restype=container&comp=rename", "",
       PROTO_OP_RENAME_CONTAINER);
    is("PUT", "/con?restype=container&comp=lease", "",
       PROTO_OP_LEASE_CONTAINER);
    is("GET", "/con?restype=container&comp=list", "", PROTO_OP_LIST_BLOBS);
    is("GET", "/con?COMP=List&ResType=Container", "", PROTO_OP_LIST_BLOBS);

    is("GET", "/con/b", "", PROTO_OP_GET_BLOB);
    is("GET", "/con/b?snapshot=x", "", PROTO_OP_GET_BLOB);
    is("GET", "/b.txt", "", PROTO_OP_GET_BLOB); /* of $root */
    is("HEAD", "/con/b", "", PROTO_OP_GET_BLOB_PROPERTIES);
    is("GET", "/con/b?comp=metadata", "", PROTO_OP_GET_BLOB_METADATA);
    is("HEAD", "/con/b?comp=metadata", "", PROTO_OP_GET_BLOB_METADATA);
    is("PUT", "/con/b?comp=properties", "", PROTO_OP_SET_BLOB_PROPERTIES);
    is("PUT", "/con/b?comp=metadata", "", PROTO_OP_SET_BLOB_METADATA);
    is("DELETE", "/con/b", "", PROTO_OP_DELETE_BLOB);
    is("DELETE", "/con/b?snapshot=x", "", PROTO_OP_DELETE_BLOB);
    is("PUT", "/con/b?comp=undelete", "", PROTO_OP_UNDELETE_BLOB);
    is("PUT", "/con/b?comp=lease", "", PROTO_OP_LEASE_BLOB);
    is("PUT", "/con/b?comp=snapshot", "", PROTO_OP_SNAPSHOT_BLOB);
    is("PUT", "/con/b?comp=copy&copyid=1", "", PROTO_OP_ABORT_COPY_BLOB);
    is("PUT", "/con/b?comp=tier", "", PROTO_OP_SET_BLOB_TIER);
    is("GET", "/con/b?comp=tags", "", PROTO_OP_GET_BLOB_TAGS);
    is("PUT", "/con/b?comp=tags", "", PROTO_OP_SET_BLOB_TAGS);
    is("POST", "/con/b?comp=query", "", PROTO_OP_QUERY_BLOB_CONTENTS);
    is("PUT", "/con/b?comp=immutabilityPolicies", "",
       PROTO_OP_SET_IMMUTABILITY_POLICY);
    is("DELETE", "/con/b?comp=immutabilityPolicies", "",
       PROTO_OP_DELETE_IMMUTABILITY_POLICY);
    is("PUT", "/con/b?comp=legalhold", "", PROTO_OP_SET_LEGAL_HOLD);
    is("PUT", "/con/b?comp=expiry", "", PROTO_OP_SET_BLOB_EXPIRY);
    is("PUT", "/con/b?comp=block&blockid=AA==", "", PROTO_OP_PUT_BLOCK);
    is("PUT", "/con/b?comp=blocklist", "", PROTO_OP_PUT_BLOCK_LIST);
    is("GET", "/con/b?comp=blocklist", "", PROTO_OP_GET_BLOCK_LIST);
    is("PUT", "/con/b?comp=appendblock", "", PROTO_OP_APPEND_BLOCK);
    is("PUT", "/con/b?comp=seal", "", PROTO_OP_SEAL_APPEND_BLOB);
    is("PUT", "/con/b?comp=page", "", PROTO_OP_PUT_PAGE);
    is("GET", "/con/b?comp=pagelist", "", PROTO_OP_GET_PAGE_RANGES);
    is("PUT", "/con/b?comp=incrementalcopy", COPY,
       PROTO_OP_INCREMENTAL_COPY_BLOB);
}


/* What only headers tell apart (blob-api 1.6). */
static void
by_header(void **state)
{
    (void) state;
    is("PUT", "/con/b", "", PROTO_OP_PUT_BLOB);
    is("PUT", "/con/b", "x-ms-blob-type: BlockBlob", PROTO_OP_PUT_BLOB);
    is("PUT", "/con/b", "x-ms-blob-type: nonsense", PROTO_OP_PUT_BLOB);
    is("PUT", "/con/b?comp=", "x-ms-blob-type: BlockBlob", PROTO_OP_PUT_BLOB);
    is("PUT", "/con/b", "x-ms-blob-type: AppendBlob",
       PROTO_OP_PUT_APPEND_BLOB);
    is("PUT", "/con/b", "x-ms-blob-type: PageBlob", PROTO_OP_PUT_PAGE_BLOB);
    is("PUT", "/con/b", COPY, PROTO_OP_COPY_BLOB);
    is("PUT", "/con/b", "x-ms-copy-source:", PROTO_OP_COPY_BLOB);
    is("PUT", "/con/b", COPY "|x-ms-requires-sync: True",
       PROTO_OP_COPY_BLOB_FROM_URL);
    is("PUT", "/con/b", COPY "|x-ms-blob-type: BlockBlob",
       PROTO_OP_PUT_BLOB_FROM_URL);
    is("PUT", "/con/b?comp=block", COPY, PROTO_OP_PUT_BLOCK_FROM_URL);
    is("PUT", "/con/b?comp=appendblock", COPY, PROTO_OP_APPEND_BLOCK_FROM_URL);
    is("PUT", "/con/b?comp=page", COPY, PROTO_OP_PUT_PAGE_FROM_URL);

    /* comp comes first: clients leave other headers lying around */
    is("PUT", "/con/b?comp=metadata", "x-ms-blob-type: BlockBlob",
       PROTO_OP_SET_BLOB_METADATA);
    is("PUT", "/con/b?comp=blocklist", "x-ms-blob-type: PageBlob",
       PROTO_OP_PUT_BLOCK_LIST);
    is("PUT", "/con/b?comp=metadata", COPY, PROTO_OP_SET_BLOB_METADATA);
    is("GET", "/con/b", COPY, PROTO_OP_GET_BLOB);
    is("DELETE", "/con/b", "x-ms-blob-type: PageBlob", PROTO_OP_DELETE_BLOB);
    is("PUT", "/con?restype=container", COPY, PROTO_OP_CREATE_CONTAINER);
    is("PUT", "/con?restype=container", "x-ms-blob-type: PageBlob",
       PROTO_OP_CREATE_CONTAINER);
}


static void
unknown(void **state)
{
    (void) state;
    none("GET", "/con/b?comp=nonsense",
         PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE);
    assert_view(fault.name, "comp");
    assert_view(fault.value, "nonsense");
    none("GET", "/con/b?restype=thing",
         PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE);
    assert_view(fault.name, "restype");
    none("GET", "/", PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE);
    assert_view(fault.name, "comp");
    none("GET", "/con/b?restype=container&comp=list",
         PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE);
    none("GET", "/con?comp=list", PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE);

    none("PATCH", "/con/b", PROTO_ERR_UNSUPPORTED_HTTP_VERB);
    none("get", "/con/b", PROTO_ERR_UNSUPPORTED_HTTP_VERB);
    none("TRACE", "/", PROTO_ERR_UNSUPPORTED_HTTP_VERB);
    none("POST", "/con/b", PROTO_ERR_UNSUPPORTED_HTTP_VERB);
    none("DELETE", "/?comp=list", PROTO_ERR_UNSUPPORTED_HTTP_VERB);
    none("HEAD", "/con?restype=container&comp=list",
         PROTO_ERR_UNSUPPORTED_HTTP_VERB);
    none("DELETE", "/con/b?comp=blocklist", PROTO_ERR_UNSUPPORTED_HTTP_VERB);
}


static void
table_is_whole(void **state)
{
    (void) state;

    for (unsigned i = 0; i < PROTO_OP_COUNT; i++) {
        const proto_op_t *op = proto_op_row((proto_op_id_t) i);

        assert_non_null(op->name);
        assert_non_null(op->method);
        assert_int_equal(op->id, i);
        assert_true(op->sas_type == 's' || op->sas_type == 'c'
                    || op->sas_type == 'o');
        assert_true((op->body == PROTO_BODY_NONE) == (op->body_limit == 0));

        /* what reads does not write, what nobody may do has no letters */
        if (strcmp(op->method, "GET") == 0 || strcmp(op->method, "HEAD") == 0)
        {
            assert_false(op->write);
        }

        if (op->service_sas) {
            assert_true(op->perms != PROTO_PERM_NONE);
        }

        /* a row that asks the origin for everything has no work of its own */
        assert_true(op->standalone == PROTO_NATIVE
                    || op->standalone == PROTO_REFUSE);

        if (op->with_origin == PROTO_NATIVE) {
            assert_int_equal(op->standalone, PROTO_NATIVE);
        }

        for (unsigned k = 0; k < i; k++) {
            assert_string_not_equal(proto_op_row((proto_op_id_t) k)->name,
                                    op->name);
        }
    }
}


/* The request that a row describes finds that row and no other. */
static void
every_row_is_reachable(void **state)
{
    static const char *const paths[] = { "/", "/con", "/con/b" };
    /* by header discriminator; see op.c */
    static const char *const hdrs[] = {
        "",
        COPY,
        COPY "|x-ms-requires-sync: true",
        COPY "|x-ms-blob-type: BlockBlob",
        COPY,
        "x-ms-blob-type: AppendBlob",
        "x-ms-blob-type: PageBlob",
    };

    (void) state;

    for (unsigned i = 0; i < PROTO_OP_COUNT; i++) {
        const proto_op_t *op = proto_op_row((proto_op_id_t) i);
        char target[256];

        assert_true(op->hint < sizeof(hdrs) / sizeof(hdrs[0]));
        snprintf(target, sizeof(target), "%s?x%s%s%s%s", paths[op->level],
                 op->restype == NULL ? "" : "&restype=",
                 op->restype == NULL ? "" : op->restype,
                 op->comp == NULL ? "" : "&comp=",
                 op->comp == NULL ? "" : op->comp);
        is(op->method, target, hdrs[op->hint], op->id);

        if (op->head) {
            is("HEAD", target, hdrs[op->hint], op->id);
        }
    }
}


/* blob-api 3.3, those that matter most. */
static void
rights(void **state)
{
    static const struct {
        proto_op_id_t id;
        char type;
        uint32_t perms;
        bool service;
    } want[] = {
        { PROTO_OP_LIST_CONTAINERS, 's', PROTO_PERM_L, false },
        { PROTO_OP_CREATE_CONTAINER, 'c', PROTO_PERM_C | PROTO_PERM_W, false },
        { PROTO_OP_DELETE_CONTAINER, 'c', PROTO_PERM_D, false },
        { PROTO_OP_GET_CONTAINER_PROPERTIES, 'c', PROTO_PERM_R, false },
        { PROTO_OP_GET_CONTAINER_ACL, 'c', PROTO_PERM_NONE, false },
        { PROTO_OP_SET_CONTAINER_ACL, 'c', PROTO_PERM_NONE, false },
        { PROTO_OP_LIST_BLOBS, 'c', PROTO_PERM_L, true },
        { PROTO_OP_GET_BLOB, 'o', PROTO_PERM_R, true },
        { PROTO_OP_GET_BLOB_PROPERTIES, 'o', PROTO_PERM_R, true },
        { PROTO_OP_PUT_BLOB, 'o', PROTO_PERM_C | PROTO_PERM_W, true },
        { PROTO_OP_PUT_BLOCK, 'o', PROTO_PERM_W, true },
        { PROTO_OP_PUT_BLOCK_LIST, 'o', PROTO_PERM_W, true },
        { PROTO_OP_SET_BLOB_METADATA, 'o', PROTO_PERM_W, true },
        { PROTO_OP_DELETE_BLOB, 'o', PROTO_PERM_D, true },
        { PROTO_OP_APPEND_BLOCK, 'o', PROTO_PERM_A | PROTO_PERM_W, true },
        { PROTO_OP_SET_BLOB_TAGS, 'o', PROTO_PERM_T, true },
        { PROTO_OP_GET_USER_DELEGATION_KEY, 's', PROTO_PERM_NONE, false },
        { PROTO_OP_BLOB_ACCOUNT_INFO, 'o', PROTO_PERM_ANY, true },
    };

    (void) state;

    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        const proto_op_t *op = proto_op_row(want[i].id);

        assert_int_equal(op->sas_type, want[i].type);
        assert_int_equal(op->perms, want[i].perms);
        assert_int_equal(op->service_sas, want[i].service);
    }
}


static void
limits(void **state)
{
    (void) state;
    assert_true(proto_op_row(PROTO_OP_PUT_BLOB)->body_limit
                == 5000ull * 1024 * 1024);
    assert_true(proto_op_row(PROTO_OP_PUT_BLOCK)->body_limit
                == 4000ull * 1024 * 1024);
    assert_int_equal(proto_op_row(PROTO_OP_PUT_BLOCK_LIST)->body,
                     PROTO_BODY_XML);
    /* 50,000 of the longest ids */
    assert_true(proto_op_row(PROTO_OP_PUT_BLOCK_LIST)->body_limit
                >= 50000ull
                       * (88 + sizeof("<Uncommitted></Uncommitted>\r\n")));
}


static void
names_of_the_refused(void **state)
{
    const proto_op_t *op = proto_op_row(PROTO_OP_BATCH);

    (void) state;
    fault = (proto_fault_t){ .err = PROTO_ERR_NOT_IMPLEMENTED };
    proto_op_fault_name(NULL, &fault);
    assert_view(fault.name, NULL);
    proto_op_fault_name(op, &fault);
    assert_view(fault.name, "Blob Batch");
    fault = (proto_fault_t){ .err = PROTO_ERR_BLOB_NOT_FOUND };
    proto_op_fault_name(op, &fault);
    assert_view(fault.name, NULL);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations),
        cmocka_unit_test(by_header),
        cmocka_unit_test(unknown),
        cmocka_unit_test(table_is_whole),
        cmocka_unit_test(every_row_is_reachable),
        cmocka_unit_test(rights),
        cmocka_unit_test(limits),
        cmocka_unit_test(names_of_the_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
