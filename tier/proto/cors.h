#ifndef PROTO_CORS_H
#define PROTO_CORS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/view.h"
#include "proto/error.h"
#include "proto/headers.h"
#include "proto/reply.h"

/*
 * Cross-origin requests of browsers (REST: "Cross-Origin Resource Sharing
 * (CORS) support for Azure Storage", "Preflight Blob Request"). The rules
 * come from Set Blob Service Properties; the first that matches counts.
 * Lists are as written: comma-separated, spaces around their items.
 */
#define PROTO_CORS_RULES_MAX 5
#define PROTO_CORS_BYTES_MAX 2048 /* of all values of all rules */

typedef struct proto_cors_rule_s {
    view_t origins; /* case-sensitive; "*": any */
    view_t methods;
    view_t allowed; /* request headers; "x-ms-meta-*" is a prefix */
    view_t exposed; /* response headers; likewise */
    uint32_t max_age_s;
} proto_cors_rule_t;

typedef struct proto_cors_s {
    proto_cors_rule_t rules[PROTO_CORS_RULES_MAX];
    unsigned n;
} proto_cors_t;

/* InvalidXmlNodeValue for what a rule may not say. */
proto_err_t proto_cors_rule_check(const proto_cors_rule_t *rule,
                                  proto_fault_t *fault);
/* Their values within PROTO_CORS_BYTES_MAX, else InvalidXmlNodeValue. */
proto_err_t proto_cors_check(const proto_cors_t *cors, proto_fault_t *fault);

/* ---- what a browser asks before ------------------------------------------
 */

typedef struct proto_cors_ask_s {
    view_t origin;
    view_t method;  /* Access-Control-Request-Method */
    view_t headers; /* Access-Control-Request-Headers; may be null */
} proto_cors_ask_t;

/* MissingRequiredHeader without origin or method. */
proto_err_t proto_cors_ask(const proto_header_t *hdrs, unsigned n,
                           proto_cors_ask_t *ret, proto_fault_t *fault);
/* CorsPreflightFailure: no rule lets it pass. */
proto_err_t proto_cors_preflight(const proto_cors_t *cors,
                                 const proto_cors_ask_t *ask,
                                 const proto_cors_rule_t **ret);
void proto_cors_preflight_headers(const proto_cors_rule_t *rule,
                                  const proto_cors_ask_t *ask,
                                  proto_emit_fn emit, void *ctx);

/* ---- requests themselves -------------------------------------------------
 */

typedef struct proto_cors_answer_s {
    const proto_cors_rule_t *rule; /* NULL: none matches */
    view_t allow_origin;           /* null: not to be sent */
    bool credentials;
    bool vary; /* another origin may be answered otherwise */
} proto_cors_answer_t;

/* `origin` null: the request has none; a rule for any origin is told even
 * so, since caches may keep the answer for those who have one. */
proto_cors_answer_t proto_cors_answer(const proto_cors_t *cors, view_t origin,
                                      view_t method);
/* May the page see this response header? */
bool proto_cors_exposed(const proto_cors_rule_t *rule, view_t name);

#endif
