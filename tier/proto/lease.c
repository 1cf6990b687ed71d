#include "proto/lease.h"

#include <string.h>

#define GUID_DIGITS    32

#define GROUPS         5

#define HDR(id)        proto_hdr(headers, PROTO_HDR_X_MS_##id)
#define ID_HEADER      VIEW("x-ms-lease-id")
#define PROPOSE_HEADER VIEW("x-ms-proposed-lease-id")


/* ---- ids --------------------------------------------------------------- */

static int
hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}


static bool
is_hyphen_at(size_t i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}


bool
proto_lease_id_parse(view_t text, uint8_t ret[LEASE_ID_LEN])
{
    uint8_t id[LEASE_ID_LEN] = { 0 };
    bool hyphens;
    size_t n = 0;

    if (text.len == PROTO_LEASE_ID_TEXT + 2
        && ((text.ptr[0] == '{' && text.ptr[text.len - 1] == '}')
            || (text.ptr[0] == '(' && text.ptr[text.len - 1] == ')')))
    {
        text = view_sub(text, 1, PROTO_LEASE_ID_TEXT);
    }

    hyphens = text.len == PROTO_LEASE_ID_TEXT;

    if (!hyphens && text.len != GUID_DIGITS) {
        return false;
    }

    for (size_t i = 0; i < text.len; i++) {
        int digit = hex_digit(text.ptr[i]);

        if (hyphens && is_hyphen_at(i)) {
            if (text.ptr[i] != '-') {
                return false;
            }
            continue;
        }

        if (digit < 0) {
            return false;
        }

        id[n / 2] = (uint8_t) (id[n / 2] << 4 | digit);
        n++;
    }

    memcpy(ret, id, LEASE_ID_LEN);
    return true;
}


void
proto_lease_id_put(writer_t *w, const uint8_t id[LEASE_ID_LEN])
{
    static const char digits[] = "0123456789abcdef";

    for (unsigned i = 0; i < LEASE_ID_LEN; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            writer_putc(w, '-');
        }
        writer_putc(w, (uint8_t) digits[id[i] >> 4]);
        writer_putc(w, (uint8_t) digits[id[i] & 15]);
    }
}


static bool
same_id(const uint8_t a[LEASE_ID_LEN], const uint8_t b[LEASE_ID_LEN])
{
    return memcmp(a, b, LEASE_ID_LEN) == 0;
}


/* ---- states ------------------------------------------------------------ */

lease_state_t
proto_lease_now(const lease_t *lease, int64_t now_ms)
{
    if (lease->ends_ms == 0 || now_ms < lease->ends_ms) {
        return lease->state;
    }

    return lease->state == LEASE_LEASED   ? LEASE_EXPIRED
         : lease->state == LEASE_BREAKING ? LEASE_BROKEN
                                          : lease->state;
}


void
proto_lease_settle(lease_t *lease, int64_t now_ms)
{
    lease->state = proto_lease_now(lease, now_ms);
}


static const char *const state_names[] = {
    [LEASE_NONE] = "available",    [LEASE_LEASED] = "leased",
    [LEASE_BREAKING] = "breaking", [LEASE_BROKEN] = "broken",
    [LEASE_EXPIRED] = "expired",
};


view_t
proto_lease_status_name(const lease_t *lease)
{
    return proto_lease_locked(lease->state) ? VIEW("locked")
                                            : VIEW("unlocked");
}


view_t
proto_lease_state_name(const lease_t *lease)
{
    return view_str(state_names[lease->state]);
}


view_t
proto_lease_duration_name(const lease_t *lease)
{
    if (lease->state != LEASE_LEASED) {
        return VIEW_NULL;
    }

    return lease->duration_s == LEASE_INFINITE ? VIEW("infinite")
                                               : VIEW("fixed");
}


