#include <string.h>

#include "store/internal.h"

/*
 * Changes of blobs, under the index's lock. Each first looks and refuses, then
 * takes its number and writes: nothing is written for a change that fails.
 */

bool
blob_load(tx_t *tx, uint64_t incarnation, view_t name, blob_rec_t *ret)
{
    char *etag = tx_alloc(tx, ETAG_TEXT_MAX);
    index_key_t k;
    view_t v;
    tier_rc_t rc;

    memset(ret, 0, sizeof(*ret));
    if (etag == NULL || tx->rc != TIER_OK) {
        return false;
    }
    rc = name_find(tx->txn, incarnation, name, &k);
    if (rc < 0) {
        tx_fail(tx, rc);
    }
    if (rc != TIER_OK || !tx_get(tx, T_BLOB, key_view(&k), &v)) {
        return false;
    }
    rc = blob_decode(v, etag, ret);
    if (rc != TIER_OK) {
        memset(ret, 0, sizeof(*ret));
        tx_fail(tx, rc);
        return false;
    }
    return true;
}

void
blob_store(tx_t *tx, view_t account, uint64_t incarnation, view_t name,
           const blob_rec_t *before, blob_rec_t *rec)
{
    int delta = (int) store_blob_visible(&rec->b)
              - (int) store_blob_visible(&before->b);
    index_key_t k;

    if (delta != 0) {
        tx_counters(tx, account)->blobs += delta;
    }
    rec->b.seen = tx->st.number;
    if (rec->b.state == STORE_NONE && rec->block_set == 0
        && rec->b.fence_owner.len == 0 && rec->b.queued == 0)
    {
        if (name_find(tx->txn, incarnation, name, &k) == TIER_OK) {
            tx_del(tx, T_BLOB, key_view(&k));
            name_prune(tx, incarnation, name);
        }
        return;
    }
    name_make(tx, incarnation, name, &k);
    blob_encode(tx_value(tx), rec);
    tx_put_value(tx, T_BLOB, key_view(&k));
}

/* No version any more; blocks, fence and queue stay as they are. */
static void
version_clear(blob_rec_t *rec)
{
    blob_rec_t left = { .block_set = rec->block_set };

    left.b.uncommitted = rec->b.uncommitted;
    left.b.queued = rec->b.queued;
    left.b.fence_owner = rec->b.fence_owner;
    left.b.fence_expires_ms = rec->b.fence_expires_ms;
    *rec = left;
}

void
blob_version_drop(tx_t *tx, blob_rec_t *rec)
{
    content_ref(tx, rec->b.content, -1, 0);
    snapshots_drop(tx, rec);
    version_clear(rec);
}

static bool
fenced(const tx_t *tx, const store_change_t *c, const blob_rec_t *cur)
{
    return cur->b.fence_owner.len > 0 && cur->b.fence_expires_ms > tx->now_ms
        && !view_eq(cur->b.fence_owner, c->fence_owner);
}

/* What every change of a blob asks first. */
bool
change_open(tx_t *tx, store_change_t *c, blob_rec_t *cur)
{
    store_container_t container;

    if (!container_load(tx, c->account, c->container, &container)
        || (c->incarnation != 0 && c->incarnation != container.incarnation))
    {
        change_fail(c, TIER_NOT_FOUND, STORE_V_NO_CONTAINER);
        return false;
    }
    c->result_incarnation = container.incarnation;
    (void) blob_load(tx, container.incarnation, c->name, cur);
    if (tx->rc != TIER_OK) {
        return false;
    }
    if (fenced(tx, c, cur)) {
        change_fail(c, TIER_AGAIN, STORE_V_FENCED);
        return false;
    }
    return true;
}

bool
change_check(store_change_t *c, const blob_rec_t *cur)
{
    int verdict;

    if (c->check == NULL) {
        return true;
    }
    verdict =
        c->check(c->check_ctx, store_blob_visible(&cur->b) ? &cur->b : NULL);
    if (verdict != 0) {
        change_fail(c, TIER_REFUSED, verdict);
    }
    return verdict == 0;
}

