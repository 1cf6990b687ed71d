#include <string.h>

#include "unit.h"

#include "proto/lease.h"

/* Every state against every action and every use, ids right, wrong and
 * absent. Time is NOW; leases that have ended did so before. */

#define NOW 1000000
#define A   "11111111-1111-4111-8111-1111111111aa"
#define B   "22222222-2222-4222-8222-2222222222bb"
#define C   "33333333-3333-4333-8333-3333333333cc"

static uint8_t id_a[LEASE_ID_LEN], id_b[LEASE_ID_LEN], id_c[LEASE_ID_LEN];
static proto_headers_t headers;
static proto_fault_t fault;


static int
fresh(void **state)
{
    (void) state;
    memset(&headers, 0, sizeof(headers));
    memset(&fault, 0, sizeof(fault));
    assert_true(proto_lease_id_parse(VIEW(A), id_a));
    assert_true(proto_lease_id_parse(VIEW(B), id_b));
    assert_true(proto_lease_id_parse(VIEW(C), id_c));
    return 0;
}


/* A lease with id A that is in `state` at NOW, as a record may have it. */
static lease_t
lease_in(lease_state_t state)
{
    lease_t l = { .state = state };

    switch (state) {
    case LEASE_NONE:
        return l;
    case LEASE_LEASED:
        l.duration_s = 30;
        l.ends_ms = NOW + 20500;
        break;
    case LEASE_BREAKING:
        l.ends_ms = NOW + 10001;
        break;
    case LEASE_EXPIRED:
        l.state = LEASE_LEASED;
        l.duration_s = 30;
        l.ends_ms = NOW;
        break;
    default:
        break;
    }

    memcpy(l.id, id_a, LEASE_ID_LEN);
    return l;
}


static void
ids(void **state)
{
    static const char *const good[] = {
        "0123456789abcdefABCDEF0123456789",
        "01234567-89ab-cdef-ABCD-EF0123456789",
        "{01234567-89AB-CDEF-abcd-ef0123456789}",
        "(01234567-89ab-cdef-abcd-ef0123456789)",
    };
    static const char *const bad[] = {
        "",
        "x",
        "0123456789abcdefABCDEF012345678",
        "0123456789abcdefABCDEF01234567890",
        "0123456789abcdefABCDEF012345678g",
        "01234567-89ab-cdef-ABCD-EF012345678g",
        "0123456-789ab-cdef-ABCD-EF0123456789",
        "01234567-89ab-cdef-ABCDEEF0123456789",
        "01234567089ab0cdef0ABCD0EF0123456789",
        "{01234567-89ab-cdef-abcd-ef0123456789)",
        "(01234567-89ab-cdef-abcd-ef0123456789}",
        "[01234567-89ab-cdef-abcd-ef0123456789]",
        "{0123456789abcdefABCDEF0123456789}",
        " 123456789abcdefABCDEF0123456789 ",
    };
    static const uint8_t digits[] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xAB,
                                      0xCD, 0xEF, 0xAB, 0xCD, 0xEF, 0x01,
                                      0x23, 0x45, 0x67, 0x89 };
    uint8_t id[LEASE_ID_LEN], text[64];
    writer_t w;

    (void) state;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        memset(id, 0, sizeof(id));
        assert_true(proto_lease_id_parse(view_str(good[i]), id));
        assert_memory_equal(id, digits, sizeof(id));
    }

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(proto_lease_id_parse(view_str(bad[i]), id));
        assert_memory_equal(id, digits, sizeof(id)); /* untouched */
    }

    assert_false(proto_lease_id_parse(VIEW_NULL, id));
    writer_init_fixed(&w, text, sizeof(text));
    proto_lease_id_put(&w, id);
    assert_view(writer_view(&w), "01234567-89ab-cdef-abcd-ef0123456789");
    assert_int_equal(w.len, PROTO_LEASE_ID_TEXT);
}


