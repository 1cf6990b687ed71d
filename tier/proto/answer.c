#include "proto/answer.h"

#include "base/digest.h"
#include "proto/access_tier.h"
#include "proto/date.h"
#include "proto/lease.h"
#include "proto/reply.h"
#include "proto/tags.h"

static const view_t meta_prefix = { (const uint8_t *) "x-ms-meta-", 10 };

typedef bool (*take_fn)(view_t value, blob_props_t *props);

static bool
take_type(view_t v, blob_props_t *props)
{
    if (view_eq_ci(v, VIEW("BlockBlob"))) {
        props->type = BLOB_BLOCK;

    } else if (view_eq_ci(v, VIEW("PageBlob"))) {
        props->type = BLOB_PAGE;

    } else if (view_eq_ci(v, VIEW("AppendBlob"))) {
        props->type = BLOB_APPEND;

    } else {
        return false;
    }

    return true;
}

static bool
take_tier(view_t v, blob_props_t *props)
{
    (void) proto_tier_parse(v, &props->tier);
    return true; /* page blobs have P4 and the like */
}

static bool
take_md5(view_t v, blob_props_t *props)
{
    size_t len;

    props->has_md5 = base64_decode(v, props->md5, sizeof(props->md5), &len)
                  && len == sizeof(props->md5);
    return true;
}

static bool
take_etag(view_t v, blob_props_t *props)
{
    props->etag = proto_answer_etag(v);
    return props->etag.len != 0;
}

static bool
take_length(view_t v, blob_props_t *props)
{
    return view_to_u64(v, &props->content_length);
}

static bool
take_modified(view_t v, blob_props_t *props)
{
    return proto_date_parse_http(v, &props->last_modified_s);
}

static bool
take_created(view_t v, blob_props_t *props)
{
    return proto_date_parse_http(v, &props->creation_time_s);
}

/* A tier that nobody set is none: it is answered as Hot, inferred. */
static bool
take_tier_inferred(view_t v, blob_props_t *props)
{
    if (view_eq_ci(v, VIEW("true")) && props->tier == TIER_HOT) {
        props->tier = TIER_NONE;
    }

    return true;
}

static bool
take_tier_change(view_t v, blob_props_t *props)
{
    return proto_date_parse_http(v, &props->tier_change_time_s);
}

static bool
take_blocks(view_t v, blob_props_t *props)
{
    uint64_t n;

    if (!view_to_u64(v, &n) || n > UINT32_MAX) {
        return false;
    }

    props->committed_blocks = (uint32_t) n;
    return true;
}

static bool
take_sealed(view_t v, blob_props_t *props)
{
    props->sealed = view_eq_ci(v, VIEW("true"));
    return true;
}

static bool
take_content_type(view_t v, blob_props_t *props)
{
    props->content_type = v;
    return true;
}

static bool
take_encoding(view_t v, blob_props_t *props)
{
    props->content_encoding = v;
    return true;
}

static bool
take_language(view_t v, blob_props_t *props)
{
    props->content_language = v;
    return true;
}

static bool
take_disposition(view_t v, blob_props_t *props)
{
    props->content_disposition = v;
    return true;
}

static bool
take_cache_control(view_t v, blob_props_t *props)
{
    props->cache_control = v;
    return true;
}

static bool
take_copy_id(view_t v, blob_props_t *props)
{
    props->copy_id = v;
    return true;
}

static bool
take_copy_status(view_t v, blob_props_t *props)
{
    props->copy_status = proto_copy_status_parse(v);
    return true;
}

static bool
take_copy_source(view_t v, blob_props_t *props)
{
    props->copy_source = proto_answer_copy_source(v);
    return true;
}

static bool
take_copy_progress(view_t v, blob_props_t *props)
{
    size_t slash = view_find(v, '/', 0);

    if (!view_to_u64(view_sub(v, 0, slash), &props->copy_done)
        || !view_to_u64(view_sub(v, slash + 1, v.len), &props->copy_total))
    {
        props->copy_done = 0;
        props->copy_total = 0;
    }

    return true;
}

static bool
take_copy_completion(view_t v, blob_props_t *props)
{
    (void) proto_date_parse_http(v, &props->copy_completion_time_s);
    return true;
}

static bool
take_copy_text(view_t v, blob_props_t *props)
{
    props->copy_status_text = v;
    return true;
}

static bool
take_tag_count(view_t v, blob_props_t *props)
{
    uint64_t n;

    if (view_to_u64(v, &n) && n <= UINT32_MAX) {
        props->tag_count = (uint32_t) n;
    }

    return true;
}

static bool
take_archive_status(view_t v, blob_props_t *props)
{
    props->archive_status = v;
    return true;
}

