#include <stdio.h>
#include <stdlib.h>

#include "base/digest.h"
#include "base/endian.h"
#include "proto/answer.h"
#include "proto/date.h"
#include "proto/reply.h"
#include "proto/tags.h"
#include "proto/uri.h"
#include "sync/carry_parts.h"

#define LIST_MAX (8u << 20)


uint64_t
sync_backoff_ms(unsigned attempts, unsigned retry_after_s, uint64_t random)
{
    uint64_t ms = 200ull << (attempts < 9 ? attempts : 9);

    if (ms > 60000) {
        ms = 60000;
    }

    ms = ms / 2 + random % (ms / 2 + 1);

    return ms < retry_after_s * 1000ull ? retry_after_s * 1000ull : ms;
}


void
sync_block_id(const uint8_t edge_id[16], uint64_t number, uint32_t index,
              char buf[SYNC_BLOCK_ID_TEXT + 1])
{
    uint8_t raw[20];
    writer_t w;

    memcpy(raw, edge_id, 8);
    be64_put(raw + 8, number);
    raw[16] = (uint8_t) (index >> 24);
    raw[17] = (uint8_t) (index >> 16);
    raw[18] = (uint8_t) (index >> 8);
    raw[19] = (uint8_t) index;

    writer_init_fixed(&w, buf, SYNC_BLOCK_ID_TEXT);
    base64_encode(&w, view_of(raw, sizeof(raw)));
    buf[SYNC_BLOCK_ID_TEXT] = 0;
}


/* ---- what the origin has ---------------------------------------------- */

typedef struct held_s {
    bool exists;
    int64_t clock_ahead_s; /* the origin's clock, of ours */
    blob_props_t props;
    view_t etag; /* in etag_buf */
    char etag_buf[STORE_ETAG_MAX];
} held_t;


/* HEAD; false: outcome set. */
static bool
look(carry_t *c, held_t *ret)
{
    origin_req_t req = { .method = "HEAD", .timeout_s = 60 };
    origin_answer_t *a = c->answer;

    memset(ret, 0, sizeof(*ret));
    carry_headers_reset(c);

    if (!carry_send(c, &req)) {
        return false;
    }

    if (a->class_ == ORIGIN_NOT_FOUND) {
        return true;
    }

    if (a->class_ != ORIGIN_OK
        || !proto_answer_blob(a->headers, a->nheaders, &a->scratch,
                              &ret->props))
    {
        carry_failed(c, "asking the origin for the blob");
        return false;
    }

    ret->exists = true;
    ret->clock_ahead_s = a->date_s != 0 ? a->date_s - a->local_s : 0;

    if (ret->props.etag.len <= sizeof(ret->etag_buf)) {
        memcpy(ret->etag_buf, ret->props.etag.ptr, ret->props.etag.len);
        ret->etag = view_of(ret->etag_buf, ret->props.etag.len);
    }

    return true;
}


typedef struct own_blocks_s {
    const carry_t *c;
    uint32_t at;
    bool differs;
} own_blocks_t;


static bool
own_block(void *ctx, view_t id, uint64_t size)
{
    own_blocks_t *o = ctx;
    char want[SYNC_BLOCK_ID_TEXT + 1];

    (void) size;
    sync_block_id(o->c->env->edge_id, o->c->e->number, o->at++, want);
    o->differs |= !view_eq(id, view_str(want));
    return !o->differs;
}


typedef enum {
    NOT_OURS = 0,
    OURS,
    UNSURE /* the origin did not say: the outcome is set */
} whose_t;


/* Did our own commit arrive, its answer lost? Block ids of this very commit
 * prove it. */