static bool
change_may_be_clean(store_change_t *c, const blob_rec_t *cur)
{
    if (c->mode == STORE_MODE_CLEAN && cur->b.queued != 0) {
        change_fail(c, TIER_AGAIN, STORE_V_QUEUED);
        return false;
    }
    return true;
}

void
change_close(tx_t *tx, store_change_t *c, const blob_rec_t *before,
             blob_rec_t *rec)
{
    if ((c->flags & STORE_UNFENCE)
        && view_eq(rec->b.fence_owner, c->fence_owner)) {
        rec->b.fence_owner = VIEW_NULL;
        rec->b.fence_expires_ms = 0;
    }
    if (c->lease != NULL && store_blob_visible(&rec->b)) {
        rec->b.props.lease = *c->lease;
    }
    c->number = tx->st.number;
    c->etag = rec->b.etag;
    c->content = rec->b.content;
    c->last_modified_s = rec->b.props.last_modified_s;
    c->creation_time_s = rec->b.props.creation_time_s;
    blob_store(tx, c->account, c->result_incarnation, c->name, before, rec);
}

/* What a new version replaces at the origin. */
static void
set_base(const store_change_t *c, const blob_rec_t *cur, blob_rec_t *rec)
{
    switch (cur->b.state) {
    case STORE_DIRTY:
    case STORE_TOMBSTONE:
        rec->b.base = cur->b.base;
        rec->b.base_etag = cur->b.base_etag;
        break;
    case STORE_CLEAN:
    case STORE_ALIAS:
        if (cur->b.origin_etag.len > 0) {
            rec->b.base = STORE_BASE_ETAG;
            rec->b.base_etag = cur->b.origin_etag;
            break;
        }
        /* fall through */
    default:
        rec->b.base = c->base;
        rec->b.base_etag = c->base_etag;
    }
}

/* State and origin's side of a version made by c. */
static void
set_side(tx_t *tx, store_change_t *c, const blob_rec_t *cur, blob_rec_t *rec)
{
    store_blob_t *b = &rec->b;

    b->number = tx->st.number;
    b->origin_etag = VIEW_NULL;
    b->origin_last_modified_s = 0;
    b->checked_at_ms = 0;
    b->base = STORE_BASE_UNKNOWN;
    b->base_etag = VIEW_NULL;
    if (c->mode == STORE_MODE_OWNED) {
        b->state = STORE_OWNED;
    } else if (c->mode == STORE_MODE_DIRTY) {
        b->state = STORE_DIRTY;
        set_base(c, cur, rec);
    } else {
        b->state = b->resident ? STORE_CLEAN : STORE_ALIAS;
        b->origin_etag = c->origin_etag;
        b->origin_last_modified_s = c->origin_last_modified_s;
        b->checked_at_ms = c->checked_at_ms ? c->checked_at_ms : tx->now_ms;
    }
}

/* An origin's own ETag and times are kept where they can be. */
void
set_stamp(tx_t *tx, const store_change_t *c, const blob_props_t *given,
          blob_rec_t *rec)
{
    bool clean = c->mode == STORE_MODE_CLEAN;
    char *text = tx_alloc(tx, ETAG_TEXT_MAX);

    if (text == NULL) {
        return;
    }
    if (!clean || !etag_parse(given->etag, &rec->b.etag)) {
        rec->b.etag = tx_etag(tx);
    }
    rec->b.props.last_modified_s = clean && given->last_modified_s != 0
                                     ? given->last_modified_s
                                     : tx_last_modified(tx);
    etag_text(rec->b.etag, text, &rec->b.props.etag);
}

