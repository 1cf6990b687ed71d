#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd/daemon.h"
#include "proto/answer.h"
#include "proto/xml_out.h"
#include "sync/merge.h"

#define PAGE_BODY_MAX (256u << 20)
#define FLUSH_WAIT_MS 20000

/* What a listing may include. An origin is asked for all of it; what is of no
 * use before the origin has our commits waits for them: records know of no
 * snapshots and versions, and of tags only some. */
#define INCLUDE_METADATA    0x01u
#define INCLUDE_UNCOMMITTED 0x02u
#define INCLUDE_COPY        0x04u
#define INCLUDE_TAGS        0x08u
#define INCLUDE_MANY        0x10u /* a name may have several entries */
#define INCLUDE_FLUSHED     0x20u

static const struct {
    const char *word;
    unsigned bits;
} includes[] = {
    { "metadata", INCLUDE_METADATA },
    { "uncommittedblobs", INCLUDE_UNCOMMITTED },
    { "copy", INCLUDE_COPY },
    { "tags", INCLUDE_TAGS | INCLUDE_FLUSHED },
    { "immutabilitypolicy", INCLUDE_FLUSHED },
    { "legalhold", INCLUDE_FLUSHED },
    { "snapshots", INCLUDE_MANY | INCLUDE_FLUSHED },
    { "versions", INCLUDE_MANY | INCLUDE_FLUSHED },
    { "deleted", INCLUDE_MANY | INCLUDE_FLUSHED },
    { "deletedwithversions", INCLUDE_MANY | INCLUDE_FLUSHED },
};

#define WORDS (sizeof(includes) / sizeof(includes[0]))

typedef struct listing_run_s {
    daemon_t *d;
    store_reader_t *reader;
    origin_conn_t *conn;
    const origin_t *origin;
    const listing_t *l;
    uint64_t incarnation; /* 0: no record of the container here */
    bool unborn;          /* made here, the origin has not heard of it */
    unsigned include;     /* what was asked for */
    unsigned words;       /* the same, by the places of `includes` */
    proto_err_t error;    /* what the origin refused it with */
    writer_t *w;
    origin_answer_t *answer;
    uint64_t seen;
} listing_run_t;


static void
put_param(writer_t *w, const char *name, view_t value)
{
    if (value.len == 0) {
        return;
    }

    writer_puts(w, "&");
    writer_puts(w, name);
    writer_puts(w, "=");
    proto_uri_encode(w, value, false);
}


static void
put_include(writer_t *w, unsigned words)
{
    for (unsigned i = 0, n = 0; i < WORDS; i++) {
        if (words & 1u << i) {
            writer_puts(w, n++ == 0 ? "&include=" : ",");
            writer_puts(w, includes[i].word);
        }
    }
}


static tier_rc_t
page_error(listing_run_t *run)
{
    switch (run->answer->class_) {
    case ORIGIN_NOT_FOUND:
        return TIER_NOT_FOUND;
    case ORIGIN_PERMANENT:
        run->error =
            proto_answer_error(run->answer->status, run->answer->code);
        return TIER_EINVAL;
    default:
        tier_log(&run->d->log, TIER_LOG_WARN, "listing the origin: %s",
                 run->answer->text);
        return TIER_EORIGIN;
    }
}


static tier_rc_t
run_page(void *ctx, view_t prefix, view_t delimiter, view_t marker,
         unsigned max, origin_page_t *ret)
{
    listing_run_t *run = ctx;
    uint8_t query[16 * 1024];
    origin_req_t req = { .method = "GET",
                         .container = run->l->container,
                         .timeout_s = 120 };
    char number[16];
    writer_t q, body;
    tier_rc_t rc;

    writer_init_fixed(&q, query, sizeof(query));
    writer_puts(&q, "restype=container&comp=list");
    put_param(&q, "prefix", prefix);
    put_param(&q, "delimiter", delimiter);
    put_param(&q, "marker", marker);
    snprintf(number, sizeof(number), "%u", max);
    put_param(&q, "maxresults", view_str(number));
    put_include(&q, run->words);
    writer_init_grow(&body, PAGE_BODY_MAX, NULL, NULL);
    req.query = writer_view(&q);
    req.body = &body;
    rc = origin_request(run->conn, run->origin, &req, run->answer);

    if (rc == TIER_OK && run->unborn
        && (run->answer->class_ == ORIGIN_NOT_FOUND
            || run->answer->status == 0))
    {
        memset(ret, 0, sizeof(*ret)); /* nothing is there that counts */

    } else if (rc == TIER_OK && run->answer->class_ != ORIGIN_OK) {
        rc = page_error(run);

    } else if (rc == TIER_OK) {
        rc = writer_ok(&body) ? origin_page_parse(writer_view(&body), ret)
                              : body.rc;

        if (rc == TIER_EINVAL) {
            tier_log(&run->d->log, TIER_LOG_ERROR,
                     "the origin's listing cannot be read");
            rc = TIER_EORIGIN;
        }
    }

    writer_free(&body);
    return rc;
}