static whose_t
has_own_blocks(carry_t *c)
{
    origin_req_t req = { .method = "GET",
                         .query =
                             VIEW("blocklisttype=committed&comp=blocklist"),
                         .timeout_s = 120 };
    own_blocks_t own = { c, 0, false };
    writer_t body;
    whose_t whose;

    writer_init_grow(&body, LIST_MAX, NULL, NULL);
    req.body = &body;
    carry_headers_reset(c);

    if (!carry_send(c, &req)) {
        whose = UNSURE;

    } else if (c->answer->class_ == ORIGIN_TRANSIENT
               || c->answer->class_ == ORIGIN_THROTTLED)
    {
        carry_failed(c, "asking the origin for the blob's blocks");
        whose = UNSURE;

    } else {
        whose = c->answer->class_ == ORIGIN_OK && writer_ok(&body)
                     && origin_blocks_parse(writer_view(&body), true,
                                            own_block, &own)
                            == TIER_OK
                     && !own.differs && own.at != 0
                  ? OURS
                  : NOT_OURS;
    }

    writer_free(&body);
    return whose;
}


static bool
same_pairs(view_t a, view_t b)
{
    view_t n, v, m, x;
    size_t count_a = 0, count_b = 0;

    for (size_t p = 0; props_pairs_next(b, &p, &m, &x);) {
        count_b++;
    }

    for (size_t p = 0; props_pairs_next(a, &p, &n, &v); count_a++) {
        bool found = false;

        for (size_t q = 0; props_pairs_next(b, &q, &m, &x);) {
            found |= view_eq_ci(n, m) && view_eq(v, x);
        }

        if (!found) {
            return false;
        }
    }

    return count_a == count_b;
}


static bool
same_props(const blob_props_t *a, const blob_props_t *b)
{
    return view_eq(a->content_type, b->content_type)
        && view_eq(a->content_encoding, b->content_encoding)
        && view_eq(a->content_language, b->content_language)
        && view_eq(a->content_disposition, b->content_disposition)
        && view_eq(a->cache_control, b->cache_control)
        && same_pairs(a->metadata, b->metadata);
}


/* Equal bytes and properties are success, whoever wrote them. */
static whose_t
whose_is(carry_t *c, const held_t *held)
{
    const blob_props_t *p = &c->e->props;

    if (!held->exists || held->props.content_length != p->content_length
        || !same_props(&held->props, p))
    {
        return NOT_OURS;
    }

    if (p->content_length == 0) {
        return OURS;
    }

    if (p->has_md5 && held->props.has_md5) {
        return memcmp(p->md5, held->props.md5, sizeof(p->md5)) == 0 ? OURS
                                                                    : NOT_OURS;
    }

    return has_own_blocks(c);
}


/* ---- conflicts -------------------------------------------------------- */

static void
keep_both(carry_t *c)
{
    char name[STORE_NAME_MAX + 64];
    view_t was = c->name;
    int n = snprintf(name, sizeof(name), "%.*s.edge-conflict-%llu",
                     (int) c->name.len, (const char *) c->name.ptr,
                     (unsigned long long) c->e->number);

    c->name = view_of(name, (size_t) n);
    c->if_match = VIEW_NULL;
    c->if_absent = false;

    if (carry_upload(c)) {
        if (c->answer->class_ == ORIGIN_OK) {
            carry_outcome(
                c, SYNC_CONFLICT,
                "the origin's blob was changed by somebody else; ours is "
                "kept there as NAME.edge-conflict-NUMBER");

        } else {
            carry_failed(c, "keeping a conflict copy");
        }
    }

    c->name = was;
}


static void carry_put(carry_t *c, bool again);


static void
conflict(carry_t *c, const held_t *held, bool again)
{
    switch (c->rule) {
    case CONFLICT_EDGE_WINS:
        c->if_absent = !held->exists;
        c->if_match = held->etag;

        if (again) {
            carry_put(c, false);

        } else {
            carry_outcome(c, SYNC_LATER, "the origin's blob keeps changing");
        }

        break;

    case CONFLICT_ORIGIN_WINS:
        carry_outcome(
            c, SYNC_CONFLICT,
            "the origin's blob was changed by somebody else and stays");
        break;

    case CONFLICT_HOLD:
        carry_outcome(c, SYNC_PARK,
                      "the origin's blob was changed by somebody else");
        break;

    default:
        if (c->e->kind == STORE_Q_PUT || c->e->kind == STORE_Q_BLOCK_LIST) {
            keep_both(c);

        } else {
            carry_outcome(
                c, SYNC_CONFLICT,
                "the origin's blob was changed by somebody else: a "
                "change of properties or a delete of an older one is "
                "void");
        }
    }
}