static void
clock_moves(void **state)
{
    lease_t l = { .state = LEASE_LEASED, .duration_s = 15, .ends_ms = 15000 };

    (void) state;
    assert_int_equal(proto_lease_now(&l, 0), LEASE_LEASED);
    assert_int_equal(proto_lease_now(&l, 14999), LEASE_LEASED);
    assert_int_equal(proto_lease_now(&l, 15000), LEASE_EXPIRED);

    l.state = LEASE_BREAKING;
    assert_int_equal(proto_lease_now(&l, 14999), LEASE_BREAKING);
    assert_int_equal(proto_lease_left_s(&l, 14999), 1);
    assert_int_equal(proto_lease_left_s(&l, 14000), 1);
    assert_int_equal(proto_lease_left_s(&l, 13999), 2);
    assert_int_equal(proto_lease_now(&l, 15000), LEASE_BROKEN);
    assert_int_equal(proto_lease_left_s(&l, 15000), 0);

    l = (lease_t){ .state = LEASE_LEASED, .duration_s = LEASE_INFINITE };
    assert_int_equal(proto_lease_now(&l, INT64_MAX), LEASE_LEASED);
    assert_int_equal(proto_lease_left_s(&l, 5), 0);

    l = lease_in(LEASE_EXPIRED);
    proto_lease_settle(&l, NOW);
    assert_int_equal(l.state, LEASE_EXPIRED);
    proto_lease_settle(&l, NOW - 1); /* it does not come back */
    assert_int_equal(l.state, LEASE_EXPIRED);
}


static void
names(void **state)
{
    static const struct {
        lease_t lease;
        const char *status, *state, *duration;
    } rows[] = {
        { { .state = LEASE_NONE }, "unlocked", "available", NULL },
        { { LEASE_LEASED, 15, 0, { 0 } }, "locked", "leased", "fixed" },
        { { LEASE_LEASED, LEASE_INFINITE, 0, { 0 } },
          "locked",
          "leased",
          "infinite" },
        { { .state = LEASE_BREAKING }, "locked", "breaking", NULL },
        { { .state = LEASE_BROKEN }, "unlocked", "broken", NULL },
        { { LEASE_EXPIRED, 15, 9, { 0 } }, "unlocked", "expired", NULL },
    };
    lease_t l;

    (void) state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        view_t duration =
            rows[i].duration == NULL ? VIEW_NULL : view_str(rows[i].duration);

        assert_view(proto_lease_status_name(&rows[i].lease), rows[i].status);
        assert_view(proto_lease_state_name(&rows[i].lease), rows[i].state);
        assert_true(
            view_eq(proto_lease_duration_name(&rows[i].lease), duration));

        /* what an origin says is said again */
        proto_lease_said(view_str(rows[i].state), duration, &l);
        assert_int_equal(l.state, rows[i].lease.state);
        assert_true(view_eq(proto_lease_duration_name(&l), duration));
        proto_lease_settle(&l, INT64_MAX);
        assert_int_equal(l.state, rows[i].lease.state);
    }

    proto_lease_said(VIEW_NULL, VIEW_NULL, &l);
    assert_int_equal(l.state, LEASE_NONE);
    proto_lease_said(VIEW("frozen"), VIEW("infinite"), &l);
    assert_int_equal(l.state, LEASE_NONE);
}


/* ---- requests ---------------------------------------------------------- */

