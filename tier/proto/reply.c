#include "base/digest.h"
#include "proto/date.h"
#include "proto/reply.h"
#include "proto/structured.h"
#include "proto/tags.h"

#define META_PREFIX     "x-ms-meta-"
#define META_PREFIX_LEN (sizeof(META_PREFIX) - 1)
#define META_NAME_MAX   512

typedef struct out_s {
    proto_emit_fn emit;
    void *ctx;
} out_t;


static void
put(const out_t *o, const char *name, view_t value)
{
    o->emit(o->ctx, view_str(name), value);
}


/* Headers that are absent when nothing is stored. */
static void
put_some(const out_t *o, const char *name, view_t value)
{
    if (value.len != 0) {
        put(o, name, value);
    }
}


static void
put_u64(const out_t *o, const char *name, uint64_t n)
{
    uint8_t buf[24];
    writer_t w;

    writer_init_fixed(&w, buf, sizeof(buf));
    writer_put_u64(&w, n);
    put(o, name, writer_view(&w));
}


static void
put_date(const out_t *o, const char *name, int64_t t_s)
{
    uint8_t buf[32];
    writer_t w;

    writer_init_fixed(&w, buf, sizeof(buf));
    proto_date_rfc1123(&w, t_s);
    put(o, name, writer_view(&w));
}


static void
put_base64(const out_t *o, const char *name, const void *p, size_t len)
{
    uint8_t buf[32];
    writer_t w;

    writer_init_fixed(&w, buf, sizeof(buf));
    base64_encode(&w, view_of(p, len));
    put(o, name, writer_view(&w));
}


/* Eight bytes, little-endian, as they lie in memory (base/endian.h). */
static void
put_crc64(const out_t *o, uint64_t crc64)
{
    put_base64(o, "x-ms-content-crc64", &crc64, sizeof(crc64));
}


/* The prefix is lower case, the name as it was set: clients slice the one
 * off literally and compare the other. */
static void
put_metadata(const out_t *o, view_t packed)
{
    uint8_t buf[META_PREFIX_LEN + META_NAME_MAX];
    view_t name, value;
    size_t pos = 0;

    memcpy(buf, META_PREFIX, META_PREFIX_LEN);

    while (props_pairs_next(packed, &pos, &name, &value)) {
        if (name.len <= META_NAME_MAX) {
            memcpy(buf + META_PREFIX_LEN, name.ptr, name.len);
            o->emit(o->ctx, view_of(buf, META_PREFIX_LEN + name.len), value);
        }
    }
}


void
proto_reply_validators(view_t etag, int64_t last_modified_s,
                       proto_emit_fn emit, void *ctx)
{
    out_t o = { emit, ctx };
    uint8_t buf[128];
    writer_t w;

    if (etag.len != 0) {
        writer_init_fixed(&w, buf, sizeof(buf));
        writer_putc(&w, '"');
        writer_put(&w, etag);
        writer_putc(&w, '"');
        if (writer_ok(&w)) {
            put(&o, "ETag", writer_view(&w));
        }
    }

    if (last_modified_s != 0) {
        put_date(&o, "Last-Modified", last_modified_s);
    }
}


view_t
proto_reply_value(uint32_t version, view_t name, view_t value)
{
    if (version == 0 || version >= 20110818 || name.len != 4
        || !view_eq_ci(name, VIEW("ETag")) || value.len < 2
        || value.ptr[0] != '"')
    {
        return value;
    }

    return view_sub(value, 1, value.len - 2);
}


static void
put_content_range(const out_t *o, const blob_props_t *props,
                  const proto_reply_blob_opts_t *opts)
{
    uint8_t buf[80];
    writer_t w;

    writer_init_fixed(&w, buf, sizeof(buf));
    writer_puts(&w, "bytes ");
    writer_put_u64(&w, opts->off);
    writer_putc(&w, '-');
    writer_put_u64(&w, opts->off + opts->len - 1);
    writer_putc(&w, '/');
    writer_put_u64(&w, props->content_length);
    put(o, "Content-Range", writer_view(&w));
}


/* The MD5 of the whole goes under another name in a part: Content-MD5 there
 * would be the part's. */
static void
put_checksums(const out_t *o, const blob_props_t *props,
              const proto_reply_blob_opts_t *opts)
{
    if (props->has_md5) {
        put_base64(o, opts->partial ? "x-ms-blob-content-md5" : "Content-MD5",
                   props->md5, MD5_LEN);
    }

    if (opts->partial && opts->range_md5 != NULL) {
        put_base64(o, "Content-MD5", opts->range_md5, MD5_LEN);
    }

    if (opts->range_crc64 != NULL) {
        put_crc64(o, *opts->range_crc64);
    }
}


/* A structured message has two lengths: with and without its frame. */
static void
put_length(const out_t *o, const blob_props_t *props,
           const proto_reply_blob_opts_t *opts)
{
    uint64_t length = opts->partial ? opts->len : props->content_length;

    if (opts->framed == 0) {
        put_u64(o, "Content-Length", length);
        return;
    }

    put_u64(o, "Content-Length", opts->framed);
    put(o, "x-ms-structured-body", VIEW(PROTO_STRUCTURED_WORD));
    put_u64(o, "x-ms-structured-content-length", length);
}


