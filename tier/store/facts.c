#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/internal.h"

/*
 * Facts: what the origin said, in an environment of its own so that learning
 * never waits for a commit. Keyed by a hash of the names; the value repeats
 * them. Of one boot only. When there are too many, some go, by chance.
 */
#define FACT_MAP_BYTES (8ull << 30)
#define FACT_EVICT     16

static tier_rc_t
facts_env(store_t *store)
{
    char path[STORE_PATH_MAX];
    index_opts_t opts = { .tables = 1,
                          .map_bytes = FACT_MAP_BYTES,
                          .create = true,
                          .log = store->log };

    store_path(store, path, sizeof(path), "facts");
    return index_open(path, &opts, &store->facts);
}

tier_rc_t
facts_open(store_t *store, bool fresh)
{
    char path[STORE_PATH_MAX], mark[STORE_PATH_MAX], have[64] = "";
    tier_rc_t rc = TIER_ECORRUPT;

    store_path(store, path, sizeof(path), "facts");
    store_path(store, mark, sizeof(mark), "facts/mark");
    if (!fresh
        || (read_text(mark, have, sizeof(have)) == TIER_OK
            && store->boot[0] != '\0' && strcmp(have, store->boot) == 0))
    {
        rc = facts_env(store);
    }
    if (rc == TIER_OK || !fresh) {
        return rc;
    }
    remove_tree(path);
    if (mkdir(path, 0700) != 0) {
        store_error(store, "create folder", path);
        return TIER_EIO;
    }
    rc = write_file(store, "facts", "mark", store->boot, strlen(store->boot));
    return rc ? rc : facts_env(store);
}

#define FULL_MAX (2 * STORE_LABEL_MAX + STORE_NAME_MAX + 2)

typedef struct fact_key_s {
    uint8_t hash[SHA256_LEN];
    size_t len;
    uint8_t full[FULL_MAX];
} fact_key_t;

static view_t
fact_hash(const fact_key_t *k)
{
    return view_of(k->hash, 16);
}

static bool
fact_key(view_t account, view_t container, view_t name, fact_key_t *ret)
{
    index_key_t k;

    if (container.len == 0 && account.len != 0
        && account.len <= STORE_LABEL_MAX && name.len == 0)
    {
        memcpy(k.buf, account.ptr, account.len);
        k.len = account.len;

    } else if (container_key(account, container, &k) != TIER_OK
               || name.len > STORE_NAME_MAX)
    {
        return false;
    }
    memcpy(ret->full, k.buf, k.len);
    ret->len = k.len;
    ret->full[ret->len++] = 0;
    if (name.len > 0) {
        memcpy(ret->full + ret->len, name.ptr, name.len);
        ret->len += name.len;
    }
    sha256(view_of(ret->full, ret->len), ret->hash);
    return true;
}

tier_rc_t
store_fact_get(store_reader_t *reader, view_t account, view_t container,
               view_t name, writer_t *scratch, store_fact_t *ret)
{
    fact_key_t key;
    uint8_t *p;
    view_t v;
    tier_rc_t rc;

    if (!fact_key(account, container, name, &key)) {
        return TIER_NOT_FOUND;
    }
    rc = index_renew(reader->facts);
    if (rc != TIER_OK) {
        return rc;
    }
    rc = index_get(reader->facts, 0, fact_hash(&key), &v);
    if (rc == TIER_OK) {
        p = writer_reserve(scratch, v.len);
        if (p == NULL) {
            rc = scratch->rc;
        } else {
            memcpy(p, v.ptr, v.len);
            v = view_of(p, v.len);
        }
    }
    index_reset(reader->facts);
    if (rc == TIER_OK) {
        rc = fact_decode(v, view_of(key.full, key.len), name.len == 0, ret);
    }
    if (rc == TIER_OK && name.len > 0) {
        ret->props.etag = ret->origin_etag;
    } else if (rc == TIER_OK) {
        ret->container_props.etag = ret->origin_etag;
    }
    return rc;
}

/* The hash spreads keys evenly: those after a chance place are a fair
 * choice. */
static tier_rc_t
facts_evict(index_txn_t *txn)
{
    uint8_t at[16], key[16];
    view_t k, v;

    random_bytes(at, sizeof(at));
    for (unsigned i = 0; i < FACT_EVICT; i++) {
        tier_rc_t rc = index_seek(txn, 0, view_of(at, sizeof(at)), &k, &v);

        if (rc == TIER_NOT_FOUND) {
            rc = index_seek(txn, 0, VIEW_NULL, &k, &v);
        }
        if (rc != TIER_OK) {
            return rc == TIER_NOT_FOUND ? TIER_OK : rc;
        }
        if (k.len != sizeof(key)) {
            return TIER_ECORRUPT;
        }
        memcpy(key, k.ptr, sizeof(key));
        rc = index_del(txn, 0, view_of(key, sizeof(key)));
        if (rc != TIER_OK) {
            return rc;
        }
    }
    return TIER_OK;
}

/* An answer that was under way while a younger one was noted says nothing any
 * more. A time in the future is a clock's mistake. */
static bool
facts_younger(const store_t *store, index_txn_t *txn, const fact_key_t *key,
              bool is_container, int64_t checked_at_ms)
{
    store_fact_t have;
    view_t v;

    return index_get(txn, 0, fact_hash(key), &v) == TIER_OK
        && fact_decode(v, view_of(key->full, key->len), is_container, &have)
               == TIER_OK
        && have.checked_at_ms >= checked_at_ms
        && have.checked_at_ms <= store_now_ms(store);
}

tier_rc_t
store_fact_put(store_t *store, view_t account, view_t container, view_t name,
               const store_fact_t *fact)
{
    index_txn_t *txn;
    fact_key_t key;
    uint64_t n;
    writer_t w;
    tier_rc_t rc;

    if (!fact_key(account, container, name, &key)
        || fact->origin_etag.len > STORE_ETAG_MAX)
    {
        return TIER_EINVAL;
    }
    writer_init_grow(&w, STORE_RECORD_MAX, NULL, NULL);
    fact_encode(&w, view_of(key.full, key.len), name.len == 0, fact);
    rc = w.rc;
    rc = rc ? rc : index_begin(store->facts, true, &txn);
    if (rc == TIER_OK
        && facts_younger(store, txn, &key, name.len == 0, fact->checked_at_ms))
    {
        index_abort(txn);

    } else if (rc == TIER_OK) {
        rc = index_count(txn, 0, &n);
        if (rc == TIER_OK && n >= store->opts.facts_max) {
            rc = facts_evict(txn);
        }
        rc = rc ? rc : index_put(txn, 0, fact_hash(&key), writer_view(&w));
        if (rc == TIER_OK) {
            rc = index_commit(txn);
        } else {
            index_abort(txn);
        }
    }
    writer_free(&w);
    return rc;
}

tier_rc_t
store_fact_del(store_t *store, view_t account, view_t container, view_t name)
{
    index_txn_t *txn;
    fact_key_t key;
    tier_rc_t rc;

    if (!fact_key(account, container, name, &key)) {
        return TIER_NOT_FOUND;
    }
    rc = index_begin(store->facts, true, &txn);
    if (rc != TIER_OK) {
        return rc;
    }
    rc = index_del(txn, 0, fact_hash(&key));
    if (rc != TIER_OK) {
        index_abort(txn);
        return rc;
    }
    return index_commit(txn);
}
