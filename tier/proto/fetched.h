#ifndef PROTO_FETCHED_H
#define PROTO_FETCHED_H

#include "base/props.h"
#include "base/writer.h"
#include "proto/copy.h"
#include "proto/error.h"
#include "proto/headers.h"
#include "proto/op.h"

/*
 * A copy's source outside the edge, as blob-tier (POST /fetch on its socket)
 * is asked for it and answers.
 */
#define FETCHED_BYTES     200 /* the source's bytes follow */
#define FETCHED_REFUSED   403 /* by blob_copy_source */
#define FETCHED_NO_LENGTH 411 /* the source does not say how much it is */
#define FETCHED_STATUS    424 /* the source answered x-source-status */
#define FETCHED_NO_ANSWER 504 /* it was not reached */

typedef struct proto_fetched_ask_s {
    const proto_copy_t *copy; /* conditions, range, authorization */
    view_t url;
    view_t account; /* whose blob_copy_source permits it */
    view_t lake;    /* `url` is of this account's origin: no rule is needed,
                       the client's authorization is not sent; or null */
} proto_fetched_ask_t;

/* The request's head up to the empty line, HTTP/1.0. */
void proto_fetched_ask(writer_t *w, const proto_fetched_ask_t *ask);

/* The answer's head, taken apart: `head` ends with the empty line, views point
 * into it. False: it is no HTTP, or has more headers than `cap`. */
bool proto_fetched_head(view_t head, unsigned *ret_status,
                        proto_header_t *hdrs, unsigned cap, unsigned *ret_n);

typedef struct proto_fetched_s {
    unsigned status; /* the source's; 0: there was none */
    view_t code;     /* its x-ms-error-code, or null */
    view_t why;      /* for nginx's log, or null */
    uint64_t length; /* of the bytes that follow */
    /* A source that is no Blob service has fewer. No MD5: it is computed. */
    blob_props_t props;
} proto_fetched_t;

/* PROTO_OK: `length` bytes follow, and they are the ones that were asked for.
 * Or what to answer. Views of *ret point into `hdrs` and `scratch`, which
 * takes the metadata. `ret` is filled either way. */
proto_err_t proto_fetched(unsigned status, const proto_header_t *hdrs,
                          unsigned n, const proto_copy_t *copy,
                          const proto_op_t *op, writer_t *scratch,
                          proto_fetched_t *ret);

#endif