static view_t
either(view_t override, view_t stored)
{
    return override.ptr != NULL ? override : stored;
}


static void
put_content_headers(const out_t *o, const blob_props_t *props,
                    const proto_override_t *override)
{
    put_some(o, "Content-Type",
             either(override->content_type, props->content_type));
    put_some(o, "Content-Encoding",
             either(override->content_encoding, props->content_encoding));
    put_some(o, "Content-Language",
             either(override->content_language, props->content_language));
    put_some(
        o, "Content-Disposition",
        either(override->content_disposition, props->content_disposition));
    put_some(o, "Cache-Control",
             either(override->cache_control, props->cache_control));
}


/* Block blobs have a tier, set or inferred; page blobs of standard accounts
 * and append blobs have none. */
static void
put_tier(const out_t *o, const blob_props_t *props)
{
    if (props->type != BLOB_BLOCK && props->tier == TIER_NONE) {
        return;
    }

    put(o, "x-ms-access-tier", proto_tier_name(props->tier));

    if (props->tier == TIER_NONE) {
        put(o, "x-ms-access-tier-inferred", VIEW("true"));

    } else if (props->tier_change_time_s != 0) {
        put_date(o, "x-ms-access-tier-change-time", props->tier_change_time_s);
    }

    put_some(o, "x-ms-archive-status", props->archive_status);
}


/* REST, "Get Blob Properties": what is known of the last copy onto it. */
static void
put_copy(const out_t *o, const blob_props_t *props)
{
    uint8_t buf[48];
    writer_t w;

    if (props->copy_status == COPY_NONE) {
        return;
    }

    put_some(o, "x-ms-copy-id", props->copy_id);
    put(o, "x-ms-copy-status", proto_copy_status_name(props->copy_status));
    put_some(o, "x-ms-copy-source", props->copy_source);

    writer_init_fixed(&w, buf, sizeof(buf));
    writer_put_u64(&w, props->copy_done);
    writer_putc(&w, '/');
    writer_put_u64(&w, props->copy_total);
    put(o, "x-ms-copy-progress", writer_view(&w));

    if (props->copy_completion_time_s != 0) {
        put_date(o, "x-ms-copy-completion-time",
                 props->copy_completion_time_s);
    }

    put_some(o, "x-ms-copy-status-description", props->copy_status_text);
}


static void
put_lease(const out_t *o, const lease_t *lease)
{
    put(o, "x-ms-lease-status", proto_lease_status_name(lease));
    put(o, "x-ms-lease-state", proto_lease_state_name(lease));
    put_some(o, "x-ms-lease-duration", proto_lease_duration_name(lease));
}


static void
put_blob_state(const out_t *o, const blob_props_t *props)
{
    put(o, "x-ms-blob-type", proto_blob_type_name(props->type));
    put_date(o, "x-ms-creation-time", props->creation_time_s);
    put_lease(o, &props->lease);
    put(o, "x-ms-server-encrypted", VIEW("true"));

    if (props->type == BLOB_APPEND) {
        put_u64(o, "x-ms-blob-committed-block-count", props->committed_blocks);

        if (props->sealed) {
            put(o, "x-ms-blob-sealed", VIEW("true"));
        }
    }

    if (proto_tags_count(props) != 0) {
        put_u64(o, "x-ms-tag-count", proto_tags_count(props));
    }

    if (props->version_id.len != 0) { /* what is asked for by name alone */
        put(o, "x-ms-version-id", props->version_id);
        put(o, "x-ms-is-current-version", VIEW("true"));
    }
}


void
proto_reply_blob_headers(const blob_props_t *props,
                         const proto_reply_blob_opts_t *opts,
                         proto_emit_fn emit, void *ctx)
{
    out_t o = { emit, ctx };

    proto_reply_validators(props->etag, props->last_modified_s, emit, ctx);

    if (opts->metadata_only) {
        put(&o, "Content-Length", VIEW("0"));
        put_metadata(&o, props->metadata);
        return;
    }

    put_length(&o, props, opts);
    put(&o, "Accept-Ranges", VIEW("bytes"));

    if (opts->partial) {
        put_content_range(&o, props, opts);
    }

    put_checksums(&o, props, opts);
    put_content_headers(&o, props, &opts->override);
    put_blob_state(&o, props);
    put_copy(&o, props);

    if (opts->head) {
        put_tier(&o, props);
    }

    put_metadata(&o, props->metadata);
}


void
proto_reply_write_headers(const proto_reply_write_opts_t *opts,
                          proto_emit_fn emit, void *ctx)
{
    out_t o = { emit, ctx };

    proto_reply_validators(opts->etag, opts->last_modified_s, emit, ctx);

    if (opts->md5 != NULL) {
        put_base64(&o, "Content-MD5", opts->md5, MD5_LEN);
    }

    if (opts->crc64 != NULL) {
        put_crc64(&o, *opts->crc64);
    }

    if (opts->structured) {
        put(&o, "x-ms-structured-body", VIEW(PROTO_STRUCTURED_WORD));
    }

    put(&o, "x-ms-request-server-encrypted", VIEW("true"));
}


