#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "origin/fetch.h"
#include "origin/origin.h"
#include "proto/answer.h"

/*
 * The source of a copy: which addresses curl is given, that it goes nowhere
 * else, and what a server of one connection may answer.
 */
typedef struct server_s {
    int fd;
    uint16_t port;
    const char *answer;
    size_t more; /* bytes of 'x' behind it */
    char request[8192];
    bool called;
    pthread_t thread;
} server_t;


static void *
serve(void *data)
{
    server_t *s = data;
    int c = accept(s->fd, NULL, NULL);
    char block[8192];
    size_t len = 0, left = s->more;
    ssize_t n = 1;

    if (c == -1) {
        return NULL;
    }

    s->called = true;

    while (n > 0 && len < sizeof(s->request) - 1
           && strstr(s->request, "\r\n\r\n") == NULL)
    {
        n = read(c, s->request + len, sizeof(s->request) - 1 - len);
        len += n > 0 ? (size_t) n : 0;
    }

    n = write(c, s->answer, strlen(s->answer));
    memset(block, 'x', sizeof(block));

    while (left > 0 && n > 0) {
        n = send(c, block, left < sizeof(block) ? left : sizeof(block),
                 MSG_NOSIGNAL);
        left -= n > 0 ? (size_t) n : 0;
    }

    close(c);
    return NULL;
}


static void
server_start(server_t *s, const char *answer, size_t more)
{
    struct sockaddr_in addr = { .sin_family = AF_INET };
    socklen_t len = sizeof(addr);

    *s = (server_t){ .answer = answer, .more = more };
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(s->fd, (struct sockaddr *) &addr, sizeof(addr)), 0);
    assert_int_equal(listen(s->fd, 8), 0);
    getsockname(s->fd, (struct sockaddr *) &addr, &len);
    s->port = ntohs(addr.sin_port);
    pthread_create(&s->thread, NULL, serve, s);
}


static void
server_stop(server_t *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
}


typedef struct names_s {
    const char *addrs[4]; /* what the host resolves to, in turn */
    unsigned calls;
    const char *host;
} names_t;


static int
lookup(void *ctx, const char *host, source_addr_t *ret, unsigned cap)
{
    names_t *names = ctx;
    unsigned n = 0;

    names->calls++;
    assert_string_equal(host, names->host);

    for (; n < 4 && n < cap && names->addrs[n] != NULL; n++) {
        assert_true(source_addr_parse(view_str(names->addrs[n]), &ret[n]));
    }

    return names->addrs[0] == NULL ? -1 : (int) n;
}


/* A fetch of scheme://HOST:PORT/target. */
static fetch_t *
fetch(const server_t *s, const char *scheme, const char *target,
      names_t *names, const char *range, fetch_req_t req)
{
    char url[256], host[128];
    view_t rules[2];
    fetch_t *f;

    snprintf(host, sizeof(host), "%s://%s:%u", scheme, names->host, s->port);
    snprintf(url, sizeof(url), "%s%s", host, target);
    rules[0] = view_str(host);
    rules[1] = view_str(range);
    req.url = view_str(url);
    req.rules = rules;
    req.nrules = range[0] == 0 ? 1 : 2;
    req.lookup = lookup;
    req.lookup_ctx = names;
    assert_int_equal(fetch_open(&req, &f), TIER_OK);
    return f;
}


static void
test_pins(void **state)
{
    view_t rules[1] = { VIEW("10.0.0.0/8") };
    source_addr_t addrs[5];
    source_url_t url;
    char buf[256];
    writer_t w;

    (void) state;
    assert_true(source_url_parse(VIEW("https://x.example/c/b"), &url));
    assert_true(source_addr_parse(VIEW("8.8.8.8"), &addrs[0]));
    assert_true(source_addr_parse(VIEW("127.0.0.1"), &addrs[1]));
    assert_true(source_addr_parse(VIEW("2606::1"), &addrs[2]));
    assert_true(source_addr_parse(VIEW("10.1.2.3"), &addrs[3]));
    assert_true(source_addr_parse(VIEW("::ffff:169.254.169.254"), &addrs[4]));

    writer_init_fixed(&w, buf, sizeof(buf));
    assert_int_equal(fetch_pin(&w, &url, addrs, 5, rules, 1), 3);
    assert_string_equal(buf, "x.example:443:8.8.8.8,[2606::1],10.1.2.3");
    writer_reset(&w);
    assert_int_equal(fetch_pin(&w, &url, addrs, 5, NULL, 0), 2);
    assert_string_equal(buf, "x.example:443:8.8.8.8,[2606::1]");
    writer_reset(&w);
    assert_int_equal(fetch_pin(&w, &url, addrs + 1, 1, NULL, 0), 0);
    writer_init_fixed(&w, buf, 20); /* no room: none */
    assert_int_equal(fetch_pin(&w, &url, addrs, 5, rules, 1), 0);
}