void
proto_lease_said(view_t state, view_t duration, lease_t *ret)
{
    *ret = (lease_t){ .state = LEASE_NONE };

    for (unsigned i = LEASE_NONE; i <= LEASE_EXPIRED; i++) {
        if (view_eq_ci(state, view_str(state_names[i]))) {
            ret->state = (lease_state_t) i;
        }
    }

    if (ret->state == LEASE_LEASED && view_eq_ci(duration, VIEW("infinite"))) {
        ret->duration_s = LEASE_INFINITE;
    }
}


/* ---- actions ----------------------------------------------------------- */

static proto_err_t
need_id(view_t name, view_t v, uint8_t ret[LEASE_ID_LEN], proto_fault_t *fault)
{
    if (v.len == 0) {
        return proto_fault(fault, PROTO_ERR_MISSING_REQUIRED_HEADER, name,
                           VIEW_NULL);
    }

    return proto_lease_id_parse(v, ret)
             ? PROTO_OK
             : proto_fault(fault, PROTO_ERR_INVALID_HEADER_VALUE, name, v);
}


static proto_err_t
parse_action(view_t v, proto_lease_action_t *ret, proto_fault_t *fault)
{
    static const char *const names[] = {
        [PROTO_LEASE_ACQUIRE] = "acquire", [PROTO_LEASE_RENEW] = "renew",
        [PROTO_LEASE_CHANGE] = "change",   [PROTO_LEASE_RELEASE] = "release",
        [PROTO_LEASE_BREAK] = "break",
    };

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (view_eq_ci(v, view_str(names[i]))) {
            *ret = (proto_lease_action_t) i;
            return PROTO_OK;
        }
    }

    return proto_fault(fault,
                       v.len == 0 ? PROTO_ERR_MISSING_REQUIRED_HEADER
                                  : PROTO_ERR_INVALID_HEADER_VALUE,
                       VIEW("x-ms-lease-action"), v.len == 0 ? VIEW_NULL : v);
}


static proto_err_t
parse_duration(view_t v, int32_t *ret, proto_fault_t *fault)
{
    uint64_t n;

    if (v.len == 0) {
        return proto_fault(fault, PROTO_ERR_MISSING_REQUIRED_HEADER,
                           VIEW("x-ms-lease-duration"), VIEW_NULL);
    }

    if (view_eq(v, VIEW("-1"))) {
        *ret = LEASE_INFINITE;
        return PROTO_OK;
    }

    if (!view_to_u64(v, &n) || n < PROTO_LEASE_MIN_S || n > PROTO_LEASE_MAX_S)
    {
        return proto_fault(fault, PROTO_ERR_INVALID_HEADER_VALUE,
                           VIEW("x-ms-lease-duration"), v);
    }

    *ret = (int32_t) n;
    return PROTO_OK;
}


static proto_err_t
parse_break(view_t v, int32_t *ret, proto_fault_t *fault)
{
    uint64_t n;

    if (v.len == 0) {
        *ret = PROTO_LEASE_NO_BREAK;
        return PROTO_OK;
    }

    if (!view_to_u64(v, &n) || n > PROTO_LEASE_MAX_S) {
        return proto_fault(fault, PROTO_ERR_INVALID_HEADER_VALUE,
                           VIEW("x-ms-lease-break-period"), v);
    }

    *ret = (int32_t) n;
    return PROTO_OK;
}


static proto_err_t
parse_acquire(const proto_headers_t *headers,
              const uint8_t fresh[LEASE_ID_LEN], proto_lease_req_t *req,
              proto_fault_t *fault)
{
    view_t proposed = HDR(PROPOSED_LEASE_ID);
    proto_err_t err =
        parse_duration(HDR(LEASE_DURATION), &req->duration_s, fault);

    if (err != PROTO_OK) {
        return err;
    }

    if (proposed.len == 0) {
        memcpy(req->proposed, fresh, LEASE_ID_LEN);
        return PROTO_OK;
    }

    return need_id(PROPOSE_HEADER, proposed, req->proposed, fault);
}