/* A whole new version: content is there, without references. */
static void
version_put(tx_t *tx, store_change_t *c, const blob_rec_t *cur,
            uint64_t content, uint64_t length, bool resident,
            store_queue_kind_t kind)
{
    static const blob_props_t no_props;
    const blob_props_t *props = c->props != NULL ? c->props : &no_props;
    blob_rec_t rec = *cur;

    content_ref(tx, content, 1, 0);
    content_ref(tx, cur->b.content, -1, 0);
    blocks_drop(tx, c->account, &rec);

    rec.b.props = *props;
    if (c->mode != STORE_MODE_CLEAN) {
        rec.b.props.lease = cur->b.props.lease;
    }
    rec.b.props.content_length = length;
    rec.b.content = content;
    rec.b.resident = resident;
    set_side(tx, c, cur, &rec);
    set_stamp(tx, c, props, &rec);
    if (rec.b.props.creation_time_s == 0) {
        rec.b.props.creation_time_s = store_blob_visible(&cur->b)
                                        ? cur->b.props.creation_time_s
                                        : rec.b.props.last_modified_s;
    }
    if (c->mode == STORE_MODE_DIRTY) {
        queue_add(tx, c, kind, &rec, NULL);
    }
    change_close(tx, c, cur, &rec);
}

void
take_body(tx_t *tx, store_change_t *c, store_extent_t *ret)
{
    view_t bytes;

    memset(ret, 0, sizeof(*ret));
    body_extent(c->body, ret);
    if (body_inline(c->body, &bytes)) {
        tx_body(tx, bytes, &ret->file, &ret->offset);
    }
    ret->number = tx->st.number;
}

static void
apply_put(tx_t *tx, store_change_t *c)
{
    uint64_t length = c->props != NULL ? c->props->content_length : 0;
    uint64_t content = 0;
    bool resident = true;
    store_extent_t extent;
    blob_rec_t cur;

    if (c->body == NULL && c->copy_content == 0 && length > 0) {
        resident = false;
        if (c->mode != STORE_MODE_CLEAN) {
            change_fail(c, TIER_EINVAL, 0);
            return;
        }
    }
    if (!change_open(tx, c, &cur) || !change_may_be_clean(c, &cur)
        || !change_check(c, &cur))
    {
        return;
    }
    if (c->copy_content != 0 && c->body == NULL) {
        if (!content_length(tx, c->copy_content, &length)) {
            change_fail(c, TIER_NOT_FOUND, STORE_V_NO_BLOB);
            return;
        }
        content = c->copy_content;
    }
    (void) tx_number(tx);
    if (c->body != NULL) {
        length = body_length(c->body);
        if (length > 0) {
            take_body(tx, c, &extent);
            content = content_create(tx, c->account,
                                     c->mode == STORE_MODE_OWNED, &extent, 1);
        }
    }
    version_put(tx, c, &cur, content, length, resident, STORE_Q_PUT);
}

static void
apply_block(tx_t *tx, store_change_t *c)
{
    store_extent_t extent;
    blob_rec_t cur, rec;

    if (c->body == NULL || body_length(c->body) == 0 || c->block_id.len == 0
        || c->block_id.len > STORE_BLOCK_ID_MAX)
    {
        change_fail(c, TIER_EINVAL, 0);
        return;
    }
    if (!change_open(tx, c, &cur) || !change_check(c, &cur)
        || !blocks_check(tx, c, &cur))
    {
        return;
    }
    (void) tx_number(tx);
    take_body(tx, c, &extent);
    extent.id_len = (uint8_t) c->block_id.len;
    memcpy(extent.id, c->block_id.ptr, c->block_id.len);
    rec = cur;
    blocks_put(tx, c, &rec, &extent);
    change_close(tx, c, &cur, &rec);
}

static void
apply_block_list(tx_t *tx, store_change_t *c)
{
    store_extent_t *extents;
    uint64_t content, length = 0;
    blob_rec_t cur;

    if (!change_open(tx, c, &cur) || !change_may_be_clean(c, &cur)
        || !change_check(c, &cur))
    {
        return;
    }
    extents = blocks_resolve(tx, c, &cur);
    if (extents == NULL) {
        return;
    }
    for (unsigned i = 0; i < c->nblocks; i++) {
        length += extents[i].length;
    }
    (void) tx_number(tx);
    content = content_create(tx, c->account, c->mode == STORE_MODE_OWNED,
                             extents, c->nblocks);
    version_put(tx, c, &cur, content, length, true, STORE_Q_BLOCK_LIST);
}

