#include "base/endian.h"
#include "base/props.h"

/*
 * The durable form of properties. Blob:
 *
 *     0  u8   layout, 2
 *     1  u8   blob_type_t
 *     2  u8   access_tier_t
 *     3  u8   flags: 1 has_md5, 2 sealed
 *     4  u32  committed_blocks
 *     8  u64  content_length
 *    16  i64  creation_time_s
 *    24  i64  last_modified_s
 *    32  i64  tier_change_time_s
 *    40  16   md5, zeros without the flag
 *    56  32   lease
 *    88  u32  tag_count
 *    92  u8   copy_status_t
 *    93  u24  0
 *    96  i64  copy_completion_time_s
 *   104  u64  copy_done
 *   112  u64  copy_total
 *   120       etag, content_type, content_encoding, content_language,
 *             content_disposition, cache_control, metadata, tags, copy_id,
 *             copy_source, copy_status_text, archive_status, version_id
 *
 * Container:
 *
 *     0  u8   layout, 2
 *     1  u8   public_access
 *     2  u16  flags: 1 beyond
 *     4  u32  0
 *     8  i64  last_modified_s
 *    16  32   lease
 *    48       etag, metadata, acl
 *
 * Lease:
 *
 *     0  u8   lease_state_t
 *     1  u24  0
 *     4  i32  duration_s
 *     8  i64  ends_ms
 *    16  16   id
 *
 * A string is its length as u32 and its bytes; an absent one has the length
 * 0xFFFFFFFF.
 */
#define LAYOUT            2
#define BLOB_FIXED        120
#define CONTAINER_FIXED   48
#define FLAG_HAS_MD5      1
#define FLAG_SEALED       2
#define FLAG_BEYOND       1
#define LEN_ABSENT        0xFFFFFFFFu
#define PAIR_HEAD         4
#define PUBLIC_ACCESS_MAX 2


void
props_pairs_put(writer_t *w, view_t name, view_t value)
{
    if (name.len > UINT16_MAX || value.len > UINT16_MAX) {
        if (w->rc == TIER_OK) {
            w->rc = TIER_ELIMIT;
        }

        return;
    }

    /* one reservation: a pair is whole or not there */
    uint8_t *p = writer_reserve(w, PAIR_HEAD + name.len + value.len);

    if (p == NULL) {
        return;
    }

    le16_put(p, (uint16_t) name.len);
    le16_put(p + 2, (uint16_t) value.len);

    if (name.len != 0) {
        memcpy(p + PAIR_HEAD, name.ptr, name.len);
    }

    if (value.len != 0) {
        memcpy(p + PAIR_HEAD + name.len, value.ptr, value.len);
    }
}


bool
props_pairs_next(view_t packed, size_t *pos, view_t *ret_name,
                 view_t *ret_value)
{
    if (*pos > packed.len || packed.len - *pos < PAIR_HEAD) {
        return false;
    }

    const uint8_t *p = packed.ptr + *pos;
    size_t name_len = le16_get(p), value_len = le16_get(p + 2);

    if (packed.len - *pos - PAIR_HEAD < name_len + value_len) {
        return false;
    }

    *ret_name = view_of(p + PAIR_HEAD, name_len);
    *ret_value = view_of(p + PAIR_HEAD + name_len, value_len);
    *pos += PAIR_HEAD + name_len + value_len;
    return true;
}


static void
string_put(writer_t *w, view_t v)
{
    if (v.ptr == NULL) {
        writer_put_le32(w, LEN_ABSENT);
        return;
    }

    if (v.len >= LEN_ABSENT) {
        w->rc = w->rc == TIER_OK ? TIER_ELIMIT : w->rc;
        return;
    }

    writer_put_le32(w, (uint32_t) v.len);
    writer_put(w, v);
}


static bool
string_get(view_t in, size_t *pos, view_t *ret)
{
    if (in.len - *pos < 4) {
        return false;
    }

    uint32_t len = le32_get(in.ptr + *pos);

    *pos += 4;

    if (len == LEN_ABSENT) {
        *ret = VIEW_NULL;
        return true;
    }

    if (in.len - *pos < len) {
        return false;
    }

    *ret = view_of(in.ptr + *pos, len);
    *pos += len;
    return true;
}


static void
lease_put(writer_t *w, const lease_t *lease)
{
    writer_put_le32(w, (uint32_t) lease->state);
    writer_put_le32(w, (uint32_t) lease->duration_s);
    writer_put_le64(w, (uint64_t) lease->ends_ms);
    writer_put(w, view_of(lease->id, sizeof(lease->id)));
}


static bool
lease_get(const uint8_t *p, lease_t *ret)
{
    uint32_t state = le32_get(p);

    ret->state = (lease_state_t) state;
    ret->duration_s = (int32_t) le32_get(p + 4);
    ret->ends_ms = (int64_t) le64_get(p + 8);
    memcpy(ret->id, p + 16, sizeof(ret->id));
    return state <= LEASE_EXPIRED;
}


