#include <string.h>

#include "store/internal.h"

/*
 * The write-back queue: one entry a commit that the origin has to see, with
 * the record's image and a reference to the content, so that a version can be
 * carried after it was replaced. A record is DIRTY or TOMBSTONE exactly while
 * the entry of its own number is queued.
 */

static void
entry_put(tx_t *tx, const store_entry_t *e)
{
    uint8_t buf[8];

    entry_encode(tx_value(tx), e);
    tx_put_value(tx, T_QUEUE, id_key(buf, e->number));
}

void
queue_add(tx_t *tx, store_change_t *c, store_queue_kind_t kind,
          blob_rec_t *rec, const store_container_t *container)
{
    store_entry_t e = { .number = tx->st.number,
                        .kind = kind,
                        .flags = c->flags & 0xf0u,
                        .account = c->account,
                        .container = c->container,
                        .name = c->name,
                        .incarnation = c->result_incarnation,
                        .committed_at_ms = tx->now_ms };
    index_key_t k;

    if (rec != NULL) {
        e.props = rec->b.props;
        e.etag = rec->b.etag;
        e.base = rec->b.base;
        e.base_etag = rec->b.base_etag;
        if (kind == STORE_Q_PUT || kind == STORE_Q_BLOCK_LIST) {
            e.content = rec->b.content;
            content_ref(tx, e.content, 0, 1);
        }
        rec->b.queued = e.number;
    } else {
        e.name = VIEW_NULL;
        e.container_props = container->props;
        e.etag = container->etag;
    }
    entry_put(tx, &e);
    group_key(e.account, e.container, e.number, &k);
    tx_put(tx, T_QGROUP, key_view(&k), view_of("", 1));
    tx_counters(tx, e.account)->queued++;
}

bool
queue_load(tx_t *tx, uint64_t number, store_entry_t *ret)
{
    uint8_t buf[8];
    view_t v;

    if (!tx_get(tx, T_QUEUE, id_key(buf, number), &v)) {
        return false;
    }
    if (entry_decode(v, ret) != TIER_OK) {
        tx_fail(tx, TIER_ECORRUPT);
        return false;
    }
    ret->number = number;
    return true;
}

static void
entry_remove(tx_t *tx, const store_entry_t *e)
{
    counters_t *n = tx_counters(tx, e->account);
    uint8_t buf[8];
    index_key_t k;

    n->queued--;
    n->parked -= e->parked;
    tx_del(tx, T_QUEUE, id_key(buf, e->number));
    group_key(e->account, e->container, e->number, &k);
    tx_del(tx, T_QGROUP, key_view(&k));
    content_ref(tx, e->content, 0, -1);
}

void
queue_void(tx_t *tx, view_t account, view_t container, uint64_t incarnation)
{
    uint64_t from = 0;
    store_entry_t e;
    index_key_t key;

    while (tx->rc == TIER_OK) {
        view_t k, v;
        tier_rc_t rc;

        group_key(account, container, from, &key);
        rc = index_seek(tx->txn, T_QGROUP, key_view(&key), &k, &v);
        if (rc < 0) {
            tx_fail(tx, rc);
        }
        if (rc != TIER_OK || k.len != key.len
            || memcmp(k.ptr, key.buf, key.len - 8) != 0)
        {
            return;
        }
        from = be64_get(k.ptr + k.len - 8);
        if (queue_load(tx, from, &e) && e.incarnation == incarnation) {
            entry_remove(tx, &e);
        }
        from++;
    }
}

/* ---- outcomes of write-back ------------------------------------------- */

