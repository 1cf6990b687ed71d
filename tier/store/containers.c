#include <string.h>

#include "store/internal.h"

/*
 * Changes of containers. A deleted one's records stay behind under its
 * incarnation, which nobody can reach any more, until upkeep purges them.
 */

bool
container_load(tx_t *tx, view_t account, view_t container,
               store_container_t *ret)
{
    char *etag = tx_alloc(tx, ETAG_TEXT_MAX);
    index_key_t k;
    view_t v;
    tier_rc_t rc;

    memset(ret, 0, sizeof(*ret));
    if (etag == NULL || container_key(account, container, &k) != TIER_OK
        || !tx_get(tx, T_CONTAINER, key_view(&k), &v))
    {
        return false;
    }
    rc = container_decode(v, etag, ret);
    if (rc != TIER_OK) {
        tx_fail(tx, rc);
    }
    return rc == TIER_OK;
}

void
container_store(tx_t *tx, view_t account, view_t container,
                store_container_t *rec)
{
    index_key_t k;

    if (container_key(account, container, &k) != TIER_OK) {
        tx_fail(tx, TIER_EINVAL);
        return;
    }
    rec->seen = tx->st.number;
    container_encode(tx_value(tx), rec);
    tx_put_value(tx, T_CONTAINER, key_view(&k));
}

static bool
container_check(store_change_t *c, const store_container_t *cur)
{
    int verdict =
        c->check_container == NULL ? 0 : c->check_container(c->check_ctx, cur);

    if (verdict != 0) {
        change_fail(c, TIER_REFUSED, verdict);
    }
    return verdict == 0;
}

static void
container_version(tx_t *tx, store_change_t *c, store_container_t *rec)
{
    const container_props_t *p = c->container_props;
    bool clean = c->mode == STORE_MODE_CLEAN;
    char *text = tx_alloc(tx, ETAG_TEXT_MAX);

    if (text == NULL) {
        return;
    }
    if (p != NULL) {
        lease_t lease = rec->props.lease;

        rec->props = *p;
        if (!clean) {
            rec->props.lease = lease;
        }
    }
    rec->number = tx->st.number;
    if (!clean || p == NULL || !etag_parse(p->etag, &rec->etag)) {
        rec->etag = tx_etag(tx);
    }
    rec->props.last_modified_s = clean && p != NULL && p->last_modified_s != 0
                                   ? p->last_modified_s
                                   : tx_last_modified(tx);
    etag_text(rec->etag, text, &rec->props.etag);
}

static void
container_side(tx_t *tx, const store_change_t *c, store_container_t *rec)
{
    if (c->mode == STORE_MODE_CLEAN) {
        rec->state = STORE_CLEAN;
        rec->origin_etag = c->origin_etag;
        rec->checked_at_ms = c->checked_at_ms ? c->checked_at_ms : tx->now_ms;
    } else {
        rec->state = c->mode == STORE_MODE_OWNED ? STORE_OWNED : STORE_DIRTY;
        rec->origin_etag = VIEW_NULL;
    }
}

static void
container_close(tx_t *tx, store_change_t *c, store_container_t *rec)
{
    c->number = tx->st.number;
    c->etag = rec->etag;
    c->last_modified_s = rec->props.last_modified_s;
    c->result_incarnation = rec->incarnation;
    container_store(tx, c->account, c->container, rec);
}

static void
container_create(tx_t *tx, store_change_t *c)
{
    store_container_t cur, rec;
    bool exists = container_load(tx, c->account, c->container, &cur);

    if (tx->rc != TIER_OK || !container_check(c, exists ? &cur : NULL)) {
        return;
    }
    if (exists) {
        c->result_incarnation = cur.incarnation;
        change_fail(c, TIER_EXISTS, 0);
        return;
    }
    (void) tx_number(tx);
    memset(&rec, 0, sizeof(rec));
    rec.incarnation = tx_id(tx);
    container_side(tx, c, &rec);
    container_version(tx, c, &rec);
    tx_counters(tx, c->account)->containers++;
    if (c->mode == STORE_MODE_DIRTY) {
        c->result_incarnation = rec.incarnation;
        queue_add(tx, c, STORE_Q_CONTAINER_CREATE, NULL, &rec);
    }
    container_close(tx, c, &rec);
}