static tier_rc_t
run_scan(void *ctx, const store_scan_t *scan, store_blob_fn fn, void *fn_ctx)
{
    listing_run_t *run = ctx;
    uint64_t seen = 0;
    tier_rc_t rc;

    if (run->incarnation == 0) {
        return TIER_END;
    }

    rc = store_blob_scan(run->reader, run->incarnation, scan, fn, fn_ctx,
                         &seen);

    if (seen > run->seen) {
        run->seen = seen;
    }

    return rc;
}


static bool
run_is_tombstone(void *ctx, view_t name)
{
    listing_run_t *run = ctx;
    uint8_t *buf = malloc(STORE_RECORD_MAX);
    store_blob_t blob;
    writer_t scratch;
    bool dead = false;

    if (buf == NULL || run->incarnation == 0) {
        free(buf);
        return false;
    }

    writer_init_fixed(&scratch, buf, STORE_RECORD_MAX);
    dead = store_blob_get(run->reader, run->incarnation, name, &scratch, &blob)
            == TIER_OK
        && blob.state == STORE_TOMBSTONE;
    free(buf);
    return dead;
}


static void
run_emit(void *ctx, const sync_item_t *item)
{
    listing_run_t *run = ctx;
    proto_list_blob_t blob = { .name = item->name,
                               .props = item->props,
                               .uncommitted = item->uncommitted,
                               .metadata = run->include & INCLUDE_METADATA,
                               .tags = run->include & INCLUDE_TAGS,
                               .copy = run->include & INCLUDE_COPY,
                               .said = item->said };

    if (item->prefix) {
        proto_xml_blob_prefix(run->w, item->name);

    } else {
        proto_xml_blob(run->w, &blob);
    }
}


static void
parse_include(listing_run_t *run)
{
    view_t include = run->l->include;

    for (size_t from = 0; from < include.len;) {
        size_t to = view_find(include, ',', from);
        view_t word = view_trim(view_sub(include, from, to - from));

        for (unsigned i = 0; i < WORDS; i++) {
            if (view_eq_ci(word, view_str(includes[i].word))) {
                run->include |= includes[i].bits;
                run->words |= 1u << i;
            }
        }

        from = to + 1;
    }
}


static unsigned
fail(writer_t *w, proto_err_t err, const char **ret_code)
{
    proto_fault_t fault = { .err = err };
    const proto_error_row_t *row = proto_error_row(err);

    writer_reset(w);
    proto_error_xml(w, &fault, VIEW("00000000-0000-0000-0000-000000000000"),
                    time(NULL));
    *ret_code = row->code;
    return row->status;
}


static proto_err_t
error_of(tier_rc_t rc)
{
    switch (rc) {
    case TIER_NOT_FOUND:
        return PROTO_ERR_CONTAINER_NOT_FOUND;
    case TIER_EINVAL:
        return PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE;
    case TIER_EORIGIN:
    case TIER_ENOMEM:
        return PROTO_ERR_SERVER_BUSY;
    default:
        return PROTO_ERR_INTERNAL_ERROR;
    }
}


/* The container's incarnation here, 0 if it has no record. */
static tier_rc_t
find_container(listing_run_t *run)
{
    uint8_t *buf = malloc(STORE_RECORD_MAX);
    store_container_t c;
    writer_t scratch;
    tier_rc_t rc;

    if (buf == NULL) {
        return TIER_ENOMEM;
    }

    writer_init_fixed(&scratch, buf, STORE_RECORD_MAX);
    rc = store_container_get(run->reader, run->l->account, run->l->container,
                             &scratch, &c);
    run->incarnation = rc == TIER_OK ? c.incarnation : 0;
    run->unborn = rc == TIER_OK && c.state == STORE_DIRTY;
    free(buf);
    return rc < 0 ? rc : TIER_OK;
}