static bool
take_version_id(view_t v, blob_props_t *props)
{
    props->version_id = v;
    return true;
}

static const struct {
    const char *name;
    take_fn take;
} fields[] = {
    { "etag", take_etag },
    { "last-modified", take_modified },
    { "content-length", take_length },
    { "content-type", take_content_type },
    { "content-encoding", take_encoding },
    { "content-language", take_language },
    { "content-disposition", take_disposition },
    { "cache-control", take_cache_control },
    { "content-md5", take_md5 },
    { "x-ms-blob-type", take_type },
    { "x-ms-access-tier", take_tier },
    { "x-ms-access-tier-inferred", take_tier_inferred },
    { "x-ms-access-tier-change-time", take_tier_change },
    { "x-ms-creation-time", take_created },
    { "x-ms-blob-committed-block-count", take_blocks },
    { "x-ms-blob-sealed", take_sealed },
    { "x-ms-copy-id", take_copy_id },
    { "x-ms-copy-status", take_copy_status },
    { "x-ms-copy-source", take_copy_source },
    { "x-ms-copy-progress", take_copy_progress },
    { "x-ms-copy-completion-time", take_copy_completion },
    { "x-ms-copy-status-description", take_copy_text },
    { "x-ms-tag-count", take_tag_count },
    { "x-ms-archive-status", take_archive_status },
    { "x-ms-version-id", take_version_id },
};

view_t
proto_answer_copy_source(view_t url)
{
    size_t end = view_find(url, '?', 0);

    while (end < url.len) {
        view_t rest = view_sub(url, end + 1, url.len);

        if (!view_starts_with(rest, VIEW("snapshot="))
            && !view_starts_with(rest, VIEW("versionid=")))
        {
            break;
        }

        end = view_find(url, '&', end + 1);
    }

    return view_sub(url, 0, end);
}

view_t
proto_answer_header(const proto_header_t *hdrs, unsigned n, view_t name)
{
    for (unsigned i = 0; i < n; i++) {
        if (view_eq_ci(hdrs[i].name, name)) {
            return hdrs[i].value;
        }
    }

    return VIEW_NULL;
}

view_t
proto_answer_etag(view_t quoted)
{
    view_t v = view_trim(quoted);

    if (view_starts_with(v, VIEW("W/"))) {
        v = view_sub(v, 2, v.len);
    }

    if (v.len >= 2 && v.ptr[0] == '"' && v.ptr[v.len - 1] == '"') {
        v = view_sub(v, 1, v.len - 2);
    }

    return v;
}

static bool
take_metadata(const proto_header_t *hdrs, unsigned n, writer_t *scratch,
              view_t *ret)
{
    size_t start = scratch->len;

    for (unsigned i = 0; i < n; i++) {
        view_t name = hdrs[i].name;

        if (name.len > meta_prefix.len
            && view_eq_ci(view_sub(name, 0, meta_prefix.len), meta_prefix))
        {
            props_pairs_put(scratch, view_sub(name, meta_prefix.len, name.len),
                            view_trim(hdrs[i].value));
        }
    }

    *ret = view_of(scratch->buf + start, scratch->len - start);
    return writer_ok(scratch);
}

static void
take_lease(const proto_header_t *hdrs, unsigned n, lease_t *ret)
{
    proto_lease_said(
        view_trim(proto_answer_header(hdrs, n, VIEW("x-ms-lease-state"))),
        view_trim(proto_answer_header(hdrs, n, VIEW("x-ms-lease-duration"))),
        ret);
}

bool
proto_answer_blob(const proto_header_t *hdrs, unsigned n, writer_t *scratch,
                  blob_props_t *ret)
{
    blob_props_t props = { .tier = TIER_NONE };
    view_t v, md5;
    unsigned must = 3;

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        v = proto_answer_header(hdrs, n, view_str(fields[i].name));

        if (v.ptr == NULL) {
            continue;
        }

        if (!fields[i].take(view_trim(v), &props)) {
            return false;
        }

        must -= i < 3; /* the first three of the table */
    }

    /* a range's answer has the blob's own MD5 apart */
    md5 = proto_answer_header(hdrs, n, VIEW("x-ms-blob-content-md5"));

    if (md5.len != 0) {
        (void) take_md5(view_trim(md5), &props);
    }

    if (must != 0 || !take_metadata(hdrs, n, scratch, &props.metadata)) {
        return false;
    }

    take_lease(hdrs, n, &props.lease);

    if (props.creation_time_s == 0) {
        props.creation_time_s = props.last_modified_s;
    }

    *ret = props;
    return true;
}

static bool
is_printable(view_t v)
{
    for (size_t i = 0; i < v.len; i++) {
        if (v.ptr[i] < 0x20 || v.ptr[i] == 0x7F) {
            return false;
        }
    }

    return true;
}

