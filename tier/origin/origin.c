#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "origin/origin.h"
#include "origin/sign.h"
#include "proto/answer.h"
#include "proto/date.h"
#include "proto/uri.h"

#define CONNECT_TIMEOUT_S 10L
#define STALL_S           60L /* less than a byte a second for so long */
#define URL_MAX           16384

struct origin_s {
    char *url;   /* without a trailing slash */
    view_t path; /* its path part: "" or /ACCOUNT */
    char *account;
    uint8_t key[128];
    size_t key_len;
    char *sas;
    const tier_log_t *log;
};

struct origin_conn_s {
    CURL *curl;
};

/* One request under way. */
typedef struct call_s {
    const origin_req_t *req;
    origin_answer_t *answer;
    bool body_bad;
} call_t;


tier_rc_t
origin_global_init(void)
{
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? TIER_OK
                                                             : TIER_EINTERNAL;
}


static char *
dup_view(view_t v)
{
    return v.len == 0 ? strdup("") : strndup((const char *) v.ptr, v.len);
}


tier_rc_t
origin_new(const origin_opts_t *opts, origin_t **ret)
{
    origin_t *o = calloc(1, sizeof(*o));
    view_t url = opts->url;

    if (o == NULL) {
        return TIER_ENOMEM;
    }

    while (url.len != 0 && url.ptr[url.len - 1] == '/') {
        url.len--;
    }

    o->url = dup_view(url);
    o->account = dup_view(opts->account);
    o->sas = dup_view(opts->sas);
    o->log = opts->log;

    if (o->url == NULL || o->account == NULL || o->sas == NULL) {
        origin_free(o);
        return TIER_ENOMEM;
    }

    if (opts->key.len > sizeof(o->key)) {
        origin_free(o);
        return TIER_EINVAL;
    }

    if (opts->key.len != 0) {
        memcpy(o->key, opts->key.ptr, opts->key.len);
        o->key_len = opts->key.len;
    }

    view_t v = view_str(o->url);
    size_t scheme = view_find(v, ':', 0) + 3;

    o->path = view_sub(v, view_find(v, '/', scheme), v.len);
    *ret = o;
    return TIER_OK;
}


void
origin_free(origin_t *o)
{
    if (o != NULL) {
        free(o->url);
        free(o->account);
        free(o->sas);
        free(o);
    }
}


tier_rc_t
origin_conn_new(origin_conn_t **ret)
{
    origin_conn_t *conn = calloc(1, sizeof(*conn));

    if (conn == NULL) {
        return TIER_ENOMEM;
    }

    conn->curl = curl_easy_init();

    if (conn->curl == NULL) {
        free(conn);
        return TIER_ENOMEM;
    }

    *ret = conn;
    return TIER_OK;
}


void
origin_conn_free(origin_conn_t *conn)
{
    if (conn != NULL) {
        curl_easy_cleanup(conn->curl);
        free(conn);
    }
}


/* ---- curl's callbacks ------------------------------------------------- */

static size_t
on_read(char *buf, size_t size, size_t n, void *data)
{
    call_t *call = data;
    int64_t got = call->req->read(call->req->read_ctx, buf, size * n);

    if (got < 0) {
        call->body_bad = true;
        return CURL_READFUNC_ABORT;
    }

    call->answer->sent = true;
    return (size_t) got;
}


static int
on_seek(void *data, curl_off_t offset, int whence)
{
    call_t *call = data;

    if (offset != 0 || whence != SEEK_SET || call->req->rewind == NULL) {
        return CURL_SEEKFUNC_CANTSEEK;
    }

    return call->req->rewind(call->req->read_ctx) ? CURL_SEEKFUNC_OK
                                                  : CURL_SEEKFUNC_FAIL;
}


static size_t
on_write(char *buf, size_t size, size_t n, void *data)
{
    call_t *call = data;

    if (call->req->body != NULL) {
        writer_put(call->req->body, view_of(buf, size * n));
    }

    return size * n;
}


