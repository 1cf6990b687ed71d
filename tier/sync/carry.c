#include <stdio.h>
#include <stdlib.h>

#include "base/digest.h"
#include "base/endian.h"
#include "proto/answer.h"
#include "proto/date.h"
#include "proto/uri.h"
#include "sync/body.h"

/* An origin's clock and ours may differ by so much before a blob there that
 * nobody told us of counts as newer than our commit. Whole seconds: a change
 * in the very second of the commit is a conflict. */
#define CLOCK_SLACK_S 0

#define HEADERS_MAX   56
#define LIST_MAX      (8u << 20)

/* One commit under way. */
typedef struct carry_s {
    const sync_env_t *env;
    const store_entry_t *e;
    conflict_rule_t rule;
    sync_outcome_t *out;
    view_t name; /* the entry's, or a conflict copy's */
    view_t if_match;
    bool if_absent;
    origin_answer_t *answer;
    proto_header_t h[HEADERS_MAX];
    unsigned nh;
    uint8_t text_buf[24 * 1024];
    writer_t text; /* header values */
} carry_t;


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


/* ---- outcomes --------------------------------------------------------- */

static void
outcome(carry_t *c, sync_verdict_t verdict, const char *what)
{
    c->out->verdict = verdict;
    snprintf(c->out->text, sizeof(c->out->text), "%s", what);
}


static void
outcome_answer(carry_t *c, sync_verdict_t verdict, const char *what)
{
    c->out->verdict = verdict;
    snprintf(c->out->text, sizeof(c->out->text), "%s: %s", what,
             c->answer->text);
}


/* Answers that say the same for every operation. */
static void
outcome_failed(carry_t *c, const char *what)
{
    switch (c->answer->class_) {
    case ORIGIN_TRANSIENT:
        outcome_answer(c, SYNC_LATER, what);
        break;

    case ORIGIN_THROTTLED:
        outcome_answer(c, SYNC_LATER, what);
        c->out->throttled = true;
        break;

    default:
        outcome_answer(c, SYNC_PARK, what);
    }

    c->out->retry_after_s = c->answer->retry_after_s;
}


static void
outcome_done(carry_t *c, view_t etag, int64_t last_modified_s)
{
    c->out->verdict = SYNC_DONE;
    c->out->etag_len =
        etag.len < sizeof(c->out->etag) ? etag.len : sizeof(c->out->etag);

    if (c->out->etag_len != 0) {
        memcpy(c->out->etag, etag.ptr, c->out->etag_len);
    }

    c->out->last_modified_s = last_modified_s;
}


static void
done_from_answer(carry_t *c)
{
    const origin_answer_t *a = c->answer;
    int64_t t = 0;

    (void) proto_date_parse_http(
        proto_answer_header(a->headers, a->nheaders, VIEW("last-modified")),
        &t);
    outcome_done(c,
                 proto_answer_etag(proto_answer_header(a->headers, a->nheaders,
                                                       VIEW("etag"))),
                 t);
}


/* ---- requests --------------------------------------------------------- */

static void
headers_reset(carry_t *c)
{
    c->nh = 0;
    writer_init_fixed(&c->text, c->text_buf, sizeof(c->text_buf));
}


static void
header(carry_t *c, view_t name, view_t value)
{
    if (value.ptr != NULL && c->nh < HEADERS_MAX) {
        c->h[c->nh++] = (proto_header_t){ name, value };
    }
}


/* value between quotes, as ETags are sent */
static view_t
quoted(carry_t *c, view_t etag)
{
    size_t at = c->text.len;

    writer_putc(&c->text, '"');
    writer_put(&c->text, etag);
    writer_putc(&c->text, '"');
    return view_of(c->text.buf + at, c->text.len - at);
}


static void
headers_cond(carry_t *c)
{
    if (c->if_absent) {
        header(c, VIEW("if-none-match"), VIEW("*"));

    } else if (c->if_match.len != 0) {
        header(c, VIEW("if-match"), quoted(c, c->if_match));
    }
}


static view_t
base64_text(carry_t *c, const void *p, size_t len)
{
    size_t at = c->text.len;

    base64_encode(&c->text, view_of(p, len));
    return view_of(c->text.buf + at, c->text.len - at);
}