void
proto_answer_source(const proto_header_t *hdrs, unsigned n, blob_props_t *ret)
{
    *ret = (blob_props_t){ .tier = TIER_NONE };

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        view_t v =
            view_trim(proto_answer_header(hdrs, n, view_str(fields[i].name)));
        blob_props_t with = *ret;

        if (v.ptr != NULL && is_printable(v) && fields[i].take(v, &with)) {
            *ret = with;
        }
    }

    /* of the source alone: its copy has what it is given */
    ret->tag_count = 0;
    ret->archive_status = VIEW_NULL;
}

void
proto_answer_refresh(blob_props_t *props, const blob_props_t *heard)
{
    props->tier = heard->tier;
    props->tier_change_time_s = heard->tier_change_time_s;
    props->archive_status = heard->archive_status;
    props->lease = heard->lease;

    if (proto_tags_count(props) != heard->tag_count) {
        props->tags = VIEW_NULL;
    }

    props->tag_count = heard->tag_count;
}

static bool
says(const proto_header_t *hdrs, unsigned n, view_t name)
{
    return view_eq_ci(proto_answer_header(hdrs, n, name), VIEW("true"));
}


/* What Get Container Properties may say and container_props_t has no place
 * for. */
static bool
container_beyond(const proto_header_t *hdrs, unsigned n)
{
    view_t scope =
        proto_answer_header(hdrs, n, VIEW("x-ms-default-encryption-scope"));

    return says(hdrs, n, VIEW("x-ms-has-immutability-policy"))
        || says(hdrs, n, VIEW("x-ms-has-legal-hold"))
        || says(hdrs, n, VIEW("x-ms-deny-encryption-scope-override"))
        || says(hdrs, n,
                VIEW("x-ms-immutable-storage-with-versioning-enabled"))
        || (scope.len != 0
            && !view_eq(scope, VIEW("$account-encryption-key")));
}


bool
proto_answer_container(const proto_header_t *hdrs, unsigned n,
                       writer_t *scratch, container_props_t *ret)
{
    view_t etag = proto_answer_header(hdrs, n, VIEW("etag"));
    view_t lm = proto_answer_header(hdrs, n, VIEW("last-modified"));
    view_t access =
        proto_answer_header(hdrs, n, VIEW("x-ms-blob-public-access"));
    container_props_t props = { .etag = proto_answer_etag(etag),
                                .beyond = container_beyond(hdrs, n),
                                .acl = ret->acl };

    if (props.etag.len == 0
        || !proto_date_parse_http(lm, &props.last_modified_s)
        || !take_metadata(hdrs, n, scratch, &props.metadata))
    {
        return false;
    }

    take_lease(hdrs, n, &props.lease);

    if (view_eq_ci(access, VIEW("container"))) {
        props.public_access = 2;

    } else if (view_eq_ci(access, VIEW("blob"))) {
        props.public_access = 1;
    }

    *ret = props;
    return true;
}

bool
proto_answer_content_range(view_t v, uint64_t *ret_off, uint64_t *ret_len,
                           uint64_t *ret_total)
{
    uint64_t from, to, total;
    size_t dash, slash;

    v = view_trim(v);

    if (!view_starts_with(v, VIEW("bytes "))) {
        return false;
    }

    v = view_trim(view_sub(v, 6, v.len));
    dash = view_find(v, '-', 0);
    slash = view_find(v, '/', dash);

    if (slash >= v.len || !view_to_u64(view_sub(v, 0, dash), &from)
        || !view_to_u64(view_sub(v, dash + 1, slash - dash - 1), &to)
        || !view_to_u64(view_sub(v, slash + 1, v.len), &total) || to < from
        || to >= total)
    {
        return false;
    }

    *ret_off = from;
    *ret_len = to - from + 1;
    *ret_total = total;
    return true;
}

proto_err_t
proto_answer_error(unsigned status, view_t code)
{
    if (status >= 500 || status == 429 || status == 401 || status == 403) {
        return PROTO_ERR_SERVER_BUSY;
    }

    for (int err = PROTO_OK + 1; code.len != 0 && err < PROTO_ERR_COUNT; err++)
    {
        const proto_error_row_t *row = proto_error_row((proto_err_t) err);

        if (row->status == status && view_eq(view_str(row->code), code)) {
            return (proto_err_t) err;
        }
    }

    switch (status) {
    case 304:
        return PROTO_ERR_NOT_MODIFIED;
    case 404:
        return PROTO_ERR_BLOB_NOT_FOUND;
    case 412:
        return PROTO_ERR_CONDITION_NOT_MET;
    case 416:
        return PROTO_ERR_INVALID_RANGE;
    default:
        return PROTO_ERR_INTERNAL_ERROR;
    }
}
