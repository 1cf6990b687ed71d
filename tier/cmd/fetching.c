#include <stdlib.h>

#include "cmd/daemon.h"
#include "cmd/fetching.h"
#include "proto/fetched.h"

#define FETCHES_MAX 64 /* at once; each has a thread and half a MiB */
#define BLOCK_SIZE  (128 * 1024)

/* A fetch whose body nginx is being sent. */
typedef struct fetching_s {
    daemon_t *d;
    fetch_t *fetch;
} fetching_t;

/* What of a source's headers is passed on. */
static const char *const passed[] = {
    "Content-Type",          "Content-Encoding",
    "Content-Language",      "Content-MD5",
    "Content-Disposition",   "Cache-Control",
    "Content-Range",         "ETag",
    "Last-Modified",         "x-ms-error-code",
    "x-ms-blob-content-md5", "x-ms-blob-type",
};

/* Headers of the request and what they are called to the source. */
static const struct {
    const char *name;
    const char *sent;
} conditions[] = {
    { "x-source-range", "Range" },
    { "x-source-if-match", "If-Match" },
    { "x-source-if-none-match", "If-None-Match" },
    { "x-source-if-tags", "x-ms-if-tags" },
    { "x-source-if-modified-since", "If-Modified-Since" },
    { "x-source-if-unmodified-since", "If-Unmodified-Since" },
};

#define CONDITIONS (sizeof(conditions) / sizeof(conditions[0]))


static view_t
header(struct MHD_Connection *conn, const char *name)
{
    const char *v = MHD_lookup_connection_value(conn, MHD_HEADER_KIND, name);

    return v == NULL ? VIEW_NULL : view_str(v);
}


static enum MHD_Result
answer(struct MHD_Connection *conn, struct MHD_Response *r, unsigned status,
       const char *why)
{
    enum MHD_Result ok;

    if (r == NULL) {
        return MHD_NO;
    }

    if (why[0] != 0) {
        MHD_add_response_header(r, "x-fetch-why", why);
    }

    ok = MHD_queue_response(conn, status, r);
    MHD_destroy_response(r);
    return ok;
}


static enum MHD_Result
answer_empty(struct MHD_Connection *conn, unsigned status, const char *why)
{
    return answer(
        conn, MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT),
        status, why);
}


static void
pass_headers(struct MHD_Response *r, const fetch_t *f)
{
    unsigned n;
    const proto_header_t *h = fetch_headers(f, &n);
    char status[16];

    snprintf(status, sizeof(status), "%u", fetch_status(f));
    MHD_add_response_header(r, "x-source-status", status);

    for (unsigned i = 0; i < n; i++) {
        bool pass = view_eq_ci(view_sub(h[i].name, 0, 10), VIEW("x-ms-meta-"));
        char name[256], value[8192];

        for (size_t k = 0; k < sizeof(passed) / sizeof(passed[0]); k++) {
            pass = pass || view_eq_ci(h[i].name, view_str(passed[k]));
        }

        if (pass && h[i].name.len < sizeof(name)
            && h[i].value.len < sizeof(value)) {
            snprintf(name, sizeof(name), "%.*s", (int) h[i].name.len,
                     (const char *) h[i].name.ptr);
            snprintf(value, sizeof(value), "%.*s", (int) h[i].value.len,
                     (const char *) h[i].value.ptr);
            MHD_add_response_header(r, name, value);
        }
    }
}


static bool
stopped(void *ctx)
{
    const daemon_t *d = ctx;

    return d->stop;
}


static ssize_t
on_read(void *ctx, uint64_t pos, char *buf, size_t cap)
{
    fetching_t *g = ctx;
    int64_t n = fetch_read(g->fetch, buf, cap);

    (void) pos;

    if (n < 0) {
        tier_log(&g->d->log, TIER_LOG_WARN,
                 "the source of a copy broke off: "
                 "%s",
                 fetch_text(g->fetch));
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }

    return n == 0 ? MHD_CONTENT_READER_END_OF_STREAM : (ssize_t) n;
}


static void
on_done(void *ctx)
{
    fetching_t *g = ctx;

    fetch_close(g->fetch);
    g->d->fetching--;
    free(g);
}