static proto_err_t
parse(const char *action, const char *id, const char *proposed,
      const char *duration, const char *period, proto_lease_req_t *req)
{
    fresh(NULL);

#define SET(h, v)                                                             \
    headers.known[PROTO_HDR_X_MS_##h] = v ? view_str(v) : VIEW_NULL
    SET(LEASE_ACTION, action);
    SET(LEASE_ID, id);
    SET(PROPOSED_LEASE_ID, proposed);
    SET(LEASE_DURATION, duration);
    SET(LEASE_BREAK_PERIOD, period);
#undef SET

    memset(req, 0xEE, sizeof(*req));
    return proto_lease_parse(&headers, id_c, req, &fault);
}


static void
requests(void **state)
{
    proto_lease_req_t q;

    (void) state;
    assert_int_equal(parse("acquire", NULL, A, "15", NULL, &q), PROTO_OK);
    assert_int_equal(q.action, PROTO_LEASE_ACQUIRE);
    assert_int_equal(q.duration_s, 15);
    assert_memory_equal(q.proposed, id_a, LEASE_ID_LEN);
    assert_int_equal(parse("Acquire", NULL, NULL, "60", NULL, &q), PROTO_OK);
    assert_memory_equal(q.proposed, id_c, LEASE_ID_LEN);
    assert_int_equal(parse("acquire", NULL, "", "-1", NULL, &q), PROTO_OK);
    assert_int_equal(q.duration_s, LEASE_INFINITE);
    assert_memory_equal(q.proposed, id_c, LEASE_ID_LEN);

    assert_int_equal(parse("renew", A, NULL, NULL, NULL, &q), PROTO_OK);
    assert_int_equal(q.action, PROTO_LEASE_RENEW);
    assert_memory_equal(q.id, id_a, LEASE_ID_LEN);
    assert_int_equal(parse("release", A, NULL, NULL, NULL, &q), PROTO_OK);
    assert_int_equal(q.action, PROTO_LEASE_RELEASE);
    assert_int_equal(parse("change", A, B, NULL, NULL, &q), PROTO_OK);
    assert_int_equal(q.action, PROTO_LEASE_CHANGE);
    assert_memory_equal(q.id, id_a, LEASE_ID_LEN);
    assert_memory_equal(q.proposed, id_b, LEASE_ID_LEN);

    assert_int_equal(parse("break", NULL, NULL, NULL, NULL, &q), PROTO_OK);
    assert_int_equal(q.action, PROTO_LEASE_BREAK);
    assert_int_equal(q.break_s, PROTO_LEASE_NO_BREAK);
    assert_int_equal(parse("break", NULL, NULL, NULL, "0", &q), PROTO_OK);
    assert_int_equal(q.break_s, 0);
    assert_int_equal(parse("break", A, NULL, NULL, "60", &q), PROTO_OK);
    assert_int_equal(q.break_s, 60);
}


static void
refused_requests(void **state)
{
    static const struct {
        const char *action, *id, *proposed, *duration, *period;
        proto_err_t err;
        const char *name;
    } rows[] = {
        { NULL, A, NULL, NULL, NULL, PROTO_ERR_MISSING_REQUIRED_HEADER,
          "x-ms-lease-action" },
        { "steal", A, NULL, NULL, NULL, PROTO_ERR_INVALID_HEADER_VALUE,
          "x-ms-lease-action" },
        { "acquire", NULL, A, NULL, NULL, PROTO_ERR_MISSING_REQUIRED_HEADER,
          "x-ms-lease-duration" },
        { "acquire", NULL, A, "14", NULL, PROTO_ERR_INVALID_HEADER_VALUE,
          "x-ms-lease-duration" },
        { "acquire", NULL, A, "61", NULL, PROTO_ERR_INVALID_HEADER_VALUE,
          "x-ms-lease-duration" },
        { "acquire", NULL, A, "0", NULL, PROTO_ERR_INVALID_HEADER_VALUE,
          "x-ms-lease-duration" },
        { "acquire", NULL, A, "-2", NULL, PROTO_ERR_INVALID_HEADER_VALUE,
          "x-ms-lease-duration" },
        { "acquire", NULL, A, "4294967311", NULL,
          PROTO_ERR_INVALID_HEADER_VALUE, "x-ms-lease-duration" },
        { "acquire", NULL, "mine", "15", NULL, PROTO_ERR_INVALID_HEADER_VALUE,
          "x-ms-proposed-lease-id" },
        { "renew", NULL, NULL, NULL, NULL, PROTO_ERR_MISSING_REQUIRED_HEADER,
          "x-ms-lease-id" },
        { "renew", "mine", NULL, NULL, NULL, PROTO_ERR_INVALID_HEADER_VALUE,
          "x-ms-lease-id" },
        { "release", NULL, NULL, NULL, NULL, PROTO_ERR_MISSING_REQUIRED_HEADER,
          "x-ms-lease-id" },
        { "change", NULL, B, NULL, NULL, PROTO_ERR_MISSING_REQUIRED_HEADER,
          "x-ms-lease-id" },
        { "change", A, NULL, NULL, NULL, PROTO_ERR_MISSING_REQUIRED_HEADER,
          "x-ms-proposed-lease-id" },
        { "change", A, "mine", NULL, NULL, PROTO_ERR_INVALID_HEADER_VALUE,
          "x-ms-proposed-lease-id" },
        { "break", NULL, NULL, NULL, "61", PROTO_ERR_INVALID_HEADER_VALUE,
          "x-ms-lease-break-period" },
        { "break", NULL, NULL, NULL, "-1", PROTO_ERR_INVALID_HEADER_VALUE,
          "x-ms-lease-break-period" },
    };
    proto_lease_req_t q, untouched;

    (void) state;
    memset(&untouched, 0xEE, sizeof(untouched));

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(parse(rows[i].action, rows[i].id, rows[i].proposed,
                               rows[i].duration, rows[i].period, &q),
                         rows[i].err);
        assert_view(fault.name, rows[i].name);
        assert_memory_equal(&q, &untouched, sizeof(q));
    }
}


