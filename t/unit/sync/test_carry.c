#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/digest.h"
#include "proto/answer.h"
#include "proto/uri.h"
#include "sync/carry.h"

/*
 * Carrying against an origin in memory that holds one blob and a copy, checks
 * conditions as the service does, and can lose an answer after acting on it.
 */
#define BODY "the bytes of a checkpoint"

typedef struct held_s {
    bool exists;
    unsigned etag;
    uint8_t body[256];
    size_t len;
    char metadata[64]; /* x-ms-meta-k */
    char tags[512];    /* x-ms-tags, or the document of Set Blob Tags */
    char tier[16];
    char blocks[8][64];
    unsigned nblocks;
} held_t;

typedef struct fake_s {
    held_t blob, copy;
    char copy_name[128];
    char staged[8][64];
    uint8_t staged_body[256];
    size_t staged_len;
    unsigned nstaged;
    unsigned next_etag;
    const char *last_modified;
    bool lose_answer;
    bool absent_is_412; /* a DELETE's condition comes first */
    bool lists_busy; /* no Get Block List now */ /* act, then say nothing */
    bool knows;                                  /* the edge knew of ETag 50 */
    int64_t date_s;  /* the origin's clock, where ours says 0 */
    unsigned refuse; /* answer every request with this status */
    unsigned requests;
    unsigned nheaders; /* of the last request */
    char path[64];     /* file with the bytes */
    uint64_t crc64;
} fake_t;


static view_t
find(const origin_req_t *req, const char *name)
{
    return proto_answer_header(req->headers, req->nheaders, view_str(name));
}


static void
say(origin_answer_t *a, const char *name, const char *value)
{
    a->headers[a->nheaders].name = view_str(name);
    a->headers[a->nheaders++].value =
        writer_take(&a->scratch, view_str(value));
}


static void
answer(fake_t *f, origin_answer_t *a, unsigned status, const char *code,
       const held_t *h)
{
    char buf[64];

    a->date_s = f->date_s;
    a->status = status;
    a->code = code == NULL ? VIEW_NULL : view_str(code);
    a->class_ =
        status < 300    ? ORIGIN_OK
        : status == 404 ? ORIGIN_NOT_FOUND
        : status == 412
                || (status == 409 && strcmp(code, "BlobAlreadyExists") == 0)
            ? ORIGIN_CONDITION
        : status == 403 ? ORIGIN_AUTH
        : status == 503 ? ORIGIN_THROTTLED
                        : ORIGIN_PERMANENT;
    snprintf(a->text, sizeof(a->text), "%u", status);

    if (h != NULL && h->exists) {
        snprintf(buf, sizeof(buf), "\"%u\"", h->etag);
        say(a, "ETag", buf);
        say(a, "Last-Modified", f->last_modified);
        snprintf(buf, sizeof(buf), "%zu", h->len);
        say(a, "Content-Length", buf);
        say(a, "x-ms-blob-type", "BlockBlob");
        say(a, "x-ms-creation-time", f->last_modified);
        say(a, "Content-Type", "application/octet-stream");

        if (h->metadata[0] != 0) {
            say(a, "x-ms-meta-k", h->metadata);
        }
    }

    if (f->lose_answer && status < 300) {
        a->class_ = ORIGIN_TRANSIENT;
        a->status = 0;
        a->nheaders = 0;
    }
}


static bool
condition_ok(const origin_req_t *req, const held_t *h)
{
    view_t im = find(req, "if-match"), inm = find(req, "if-none-match");
    char etag[32];

    snprintf(etag, sizeof(etag), "\"%u\"", h->etag);

    return !(inm.ptr != NULL && h->exists)
        && !(im.ptr != NULL && (!h->exists || !view_eq(im, view_str(etag))));
}


static size_t
read_body(const origin_req_t *req, uint8_t *buf, size_t cap)
{
    size_t len = 0;
    int64_t n = 1;

    while (req->read != NULL && n > 0) {
        n = req->read(req->read_ctx, buf + len, cap - len);

        if (n < 0) {
            return SIZE_MAX;
        }

        len += (size_t) n;
    }

    assert_int_equal(len, req->length);
    return len;
}