static bool
container_open(tx_t *tx, store_change_t *c, store_container_t *cur)
{
    bool exists = container_load(tx, c->account, c->container, cur);

    if (tx->rc != TIER_OK || !container_check(c, exists ? cur : NULL)) {
        return false;
    }
    if (!exists || (c->incarnation != 0 && c->incarnation != cur->incarnation))
    {
        change_fail(c, TIER_NOT_FOUND, STORE_V_NO_CONTAINER);
        return false;
    }
    c->result_incarnation = cur->incarnation;
    return true;
}

static void
container_set(tx_t *tx, store_change_t *c)
{
    store_container_t rec;

    if (!container_open(tx, c, &rec)) {
        return;
    }
    /* what the origin says does not undo what it has not seen */
    if (c->mode == STORE_MODE_CLEAN && rec.state == STORE_DIRTY) {
        change_fail(c, TIER_AGAIN, STORE_V_QUEUED);
        return;
    }
    (void) tx_number(tx);
    container_side(tx, c, &rec);
    if (c->container_props != NULL) {
        container_version(tx, c, &rec);
    }
    if (c->mode == STORE_MODE_DIRTY) {
        queue_add(tx, c, STORE_Q_CONTAINER_SET, NULL, &rec);
    }
    container_close(tx, c, &rec);
}

static void
container_lease(tx_t *tx, store_change_t *c)
{
    store_container_t rec;

    if (!container_open(tx, c, &rec)) {
        return;
    }
    if (rec.state != STORE_OWNED) {
        change_fail(c, TIER_REFUSED, STORE_V_STATE);
        return;
    }
    if (c->lease == NULL) {
        change_fail(c, TIER_EINVAL, 0);
        return;
    }
    (void) tx_number(tx);
    rec.props.lease = *c->lease;
    container_close(tx, c, &rec);
}

static void
container_delete(tx_t *tx, store_change_t *c)
{
    store_container_t cur;
    uint8_t buf[8];
    index_key_t k;

    if (!container_open(tx, c, &cur)) {
        return;
    }
    (void) tx_number(tx);
    if (container_key(c->account, c->container, &k) != TIER_OK) {
        tx_fail(tx, TIER_EINVAL);
        return;
    }
    tx_del(tx, T_CONTAINER, key_view(&k));
    tx_put(tx, T_PURGE, id_key(buf, cur.incarnation), c->account);
    tx_counters(tx, c->account)->containers--;
    if (c->flags & STORE_VOID_QUEUE) {
        queue_void(tx, c->account, c->container, cur.incarnation);
    }
    if (c->mode == STORE_MODE_DIRTY) {
        queue_add(tx, c, STORE_Q_CONTAINER_DELETE, NULL, &cur);
    }
    c->number = tx->st.number;
}

void
apply_container(tx_t *tx, store_change_t *c)
{
    if (c->kind == STORE_CONTAINER_CREATE) {
        container_create(tx, c);
    } else if (c->kind == STORE_CONTAINER_SET) {
        container_set(tx, c);
    } else if (c->kind == STORE_CONTAINER_LEASE) {
        container_lease(tx, c);
    } else {
        container_delete(tx, c);
    }
}

bool
purge_slice(tx_t *tx, uint64_t incarnation, view_t account, unsigned limit)
{
    name_iter_t it;
    uint8_t buf[8];

    for (unsigned i = 0; i < limit && tx->rc == TIER_OK; i++) {
        tier_rc_t rc = name_seek(&it, tx->txn, incarnation, VIEW_NULL);
        blob_rec_t cur, rec;
        view_t name;

        if (rc == TIER_NOT_FOUND) {
            tx_del(tx, T_PURGE, id_key(buf, incarnation));
            return true;
        }
        if (rc != TIER_OK) {
            tx_fail(tx, rc);
            break;
        }
        name = view_of(it.name, it.len);
        if (!blob_load(tx, incarnation, name, &cur)) {
            tx_fail(tx, TIER_ECORRUPT);
            break;
        }
        rec = cur;
        blocks_drop(tx, account, &rec);
        blob_version_drop(tx, &rec);
        rec.b.queued = 0;
        rec.b.fence_owner = VIEW_NULL;
        blob_store(tx, account, incarnation, name, &cur, &rec);
    }
    return false;
}
