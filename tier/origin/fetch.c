#include <arpa/inet.h>
#include <curl/curl.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "origin/fetch.h"
#include "origin/origin.h"

#define CONNECT_TIMEOUT_S 10L
#define ANSWER_BYTES_S    1024L /* less of it for STALL_S is given up */
#define STALL_S           60L
#define BUF_SIZE          (256 * 1024) /* more than one write of curl's */
#define HEADER_BUF        (32 * 1024)
#define URL_MAX           4096
#define PIN_MAX           1024
#define POLL_MS           500

struct fetch_s {
    CURL *curl;
    CURLM *multi;
    struct curl_slist *headers_out;
    struct curl_slist *pins;
    const view_t *rules; /* only until fetch_open returns */
    unsigned nrules;
    bool (*stopped)(void *ctx);
    void *stopped_ctx;

    fetch_class_t class_;
    char text[256];
    unsigned status;
    uint64_t length;
    proto_header_t headers[FETCH_HEADERS_MAX];
    unsigned nheaders;
    writer_t scratch;

    bool answered; /* all of its headers are here */
    bool refused;  /* an address was not permitted after all */
    bool paused;
    bool ended;
    bool broken;
    size_t at, len; /* in buf */
    uint8_t header_buf[HEADER_BUF];
    uint8_t buf[BUF_SIZE];
};


static void say(fetch_t *f, fetch_class_t class_, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));


static void
say(fetch_t *f, fetch_class_t class_, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void) vsnprintf(f->text, sizeof(f->text), fmt, args);
    va_end(args);
    f->class_ = class_;
}


/* ---- addresses ---------------------------------------------------------- */

static bool
addr_of(const struct sockaddr *sa, source_addr_t *ret)
{
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, sa, sizeof(in));
        return source_addr_of(&in.sin_addr, 4, ret);
    }

    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, sa, sizeof(in6));
        return source_addr_of(&in6.sin6_addr, 16, ret);
    }

    return false;
}


static int
look_up(void *ctx, const char *host, source_addr_t *ret, unsigned cap)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC,
                              .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_ADDRCONFIG };
    struct addrinfo *list;
    unsigned n = 0;

    (void) ctx;

    if (getaddrinfo(host, NULL, &hints, &list) != 0) {
        return -1;
    }

    for (struct addrinfo *ai = list; ai != NULL && n < cap; ai = ai->ai_next) {
        if (addr_of(ai->ai_addr, &ret[n])) {
            n++;
        }
    }

    freeaddrinfo(list);
    return (int) n;
}


unsigned
fetch_pin(writer_t *w, const source_url_t *url, const source_addr_t *addrs,
          unsigned n, const view_t *rules, unsigned nrules)
{
    unsigned kept = 0;

    writer_put(w, url->host);
    writer_putc(w, ':');
    writer_put_u64(w, url->port);
    writer_putc(w, ':');

    for (unsigned i = 0; i < n; i++) {
        const source_addr_t *a = &addrs[i];
        char text[INET6_ADDRSTRLEN];

        if (!source_addr_permitted(a, rules, nrules)
            || inet_ntop(a->v4 ? AF_INET : AF_INET6,
                         a->v4 ? a->ip + 12 : a->ip, text, sizeof(text))
                   == NULL)
        {
            continue;
        }

        writer_puts(w, kept == 0 ? "" : ",");
        writer_puts(w, a->v4 ? "" : "[");
        writer_puts(w, text);
        writer_puts(w, a->v4 ? "" : "]");
        kept++;
    }

    writer_putc(w, 0);
    return writer_ok(w) ? kept : 0;
}


static bool
add_line(struct curl_slist **list, const char *line)
{
    struct curl_slist *more = curl_slist_append(*list, line);

    *list = more != NULL ? more : *list;
    return more != NULL;
}


/* TIER_REFUSED: said. */
static tier_rc_t
resolve(fetch_t *f, const fetch_req_t *req, const source_url_t *url)
{
    source_addr_t addrs[FETCH_ADDRS_MAX];
    fetch_lookup_fn lookup = req->lookup != NULL ? req->lookup : look_up;
    char host[256], pin[PIN_MAX];
    writer_t w;
    int n = 1;

    snprintf(host, sizeof(host), "%.*s", (int) url->host.len,
             (const char *) url->host.ptr);

    if (url->literal) {
        addrs[0] = url->addr;

    } else {
        n = lookup(req->lookup_ctx, host, addrs, FETCH_ADDRS_MAX);
    }

    if (n <= 0) {
        say(f, FETCH_NO_ANSWER, "%s has no address", host);
        return TIER_REFUSED;
    }

    writer_init_fixed(&w, pin, sizeof(pin));

    if (fetch_pin(&w, url, addrs, (unsigned) n, req->rules, req->nrules) == 0)
    {
        say(f, FETCH_REFUSED,
            "the address of %s is not public and no range of "
            "blob_copy_source has it",
            host);
        return TIER_REFUSED;
    }

    if (url->literal) {
        return TIER_OK;
    }

    return add_line(&f->pins, pin) ? TIER_OK : TIER_ENOMEM;
}