static void
keep(char *buf, size_t cap, view_t v)
{
    snprintf(buf, cap, "%.*s", (int) v.len,
             v.ptr == NULL ? "" : (const char *) v.ptr);
}


/* Set Blob Tags, Set Blob Tier: neither has an ETag, nor asks for one. */
static void
put_aside(fake_t *f, const origin_req_t *req, held_t *h, origin_answer_t *a)
{
    uint8_t body[1024];
    size_t len = read_body(req, body, sizeof(body));

    assert_null(find(req, "if-match").ptr);

    if (!h->exists) {
        answer(f, a, 404, "BlobNotFound", NULL);
        return;
    }

    if (view_eq(req->query, VIEW("comp=tags"))) {
        keep(h->tags, sizeof(h->tags), view_of(body, len));
        answer(f, a, 204, NULL, NULL);

    } else {
        keep(h->tier, sizeof(h->tier), find(req, "x-ms-access-tier"));
        answer(f, a, 202, NULL, NULL);
    }
}


static void
put(fake_t *f, const origin_req_t *req, held_t *h, origin_answer_t *a)
{
    uint8_t body[4096];
    size_t len = read_body(req, body, sizeof(body));
    view_t meta = find(req, "x-ms-meta-k");

    f->nheaders = req->nheaders;

    if (len == SIZE_MAX) { /* given up before its end */
        answer(f, a, 400, "Aborted", NULL);
        return;
    }

    if (view_eq(req->query, VIEW("comp=blocklist")) && f->nstaged == 0) {
        answer(f, a, 400, "InvalidBlockList", NULL);
        return;
    }

    if (view_starts_with(req->query, VIEW("blockid="))) {
        view_t id;
        uint8_t text[128];
        writer_t w;

        writer_init_fixed(&w, text, sizeof(text));
        assert_true(proto_uri_decode(
            view_sub(req->query, 8, view_find(req->query, '&', 0) - 8), false,
            &w, &id));
        snprintf(f->staged[f->nstaged++], 64, "%.*s", (int) id.len,
                 (const char *) id.ptr);
        memcpy(f->staged_body + f->staged_len, body, len);
        f->staged_len += len;
        answer(f, a, 201, NULL, NULL);
        return;
    }

    if (!condition_ok(req, h)) {
        bool create = find(req, "if-none-match").ptr != NULL;

        answer(f, a, create ? 409 : 412,
               create ? "BlobAlreadyExists" : "ConditionNotMet", NULL);
        return;
    }

    h->nblocks = 0;

    if (view_eq(req->query, VIEW("comp=blocklist"))) {
        memcpy(body, f->staged_body, f->staged_len);
        len = f->staged_len;
        memcpy(h->blocks, f->staged, sizeof(f->staged));
        h->nblocks = f->nstaged;
        f->nstaged = 0;
        f->staged_len = 0;
    }

    if (req->query.len == 0 || h->nblocks != 0) {
        memcpy(h->body, body, len);
        h->len = len;
    }

    snprintf(h->metadata, sizeof(h->metadata), "%.*s", (int) meta.len,
             meta.ptr == NULL ? "" : (const char *) meta.ptr);
    keep(h->tags, sizeof(h->tags), find(req, "x-ms-tags"));
    keep(h->tier, sizeof(h->tier), find(req, "x-ms-access-tier"));
    h->exists = true;
    h->etag = f->next_etag++;
    answer(f, a, 201, NULL, h);
}


static void
put_blocks_xml(const held_t *h, writer_t *w)
{
    writer_puts(w, "<?xml version=\"1.0\"?><BlockList><CommittedBlocks>");

    for (unsigned i = 0; i < h->nblocks; i++) {
        writer_puts(w, "<Block><Name>");
        writer_puts(w, h->blocks[i]);
        writer_puts(w, "</Name><Size>1</Size></Block>");
    }

    writer_puts(w, "</CommittedBlocks></BlockList>");
}


