#ifndef ORIGIN_FETCH_H
#define ORIGIN_FETCH_H

#include "base/log.h"
#include "base/rc.h"
#include "base/source.h"
#include "base/view.h"
#include "base/writer.h"
#include "proto/headers.h"

/*
 * GET of a copy's source outside the edge. The URL is a client's: it is read
 * with base/source.h and written anew for libcurl, so that both mean the same
 * host; the host is looked up here, once, and curl is given the addresses
 * that the rules permit, no others. The socket's address is checked again.
 * http and https alone, certificates verified, no redirects, no proxies, no
 * cookies, no credentials but the one given.
 *
 * Bytes are pulled: memory is constant however large the source is. A fetch_t
 * belongs to one thread and blocks.
 */
#define FETCH_HEADERS_MAX 128
#define FETCH_ADDRS_MAX   16

typedef enum {
    FETCH_ANSWERED = 0, /* by the source; `status` is its */
    FETCH_REFUSED,      /* by the rules, before a connection */
    FETCH_NO_ANSWER     /* no such host, no connection, broken TLS */
} fetch_class_t;

/* Addresses of a host: how many, 0: none, negative: the lookup failed. */
typedef int (*fetch_lookup_fn)(void *ctx, const char *host, source_addr_t *ret,
                               unsigned cap);

typedef struct fetch_req_s {
    view_t url;
    const view_t *rules; /* of base/source.h */
    unsigned nrules;
    view_t authorization; /* to be sent; empty: none. Only with https */
    const proto_header_t *headers; /* others: Range, If-* */
    unsigned nheaders;
    bool (*stopped)(void *ctx); /* asked now and then; NULL: never */
    void *stopped_ctx;
    fetch_lookup_fn lookup; /* NULL: getaddrinfo */
    void *lookup_ctx;
} fetch_req_t;

typedef struct fetch_s fetch_t;

/* Returns when the answer's headers are there, or there will be none. Copies
 * what it keeps. Negative: no memory. */
TIER_MUST_CHECK tier_rc_t fetch_open(const fetch_req_t *req, fetch_t **ret);
void fetch_close(fetch_t *fetch);

fetch_class_t fetch_class(const fetch_t *fetch);
/* One line without query and credentials; empty when all is well. */
const char *fetch_text(const fetch_t *fetch);
unsigned fetch_status(const fetch_t *fetch);
/* Of the body that follows; UINT64_MAX: the source does not say. */
uint64_t fetch_length(const fetch_t *fetch);
const proto_header_t *fetch_headers(const fetch_t *fetch, unsigned *ret_n);

/* The next bytes, as many as there are: 0 at the end of a whole body, -1 when
 * it broke off. */
int64_t fetch_read(fetch_t *fetch, void *buf, size_t cap);

/* ---- for tests ---- */

/* curl's "HOST:PORT:ADDRESS,..." of those that the rules permit, with a zero
 * byte; returns how many those are. */
unsigned fetch_pin(writer_t *w, const source_url_t *url,
                   const source_addr_t *addrs, unsigned n, const view_t *rules,
                   unsigned nrules);

#endif
