#include "store/index.h"

#include <errno.h>
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/endian.h"
#include "store/format.h"

#define INDEX_READERS 1024

struct index_s {
    MDB_env *env;
    unsigned tables;
    MDB_dbi dbi[INDEX_TABLES_MAX];
    const tier_log_t *log;
};

struct index_txn_s {
    index_t *index;
    MDB_txn *txn;
    bool write;
    MDB_cursor *cursor[INDEX_TABLES_MAX];
    bool stale[INDEX_TABLES_MAX]; /* to be renewed before use */
};

/* The one translator of LMDB's results. */
static tier_rc_t
index_rc(index_t *index, int rc, const char *what)
{
    tier_rc_t ret;

    switch (rc) {
    case 0:
        return TIER_OK;
    case MDB_NOTFOUND:
        return TIER_NOT_FOUND;
    case MDB_READERS_FULL:
        return TIER_AGAIN;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case ENOSPC:
    case EDQUOT:
        ret = TIER_ENOSPC;
        break;
    case ENOMEM:
        ret = TIER_ENOMEM;
        break;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_PANIC:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
        ret = TIER_ECORRUPT;
        break;
    case MDB_BAD_VALSIZE:
        ret = TIER_EINVAL;
        break;
    default:
        ret = TIER_EIO;
    }

    tier_log(index->log, TIER_LOG_ERROR, "store index %s: %s", what,
             mdb_strerror(rc));
    return ret;
}

static MDB_val
to_val(view_t v)
{
    return (MDB_val){ v.len, (void *) (uintptr_t) v.ptr };
}

static view_t
to_view(MDB_val v)
{
    return view_of(v.mv_data, v.mv_size);
}

static uint32_t
value_crc(unsigned table, view_t key, view_t val)
{
    uint64_t crc = crc64_nvme(table + 1, key.ptr, key.len);

    return (uint32_t) crc64_nvme(crc, val.ptr, val.len);
}

/* Cuts the checksum off. */
static tier_rc_t
value_check(index_txn_t *txn, unsigned table, view_t key, MDB_val raw,
            view_t *ret)
{
    view_t val = to_view(raw);

    if (val.len < VALUE_TAIL) {
        goto bad;
    }
    val.len -= VALUE_TAIL;
    if (le32_get(val.ptr + val.len) != value_crc(table, key, val)) {
        goto bad;
    }
    *ret = val;
    return TIER_OK;

bad:
    tier_log(txn->index->log, TIER_LOG_ERROR,
             "store index: a value of table %u has a wrong checksum; stop "
             "every user of the store, remove its index folder and start "
             "again (it is rebuilt from checkpoint and journal)",
             table);
    return TIER_ECORRUPT;
}

static tier_rc_t
index_open_tables(index_t *index, const index_opts_t *opts)
{
    MDB_txn *txn;
    char name[8];
    int rc;

    rc = mdb_txn_begin(index->env, NULL, opts->create ? 0 : MDB_RDONLY, &txn);
    if (rc != 0) {
        return index_rc(index, rc, "open");
    }
    for (unsigned i = 0; i < opts->tables; i++) {
        name[0] = 't';
        name[1] = (char) ('a' + i);
        name[2] = '\0';
        rc = mdb_dbi_open(txn, name, opts->create ? MDB_CREATE : 0,
                          &index->dbi[i]);
        if (rc != 0) {
            mdb_txn_abort(txn);
            return index_rc(index, rc, "open table");
        }
    }
    return index_rc(index, mdb_txn_commit(txn), "open tables");
}

tier_rc_t
index_open(const char *path, const index_opts_t *opts, index_t **ret)
{
    index_t *index = calloc(1, sizeof(*index));
    unsigned flags = MDB_NOSYNC | MDB_NOTLS;
    int dead;
    tier_rc_t rc;

    if (index == NULL) {
        return TIER_ENOMEM;
    }
    if (opts->snapshot) {
        flags = MDB_RDONLY | MDB_NOLOCK | MDB_NOSUBDIR | MDB_NOTLS;
    }
    index->tables = opts->tables;
    index->log = opts->log;

    rc = index_rc(index, mdb_env_create(&index->env), "create");
    if (rc != TIER_OK) {
        free(index);
        return rc;
    }
    (void) mdb_env_set_maxdbs(index->env, INDEX_TABLES_MAX);
    (void) mdb_env_set_mapsize(index->env, (size_t) opts->map_bytes);
    (void) mdb_env_set_maxreaders(index->env, INDEX_READERS);

    rc = index_rc(index, mdb_env_open(index->env, path, flags, 0600), path);
    if (rc == TIER_OK) {
        (void) mdb_reader_check(index->env, &dead);
        rc = index_open_tables(index, opts);
    }
    if (rc != TIER_OK) {
        index_close(index);
        return rc == TIER_NOT_FOUND ? TIER_ECORRUPT : rc;
    }
    *ret = index;
    return TIER_OK;
}