proto_err_t
proto_lease_parse(const proto_headers_t *headers,
                  const uint8_t fresh[LEASE_ID_LEN], proto_lease_req_t *ret,
                  proto_fault_t *fault)
{
    proto_lease_req_t req = { .break_s = PROTO_LEASE_NO_BREAK };
    proto_err_t err = parse_action(HDR(LEASE_ACTION), &req.action, fault);

    if (err == PROTO_OK) {
        switch (req.action) {
        case PROTO_LEASE_ACQUIRE:
            err = parse_acquire(headers, fresh, &req, fault);
            break;

        case PROTO_LEASE_BREAK:
            err = parse_break(HDR(LEASE_BREAK_PERIOD), &req.break_s, fault);
            break;

        default:
            err = need_id(ID_HEADER, HDR(LEASE_ID), req.id, fault);
        }
    }

    if (err == PROTO_OK && req.action == PROTO_LEASE_CHANGE) {
        err = need_id(PROPOSE_HEADER, HDR(PROPOSED_LEASE_ID), req.proposed,
                      fault);
    }

    if (err == PROTO_OK) {
        *ret = req;
    }

    return err;
}


static void
lease_start(lease_t *lease, int32_t duration_s, int64_t now_ms)
{
    lease->state = LEASE_LEASED;
    lease->duration_s = duration_s;
    lease->ends_ms = duration_s == LEASE_INFINITE
                       ? 0
                       : now_ms + (int64_t) duration_s * 1000;
}


static proto_err_t
acquire(lease_t *lease, const proto_lease_req_t *req, int64_t now_ms)
{
    bool same = same_id(lease->id, req->proposed);

    if (lease->state == LEASE_BREAKING && same) {
        return PROTO_ERR_LEASE_IS_BREAKING_AND_CANNOT_BE_ACQUIRED;
    }

    if (lease->state == LEASE_BREAKING
        || (lease->state == LEASE_LEASED && !same)) {
        return PROTO_ERR_LEASE_ALREADY_PRESENT;
    }

    memcpy(lease->id, req->proposed, LEASE_ID_LEN);
    lease_start(lease, req->duration_s, now_ms);
    return PROTO_OK;
}


/* An expired one comes to life again: nobody has leased or, without the id,
 * written since, or it would be available. */
static proto_err_t
renew(lease_t *lease, const proto_lease_req_t *req, int64_t now_ms)
{
    if (lease->state == LEASE_NONE || !same_id(lease->id, req->id)) {
        return PROTO_ERR_LEASE_ID_MISMATCH_WITH_LEASE_OPERATION;
    }

    if (lease->state == LEASE_BREAKING || lease->state == LEASE_BROKEN) {
        return PROTO_ERR_LEASE_IS_BROKEN_AND_CANNOT_BE_RENEWED;
    }

    lease_start(lease, lease->duration_s, now_ms);
    return PROTO_OK;
}


/* A repeated change names an id that is no more and the one that is: the
 * outcome is what was asked for. */
static proto_err_t
change(lease_t *lease, const proto_lease_req_t *req)
{
    if (!proto_lease_locked(lease->state)) {
        return PROTO_ERR_LEASE_NOT_PRESENT_WITH_LEASE_OPERATION;
    }

    if (!same_id(lease->id, req->id)
        && (lease->state == LEASE_BREAKING
            || !same_id(lease->id, req->proposed)))
    {
        return PROTO_ERR_LEASE_ID_MISMATCH_WITH_LEASE_OPERATION;
    }

    if (lease->state == LEASE_BREAKING) {
        return PROTO_ERR_LEASE_IS_BREAKING_AND_CANNOT_BE_CHANGED;
    }

    memcpy(lease->id, req->proposed, LEASE_ID_LEN);
    return PROTO_OK;
}


static proto_err_t
release(lease_t *lease, const proto_lease_req_t *req)
{
    if (lease->state == LEASE_NONE || !same_id(lease->id, req->id)) {
        return PROTO_ERR_LEASE_ID_MISMATCH_WITH_LEASE_OPERATION;
    }

    *lease = (lease_t){ .state = LEASE_NONE };
    return PROTO_OK;
}


