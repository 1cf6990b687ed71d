#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "origin/origin.h"
#include "origin/sign.h"

#define SIGNATURE "1ls43F2fNOmj9hex/Pjs5vNTbl10O5Jw1MzgTWISxJI="

/*
 * Signatures against Python's, and answers of a server of one request: what
 * they mean for a caller who may try again.
 */
static void
test_sign(void **state)
{
    const proto_header_t headers[] = {
        { VIEW("x-ms-version"), VIEW("2021-12-02") },
        { VIEW("x-ms-date"), VIEW("Thu, 01 Jan 2026 00:00:00 GMT") },
        { VIEW("content-type"), VIEW("text/plain") },
        { VIEW("x-ms-blob-type"), VIEW("BlockBlob") },
        { VIEW("if-match"), VIEW("\"0x1\"") },
    };
    uint8_t buf[256];
    writer_t w;

    (void) state;
    writer_init_fixed(&w, buf, sizeof(buf));
    origin_sign(&w, "PUT", VIEW("acc"), VIEW("key-of-an-account"),
                VIEW("/acc/con/a%20b"), VIEW("comp=block&blockid=a%2Bb%3D"),
                headers, 5, 11);
    assert_true(view_eq(writer_view(&w), VIEW("SharedKey acc:" SIGNATURE)));
}


typedef struct server_s {
    int fd;
    const char *answer; /* "": none */
    char request[4096];
    pthread_t thread;
} server_t;


static void *
serve(void *data)
{
    server_t *s = data;
    int c = accept(s->fd, NULL, NULL);
    size_t len = 0;
    ssize_t n = 1;

    while (n > 0 && len < sizeof(s->request) - 1
           && strstr(s->request, "\r\n\r\n") == NULL)
    {
        n = read(c, s->request + len, sizeof(s->request) - 1 - len);
        len += n > 0 ? (size_t) n : 0;
    }

    n = write(c, s->answer, strlen(s->answer));
    close(c);
    return NULL;
}


/* One request to a server that answers so. */
static origin_answer_t *
ask(const char *method, const char *text, server_t *s, view_t sas)
{
    struct sockaddr_in addr = { .sin_family = AF_INET };
    socklen_t len = sizeof(addr);
    origin_answer_t *a = calloc(1, sizeof(*a));
    origin_conn_t *conn;
    origin_t *origin;
    char url[64];

    *s = (server_t){ .answer = text };
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(s->fd, (struct sockaddr *) &addr, sizeof(addr)), 0);
    assert_int_equal(listen(s->fd, 8), 0);
    getsockname(s->fd, (struct sockaddr *) &addr, &len);
    pthread_create(&s->thread, NULL, serve, s);

    snprintf(url, sizeof(url), "http://127.0.0.1:%u/acc/",
             ntohs(addr.sin_port));
    assert_int_equal(
        origin_new(
            &(origin_opts_t){ .url = view_str(url),
                              .account = VIEW("acc"),
                              .key = sas.len != 0 ? VIEW_NULL : VIEW("key"),
                              .sas = sas },
            &origin),
        TIER_OK);
    assert_int_equal(origin_conn_new(&conn), TIER_OK);
    assert_int_equal(
        origin_request(conn, origin,
                       &(origin_req_t){ .method = method,
                                        .container = VIEW("con"),
                                        .blob = VIEW("a b/\xC3\xA4"),
                                        .query = VIEW("comp=x"),
                                        .timeout_s = 10 },
                       a),
        TIER_OK);
    pthread_join(s->thread, NULL);
    close(s->fd);
    origin_conn_free(conn);
    origin_free(origin);
    return a;
}


static void
test_classes(void **state)
{
    static const struct {
        const char *answer;
        origin_class_t class_;
    } rows[] = {
        { "201 Created\r\n", ORIGIN_OK },
        { "404 Not Found\r\nx-ms-error-code: BlobNotFound\r\n",
          ORIGIN_NOT_FOUND },
        { "412 X\r\nx-ms-error-code: ConditionNotMet\r\n", ORIGIN_CONDITION },
        { "412 X\r\nx-ms-error-code: LeaseIdMissing\r\n", ORIGIN_PERMANENT },
        { "409 X\r\nx-ms-error-code: BlobAlreadyExists\r\n",
          ORIGIN_CONDITION },
        { "409 X\r\nx-ms-error-code: ContainerBeingDeleted\r\n",
          ORIGIN_TRANSIENT },
        { "409 X\r\nx-ms-error-code: SnapshotsPresent\r\n", ORIGIN_PERMANENT },
        { "403 X\r\nx-ms-error-code: AuthenticationFailed\r\n", ORIGIN_AUTH },
        { "400 X\r\nx-ms-error-code: InvalidHeaderValue\r\n",
          ORIGIN_PERMANENT },
        { "500 X\r\nx-ms-error-code: InternalError\r\n", ORIGIN_TRANSIENT },
        { "503 X\r\nx-ms-error-code: ServerBusy\r\nRetry-After: 7\r\n",
          ORIGIN_THROTTLED },
    };

    (void) state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[256];
        server_t s;
        origin_answer_t *a;

        snprintf(text, sizeof(text),
                 "HTTP/1.1 %sDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
                 "Content-Length: 0\r\nConnection: close\r\n\r\n",
                 rows[i].answer);
        a = ask("GET", text, &s, VIEW_NULL);
        assert_int_equal(a->class_, rows[i].class_);
        assert_int_equal(a->status, atoi(rows[i].answer));
        assert_int_equal(a->date_s, 1767225600);
        assert_true(a->sent);
        assert_int_equal(a->retry_after_s, a->status == 503 ? 7 : 0);
        free(a);
    }
}


static void
test_request(void **state)
{
    server_t s;
    origin_answer_t *a = ask("DELETE",
                             "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n"
                             "ETag: \"1\"\r\nConnection: close\r\n\r\n",
                             &s, VIEW("sv=1&sig=x%3D"));

    (void) state;
    assert_int_equal(a->class_, ORIGIN_OK);
    assert_non_null(strstr(s.request, "DELETE /acc/con/a%20b/%C3%A4?comp=x"
                                      "&sv=1&sig=x%3D HTTP/1.1\r\n"));
    assert_non_null(strstr(s.request, "x-ms-version: " ORIGIN_VERSION));
    assert_null(strstr(s.request, "Authorization"));
    assert_null(strstr(a->text, "sig")); /* nothing of the credential */
    free(a);

    /* no answer: it may have taken effect */
    a = ask("PUT", "", &s, VIEW_NULL);
    assert_int_equal(a->class_, ORIGIN_TRANSIENT);
    assert_int_equal(a->status, 0);
    assert_true(a->sent);
    assert_non_null(strstr(s.request, "Authorization: SharedKey acc:"));
    assert_non_null(strstr(s.request, "Content-Length: 0"));
    free(a);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sign),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_request),
    };

    return origin_global_init() != TIER_OK
        || cmocka_run_group_tests(tests, NULL, NULL);
}