void
proto_reply_copy_headers(view_t copy_id, copy_status_t status,
                         proto_emit_fn emit, void *ctx)
{
    out_t o = { emit, ctx };

    put(&o, "x-ms-copy-id", copy_id);
    put(&o, "x-ms-copy-status", proto_copy_status_name(status));
}


void
proto_reply_lease_headers(const proto_reply_lease_opts_t *opts,
                          proto_emit_fn emit, void *ctx)
{
    out_t o = { emit, ctx };
    uint8_t buf[PROTO_LEASE_ID_TEXT];
    writer_t w;

    proto_reply_validators(opts->etag, opts->last_modified_s, emit, ctx);

    if (proto_lease_reply_id(opts->action)) {
        writer_init_fixed(&w, buf, sizeof(buf));
        proto_lease_id_put(&w, opts->lease.id);
        put(&o, "x-ms-lease-id", writer_view(&w));
    }

    if (opts->action == PROTO_LEASE_BREAK) {
        put_u64(&o, "x-ms-lease-time",
                proto_lease_left_s(&opts->lease, opts->now_ms));
    }
}


void
proto_reply_delete_headers(proto_emit_fn emit, void *ctx)
{
    out_t o = { emit, ctx };

    put(&o, "x-ms-delete-type-permanent", VIEW("true"));
}


void
proto_reply_container_headers(const container_props_t *props,
                              proto_reply_container_t what, proto_emit_fn emit,
                              void *ctx)
{
    out_t o = { emit, ctx };

    proto_reply_validators(props->etag, props->last_modified_s, emit, ctx);

    if (what != PROTO_REPLY_CONTAINER_METADATA) {
        put_some(&o, "x-ms-blob-public-access",
                 proto_public_access_name(props->public_access));
    }

    if (what == PROTO_REPLY_CONTAINER_PROPERTIES) {
        put_lease(&o, &props->lease);
        put(&o, "x-ms-has-immutability-policy", VIEW("false"));
        put(&o, "x-ms-has-legal-hold", VIEW("false"));
        put(&o, "x-ms-immutable-storage-with-versioning-enabled",
            VIEW("false"));
        put(&o, "x-ms-default-encryption-scope",
            VIEW("$account-encryption-key"));
        put(&o, "x-ms-deny-encryption-scope-override", VIEW("false"));
    }

    if (what != PROTO_REPLY_CONTAINER_ACL) {
        put_metadata(&o, props->metadata);
    }
}


void
proto_reply_block_list_headers(const blob_props_t *props, proto_emit_fn emit,
                               void *ctx)
{
    out_t o = { emit, ctx };

    if (props != NULL) {
        proto_reply_validators(props->etag, props->last_modified_s, emit, ctx);
    }

    put_u64(&o, "x-ms-blob-content-length",
            props != NULL ? props->content_length : 0);
}


void
proto_reply_account_info(proto_emit_fn emit, void *ctx)
{
    out_t o = { emit, ctx };

    put(&o, "x-ms-sku-name", VIEW("Standard_LRS"));
    put(&o, "x-ms-account-kind", VIEW("StorageV2"));
    put(&o, "x-ms-is-hns-enabled", VIEW("false"));
}


view_t
proto_public_access_name(uint8_t public_access)
{
    return public_access == 1 ? VIEW("blob")
         : public_access == 2 ? VIEW("container")
                              : VIEW_NULL;
}


bool
proto_public_access_parse(view_t v, uint8_t *ret)
{
    if (v.len == 0) {
        *ret = 0;

    } else if (view_eq_ci(v, VIEW("blob"))) {
        *ret = 1;

    } else if (view_eq_ci(v, VIEW("container"))) {
        *ret = 2;

    } else {
        return false;
    }

    return true;
}


view_t
proto_blob_type_name(blob_type_t type)
{
    return type == BLOB_PAGE   ? VIEW("PageBlob")
         : type == BLOB_APPEND ? VIEW("AppendBlob")
                               : VIEW("BlockBlob");
}


view_t
proto_tier_name(access_tier_t tier)
{
    switch (tier) {
    case TIER_COOL:
        return VIEW("Cool");
    case TIER_COLD:
        return VIEW("Cold");
    case TIER_ARCHIVE:
        return VIEW("Archive");
    default:
        return VIEW("Hot");
    }
}


static const char *const copy_names[] = {
    [COPY_NONE] = "",           [COPY_PENDING] = "pending",
    [COPY_SUCCESS] = "success", [COPY_ABORTED] = "aborted",
    [COPY_FAILED] = "failed",
};


view_t
proto_copy_status_name(copy_status_t status)
{
    return view_str(copy_names[status]);
}


copy_status_t
proto_copy_status_parse(view_t v)
{
    for (unsigned i = COPY_PENDING; i <= COPY_FAILED; i++) {
        if (view_eq_ci(v, view_str(copy_names[i]))) {
            return (copy_status_t) i;
        }
    }

    return COPY_NONE;
}