/* A break period shortens what is left and never lengthens it. Without one
 * the lease is kept to its end; an infinite one has none and breaks now. */
static proto_err_t
break_off(lease_t *lease, const proto_lease_req_t *req, int64_t now_ms)
{
    int64_t end = now_ms + (int64_t) req->break_s * 1000;

    if (lease->state == LEASE_NONE) {
        return PROTO_ERR_LEASE_NOT_PRESENT_WITH_LEASE_OPERATION;
    }

    if (req->break_s == PROTO_LEASE_NO_BREAK) {
        end = lease->ends_ms == 0 ? now_ms : lease->ends_ms;

    } else if (lease->ends_ms != 0 && lease->ends_ms < end) {
        end = lease->ends_ms;
    }

    lease->duration_s = 0;

    if (proto_lease_locked(lease->state) && end > now_ms) {
        lease->state = LEASE_BREAKING;
        lease->ends_ms = end;

    } else {
        lease->state = LEASE_BROKEN;
        lease->ends_ms = 0;
    }

    return PROTO_OK;
}


proto_err_t
proto_lease_apply(const lease_t *lease, const proto_lease_req_t *req,
                  int64_t now_ms, lease_t *ret)
{
    lease_t next = *lease;
    proto_err_t err = PROTO_ERR_INTERNAL_ERROR;

    proto_lease_settle(&next, now_ms);

    switch (req->action) {
    case PROTO_LEASE_ACQUIRE:
        err = acquire(&next, req, now_ms);
        break;

    case PROTO_LEASE_RENEW:
        err = renew(&next, req, now_ms);
        break;

    case PROTO_LEASE_CHANGE:
        err = change(&next, req);
        break;

    case PROTO_LEASE_RELEASE:
        err = release(&next, req);
        break;

    case PROTO_LEASE_BREAK:
        err = break_off(&next, req, now_ms);
        break;
    }

    if (err == PROTO_OK) {
        *ret = next;
    }

    return err;
}


unsigned
proto_lease_reply_status(proto_lease_action_t action)
{
    return action == PROTO_LEASE_ACQUIRE ? 201
         : action == PROTO_LEASE_BREAK   ? 202
                                         : 200;
}


bool
proto_lease_reply_id(proto_lease_action_t action)
{
    return action != PROTO_LEASE_RELEASE && action != PROTO_LEASE_BREAK;
}


uint64_t
proto_lease_left_s(const lease_t *lease, int64_t now_ms)
{
    if (proto_lease_now(lease, now_ms) != LEASE_BREAKING) {
        return 0;
    }

    return (uint64_t) (lease->ends_ms - now_ms + 999) / 1000;
}


/* ---- guards ------------------------------------------------------------ */

static proto_lease_use_t
blob_use(const proto_op_t *op)
{
    switch (op->id) {
    case PROTO_OP_LEASE_BLOB:
    case PROTO_OP_UNDELETE_BLOB:
    case PROTO_OP_BLOB_ACCOUNT_INFO:
        return PROTO_LEASE_IGNORED;

    case PROTO_OP_SNAPSHOT_BLOB: /* nothing of the blob itself changes */
        return PROTO_LEASE_CHECKED;

    default:
        return op->write ? PROTO_LEASE_NEEDED : PROTO_LEASE_CHECKED;
    }
}


static proto_lease_use_t
container_use(const proto_op_t *op)
{
    switch (op->id) {
    case PROTO_OP_DELETE_CONTAINER:
        return PROTO_LEASE_NEEDED;

    case PROTO_OP_GET_CONTAINER_PROPERTIES:
    case PROTO_OP_GET_CONTAINER_METADATA:
    case PROTO_OP_SET_CONTAINER_METADATA:
    case PROTO_OP_GET_CONTAINER_ACL:
    case PROTO_OP_SET_CONTAINER_ACL:
        return PROTO_LEASE_CHECKED;

    default:
        return PROTO_LEASE_IGNORED;
    }
}