/* ---- kinds ------------------------------------------------------------ */

/* May it have been written after our commit? A change in the very second of
 * the commit may. */
static bool
is_newer(const carry_t *c, const held_t *held)
{
    return held->exists
        && held->props.last_modified_s - held->clock_ahead_s
               >= c->e->committed_at_ms / 1000
        && (c->env->knew == NULL
            || !c->env->knew(c->env->ctx, c->e, held->etag));
}


/* Settles the condition; false: the outcome is set. */
static bool
choose_condition(carry_t *c, bool *ret_conflict, held_t *held)
{
    *ret_conflict = false;
    c->if_match = VIEW_NULL;
    c->if_absent = false;

    if (c->e->base == STORE_BASE_ABSENT) {
        c->if_absent = true;
        return true;
    }

    if (c->e->base == STORE_BASE_ETAG) {
        c->if_match = c->e->base_etag;
        return true;
    }

    if (!look(c, held)) {
        return false;
    }

    c->if_absent = !held->exists;
    c->if_match = held->etag;
    *ret_conflict = is_newer(c, held);
    return true;
}


static void
carry_put(carry_t *c, bool again)
{
    held_t held;

    if (!carry_upload(c)) {
        return;
    }

    if (c->answer->class_ == ORIGIN_OK) {
        carry_done_answer(c);
        return;
    }

    if (c->answer->class_ != ORIGIN_CONDITION
        && !(c->if_match.len != 0
             && view_eq(c->answer->code, VIEW("BlobNotFound"))))
    {
        carry_failed(c, "writing the blob");
        return;
    }

    if (!look(c, &held)) {
        return;
    }

    switch (whose_is(c, &held)) {
    case OURS:
        carry_done(c, held.etag, held.props.last_modified_s);
        break;

    case NOT_OURS:
        conflict(c, &held, again);
        break;

    case UNSURE:
        break;
    }
}


static void
carry_put_entry(carry_t *c)
{
    held_t held;
    bool newer;

    if (!choose_condition(c, &newer, &held)) {
        return;
    }

    if (!newer) {
        carry_put(c, true);
        return;
    }

    switch (whose_is(c, &held)) {
    case OURS:
        carry_done(c, held.etag, held.props.last_modified_s);
        break;

    case NOT_OURS:
        conflict(c, &held, true);
        break;

    case UNSURE:
        break;
    }
}


/* One of the requests of a SET; false: the outcome is set. */
static bool
set_one(carry_t *c, view_t query, void (*fill)(carry_t *c))
{
    origin_req_t req = { .method = "PUT", .query = query, .timeout_s = 120 };
    held_t held;

    carry_headers_reset(c);
    fill(c);
    carry_headers_cond(c);

    if (!carry_send(c, &req)) {
        return false;
    }

    if (c->answer->class_ == ORIGIN_OK) {
        carry_done_answer(c);
        return true;
    }

    if (c->answer->class_ == ORIGIN_NOT_FOUND) {
        carry_outcome(c, SYNC_CONFLICT,
                      "the origin's blob was deleted by somebody else");
        return false;
    }

    if (c->answer->class_ != ORIGIN_CONDITION) {
        carry_failed(c, "setting properties or metadata");
        return false;
    }

    if (!look(c, &held)) {
        return false;
    }

    if (held.exists && held.props.content_length == c->e->props.content_length
        && same_props(&held.props, &c->e->props))
    {
        carry_done(c, held.etag, held.props.last_modified_s);
        return true;
    }

    conflict(c, &held, false);
    return false;
}


