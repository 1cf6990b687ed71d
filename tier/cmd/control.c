#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cmd/daemon.h"
#include "cmd/fetching.h"
#include "cmd/staging.h"

/*
 * The control socket: HTTP on STORE/run/tier.sock, mode 0600, so that only the
 * same user and root get in. A thread a connection: answers may wait for the
 * origin.
 */
#define BODY_MAX (512u << 20)

struct control_s {
    daemon_t *d;
    struct MHD_Daemon *mhd;
    char path[sizeof(((struct sockaddr_un *) NULL)->sun_path)];
};

typedef struct MHD_Connection conn_t;
typedef enum MHD_Result mhd_result_t;


static view_t
param(conn_t *conn, const char *name)
{
    const char *v =
        MHD_lookup_connection_value(conn, MHD_GET_ARGUMENT_KIND, name);

    return v == NULL ? VIEW_NULL : view_str(v);
}


/* Takes over the writer's memory. */
static mhd_result_t
answer(conn_t *conn, unsigned status, const char *type, const char *code,
       writer_t *w)
{
    struct MHD_Response *r;
    mhd_result_t ok;

    if (!writer_ok(w)) {
        writer_free(w);
        writer_init_grow(w, 256, NULL, NULL);
        status = MHD_HTTP_INTERNAL_SERVER_ERROR;
    }

    r = MHD_create_response_from_buffer(w->len, w->buf, MHD_RESPMEM_MUST_FREE);

    if (r == NULL) {
        writer_free(w);
        return MHD_NO;
    }

    MHD_add_response_header(r, "Content-Type", type);

    if (code != NULL) {
        MHD_add_response_header(r, "x-ms-error-code", code);
    }

    ok = MHD_queue_response(conn, status, r);
    MHD_destroy_response(r);
    return ok;
}


static mhd_result_t
answer_text(conn_t *conn, unsigned status, const char *text)
{
    writer_t w;

    writer_init_grow(&w, 4096, NULL, NULL);
    writer_puts(&w, text);
    writer_putc(&w, '\n');
    return answer(conn, status, "text/plain", NULL, &w);
}


static mhd_result_t
get_report(daemon_t *d, conn_t *conn, bool queue)
{
    bool json = !view_eq(param(conn, "format"), VIEW("text"));
    store_reader_t *reader;
    writer_t w;

    if (store_reader_open(d->store, &reader) != TIER_OK) {
        return answer_text(conn, 500, "the store cannot be read");
    }

    writer_init_grow(&w, BODY_MAX, NULL, NULL);

    if (queue) {
        report_queue(reader, json, &w);

    } else {
        report_status(reader, d, json, &w);
    }

    store_reader_close(reader);
    return answer(conn, 200, json ? "application/json" : "text/plain", NULL,
                  &w);
}


static mhd_result_t
get_list(daemon_t *d, conn_t *conn)
{
    listing_t l = { .account = param(conn, "account"),
                    .container = param(conn, "container"),
                    .prefix = param(conn, "prefix"),
                    .delimiter = param(conn, "delimiter"),
                    .marker = param(conn, "marker"),
                    .endpoint = param(conn, "endpoint"),
                    .include = param(conn, "include"),
                    .start_from = param(conn, "startfrom"),
                    .end_before = param(conn, "endbefore"),
                    .max_results = param(conn, "maxresults") };
    const char *code;
    unsigned status;
    writer_t w;

    writer_init_grow(&w, BODY_MAX, NULL, NULL);
    status = listing_make(d, &l, &w, &code);
    return answer(conn, status, "application/xml", code, &w);
}