/* ---- state x action ---------------------------------------------------- */

#define OK(s, id, ends)                                                       \
    {                                                                         \
        PROTO_OK, s, id, ends                                                 \
    }
#define NO(e)                                                                 \
    {                                                                         \
        PROTO_ERR_LEASE_##e, LEASE_NONE, 0, 0                                 \
    }
#define NOT_PRESENT NO(NOT_PRESENT_WITH_LEASE_OPERATION)
#define MISMATCH    NO(ID_MISMATCH_WITH_LEASE_OPERATION)
#define BROKEN_NO   NO(IS_BROKEN_AND_CANNOT_BE_RENEWED)

typedef struct out_s {
    proto_err_t err;
    lease_state_t state;
    char id;      /* whose it is then */
    int64_t ends; /* ms from NOW; 0: never */
} out_t;

/* Columns: available, leased, breaking, broken, expired. */
static const struct {
    const char *action, *id, *proposed, *number;
    out_t out[5];
} actions[] = {
    { "acquire",
      NULL,
      NULL,
      "40",
      { OK(LEASE_LEASED, 'c', 40000), NO(ALREADY_PRESENT), NO(ALREADY_PRESENT),
        OK(LEASE_LEASED, 'c', 40000), OK(LEASE_LEASED, 'c', 40000) } },
    { "acquire",
      NULL,
      A,
      "-1",
      { OK(LEASE_LEASED, 'a', 0), OK(LEASE_LEASED, 'a', 0),
        NO(IS_BREAKING_AND_CANNOT_BE_ACQUIRED), OK(LEASE_LEASED, 'a', 0),
        OK(LEASE_LEASED, 'a', 0) } },
    { "acquire",
      NULL,
      B,
      "15",
      { OK(LEASE_LEASED, 'b', 15000), NO(ALREADY_PRESENT), NO(ALREADY_PRESENT),
        OK(LEASE_LEASED, 'b', 15000), OK(LEASE_LEASED, 'b', 15000) } },
    { "renew",
      A,
      NULL,
      NULL,
      { MISMATCH, OK(LEASE_LEASED, 'a', 30000), BROKEN_NO, BROKEN_NO,
        OK(LEASE_LEASED, 'a', 30000) } },
    { "renew",
      B,
      NULL,
      NULL,
      { MISMATCH, MISMATCH, MISMATCH, MISMATCH, MISMATCH } },
    { "change",
      A,
      B,
      NULL,
      { NOT_PRESENT, OK(LEASE_LEASED, 'b', 20500),
        NO(IS_BREAKING_AND_CANNOT_BE_CHANGED), NOT_PRESENT, NOT_PRESENT } },
    { "change",
      B,
      A,
      NULL, /* done before, and asked for again */
      { NOT_PRESENT, OK(LEASE_LEASED, 'a', 20500), MISMATCH, NOT_PRESENT,
        NOT_PRESENT } },
    { "change",
      B,
      C,
      NULL,
      { NOT_PRESENT, MISMATCH, MISMATCH, NOT_PRESENT, NOT_PRESENT } },
    { "release",
      A,
      NULL,
      NULL,
      { MISMATCH, OK(LEASE_NONE, 0, 0), OK(LEASE_NONE, 0, 0),
        OK(LEASE_NONE, 0, 0), OK(LEASE_NONE, 0, 0) } },
    { "release",
      B,
      NULL,
      NULL,
      { MISMATCH, MISMATCH, MISMATCH, MISMATCH, MISMATCH } },
    { "break",
      NULL,
      NULL,
      NULL,
      { NOT_PRESENT, OK(LEASE_BREAKING, 'a', 20500),
        OK(LEASE_BREAKING, 'a', 10001), OK(LEASE_BROKEN, 'a', 0),
        OK(LEASE_BROKEN, 'a', 0) } },
    { "break",
      B,
      NULL,
      "0",
      { NOT_PRESENT, OK(LEASE_BROKEN, 'a', 0), OK(LEASE_BROKEN, 'a', 0),
        OK(LEASE_BROKEN, 'a', 0), OK(LEASE_BROKEN, 'a', 0) } },
    { "break",
      NULL,
      NULL,
      "5",
      { NOT_PRESENT, OK(LEASE_BREAKING, 'a', 5000),
        OK(LEASE_BREAKING, 'a', 5000), OK(LEASE_BROKEN, 'a', 0),
        OK(LEASE_BROKEN, 'a', 0) } },
    { "break",
      NULL,
      NULL,
      "60", /* never longer than what is left */
      { NOT_PRESENT, OK(LEASE_BREAKING, 'a', 20500),
        OK(LEASE_BREAKING, 'a', 10001), OK(LEASE_BROKEN, 'a', 0),
        OK(LEASE_BROKEN, 'a', 0) } },
};


