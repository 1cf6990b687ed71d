#include "proto/op.h"

#define MIB (1024ull * 1024)

/* What tells rows of one method, level and comp apart. */
enum {
    HINT_NONE = 0,
    HINT_COPY,      /* x-ms-copy-source, nothing else */
    HINT_COPY_SYNC, /* x-ms-copy-source, x-ms-requires-sync */
    HINT_COPY_TYPE, /* x-ms-copy-source, x-ms-blob-type */
    HINT_SOURCE,    /* x-ms-copy-source with a comp */
    HINT_APPEND,    /* x-ms-blob-type: AppendBlob */
    HINT_PAGE,      /* x-ms-blob-type: PageBlob */
};

#define R         PROTO_PERM_R
#define A         PROTO_PERM_A
#define C         PROTO_PERM_C
#define W         PROTO_PERM_W
#define D         PROTO_PERM_D
#define L         PROTO_PERM_L
#define T         PROTO_PERM_T
#define I         PROTO_PERM_I
#define F         PROTO_PERM_F
#define Y         PROTO_PERM_Y
#define X         PROTO_PERM_X
#define M         PROTO_PERM_M
#define ANY       PROTO_PERM_ANY
#define NONE      PROTO_PERM_NONE

#define ACCOUNT   PROTO_LEVEL_ACCOUNT
#define CONTAINER PROTO_LEVEL_CONTAINER
#define BLOB      PROTO_LEVEL_BLOB

#define NATIVE    PROTO_NATIVE
#define FORWARD   PROTO_FORWARD
#define REFUSE    PROTO_REFUSE

/* clang-format off */
#define ROW(id_, name_, level_, method_, head_, restype_, comp_, hint_,       \
            perms_, sas_, service_, body_, limit_, write_, origin_, alone_)   \
    [PROTO_OP_##id_] = {                                                      \
        .id = PROTO_OP_##id_, .name = name_, .level = level_,                 \
        .method = method_, .head = head_, .restype = restype_,                \
        .comp = comp_, .hint = hint_, .perms = perms_, .sas_type = sas_,      \
        .service_sas = service_, .body = PROTO_BODY_##body_,                  \
        .body_limit = limit_, .write = write_, .with_origin = origin_,        \
        .standalone = alone_ }