/* The name exists nowhere: only what was looked up here leads to a server. */
static void
test_pinned(void **state)
{
    names_t names = { { "127.0.0.1" }, 0, "pinned.invalid" };
    const proto_header_t h[] = { { VIEW("If-Match"), VIEW("\"0x1\"") },
                                 { VIEW("Range"), VIEW("bytes=2-6") } };
    server_t s;
    fetch_t *f;
    char buf[64], host[64];
    const proto_header_t *hdrs;
    unsigned n;

    (void) state;
    server_start(&s,
                 "HTTP/1.1 206 Partial\r\nContent-Length: 5\r\nETag: \"0x1\""
                 "\r\nx-ms-meta-A: b c \r\n\r\nhello",
                 0);
    f = fetch(&s, "http", "/c/a%20b?sig=a%2Fb", &names, "127.0.0.0/8",
              (fetch_req_t){ .headers = h, .nheaders = 2 });
    assert_int_equal(fetch_class(f), FETCH_ANSWERED);
    assert_int_equal(fetch_status(f), 206);
    assert_int_equal(fetch_length(f), 5);
    assert_int_equal(fetch_read(f, buf, 3), 3);
    assert_int_equal(fetch_read(f, buf + 3, sizeof(buf) - 3), 2);
    assert_int_equal(fetch_read(f, buf, sizeof(buf)), 0);
    assert_memory_equal(buf, "hello", 5);
    hdrs = fetch_headers(f, &n);
    assert_true(view_eq(proto_answer_header(hdrs, n, VIEW("x-ms-meta-a")),
                        VIEW("b c")));
    fetch_close(f);
    server_stop(&s);
    assert_int_equal(names.calls, 1);
    assert_non_null(strstr(s.request, "GET /c/a%20b?sig=a%2Fb HTTP/1.1\r\n"));
    snprintf(host, sizeof(host), "Host: pinned.invalid:%u\r\n", s.port);
    assert_non_null(strstr(s.request, host));
    assert_non_null(strstr(s.request, "If-Match: \"0x1\"\r\n"));
    assert_non_null(strstr(s.request, "Range: bytes=2-6\r\n"));
    assert_null(strstr(s.request, "Authorization"));
}


static void
test_refused(void **state)
{
    static const struct {
        const char *addrs[4];
        const char *range;
        const char *scheme;
        const char *token;
        fetch_class_t class_;
        const char *text;
    } rows[] = {
        { { "127.0.0.1" }, "", "http", "", FETCH_REFUSED, "not public" },
        { { "127.0.0.1" },
          "10.0.0.0/8",
          "http",
          "",
          FETCH_REFUSED,
          "not public" },
        { { "::ffff:127.0.0.1", "::1" },
          "127.0.0.2",
          "http",
          "",
          FETCH_REFUSED,
          "not public" },
        { { "10.0.0.1", "169.254.169.254" },
          "127.0.0.1",
          "http",
          "",
          FETCH_REFUSED,
          "not public" },
        { { NULL }, "127.0.0.1", "http", "", FETCH_NO_ANSWER, "no address" },
        { { "127.0.0.1" },
          "127.0.0.1",
          "http",
          "Bearer secret",
          FETCH_REFUSED,
          "https alone" },
        /* plain HTTP on the port: no certificate, no bytes */
        { { "127.0.0.1" },
          "127.0.0.1",
          "https",
          "Bearer secret",
          FETCH_NO_ANSWER,
          "" },
    };

    (void) state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        names_t names = { { NULL }, 0, "pinned.invalid" };
        server_t s;
        fetch_t *f;

        memcpy(names.addrs, rows[i].addrs, sizeof(names.addrs));
        server_start(&s, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0);
        f = fetch(&s, rows[i].scheme, "/b?sig=secret", &names, rows[i].range,
                  (fetch_req_t){ .authorization = view_str(rows[i].token) });
        assert_int_equal(fetch_class(f), rows[i].class_);
        assert_int_equal(fetch_status(f), 0);
        assert_non_null(strstr(fetch_text(f), rows[i].text));
        assert_null(strstr(fetch_text(f), "secret"));
        fetch_close(f);
        server_stop(&s);
        assert_null(strstr(s.request, "secret"));

        if (rows[i].class_ == FETCH_REFUSED) {
            assert_false(s.called);
        }
    }
}


