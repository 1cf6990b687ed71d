/*
 * Many clients, each a thread with one kept connection, that send the same
 * kind of request as fast as answers come.
 *
 *   load HOST PORT METHOD TARGET CLIENTS SECONDS BYTES [HEADER...]
 *
 * In TARGET %u is a number that no other request has, %t the client's, %b a
 * block id (16 characters of base64). Prints one line: requests/s, MB/s,
 * p50 and p99 in ms, failures.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_SIZE = 16384, REPLY_SIZE = 65536 };

typedef struct {
    const char *host, *method, *target, *headers;
    int port;
    double end;
    size_t body_len;
    const char *body;
} job_t;

typedef struct {
    pthread_t thread;
    const job_t *job;
    unsigned id;
    unsigned long done, failed;
    unsigned char *reply;
    float *ms; /* of each request */
    size_t nms, cap;
} client_t;

static atomic_ulong next_number;

static double
now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

static int
dial(const job_t *job)
{
    struct sockaddr_in sa = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t) job->port) };
    struct timeval limit = { .tv_sec = 30 };
    int fd, one = 1;

    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || inet_pton(AF_INET, job->host, &sa.sin_addr) != 1
        || connect(fd, (struct sockaddr *) &sa, sizeof(sa)) != 0)
    {
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return fd;
}

static int
send_all(int fd, const char *p, size_t len, int flags)
{
    while (len > 0) {
        ssize_t n = send(fd, p, len, flags | MSG_NOSIGNAL);

        if (n <= 0) {
            return -1;
        }
        p += n;
        len -= (size_t) n;
    }
    return 0;
}

static size_t
format_target(char *out, size_t size, const job_t *job, unsigned id)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    unsigned long number = atomic_fetch_add(&next_number, 1), n;
    size_t len = 0;
    const char *p;

    for (p = job->target; *p && len + 32 < size; p++) {
        if (p[0] == '%' && p[1] == 'u') {
            len += (size_t) snprintf(out + len, size - len, "%lu", number);
            p++;
        } else if (p[0] == '%' && p[1] == 't') {
            len += (size_t) snprintf(out + len, size - len, "%u", id);
            p++;
        } else if (p[0] == '%' && p[1] == 'b') {
            n = number;
            for (int i = 15; i >= 0; i--, n /= 26) {
                out[len + (size_t) i] = digits[n % 26];
            }
            len += 16;
            p++;
        } else {
            out[len++] = *p;
        }
    }
    return len;
}

/* The status of one response whose body, if any, has a Content-Length or is
 * chunked and small; -1 when the connection is of no more use. */
static int
receive(int fd, unsigned char *buf)
{
    size_t have = 0, need = 0;
    char *end = NULL, *p;
    int chunked = 0;

    for (;;) {
        ssize_t n = recv(fd, buf + have, REPLY_SIZE - 1 - have, 0);

        if (n <= 0) {
            return -1;
        }
        have += (size_t) n;
        buf[have] = '\0';

        if (end == NULL) {
            end = strstr((char *) buf, "\r\n\r\n");
            if (end == NULL) {
                continue;
            }
            p = strcasestr((char *) buf, "\r\ncontent-length:");
            if (p != NULL && p < end) {
                need = strtoul(p + 17, NULL, 10);
            }
            p = strcasestr((char *) buf, "\r\ntransfer-encoding: chunked");
            chunked = p != NULL && p < end;
            need += (size_t) (end + 4 - (char *) buf);
        }

        if (chunked ? strstr(end, "\r\n0\r\n\r\n") != NULL : have >= need) {
            return atoi((char *) buf + 9);
        }
        if (have >= REPLY_SIZE - 1) {
            /* only the length matters */
            need -= have - (size_t) (end + 4 - (char *) buf);
            have = (size_t) (end + 4 - (char *) buf);
        }
    }
}

static int
one_request(client_t *c, int fd)
{
    char head[HEAD_SIZE];
    const job_t *job = c->job;
    size_t len;

    len = (size_t) snprintf(head, sizeof(head), "%s ", job->method);
    len += format_target(head + len, sizeof(head) - len, job, c->id);
    len +=
        (size_t) snprintf(head + len, sizeof(head) - len,
                          " HTTP/1.1\r\nHost: %s:%d\r\n"
                          "Content-Length: %zu\r\n%s\r\n",
                          job->host, job->port, job->body_len, job->headers);
    if (send_all(fd, head, len, job->body_len ? MSG_MORE : 0) != 0
        || send_all(fd, job->body, job->body_len, 0) != 0)
    {
        return -1;
    }
    return receive(fd, c->reply);
}

