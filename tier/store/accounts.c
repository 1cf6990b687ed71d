#include <string.h>

#include "store/internal.h"

/*
 * What is kept of an account itself: one text, which is its caller's. The
 * counters of ACCOUNT are the store's own and another table.
 */

#define SERVICE_HEAD 8 /* number of the commit */

static tier_rc_t
account_decode(view_t in, store_account_t *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (in.len < SERVICE_HEAD) {
        return TIER_ECORRUPT;
    }
    ret->number = le64_get(in.ptr);
    ret->seen = ret->number;
    ret->service = view_sub(in, SERVICE_HEAD, in.len - SERVICE_HEAD);
    return TIER_OK;
}

void
apply_account(tx_t *tx, store_change_t *c)
{
    store_account_t cur;
    view_t v;
    bool exists = tx_get(tx, T_SERVICE, c->account, &v);
    tier_rc_t rc = exists ? account_decode(v, &cur) : TIER_OK;
    int verdict;

    if (tx->rc != TIER_OK || rc != TIER_OK) {
        tx_fail(tx, rc);
        return;
    }
    verdict = c->check_account == NULL
                ? 0
                : c->check_account(c->check_ctx, exists ? &cur : NULL);
    if (verdict != 0) {
        change_fail(c, TIER_REFUSED, verdict);
        return;
    }
    c->number = tx_number(tx);
    writer_put_le64(tx_value(tx), c->number);
    writer_put(&tx->val, c->service);
    tx_put_value(tx, T_SERVICE, c->account);
}

tier_rc_t
store_account_get(store_reader_t *reader, view_t account, writer_t *scratch,
                  store_account_t *ret)
{
    tier_rc_t rc = index_renew(reader->txn);
    uint8_t *p;
    view_t v;

    if (rc != TIER_OK) {
        return rc;
    }
    rc = account.len == 0 || account.len > STORE_LABEL_MAX
           ? TIER_NOT_FOUND
           : index_get(reader->txn, T_SERVICE, account, &v);
    if (rc == TIER_OK) {
        p = writer_reserve(scratch, v.len);
        if (p == NULL) {
            rc = scratch->rc;
        } else {
            memcpy(p, v.ptr, v.len);
            rc = account_decode(view_of(p, v.len), ret);
        }
    } else if (rc == TIER_NOT_FOUND) {
        state_t st;

        memset(ret, 0, sizeof(*ret));
        ret->seen =
            state_get(reader->txn, &st) == TIER_OK ? st.number : UINT64_MAX;
    }
    index_reset(reader->txn);
    return rc;
}