static const proto_op_t rows[PROTO_OP_COUNT] = {
    ROW(LIST_CONTAINERS, "List Containers", ACCOUNT, "GET", 0, NULL, "list", 0, L, 's', 0, NONE, 0, 0, FORWARD, NATIVE),
    ROW(GET_ACCOUNT_INFO, "Get Account Information", ACCOUNT, "GET", 1, "account", "properties", 0, ANY, 's', 1, NONE, 0, 0, NATIVE, NATIVE),
    ROW(GET_USER_DELEGATION_KEY, "Get User Delegation Key", ACCOUNT, "POST", 0, "service", "userdelegationkey", 0, NONE, 's', 0, XML, 64 * 1024, 0, FORWARD, REFUSE),
    ROW(GET_SERVICE_PROPERTIES, "Get Blob Service Properties", ACCOUNT, "GET", 0, "service", "properties", 0, R, 's', 0, NONE, 0, 0, FORWARD, NATIVE),
    ROW(SET_SERVICE_PROPERTIES, "Set Blob Service Properties", ACCOUNT, "PUT", 0, "service", "properties", 0, W, 's', 0, XML, 64 * 1024, 1, FORWARD, NATIVE),
    ROW(GET_SERVICE_STATS, "Get Blob Service Stats", ACCOUNT, "GET", 0, "service", "stats", 0, R, 's', 0, NONE, 0, 0, FORWARD, REFUSE),
    ROW(BATCH, "Blob Batch", ACCOUNT, "POST", 0, NULL, "batch", 0, ANY, 's', 0, XML, 4 * MIB, 1, NATIVE, NATIVE),
    ROW(FIND_BLOBS_BY_TAGS, "Find Blobs by Tags", ACCOUNT, "GET", 0, NULL, "blobs", 0, F, 's', 0, NONE, 0, 0, FORWARD, NATIVE),
    ROW(PREFLIGHT, "Preflight Blob Request", ACCOUNT, "OPTIONS", 0, NULL, NULL, 0, ANY, 's', 1, NONE, 0, 0, NATIVE, NATIVE),

    ROW(CREATE_CONTAINER, "Create Container", CONTAINER, "PUT", 0, "container", NULL, 0, C | W, 'c', 0, NONE, 0, 1, NATIVE, NATIVE),
    ROW(GET_CONTAINER_PROPERTIES, "Get Container Properties", CONTAINER, "GET", 1, "container", NULL, 0, R, 'c', 0, NONE, 0, 0, NATIVE, NATIVE),
    ROW(GET_CONTAINER_METADATA, "Get Container Metadata", CONTAINER, "GET", 1, "container", "metadata", 0, R, 'c', 0, NONE, 0, 0, NATIVE, NATIVE),
    ROW(SET_CONTAINER_METADATA, "Set Container Metadata", CONTAINER, "PUT", 0, "container", "metadata", 0, W, 'c', 0, NONE, 0, 1, FORWARD, NATIVE),
    ROW(GET_CONTAINER_ACL, "Get Container ACL", CONTAINER, "GET", 1, "container", "acl", 0, NONE, 'c', 0, NONE, 0, 0, NATIVE, NATIVE),
    ROW(SET_CONTAINER_ACL, "Set Container ACL", CONTAINER, "PUT", 0, "container", "acl", 0, NONE, 'c', 0, XML, 64 * 1024, 1, FORWARD, NATIVE),
    ROW(DELETE_CONTAINER, "Delete Container", CONTAINER, "DELETE", 0, "container", NULL, 0, D, 'c', 0, NONE, 0, 1, FORWARD, NATIVE),
    ROW(UNDELETE_CONTAINER, "Restore Container", CONTAINER, "PUT", 0, "container", "undelete", 0, W, 'c', 0, NONE, 0, 1, FORWARD, REFUSE),
    ROW(RENAME_CONTAINER, "Rename Container", CONTAINER, "PUT", 0, "container", "rename", 0, W, 'c', 0, NONE, 0, 1, FORWARD, REFUSE),
    ROW(LEASE_CONTAINER, "Lease Container", CONTAINER, "PUT", 0, "container", "lease", 0, W | D, 'c', 0, NONE, 0, 1, FORWARD, NATIVE),
    ROW(LIST_BLOBS, "List Blobs", CONTAINER, "GET", 0, "container", "list", 0, L, 'c', 1, NONE, 0, 0, NATIVE, NATIVE),
    ROW(CONTAINER_BATCH, "Blob Batch (container)", CONTAINER, "POST", 0, "container", "batch", 0, ANY, 'c', 1, XML, 4 * MIB, 1, NATIVE, NATIVE),
    ROW(CONTAINER_FIND_BLOBS_BY_TAGS, "Find Blobs by Tags in Container", CONTAINER, "GET", 0, "container", "blobs", 0, F, 'c', 1, NONE, 0, 0, FORWARD, NATIVE),
    ROW(CONTAINER_ACCOUNT_INFO, "Get Account Information (container)", CONTAINER, "GET", 1, "account", "properties", 0, ANY, 'c', 1, NONE, 0, 0, NATIVE, NATIVE),

    ROW(GET_BLOB, "Get Blob", BLOB, "GET", 0, NULL, NULL, 0, R, 'o', 1, NONE, 0, 0, NATIVE, NATIVE),
    ROW(GET_BLOB_PROPERTIES, "Get Blob Properties", BLOB, "HEAD", 0, NULL, NULL, 0, R, 'o', 1, NONE, 0, 0, NATIVE, NATIVE),
    ROW(GET_BLOB_METADATA, "Get Blob Metadata", BLOB, "GET", 1, NULL, "metadata", 0, R, 'o', 1, NONE, 0, 0, NATIVE, NATIVE),
    ROW(SET_BLOB_PROPERTIES, "Set Blob Properties", BLOB, "PUT", 0, NULL, "properties", 0, W, 'o', 1, NONE, 0, 1, NATIVE, NATIVE),
    ROW(SET_BLOB_METADATA, "Set Blob Metadata", BLOB, "PUT", 0, NULL, "metadata", 0, W, 'o', 1, NONE, 0, 1, NATIVE, NATIVE),
    ROW(DELETE_BLOB, "Delete Blob", BLOB, "DELETE", 0, NULL, NULL, 0, D, 'o', 1, NONE, 0, 1, NATIVE, NATIVE),
    ROW(UNDELETE_BLOB, "Undelete Blob", BLOB, "PUT", 0, NULL, "undelete", 0, W, 'o', 1, NONE, 0, 1, FORWARD, REFUSE),
    ROW(LEASE_BLOB, "Lease Blob", BLOB, "PUT", 0, NULL, "lease", 0, W | D, 'o', 1, NONE, 0, 1, FORWARD, NATIVE),
    ROW(SNAPSHOT_BLOB, "Snapshot Blob", BLOB, "PUT", 0, NULL, "snapshot", 0, C | W, 'o', 1, NONE, 0, 1, FORWARD, NATIVE),
    ROW(COPY_BLOB, "Copy Blob", BLOB, "PUT", 0, NULL, NULL, HINT_COPY, C | W, 'o', 1, NONE, 0, 1, NATIVE, NATIVE),
    ROW(COPY_BLOB_FROM_URL, "Copy Blob From URL", BLOB, "PUT", 0, NULL, NULL, HINT_COPY_SYNC, C | W, 'o', 1, NONE, 0, 1, NATIVE, NATIVE),
    ROW(ABORT_COPY_BLOB, "Abort Copy Blob", BLOB, "PUT", 0, NULL, "copy", 0, W, 'o', 1, NONE, 0, 1, FORWARD, NATIVE),
    ROW(SET_BLOB_TIER, "Set Blob Tier", BLOB, "PUT", 0, NULL, "tier", 0, W, 'o', 1, NONE, 0, 1, NATIVE, NATIVE),
    ROW(GET_BLOB_TAGS, "Get Blob Tags", BLOB, "GET", 0, NULL, "tags", 0, T, 'o', 1, NONE, 0, 0, NATIVE, NATIVE),
    ROW(SET_BLOB_TAGS, "Set Blob Tags", BLOB, "PUT", 0, NULL, "tags", 0, T, 'o', 1, XML, 64 * 1024, 1, NATIVE, NATIVE),
    ROW(QUERY_BLOB_CONTENTS, "Query Blob Contents", BLOB, "POST", 0, NULL, "query", 0, R, 'o', 1, XML, 256 * 1024, 0, FORWARD, REFUSE),
    ROW(SET_IMMUTABILITY_POLICY, "Set Blob Immutability Policy", BLOB, "PUT", 0, NULL, "immutabilityPolicies", 0, I, 'o', 1, NONE, 0, 1, FORWARD, REFUSE),
    ROW(DELETE_IMMUTABILITY_POLICY, "Delete Blob Immutability Policy", BLOB, "DELETE", 0, NULL, "immutabilityPolicies", 0, I, 'o', 1, NONE, 0, 1, FORWARD, REFUSE),
    ROW(SET_LEGAL_HOLD, "Set Blob Legal Hold", BLOB, "PUT", 0, NULL, "legalhold", 0, I, 'o', 1, NONE, 0, 1, FORWARD, REFUSE),
    ROW(SET_BLOB_EXPIRY, "Set Blob Expiry", BLOB, "PUT", 0, NULL, "expiry", 0, W, 'o', 1, NONE, 0, 1, FORWARD, REFUSE),
    ROW(BLOB_ACCOUNT_INFO, "Get Account Information (blob)", BLOB, "GET", 1, "account", "properties", 0, ANY, 'o', 1, NONE, 0, 0, NATIVE, NATIVE),

    ROW(PUT_BLOB, "Put Blob", BLOB, "PUT", 0, NULL, NULL, 0, C | W, 'o', 1, STREAM, 5000 * MIB, 1, NATIVE, NATIVE),
    ROW(PUT_BLOB_FROM_URL, "Put Blob From URL", BLOB, "PUT", 0, NULL, NULL, HINT_COPY_TYPE, C | W, 'o', 1, NONE, 0, 1, NATIVE, NATIVE),
    ROW(PUT_BLOCK, "Put Block", BLOB, "PUT", 0, NULL, "block", 0, W, 'o', 1, STREAM, 4000 * MIB, 1, NATIVE, NATIVE),
    ROW(PUT_BLOCK_FROM_URL, "Put Block From URL", BLOB, "PUT", 0, NULL, "block", HINT_SOURCE, W, 'o', 1, NONE, 0, 1, NATIVE, NATIVE),
    ROW(PUT_BLOCK_LIST, "Put Block List", BLOB, "PUT", 0, NULL, "blocklist", 0, W, 'o', 1, XML, 8 * MIB, 1, NATIVE, NATIVE),
    ROW(GET_BLOCK_LIST, "Get Block List", BLOB, "GET", 0, NULL, "blocklist", 0, R, 'o', 1, NONE, 0, 0, NATIVE, NATIVE),

    ROW(PUT_APPEND_BLOB, "Put Blob (append blob)", BLOB, "PUT", 0, NULL, NULL, HINT_APPEND, C | W, 'o', 1, NONE, 0, 1, FORWARD, NATIVE),
    ROW(PUT_PAGE_BLOB, "Put Blob (page blob)", BLOB, "PUT", 0, NULL, NULL, HINT_PAGE, C | W, 'o', 1, NONE, 0, 1, FORWARD, REFUSE),
    ROW(APPEND_BLOCK, "Append Block", BLOB, "PUT", 0, NULL, "appendblock", 0, A | W, 'o', 1, STREAM, 100 * MIB, 1, FORWARD, NATIVE),
    ROW(APPEND_BLOCK_FROM_URL, "Append Block From URL", BLOB, "PUT", 0, NULL, "appendblock", HINT_SOURCE, A | W, 'o', 1, NONE, 0, 1, FORWARD, NATIVE),
    ROW(SEAL_APPEND_BLOB, "Append Blob Seal", BLOB, "PUT", 0, NULL, "seal", 0, W, 'o', 1, NONE, 0, 1, FORWARD, NATIVE),
    ROW(PUT_PAGE, "Put Page", BLOB, "PUT", 0, NULL, "page", 0, W, 'o', 1, STREAM, 4 * MIB, 1, FORWARD, REFUSE),
    ROW(PUT_PAGE_FROM_URL, "Put Page From URL", BLOB, "PUT", 0, NULL, "page", HINT_SOURCE, W, 'o', 1, NONE, 0, 1, FORWARD, REFUSE),
    ROW(GET_PAGE_RANGES, "Get Page Ranges", BLOB, "GET", 0, NULL, "pagelist", 0, R, 'o', 1, NONE, 0, 0, FORWARD, REFUSE),
    ROW(INCREMENTAL_COPY_BLOB, "Incremental Copy Blob", BLOB, "PUT", 0, NULL, "incrementalcopy", 0, C | W, 'o', 1, NONE, 0, 1, FORWARD, REFUSE),
};
/* clang-format on */