/* Waits until all that was queued when it began is at the origin. */
static mhd_result_t
post_flush(daemon_t *d, conn_t *conn)
{
    view_t account = param(conn, "account");
    view_t container = param(conn, "container");
    config_t *config = daemon_config_fresh(d);
    uint64_t timeout_s = 0, upto = 0, lowest = 0;
    store_reader_t *reader;
    int64_t end;
    tier_rc_t rc;

    if (container.len != 0 && account.len == 0 && config != NULL
        && config->policy.naccounts == 1)
    {
        account = config->policy.accounts[0].name;
    }

    if (container.len != 0 && account.len == 0) {
        config_unref(config);
        return answer_text(conn, 400, "which account's container?");
    }

    if (store_reader_open(d->store, &reader) != TIER_OK) {
        config_unref(config);
        return answer_text(conn, 500, "the store cannot be read");
    }

    (void) view_to_u64(param(conn, "timeout"), &timeout_s);
    end = timeout_s == 0 ? INT64_MAX
                         : daemon_now_ms() + (int64_t) timeout_s * 1000;
    rc = store_dirty_upto(reader, account, container, VIEW_NULL, &upto,
                          &lowest);

    while (rc == TIER_OK && lowest != 0 && lowest <= upto && !d->stop
           && daemon_now_ms() < end)
    {
        usleep(10000);
        rc = store_dirty_upto(reader, account, container, VIEW_NULL, NULL,
                              &lowest);
    }

    store_reader_close(reader);
    config_unref(config);

    if (rc != TIER_OK) {
        return answer_text(conn, 500, "the queue cannot be read");
    }

    return lowest == 0 || lowest > upto
             ? answer_text(conn, 200, "flushed")
             : answer_text(conn, 504,
                           "not flushed in time; see blob-tier "
                           "queue for what waits and why");
}


/* One commit of the queue. */
static tier_rc_t
operate(daemon_t *d, store_reader_t *reader, store_kind_t kind,
        uint64_t number)
{
    store_change_t change = { .kind = kind, .if_number = number };
    store_change_t *one[1] = { &change };
    uint8_t *buf = malloc(STORE_RECORD_MAX);
    store_entry_t e;
    writer_t scratch;
    tier_rc_t rc = buf == NULL ? TIER_ENOMEM : TIER_OK;

    if (rc == TIER_OK) {
        writer_init_fixed(&scratch, buf, STORE_RECORD_MAX);
        rc = store_queue_get(reader, number, &scratch, &e);
    }

    if (rc == TIER_OK) {
        change.account = e.account;
        change.container = e.container;
        change.name = e.name;
        change.incarnation = e.incarnation;
        store_commit(d->store, one, 1);
        rc = change.rc;
        tier_log(&d->log, TIER_LOG_NOTICE, "operator: %s of commit %llu: %s",
                 kind == STORE_WB_RETRY  ? "retry"
                 : kind == STORE_WB_SKIP ? "skip"
                                         : "drop",
                 (unsigned long long) number, tier_rc_name(rc));
    }

    free(buf);
    return rc;
}


typedef struct parked_s {
    uint64_t number[256];
    unsigned n;
    uint64_t last;
} parked_t;


static int
add_parked(void *ctx, const store_entry_t *e)
{
    parked_t *p = ctx;

    p->last = e->number;

    if (e->parked) {
        p->number[p->n++] = e->number;
    }

    return p->n == sizeof(p->number) / sizeof(p->number[0]);
}


static tier_rc_t
retry_all(daemon_t *d, store_reader_t *reader)
{
    parked_t p = { .last = 0 };
    tier_rc_t rc = TIER_OK;

    while (rc == TIER_OK) {
        p.n = 0;
        rc = store_queue_scan(reader, p.last + 1, 5000, add_parked, &p);

        for (unsigned i = 0; i < p.n && rc >= 0; i++) {
            tier_rc_t one = operate(d, reader, STORE_WB_RETRY, p.number[i]);

            rc = one < 0 ? one : rc;
        }
    }

    return rc < 0 ? rc : TIER_OK;
}


static mhd_result_t
post_verb(daemon_t *d, conn_t *conn, store_kind_t kind)
{
    bool all =
        kind == STORE_WB_RETRY && view_eq(param(conn, "number"), VIEW("all"));
    store_reader_t *reader;
    uint64_t number = 0;
    tier_rc_t rc;

    if (!all && !view_to_u64(param(conn, "number"), &number)) {
        return answer_text(conn, 400, "a commit's number is needed");
    }

    if (store_reader_open(d->store, &reader) != TIER_OK) {
        return answer_text(conn, 500, "the store cannot be read");
    }

    rc = all ? retry_all(d, reader) : operate(d, reader, kind, number);
    store_reader_close(reader);

    return rc == TIER_OK ? answer_text(conn, 200, "done")
         : rc == TIER_NOT_FOUND
             ? answer_text(conn, 404, "no such commit in the queue")
             : answer_text(conn, 500, tier_rc_name(rc));
}


