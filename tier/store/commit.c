#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

/* Commits: see durability.md section 2 for the order of the steps. */

#define BATCH_BYTES (32u << 20)

static bool
label_ok(view_t v)
{
    return v.len > 0 && v.len <= STORE_LABEL_MAX
        && memchr(v.ptr, 0, v.len) == NULL;
}

/* What the kinds need to be sensible at all. */
static bool
change_valid(const store_change_t *c)
{
    if (c->kind <= 0 || c->kind >= STORE_KIND_MAX) {
        return false;
    }
    if (c->origin_etag.len > STORE_ETAG_MAX
        || c->base_etag.len > STORE_ETAG_MAX
        || c->fence_owner.len > STORE_FENCE_MAX || c->error.len > UINT16_MAX)
    {
        return false;
    }
    if (c->kind >= STORE_WB_DONE) {
        return c->if_number != 0;
    }
    if (!label_ok(c->account)) {
        return false;
    }
    if (c->kind == STORE_ACCOUNT_SET) {
        return c->service.len <= STORE_SERVICE_MAX;
    }
    if (!label_ok(c->container)) {
        return false;
    }
    if (c->kind <= STORE_CONTAINER_DELETE) {
        return true;
    }
    return c->name.len > 0 && c->name.len <= STORE_NAME_MAX
        && (c->body == NULL || body_finished(c->body));
}

static bool
change_makes_room(const store_change_t *c)
{
    return c->kind >= STORE_WB_DONE || c->kind == STORE_BLOB_DELETE
        || c->kind == STORE_CONTAINER_DELETE || c->kind == STORE_BLOB_FORGET
        || c->kind == STORE_BLOB_EVICT || c->kind == STORE_FENCE_CLEAR
        || c->kind == STORE_SNAPSHOT_DELETE;
}

static void
change_apply(tx_t *tx, store_change_t *c)
{
    if (!change_valid(c)) {
        change_fail(c, TIER_EINVAL, 0);
    } else if (tx->tight && !change_makes_room(c)) {
        change_fail(c, TIER_ENOSPC, 0);
    } else if (c->kind >= STORE_WB_DONE) {
        apply_wb(tx, c);
    } else if (c->kind == STORE_ACCOUNT_SET) {
        apply_account(tx, c);
    } else if (c->kind <= STORE_CONTAINER_DELETE) {
        apply_container(tx, c);
    } else {
        apply_blob(tx, c);
    }
    tx_end_change(tx);
}

static void
changes_fail(store_change_t *changes[], unsigned n, tier_rc_t rc)
{
    for (unsigned i = 0; i < n; i++) {
        if (changes[i]->rc == TIER_OK) {
            changes[i]->rc = rc;
            changes[i]->number = 0;
        }
    }
}

/* The journal has the batch but the index's commit failed: it counts once
 * anybody has applied it. */
static tier_rc_t
commit_again(store_t *store)
{
    uint64_t number;
    tx_t tx;
    tier_rc_t rc = tx_begin(store, &tx);

    if (rc == TIER_OK) {
        rc = tx_finish(&tx, &number);
    }
    if (rc != TIER_OK) {
        shared_fail(store);
        return TIER_EIO;
    }
    return TIER_OK;
}

/* As many of the changes as fit one record; *ret_n of them. */
static tier_rc_t
commit_batch(store_t *store, store_change_t *changes[], unsigned n,
             unsigned *ret_n)
{
    uint64_t number;
    unsigned i;
    tx_t tx;
    tier_rc_t rc = tx_begin(store, &tx);

    *ret_n = n;
    if (rc != TIER_OK) {
        return rc;
    }
    for (i = 0; i < n && tx.rc == TIER_OK && tx.rec.len < BATCH_BYTES; i++) {
        change_apply(&tx, changes[i]);
    }
    *ret_n = i;
    rc = tx_finish(&tx, &number);
    if (rc != TIER_OK && tx.appended) {
        rc = commit_again(store);
    }
    /* a refusal, too, tells of what it saw */
    return rc ? rc : store_wait_durable(store, number);
}

static tier_rc_t
commit_bodies(store_t *store, store_change_t *changes[], unsigned n)
{
    store_body_t **bodies = calloc(n, sizeof(*bodies));
    unsigned m = 0;
    tier_rc_t rc;

    if (bodies == NULL) {
        return TIER_ENOMEM;
    }
    for (unsigned i = 0; i < n; i++) {
        if (changes[i]->body != NULL) {
            bodies[m++] = changes[i]->body;
        }
    }
    rc = bodies_sync(store, bodies, m);
    free(bodies);
    fault(FAULT_BODY_SYNCED);
    return rc;
}

void
store_commit(store_t *store, store_change_t *changes[], unsigned n)
{
    tier_rc_t rc = store->opts.read_only ? TIER_EINVAL : TIER_OK;
    unsigned i, took;

    for (i = 0; i < n; i++) {
        changes[i]->rc = TIER_OK;
        changes[i]->verdict = 0;
        changes[i]->number = 0;
        changes[i]->result_incarnation = 0;
    }
    if (n > 0 && rc == TIER_OK) {
        rc = commit_bodies(store, changes, n);
    }
    for (i = 0; i < n && rc == TIER_OK; i += took) {
        tier_rc_t batch_rc = commit_batch(store, changes + i, n - i, &took);

        if (batch_rc != TIER_OK) {
            changes_fail(changes + i, took, batch_rc);
            if (batch_rc == TIER_EIO || batch_rc == TIER_ECORRUPT) {
                rc = batch_rc;
            }
        }
    }
    changes_fail(changes + i, n - i, rc);
    for (i = 0; i < n; i++) {
        if (store_change_fenced(changes[i]) && changes[i]->patient) {
            continue;
        }
        store_body_abort(changes[i]->body);
        changes[i]->body = NULL;
    }
}

tier_rc_t
commit_internal(store_t *store, void (*fn)(tx_t *tx, void *ctx), void *ctx)
{
    uint64_t number;
    tx_t tx;
    tier_rc_t rc = tx_begin(store, &tx);

    if (rc != TIER_OK) {
        return rc;
    }
    fn(&tx, ctx);
    tx_end_change(&tx);
    rc = tx_finish(&tx, &number);
    if (rc != TIER_OK && tx.appended) {
        rc = commit_again(store);
    }
    return rc ? rc : store_wait_durable(store, number);
}