#undef X
#undef I
#undef C


const proto_op_t *
proto_op_row(proto_op_id_t id)
{
    return &rows[id];
}


uint64_t
proto_op_body_limit(const proto_op_t *op, uint32_t version)
{
    static const struct {
        proto_op_id_t id;
        uint32_t before;
        uint64_t limit;
    } limits[] = {
        { PROTO_OP_PUT_BLOB, 20160531, 64 * MIB },
        { PROTO_OP_PUT_BLOB, 20191212, 256 * MIB },
        { PROTO_OP_PUT_BLOCK, 20160531, 4 * MIB },
        { PROTO_OP_PUT_BLOCK, 20191212, 100 * MIB },
        { PROTO_OP_APPEND_BLOCK, 20221102, 4 * MIB },
    };

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        if (version != 0 && limits[i].id == op->id
            && version < limits[i].before) {
            return limits[i].limit;
        }
    }

    return op->body_limit;
}


void
proto_op_fault_name(const proto_op_t *op, proto_fault_t *fault)
{
    if (op != NULL && fault->name.ptr == NULL
        && (fault->err == PROTO_ERR_NOT_IMPLEMENTED
            || fault->err == PROTO_ERR_OPERATION_NOT_SUPPORTED))
    {
        fault->name = view_str(op->name);
    }
}


