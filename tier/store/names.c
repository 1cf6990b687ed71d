#include <string.h>

#include "store/internal.h"

/*
 * Keys of records: see format.h. A name that is longer than NAME_CHUNK is
 * looked up chunk by chunk; all others cost nothing.
 */
#define LINK_LEN (8 + NAME_CHUNK + 1)

static void
leaf_key(index_key_t *k, uint64_t node, view_t chunk)
{
    be64_put(k->buf, node);
    if (chunk.len > 0) {
        memcpy(k->buf + 8, chunk.ptr, chunk.len);
    }
    k->len = 8 + chunk.len;
}

static void
link_key(index_key_t *k, uint64_t node, const uint8_t *chunk)
{
    leaf_key(k, node, view_of(chunk, NAME_CHUNK));
    k->buf[k->len++] = 1;
}

static tier_rc_t
link_get(index_txn_t *txn, uint64_t node, const uint8_t *chunk,
         uint64_t *ret_node)
{
    index_key_t k;
    view_t v;
    tier_rc_t rc;

    link_key(&k, node, chunk);
    rc = index_get(txn, T_BLOB, key_view(&k), &v);
    if (rc != TIER_OK) {
        return rc;
    }
    if (v.len != 8) {
        return TIER_ECORRUPT;
    }
    *ret_node = le64_get(v.ptr);
    return TIER_OK;
}

tier_rc_t
name_find(index_txn_t *txn, uint64_t incarnation, view_t name,
          index_key_t *ret)
{
    uint64_t node = incarnation;

    if (name.len == 0 || name.len > STORE_NAME_MAX) {
        return TIER_NOT_FOUND;
    }
    while (name.len > NAME_CHUNK) {
        tier_rc_t rc = link_get(txn, node, name.ptr, &node);
        if (rc != TIER_OK) {
            return rc;
        }
        name = view_sub(name, NAME_CHUNK, name.len);
    }
    leaf_key(ret, node, name);
    return TIER_OK;
}

void
name_make(tx_t *tx, uint64_t incarnation, view_t name, index_key_t *ret)
{
    uint64_t node = incarnation, next;
    uint8_t val[8];
    index_key_t k;

    while (name.len > NAME_CHUNK && tx->rc == TIER_OK) {
        tier_rc_t rc = link_get(tx->txn, node, name.ptr, &next);
        if (rc == TIER_NOT_FOUND) {
            next = tx_id(tx);
            le64_put(val, next);
            link_key(&k, node, name.ptr);
            tx_put(tx, T_BLOB, key_view(&k), view_of(val, sizeof(val)));
        } else if (rc != TIER_OK) {
            tx_fail(tx, rc);
        }
        node = next;
        name = view_sub(name, NAME_CHUNK, name.len);
    }
    leaf_key(ret, node, view_sub(name, 0, NAME_CHUNK));
}

void
name_prune(tx_t *tx, uint64_t incarnation, view_t name)
{
    uint64_t node[8] = { incarnation };
    unsigned depth = 0;
    view_t k, v;
    index_key_t key;
    uint8_t buf[8];

    for (; (depth + 1) * NAME_CHUNK < name.len && tx->rc == TIER_OK; depth++) {
        tier_rc_t rc =
            link_get(tx->txn, node[depth], name.ptr + depth * NAME_CHUNK,
                     &node[depth + 1]);
        if (rc != TIER_OK) {
            tx_fail(tx, rc < 0 ? rc : TIER_ECORRUPT);
        }
    }
    for (; depth > 0 && tx->rc == TIER_OK; depth--) {
        view_t prefix = id_key(buf, node[depth]);
        tier_rc_t rc = index_seek(tx->txn, T_BLOB, prefix, &k, &v);

        if (rc == TIER_OK && view_starts_with(k, prefix)) {
            return; /* in use */
        }
        if (rc < 0) {
            tx_fail(tx, rc);
            return;
        }
        link_key(&key, node[depth - 1], name.ptr + (depth - 1) * NAME_CHUNK);
        tx_del(tx, T_BLOB, key_view(&key));
    }
}

