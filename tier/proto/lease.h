#ifndef PROTO_LEASE_H
#define PROTO_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/props.h"
#include "base/writer.h"
#include "proto/error.h"
#include "proto/headers.h"
#include "proto/op.h"

/*
 * Leases (REST: "Lease Blob", "Lease Container"). A record keeps a lease as
 * it was last set; what it is by now follows from the clock, which the caller
 * reads:
 *
 *     available --acquire--> leased --break--> breaking --its end--> broken
 *                              |  \--break, 0 s----------------------^
 *                              `--its end--> expired
 *
 * Release leads back to available from everywhere, as does a write without
 * the id once the lease is expired or broken. An `ends_ms` of 0 never comes:
 * an infinite lease, or one heard of from an origin, which does not say when.
 */

#define PROTO_LEASE_ID_TEXT  36 /* 8-4-4-4-12, lower case */
#define PROTO_LEASE_MIN_S    15
#define PROTO_LEASE_MAX_S    60
#define PROTO_LEASE_NO_BREAK (-1) /* no x-ms-lease-break-period */

/* ---- what a lease is --------------------------------------------------- */

lease_state_t proto_lease_now(const lease_t *lease, int64_t now_ms);
/* The record brought up to now; then `state` is what answers print. */
void proto_lease_settle(lease_t *lease, int64_t now_ms);
static inline bool
proto_lease_locked(lease_state_t state)
{
    return state == LEASE_LEASED || state == LEASE_BREAKING;
}

/* The words of headers and listings for a settled lease. The duration is
 * VIEW_NULL unless it is leased. */
view_t proto_lease_status_name(const lease_t *lease);
view_t proto_lease_state_name(const lease_t *lease);
view_t proto_lease_duration_name(const lease_t *lease);
/* The same words as an origin gave them; the status follows from the state.
 * An unknown or null state is available. The id stays zeros. */
void proto_lease_said(view_t state, view_t duration, lease_t *ret);

/* A GUID with or without hyphens, with hyphens also in braces or parentheses,
 * in either case; *ret is untouched unless true. */
bool proto_lease_id_parse(view_t text, uint8_t ret[LEASE_ID_LEN]);
void proto_lease_id_put(writer_t *w, const uint8_t id[LEASE_ID_LEN]);

/* ---- Lease Blob, Lease Container --------------------------------------- */

typedef enum {
    PROTO_LEASE_ACQUIRE = 0,
    PROTO_LEASE_RENEW,
    PROTO_LEASE_CHANGE,
    PROTO_LEASE_RELEASE,
    PROTO_LEASE_BREAK
} proto_lease_action_t;

typedef struct proto_lease_req_s {
    proto_lease_action_t action;
    int32_t duration_s;             /* acquire */
    int32_t break_s;                /* or PROTO_LEASE_NO_BREAK */
    uint8_t id[LEASE_ID_LEN];       /* renew, change, release */
    uint8_t proposed[LEASE_ID_LEN]; /* acquire, change */
} proto_lease_req_t;

/* `fresh` is the id of an acquire that proposes none. InvalidHeaderValue or
 * MissingRequiredHeader. */
proto_err_t proto_lease_parse(const proto_headers_t *headers,
                              const uint8_t fresh[LEASE_ID_LEN],
                              proto_lease_req_t *ret, proto_fault_t *fault);
/* What the action makes of the lease, or 409. *ret may be `lease`. */
proto_err_t proto_lease_apply(const lease_t *lease,
                              const proto_lease_req_t *req, int64_t now_ms,
                              lease_t *ret);
/* Status of the answer; whether it names the lease's id (then in ret->id of
 * proto_lease_apply). */
unsigned proto_lease_reply_status(proto_lease_action_t action);
bool proto_lease_reply_id(proto_lease_action_t action);
/* x-ms-lease-time of a break: seconds until it is broken, rounded up. */
uint64_t proto_lease_left_s(const lease_t *lease, int64_t now_ms);

/* ---- what a lease does to other operations ----------------------------- */

typedef enum {
    PROTO_LEASE_IGNORED = 0, /* the operation has nothing to do with it */
    PROTO_LEASE_CHECKED,     /* an id that is sent has to be the lease's */
    PROTO_LEASE_NEEDED       /* ... and has to be sent while it is locked */
} proto_lease_use_t;

/* Plain data: a commit's check reads it in a thread. */
typedef struct proto_lease_guard_s {
    proto_lease_use_t use;
    bool container; /* a container's lease: its error codes */
    bool creates;   /* goes on where there is nothing yet */
    bool has_id;
    uint8_t id[LEASE_ID_LEN];
} proto_lease_guard_t;

/* From the row and x-ms-lease-id; InvalidHeaderValue when that is no GUID. */
proto_err_t proto_lease_guard(const proto_op_t *op,
                              const proto_headers_t *headers,
                              proto_lease_guard_t *ret, proto_fault_t *fault);
/* PROTO_OK or 412. `lease` NULL: there is no such blob or container.
 * *ret_over: the operation, if it is done, makes the lease available (a write
 * without the id after the lease's end); may be NULL. */
proto_err_t proto_lease_check(const proto_lease_guard_t *guard,
                              const lease_t *lease, int64_t now_ms,
                              bool *ret_over);
/* An x-ms-lease-id that means something to this row. */
bool proto_lease_sent(const proto_op_t *op, const proto_headers_t *headers);

#endif