static void
merge_props(blob_props_t *to, const blob_props_t *from, unsigned flags)
{
    if (flags & STORE_SET_HEADERS) {
        to->has_md5 = from->has_md5;
        memcpy(to->md5, from->md5, sizeof(to->md5));
        to->content_type = from->content_type;
        to->content_encoding = from->content_encoding;
        to->content_language = from->content_language;
        to->content_disposition = from->content_disposition;
        to->cache_control = from->cache_control;
    }
    if (flags & STORE_SET_META) {
        to->metadata = from->metadata;
    }
    if (flags & STORE_SET_TAGS) {
        to->tags = from->tags;
        to->tag_count = from->tag_count;
    }
    if (flags & STORE_SET_SEALED) {
        to->sealed = from->sealed;
    }
    if (flags & STORE_SET_TIER) {
        to->tier = from->tier;
        to->tier_change_time_s = from->tier_change_time_s;
        to->archive_status = from->archive_status;
    }
}

static void
apply_set(tx_t *tx, store_change_t *c)
{
    blob_rec_t cur, rec;

    if (c->props == NULL) {
        change_fail(c, TIER_EINVAL, 0);
        return;
    }
    if (!change_open(tx, c, &cur) || !change_may_be_clean(c, &cur)
        || !change_check(c, &cur))
    {
        return;
    }
    if (!store_blob_visible(&cur.b)) {
        change_fail(c, TIER_NOT_FOUND, STORE_V_NO_BLOB);
        return;
    }
    (void) tx_number(tx);
    rec = cur;
    merge_props(&rec.b.props, c->props, c->flags);
    set_side(tx, c, &cur, &rec);
    if (c->flags & (STORE_SET_HEADERS | STORE_SET_META | STORE_SET_SEALED)) {
        set_stamp(tx, c, c->props, &rec);
    }
    if (c->mode == STORE_MODE_DIRTY) {
        queue_add(tx, c, STORE_Q_SET, &rec, NULL);
    }
    change_close(tx, c, &cur, &rec);
}

/* Only for records that nobody else owns: a lease at the origin is taken
 * there. */
static void
apply_lease(tx_t *tx, store_change_t *c)
{
    blob_rec_t cur, rec;

    if (!change_open(tx, c, &cur) || !change_check(c, &cur)) {
        return;
    }
    if (!store_blob_visible(&cur.b)) {
        change_fail(c, TIER_NOT_FOUND, STORE_V_NO_BLOB);
        return;
    }
    if (cur.b.state != STORE_OWNED) {
        change_fail(c, TIER_REFUSED, STORE_V_STATE);
        return;
    }
    if (c->lease == NULL) {
        change_fail(c, TIER_EINVAL, 0);
        return;
    }
    (void) tx_number(tx);
    rec = cur;
    change_close(tx, c, &cur, &rec);
}

static void
apply_delete(tx_t *tx, store_change_t *c)
{
    bool blind = (c->flags & STORE_BLIND) != 0;
    blob_rec_t cur, rec;

    if (!change_open(tx, c, &cur) || !change_may_be_clean(c, &cur)
        || !change_check(c, &cur))
    {
        return;
    }
    /* a name of uncommitted blocks alone: they go, nothing is carried */
    if (!store_blob_visible(&cur.b)
        && ((!blind && cur.block_set == 0)
            || (c->flags & STORE_ONLY_SNAPSHOTS)))
    {
        change_fail(c, TIER_NOT_FOUND, STORE_V_NO_BLOB);
        return;
    }
    if (cur.b.snapshots != 0
        && !(c->flags & (STORE_WITH_SNAPSHOTS | STORE_ONLY_SNAPSHOTS)))
    {
        change_fail(c, TIER_REFUSED, STORE_V_SNAPSHOTS);
        return;
    }
    (void) tx_number(tx);
    rec = cur;
    if (c->flags & STORE_ONLY_SNAPSHOTS) {
        snapshots_drop(tx, &rec);
        change_close(tx, c, &cur, &rec);
        return;
    }
    blocks_drop(tx, c->account, &rec);
    if (c->mode == STORE_MODE_DIRTY
        && (store_blob_visible(&cur.b)
            || (blind && cur.b.state == STORE_NONE)))
    {
        blob_version_drop(tx, &rec);
        rec.b.state = STORE_TOMBSTONE;
        rec.b.number = tx->st.number;
        set_base(c, &cur, &rec);
        queue_add(tx, c, STORE_Q_DELETE, &rec, NULL);
    } else if (cur.b.state != STORE_TOMBSTONE) {
        blob_version_drop(tx, &rec);
    }
    change_close(tx, c, &cur, &rec);
}