static bool
label_ok(view_t v)
{
    return v.len > 0 && v.len <= STORE_LABEL_MAX
        && memchr(v.ptr, 0, v.len) == NULL;
}

tier_rc_t
container_key(view_t account, view_t container, index_key_t *ret)
{
    if (!label_ok(account) || !label_ok(container)) {
        return TIER_EINVAL;
    }
    memcpy(ret->buf, account.ptr, account.len);
    ret->buf[account.len] = 0;
    memcpy(ret->buf + account.len + 1, container.ptr, container.len);
    ret->len = account.len + 1 + container.len;
    return TIER_OK;
}

void
group_key(view_t account, view_t container, uint64_t number, index_key_t *ret)
{
    memcpy(ret->buf, account.ptr, account.len);
    ret->len = account.len;
    ret->buf[ret->len++] = 0;
    memcpy(ret->buf + ret->len, container.ptr, container.len);
    ret->len += container.len;
    ret->buf[ret->len++] = 0;
    be64_put(ret->buf + ret->len, number);
    ret->len += 8;
}

/* ---- iteration -------------------------------------------------------- */

/* The cursor is at (k, v), which may be past the node. Goes down to a leaf or
 * up to where there is a next one. */
static tier_rc_t
name_settle(name_iter_t *it, tier_rc_t rc, view_t k, view_t v)
{
    uint8_t buf[8];
    index_key_t link;

    for (;;) {
        view_t node = id_key(buf, it->node[it->depth]);

        if (rc != TIER_OK && rc != TIER_NOT_FOUND) {
            return rc;
        }
        if (rc == TIER_OK && view_starts_with(k, node)) {
            size_t at = it->depth * NAME_CHUNK;
            size_t n = k.len - 8;

            if (k.len < LINK_LEN) {
                memcpy(it->name + at, k.ptr + 8, n);
                it->len = at + n;
                it->val = v;
                return TIER_OK;
            }
            if (v.len != 8 || it->depth == 7) {
                return TIER_ECORRUPT;
            }
            memcpy(it->name + at, k.ptr + 8, NAME_CHUNK);
            it->node[++it->depth] = le64_get(v.ptr);
            rc = index_seek(it->txn, T_BLOB, id_key(buf, it->node[it->depth]),
                            &k, &v);
            continue;
        }
        if (it->depth == 0) {
            return TIER_NOT_FOUND;
        }
        it->depth--;
        link_key(&link, it->node[it->depth],
                 it->name + it->depth * NAME_CHUNK);
        rc = index_seek(it->txn, T_BLOB, key_view(&link), &k, &v);
        if (rc == TIER_OK) {
            rc = index_next(it->txn, T_BLOB, &k, &v);
        }
    }
}

tier_rc_t
name_seek(name_iter_t *it, index_txn_t *txn, uint64_t incarnation,
          view_t target)
{
    view_t k, v;
    index_key_t key;
    tier_rc_t rc;

    it->txn = txn;
    it->depth = 0;
    it->node[0] = incarnation;
    target = view_sub(target, 0, STORE_NAME_MAX + 1);

    while (target.len > NAME_CHUNK) {
        uint64_t next;

        rc = link_get(txn, it->node[it->depth], target.ptr, &next);
        if (rc == TIER_NOT_FOUND) {
            /* first greater entry of this node, on the way to any deeper */
            link_key(&key, it->node[it->depth], target.ptr);
            rc = index_seek(txn, T_BLOB, key_view(&key), &k, &v);
            return name_settle(it, rc, k, v);
        }
        if (rc != TIER_OK) {
            return rc;
        }
        memcpy(it->name + it->depth * NAME_CHUNK, target.ptr, NAME_CHUNK);
        it->node[++it->depth] = next;
        target = view_sub(target, NAME_CHUNK, target.len);
    }
    leaf_key(&key, it->node[it->depth], target);
    rc = index_seek(txn, T_BLOB, key_view(&key), &k, &v);
    return name_settle(it, rc, k, v);
}

tier_rc_t
name_next(name_iter_t *it)
{
    view_t k = VIEW_NULL, v = VIEW_NULL;
    tier_rc_t rc = index_next(it->txn, T_BLOB, &k, &v);

    return name_settle(it, rc, k, v);
}