static mhd_result_t
dispatch(daemon_t *d, conn_t *conn, const char *url, const char *method,
         view_t body)
{
    if (strcmp(method, "GET") == 0) {
        if (strcmp(url, "/list") == 0) {
            return get_list(d, conn);
        }

        if (strcmp(url, "/status") == 0) {
            return get_report(d, conn, false);
        }

        if (strcmp(url, "/queue") == 0) {
            return get_report(d, conn, true);
        }
    }

    if (strcmp(method, "POST") == 0) {
        if (strcmp(url, "/fetch") == 0) {
            return fetching_serve(d, conn, param(conn, "account"),
                                  param(conn, "lake"));
        }

        if (strcmp(url, "/stage") == 0) {
            return staging_serve(d, conn, body);
        }

        if (strcmp(url, "/flush") == 0) {
            return post_flush(d, conn);
        }

        if (strcmp(url, "/retry") == 0) {
            return post_verb(d, conn, STORE_WB_RETRY);
        }

        if (strcmp(url, "/skip") == 0) {
            return post_verb(d, conn, STORE_WB_SKIP);
        }

        if (strcmp(url, "/drop") == 0) {
            return post_verb(d, conn, STORE_WB_DROP);
        }
    }

    return answer_text(conn, 404, "no such verb");
}


static mhd_result_t
on_request(void *cls, conn_t *conn, const char *url, const char *method,
           const char *version, const char *upload, size_t *upload_size,
           void **state)
{
    control_t *c = cls;
    writer_t *body = *state;

    (void) version;

    if (body == NULL) { /* headers only so far */
        *state = body = malloc(sizeof(*body));

        if (body == NULL) {
            return MHD_NO;
        }

        writer_init_grow(body, STAGING_BODY_MAX, NULL, NULL);
        return MHD_YES;
    }

    if (*upload_size != 0) {
        writer_put(body, view_of(upload, *upload_size));
        *upload_size = 0;
        return MHD_YES;
    }

    if (!writer_ok(body)) {
        return answer_text(conn, 413, "the body is too large");
    }

    return dispatch(c->d, conn, url, method, writer_view(body));
}


static void
on_completed(void *cls, conn_t *conn, void **state,
             enum MHD_RequestTerminationCode why)
{
    writer_t *body = *state;

    (void) cls;
    (void) conn;
    (void) why;

    if (body != NULL) {
        writer_free(body);
        free(body);
        *state = NULL;
    }
}


static int
listen_socket(control_t *c)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    mode_t mask;
    int rc;

    if (fd == -1) {
        return -1;
    }

    memcpy(addr.sun_path, c->path, sizeof(addr.sun_path));
    (void) unlink(c->path); /* ours: the lock is held */
    mask = umask(0177);
    rc = bind(fd, (struct sockaddr *) &addr, sizeof(addr));
    umask(mask);

    if (rc != 0 || listen(fd, 128) != 0) {
        close(fd);
        return -1;
    }

    return fd;
}


tier_rc_t
control_start(daemon_t *d, control_t **ret)
{
    control_t *c = calloc(1, sizeof(*c));
    int n, fd;

    if (c == NULL) {
        return TIER_ENOMEM;
    }

    c->d = d;
    n = snprintf(c->path, sizeof(c->path), "%s/run/tier.sock", d->dir);

    if (n < 0 || (size_t) n >= sizeof(c->path)) {
        tier_log(&d->log, TIER_LOG_ERROR,
                 "%s/run/tier.sock is longer than a socket's name may be "
                 "(%zu bytes): use a shorter folder or a symbolic link",
                 d->dir, sizeof(c->path) - 1);
        free(c);
        return TIER_EINVAL;
    }

    fd = listen_socket(c);

    if (fd == -1) {
        tier_log(&d->log, TIER_LOG_ERROR, "%s: %s", c->path, strerror(errno));
        free(c);
        return TIER_EIO;
    }

    c->mhd = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION
            | MHD_USE_POLL,
        0, NULL, NULL, on_request, c, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_TIMEOUT, 120u, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, NULL, MHD_OPTION_END);

    if (c->mhd == NULL) {
        close(fd);
        free(c);
        return TIER_EIO;
    }

    *ret = c;
    return TIER_OK;
}


void
control_stop(control_t *control)
{
    if (control == NULL) {
        return;
    }

    MHD_stop_daemon(control->mhd);
    (void) unlink(control->path);
    free(control);
}