static void
apply_fence(tx_t *tx, store_change_t *c)
{
    bool set = c->kind == STORE_FENCE_SET;
    blob_rec_t cur, rec;

    if (c->fence_owner.len == 0 || c->fence_owner.len > STORE_FENCE_MAX) {
        change_fail(c, TIER_EINVAL, 0);
        return;
    }
    if (!change_open(tx, c, &cur) || !change_check(c, &cur)) {
        return;
    }
    if (!set && cur.b.fence_owner.len == 0) {
        return;
    }
    (void) tx_number(tx);
    rec = cur;
    rec.b.fence_owner = set ? c->fence_owner : VIEW_NULL;
    rec.b.fence_expires_ms = set ? c->fence_expires_ms : 0;
    change_close(tx, c, &cur, &rec);
}

/* FORGET and EVICT: only what the origin has. */
static void
apply_let_go(tx_t *tx, store_change_t *c)
{
    blob_rec_t cur, rec;

    if (!change_open(tx, c, &cur) || !change_check(c, &cur)) {
        return;
    }
    if (cur.b.state == STORE_NONE) {
        change_fail(c, TIER_NOT_FOUND, STORE_V_NO_BLOB);
        return;
    }
    if (c->if_number != 0 && c->if_number != cur.b.number) {
        change_fail(c, TIER_REFUSED, STORE_V_NUMBER);
        return;
    }
    if (cur.b.queued != 0
        || (cur.b.state != STORE_CLEAN
            && (c->kind == STORE_BLOB_EVICT || cur.b.state != STORE_ALIAS)))
    {
        change_fail(c, TIER_REFUSED, STORE_V_STATE);
        return;
    }
    (void) tx_number(tx);
    rec = cur;
    if (c->kind == STORE_BLOB_FORGET) {
        blob_version_drop(tx, &rec);
    } else {
        content_ref(tx, cur.b.content, -1, 0);
        rec.b.content = 0;
        rec.b.resident = false;
        rec.b.state = STORE_ALIAS;
    }
    change_close(tx, c, &cur, &rec);
}

void
apply_blob(tx_t *tx, store_change_t *c)
{
    switch (c->kind) {
    case STORE_BLOB_PUT:
        apply_put(tx, c);
        break;
    case STORE_BLOCK_PUT:
        apply_block(tx, c);
        break;
    case STORE_BLOCK_LIST:
        apply_block_list(tx, c);
        break;
    case STORE_BLOB_SET:
        apply_set(tx, c);
        break;
    case STORE_BLOB_LEASE:
        apply_lease(tx, c);
        break;
    case STORE_BLOB_DELETE:
        apply_delete(tx, c);
        break;
    case STORE_FENCE_SET:
    case STORE_FENCE_CLEAR:
        apply_fence(tx, c);
        break;
    case STORE_APPEND:
        apply_append(tx, c);
        break;
    case STORE_SNAPSHOT_CREATE:
    case STORE_SNAPSHOT_DELETE:
        apply_snapshot(tx, c);
        break;
    default:
        apply_let_go(tx, c);
    }
}