static proto_level_t
uri_level(const proto_uri_t *uri)
{
    if (uri->container.len == 0) {
        return PROTO_LEVEL_ACCOUNT;
    }

    return uri->blob.len == 0 ? PROTO_LEVEL_CONTAINER : PROTO_LEVEL_BLOB;
}


static unsigned
hint_of(const proto_headers_t *h, bool has_comp)
{
    view_t type = proto_hdr(h, PROTO_HDR_X_MS_BLOB_TYPE);

    if (proto_hdr(h, PROTO_HDR_X_MS_COPY_SOURCE).ptr != NULL) {
        if (has_comp) {
            return HINT_SOURCE;
        }

        if (type.ptr != NULL) {
            return HINT_COPY_TYPE;
        }

        return proto_hdr(h, PROTO_HDR_X_MS_REQUIRES_SYNC).len != 0
                 ? HINT_COPY_SYNC
                 : HINT_COPY;
    }

    if (has_comp) {
        return HINT_NONE;
    }

    if (view_eq_ci(type, VIEW("AppendBlob"))) {
        return HINT_APPEND;
    }

    return view_eq_ci(type, VIEW("PageBlob")) ? HINT_PAGE : HINT_NONE;
}


static bool
word_is(view_t v, const char *word)
{
    return word == NULL ? v.len == 0 : view_eq_ci(v, view_str(word));
}