/* What a socket is about to be connected to, whatever led there. */
static curl_socket_t
on_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
    fetch_t *f = data;
    source_addr_t addr;

    if (purpose != CURLSOCKTYPE_IPCXN || !addr_of(&address->addr, &addr)
        || !source_addr_permitted(&addr, f->rules, f->nrules))
    {
        f->refused = true;
        return CURL_SOCKET_BAD;
    }

    return socket(address->family, address->socktype | SOCK_CLOEXEC,
                  address->protocol);
}


/* ---- curl's callbacks --------------------------------------------------- */

static size_t
on_header(char *buf, size_t size, size_t n, void *data)
{
    fetch_t *f = data;
    view_t line = view_of(buf, size * n);
    size_t colon;
    long status = 0;

    while (
        line.len != 0
        && (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r'))
    {
        line.len--;
    }

    if (f->answered) {
        return size * n; /* trailers */
    }

    if (view_starts_with(line, VIEW("HTTP/"))) { /* also after 1xx */
        f->nheaders = 0;
        writer_reset(&f->scratch);
        return size * n;
    }

    if (line.len == 0) {
        curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &status);
        f->answered = status >= 200;
        return size * n;
    }

    colon = view_find(line, ':', 0);

    if (colon < line.len && f->nheaders < FETCH_HEADERS_MAX) {
        proto_header_t *h = &f->headers[f->nheaders];

        h->name = writer_take(&f->scratch, view_sub(line, 0, colon));
        h->value = writer_take(&f->scratch,
                               view_trim(view_sub(line, colon + 1, line.len)));
        f->nheaders += writer_ok(&f->scratch);
    }

    /* headers that we cannot keep whole: properties would be lost silently */
    return writer_ok(&f->scratch) && f->nheaders < FETCH_HEADERS_MAX ? size * n
                                                                     : 0;
}


static size_t
on_write(char *buf, size_t size, size_t n, void *data)
{
    fetch_t *f = data;
    size_t len = size * n;

    if (f->at != 0 && f->at == f->len) {
        f->at = f->len = 0;
    }

    if (len > BUF_SIZE - f->len) {
        f->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }

    memcpy(f->buf + f->len, buf, len);
    f->len += len;
    return len;
}


/* ---- setting up --------------------------------------------------------- */

static bool
build_url(writer_t *w, const source_url_t *url)
{
    bool v6 = view_find(url->host, ':', 0) < url->host.len;

    writer_puts(w, url->https ? "https://" : "http://");
    writer_puts(w, v6 ? "[" : "");
    writer_put(w, url->host);
    writer_puts(w, v6 ? "]:" : ":");
    writer_put_u64(w, url->port);

    if (url->target.len == 0 || url->target.ptr[0] != '/') {
        writer_putc(w, '/');
    }

    writer_put(w, url->target);
    writer_putc(w, 0);
    return writer_ok(w);
}


static bool
has_control(view_t v)
{
    for (size_t i = 0; i < v.len; i++) {
        if ((v.ptr[i] < 0x20 && v.ptr[i] != '\t') || v.ptr[i] == 0x7F) {
            return true;
        }
    }

    return false;
}


static bool
add_header(fetch_t *f, view_t name, view_t value)
{
    writer_t w;
    bool ok;

    if (has_control(value)) {
        return false;
    }

    writer_init_grow(&w, HEADER_BUF, NULL, NULL);
    writer_put(&w, name);
    writer_puts(&w, value.len == 0 ? ";" : ": ");
    writer_put(&w, value);
    writer_putc(&w, 0);
    ok = writer_ok(&w) && add_line(&f->headers_out, (const char *) w.buf);
    writer_free(&w);
    return ok;
}


static bool
build_headers(fetch_t *f, const fetch_req_t *req)
{
    bool ok = add_header(f, VIEW("x-ms-version"), VIEW(ORIGIN_VERSION));

    for (unsigned i = 0; i < req->nheaders; i++) {
        ok = ok && add_header(f, req->headers[i].name, req->headers[i].value);
    }

    if (req->authorization.len != 0) {
        ok = ok && add_header(f, VIEW("Authorization"), req->authorization);
    }

    return ok;
}


static bool
set_options(fetch_t *f, const char *url)
{
    CURL *c = f->curl;

    curl_easy_setopt(c, CURLOPT_HTTPHEADER, f->headers_out);
    curl_easy_setopt(c, CURLOPT_RESOLVE, f->pins);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, f);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, ANSWER_BYTES_S);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, STALL_S);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, f);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, f);

    return curl_easy_setopt(c, CURLOPT_URL, url) == CURLE_OK
        && curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK
        && curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK
        && curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK
        && curl_multi_add_handle(f->multi, c) == CURLM_OK;
}


/* ---- running ------------------------------------------------------------ */

static void
take_end(fetch_t *f)
{
    CURLMsg *msg;
    int left;

    while ((msg = curl_multi_info_read(f->multi, &left)) != NULL) {
        if (msg->msg != CURLMSG_DONE) {
            continue;
        }

        f->ended = true;

        if (msg->data.result != CURLE_OK) {
            f->broken = true;
            say(f, f->refused ? FETCH_REFUSED : FETCH_NO_ANSWER, "%s",
                f->refused ? "the address is not public and no range of "
                             "blob_copy_source has it"
                           : curl_easy_strerror(msg->data.result));
        }
    }
}