static void
fill_props(carry_t *c)
{
    carry_headers_props(c, &c->e->props);
}


static void
fill_metadata(carry_t *c)
{
    carry_headers_metadata(c, c->e->props.metadata);
}


/* A request whose answer has no ETag and which changes none: what was known
 * stays known. False: the outcome is set. */
static bool
set_aside(carry_t *c, view_t query, const carry_text_t *body, view_t etag,
          int64_t last_modified_s)
{
    carry_text_t text = body != NULL ? *body : (carry_text_t){ 0 };
    origin_req_t req = { .method = "PUT",
                         .query = query,
                         .read = body != NULL ? carry_text_read : NULL,
                         .rewind = body != NULL ? carry_text_rewind : NULL,
                         .read_ctx = &text,
                         .length = text.v.len,
                         .timeout_s = 120 };

    carry_headers_reset(c);

    if (body != NULL) {
        carry_header(c, VIEW("content-type"), VIEW("application/xml"));

    } else {
        carry_headers_tier(c, &c->e->props);
    }

    if (!carry_send(c, &req)) {
        return false;
    }

    if (c->answer->class_ == ORIGIN_OK) {
        carry_done(c, etag, last_modified_s);
        return true;
    }

    if (c->answer->class_ == ORIGIN_NOT_FOUND) {
        carry_outcome(c, SYNC_CONFLICT,
                      "the origin's blob was deleted by somebody else");

    } else {
        carry_failed(c, "setting tags or the tier");
    }

    return false;
}


static bool
set_tags(carry_t *c, view_t etag, int64_t last_modified_s)
{
    uint8_t buf[8 * 1024];
    carry_text_t body = { 0 };
    writer_t w;

    writer_init_fixed(&w, buf, sizeof(buf));
    proto_tags_document(&w, c->e->props.tags);
    body.v = writer_view(&w);

    return set_aside(c, VIEW("comp=tags"), &body, etag, last_modified_s);
}


/* Tags and tier take no ETag as a condition: the blob is looked at first.
 * `known`: a request of this very commit has just said its ETag. */
static void
carry_set_aside(carry_t *c, bool known)
{
    char etag_buf[STORE_ETAG_MAX];
    int64_t last_modified_s = c->out->last_modified_s;
    view_t etag = view_of(etag_buf, c->out->etag_len);
    held_t held;

    memcpy(etag_buf, c->out->etag, c->out->etag_len);

    if (!known) {
        if (!look(c, &held)) {
            return;
        }

        if (!held.exists) {
            carry_outcome(c, SYNC_CONFLICT,
                          "the origin's blob was deleted by somebody else");
            return;
        }

        if (c->if_match.len != 0 && !view_eq(held.etag, c->if_match)
            && c->rule != CONFLICT_EDGE_WINS)
        {
            conflict(c, &held, false);
            return;
        }

        memcpy(etag_buf, held.etag.ptr, held.etag.len);
        etag = view_of(etag_buf, held.etag.len);
        last_modified_s = held.props.last_modified_s;
    }

    if ((c->e->flags & STORE_SET_TAGS) != 0
        && !set_tags(c, etag, last_modified_s)) {
        return;
    }

    if ((c->e->flags & STORE_SET_TIER) != 0) {
        (void) set_aside(c, VIEW("comp=tier"), NULL, etag, last_modified_s);
    }
}


static void
carry_set(carry_t *c)
{
    char etag[STORE_ETAG_MAX];
    held_t held;
    bool newer;

    if (!choose_condition(c, &newer, &held)) {
        return;
    }

    c->if_absent = false;

    if ((c->e->flags & STORE_SET_HEADERS) != 0) {
        if (!set_one(c, VIEW("comp=properties"), fill_props)) {
            return;
        }

        memcpy(etag, c->out->etag, c->out->etag_len);
        c->if_match = view_of(etag, c->out->etag_len);
    }

    if ((c->e->flags & STORE_SET_META) != 0
        && !set_one(c, VIEW("comp=metadata"), fill_metadata))
    {
        return;
    }

    if ((c->e->flags & (STORE_SET_TAGS | STORE_SET_TIER)) != 0) {
        carry_set_aside(c, (c->e->flags & (STORE_SET_HEADERS | STORE_SET_META))
                               != 0);
    }
}