static tier_rc_t
fake_request(void *ctx, unsigned lane, const origin_req_t *req,
             origin_answer_t *a)
{
    fake_t *f = ctx;
    held_t *h = &f->blob;

    (void) lane;
    f->requests++;
    memset(a, 0, sizeof(*a));
    writer_init_fixed(&a->scratch, a->buf, sizeof(a->buf));

    if (!view_eq(req->blob, VIEW("b"))) {
        h = &f->copy;
        snprintf(f->copy_name, sizeof(f->copy_name), "%.*s",
                 (int) req->blob.len, (const char *) req->blob.ptr);
    }

    if (f->refuse != 0) {
        answer(f, a, f->refuse, "Refused", NULL);

    } else if (view_eq(req->query, VIEW("comp=tags"))
               || view_eq(req->query, VIEW("comp=tier")))
    {
        put_aside(f, req, h, a);

    } else if (strcmp(req->method, "PUT") == 0) {
        put(f, req, h, a);

    } else if (strcmp(req->method, "DELETE") == 0) {
        if (!h->exists && !f->absent_is_412) {
            answer(f, a, 404, "BlobNotFound", NULL);

        } else if (!h->exists || !condition_ok(req, h)) {
            answer(f, a, 412, "ConditionNotMet", NULL);

        } else {
            h->exists = false;
            answer(f, a, 202, NULL, NULL);
        }

    } else if (!h->exists) {
        answer(f, a, 404, "BlobNotFound", NULL);

    } else {
        if (req->body != NULL) {
            put_blocks_xml(h, req->body);
        }

        answer(f, a, req->body != NULL && f->lists_busy ? 503 : 200, NULL, h);
    }

    return TIER_OK;
}


static tier_rc_t
fake_extents(void *ctx, uint64_t content, uint64_t offset, store_extent_t *ret,
             unsigned max, unsigned *ret_n)
{
    const fake_t *f = ctx;

    (void) content;
    (void) max;
    *ret_n = 0;

    if (offset == 0) {
        ret[0] = (store_extent_t){ .length = sizeof(BODY) - 1,
                                   .crc64 = f->crc64,
                                   .number = 7 };
        *ret_n = 1;
    }

    return TIER_OK;
}


static int
fake_open(void *ctx, store_file_kind_t kind, uint64_t file)
{
    (void) kind;
    (void) file;
    return open(((fake_t *) ctx)->path, O_RDONLY);
}


static void
fake_parallel(void *ctx, unsigned n,
              void (*fn)(void *job, unsigned i, unsigned lane), void *job)
{
    (void) ctx;

    for (unsigned i = 0; i < n; i++) {
        fn(job, i, 0);
    }
}


static const uint8_t edge_id[16] = "edge-id-16-bytes";

static fake_t *
fake_new(void)
{
    fake_t *f = calloc(1, sizeof(*f));
    int fd;

    f->next_etag = 100;
    f->last_modified = "Thu, 01 Jan 2026 00:00:00 GMT"; /* 1767225600 */
    f->crc64 = crc64_nvme(0, BODY, sizeof(BODY) - 1);
    strcpy(f->path, "/tmp/test_carry.XXXXXX");
    fd = mkstemp(f->path);
    assert_int_equal(write(fd, BODY, sizeof(BODY) - 1), sizeof(BODY) - 1);
    close(fd);
    return f;
}


static void
fake_free(fake_t *f)
{
    unlink(f->path);
    free(f);
}


static store_entry_t
entry(store_queue_kind_t kind, store_base_t base, const char *base_etag)
{
    return (store_entry_t){
        .number = 7,
        .kind = kind,
        .account = VIEW("a"),
        .container = VIEW("con"),
        .name = VIEW("b"),
        .content = 1,
        .committed_at_ms = 1767225600000 + 5000, /* after the origin's */
        .props = { .content_length = sizeof(BODY) - 1,
                   .has_md5 = true,
                   .content_type = VIEW("application/octet-stream") },
        .base = base,
        .base_etag = base_etag == NULL ? VIEW_NULL : view_str(base_etag),
    };
}


static bool
fake_knew(void *ctx, const store_entry_t *e, view_t etag)
{
    (void) e;
    return ((fake_t *) ctx)->knows && view_eq(etag, VIEW("50"));
}


static sync_env_t
env_of(fake_t *f)
{
    return (sync_env_t){ .ctx = f,
                         .request = fake_request,
                         .extents = fake_extents,
                         .open_file = fake_open,
                         .parallel = fake_parallel,
                         .knew = fake_knew,
                         .edge_id = edge_id };
}


