#include <string.h>

#include "store/internal.h"

/*
 * Values of the tables: a fixed part, then strings whose lengths it gives,
 * then (where there are any) properties to the end. First byte: version.
 */
#define RECORD_V 1

typedef struct dec_s {
    const uint8_t *p;
    const uint8_t *end;
    bool ok;
} dec_t;

static dec_t
dec_init(view_t in)
{
    dec_t d = { in.ptr, in.ptr + in.len, true };

    if (in.len == 0 || in.ptr[0] != RECORD_V) {
        d.ok = false;
    } else {
        d.p++;
    }
    return d;
}

static const uint8_t *
dec_take(dec_t *d, size_t n)
{
    static const uint8_t zeros[8];
    const uint8_t *p = d->p;

    if (!d->ok || (size_t) (d->end - d->p) < n) {
        d->ok = false;
        return zeros;
    }
    d->p += n;
    return p;
}

static uint64_t
dec_u64(dec_t *d)
{
    return le64_get(dec_take(d, 8));
}

static uint32_t
dec_u32(dec_t *d)
{
    return le32_get(dec_take(d, 4));
}

static uint16_t
dec_u16(dec_t *d)
{
    return le16_get(dec_take(d, 2));
}

static uint8_t
dec_u8(dec_t *d)
{
    return *dec_take(d, 1);
}

static view_t
dec_str(dec_t *d, size_t n)
{
    const uint8_t *p = dec_take(d, n);

    return d->ok ? view_of(p, n) : VIEW_NULL;
}

static view_t
dec_rest(const dec_t *d)
{
    return view_of(d->p, d->ok ? (size_t) (d->end - d->p) : 0);
}

static void
put_u8(writer_t *w, unsigned n)
{
    writer_putc(w, (uint8_t) n);
}

static void
put_i64(writer_t *w, int64_t n)
{
    writer_put_le64(w, (uint64_t) n);
}

void
etag_text(uint64_t etag, char buf[ETAG_TEXT_MAX], view_t *ret)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t n = 2;
    int shift = 60;

    buf[0] = '0';
    buf[1] = 'x';
    while (shift > 0 && (etag >> shift) == 0) {
        shift -= 4;
    }
    for (; shift >= 0; shift -= 4) {
        buf[n++] = hex[(etag >> shift) & 15];
    }
    *ret = view_of(buf, n);
}

bool
etag_parse(view_t text, uint64_t *ret)
{
    uint64_t n = 0;

    if (text.len < 3 || text.len > 18 || text.ptr[0] != '0'
        || (text.ptr[1] != 'x' && text.ptr[1] != 'X'))
    {
        return false;
    }
    for (size_t i = 2; i < text.len; i++) {
        uint8_t c = text.ptr[i];

        if (c >= '0' && c <= '9') {
            n = n << 4 | (uint64_t) (c - '0');
        } else if ((c | 32) >= 'a' && (c | 32) <= 'f') {
            n = n << 4 | (uint64_t) ((c | 32) - 'a' + 10);
        } else {
            return false;
        }
    }
    *ret = n;
    return n != 0;
}

void
blob_encode(writer_t *w, const blob_rec_t *rec)
{
    const store_blob_t *b = &rec->b;
    blob_props_t props = b->props;

    put_u8(w, RECORD_V);
    put_u8(w, b->state);
    put_u8(w, b->resident ? BLOB_FLAG_RESIDENT : 0);
    put_u8(w, b->base);
    put_u8(w, (unsigned) b->fence_owner.len);
    put_u8(w, 0);
    writer_put_le16(w, (uint16_t) b->origin_etag.len);
    writer_put_le16(w, (uint16_t) b->base_etag.len);
    writer_put_le64(w, b->number);
    writer_put_le64(w, b->seen);
    writer_put_le64(w, b->queued);
    writer_put_le64(w, b->content);
    writer_put_le64(w, b->etag);
    writer_put_le64(w, rec->block_set);
    writer_put_le64(w, b->snapshots);
    put_i64(w, b->origin_last_modified_s);
    put_i64(w, b->checked_at_ms);
    put_i64(w, b->fence_expires_ms);
    writer_put(w, b->fence_owner);
    writer_put(w, b->origin_etag);
    writer_put(w, b->base_etag);
    props.etag = VIEW_NULL; /* the number says it */
    blob_props_encode(w, &props);
}