static void
carry_delete(carry_t *c)
{
    origin_req_t req = { .method = "DELETE", .timeout_s = 120 };
    held_t held;
    bool newer;

    if (!choose_condition(c, &newer, &held)) {
        return;
    }

    if (newer) {
        conflict(c, &held, false);
        return;
    }

    if (c->if_absent) { /* nothing there, or not by us: look before leaping */
        if (!look(c, &held)) {
            return;
        }

        if (held.exists) {
            conflict(c, &held, false);

        } else {
            carry_done(c, VIEW_NULL, 0);
        }

        return;
    }

    carry_headers_reset(c);
    carry_headers_cond(c);

    if (!carry_send(c, &req)) {
        return;
    }

    if (c->answer->class_ == ORIGIN_OK
        || c->answer->class_ == ORIGIN_NOT_FOUND) {
        carry_done(c, VIEW_NULL, 0);

    } else if (c->answer->class_ == ORIGIN_CONDITION) {
        if (!look(c, &held)) {
            return;
        }

        if (held.exists) {
            conflict(c, &held, false);

        } else { /* by us, the answer lost, or by somebody: it is gone */
            carry_done(c, VIEW_NULL, 0);
        }

    } else {
        carry_failed(c, "deleting the blob");
    }
}


static void
carry_container(carry_t *c)
{
    origin_req_t req = { .query = VIEW("restype=container"), .timeout_s = 60 };
    bool del = c->e->kind == STORE_Q_CONTAINER_DELETE;
    bool set = c->e->kind == STORE_Q_CONTAINER_SET;
    origin_class_t fine = del ? ORIGIN_NOT_FOUND : ORIGIN_OK;

    req.method = del ? "DELETE" : "PUT";

    if (set) {
        req.query = VIEW("comp=metadata&restype=container");
    }

    carry_headers_reset(c);

    if (!del) {
        carry_headers_metadata(c, c->e->container_props.metadata);
    }

    if (!del && !set) {
        carry_header(
            c, VIEW("x-ms-blob-public-access"),
            proto_public_access_name(c->e->container_props.public_access));
    }

    if (!carry_send(c, &req)) {
        return;
    }

    if (c->answer->class_ == ORIGIN_OK || c->answer->class_ == fine
        || (!del && !set
            && view_eq(c->answer->code, VIEW("ContainerAlreadyExists"))))
    {
        carry_done_answer(c);
        return;
    }

    carry_failed(c, "changing the container");
}


void
sync_carry(const sync_env_t *env, const store_entry_t *entry,
           conflict_rule_t rule, unsigned staged, sync_outcome_t *ret)
{
    carry_t *c = calloc(1, sizeof(*c));
    origin_answer_t *answer = calloc(1, sizeof(*answer));

    memset(ret, 0, sizeof(*ret));
    ret->verdict = SYNC_LATER;

    if (c == NULL || answer == NULL) {
        free(c);
        free(answer);
        return;
    }

    c->env = env;
    c->e = entry;
    c->rule = rule;
    c->staged = staged;
    c->out = ret;
    c->name = entry->name;
    c->answer = answer;

    switch (entry->kind) {
    case STORE_Q_PUT:
    case STORE_Q_BLOCK_LIST:
        carry_put_entry(c);
        break;

    case STORE_Q_SET:
        carry_set(c);
        break;

    case STORE_Q_DELETE:
        carry_delete(c);
        break;

    case STORE_Q_CONTAINER_CREATE:
    case STORE_Q_CONTAINER_SET:
    case STORE_Q_CONTAINER_DELETE:
        carry_container(c);
        break;
    }

    free(answer);
    free(c);
}