static sync_outcome_t
carry(fake_t *f, const store_entry_t *e, conflict_rule_t rule)
{
    sync_env_t env = env_of(f);
    sync_outcome_t out;

    sync_carry(&env, e, rule, 0, &out);
    return out;
}


static void
theirs(fake_t *f)
{
    f->blob = (held_t){ .exists = true, .etag = 50, .len = 3 };
    memcpy(f->blob.body, "old", 3);
}


static void
assert_ours(const held_t *h)
{
    assert_true(h->exists);
    assert_int_equal(h->len, sizeof(BODY) - 1);
    assert_memory_equal(h->body, BODY, sizeof(BODY) - 1);
}


/* Put Blob would give it an MD5 that it does not have here. */
static void
test_without_md5(void **state)
{
    fake_t *f = fake_new();
    store_entry_t e = entry(STORE_Q_PUT, STORE_BASE_ABSENT, NULL);

    (void) state;
    e.props.has_md5 = false;
    assert_int_equal(carry(f, &e, CONFLICT_KEEP_BOTH).verdict, SYNC_DONE);
    assert_int_equal(f->requests, 2);
    assert_ours(&f->blob);
    assert_int_equal(f->blob.nblocks, 1);
    fake_free(f);
}


/* As many as a client can send arrive; more are never left out in silence. */
static void
test_much_metadata(void **state)
{
    fake_t *f = fake_new();
    store_entry_t e = entry(STORE_Q_PUT, STORE_BASE_ABSENT, NULL);
    static uint8_t buf[16 * 1024];
    char name[16];
    writer_t w;

    (void) state;
    writer_init_fixed(&w, buf, sizeof(buf));

    for (unsigned i = 0; i < 250; i++) {
        snprintf(name, sizeof(name), "m%u", i);
        props_pairs_put(&w, view_str(name), VIEW("v"));
    }

    e.props.metadata = writer_view(&w);
    assert_int_equal(carry(f, &e, CONFLICT_KEEP_BOTH).verdict, SYNC_DONE);
    assert_true(f->nheaders > 250);
    assert_ours(&f->blob);

    for (unsigned i = 250; i < 400; i++) {
        snprintf(name, sizeof(name), "m%u", i);
        props_pairs_put(&w, view_str(name), VIEW("v"));
    }

    e.props.metadata = writer_view(&w);
    f->requests = 0;
    assert_int_equal(carry(f, &e, CONFLICT_KEEP_BOTH).verdict, SYNC_PARK);
    assert_int_equal(f->requests, 0);
    fake_free(f);
}


static void
test_absent(void **state)
{
    fake_t *f = fake_new();
    store_entry_t e = entry(STORE_Q_PUT, STORE_BASE_ABSENT, NULL);
    sync_outcome_t out = carry(f, &e, CONFLICT_KEEP_BOTH);

    (void) state;
    assert_int_equal(out.verdict, SYNC_DONE);
    assert_true(view_eq(view_of(out.etag, out.etag_len), VIEW("100")));
    assert_int_equal(out.last_modified_s, 1767225600);
    assert_int_equal(f->requests, 1);
    assert_ours(&f->blob);
    fake_free(f);
}


static void
test_unknown_looks_first(void **state)
{
    fake_t *f = fake_new();
    store_entry_t e = entry(STORE_Q_PUT, STORE_BASE_UNKNOWN, NULL);

    (void) state;
    theirs(f); /* older than the commit: replaced */
    assert_int_equal(carry(f, &e, CONFLICT_KEEP_BOTH).verdict, SYNC_DONE);
    assert_ours(&f->blob);

    theirs(f); /* newer: a conflict */
    e.committed_at_ms = 1767225600000 - 5000;
    assert_int_equal(carry(f, &e, CONFLICT_KEEP_BOTH).verdict, SYNC_CONFLICT);
    assert_int_equal(f->blob.len, 3);
    assert_ours(&f->copy);
    assert_string_equal(f->copy_name, "b.edge-conflict-7");

    /* of the commit's own second: a conflict, unless the edge knew of it */
    e.committed_at_ms = 1767225600000 + 900;
    assert_int_equal(carry(f, &e, CONFLICT_HOLD).verdict, SYNC_PARK);
    f->knows = true;
    assert_int_equal(carry(f, &e, CONFLICT_HOLD).verdict, SYNC_DONE);
    f->knows = false;

    /* the origin's clock is 10 s ahead: it was written before the commit */
    theirs(f);
    e.committed_at_ms = 1767225600000 - 5000;
    f->date_s = 10;
    assert_int_equal(carry(f, &e, CONFLICT_HOLD).verdict, SYNC_DONE);
    fake_free(f);
}