static proto_lease_use_t
lease_use(const proto_op_t *op)
{
    return op->level == PROTO_LEVEL_BLOB      ? blob_use(op)
         : op->level == PROTO_LEVEL_CONTAINER ? container_use(op)
                                              : PROTO_LEASE_IGNORED;
}


static bool
op_creates(const proto_op_t *op)
{
    switch (op->id) {
    case PROTO_OP_COPY_BLOB:
    case PROTO_OP_COPY_BLOB_FROM_URL:
    case PROTO_OP_PUT_BLOB:
    case PROTO_OP_PUT_BLOB_FROM_URL:
    case PROTO_OP_PUT_BLOCK:
    case PROTO_OP_PUT_BLOCK_FROM_URL:
    case PROTO_OP_PUT_BLOCK_LIST:
    case PROTO_OP_PUT_APPEND_BLOB:
    case PROTO_OP_PUT_PAGE_BLOB:
    case PROTO_OP_INCREMENTAL_COPY_BLOB:
        return true;

    default:
        return false;
    }
}


proto_err_t
proto_lease_guard(const proto_op_t *op, const proto_headers_t *headers,
                  proto_lease_guard_t *ret, proto_fault_t *fault)
{
    view_t id = HDR(LEASE_ID);
    proto_lease_guard_t guard = {
        .use = lease_use(op),
        .container = op->level == PROTO_LEVEL_CONTAINER,
        .creates = op_creates(op),
        .has_id = id.len != 0,
    };

    if (guard.use != PROTO_LEASE_IGNORED && guard.has_id
        && !proto_lease_id_parse(id, guard.id))
    {
        return proto_fault(fault, PROTO_ERR_INVALID_HEADER_VALUE, ID_HEADER,
                           id);
    }

    *ret = guard;
    return PROTO_OK;
}


static proto_err_t
not_present(const proto_lease_guard_t *guard)
{
    return guard->container
             ? PROTO_ERR_LEASE_NOT_PRESENT_WITH_CONTAINER_OPERATION
             : PROTO_ERR_LEASE_NOT_PRESENT_WITH_BLOB_OPERATION;
}


static proto_err_t
check_id(const proto_lease_guard_t *guard, const lease_t *lease,
         lease_state_t state)
{
    if (state == LEASE_NONE) {
        return not_present(guard);
    }

    if (!same_id(guard->id, lease->id)) {
        return guard->container
                 ? PROTO_ERR_LEASE_ID_MISMATCH_WITH_CONTAINER_OPERATION
                 : PROTO_ERR_LEASE_ID_MISMATCH_WITH_BLOB_OPERATION;
    }

    return proto_lease_locked(state) ? PROTO_OK : PROTO_ERR_LEASE_LOST;
}


proto_err_t
proto_lease_check(const proto_lease_guard_t *guard, const lease_t *lease,
                  int64_t now_ms, bool *ret_over)
{
    lease_state_t state;
    bool over = false;
    proto_err_t err = PROTO_OK;

    if (guard->use == PROTO_LEASE_IGNORED) {
        /* nothing to say */

    } else if (lease == NULL) {
        err = guard->has_id && guard->creates ? not_present(guard) : PROTO_OK;

    } else {
        state = proto_lease_now(lease, now_ms);

        if (guard->has_id) {
            err = check_id(guard, lease, state);

        } else if (guard->use == PROTO_LEASE_NEEDED) {
            err = proto_lease_locked(state) ? PROTO_ERR_LEASE_ID_MISSING : err;
            over = state == LEASE_EXPIRED || state == LEASE_BROKEN;
        }
    }

    if (ret_over != NULL) {
        *ret_over = over;
    }

    return err;
}


bool
proto_lease_sent(const proto_op_t *op, const proto_headers_t *headers)
{
    return lease_use(op) != PROTO_LEASE_IGNORED && HDR(LEASE_ID).len != 0;
}