static void
headers_metadata(carry_t *c, view_t packed)
{
    view_t name, value;

    for (size_t pos = 0; props_pairs_next(packed, &pos, &name, &value);) {
        size_t at = c->text.len;

        writer_puts(&c->text, "x-ms-meta-");

        for (size_t i = 0; i < name.len; i++) { /* signed in lower case */
            uint8_t ch = name.ptr[i];

            writer_putc(&c->text, ch >= 'A' && ch <= 'Z' ? ch | 0x20 : ch);
        }

        header(c, view_of(c->text.buf + at, c->text.len - at), value);
    }
}


/* Empty says the same as absent, and some servers keep the empty value. */
static void
header_prop(carry_t *c, view_t name, view_t value)
{
    header(c, name, value.len != 0 ? value : VIEW_NULL);
}

static void
headers_props(carry_t *c, const blob_props_t *p)
{
    header_prop(c, VIEW("x-ms-blob-content-type"), p->content_type);
    header_prop(c, VIEW("x-ms-blob-content-encoding"), p->content_encoding);
    header_prop(c, VIEW("x-ms-blob-content-language"), p->content_language);
    header_prop(c, VIEW("x-ms-blob-content-disposition"),
                p->content_disposition);
    header_prop(c, VIEW("x-ms-blob-cache-control"), p->cache_control);

    if (p->has_md5) {
        header(c, VIEW("x-ms-blob-content-md5"),
               base64_text(c, p->md5, sizeof(p->md5)));
    }
}


static void
headers_tier(carry_t *c, const blob_props_t *p)
{
    static const char *const names[] = { NULL, "Hot", "Cool", "Cold",
                                         "Archive" };

    if (p->tier != TIER_NONE) {
        header(c, VIEW("x-ms-access-tier"), view_str(names[p->tier]));
    }
}


/* Sends it to c->name; false when there is no memory (outcome set). */
static bool
send_request(carry_t *c, origin_req_t *req, unsigned lane)
{
    req->container = c->e->container;
    req->blob = c->name;
    req->headers = c->h;
    req->nheaders = c->nh;

    if (c->env->request(c->env->ctx, lane, req, c->answer) != TIER_OK) {
        outcome(c, SYNC_LATER, "no memory");
        return false;
    }

    return true;
}


/* ---- what the origin has ---------------------------------------------- */