static void
action_table(void **state)
{
    (void) state;

    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        for (unsigned s = LEASE_NONE; s <= LEASE_EXPIRED; s++) {
            const out_t *out = &actions[i].out[s];
            static const uint8_t zeros[LEASE_ID_LEN];
            lease_t now, next, before;
            proto_lease_req_t q;

            assert_int_equal(parse(actions[i].action, actions[i].id,
                                   actions[i].proposed, actions[i].number,
                                   actions[i].number, &q),
                             PROTO_OK);
            now = lease_in((lease_state_t) s);
            memset(&next, 0xEE, sizeof(next));
            before = next;
            if (proto_lease_apply(&now, &q, NOW, &next) != out->err) {
                fail_msg("%s %zu in state %u", actions[i].action, i, s);
            }

            if (out->err != PROTO_OK) {
                assert_memory_equal(&next, &before, sizeof(next));
                continue;
            }

            assert_int_equal(next.state, out->state);
            assert_int_equal(next.ends_ms,
                             out->ends == 0 ? 0 : NOW + out->ends);
            assert_memory_equal(next.id,
                                out->id == 'a'   ? id_a
                                : out->id == 'b' ? id_b
                                : out->id == 'c' ? id_c
                                                 : zeros,
                                LEASE_ID_LEN);
        }
    }
}


static void
infinite(void **state)
{
    lease_t l = { .state = LEASE_NONE };
    proto_lease_req_t q;

    (void) state;
    parse("acquire", NULL, A, "-1", NULL, &q);
    assert_int_equal(proto_lease_apply(&l, &q, NOW, &l), PROTO_OK);
    parse("renew", A, NULL, NULL, NULL, &q);
    assert_int_equal(proto_lease_apply(&l, &q, NOW + 1, &l), PROTO_OK);
    assert_int_equal(l.duration_s, LEASE_INFINITE);
    assert_int_equal(l.ends_ms, 0);

    parse("break", NULL, NULL, NULL, "60", &q); /* no end to shorten */
    assert_int_equal(proto_lease_apply(&l, &q, NOW, &l), PROTO_OK);
    assert_int_equal(l.state, LEASE_BREAKING);
    assert_int_equal(proto_lease_left_s(&l, NOW), 60);

    parse("acquire", NULL, A, "-1", NULL, &q);
    assert_int_equal(proto_lease_apply(&l, &q, NOW + 60000, &l), PROTO_OK);
    parse("break", NULL, NULL, NULL, NULL, &q); /* at once */
    assert_int_equal(proto_lease_apply(&l, &q, NOW, &l), PROTO_OK);
    assert_int_equal(l.state, LEASE_BROKEN);
    assert_int_equal(proto_lease_left_s(&l, NOW), 0);
}