/* The entry was of the version that the record still has. */
static void
wb_latest(tx_t *tx, const store_change_t *c, blob_rec_t *rec)
{
    store_blob_t *b = &rec->b;

    if (b->state == STORE_TOMBSTONE || c->kind == STORE_WB_DROP
        || c->kind == STORE_WB_CONFLICT)
    {
        blob_version_drop(tx, rec);
        return;
    }
    b->state = c->kind == STORE_WB_SKIP ? STORE_OWNED
             : b->resident              ? STORE_CLEAN
                                        : STORE_ALIAS;
    b->base = STORE_BASE_UNKNOWN;
    b->base_etag = VIEW_NULL;
    b->origin_etag = VIEW_NULL;
    if (c->kind == STORE_WB_DONE) {
        b->origin_etag = c->origin_etag;
        b->origin_last_modified_s = c->origin_last_modified_s;
        b->checked_at_ms = c->checked_at_ms ? c->checked_at_ms : tx->now_ms;
    }
}

/* A later version waits: what it will find at the origin. */
static void
wb_earlier(const store_change_t *c, const store_entry_t *e, blob_rec_t *rec)
{
    bool gone = c->kind == STORE_WB_DONE && e->kind == STORE_Q_DELETE;

    if (c->kind != STORE_WB_DONE && c->kind != STORE_WB_CONFLICT) {
        return;
    }
    rec->b.base = gone                   ? STORE_BASE_ABSENT
                : c->origin_etag.len > 0 ? STORE_BASE_ETAG
                                         : STORE_BASE_UNKNOWN;
    rec->b.base_etag = gone ? VIEW_NULL : c->origin_etag;
}

static void
wb_blob(tx_t *tx, const store_change_t *c, const store_entry_t *e)
{
    blob_rec_t cur, rec;

    if (!blob_load(tx, e->incarnation, e->name, &cur)) {
        return; /* purged */
    }
    rec = cur;
    if (cur.b.state == STORE_DIRTY || cur.b.state == STORE_TOMBSTONE) {
        if (cur.b.number == e->number) {
            wb_latest(tx, c, &rec);
        } else {
            wb_earlier(c, e, &rec);
        }
    }
    if (rec.b.queued == e->number) {
        rec.b.queued = 0;
    }
    blob_store(tx, e->account, e->incarnation, e->name, &cur, &rec);
}

static void
wb_container(tx_t *tx, const store_change_t *c, const store_entry_t *e)
{
    store_container_t rec;

    if (!container_load(tx, e->account, e->container, &rec)
        || rec.incarnation != e->incarnation || rec.number != e->number
        || rec.state != STORE_DIRTY)
    {
        return;
    }
    rec.state = STORE_CLEAN;
    rec.origin_etag = c->origin_etag;
    rec.checked_at_ms = c->checked_at_ms ? c->checked_at_ms : tx->now_ms;
    container_store(tx, e->account, e->container, &rec);
}

static void
wb_mark(tx_t *tx, store_change_t *c, store_entry_t *e)
{
    bool was = e->parked;

    if (c->kind == STORE_WB_RETRY && !was && e->attempts == 0) {
        return;
    }
    (void) tx_number(tx);
    c->number = tx->st.number;
    e->error = c->kind == STORE_WB_RETRY ? VIEW_NULL : c->error;
    e->parked =
        c->kind == STORE_WB_PARK || (c->kind == STORE_WB_ATTEMPT && was);
    e->attempts = c->kind == STORE_WB_RETRY   ? 0
                : c->kind == STORE_WB_ATTEMPT ? e->attempts + 1
                                              : e->attempts;
    tx_counters(tx, e->account)->parked += (int) e->parked - (int) was;
    entry_put(tx, e);
}

void
apply_wb(tx_t *tx, store_change_t *c)
{
    store_entry_t e;

    if (!queue_load(tx, c->if_number, &e)) {
        change_fail(c, TIER_NOT_FOUND, STORE_V_NO_ENTRY);
        return;
    }
    c->result_incarnation = e.incarnation;
    if (c->kind == STORE_WB_PARK || c->kind == STORE_WB_RETRY
        || c->kind == STORE_WB_ATTEMPT)
    {
        wb_mark(tx, c, &e);
        return;
    }
    (void) tx_number(tx);
    c->number = tx->st.number;
    entry_remove(tx, &e);
    if (e.kind >= STORE_Q_CONTAINER_CREATE) {
        wb_container(tx, c, &e);
    } else {
        wb_blob(tx, c, &e);
    }
}