static void
note_time(client_t *c, double ms)
{
    if (c->nms == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 1024;
        c->ms = realloc(c->ms, c->cap * sizeof(*c->ms));
        if (c->ms == NULL) {
            abort();
        }
    }
    c->ms[c->nms++] = (float) ms;
}

static void *
client_main(void *arg)
{
    client_t *c = arg;
    int fd = -1, status;

    while (now() < c->job->end) {
        double t0 = now();

        if (fd < 0 && (fd = dial(c->job)) < 0) {
            c->failed++;
            usleep(10000);
            continue;
        }
        status = one_request(c, fd);
        if (status >= 200 && status < 300) {
            c->done++;
            note_time(c, (now() - t0) * 1e3);
            continue;
        }
        if (c->failed++ == 0 && c->id == 0) {
            fprintf(stderr, "load: status %d: %.600s\n", status, c->reply);
        }
        if (status < 0) {
            close(fd);
            fd = -1;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return NULL;
}

static int
by_value(const void *a, const void *b)
{
    float x = *(const float *) a, y = *(const float *) b;

    return (x > y) - (x < y);
}

static void
report(client_t *clients, unsigned n, double seconds, size_t bytes)
{
    unsigned long done = 0, failed = 0;
    float *ms;
    size_t k = 0;

    for (unsigned i = 0; i < n; i++) {
        done += clients[i].done;
        failed += clients[i].failed;
    }
    ms = calloc(done + 1, sizeof(*ms));
    if (ms == NULL) {
        abort();
    }
    for (unsigned i = 0; i < n; i++) {
        if (clients[i].nms) {
            memcpy(ms + k, clients[i].ms, clients[i].nms * sizeof(*ms));
        }
        k += clients[i].nms;
    }
    qsort(ms, k, sizeof(*ms), by_value);
    printf("%.1f %.1f %.2f %.2f %lu\n", (double) done / seconds,
           (double) done * (double) bytes / 1e6 / seconds,
           k ? (double) ms[k / 2] : 0.0,
           k ? (double) ms[k - 1 - k / 100] : 0.0, failed);
    free(ms);
}

int
main(int argc, char **argv)
{
    static char headers[4096];
    client_t *clients;
    job_t job = { 0 };
    unsigned n;
    double t0, seconds;
    char *body;

    if (argc < 8) {
        fprintf(stderr, "usage: load HOST PORT METHOD TARGET CLIENTS SECONDS "
                        "BYTES [HEADER...]\n");
        return 2;
    }
    job.host = argv[1];
    job.port = atoi(argv[2]);
    job.method = argv[3];
    job.target = argv[4];
    n = (unsigned) atoi(argv[5]);
    seconds = atof(argv[6]);
    job.body_len = strtoul(argv[7], NULL, 10);
    for (int i = 8; i < argc; i++) {
        if (strlen(headers) + strlen(argv[i]) + 3 > sizeof(headers)) {
            return 2;
        }
        strcat(headers, argv[i]);
        strcat(headers, "\r\n");
    }
    job.headers = headers;

    body = malloc(job.body_len + 1);
    clients = calloc(n, sizeof(*clients));
    if (body == NULL || clients == NULL) {
        return 1;
    }
    for (size_t i = 0; i < job.body_len; i++) {
        body[i] = (char) (i * 2654435761u >> 13);
    }
    job.body = body;
    /* names of this run only */
    atomic_store(&next_number, (unsigned long) (now() * 1e6));

    t0 = now();
    job.end = t0 + seconds;
    for (unsigned i = 0; i < n; i++) {
        clients[i].job = &job;
        clients[i].id = i;
        clients[i].reply = malloc(REPLY_SIZE);
        if (clients[i].reply == NULL
            || pthread_create(&clients[i].thread, NULL, client_main,
                              &clients[i])
                   != 0)
        {
            return 1;
        }
    }
    for (unsigned i = 0; i < n; i++) {
        pthread_join(clients[i].thread, NULL);
    }
    report(clients, n, now() - t0, job.body_len);
    return 0;
}