static void
replies(void **state)
{
    (void) state;
    assert_int_equal(proto_lease_reply_status(PROTO_LEASE_ACQUIRE), 201);
    assert_int_equal(proto_lease_reply_status(PROTO_LEASE_RENEW), 200);
    assert_int_equal(proto_lease_reply_status(PROTO_LEASE_CHANGE), 200);
    assert_int_equal(proto_lease_reply_status(PROTO_LEASE_RELEASE), 200);
    assert_int_equal(proto_lease_reply_status(PROTO_LEASE_BREAK), 202);
    assert_true(proto_lease_reply_id(PROTO_LEASE_ACQUIRE));
    assert_true(proto_lease_reply_id(PROTO_LEASE_RENEW));
    assert_true(proto_lease_reply_id(PROTO_LEASE_CHANGE));
    assert_false(proto_lease_reply_id(PROTO_LEASE_RELEASE));
    assert_false(proto_lease_reply_id(PROTO_LEASE_BREAK));
}


/* ---- state x use ------------------------------------------------------- */

#define MISSING PROTO_ERR_LEASE_ID_MISSING
#define LOST    PROTO_ERR_LEASE_LOST
#define B_NONE  PROTO_ERR_LEASE_NOT_PRESENT_WITH_BLOB_OPERATION
#define B_OTHER PROTO_ERR_LEASE_ID_MISMATCH_WITH_BLOB_OPERATION
#define C_NONE  PROTO_ERR_LEASE_NOT_PRESENT_WITH_CONTAINER_OPERATION
#define C_OTHER PROTO_ERR_LEASE_ID_MISMATCH_WITH_CONTAINER_OPERATION

/* Columns as above, then: nothing there. */
static const struct {
    proto_op_id_t op;
    const char *id;
    proto_err_t err[6];
} uses[] = {
    { PROTO_OP_PUT_BLOB, NULL, { 0, MISSING, MISSING, 0, 0, 0 } },
    { PROTO_OP_PUT_BLOB, A, { B_NONE, 0, 0, LOST, LOST, B_NONE } },
    { PROTO_OP_PUT_BLOB,
      B,
      { B_NONE, B_OTHER, B_OTHER, B_OTHER, B_OTHER, B_NONE } },
    { PROTO_OP_PUT_BLOCK, NULL, { 0, MISSING, MISSING, 0, 0, 0 } },
    { PROTO_OP_PUT_BLOCK, A, { B_NONE, 0, 0, LOST, LOST, B_NONE } },
    { PROTO_OP_SET_BLOB_METADATA, NULL, { 0, MISSING, MISSING, 0, 0, 0 } },
    { PROTO_OP_SET_BLOB_METADATA, A, { B_NONE, 0, 0, LOST, LOST, 0 } },
    { PROTO_OP_DELETE_BLOB, NULL, { 0, MISSING, MISSING, 0, 0, 0 } },
    { PROTO_OP_DELETE_BLOB,
      B,
      { B_NONE, B_OTHER, B_OTHER, B_OTHER, B_OTHER, 0 } },
    { PROTO_OP_GET_BLOB, NULL, { 0, 0, 0, 0, 0, 0 } },
    { PROTO_OP_GET_BLOB, A, { B_NONE, 0, 0, LOST, LOST, 0 } },
    { PROTO_OP_GET_BLOB,
      B,
      { B_NONE, B_OTHER, B_OTHER, B_OTHER, B_OTHER, 0 } },
    { PROTO_OP_SNAPSHOT_BLOB, NULL, { 0, 0, 0, 0, 0, 0 } },
    { PROTO_OP_SNAPSHOT_BLOB,
      B,
      { B_NONE, B_OTHER, B_OTHER, B_OTHER, B_OTHER, 0 } },
    { PROTO_OP_LEASE_BLOB, B, { 0, 0, 0, 0, 0, 0 } },
    { PROTO_OP_DELETE_CONTAINER, NULL, { 0, MISSING, MISSING, 0, 0, 0 } },
    { PROTO_OP_DELETE_CONTAINER, A, { C_NONE, 0, 0, LOST, LOST, 0 } },
    { PROTO_OP_DELETE_CONTAINER,
      B,
      { C_NONE, C_OTHER, C_OTHER, C_OTHER, C_OTHER, 0 } },
    { PROTO_OP_SET_CONTAINER_METADATA, NULL, { 0, 0, 0, 0, 0, 0 } },
    { PROTO_OP_SET_CONTAINER_METADATA, A, { C_NONE, 0, 0, LOST, LOST, 0 } },
    { PROTO_OP_GET_CONTAINER_PROPERTIES,
      B,
      { C_NONE, C_OTHER, C_OTHER, C_OTHER, C_OTHER, 0 } },
    { PROTO_OP_LIST_BLOBS, B, { 0, 0, 0, 0, 0, 0 } },
    { PROTO_OP_CREATE_CONTAINER, B, { 0, 0, 0, 0, 0, 0 } },
    { PROTO_OP_LIST_CONTAINERS, B, { 0, 0, 0, 0, 0, 0 } },
};