/* Blocks uploaded ahead of the commit's turn. */
static void
test_stage(void **state)
{
    fake_t *f = fake_new();
    sync_env_t env = env_of(f);
    store_entry_t e = entry(STORE_Q_PUT, STORE_BASE_ABSENT, NULL);
    sync_outcome_t out;

    (void) state;
    assert_int_equal(sync_stage(&env, &e), 1);
    assert_false(f->blob.exists);
    f->requests = 0;
    sync_carry(&env, &e, CONFLICT_HOLD, 1, &out);
    assert_int_equal(out.verdict, SYNC_DONE);
    assert_int_equal(f->requests, 1);
    assert_ours(&f->blob);

    /* taken away by somebody else's commit: uploaded again */
    f->blob.exists = false;
    f->requests = 0;
    sync_carry(&env, &e, CONFLICT_HOLD, 1, &out);
    assert_int_equal(out.verdict, SYNC_DONE);
    assert_int_equal(f->requests, 3);
    assert_ours(&f->blob);

    f->crc64 ^= 1;
    assert_int_equal(sync_stage(&env, &e), 0);
    fake_free(f);
}


static void
test_conflict_rules(void **state)
{
    fake_t *f = fake_new();
    store_entry_t e = entry(STORE_Q_PUT, STORE_BASE_ETAG, "49");

    (void) state;
    theirs(f);
    assert_int_equal(carry(f, &e, CONFLICT_HOLD).verdict, SYNC_PARK);
    assert_int_equal(carry(f, &e, CONFLICT_ORIGIN_WINS).verdict,
                     SYNC_CONFLICT);
    assert_int_equal(f->blob.len, 3);
    assert_false(f->copy.exists);
    assert_int_equal(carry(f, &e, CONFLICT_EDGE_WINS).verdict, SYNC_DONE);
    assert_ours(&f->blob);
    fake_free(f);
}


/* The answer is lost after the origin acted; the next attempt reads back. */
static void
test_lost_answer(void **state)
{
    static const store_queue_kind_t kinds[] = { STORE_Q_PUT,
                                                STORE_Q_BLOCK_LIST };

    (void) state;

    for (unsigned i = 0; i < 2; i++) {
        fake_t *f = fake_new();
        store_entry_t e = entry(kinds[i], STORE_BASE_ABSENT, NULL);
        sync_outcome_t out;

        f->lose_answer = true;
        out = carry(f, &e, CONFLICT_KEEP_BOTH);
        assert_int_equal(out.verdict, SYNC_LATER);

        if (i == 1) { /* the block was staged, its answer lost */
            f->lose_answer = false;
            f->nstaged = 0;
            f->staged_len = 0;
            assert_int_equal(carry(f, &e, CONFLICT_KEEP_BOTH).verdict,
                             SYNC_DONE);
        }

        assert_ours(&f->blob);
        f->lose_answer = false;
        f->copy.exists = false;

        if (i == 1) { /* ids of this very commit prove it is ours */
            out = carry(f, &e, CONFLICT_KEEP_BOTH);
            assert_int_equal(out.verdict, SYNC_DONE);
            assert_false(f->copy.exists);

            /* not being told is no conflict */
            f->lists_busy = true;
            out = carry(f, &e, CONFLICT_KEEP_BOTH);
            assert_int_equal(out.verdict, SYNC_LATER);
            assert_false(f->copy.exists);
        }

        fake_free(f);
    }
}