tier_rc_t
blob_decode(view_t in, char etag_buf[ETAG_TEXT_MAX], blob_rec_t *ret)
{
    dec_t d = dec_init(in);
    store_blob_t *b = &ret->b;
    uint8_t flags, fence_len;
    uint16_t origin_len, base_len;
    tier_rc_t rc;

    memset(ret, 0, sizeof(*ret));
    b->state = (store_state_t) dec_u8(&d);
    flags = dec_u8(&d);
    b->base = (store_base_t) dec_u8(&d);
    fence_len = dec_u8(&d);
    (void) dec_u8(&d);
    origin_len = dec_u16(&d);
    base_len = dec_u16(&d);
    b->number = dec_u64(&d);
    b->seen = dec_u64(&d);
    b->queued = dec_u64(&d);
    b->content = dec_u64(&d);
    b->etag = dec_u64(&d);
    ret->block_set = dec_u64(&d);
    b->snapshots = dec_u64(&d);
    b->origin_last_modified_s = (int64_t) dec_u64(&d);
    b->checked_at_ms = (int64_t) dec_u64(&d);
    b->fence_expires_ms = (int64_t) dec_u64(&d);
    b->fence_owner = dec_str(&d, fence_len);
    b->origin_etag = dec_str(&d, origin_len);
    b->base_etag = dec_str(&d, base_len);
    if (!d.ok || b->state > STORE_ALIAS || b->base > STORE_BASE_ETAG) {
        return TIER_ECORRUPT;
    }
    rc = blob_props_decode(dec_rest(&d), &b->props);
    if (rc != TIER_OK) {
        return TIER_ECORRUPT;
    }
    b->resident = (flags & BLOB_FLAG_RESIDENT) != 0;
    b->uncommitted = ret->block_set != 0;
    if (b->etag != 0) {
        etag_text(b->etag, etag_buf, &b->props.etag);
    }
    return TIER_OK;
}

void
container_encode(writer_t *w, const store_container_t *c)
{
    container_props_t props = c->props;

    put_u8(w, RECORD_V);
    put_u8(w, c->state);
    writer_put_le16(w, (uint16_t) c->origin_etag.len);
    writer_put_le64(w, c->incarnation);
    writer_put_le64(w, c->number);
    writer_put_le64(w, c->seen);
    put_i64(w, c->checked_at_ms);
    writer_put_le64(w, c->etag);
    writer_put(w, c->origin_etag);
    props.etag = VIEW_NULL;
    container_props_encode(w, &props);
}

tier_rc_t
container_decode(view_t in, char etag_buf[ETAG_TEXT_MAX],
                 store_container_t *ret)
{
    dec_t d = dec_init(in);
    uint16_t origin_len;

    memset(ret, 0, sizeof(*ret));
    ret->state = (store_state_t) dec_u8(&d);
    origin_len = dec_u16(&d);
    ret->incarnation = dec_u64(&d);
    ret->number = dec_u64(&d);
    ret->seen = dec_u64(&d);
    ret->checked_at_ms = (int64_t) dec_u64(&d);
    ret->etag = dec_u64(&d);
    ret->origin_etag = dec_str(&d, origin_len);
    if (!d.ok || container_props_decode(dec_rest(&d), &ret->props) != TIER_OK)
    {
        return TIER_ECORRUPT;
    }
    etag_text(ret->etag, etag_buf, &ret->props.etag);
    return TIER_OK;
}

void
content_encode(writer_t *w, const content_t *c)
{
    put_u8(w, RECORD_V);
    put_u8(w, c->flags);
    put_u8(w, c->few.ptr != NULL);
    put_u8(w, (unsigned) c->account.len);
    writer_put_le64(w, c->length);
    writer_put_le32(w, c->refs);
    writer_put_le32(w, c->queue_refs);
    writer_put_le32(w, c->extents);
    writer_put(w, c->account);
    writer_put(w, c->few);
}