static void
use_table(void **state)
{
    (void) state;

    for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
        const proto_op_t *op = proto_op_row(uses[i].op);
        proto_lease_guard_t guard;

        headers.known[PROTO_HDR_X_MS_LEASE_ID] =
            uses[i].id == NULL ? VIEW_NULL : view_str(uses[i].id);
        assert_int_equal(proto_lease_guard(op, &headers, &guard, &fault),
                         PROTO_OK);

        for (unsigned s = LEASE_NONE; s <= LEASE_EXPIRED + 1; s++) {
            lease_t l = lease_in((lease_state_t) s);
            bool there = s <= LEASE_EXPIRED, over = true;
            bool ended = s == LEASE_BROKEN || s == LEASE_EXPIRED;

            if (proto_lease_check(&guard, there ? &l : NULL, NOW, &over)
                != uses[i].err[s]) {
                fail_msg("%s, row %zu, state %u", op->name, i, s);
            }

            assert_int_equal(over, ended && uses[i].id == NULL
                                       && guard.use == PROTO_LEASE_NEEDED);
            assert_int_equal(
                proto_lease_check(&guard, there ? &l : NULL, NOW, NULL),
                uses[i].err[s]);
        }
    }
}


/* A zeroed guard, of a change that is nobody's request, lets all pass. */
static void
guards(void **state)
{
    const proto_op_t *put = proto_op_row(PROTO_OP_PUT_BLOB);
    const proto_op_t *list = proto_op_row(PROTO_OP_LIST_BLOBS);
    proto_lease_guard_t guard = { .use = PROTO_LEASE_IGNORED };
    lease_t l = lease_in(LEASE_LEASED);

    (void) state;
    assert_int_equal(proto_lease_check(&guard, &l, NOW, NULL), PROTO_OK);

    headers.known[PROTO_HDR_X_MS_LEASE_ID] = VIEW("mine");
    assert_int_equal(proto_lease_guard(put, &headers, &guard, &fault),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    assert_view(fault.name, "x-ms-lease-id");
    assert_view(fault.value, "mine");
    assert_true(proto_lease_sent(put, &headers));
    assert_int_equal(proto_lease_guard(list, &headers, &guard, &fault),
                     PROTO_OK);
    assert_false(proto_lease_sent(list, &headers));

    headers.known[PROTO_HDR_X_MS_LEASE_ID] = VIEW("");
    assert_int_equal(proto_lease_guard(put, &headers, &guard, &fault),
                     PROTO_OK);
    assert_false(guard.has_id);
    assert_false(proto_lease_sent(put, &headers));

    /* every write of a blob needs the id, but for those said otherwise */
    for (int id = 0; id < PROTO_OP_COUNT; id++) {
        const proto_op_t *op = proto_op_row((proto_op_id_t) id);
        bool needed = op->level == PROTO_LEVEL_BLOB && op->write
                   && id != PROTO_OP_LEASE_BLOB && id != PROTO_OP_UNDELETE_BLOB
                   && id != PROTO_OP_SNAPSHOT_BLOB;

        assert_int_equal(proto_lease_guard(op, &headers, &guard, &fault),
                         PROTO_OK);
        assert_int_equal(guard.use == PROTO_LEASE_NEEDED,
                         needed || id == PROTO_OP_DELETE_CONTAINER);
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(ids, fresh),
        cmocka_unit_test_setup(clock_moves, fresh),
        cmocka_unit_test_setup(names, fresh),
        cmocka_unit_test_setup(requests, fresh),
        cmocka_unit_test_setup(refused_requests, fresh),
        cmocka_unit_test_setup(action_table, fresh),
        cmocka_unit_test_setup(infinite, fresh),
        cmocka_unit_test_setup(replies, fresh),
        cmocka_unit_test_setup(use_table, fresh),
        cmocka_unit_test_setup(guards, fresh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