static void
test_set(void **state)
{
    uint8_t buf[64];
    fake_t *f = fake_new();
    store_entry_t e = entry(STORE_Q_SET, STORE_BASE_ETAG, "50");
    writer_t w;

    (void) state;
    writer_init_fixed(&w, buf, sizeof(buf));
    props_pairs_put(&w, VIEW("K"), VIEW("value"));
    theirs(f);
    e.props.content_length = 3;
    e.props.metadata = writer_view(&w);
    e.flags = STORE_SET_META;

    assert_int_equal(carry(f, &e, CONFLICT_KEEP_BOTH).verdict, SYNC_DONE);
    assert_string_equal(f->blob.metadata, "value");

    /* again, as if the answer had been lost: ours is there already */
    assert_int_equal(carry(f, &e, CONFLICT_KEEP_BOTH).verdict, SYNC_DONE);
    fake_free(f);
}


/* Tags and tier of a new version go with it. */
static void
test_put_aside(void **state)
{
    static const store_queue_kind_t kinds[] = { STORE_Q_PUT,
                                                STORE_Q_BLOCK_LIST };
    uint8_t buf[64];
    writer_t w;

    (void) state;
    writer_init_fixed(&w, buf, sizeof(buf));
    props_pairs_put(&w, VIEW("a b"), VIEW("1+1"));
    props_pairs_put(&w, VIEW("c"), VIEW(""));

    for (unsigned i = 0; i < 2; i++) {
        fake_t *f = fake_new();
        store_entry_t e = entry(kinds[i], STORE_BASE_ABSENT, NULL);

        e.props.tags = writer_view(&w);
        e.props.tier = TIER_COOL;
        assert_int_equal(carry(f, &e, CONFLICT_KEEP_BOTH).verdict, SYNC_DONE);
        assert_string_equal(f->blob.tags, "a%20b=1%2B1&c=");
        assert_string_equal(f->blob.tier, "Cool");
        fake_free(f);
    }
}


/* Changed later: the ETag that was known stays. */
static void
test_set_aside(void **state)
{
    uint8_t buf[64];
    fake_t *f = fake_new();
    store_entry_t e = entry(STORE_Q_SET, STORE_BASE_ETAG, "50");
    sync_outcome_t out;
    writer_t w;

    (void) state;
    writer_init_fixed(&w, buf, sizeof(buf));
    props_pairs_put(&w, VIEW("a"), VIEW("1"));
    theirs(f);
    e.props.tags = writer_view(&w);
    e.props.tier = TIER_ARCHIVE;

    e.flags = STORE_SET_TAGS;
    out = carry(f, &e, CONFLICT_KEEP_BOTH);
    assert_int_equal(out.verdict, SYNC_DONE);
    assert_int_equal(out.etag_len, 2);
    assert_memory_equal(out.etag, "50", 2);
    assert_int_equal(out.last_modified_s, 1767225600);
    assert_non_null(strstr(f->blob.tags,
                           "<Tags><TagSet><Tag><Key>a</Key><Value>1</Value>"
                           "</Tag></TagSet></Tags>"));
    assert_string_equal(f->blob.tier, "");

    e.flags = STORE_SET_TIER;
    out = carry(f, &e, CONFLICT_KEEP_BOTH);
    assert_int_equal(out.verdict, SYNC_DONE);
    assert_memory_equal(out.etag, "50", 2);
    assert_string_equal(f->blob.tier, "Archive");

    /* both, behind a change that makes an ETag */
    f->blob.tags[0] = f->blob.tier[0] = 0;
    e.flags = STORE_SET_META | STORE_SET_TAGS | STORE_SET_TIER;
    out = carry(f, &e, CONFLICT_KEEP_BOTH);
    assert_int_equal(out.verdict, SYNC_DONE);
    assert_int_equal(out.etag_len, 3);
    assert_memory_equal(out.etag, "100", 3);
    assert_non_null(strstr(f->blob.tags, "<Key>a</Key>"));
    assert_string_equal(f->blob.tier, "Archive");
    fake_free(f);
}


