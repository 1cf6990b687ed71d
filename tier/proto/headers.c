#include "base/digest.h"
#include "proto/access_tier.h"
#include "proto/date.h"
#include "proto/headers.h"

#define CLIENT_REQUEST_ID_MAX 1024

#define NAME(id, text)                                                        \
    [PROTO_HDR_##id] = { (const uint8_t *) text, sizeof(text) - 1 }

static const view_t header_names[PROTO_HDR_COUNT] = {
    NAME(AUTHORIZATION, "authorization"),
    NAME(CACHE_CONTROL, "cache-control"),
    NAME(CONTENT_ENCODING, "content-encoding"),
    NAME(CONTENT_LANGUAGE, "content-language"),
    NAME(CONTENT_LENGTH, "content-length"),
    NAME(CONTENT_MD5, "content-md5"),
    NAME(CONTENT_TYPE, "content-type"),
    NAME(DATE, "date"),
    NAME(IF_MATCH, "if-match"),
    NAME(IF_MODIFIED_SINCE, "if-modified-since"),
    NAME(IF_NONE_MATCH, "if-none-match"),
    NAME(IF_UNMODIFIED_SINCE, "if-unmodified-since"),
    NAME(ORIGIN, "origin"),
    NAME(RANGE, "range"),
    NAME(TRANSFER_ENCODING, "transfer-encoding"),
    NAME(X_MS_ACCESS_TIER, "x-ms-access-tier"),
    NAME(X_MS_BLOB_CACHE_CONTROL, "x-ms-blob-cache-control"),
    NAME(X_MS_BLOB_CONDITION_APPENDPOS, "x-ms-blob-condition-appendpos"),
    NAME(X_MS_BLOB_CONDITION_MAXSIZE, "x-ms-blob-condition-maxsize"),
    NAME(X_MS_BLOB_CONTENT_DISPOSITION, "x-ms-blob-content-disposition"),
    NAME(X_MS_BLOB_CONTENT_ENCODING, "x-ms-blob-content-encoding"),
    NAME(X_MS_BLOB_CONTENT_LANGUAGE, "x-ms-blob-content-language"),
    NAME(X_MS_BLOB_CONTENT_LENGTH, "x-ms-blob-content-length"),
    NAME(X_MS_BLOB_CONTENT_MD5, "x-ms-blob-content-md5"),
    NAME(X_MS_BLOB_CONTENT_TYPE, "x-ms-blob-content-type"),
    NAME(X_MS_BLOB_PUBLIC_ACCESS, "x-ms-blob-public-access"),
    NAME(X_MS_BLOB_TYPE, "x-ms-blob-type"),
    NAME(X_MS_CLIENT_REQUEST_ID, "x-ms-client-request-id"),
    NAME(X_MS_CONTENT_CRC64, "x-ms-content-crc64"),
    NAME(X_MS_COPY_ACTION, "x-ms-copy-action"),
    NAME(X_MS_COPY_SOURCE, "x-ms-copy-source"),
    NAME(X_MS_COPY_SOURCE_AUTHORIZATION, "x-ms-copy-source-authorization"),
    NAME(X_MS_COPY_SOURCE_BLOB_PROPERTIES, "x-ms-copy-source-blob-properties"),
    NAME(X_MS_COPY_SOURCE_TAG_OPTION, "x-ms-copy-source-tag-option"),
    NAME(X_MS_DATE, "x-ms-date"),
    NAME(X_MS_DELETE_SNAPSHOTS, "x-ms-delete-snapshots"),
    NAME(X_MS_ENCRYPTION_ALGORITHM, "x-ms-encryption-algorithm"),
    NAME(X_MS_ENCRYPTION_KEY, "x-ms-encryption-key"),
    NAME(X_MS_ENCRYPTION_SCOPE, "x-ms-encryption-scope"),
    NAME(X_MS_IF_TAGS, "x-ms-if-tags"),
    NAME(X_MS_IMMUTABILITY_POLICY_MODE, "x-ms-immutability-policy-mode"),
    NAME(X_MS_IMMUTABILITY_POLICY_UNTIL_DATE,
         "x-ms-immutability-policy-until-date"),
    NAME(X_MS_LEASE_ACTION, "x-ms-lease-action"),
    NAME(X_MS_LEASE_BREAK_PERIOD, "x-ms-lease-break-period"),
    NAME(X_MS_LEASE_DURATION, "x-ms-lease-duration"),
    NAME(X_MS_LEASE_ID, "x-ms-lease-id"),
    NAME(X_MS_LEGAL_HOLD, "x-ms-legal-hold"),
    NAME(X_MS_PAGE_WRITE, "x-ms-page-write"),
    NAME(X_MS_PROPOSED_LEASE_ID, "x-ms-proposed-lease-id"),
    NAME(X_MS_RANGE, "x-ms-range"),
    NAME(X_MS_RANGE_GET_CONTENT_CRC64, "x-ms-range-get-content-crc64"),
    NAME(X_MS_RANGE_GET_CONTENT_MD5, "x-ms-range-get-content-md5"),
    NAME(X_MS_REHYDRATE_PRIORITY, "x-ms-rehydrate-priority"),
    NAME(X_MS_REQUIRES_SYNC, "x-ms-requires-sync"),
    NAME(X_MS_SOURCE_CONTENT_CRC64, "x-ms-source-content-crc64"),
    NAME(X_MS_SOURCE_CONTENT_MD5, "x-ms-source-content-md5"),
    NAME(X_MS_SOURCE_IF_MATCH, "x-ms-source-if-match"),
    NAME(X_MS_SOURCE_IF_MODIFIED_SINCE, "x-ms-source-if-modified-since"),
    NAME(X_MS_SOURCE_IF_NONE_MATCH, "x-ms-source-if-none-match"),
    NAME(X_MS_SOURCE_IF_TAGS, "x-ms-source-if-tags"),
    NAME(X_MS_SOURCE_IF_UNMODIFIED_SINCE, "x-ms-source-if-unmodified-since"),
    NAME(X_MS_SOURCE_RANGE, "x-ms-source-range"),
    NAME(X_MS_STRUCTURED_BODY, "x-ms-structured-body"),
    NAME(X_MS_STRUCTURED_CONTENT_LENGTH, "x-ms-structured-content-length"),
    NAME(X_MS_TAGS, "x-ms-tags"),
    NAME(X_MS_VERSION, "x-ms-version"),
};

/* Where in header_names a name of that length may stand, plus one: a handful
 * of comparisons a header instead of 58. A test walks all names. */
#define NAME_LEN_MAX 35
#define AT(id)       PROTO_HDR_##id + 1

/* clang-format off */
static const uint8_t by_len[NAME_LEN_MAX + 1][5] = {
    [4] = { AT(DATE) },
    [5] = { AT(RANGE) },
    [6] = { AT(ORIGIN) },
    [8] = { AT(IF_MATCH) },
    [9] = { AT(X_MS_DATE), AT(X_MS_TAGS) },
    [10] = { AT(X_MS_RANGE) },
    [11] = { AT(CONTENT_MD5) },
    [12] = { AT(CONTENT_TYPE), AT(X_MS_IF_TAGS), AT(X_MS_VERSION) },
    [13] = { AT(AUTHORIZATION), AT(CACHE_CONTROL), AT(IF_NONE_MATCH), AT(X_MS_LEASE_ID) },
    [14] = { AT(CONTENT_LENGTH), AT(X_MS_BLOB_TYPE) },
    [15] = { AT(X_MS_LEGAL_HOLD), AT(X_MS_PAGE_WRITE) },
    [16] = { AT(CONTENT_ENCODING), AT(CONTENT_LANGUAGE), AT(X_MS_ACCESS_TIER), AT(X_MS_COPY_ACTION), AT(X_MS_COPY_SOURCE) },
    [17] = { AT(IF_MODIFIED_SINCE), AT(TRANSFER_ENCODING), AT(X_MS_LEASE_ACTION), AT(X_MS_SOURCE_RANGE) },
    [18] = { AT(X_MS_CONTENT_CRC64), AT(X_MS_REQUIRES_SYNC) },
    [19] = { AT(IF_UNMODIFIED_SINCE), AT(X_MS_ENCRYPTION_KEY), AT(X_MS_LEASE_DURATION), AT(X_MS_SOURCE_IF_TAGS) },
    [20] = { AT(X_MS_SOURCE_IF_MATCH), AT(X_MS_STRUCTURED_BODY) },
    [21] = { AT(X_MS_BLOB_CONTENT_MD5), AT(X_MS_DELETE_SNAPSHOTS), AT(X_MS_ENCRYPTION_SCOPE) },
    [22] = { AT(X_MS_BLOB_CONTENT_TYPE), AT(X_MS_CLIENT_REQUEST_ID), AT(X_MS_PROPOSED_LEASE_ID) },
    [23] = { AT(X_MS_BLOB_CACHE_CONTROL), AT(X_MS_BLOB_PUBLIC_ACCESS), AT(X_MS_LEASE_BREAK_PERIOD), AT(X_MS_REHYDRATE_PRIORITY), AT(X_MS_SOURCE_CONTENT_MD5) },
    [24] = { AT(X_MS_BLOB_CONTENT_LENGTH) },
    [25] = { AT(X_MS_ENCRYPTION_ALGORITHM), AT(X_MS_SOURCE_CONTENT_CRC64), AT(X_MS_SOURCE_IF_NONE_MATCH) },
    [26] = { AT(X_MS_BLOB_CONTENT_ENCODING), AT(X_MS_BLOB_CONTENT_LANGUAGE), AT(X_MS_RANGE_GET_CONTENT_MD5) },
    [27] = { AT(X_MS_COPY_SOURCE_TAG_OPTION), AT(X_MS_BLOB_CONDITION_MAXSIZE) },
    [28] = { AT(X_MS_RANGE_GET_CONTENT_CRC64) },
    [29] = { AT(X_MS_BLOB_CONTENT_DISPOSITION), AT(X_MS_IMMUTABILITY_POLICY_MODE), AT(X_MS_SOURCE_IF_MODIFIED_SINCE), AT(X_MS_BLOB_CONDITION_APPENDPOS) },
    [30] = { AT(X_MS_COPY_SOURCE_AUTHORIZATION), AT(X_MS_STRUCTURED_CONTENT_LENGTH) },
    [31] = { AT(X_MS_SOURCE_IF_UNMODIFIED_SINCE) },
    [32] = { AT(X_MS_COPY_SOURCE_BLOB_PROPERTIES) },
    [35] = { AT(X_MS_IMMUTABILITY_POLICY_UNTIL_DATE) },
};
/* clang-format on */

static const view_t meta_prefix = { (const uint8_t *) "x-ms-meta-", 10 };


static proto_err_t
header_fault(proto_fault_t *fault, proto_hdr_id_t id, view_t value)
{
    return proto_fault(fault, PROTO_ERR_INVALID_HEADER_VALUE, header_names[id],
                       value);
}


/* A C# identifier, in ASCII, as the service asks (blob-api 2.13). */
static bool
is_meta_name(view_t v)
{
    for (size_t i = 0; i < v.len; i++) {
        uint8_t c = v.ptr[i];
        bool alpha = ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';

        if (!alpha && !(i != 0 && c >= '0' && c <= '9')) {
            return false;
        }
    }

    return true;
}


static bool
is_printable(view_t v)
{
    for (size_t i = 0; i < v.len; i++) {
        if ((v.ptr[i] < 0x20 && v.ptr[i] != '\t') || v.ptr[i] >= 0x7F) {
            return false;
        }
    }

    return true;
}


/* Whether the name is there already; *ret_size: names and values so far. */
static bool
meta_known(view_t packed, view_t name, size_t *ret_size)
{
    view_t n, v;

    *ret_size = 0;

    for (size_t pos = 0; props_pairs_next(packed, &pos, &n, &v);) {
        if (view_eq_ci(n, name)) {
            return true;
        }

        *ret_size += n.len + v.len;
    }

    return false;
}


static proto_err_t
put_meta(const proto_header_t *hdr, writer_t *w, size_t start,
         proto_fault_t *fault)
{
    view_t name = view_sub(hdr->name, meta_prefix.len, hdr->name.len);
    view_t value = view_trim(hdr->value);
    view_t packed = view_sub(writer_view(w), start, w->len);
    size_t size;

    if (name.len == 0) {
        return proto_fault(fault, PROTO_ERR_EMPTY_METADATA_KEY, VIEW_NULL,
                           VIEW_NULL);
    }

    if (!is_meta_name(name) || !is_printable(value)
        || meta_known(packed, name, &size))
    {
        return proto_fault(fault, PROTO_ERR_INVALID_METADATA, VIEW_NULL,
                           VIEW_NULL);
    }

    if (size + name.len + value.len > PROTO_METADATA_MAX) {
        return proto_fault(fault, PROTO_ERR_METADATA_TOO_LARGE, VIEW_NULL,
                           VIEW_NULL);
    }

    props_pairs_put(w, name, value);
    return PROTO_OK;
}


proto_err_t
proto_headers_metadata(const proto_header_t *hdrs, unsigned n,
                       writer_t *scratch, view_t *ret, proto_fault_t *fault)
{
    size_t start = scratch->len;

    for (unsigned i = 0; i < n; i++) {
        if (hdrs[i].name.len >= meta_prefix.len
            && view_eq_ci(view_sub(hdrs[i].name, 0, meta_prefix.len),
                          meta_prefix))
        {
            proto_err_t err = put_meta(&hdrs[i], scratch, start, fault);

            if (err != PROTO_OK) {
                return err;
            }
        }
    }

    if (!writer_ok(scratch)) {
        return proto_fault(fault, PROTO_ERR_METADATA_TOO_LARGE, VIEW_NULL,
                           VIEW_NULL);
    }

    *ret = view_sub(writer_view(scratch), start, scratch->len);
    return PROTO_OK;
}


static proto_err_t
know(const proto_header_t *hdr, proto_headers_t *ret, proto_fault_t *fault)
{
    if (hdr->name.len > NAME_LEN_MAX) {
        return PROTO_OK;
    }

    const uint8_t *at = by_len[hdr->name.len];

    for (size_t i = 0; i < sizeof(by_len[0]) && at[i] != 0; i++) {
        unsigned id = at[i] - 1u;

        if (!view_eq_ci(header_names[id], hdr->name)) {
            continue;
        }

        if (ret->known[id].ptr != NULL) { /* given twice */
            return header_fault(fault, (proto_hdr_id_t) id, hdr->value);
        }

        ret->known[id] = view_trim(hdr->value);

        if (ret->known[id].ptr == NULL) {
            ret->known[id] = VIEW("");
        }

        break;
    }

    return PROTO_OK;
}


static proto_err_t
parse_date(const proto_headers_t *h, proto_hdr_id_t id, bool *has,
           int64_t *ret_s, proto_fault_t *fault)
{
    view_t v = h->known[id];

    *has = v.len != 0;

    if (*has && !proto_date_parse_http(v, ret_s)) {
        return header_fault(fault, id, v);
    }

    return PROTO_OK;
}


static proto_err_t
parse_cond(proto_headers_t *h, proto_fault_t *fault)
{
    proto_cond_t *c = &h->cond;
    proto_err_t err;

    /* an empty one says nothing */
    if (h->known[PROTO_HDR_IF_MATCH].len != 0) {
        c->if_match = h->known[PROTO_HDR_IF_MATCH];
    }

    if (h->known[PROTO_HDR_IF_NONE_MATCH].len != 0) {
        c->if_none_match = h->known[PROTO_HDR_IF_NONE_MATCH];
    }

    if (h->known[PROTO_HDR_X_MS_IF_TAGS].len != 0) {
        c->if_tags = h->known[PROTO_HDR_X_MS_IF_TAGS];
    }

    err = parse_date(h, PROTO_HDR_IF_MODIFIED_SINCE, &c->has_modified_since,
                     &c->modified_since_s, fault);

    if (err != PROTO_OK) {
        return err;
    }

    return parse_date(h, PROTO_HDR_IF_UNMODIFIED_SINCE,
                      &c->has_unmodified_since, &c->unmodified_since_s, fault);
}


static proto_err_t
parse_bool(const proto_headers_t *h, proto_hdr_id_t id, bool *ret,
           proto_fault_t *fault)
{
    view_t v = h->known[id];

    *ret = view_eq_ci(v, VIEW("true"));

    if (v.len != 0 && !*ret && !view_eq_ci(v, VIEW("false"))) {
        return header_fault(fault, id, v);
    }

    return PROTO_OK;
}


static proto_err_t
parse_version(proto_headers_t *h, const proto_uri_t *uri, proto_fault_t *fault)
{
    view_t v = h->known[PROTO_HDR_X_MS_VERSION];
    bool header = v.ptr != NULL;

    if (!header) {
        v = proto_uri_param(uri, PROTO_PARAM_API_VERSION);
    }

    if (v.ptr == NULL) {
        return PROTO_OK;
    }

    h->version = proto_version_parse(v);

    if (h->version != 0) {
        return PROTO_OK;
    }

    if (header) {
        return header_fault(fault, PROTO_HDR_X_MS_VERSION, v);
    }

    return proto_fault(fault, PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE,
                       VIEW("api-version"), v);
}


static proto_err_t
parse_length(proto_headers_t *h, proto_fault_t *fault)
{
    view_t v = h->known[PROTO_HDR_CONTENT_LENGTH];

    h->chunked = h->known[PROTO_HDR_TRANSFER_ENCODING].len != 0;
    h->has_content_length = v.ptr != NULL;

    if (v.ptr != NULL && !view_to_u64(v, &h->content_length)) {
        return header_fault(fault, PROTO_HDR_CONTENT_LENGTH, v);
    }

    return PROTO_OK;
}


proto_err_t
proto_headers_parse(const proto_header_t *hdrs, unsigned n,
                    const proto_uri_t *uri, writer_t *scratch,
                    proto_headers_t *ret, proto_fault_t *fault)
{
    proto_err_t err = PROTO_OK;

    memset(ret, 0, sizeof(*ret));

    for (unsigned i = 0; i < n && err == PROTO_OK; i++) {
        err = know(&hdrs[i], ret, fault);
    }

    if (err == PROTO_OK) {
        err = parse_version(ret, uri, fault);
    }

    if (err == PROTO_OK) {
        err = parse_length(ret, fault);
    }

    if (err == PROTO_OK) {
        err = parse_cond(ret, fault);
    }

    if (err == PROTO_OK) {
        err = parse_bool(ret, PROTO_HDR_X_MS_RANGE_GET_CONTENT_MD5,
                         &ret->range_md5, fault);
    }

    if (err == PROTO_OK) {
        err = parse_bool(ret, PROTO_HDR_X_MS_RANGE_GET_CONTENT_CRC64,
                         &ret->range_crc64, fault);
    }

    if (err == PROTO_OK
        && ret->known[PROTO_HDR_X_MS_CLIENT_REQUEST_ID].len
               > CLIENT_REQUEST_ID_MAX)
    {
        err = header_fault(fault, PROTO_HDR_X_MS_CLIENT_REQUEST_ID, VIEW_NULL);
    }

    return err != PROTO_OK
             ? err
             : proto_headers_metadata(hdrs, n, scratch, &ret->metadata, fault);
}


static proto_err_t
parse_md5(const proto_headers_t *h, proto_hdr_id_t id, uint8_t md5[MD5_LEN],
          proto_fault_t *fault)
{
    uint8_t buf[MD5_LEN];
    size_t len = 0;

    if (!base64_decode(h->known[id], buf, sizeof(buf), &len) || len != MD5_LEN)
    {
        return proto_fault(fault, PROTO_ERR_INVALID_MD5, VIEW_NULL, VIEW_NULL);
    }

    memcpy(md5, buf, MD5_LEN);
    return PROTO_OK;
}


static view_t
pick(const proto_headers_t *h, proto_hdr_id_t blob, proto_hdr_id_t plain,
     bool standard)
{
    view_t v = h->known[blob];

    return v.ptr != NULL || !standard ? v : h->known[plain];
}


static proto_err_t
parse_tier(const proto_headers_t *h, blob_props_t *props, proto_fault_t *fault)
{
    view_t v = h->known[PROTO_HDR_X_MS_ACCESS_TIER];

    return v.len == 0 || proto_tier_parse(v, &props->tier)
             ? PROTO_OK
             : header_fault(fault, PROTO_HDR_X_MS_ACCESS_TIER, v);
}


proto_err_t
proto_headers_blob_props(const proto_headers_t *h, bool standard,
                         bool default_type, blob_props_t *ret,
                         proto_fault_t *fault)
{
    view_t md5 = h->known[PROTO_HDR_X_MS_BLOB_CONTENT_MD5];

    ret->content_type = pick(h, PROTO_HDR_X_MS_BLOB_CONTENT_TYPE,
                             PROTO_HDR_CONTENT_TYPE, standard);
    ret->content_encoding = pick(h, PROTO_HDR_X_MS_BLOB_CONTENT_ENCODING,
                                 PROTO_HDR_CONTENT_ENCODING, standard);
    ret->content_language = pick(h, PROTO_HDR_X_MS_BLOB_CONTENT_LANGUAGE,
                                 PROTO_HDR_CONTENT_LANGUAGE, standard);
    ret->cache_control = pick(h, PROTO_HDR_X_MS_BLOB_CACHE_CONTROL,
                              PROTO_HDR_CACHE_CONTROL, standard);
    ret->content_disposition =
        h->known[PROTO_HDR_X_MS_BLOB_CONTENT_DISPOSITION];

    if (default_type && ret->content_type.len == 0) {
        ret->content_type = VIEW("application/octet-stream");
    }

    ret->metadata = h->metadata;
    ret->has_md5 = md5.len != 0;

    if (ret->has_md5) {
        proto_err_t err =
            parse_md5(h, PROTO_HDR_X_MS_BLOB_CONTENT_MD5, ret->md5, fault);

        if (err != PROTO_OK) {
            return err;
        }
    }

    return parse_tier(h, ret, fault);
}


proto_err_t
proto_headers_body_check(const proto_headers_t *h, bool blob_md5,
                         proto_body_check_t *ret, proto_fault_t *fault)
{
    view_t crc = h->known[PROTO_HDR_X_MS_CONTENT_CRC64];
    bool plain = h->known[PROTO_HDR_CONTENT_MD5].len != 0;
    bool blob = blob_md5 && h->known[PROTO_HDR_X_MS_BLOB_CONTENT_MD5].len != 0;
    proto_err_t err = PROTO_OK;

    memset(ret, 0, sizeof(*ret));

    if (crc.len != 0 && plain) {
        return proto_fault(fault, PROTO_ERR_BOTH_CRC64_AND_MD5_HEADER_PRESENT,
                           VIEW_NULL, VIEW_NULL);
    }

    if (plain) {
        err = parse_md5(h, PROTO_HDR_CONTENT_MD5, ret->md5, fault);
    }

    if (err == PROTO_OK && blob) { /* it decides when both are there */
        err = parse_md5(h, PROTO_HDR_X_MS_BLOB_CONTENT_MD5, ret->md5, fault);
    }

    if (err != PROTO_OK) {
        return err;
    }

    ret->has_md5 = plain || blob;

    if (crc.len != 0) {
        uint8_t buf[8];
        size_t len = 0;

        if (!base64_decode(crc, buf, sizeof(buf), &len) || len != 8) {
            return header_fault(fault, PROTO_HDR_X_MS_CONTENT_CRC64, crc);
        }

        memcpy(&ret->crc64, buf, sizeof(buf));
        ret->has_crc64 = true;
    }

    return PROTO_OK;
}


static view_t
base64_text(writer_t *scratch, const void *p, size_t len)
{
    size_t start = scratch->len;

    base64_encode(scratch, view_of(p, len));
    return view_of(scratch->buf + start, scratch->len - start);
}


proto_err_t
proto_fault_md5(proto_fault_t *fault, const uint8_t user[16],
                const uint8_t ours[16], writer_t *scratch)
{
    view_t u = base64_text(scratch, user, MD5_LEN);

    return proto_fault(fault, PROTO_ERR_MD5_MISMATCH, u,
                       base64_text(scratch, ours, MD5_LEN));
}


proto_err_t
proto_fault_crc64(proto_fault_t *fault, uint64_t user, uint64_t ours,
                  writer_t *scratch)
{
    view_t u = base64_text(scratch, &user, sizeof(user));

    return proto_fault(fault, PROTO_ERR_CRC64_MISMATCH, u,
                       base64_text(scratch, &ours, sizeof(ours)));
}


proto_err_t
proto_body_verify(const proto_body_check_t *check, const uint8_t md5[16],
                  uint64_t crc64, proto_fault_t *fault, writer_t *scratch)
{
    if (check->has_md5 && memcmp(check->md5, md5, MD5_LEN) != 0) {
        return proto_fault_md5(fault, check->md5, md5, scratch);
    }

    if (check->has_crc64 && check->crc64 != crc64) {
        return proto_fault_crc64(fault, check->crc64, crc64, scratch);
    }

    return PROTO_OK;
}


proto_err_t
proto_block_id_parse(view_t text, uint8_t buf[PROTO_BLOCK_ID_MAX], view_t *ret,
                     proto_fault_t *fault)
{
    size_t len = 0;

    if (text.ptr == NULL) {
        return proto_fault(fault, PROTO_ERR_MISSING_REQUIRED_QUERY_PARAMETER,
                           VIEW("blockid"), VIEW_NULL);
    }

    if (!base64_decode(text, buf, PROTO_BLOCK_ID_MAX, &len) || len == 0) {
        (void) proto_fault(fault, PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE,
                           VIEW("blockid"), text);
        fault->reason = VIEW("Not a valid base64 string of 1 to 64 bytes.");
        return fault->err;
    }

    *ret = view_of(buf, len);
    return PROTO_OK;
}