void
index_close(index_t *index)
{
    if (index == NULL) {
        return;
    }
    mdb_env_close(index->env);
    free(index);
}

void
index_check_readers(index_t *index)
{
    int dead;

    (void) mdb_reader_check(index->env, &dead);
}

unsigned
index_readers(index_t *index)
{
    MDB_envinfo info;

    return mdb_env_info(index->env, &info) == 0 ? info.me_numreaders : 0;
}

uint64_t
index_file_bytes(index_t *index)
{
    MDB_envinfo info;
    MDB_stat st;

    if (mdb_env_info(index->env, &info) != 0
        || mdb_env_stat(index->env, &st) != 0) {
        return 0;
    }
    return (info.me_last_pgno + 1) * (uint64_t) st.ms_psize;
}

uint64_t
index_room(index_t *index)
{
    uint64_t used = index_file_bytes(index);
    MDB_envinfo info;

    if (mdb_env_info(index->env, &info) != 0 || info.me_mapsize < used) {
        return 0;
    }
    return info.me_mapsize - used;
}

tier_rc_t
index_copy(index_t *index, int fd)
{
    return index_rc(index, mdb_env_copyfd2(index->env, fd, MDB_CP_COMPACT),
                    "copy");
}

tier_rc_t
index_begin(index_t *index, bool write, index_txn_t **ret)
{
    index_txn_t *txn = calloc(1, sizeof(*txn));
    int rc;

    if (txn == NULL) {
        return TIER_ENOMEM;
    }
    txn->index = index;
    txn->write = write;
    rc = mdb_txn_begin(index->env, NULL, write ? 0 : MDB_RDONLY, &txn->txn);
    if (rc == MDB_READERS_FULL) {
        index_check_readers(index);
        rc = mdb_txn_begin(index->env, NULL, MDB_RDONLY, &txn->txn);
    }
    if (rc != 0) {
        free(txn);
        return index_rc(index, rc, "begin");
    }
    *ret = txn;
    return TIER_OK;
}

/* LMDB closes the cursors of a write transaction, not those of a reader. */
static void
index_close_cursors(index_txn_t *txn)
{
    for (unsigned i = 0; i < txn->index->tables; i++) {
        if (txn->cursor[i] != NULL) {
            mdb_cursor_close(txn->cursor[i]);
            txn->cursor[i] = NULL;
        }
    }
}

tier_rc_t
index_commit(index_txn_t *txn)
{
    tier_rc_t rc;

    index_close_cursors(txn);
    rc = index_rc(txn->index, mdb_txn_commit(txn->txn), "commit");
    free(txn);
    return rc;
}

void
index_abort(index_txn_t *txn)
{
    if (txn == NULL) {
        return;
    }
    index_close_cursors(txn);
    mdb_txn_abort(txn->txn);
    free(txn);
}

void
index_reset(index_txn_t *txn)
{
    for (unsigned i = 0; i < txn->index->tables; i++) {
        txn->stale[i] = true;
    }
    mdb_txn_reset(txn->txn);
}

tier_rc_t
index_renew(index_txn_t *txn)
{
    return index_rc(txn->index, mdb_txn_renew(txn->txn), "renew");
}

tier_rc_t
index_get(index_txn_t *txn, unsigned table, view_t key, view_t *ret_val)
{
    MDB_val k = to_val(key), v;
    int rc = mdb_get(txn->txn, txn->index->dbi[table], &k, &v);

    if (rc != 0) {
        return index_rc(txn->index, rc, "get");
    }
    return value_check(txn, table, key, v, ret_val);
}

tier_rc_t
index_put(index_txn_t *txn, unsigned table, view_t key, view_t val)
{
    MDB_val k = to_val(key), v = { val.len + VALUE_TAIL, NULL };
    int rc = mdb_put(txn->txn, txn->index->dbi[table], &k, &v, MDB_RESERVE);

    if (rc != 0) {
        return index_rc(txn->index, rc, "put");
    }
    if (val.len > 0) {
        memcpy(v.mv_data, val.ptr, val.len);
    }
    le32_put((uint8_t *) v.mv_data + val.len, value_crc(table, key, val));
    return TIER_OK;
}