static void
test_set_aside_conflicts(void **state)
{
    fake_t *f = fake_new();
    store_entry_t e = entry(STORE_Q_SET, STORE_BASE_ETAG, "49");

    (void) state;
    e.flags = STORE_SET_TIER;
    e.props.tier = TIER_COLD;
    assert_int_equal(carry(f, &e, CONFLICT_KEEP_BOTH).verdict, SYNC_CONFLICT);

    theirs(f); /* another version */
    assert_int_equal(carry(f, &e, CONFLICT_KEEP_BOTH).verdict, SYNC_CONFLICT);
    assert_int_equal(carry(f, &e, CONFLICT_HOLD).verdict, SYNC_PARK);
    assert_string_equal(f->blob.tier, "");
    assert_int_equal(carry(f, &e, CONFLICT_EDGE_WINS).verdict, SYNC_DONE);
    assert_string_equal(f->blob.tier, "Cold");

    f->refuse = 403;
    assert_int_equal(carry(f, &e, CONFLICT_EDGE_WINS).verdict, SYNC_PARK);
    fake_free(f);
}


static void
test_delete(void **state)
{
    fake_t *f = fake_new();
    store_entry_t e = entry(STORE_Q_DELETE, STORE_BASE_ETAG, "50");

    (void) state;
    theirs(f);
    assert_int_equal(carry(f, &e, CONFLICT_KEEP_BOTH).verdict, SYNC_DONE);
    assert_false(f->blob.exists);
    assert_int_equal(carry(f, &e, CONFLICT_KEEP_BOTH).verdict, SYNC_DONE);

    /* gone already, and the origin looks at the condition first */
    f->absent_is_412 = true;
    assert_int_equal(carry(f, &e, CONFLICT_KEEP_BOTH).verdict, SYNC_DONE);

    theirs(f); /* changed meanwhile: it stays */
    f->blob.etag = 51;
    assert_int_equal(carry(f, &e, CONFLICT_KEEP_BOTH).verdict, SYNC_CONFLICT);
    assert_true(f->blob.exists);
    fake_free(f);
}


static void
test_failures(void **state)
{
    fake_t *f = fake_new();
    store_entry_t e = entry(STORE_Q_PUT, STORE_BASE_ABSENT, NULL);
    sync_outcome_t out;

    (void) state;
    f->refuse = 403;
    assert_int_equal(carry(f, &e, CONFLICT_KEEP_BOTH).verdict, SYNC_PARK);
    f->refuse = 503;
    out = carry(f, &e, CONFLICT_KEEP_BOTH);
    assert_int_equal(out.verdict, SYNC_LATER);
    assert_true(out.throttled);

    /* bytes that rotted here are never committed there */
    f->refuse = 0;
    f->crc64 ^= 1;
    assert_int_equal(carry(f, &e, CONFLICT_KEEP_BOTH).verdict, SYNC_PARK);
    assert_false(f->blob.exists);
    e.kind = STORE_Q_BLOCK_LIST;
    assert_int_equal(carry(f, &e, CONFLICT_KEEP_BOTH).verdict, SYNC_PARK);
    assert_false(f->blob.exists);

    /* the file cannot be opened: maybe upkeep moved it */
    unlink(f->path);
    assert_int_equal(carry(f, &e, CONFLICT_KEEP_BOTH).verdict, SYNC_LATER);
    e.attempts = 100;
    assert_int_equal(carry(f, &e, CONFLICT_KEEP_BOTH).verdict, SYNC_PARK);
    fake_free(f);
}


static void
test_backoff(void **state)
{
    (void) state;

    for (unsigned n = 1; n < 40; n++) {
        uint64_t lo = sync_backoff_ms(n, 0, 0);
        uint64_t hi = sync_backoff_ms(n, 0, UINT64_MAX);

        assert_in_range(lo, 200, 30000);
        assert_in_range(hi, lo, 60000);
    }

    assert_int_equal(sync_backoff_ms(1, 90, 0), 90000);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_absent),
        cmocka_unit_test(test_unknown_looks_first),
        cmocka_unit_test(test_stage),
        cmocka_unit_test(test_conflict_rules),
        cmocka_unit_test(test_lost_answer),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_put_aside),
        cmocka_unit_test(test_set_aside),
        cmocka_unit_test(test_set_aside_conflicts),
        cmocka_unit_test(test_without_md5),
        cmocka_unit_test(test_much_metadata),
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_backoff),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
