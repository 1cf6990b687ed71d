#include "sync/stage.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/digest.h"
#include "proto/xml_in.h"
#include "sync/carry_parts.h"

#define LIST_MAX (32u << 20) /* 150,000 blocks with their longest ids */
/* Upkeep may have moved the bytes since they were looked up. */
#define TRIES 3u

typedef struct named_s {
    uint8_t id[STORE_BLOCK_ID_MAX];
    size_t id_len;
    proto_block_which_t which;
    bool found; /* at the origin */
    bool ours;
} named_t;

typedef struct stage_s {
    const sync_env_t *env;
    const sync_list_t *list;
    sync_staged_t *out;
    named_t *named; /* sorted by id */
    unsigned n, cap;
    bool committed; /* the section that is being read */
    sync_pieces_t pieces;
    tier_rc_t rc;
    origin_answer_t *answer;
} stage_t;


static void
refuse(stage_t *s, proto_err_t err, const char *why)
{
    const proto_error_row_t *row = proto_error_row(err);

    s->out->status = row->status;
    snprintf(s->out->code, sizeof(s->out->code), "%s", row->code);
    snprintf(s->out->text, sizeof(s->out->text), "%s", why);
}


/* What the origin says to it, or that it says nothing that a client could do
 * something about. */
static void
refuse_answer(stage_t *s, const char *what)
{
    const origin_answer_t *a = s->answer;

    refuse(s, PROTO_ERR_SERVER_BUSY, "");
    snprintf(s->out->text, sizeof(s->out->text), "%s: %s", what, a->text);

    if (a->class_ == ORIGIN_NOT_FOUND || a->class_ == ORIGIN_CONDITION
        || a->class_ == ORIGIN_PERMANENT)
    {
        s->out->status = a->status;
        snprintf(s->out->code, sizeof(s->out->code), "%.*s", (int) a->code.len,
                 a->code.len != 0 ? (const char *) a->code.ptr : "");
    }
}


static void
refuse_rc(stage_t *s, tier_rc_t rc)
{
    refuse(s,
           rc == TIER_ECORRUPT ? PROTO_ERR_INTERNAL_ERROR
                               : PROTO_ERR_SERVER_BUSY,
           rc == TIER_ECORRUPT ? "the bytes kept here do not match the "
                                 "checksum taken when they arrived"
           : rc == TIER_ENOMEM ? "no memory"
                               : "the bytes kept here cannot be read");
}


/* ---- what the list names ---------------------------------------------- */

static int
named_cmp(const void *a, const void *b)
{
    const named_t *x = a, *y = b;

    return view_cmp(view_of(x->id, x->id_len), view_of(y->id, y->id_len));
}


/* The first of those with that id; NULL: the list does not name it. */
static named_t *
named_find(const stage_t *s, view_t id)
{
    unsigned low = 0, high = s->n;

    while (low < high) {
        unsigned mid = low + (high - low) / 2;
        const named_t *m = &s->named[mid];

        if (view_cmp(view_of(m->id, m->id_len), id) < 0) {
            low = mid + 1;

        } else {
            high = mid;
        }
    }

    return low < s->n
                && view_eq(view_of(s->named[low].id, s->named[low].id_len), id)
             ? &s->named[low]
             : NULL;
}


static bool
named_next(const stage_t *s, const named_t *at)
{
    return at + 1 < s->named + s->n && named_cmp(at, at + 1) == 0;
}


static proto_err_t
add_named(void *ctx, proto_block_which_t which, view_t id)
{
    stage_t *s = ctx;
    named_t *at;

    if (s->n == s->cap || id.len > sizeof(at->id)) {
        return PROTO_ERR_INVALID_BLOCK_ID;
    }

    at = &s->named[s->n++];
    *at = (named_t){ .which = which, .id_len = id.len };

    if (id.len != 0) {
        memcpy(at->id, id.ptr, id.len);
    }

    return PROTO_OK;
}


static bool
read_list(stage_t *s)
{
    proto_fault_t fault = { 0 };
    unsigned n;
    proto_err_t err =
        proto_xml_block_list(s->list->xml, NULL, NULL, &s->cap, &fault);

    s->named = err == PROTO_OK ? calloc(s->cap + 1, sizeof(*s->named)) : NULL;

    if (s->named != NULL) {
        err = proto_xml_block_list(s->list->xml, add_named, s, &n, &fault);
    }

    if (err != PROTO_OK || s->named == NULL) {
        refuse(s, err != PROTO_OK ? err : PROTO_ERR_SERVER_BUSY,
               err != PROTO_OK ? "the list cannot be read" : "no memory");
        return false;
    }

    qsort(s->named, s->n, sizeof(*s->named), named_cmp);
    return true;
}


/* ---- what waits here -------------------------------------------------- */

/* In the order of the ids; no store calls. */
static int
add_waiting(void *ctx, const store_extent_t *e)
{
    stage_t *s = ctx;
    named_t *at = named_find(s, view_of(e->id, e->id_len));
    bool wanted = false, more = at != NULL;

    for (; more; at++) {
        at->ours = at->which != PROTO_BLOCK_COMMITTED;
        wanted |= at->ours;
        more = named_next(s, at);
    }

    if (wanted) {
        s->rc = sync_pieces_add(&s->pieces, e, 0);
    }

    return s->rc == TIER_OK ? 0 : 1;
}