void
blob_props_encode(writer_t *w, const blob_props_t *props)
{
    static const uint8_t no_md5[sizeof(props->md5)];

    writer_putc(w, LAYOUT);
    writer_putc(w, (uint8_t) props->type);
    writer_putc(w, (uint8_t) props->tier);
    writer_putc(w, (uint8_t) ((props->has_md5 ? FLAG_HAS_MD5 : 0)
                              | (props->sealed ? FLAG_SEALED : 0)));
    writer_put_le32(w, props->committed_blocks);
    writer_put_le64(w, props->content_length);
    writer_put_le64(w, (uint64_t) props->creation_time_s);
    writer_put_le64(w, (uint64_t) props->last_modified_s);
    writer_put_le64(w, (uint64_t) props->tier_change_time_s);
    writer_put(
        w, view_of(props->has_md5 ? props->md5 : no_md5, sizeof(props->md5)));
    lease_put(w, &props->lease);
    writer_put_le32(w, props->tag_count);
    writer_put_le32(w, (uint32_t) props->copy_status);
    writer_put_le64(w, (uint64_t) props->copy_completion_time_s);
    writer_put_le64(w, props->copy_done);
    writer_put_le64(w, props->copy_total);

    string_put(w, props->etag);
    string_put(w, props->content_type);
    string_put(w, props->content_encoding);
    string_put(w, props->content_language);
    string_put(w, props->content_disposition);
    string_put(w, props->cache_control);
    string_put(w, props->metadata);
    string_put(w, props->tags);
    string_put(w, props->copy_id);
    string_put(w, props->copy_source);
    string_put(w, props->copy_status_text);
    string_put(w, props->archive_status);
    string_put(w, props->version_id);
}


tier_rc_t
blob_props_decode(view_t in, blob_props_t *ret)
{
    const uint8_t *p = in.ptr;
    blob_props_t props = { 0 };
    size_t pos = BLOB_FIXED;

    if (in.len < BLOB_FIXED || p[0] != LAYOUT || p[1] > BLOB_APPEND
        || p[2] > TIER_ARCHIVE || (p[3] & ~(FLAG_HAS_MD5 | FLAG_SEALED)) != 0
        || !lease_get(p + 56, &props.lease) || le32_get(p + 92) > COPY_FAILED)
    {
        return TIER_EINVAL;
    }

    props.type = (blob_type_t) p[1];
    props.tier = (access_tier_t) p[2];
    props.has_md5 = (p[3] & FLAG_HAS_MD5) != 0;
    props.committed_blocks = le32_get(p + 4);
    props.content_length = le64_get(p + 8);
    props.creation_time_s = (int64_t) le64_get(p + 16);
    props.last_modified_s = (int64_t) le64_get(p + 24);
    props.tier_change_time_s = (int64_t) le64_get(p + 32);
    memcpy(props.md5, p + 40, sizeof(props.md5));
    props.sealed = (p[3] & FLAG_SEALED) != 0;
    props.tag_count = le32_get(p + 88);
    props.copy_status = (copy_status_t) le32_get(p + 92);
    props.copy_completion_time_s = (int64_t) le64_get(p + 96);
    props.copy_done = le64_get(p + 104);
    props.copy_total = le64_get(p + 112);

    if (!string_get(in, &pos, &props.etag)
        || !string_get(in, &pos, &props.content_type)
        || !string_get(in, &pos, &props.content_encoding)
        || !string_get(in, &pos, &props.content_language)
        || !string_get(in, &pos, &props.content_disposition)
        || !string_get(in, &pos, &props.cache_control)
        || !string_get(in, &pos, &props.metadata)
        || !string_get(in, &pos, &props.tags)
        || !string_get(in, &pos, &props.copy_id)
        || !string_get(in, &pos, &props.copy_source)
        || !string_get(in, &pos, &props.copy_status_text)
        || !string_get(in, &pos, &props.archive_status)
        || !string_get(in, &pos, &props.version_id) || pos != in.len)
    {
        return TIER_EINVAL;
    }

    *ret = props;
    return TIER_OK;
}


void
container_props_encode(writer_t *w, const container_props_t *props)
{
    writer_putc(w, LAYOUT);
    writer_putc(w, props->public_access);
    writer_put_le16(w, props->beyond ? FLAG_BEYOND : 0);
    writer_put_le32(w, 0);
    writer_put_le64(w, (uint64_t) props->last_modified_s);
    lease_put(w, &props->lease);

    string_put(w, props->etag);
    string_put(w, props->metadata);
    string_put(w, props->acl);
}


tier_rc_t
container_props_decode(view_t in, container_props_t *ret)
{
    const uint8_t *p = in.ptr;
    container_props_t props = { 0 };
    size_t pos = CONTAINER_FIXED;

    if (in.len < CONTAINER_FIXED || p[0] != LAYOUT || p[1] > PUBLIC_ACCESS_MAX
        || le16_get(p + 2) > FLAG_BEYOND || le32_get(p + 4) != 0
        || !lease_get(p + 16, &props.lease))
    {
        return TIER_EINVAL;
    }

    props.public_access = p[1];
    props.beyond = le16_get(p + 2) == FLAG_BEYOND;
    props.last_modified_s = (int64_t) le64_get(p + 8);

    if (!string_get(in, &pos, &props.etag)
        || !string_get(in, &pos, &props.metadata)
        || !string_get(in, &pos, &props.acl) || pos != in.len)
    {
        return TIER_EINVAL;
    }

    *ret = props;
    return TIER_OK;
}