static bool
method_is(const proto_op_t *op, view_t method)
{
    return view_eq(method, view_str(op->method))
        || (op->head && view_eq(method, VIEW("HEAD")));
}


/* Rows of Put Block and its like take a copy source only where a row says
 * so; elsewhere the header is not what tells rows apart. */
static bool
hint_is(const proto_op_t *op, unsigned hint)
{
    if (!view_eq(view_str(op->method), VIEW("PUT"))
        || op->level != PROTO_LEVEL_BLOB)
    {
        return true;
    }

    if (op->comp == NULL) {
        return op->hint == hint;
    }

    if (op->id == PROTO_OP_PUT_BLOCK || op->id == PROTO_OP_APPEND_BLOCK
        || op->id == PROTO_OP_PUT_PAGE)
    {
        return hint == HINT_NONE;
    }

    return op->hint == HINT_NONE || op->hint == hint;
}


static const proto_op_t *
op_fault(proto_fault_t *fault, const proto_uri_t *uri, bool verb_known,
         bool resource_known)
{
    view_t comp = proto_uri_param(uri, PROTO_PARAM_COMP);
    view_t restype = proto_uri_param(uri, PROTO_PARAM_RESTYPE);

    if (resource_known || !verb_known) {
        (void) proto_fault(fault, PROTO_ERR_UNSUPPORTED_HTTP_VERB, VIEW_NULL,
                           VIEW_NULL);

    } else if (comp.len != 0 || restype.len == 0) {
        (void) proto_fault(fault, PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE,
                           VIEW("comp"), comp);

    } else {
        (void) proto_fault(fault, PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE,
                           VIEW("restype"), restype);
    }

    return NULL;
}


static bool
is_verb(view_t m)
{
    return view_eq(m, VIEW("GET")) || view_eq(m, VIEW("HEAD"))
        || view_eq(m, VIEW("PUT")) || view_eq(m, VIEW("POST"))
        || view_eq(m, VIEW("DELETE")) || view_eq(m, VIEW("OPTIONS"));
}


const proto_op_t *
proto_op_find(view_t method, const proto_uri_t *uri,
              const proto_headers_t *headers, proto_fault_t *fault)
{
    view_t restype = proto_uri_param(uri, PROTO_PARAM_RESTYPE);
    view_t comp = proto_uri_param(uri, PROTO_PARAM_COMP);
    proto_level_t level = uri_level(uri);
    unsigned hint = hint_of(headers, comp.len != 0);
    bool resource_known = false;

    if (view_eq(method, VIEW("OPTIONS"))) {
        return &rows[PROTO_OP_PREFLIGHT];
    }

    /* the JS SDK's batch treats a path-style account as a container */
    if (level == PROTO_LEVEL_ACCOUNT && view_eq_ci(comp, VIEW("batch"))) {
        restype = VIEW_NULL;
    }

    for (unsigned i = 0; i < PROTO_OP_COUNT; i++) {
        const proto_op_t *op = &rows[i];

        if (op->level != level || i == PROTO_OP_PREFLIGHT
            || !word_is(comp, op->comp) || !word_is(restype, op->restype))
        {
            continue;
        }

        resource_known = true;

        if (method_is(op, method) && hint_is(op, hint)) {
            return op;
        }
    }

    return op_fault(fault, uri, is_verb(method), resource_known);
}


bool
proto_op_makes_blob(proto_op_id_t op)
{
    return op == PROTO_OP_PUT_BLOB || op == PROTO_OP_PUT_APPEND_BLOB
        || op == PROTO_OP_PUT_PAGE_BLOB || op == PROTO_OP_PUT_BLOCK_LIST
        || op == PROTO_OP_PUT_BLOB_FROM_URL || op == PROTO_OP_COPY_BLOB
        || op == PROTO_OP_COPY_BLOB_FROM_URL;
}
