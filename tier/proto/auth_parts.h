#ifndef PROTO_AUTH_PARTS_H
#define PROTO_AUTH_PARTS_H

#include "base/digest.h"
#include "proto/auth.h"

/*
 * What the files of auth share; nobody else includes this.
 *
 * A string to sign is never built as a rule: it runs through a sink into the
 * HMAC, and once more into text when a refusal has to show it.
 */
typedef struct sink_s {
    hmac_t hmac;
    writer_t *text; /* NULL: into the HMAC */
    size_t len;
    uint8_t buf[256];
} sink_t;

void sink_hash(sink_t *s, view_t key);
void sink_text(sink_t *s, writer_t *w);
void sink_put(sink_t *s, view_t v);
void sink_line(sink_t *s, view_t v); /* and a newline */
void sink_lower(sink_t *s, view_t v);
void sink_sum(sink_t *s, uint8_t ret[SHA256_LEN]);

/* ---- Shared Key ----------------------------------------------------------
 */

#define SIGNED_HEADERS_MAX 320

/* Forms of the same request that clients sign differently. */
#define SIGN_ZERO    1u /* an empty body's length as "0" */
#define SIGN_PLUS    2u /* + in a query is a plus */
#define SIGN_CULTURE 4u /* headers in .NET's culture order */
#define SIGN_FORMS   8u

typedef struct key_request_s {
    view_t method;
    view_t account;
    view_t path;
    const proto_param_t *params;
    unsigned nparams;
    view_t std[PROTO_HDR_COUNT]; /* the standard ones that are signed */
    const proto_header_t *hdrs;
    bool lite;
    bool skip_empty; /* before 2016-05-31 */
    unsigned useful; /* SIGN_ bits that make a difference */

    unsigned nms; /* x-ms-* headers in order */
    uint16_t ms[SIGNED_HEADERS_MAX];
    uint16_t culture[SIGNED_HEADERS_MAX];
    uint8_t query[PROTO_PARAMS_MAX]; /* params in order */
} key_request_t;

/* Sorts what is to be signed. PROTO_OK; InvalidHeaderValue for a header that
 * is there twice, RequestHeaderFieldsTooLarge. */
proto_err_t key_request_sort(key_request_t *k, unsigned nhdrs,
                             proto_fault_t *fault);
void key_string_to_sign(const key_request_t *k, unsigned form, sink_t *s);

proto_err_t auth_check_key(const proto_auth_in_t *in, view_t credential,
                           bool lite, proto_auth_out_t *out);

/* ---- SAS -----------------------------------------------------------------
 */

proto_err_t auth_check_sas(const proto_auth_in_t *in, proto_auth_out_t *out);

/* Is the client (text) in sip: an address, or two with a hyphen, from and
 * to? IPv4 as the REST pages have it, IPv6 in the same way. */
bool auth_ip_is_allowed(view_t sip, view_t client);

/* The rights that a request needs: any of `wanted`, all of `extra`. */
uint32_t auth_wanted_perms(const proto_auth_in_t *in);
uint32_t auth_extra_perms(const proto_auth_in_t *in);

/* PROTO_OK, or what to answer to a credential that policy excludes. */
proto_err_t auth_check_policy(const proto_auth_in_t *in,
                              proto_auth_out_t *out);

/* AuthenticationFailed with a detail; `what` then, quoted by `put`, the string
 * to sign. */
proto_err_t auth_failed(const proto_auth_in_t *in, proto_auth_out_t *out,
                        view_t detail);

/* The error document's detail is written into in->scratch between the two;
 * NULL: none is wanted. end gives it, or null if there was no room. */
writer_t *auth_detail_begin(const proto_auth_in_t *in, size_t *ret_from);
view_t auth_detail_end(writer_t *w, size_t from);

#endif