typedef struct held_s {
    bool exists;
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
    headers_reset(c);

    if (!send_request(c, &req, 0)) {
        return false;
    }

    if (a->class_ == ORIGIN_NOT_FOUND) {
        return true;
    }

    if (a->class_ != ORIGIN_OK
        || !proto_answer_blob(a->headers, a->nheaders, &a->scratch,
                              &ret->props))
    {
        outcome_failed(c, "asking the origin for the blob");
        return false;
    }

    ret->exists = true;

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


/* Did our own commit arrive, its answer lost? Block ids of this very commit
 * prove it. */
static bool
has_own_blocks(carry_t *c)
{
    origin_req_t req = { .method = "GET",
                         .query =
                             VIEW("blocklisttype=committed&comp=blocklist"),
                         .timeout_s = 120 };
    own_blocks_t own = { c, 0, false };
    writer_t body;
    bool ok;

    writer_init_grow(&body, LIST_MAX, NULL, NULL);
    req.body = &body;
    headers_reset(c);

    ok = send_request(c, &req, 0) && c->answer->class_ == ORIGIN_OK
      && writer_ok(&body)
      && origin_blocks_parse(writer_view(&body), own_block, &own) == TIER_OK
      && !own.differs && own.at != 0;

    writer_free(&body);
    return ok;
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
static bool
is_ours(carry_t *c, const held_t *held)
{
    const blob_props_t *p = &c->e->props;

    if (!held->exists || held->props.content_length != p->content_length
        || !same_props(&held->props, p))
    {
        return false;
    }

    if (p->content_length == 0) {
        return true;
    }

    if (p->has_md5 && held->props.has_md5) {
        return memcmp(p->md5, held->props.md5, sizeof(p->md5)) == 0;
    }

    return has_own_blocks(c);
}


/* ---- bodies ----------------------------------------------------------- */

static void
put_blob(carry_t *c, const sync_pieces_t *pieces)
{
    sync_reader_t reader;
    origin_req_t req = { .method = "PUT",
                         .length = c->e->props.content_length };

    sync_reader_init(&reader, c->env, pieces, 0, pieces->n);
    req.read = sync_reader_read;
    req.rewind = sync_reader_rewind;
    req.read_ctx = &reader;

    headers_reset(c);
    header(c, VIEW("x-ms-blob-type"), VIEW("BlockBlob"));
    headers_props(c, &c->e->props);
    headers_metadata(c, c->e->props.metadata);
    headers_tier(c, &c->e->props);
    headers_cond(c);

    (void) send_request(c, &req, 0);
    sync_reader_close(&reader);
}


typedef struct blocks_s {
    carry_t *c;
    const sync_pieces_t *pieces;
    _Atomic bool failed;
    origin_answer_t *answers; /* one a lane; the failed one is copied */
    _Atomic int failed_lane;
} blocks_t;

#define LANES_MAX 16


/* One Put Block; runs in its lane's thread. */
static void
put_block(void *job, unsigned i, unsigned lane)
{
    blocks_t *b = job;
    const carry_t *c = b->c;
    origin_answer_t *a = &b->answers[lane];
    char id[SYNC_BLOCK_ID_TEXT + 1], query[128];
    uint8_t buf[128];
    sync_reader_t reader;
    writer_t w;

    if (b->failed) {
        return;
    }

    sync_block_id(c->env->edge_id, c->e->number, i, id);
    writer_init_fixed(&w, query, sizeof(query));
    writer_puts(&w, "blockid=");
    proto_uri_encode(&w, view_str(id), false);
    writer_puts(&w, "&comp=block");

    origin_req_t req = { .method = "PUT",
                         .container = c->e->container,
                         .blob = c->name,
                         .query = writer_view(&w),
                         .read = sync_reader_read,
                         .rewind = sync_reader_rewind,
                         .read_ctx = &reader,
                         .length = b->pieces->piece[i].length };
    proto_header_t h;

    if (b->pieces->piece[i].has_crc) {
        uint8_t crc[8];

        le64_put(crc, b->pieces->piece[i].extent.crc64);
        writer_init_fixed(&w, buf, sizeof(buf));
        base64_encode(&w, view_of(crc, sizeof(crc)));
        h = (proto_header_t){ VIEW("x-ms-content-crc64"), writer_view(&w) };
        req.headers = &h;
        req.nheaders = 1;
    }

    sync_reader_init(&reader, c->env, b->pieces, i, i + 1);

    if (c->env->request(c->env->ctx, lane, &req, a) != TIER_OK
        || a->class_ != ORIGIN_OK)
    {
        b->failed_lane = (int) lane;
        b->failed = true;
    }

    sync_reader_close(&reader);
}


/* All blocks, in parallel; false: c->answer says why. */
static bool
put_blocks(carry_t *c, const sync_pieces_t *pieces)
{
    blocks_t b = { .c = c, .pieces = pieces };

    b.answers = calloc(LANES_MAX, sizeof(*b.answers));

    if (b.answers == NULL) {
        c->answer->class_ = ORIGIN_TRANSIENT;
        return false;
    }

    c->env->parallel(c->env->ctx, pieces->n, put_block, &b);

    if (b.failed) {
        const origin_answer_t *a = &b.answers[b.failed_lane];

        c->answer->class_ = a->class_;
        c->answer->status = a->status;
        c->answer->retry_after_s = a->retry_after_s;
        memcpy(c->answer->text, a->text, sizeof(a->text));
        c->answer->nheaders = 0;
        c->answer->code = VIEW_NULL;

        if (a->class_ == ORIGIN_PERMANENT
            && view_eq(a->code, VIEW("InvalidBlobOrBlock")))
        {
            c->answer->code = VIEW("InvalidBlobOrBlock");
        }
    }

    free(b.answers);
    return !b.failed;
}


typedef struct text_body_s {
    view_t v;
    size_t at;
} text_body_t;


static int64_t
text_read(void *ctx, void *buf, size_t cap)
{
    text_body_t *t = ctx;
    view_t part = view_sub(t->v, t->at, cap);

    memcpy(buf, part.ptr, part.len);
    t->at += part.len;
    return (int64_t) part.len;
}


static bool
text_rewind(void *ctx)
{
    ((text_body_t *) ctx)->at = 0;
    return true;
}


static void
put_block_list(carry_t *c, unsigned n)
{
    text_body_t body = { 0 };
    origin_req_t req = { .method = "PUT",
                         .query = VIEW("comp=blocklist"),
                         .read = text_read,
                         .rewind = text_rewind,
                         .read_ctx = &body,
                         .timeout_s = 600 };
    writer_t w;

    writer_init_grow(&w, LIST_MAX, NULL, NULL);
    writer_puts(&w, "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");

    for (unsigned i = 0; i < n; i++) {
        char id[SYNC_BLOCK_ID_TEXT + 1];

        sync_block_id(c->env->edge_id, c->e->number, i, id);
        writer_puts(&w, "<Latest>");
        writer_puts(&w, id);
        writer_puts(&w, "</Latest>");
    }

    writer_puts(&w, "</BlockList>");

    if (!writer_ok(&w)) {
        writer_free(&w);
        outcome(c, SYNC_LATER, "no memory");
        c->answer->class_ = ORIGIN_TRANSIENT;
        return;
    }

    body.v = writer_view(&w);
    req.length = w.len;

    headers_reset(c);
    header(c, VIEW("content-type"), VIEW("application/xml"));
    headers_props(c, &c->e->props);
    headers_metadata(c, c->e->props.metadata);
    headers_tier(c, &c->e->props);
    headers_cond(c);
    (void) send_request(c, &req, 0);
    writer_free(&w);
}


/* The whole content to c->name; the outcome of the last request is in
 * c->answer. False: the outcome is set (the bytes cannot be sent). */
static bool
upload(carry_t *c)
{
    bool list = c->e->kind == STORE_Q_BLOCK_LIST
             || c->e->props.content_length > SYNC_PUT_BLOB_MAX;
    uint64_t split =
        c->e->kind == STORE_Q_BLOCK_LIST ? SYNC_BLOCK_MAX : SYNC_BLOCK_BYTES;
    sync_pieces_t pieces = { 0 };
    tier_rc_t rc;

    rc = sync_pieces_load(c->env, c->e->content, list ? split : 0, &pieces);

    if (rc == TIER_OK) {
        rc = sync_pieces_verify(c->env, &pieces);
    }

    if (rc != TIER_OK) {
        sync_pieces_free(&pieces);
        outcome(c, rc == TIER_ENOMEM ? SYNC_LATER : SYNC_PARK,
                rc == TIER_ECORRUPT
                    ? "the bytes kept here do not match the checksum taken "
                      "when they arrived; nothing was sent"
                    : "the bytes kept here cannot be read");
        return false;
    }

    if (!list) {
        put_blob(c, &pieces);

    } else if (put_blocks(c, &pieces)) {
        put_block_list(c, pieces.n);

    } else if (view_eq(c->answer->code, VIEW("InvalidBlobOrBlock"))
               && c->e->props.content_length <= 5000ull << 20)
    {
        /* uncommitted blocks of another id length are there already */
        put_blob(c, &pieces);
    }

    sync_pieces_free(&pieces);
    return true;
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

    if (upload(c)) {
        if (c->answer->class_ == ORIGIN_OK) {
            outcome(c, SYNC_CONFLICT,
                    "the origin's blob was changed by somebody else; ours is "
                    "kept there as NAME.edge-conflict-NUMBER");

        } else {
            outcome_failed(c, "keeping a conflict copy");
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
            outcome(c, SYNC_LATER, "the origin's blob keeps changing");
        }

        break;

    case CONFLICT_ORIGIN_WINS:
        outcome(c, SYNC_CONFLICT,
                "the origin's blob was changed by somebody else and stays");
        break;

    case CONFLICT_HOLD:
        outcome(c, SYNC_PARK,
                "the origin's blob was changed by somebody else");
        break;

    default:
        if (c->e->kind == STORE_Q_PUT || c->e->kind == STORE_Q_BLOCK_LIST) {
            keep_both(c);

        } else {
            outcome(c, SYNC_CONFLICT,
                    "the origin's blob was changed by somebody else: a "
                    "change of properties or a delete of an older one is "
                    "void");
        }
    }
}


/* ---- kinds ------------------------------------------------------------ */

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
    *ret_conflict = held->exists
                 && held->props.last_modified_s
                        > c->e->committed_at_ms / 1000 + CLOCK_SLACK_S;
    return true;
}


static void
carry_put(carry_t *c, bool again)
{
    held_t held;

    if (!upload(c)) {
        return;
    }

    if (c->answer->class_ == ORIGIN_OK) {
        done_from_answer(c);
        return;
    }

    if (c->answer->class_ != ORIGIN_CONDITION) {
        outcome_failed(c, "writing the blob");
        return;
    }

    if (!look(c, &held)) {
        return;
    }

    if (is_ours(c, &held)) {
        outcome_done(c, held.etag, held.props.last_modified_s);
        return;
    }

    conflict(c, &held, again);
}


static void
carry_put_entry(carry_t *c)
{
    held_t held;
    bool newer;

    if (!choose_condition(c, &newer, &held)) {
        return;
    }

    if (newer && !is_ours(c, &held)) {
        conflict(c, &held, true);
        return;
    }

    if (newer) {
        outcome_done(c, held.etag, held.props.last_modified_s);
        return;
    }

    carry_put(c, true);
}


/* One of the requests of a SET; false: the outcome is set. */
static bool
set_one(carry_t *c, view_t query, void (*fill)(carry_t *c))
{
    origin_req_t req = { .method = "PUT", .query = query, .timeout_s = 120 };
    held_t held;

    headers_reset(c);
    fill(c);
    headers_cond(c);

    if (!send_request(c, &req, 0)) {
        return false;
    }

    if (c->answer->class_ == ORIGIN_OK) {
        done_from_answer(c);
        return true;
    }

    if (c->answer->class_ == ORIGIN_NOT_FOUND) {
        outcome(c, SYNC_CONFLICT,
                "the origin's blob was deleted by somebody else");
        return false;
    }

    if (c->answer->class_ != ORIGIN_CONDITION) {
        outcome_failed(c, "setting properties or metadata");
        return false;
    }

    if (!look(c, &held)) {
        return false;
    }

    if (held.exists && held.props.content_length == c->e->props.content_length
        && same_props(&held.props, &c->e->props))
    {
        outcome_done(c, held.etag, held.props.last_modified_s);
        return true;
    }

    conflict(c, &held, false);
    return false;
}


static void
fill_props(carry_t *c)
{
    headers_props(c, &c->e->props);
}


static void
fill_metadata(carry_t *c)
{
    headers_metadata(c, c->e->props.metadata);
}


static void
fill_tier(carry_t *c)
{
    headers_tier(c, &c->e->props);
    c->if_match = VIEW_NULL; /* Set Blob Tier takes no such condition */
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

    if ((c->e->flags & STORE_SET_TIER) != 0) {
        memcpy(etag, c->out->etag, c->out->etag_len);

        size_t len = c->out->etag_len;

        if (set_one(c, VIEW("comp=tier"), fill_tier)) {
            outcome_done(c, view_of(etag, len), c->out->last_modified_s);
        }
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
            outcome_done(c, VIEW_NULL, 0);
        }

        return;
    }

    headers_reset(c);
    headers_cond(c);

    if (!send_request(c, &req, 0)) {
        return;
    }

    if (c->answer->class_ == ORIGIN_OK
        || c->answer->class_ == ORIGIN_NOT_FOUND) {
        outcome_done(c, VIEW_NULL, 0);

    } else if (c->answer->class_ == ORIGIN_CONDITION) {
        if (look(c, &held)) {
            conflict(c, &held, false);
        }

    } else {
        outcome_failed(c, "deleting the blob");
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

    headers_reset(c);

    if (!del) {
        headers_metadata(c, c->e->container_props.metadata);
    }

    if (!send_request(c, &req, 0)) {
        return;
    }

    if (c->answer->class_ == ORIGIN_OK || c->answer->class_ == fine
        || (!del && !set
            && view_eq(c->answer->code, VIEW("ContainerAlreadyExists"))))
    {
        done_from_answer(c);
        return;
    }

    outcome_failed(c, "changing the container");
}


void
sync_carry(const sync_env_t *env, const store_entry_t *entry,
           conflict_rule_t rule, sync_outcome_t *ret)
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