/* Takes g over. */
static enum MHD_Result
answer_fetch(struct MHD_Connection *conn, fetching_t *g)
{
    fetch_t *f = g->fetch;
    unsigned status = fetch_status(f);
    bool bytes =
        fetch_class(f) == FETCH_ANSWERED && (status == 200 || status == 206);
    struct MHD_Response *r;
    enum MHD_Result ok;

    if (bytes && fetch_length(f) != UINT64_MAX && fetch_length(f) != 0) {
        r = MHD_create_response_from_callback(fetch_length(f), BLOCK_SIZE,
                                              on_read, g, on_done);

        if (r == NULL) {
            on_done(g);
            return MHD_NO;
        }

        pass_headers(r, f);
        return answer(conn, r, FETCHED_BYTES, "");
    }

    r = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);

    if (r != NULL && fetch_class(f) == FETCH_ANSWERED) {
        pass_headers(r, f);
    }

    ok = answer(conn, r,
                fetch_class(f) == FETCH_REFUSED     ? FETCHED_REFUSED
                : fetch_class(f) == FETCH_NO_ANSWER ? FETCHED_NO_ANSWER
                : !bytes                            ? FETCHED_STATUS
                : fetch_length(f) == 0              ? FETCHED_BYTES
                                                    : FETCHED_NO_LENGTH,
                fetch_text(f));
    on_done(g);
    return ok;
}


/* The rules of a lake: its own host, wherever it is. */
static unsigned
lake_rules(const config_t *config, view_t lake, view_t rules[3])
{
    const policy_account_t *a = policy_account(&config->policy, lake);
    size_t host;

    if (a == NULL || a->origin.len == 0) {
        return 0;
    }

    host = view_find(a->origin, ':', 0) + 3;
    rules[0] = view_sub(a->origin, 0, view_find(a->origin, '/', host));
    rules[1] = VIEW("0.0.0.0/0");
    rules[2] = VIEW("::/0");
    return 3;
}


static tier_rc_t
open_fetch(fetching_t *g, struct MHD_Connection *conn, const config_t *config,
           const policy_account_t *account, view_t lake)
{
    proto_header_t h[CONDITIONS];
    view_t rules[3];
    fetch_req_t req = { .url = header(conn, "x-source"),
                        .rules = lake.len != 0 ? rules : account->sources,
                        .nrules = lake.len != 0
                                    ? lake_rules(config, lake, rules)
                                    : account->nsources,
                        .authorization =
                            header(conn, "x-source-authorization"),
                        .headers = h,
                        .stopped = stopped,
                        .stopped_ctx = g->d };

    for (size_t i = 0; i < CONDITIONS; i++) {
        view_t v = header(conn, conditions[i].name);

        if (v.ptr != NULL) {
            h[req.nheaders++] =
                (proto_header_t){ view_str(conditions[i].sent), v };
        }
    }

    return fetch_open(&req, &g->fetch);
}


enum MHD_Result
fetching_serve(daemon_t *d, struct MHD_Connection *conn, view_t account,
               view_t lake)
{
    config_t *config = daemon_config_fresh(d);
    const policy_account_t *a =
        config == NULL ? NULL : policy_account(&config->policy, account);
    fetching_t *g = a == NULL ? NULL : calloc(1, sizeof(*g));
    tier_rc_t rc = TIER_OK;

    if (a == NULL || g == NULL) {
        config_unref(config);
        return answer_empty(conn, MHD_HTTP_SERVICE_UNAVAILABLE,
                            a == NULL ? "the account is not known yet"
                                      : "no memory");
    }

    g->d = d;

    if (d->fetching++ >= FETCHES_MAX) {
        rc = TIER_EBUSY;

    } else {
        rc = open_fetch(g, conn, config, a, lake);
    }

    config_unref(config);

    if (rc != TIER_OK) {
        on_done(g);
        return answer_empty(conn, MHD_HTTP_SERVICE_UNAVAILABLE,
                            rc == TIER_EBUSY ? "too many fetches at once"
                                             : tier_rc_name(rc));
    }

    return answer_fetch(conn, g);
}