static size_t
on_header(char *buf, size_t size, size_t n, void *data)
{
    call_t *call = data;
    origin_answer_t *a = call->answer;
    view_t line = view_of(buf, size * n);
    size_t colon = view_find(line, ':', 0);

    if (view_starts_with(line, VIEW("HTTP/"))) { /* also after 100 */
        a->nheaders = 0;
        writer_reset(&a->scratch);
        return size * n;
    }

    while (
        line.len != 0
        && (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r'))
    {
        line.len--;
    }

    if (colon < line.len && a->nheaders < ORIGIN_HEADERS_MAX) {
        proto_header_t *h = &a->headers[a->nheaders];

        h->name = writer_take(&a->scratch, view_sub(line, 0, colon));
        h->value = writer_take(&a->scratch,
                               view_trim(view_sub(line, colon + 1, line.len)));

        if (writer_ok(&a->scratch)) {
            a->nheaders++;
        }
    }

    return size * n;
}


/* ---- a request -------------------------------------------------------- */

static bool
build_url(const origin_t *o, const origin_req_t *req, writer_t *w,
          view_t *ret_path)
{
    size_t path_at = w->len + strlen(o->url) - o->path.len;

    writer_puts(w, o->url);

    if (req->container.len == 0) {
        if (o->path.len == 0) {
            writer_putc(w, '/');
        }

    } else {
        writer_putc(w, '/');
        proto_uri_encode(w, req->container, false);
    }

    if (req->blob.len != 0) {
        writer_putc(w, '/');
        proto_uri_encode(w, req->blob, true);
    }

    size_t path_end = w->len;

    if (req->query.len != 0) {
        writer_putc(w, '?');
        writer_put(w, req->query);
    }

    if (o->key_len == 0 && o->sas[0] != 0) {
        writer_putc(w, req->query.len != 0 ? '&' : '?');
        writer_puts(w, o->sas);
    }

    writer_putc(w, 0);
    *ret_path = view_of(w->buf + path_at, path_end - path_at);
    return writer_ok(w);
}


/* Appends "name: value" to curl's list; an empty value needs a `;`. */
static struct curl_slist *
add_header(struct curl_slist *list, view_t name, view_t value, bool *ok)
{
    uint8_t buf[8192];
    writer_t w;
    struct curl_slist *more;

    writer_init_fixed(&w, buf, sizeof(buf));
    writer_put(&w, name);
    writer_puts(&w, value.len == 0 ? ";" : ": ");
    writer_put(&w, value);
    writer_putc(&w, 0);

    more = writer_ok(&w) ? curl_slist_append(list, (char *) buf) : NULL;
    *ok &= more != NULL;
    return more != NULL ? more : list;
}


static struct curl_slist *
build_headers(const origin_t *o, const origin_req_t *req, view_t path,
              bool *ok)
{
    proto_header_t h[ORIGIN_SIGN_HEADERS];
    uint8_t buf[512];
    struct curl_slist *list = NULL;
    unsigned n = 0;
    writer_t w;

    writer_init_fixed(&w, buf, sizeof(buf));
    proto_date_rfc1123(&w, time(NULL));
    h[n++] = (proto_header_t){ VIEW("x-ms-date"), writer_view(&w) };
    h[n++] = (proto_header_t){ VIEW("x-ms-version"), VIEW(ORIGIN_VERSION) };

    for (unsigned i = 0; i < req->nheaders && n < ORIGIN_SIGN_HEADERS; i++) {
        h[n++] = req->headers[i];
    }

    for (unsigned i = 0; i < n; i++) {
        list = add_header(list, h[i].name, h[i].value, ok);
    }

    if (o->key_len != 0) {
        uint8_t auth[512];
        writer_t a;

        writer_init_fixed(&a, auth, sizeof(auth));
        origin_sign(&a, req->method, view_str(o->account),
                    view_of(o->key, o->key_len), path, req->query, h, n,
                    req->length);
        list = add_header(list, VIEW("Authorization"), writer_view(&a), ok);
    }

    list = add_header(list, VIEW("Accept"), VIEW("application/xml"), ok);

    /* no "100 Continue" dance, no chunks, no type that was not asked for */
    for (size_t i = 0; i < 2; i++) {
        static const char *const off[] = { "Expect:", "Transfer-Encoding:" };
        struct curl_slist *more = curl_slist_append(list, off[i]);

        *ok &= more != NULL;
        list = more != NULL ? more : list;
    }

    for (unsigned i = 0; i < n; i++) {
        if (view_eq(h[i].name, VIEW("content-type"))) {
            return list;
        }
    }

    struct curl_slist *more = curl_slist_append(list, "Content-Type:");

    *ok &= more != NULL;
    return more != NULL ? more : list;
}


static void
set_body(CURL *curl, call_t *call)
{
    const origin_req_t *req = call->req;
    bool put = strcmp(req->method, "PUT") == 0;

    if (strcmp(req->method, "HEAD") == 0) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
        return;
    }

    if (!put) {
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, req->method);
        return;
    }

    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t) req->length);

    if (req->read != NULL) {
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(curl, CURLOPT_READDATA, call);
        curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, on_seek);
        curl_easy_setopt(curl, CURLOPT_SEEKDATA, call);
    }
}


static void
set_options(CURL *curl, call_t *call, const char *url,
            struct curl_slist *headers)
{
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, STALL_S);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, call->req->timeout_s);
    curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, 256L * 1024);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, call);
    set_body(curl, call);
}