tier_rc_t
content_decode(view_t in, content_t *ret)
{
    dec_t d = dec_init(in);
    uint8_t few, account_len;

    memset(ret, 0, sizeof(*ret));
    ret->flags = dec_u8(&d);
    few = dec_u8(&d);
    account_len = dec_u8(&d);
    ret->length = dec_u64(&d);
    ret->refs = dec_u32(&d);
    ret->queue_refs = dec_u32(&d);
    ret->extents = dec_u32(&d);
    ret->account = dec_str(&d, account_len);
    ret->few = few ? dec_rest(&d) : VIEW_NULL;
    return d.ok ? TIER_OK : TIER_ECORRUPT;
}

void
extent_encode(writer_t *w, const store_extent_t *e)
{
    put_u8(w, e->kind);
    put_u8(w, e->id_len);
    writer_put_le64(w, e->file);
    writer_put_le64(w, e->offset);
    writer_put_le64(w, e->length);
    writer_put_le64(w, e->crc64);
    writer_put_le64(w, e->number);
    writer_put(w, view_of(e->id, e->id_len));
}

bool
extent_next(view_t *in, store_extent_t *ret, bool *ok)
{
    const uint8_t *p = in->ptr;

    if (in->len == 0) {
        return false;
    }
    if (in->len < EXTENT_FIXED || p[0] > STORE_JOURNAL
        || p[1] > STORE_BLOCK_ID_MAX || in->len < EXTENT_FIXED + (size_t) p[1])
    {
        *ok = false;
        return false;
    }
    ret->kind = (store_file_kind_t) p[0];
    ret->id_len = p[1];
    ret->file = le64_get(p + 2);
    ret->offset = le64_get(p + 10);
    ret->length = le64_get(p + 18);
    ret->crc64 = le64_get(p + 26);
    ret->number = le64_get(p + 34);
    memcpy(ret->id, p + EXTENT_FIXED, ret->id_len);
    *in = view_sub(*in, EXTENT_FIXED + (size_t) ret->id_len, in->len);
    return true;
}

void
block_set_encode(writer_t *w, const block_set_t *s)
{
    put_u8(w, RECORD_V);
    put_u8(w, s->id_len);
    writer_put_le32(w, s->count);
    writer_put_le64(w, s->bytes);
    put_i64(w, s->last_put_ms);
}

tier_rc_t
block_set_decode(view_t in, block_set_t *ret)
{
    dec_t d = dec_init(in);

    ret->id_len = dec_u8(&d);
    ret->count = dec_u32(&d);
    ret->bytes = dec_u64(&d);
    ret->last_put_ms = (int64_t) dec_u64(&d);
    return d.ok && ret->id_len <= STORE_BLOCK_ID_MAX ? TIER_OK : TIER_ECORRUPT;
}

void
block_owner_encode(writer_t *w, const block_owner_t *o)
{
    put_u8(w, RECORD_V);
    put_u8(w, (unsigned) o->account.len);
    writer_put_le16(w, (uint16_t) o->name.len);
    writer_put_le64(w, o->incarnation);
    writer_put(w, o->account);
    writer_put(w, o->name);
}

tier_rc_t
block_owner_decode(view_t in, block_owner_t *ret)
{
    dec_t d = dec_init(in);
    uint8_t account_len = dec_u8(&d);
    uint16_t name_len = dec_u16(&d);

    ret->incarnation = dec_u64(&d);
    ret->account = dec_str(&d, account_len);
    ret->name = dec_str(&d, name_len);
    return d.ok ? TIER_OK : TIER_ECORRUPT;
}