static tier_rc_t
look_up(stage_t *s)
{
    tier_rc_t rc;

    sync_pieces_free(&s->pieces);
    s->rc = TIER_OK;

    for (unsigned i = 0; i < s->n; i++) {
        s->named[i].ours = false;
    }

    rc = s->list->waiting(s->list->ctx, add_waiting, s);
    return rc < 0 ? rc : s->rc;
}


/* ---- what the origin has ---------------------------------------------- */

static bool
add_found(void *ctx, view_t text, uint64_t size)
{
    stage_t *s = ctx;
    uint8_t id[STORE_BLOCK_ID_MAX];
    named_t *at = NULL;
    bool more;
    size_t len;

    (void) size;

    if (base64_decode(text, id, sizeof(id), &len)) {
        at = named_find(s, view_of(id, len));
    }

    for (more = at != NULL; more; at++) {
        at->found |= s->committed ? at->which != PROTO_BLOCK_UNCOMMITTED
                                  : at->which != PROTO_BLOCK_COMMITTED;
        more = named_next(s, at);
    }

    return true;
}


static bool
ask_origin(stage_t *s)
{
    origin_req_t req = { .method = "GET",
                         .container = s->list->container,
                         .blob = s->list->name,
                         .query = VIEW("blocklisttype=all&comp=blocklist"),
                         .timeout_s = 120 };
    writer_t body;
    tier_rc_t rc;

    writer_init_grow(&body, LIST_MAX, NULL, NULL);
    req.body = &body;
    rc = s->env->request(s->env->ctx, 0, &req, s->answer);

    if (rc != TIER_OK) {
        refuse_rc(s, rc);

    } else if (view_eq(s->answer->code, VIEW("BlobNotFound"))) {
        /* then it has none of them */

    } else if (s->answer->class_ != ORIGIN_OK) {
        refuse_answer(s, "asking the origin for the blob's blocks");
        rc = TIER_REFUSED;

    } else {
        for (int i = 0; i < 2 && rc == TIER_OK; i++) {
            s->committed = i == 0;
            rc = writer_ok(&body) ? origin_blocks_parse(
                     writer_view(&body), s->committed, add_found, s)
                                  : body.rc;
        }

        if (rc != TIER_OK) {
            refuse(s, PROTO_ERR_SERVER_BUSY,
                   "the origin's list of blocks cannot be read");
        }
    }

    writer_free(&body);
    return rc == TIER_OK;
}


/* All that is not ours is the origin's; false: it was refused. */
static bool
check_names(stage_t *s)
{
    bool all = true;

    for (unsigned i = 0; i < s->n; i++) {
        all = all && s->named[i].ours;
    }

    if (!all && !ask_origin(s)) {
        return false;
    }

    for (unsigned i = 0; i < s->n; i++) {
        if (!s->named[i].ours && !s->named[i].found) {
            refuse(s, PROTO_ERR_INVALID_BLOCK_LIST,
                   "the list names a block that nobody has");
            return false;
        }
    }

    return true;
}


/* ---- all of it -------------------------------------------------------- */

static tier_rc_t
upload(stage_t *s, bool *there)
{
    carry_blocks_t b = { .env = s->env,
                         .container = s->list->container,
                         .name = s->list->name,
                         .pieces = &s->pieces };

    *there = true;
    return s->pieces.n == 0 ? TIER_OK : carry_put_blocks(&b, there, s->answer);
}


static void
stage(stage_t *s)
{
    bool there = false;
    tier_rc_t rc = look_up(s);

    if (rc == TIER_OK && !check_names(s)) {
        return;
    }

    if (rc == TIER_OK) {
        rc = upload(s, &there);
    }

    for (unsigned i = 1; rc == TIER_EIO && i < TRIES; i++) {
        unsigned n = s->pieces.n;

        rc = look_up(s);

        if (rc == TIER_OK) { /* the same blocks, elsewhere */
            rc = s->pieces.n == n ? upload(s, &there) : TIER_EBUSY;
        }
    }

    if (rc != TIER_OK) {
        refuse_rc(s, rc);

    } else if (!there) {
        refuse_answer(s, "uploading a block");

    } else {
        s->out->status = 200;
        s->out->blocks = s->pieces.n;
        s->out->bytes = sync_pieces_bytes(&s->pieces);
    }
}


void
sync_stage_list(const sync_env_t *env, const sync_list_t *list,
                sync_staged_t *ret)
{
    stage_t s = { .env = env, .list = list, .out = ret };

    memset(ret, 0, sizeof(*ret));
    s.answer = calloc(1, sizeof(*s.answer));

    if (s.answer == NULL) {
        refuse_rc(&s, TIER_ENOMEM);

    } else if (read_list(&s)) {
        stage(&s);
    }

    sync_pieces_free(&s.pieces);
    free(s.named);
    free(s.answer);
}