/* One turn of curl, which may wait. */
static void
turn(fetch_t *f)
{
    int running;

    if (f->stopped != NULL && f->stopped(f->stopped_ctx)) {
        f->ended = f->broken = true;
        say(f, FETCH_NO_ANSWER, "given up: blob-tier ends");
        return;
    }

    if (f->paused) {
        f->paused = false;
        (void) curl_easy_pause(f->curl, CURLPAUSE_CONT);
    }

    if (curl_multi_perform(f->multi, &running) != CURLM_OK) {
        f->ended = f->broken = true;
        say(f, FETCH_NO_ANSWER, "curl failed");
        return;
    }

    take_end(f);

    if (!f->ended && (!f->answered || f->len == f->at)) {
        (void) curl_multi_poll(f->multi, NULL, 0, POLL_MS, NULL);
    }
}


static void
finish_answer(fetch_t *f)
{
    curl_off_t length = -1;
    long status = 0;

    if (!f->answered) {
        return;
    }

    curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(f->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    f->class_ = FETCH_ANSWERED;
    f->status = (unsigned) status;
    f->length = length < 0 ? UINT64_MAX : (uint64_t) length;
}


static tier_rc_t
start(fetch_t *f, const fetch_req_t *req)
{
    source_url_t url;
    char text[URL_MAX];
    tier_rc_t rc;
    writer_t w;

    if (!source_url_parse(req->url, &url)) {
        say(f, FETCH_REFUSED, "it is not a URL that can be fetched");
        return TIER_REFUSED;
    }

    if (!source_url_permitted(&url, req->rules, req->nrules)) {
        say(f, FETCH_REFUSED, "blob_copy_source does not name %s://%.*s:%u",
            url.https ? "https" : "http", (int) url.host.len,
            (const char *) url.host.ptr, url.port);
        return TIER_REFUSED;
    }

    if (req->authorization.len != 0 && !url.https) {
        say(f, FETCH_REFUSED,
            "x-ms-copy-source-authorization goes to https alone");
        return TIER_REFUSED;
    }

    writer_init_fixed(&w, text, sizeof(text));

    if (!build_url(&w, &url)) {
        say(f, FETCH_REFUSED, "the URL is too long");
        return TIER_REFUSED;
    }

    rc = resolve(f, req, &url);

    if (rc != TIER_OK) {
        return rc;
    }

    return build_headers(f, req) && set_options(f, text) ? TIER_OK
                                                         : TIER_ENOMEM;
}


tier_rc_t
fetch_open(const fetch_req_t *req, fetch_t **ret)
{
    fetch_t *f = calloc(1, sizeof(*f));
    tier_rc_t rc;

    if (f == NULL) {
        return TIER_ENOMEM;
    }

    f->rules = req->rules;
    f->nrules = req->nrules;
    f->stopped = req->stopped;
    f->stopped_ctx = req->stopped_ctx;
    f->length = UINT64_MAX;
    writer_init_fixed(&f->scratch, f->header_buf, sizeof(f->header_buf));
    f->curl = curl_easy_init();
    f->multi = curl_multi_init();
    rc = f->curl != NULL && f->multi != NULL ? start(f, req) : TIER_ENOMEM;

    while (rc == TIER_OK && !f->answered && !f->ended) {
        turn(f);
    }

    finish_answer(f);
    f->rules = NULL;
    f->nrules = 0;

    if (rc < 0) {
        fetch_close(f);
        return rc;
    }

    *ret = f;
    return TIER_OK;
}


void
fetch_close(fetch_t *f)
{
    if (f == NULL) {
        return;
    }

    if (f->multi != NULL && f->curl != NULL) {
        (void) curl_multi_remove_handle(f->multi, f->curl);
    }

    curl_easy_cleanup(f->curl);
    curl_multi_cleanup(f->multi);
    curl_slist_free_all(f->headers_out);
    curl_slist_free_all(f->pins);
    free(f);
}


int64_t
fetch_read(fetch_t *f, void *buf, size_t cap)
{
    size_t n;

    while (f->at == f->len && !f->ended) {
        turn(f);
    }

    n = f->len - f->at < cap ? f->len - f->at : cap;

    if (n == 0) {
        return f->broken ? -1 : 0;
    }

    memcpy(buf, f->buf + f->at, n);
    f->at += n;
    return (int64_t) n;
}


fetch_class_t
fetch_class(const fetch_t *f)
{
    return f->class_;
}


const char *
fetch_text(const fetch_t *f)
{
    return f->text;
}


unsigned
fetch_status(const fetch_t *f)
{
    return f->status;
}


uint64_t
fetch_length(const fetch_t *f)
{
    return f->length;
}


const proto_header_t *
fetch_headers(const fetch_t *f, unsigned *ret_n)
{
    *ret_n = f->nheaders;
    return f->headers;
}