void
entry_encode(writer_t *w, const store_entry_t *e)
{
    put_u8(w, RECORD_V);
    put_u8(w, e->kind);
    put_u8(w, e->flags);
    put_u8(w, e->parked);
    put_u8(w, e->base);
    put_u8(w, (unsigned) e->account.len);
    put_u8(w, (unsigned) e->container.len);
    writer_put_le16(w, (uint16_t) e->name.len);
    writer_put_le16(w, (uint16_t) e->error.len);
    writer_put_le16(w, (uint16_t) e->base_etag.len);
    writer_put_le32(w, e->attempts);
    writer_put_le64(w, e->incarnation);
    writer_put_le64(w, e->content);
    writer_put_le64(w, e->etag);
    put_i64(w, e->committed_at_ms);
    writer_put(w, e->account);
    writer_put(w, e->container);
    writer_put(w, e->name);
    writer_put(w, e->error);
    writer_put(w, e->base_etag);
    if (e->kind >= STORE_Q_CONTAINER_CREATE) {
        container_props_encode(w, &e->container_props);
    } else {
        blob_props_encode(w, &e->props);
    }
}

tier_rc_t
entry_decode(view_t in, store_entry_t *ret)
{
    dec_t d = dec_init(in);
    uint8_t account_len, container_len;
    uint16_t name_len, error_len, base_len;
    tier_rc_t rc;

    memset(ret, 0, sizeof(*ret));
    ret->kind = (store_queue_kind_t) dec_u8(&d);
    ret->flags = dec_u8(&d);
    ret->parked = dec_u8(&d) != 0;
    ret->base = (store_base_t) dec_u8(&d);
    account_len = dec_u8(&d);
    container_len = dec_u8(&d);
    name_len = dec_u16(&d);
    error_len = dec_u16(&d);
    base_len = dec_u16(&d);
    ret->attempts = dec_u32(&d);
    ret->incarnation = dec_u64(&d);
    ret->content = dec_u64(&d);
    ret->etag = dec_u64(&d);
    ret->committed_at_ms = (int64_t) dec_u64(&d);
    ret->account = dec_str(&d, account_len);
    ret->container = dec_str(&d, container_len);
    ret->name = dec_str(&d, name_len);
    ret->error = dec_str(&d, error_len);
    ret->base_etag = dec_str(&d, base_len);
    if (!d.ok) {
        return TIER_ECORRUPT;
    }
    if (ret->kind >= STORE_Q_CONTAINER_CREATE) {
        rc = container_props_decode(dec_rest(&d), &ret->container_props);
    } else {
        rc = blob_props_decode(dec_rest(&d), &ret->props);
    }
    return rc == TIER_OK ? TIER_OK : TIER_ECORRUPT;
}

void
fact_encode(writer_t *w, view_t full_key, bool is_container,
            const store_fact_t *fact)
{
    put_u8(w, RECORD_V);
    put_u8(w, fact->exists);
    writer_put_le16(w, (uint16_t) full_key.len);
    writer_put_le16(w, (uint16_t) fact->origin_etag.len);
    put_i64(w, fact->checked_at_ms);
    writer_put(w, full_key);
    writer_put(w, fact->origin_etag);
    if (is_container) {
        container_props_encode(w, &fact->container_props);
    } else {
        blob_props_encode(w, &fact->props);
    }
}

tier_rc_t
fact_decode(view_t in, view_t full_key, bool is_container, store_fact_t *ret)
{
    dec_t d = dec_init(in);
    uint16_t key_len, etag_len;
    tier_rc_t rc;

    memset(ret, 0, sizeof(*ret));
    ret->exists = dec_u8(&d) != 0;
    key_len = dec_u16(&d);
    etag_len = dec_u16(&d);
    ret->checked_at_ms = (int64_t) dec_u64(&d);
    if (!view_eq(dec_str(&d, key_len), full_key)) {
        return TIER_NOT_FOUND;
    }
    ret->origin_etag = dec_str(&d, etag_len);
    if (!d.ok) {
        return TIER_ECORRUPT;
    }
    rc = is_container
           ? container_props_decode(dec_rest(&d), &ret->container_props)
           : blob_props_decode(dec_rest(&d), &ret->props);
    return rc == TIER_OK ? TIER_OK : TIER_ECORRUPT;
}