/* Before any lookup. */
static void
test_urls_refused(void **state)
{
    static const char *const rows[] = {
        "file:///etc/passwd",        "http://x.invalid:81/b",
        "https://x.invalid/b",       "https://user@ok.invalid/b",
        "https://ok.invalid.evil/b", "https://127.0.0.1/b",
        "gopher://ok.invalid/b",
    };
    view_t rules[2] = { VIEW("ok.invalid"), VIEW("0.0.0.0/0") };
    names_t names = { { "127.0.0.1" }, 0, "ok.invalid" };

    (void) state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fetch_req_t req = { .url = view_str(rows[i]),
                            .rules = rules,
                            .nrules = 2,
                            .lookup = lookup,
                            .lookup_ctx = &names };
        fetch_t *f;

        assert_int_equal(fetch_open(&req, &f), TIER_OK);
        assert_int_equal(fetch_class(f), FETCH_REFUSED);
        fetch_close(f);
    }

    assert_int_equal(names.calls, 0);
}


static void
test_answers(void **state)
{
    static const struct {
        const char *answer;
        unsigned status; /* 0: none */
        uint64_t length;
    } rows[] = {
        { "HTTP/1.1 404 X\r\nContent-Length: 0\r\n"
          "x-ms-error-code: BlobNotFound\r\n\r\n",
          404, 0 },
        { "HTTP/1.1 302 X\r\nContent-Length: 0\r\n"
          "Location: http://127.0.0.1:1/\r\n\r\n",
          302, 0 },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
          "5\r\nhello\r\n0\r\n\r\n",
          200, UINT64_MAX },
        { "HTTP/1.1 200 OK\r\n\r\nhello", 200, UINT64_MAX },
        { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"
          "Content-Length: 5\r\n\r\nhello",
          200, 5 },
        { "", 0, UINT64_MAX },
        { "hello\r\n\r\n", 0, UINT64_MAX },
    };

    (void) state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        names_t names = { { "127.0.0.1" }, 0, "pinned.invalid" };
        server_t s;
        fetch_t *f;

        server_start(&s, rows[i].answer, 0);
        f = fetch(&s, "http", "/b", &names, "127.0.0.1", (fetch_req_t){ 0 });
        assert_int_equal(fetch_class(f), rows[i].status == 0 ? FETCH_NO_ANSWER
                                                             : FETCH_ANSWERED);
        assert_int_equal(fetch_status(f), rows[i].status);
        assert_true(fetch_length(f) == rows[i].length);
        fetch_close(f);
        server_stop(&s);
        assert_int_equal(names.calls, 1);
    }
}


/* More than the buffer holds, read slowly; and one that breaks off. */
static void
test_long(void **state)
{
    enum { ALL = 3000000 };

    (void) state;

    for (int whole = 0; whole < 2; whole++) {
        names_t names = { { "127.0.0.1" }, 0, "pinned.invalid" };
        static char buf[70000];
        uint64_t got = 0;
        int64_t n;
        server_t s;
        fetch_t *f;

        server_start(&s, "HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n",
                     whole ? ALL : ALL - 1);
        f = fetch(&s, "http", "/b", &names, "127.0.0.1", (fetch_req_t){ 0 });
        assert_int_equal(fetch_length(f), ALL);

        while ((n = fetch_read(f, buf, sizeof(buf))) > 0) {
            got += (uint64_t) n;
            assert_int_equal(buf[n - 1], 'x');
        }

        assert_int_equal(n, whole ? 0 : -1);
        assert_int_equal(got, whole ? ALL : ALL - 1);
        fetch_close(f);
        server_stop(&s);
    }
}


static bool
always(void *ctx)
{
    (void) ctx;
    return true;
}


static void
test_stopped(void **state)
{
    names_t names = { { "127.0.0.1" }, 0, "pinned.invalid" };
    server_t s;
    fetch_t *f;

    (void) state;
    server_start(&s, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0);
    f = fetch(&s, "http", "/b", &names, "127.0.0.1",
              (fetch_req_t){ .stopped = always });
    assert_int_equal(fetch_class(f), FETCH_NO_ANSWER);
    fetch_close(f);
    server_stop(&s);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pins),         cmocka_unit_test(test_pinned),
        cmocka_unit_test(test_refused),      cmocka_unit_test(test_answers),
        cmocka_unit_test(test_urls_refused), cmocka_unit_test(test_long),
        cmocka_unit_test(test_stopped),
    };

    assert_int_equal(origin_global_init(), TIER_OK);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