static origin_class_t
classify(unsigned status, view_t code)
{
    if (status >= 200 && status < 300) {
        return ORIGIN_OK;
    }

    switch (status) {
    case 304:
    case 412:
        /* a lease at the origin is not a condition that time or reading back
         * will mend */
        return view_starts_with(code, VIEW("Lease")) ? ORIGIN_PERMANENT
                                                     : ORIGIN_CONDITION;
    case 404:
        return ORIGIN_NOT_FOUND;
    case 401:
    case 403:
        return ORIGIN_AUTH;
    case 408:
    case 500:
    case 502:
    case 504:
        return ORIGIN_TRANSIENT;
    case 429:
    case 503:
        return ORIGIN_THROTTLED;
    case 409:
        if (view_eq(code, VIEW("BlobAlreadyExists"))) {
            return ORIGIN_CONDITION;
        }

        return view_eq(code, VIEW("ContainerBeingDeleted")) ? ORIGIN_TRANSIENT
                                                            : ORIGIN_PERMANENT;
    default:
        return ORIGIN_PERMANENT;
    }
}


/* The one translator of curl's results and HTTP's status. */
static void
finish_answer(CURL *curl, CURLcode err, const call_t *call, origin_answer_t *a)
{
    long status = 0;
    uint64_t after = 0;

    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);

    /* an answer before the whole body went is an answer */
    if (err != CURLE_OK && !(err == CURLE_SEND_ERROR && status >= 400)) {
        long request_size = 0;

        curl_easy_getinfo(curl, CURLINFO_REQUEST_SIZE, &request_size);
        a->status = 0;
        a->sent |= request_size > 0;
        a->class_ = call->body_bad ? ORIGIN_PERMANENT : ORIGIN_TRANSIENT;
        snprintf(a->text, sizeof(a->text), "%s",
                 call->body_bad ? "the body could not be read"
                                : curl_easy_strerror(err));
        return;
    }

    a->status = (unsigned) status;
    a->sent = true;
    a->local_s = time(NULL);
    a->code =
        proto_answer_header(a->headers, a->nheaders, VIEW("x-ms-error-code"));
    a->class_ = classify(a->status, a->code);
    (void) proto_date_parse_http(
        proto_answer_header(a->headers, a->nheaders, VIEW("date")),
        &a->date_s);

    if (view_to_u64(
            proto_answer_header(a->headers, a->nheaders, VIEW("retry-after")),
            &after))
    {
        a->retry_after_s = after < 3600 ? (unsigned) after : 3600;
    }

    snprintf(a->text, sizeof(a->text), "%u %.*s", a->status,
             (int) (a->code.len < 100 ? a->code.len : 100),
             a->code.ptr == NULL ? "" : (const char *) a->code.ptr);
}


tier_rc_t
origin_request(origin_conn_t *conn, const origin_t *o, const origin_req_t *req,
               origin_answer_t *ret)
{
    call_t call = { req, ret, false };
    char *url = malloc(URL_MAX);
    struct curl_slist *headers;
    bool ok = true;
    view_t path;
    writer_t w;
    CURLcode err;

    if (url == NULL) {
        return TIER_ENOMEM;
    }

    memset(ret, 0, offsetof(origin_answer_t, buf));
    writer_init_fixed(&ret->scratch, ret->buf, sizeof(ret->buf));
    writer_init_fixed(&w, url, URL_MAX);

    if (!build_url(o, req, &w, &path)) {
        free(url);
        return TIER_ELIMIT;
    }

    headers = build_headers(o, req, path, &ok);

    if (!ok) {
        curl_slist_free_all(headers);
        free(url);
        return TIER_ENOMEM;
    }

    set_options(conn->curl, &call, url, headers);
    err = curl_easy_perform(conn->curl);
    finish_answer(conn->curl, err, &call, ret);

    tier_log(o->log, TIER_LOG_DEBUG, "origin %s %.*s: %s", req->method,
             (int) path.len, (const char *) path.ptr, ret->text);

    curl_slist_free_all(headers);
    free(url);
    return TIER_OK;
}


tier_rc_t
origin_head(origin_conn_t *conn, const origin_t *o, view_t container,
            view_t blob, origin_answer_t *answer, blob_props_t *ret)
{
    origin_req_t req = {
        .method = "HEAD", .container = container, .blob = blob, .timeout_s = 60
    };
    tier_rc_t rc = origin_request(conn, o, &req, answer);

    memset(ret, 0, sizeof(*ret));

    if (rc == TIER_OK && answer->class_ == ORIGIN_OK
        && !proto_answer_blob(answer->headers, answer->nheaders,
                              &answer->scratch, ret))
    {
        answer->class_ = ORIGIN_TRANSIENT;
        snprintf(answer->text, sizeof(answer->text),
                 "its answer to HEAD lacks headers that every blob has");
    }

    return rc;
}
