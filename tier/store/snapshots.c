#include <string.h>

#include "store/internal.h"

/*
 * Snapshots: blob records of their own, under the set that the base's record
 * names and the time they were taken at. They share the base's content as it
 * then was, so taking one copies nothing. A set goes with its last snapshot or
 * with its base.
 */

view_t
snapshot_key(uint8_t buf[SNAPSHOT_KEY_LEN], uint64_t set, uint64_t time)
{
    be64_put(buf, set);
    be64_put(buf + 8, time);
    return view_of(buf, SNAPSHOT_KEY_LEN);
}

static bool
snapshot_load(tx_t *tx, uint64_t set, uint64_t time, blob_rec_t *ret)
{
    char *etag = tx_alloc(tx, ETAG_TEXT_MAX);
    uint8_t buf[SNAPSHOT_KEY_LEN];
    view_t v;

    if (set == 0 || etag == NULL
        || !tx_get(tx, T_SNAPSHOT, snapshot_key(buf, set, time), &v))
    {
        return false;
    }
    if (blob_decode(v, etag, ret) != TIER_OK) {
        tx_fail(tx, TIER_ECORRUPT);
        return false;
    }
    ret->b.snapshot = time;
    return true;
}

static uint64_t
snapshots_count(tx_t *tx, view_t set)
{
    view_t k, v;
    uint64_t n = 0;
    tier_rc_t rc = index_seek(tx->txn, T_SNAPSHOT, set, &k, &v);

    while (rc == TIER_OK && view_starts_with(k, set)) {
        n++;
        rc = index_next(tx->txn, T_SNAPSHOT, &k, &v);
    }
    if (rc < 0) {
        tx_fail(tx, rc);
    }
    return n;
}

static bool
snapshots_any(tx_t *tx, view_t set)
{
    view_t k, v;
    tier_rc_t rc = tx->rc == TIER_OK
                     ? index_seek(tx->txn, T_SNAPSHOT, set, &k, &v)
                     : TIER_NOT_FOUND;

    if (rc < 0) {
        tx_fail(tx, rc);
    }
    return rc == TIER_OK && view_starts_with(k, set);
}

/* Whose contents they share, n of them; in the arena. */
static uint64_t *
snapshots_contents(tx_t *tx, view_t set, uint64_t n)
{
    uint64_t *ids = tx_alloc(tx, (n + 1) * sizeof(*ids));
    char etag[ETAG_TEXT_MAX];
    view_t k, v;
    uint64_t i = 0;
    tier_rc_t rc = index_seek(tx->txn, T_SNAPSHOT, set, &k, &v);

    if (ids == NULL) {
        return NULL;
    }
    while (rc == TIER_OK && i < n && view_starts_with(k, set)) {
        blob_rec_t rec;

        rc = blob_decode(v, etag, &rec);
        if (rc == TIER_OK) {
            ids[i++] = rec.b.content;
            rc = index_next(tx->txn, T_SNAPSHOT, &k, &v);
        }
    }
    if (rc < 0) {
        tx_fail(tx, rc);
        return NULL;
    }
    return ids;
}

void
snapshots_drop(tx_t *tx, blob_rec_t *rec)
{
    uint8_t buf[8];
    view_t set = id_key(buf, rec->b.snapshots);
    uint64_t *ids, n;

    if (rec->b.snapshots == 0 || tx->rc != TIER_OK) {
        return;
    }
    n = snapshots_count(tx, set);
    ids = snapshots_contents(tx, set, n);
    for (uint64_t i = 0; ids != NULL && i < n; i++) {
        content_ref(tx, ids[i], -1, 0);
    }
    tx_del_prefix(tx, T_SNAPSHOT, set);
    rec->b.snapshots = 0;
}

/* What is the name's alone stays with it: lease, blocks, fence. */
static void
snapshot_of(tx_t *tx, const store_change_t *c, const blob_rec_t *cur,
            blob_rec_t *ret)
{
    static const lease_t no_lease;
    blob_rec_t rec = { .b = { .number = tx->st.number,
                              .seen = tx->st.number,
                              .state = STORE_OWNED,
                              .resident = cur->b.resident,
                              .content = cur->b.content,
                              .etag = cur->b.etag,
                              .props = cur->b.props } };

    rec.b.props.lease = no_lease;
    if (c->flags & STORE_SET_META) {
        rec.b.props.metadata = c->props->metadata;
        set_stamp(tx, c, c->props, &rec);
    }
    *ret = rec;
}

static void
apply_create(tx_t *tx, store_change_t *c)
{
    uint8_t buf[SNAPSHOT_KEY_LEN];
    blob_rec_t cur, rec, snap;

    if (c->mode != STORE_MODE_OWNED
        || ((c->flags & STORE_SET_META) && c->props == NULL))
    {
        change_fail(c, TIER_EINVAL, 0);
        return;
    }
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
    (void) tx_number(tx);
    rec = cur;
    if (rec.b.snapshots == 0) {
        rec.b.snapshots = tx_id(tx);
    }
    snapshot_of(tx, c, &cur, &snap);
    c->snapshot = tx_etag(tx);
    content_ref(tx, snap.b.content, 1, 0);
    blob_encode(tx_value(tx), &snap);
    tx_put_value(tx, T_SNAPSHOT,
                 snapshot_key(buf, rec.b.snapshots, c->snapshot));
    change_close(tx, c, &cur, &rec);
    c->etag = snap.b.etag;
    c->last_modified_s = snap.b.props.last_modified_s;
}

static void
apply_delete_one(tx_t *tx, store_change_t *c)
{
    uint8_t buf[SNAPSHOT_KEY_LEN];
    blob_rec_t cur, rec, snap;

    if (!change_open(tx, c, &cur)) {
        return;
    }
    if (!snapshot_load(tx, cur.b.snapshots, c->snapshot, &snap)) {
        change_fail(c, TIER_NOT_FOUND, STORE_V_NO_BLOB);
        return;
    }
    if (!change_check(c, &snap)) {
        return;
    }
    (void) tx_number(tx);
    rec = cur;
    content_ref(tx, snap.b.content, -1, 0);
    tx_del(tx, T_SNAPSHOT, snapshot_key(buf, cur.b.snapshots, c->snapshot));
    if (!snapshots_any(tx, id_key(buf, cur.b.snapshots))) {
        rec.b.snapshots = 0;
    }
    change_close(tx, c, &cur, &rec);
}

void
apply_snapshot(tx_t *tx, store_change_t *c)
{
    if (c->kind == STORE_SNAPSHOT_CREATE) {
        apply_create(tx, c);
    } else {
        apply_delete_one(tx, c);
    }
}