static tier_rc_t
run_listing(listing_run_t *run)
{
    const listing_t *l = run->l;
    sync_merge_env_t env = { .ctx = run,
                             .page = run_page,
                             .scan = run_scan,
                             .is_tombstone = run_is_tombstone,
                             .emit = run_emit };
    sync_list_t list = { .prefix = l->prefix.len != 0 ? l->prefix : VIEW_NULL,
                         .delimiter = l->delimiter,
                         .marker = l->marker,
                         .max = 5000,
                         .first = l->start_from,
                         .before = l->end_before,
                         .uncommitted = run->include & INCLUDE_UNCOMMITTED,
                         .many = run->include & INCLUDE_MANY };
    proto_list_t echo = { .endpoint = l->endpoint,
                          .container = l->container,
                          .prefix = l->prefix,
                          .marker = l->marker,
                          .delimiter = l->delimiter };
    uint8_t marker[24 * 1024];
    writer_t next;
    uint64_t max = 0;
    tier_rc_t rc;

    if (l->max_results.len != 0) {
        if (!view_to_u64(l->max_results, &max) || max == 0) {
            return TIER_EINVAL;
        }

        echo.max_results = max;
        list.max = max < 5000 ? (unsigned) max : 5000;
    }

    rc = find_container(run);

    if (rc != TIER_OK) {
        return rc;
    }

    writer_init_fixed(&next, marker, sizeof(marker));
    proto_xml_blobs_begin(run->w, &echo);
    rc = sync_merge_list(&env, &list, &next);
    proto_xml_blobs_end(run->w, writer_view(&next));

    if (rc == TIER_OK && run->seen > store_durable(run->d->store)) {
        rc = store_wait_durable(run->d->store, run->seen);
    }

    return rc == TIER_OK && !writer_ok(run->w) ? run->w->rc : rc;
}


/* The container's commits up to now are at the origin, or the time is up. */
static bool
flushed(const listing_run_t *run)
{
    int64_t end = daemon_now_ms() + FLUSH_WAIT_MS;
    uint64_t upto = 0, lowest = 0;
    tier_rc_t rc =
        store_dirty_upto(run->reader, run->l->account, run->l->container,
                         VIEW_NULL, &upto, &lowest);

    while (rc == TIER_OK && lowest != 0 && lowest <= upto && !run->d->stop
           && daemon_now_ms() < end)
    {
        usleep(10000);
        rc = store_dirty_upto(run->reader, run->l->account, run->l->container,
                              VIEW_NULL, NULL, &lowest);
    }

    return rc == TIER_OK && (lowest == 0 || lowest > upto);
}


unsigned
listing_make(daemon_t *d, const listing_t *l, writer_t *w,
             const char **ret_code)
{
    listing_run_t run = { .d = d, .l = l, .w = w };
    config_t *config = daemon_config_fresh(d);
    tier_rc_t rc;

    *ret_code = NULL;

    if (config != NULL) {
        run.origin = config_origin(config, l->account);
    }

    if (run.origin == NULL) {
        config_unref(config);
        return fail(w, PROTO_ERR_SERVER_BUSY, ret_code);
    }

    parse_include(&run);
    run.answer = malloc(sizeof(*run.answer));
    rc = run.answer == NULL ? TIER_ENOMEM : origin_conn_new(&run.conn);

    if (rc == TIER_OK) {
        rc = store_reader_open(d->store, &run.reader);
    }

    if (rc == TIER_OK && (run.include & INCLUDE_FLUSHED) && !flushed(&run)) {
        rc = TIER_EORIGIN;
    }

    if (rc == TIER_OK) {
        rc = run_listing(&run);
    }

    store_reader_close(run.reader);
    origin_conn_free(run.conn);
    free(run.answer);
    config_unref(config);

    if (rc == TIER_OK) {
        return 200;
    }

    return fail(w, run.error != PROTO_OK ? run.error : error_of(rc), ret_code);
}