tier_rc_t
index_del(index_txn_t *txn, unsigned table, view_t key)
{
    MDB_val k = to_val(key);

    return index_rc(txn->index,
                    mdb_del(txn->txn, txn->index->dbi[table], &k, NULL),
                    "del");
}

static tier_rc_t
index_cursor(index_txn_t *txn, unsigned table, MDB_cursor **ret)
{
    int rc = 0;

    if (txn->cursor[table] == NULL) {
        rc = mdb_cursor_open(txn->txn, txn->index->dbi[table],
                             &txn->cursor[table]);
    } else if (txn->stale[table]) {
        rc = mdb_cursor_renew(txn->txn, txn->cursor[table]);
    }
    txn->stale[table] = false;
    *ret = txn->cursor[table];
    return index_rc(txn->index, rc, "cursor");
}

tier_rc_t
index_del_prefix(index_txn_t *txn, unsigned table, view_t prefix)
{
    MDB_cursor *cur;
    MDB_val k, v;
    int mdb_rc;
    tier_rc_t rc = index_cursor(txn, table, &cur);

    if (rc != TIER_OK) {
        return rc;
    }
    k = to_val(prefix);
    mdb_rc = mdb_cursor_get(cur, &k, &v, MDB_SET_RANGE);
    while (mdb_rc == 0 && view_starts_with(to_view(k), prefix)) {
        mdb_rc = mdb_cursor_del(cur, 0);
        if (mdb_rc == 0) {
            k = to_val(prefix);
            mdb_rc = mdb_cursor_get(cur, &k, &v, MDB_SET_RANGE);
        }
    }
    return mdb_rc == MDB_NOTFOUND ? TIER_OK
                                  : index_rc(txn->index, mdb_rc, "del prefix");
}

static tier_rc_t
index_move(index_txn_t *txn, unsigned table, MDB_val *k, MDB_cursor_op op,
           view_t *ret_key, view_t *ret_val)
{
    MDB_cursor *cur;
    MDB_val v;
    tier_rc_t rc = index_cursor(txn, table, &cur);

    if (rc != TIER_OK) {
        return rc;
    }
    rc = index_rc(txn->index, mdb_cursor_get(cur, k, &v, op), "move");
    if (rc != TIER_OK) {
        return rc;
    }
    *ret_key = to_view(*k);
    return value_check(txn, table, *ret_key, v, ret_val);
}

tier_rc_t
index_seek(index_txn_t *txn, unsigned table, view_t key, view_t *ret_key,
           view_t *ret_val)
{
    MDB_val k = to_val(key);

    if (key.len == 0) {
        return index_move(txn, table, &k, MDB_FIRST, ret_key, ret_val);
    }
    return index_move(txn, table, &k, MDB_SET_RANGE, ret_key, ret_val);
}

tier_rc_t
index_next(index_txn_t *txn, unsigned table, view_t *ret_key, view_t *ret_val)
{
    MDB_val k = { 0, NULL };

    return index_move(txn, table, &k, MDB_NEXT, ret_key, ret_val);
}

tier_rc_t
index_last(index_txn_t *txn, unsigned table, view_t *ret_key, view_t *ret_val)
{
    MDB_val k = { 0, NULL };

    return index_move(txn, table, &k, MDB_LAST, ret_key, ret_val);
}

tier_rc_t
index_before(index_txn_t *txn, unsigned table, view_t key, view_t *ret_key,
             view_t *ret_val)
{
    tier_rc_t rc = index_seek(txn, table, key, ret_key, ret_val);
    MDB_val k = { 0, NULL };

    if (rc == TIER_NOT_FOUND) {
        return index_last(txn, table, ret_key, ret_val);
    }
    if (rc != TIER_OK) {
        return rc;
    }
    return index_move(txn, table, &k, MDB_PREV, ret_key, ret_val);
}

tier_rc_t
index_count(index_txn_t *txn, unsigned table, uint64_t *ret)
{
    MDB_stat st;
    int rc = mdb_stat(txn->txn, txn->index->dbi[table], &st);

    if (rc == 0) {
        *ret = st.ms_entries;
    }
    return index_rc(txn->index, rc, "stat");
}
