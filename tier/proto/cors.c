#include "proto/cors.h"

#define ITEM_MAX     256 /* bytes of an origin or a header's name */
#define LITERALS_MAX 64
#define PREFIXES_MAX 2


/* The next item of a list, trimmed; false at the end. An empty list has none,
 * but "a," has an empty one. */
static bool
next_item(view_t list, size_t *pos, view_t *ret)
{
    size_t end;

    if (list.len == 0 || *pos > list.len) {
        return false;
    }

    end = view_find(list, ',', *pos);
    *ret = view_trim(view_sub(list, *pos, end - *pos));
    *pos = end + 1;
    return true;
}


static bool
is_prefix(view_t item)
{
    return item.len != 0 && item.ptr[item.len - 1] == '*';
}


/* A header's name against an item, which may be a prefix. */
static bool
item_matches(view_t item, view_t name)
{
    if (is_prefix(item)) {
        size_t n = item.len - 1;

        return view_eq_ci(view_sub(name, 0, n), view_sub(item, 0, n));
    }

    return view_eq_ci(item, name);
}


static bool
list_matches(view_t list, view_t name)
{
    view_t item;

    for (size_t pos = 0; next_item(list, &pos, &item);) {
        if (item_matches(item, name)) {
            return true;
        }
    }

    return false;
}


static bool
list_has(view_t list, view_t word)
{
    view_t item;

    for (size_t pos = 0; next_item(list, &pos, &item);) {
        if (view_eq(item, word)) {
            return true;
        }
    }

    return false;
}


/* ---- what a rule may say ------------------------------------------------ */

static bool
is_method(view_t v)
{
    return list_has(VIEW("DELETE,GET,HEAD,MERGE,PATCH,POST,OPTIONS,PUT"), v);
}


static bool
is_origin(view_t v)
{
    if (v.len == 0 || v.len > ITEM_MAX) {
        return false;
    }

    for (size_t i = 0; i < v.len; i++) {
        if (v.ptr[i] <= ' ' || v.ptr[i] >= 0x7F) {
            return false;
        }
    }

    return true;
}


static bool
is_token(uint8_t c)
{
    view_t marks = VIEW("!#$%&'+-.^_`|~");

    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')
        || (c >= 'A' && c <= 'Z') || view_find(marks, c, 0) != marks.len;
}


/* "name", "pre*" or "*" */
static bool
is_header(view_t v)
{
    size_t n = is_prefix(v) ? v.len - 1 : v.len;

    if (v.len == 0 || v.len > ITEM_MAX) {
        return false;
    }

    for (size_t i = 0; i < n; i++) {
        if (!is_token(v.ptr[i])) {
            return false;
        }
    }

    return true;
}


static bool
headers_ok(view_t list)
{
    unsigned literals = 0, prefixes = 0;
    view_t item;

    for (size_t pos = 0; next_item(list, &pos, &item);) {
        if (!is_header(item)) {
            return false;
        }

        if (is_prefix(item)) {
            prefixes++;

        } else {
            literals++;
        }
    }

    return literals <= LITERALS_MAX && prefixes <= PREFIXES_MAX;
}


static bool
all_are(view_t list, bool (*is)(view_t v))
{
    view_t item;

    for (size_t pos = 0; next_item(list, &pos, &item);) {
        if (!is(item)) {
            return false;
        }
    }

    return list.len != 0;
}


proto_err_t
proto_cors_rule_check(const proto_cors_rule_t *rule, proto_fault_t *fault)
{
    const struct {
        view_t name;
        view_t value;
        bool ok;
    } parts[] = {
        { VIEW("AllowedOrigins"), rule->origins,
          all_are(rule->origins, is_origin) },
        { VIEW("AllowedMethods"), rule->methods,
          all_are(rule->methods, is_method) },
        { VIEW("AllowedHeaders"), rule->allowed, headers_ok(rule->allowed) },
        { VIEW("ExposedHeaders"), rule->exposed, headers_ok(rule->exposed) },
    };

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (!parts[i].ok) {
            return proto_fault(fault, PROTO_ERR_INVALID_XML_NODE_VALUE,
                               parts[i].name, parts[i].value);
        }
    }

    return PROTO_OK;
}


proto_err_t
proto_cors_check(const proto_cors_t *cors, proto_fault_t *fault)
{
    size_t bytes = 0;
    proto_err_t err;

    for (unsigned i = 0; i < cors->n; i++) {
        const proto_cors_rule_t *rule = &cors->rules[i];

        bytes += rule->origins.len + rule->methods.len + rule->allowed.len
               + rule->exposed.len;
    }

    if (bytes <= PROTO_CORS_BYTES_MAX) {
        return PROTO_OK;
    }

    err = proto_fault(fault, PROTO_ERR_INVALID_XML_NODE_VALUE, VIEW("Cors"),
                      VIEW_NULL);
    fault->reason = VIEW("All CORS rules together may not exceed 2 KiB.");
    return err;
}


/* ---- preflight -----------------------------------------------------------
 */

proto_err_t
proto_cors_ask(const proto_header_t *hdrs, unsigned n, proto_cors_ask_t *ret,
               proto_fault_t *fault)
{
    proto_cors_ask_t ask = { VIEW_NULL, VIEW_NULL, VIEW_NULL };

    for (unsigned i = 0; i < n; i++) {
        view_t name = hdrs[i].name;
        view_t *to = view_eq_ci(name, VIEW("Origin")) ? &ask.origin
                   : view_eq_ci(name, VIEW("Access-Control-Request-Method"))
                       ? &ask.method
                   : view_eq_ci(name, VIEW("Access-Control-Request-Headers"))
                       ? &ask.headers
                       : NULL;

        if (to != NULL) {
            *to = view_trim(hdrs[i].value);
        }
    }

    if (ask.origin.len == 0) {
        return proto_fault(fault, PROTO_ERR_MISSING_REQUIRED_HEADER,
                           VIEW("Origin"), VIEW_NULL);
    }

    if (ask.method.len == 0) {
        return proto_fault(fault, PROTO_ERR_MISSING_REQUIRED_HEADER,
                           VIEW("Access-Control-Request-Method"), VIEW_NULL);
    }

    *ret = ask;
    return PROTO_OK;
}


static bool
rule_matches(const proto_cors_rule_t *rule, view_t origin, view_t method)
{
    return (list_has(rule->origins, origin)
            || list_has(rule->origins, VIEW("*")))
        && list_has(rule->methods, method);
}


static bool
all_allowed(const proto_cors_rule_t *rule, view_t headers)
{
    view_t item;

    for (size_t pos = 0; next_item(headers, &pos, &item);) {
        if (item.len != 0 && !list_matches(rule->allowed, item)) {
            return false;
        }
    }

    return true;
}


proto_err_t
proto_cors_preflight(const proto_cors_t *cors, const proto_cors_ask_t *ask,
                     const proto_cors_rule_t **ret)
{
    for (unsigned i = 0; i < cors->n; i++) {
        const proto_cors_rule_t *rule = &cors->rules[i];

        if (rule_matches(rule, ask->origin, ask->method)
            && all_allowed(rule, ask->headers))
        {
            *ret = rule;
            return PROTO_OK;
        }
    }

    return PROTO_ERR_CORS_PREFLIGHT_FAILURE;
}


void
proto_cors_preflight_headers(const proto_cors_rule_t *rule,
                             const proto_cors_ask_t *ask, proto_emit_fn emit,
                             void *ctx)
{
    uint8_t buf[10];
    writer_t w;

    writer_init_fixed(&w, buf, sizeof(buf));
    writer_put_u64(&w, rule->max_age_s);

    emit(ctx, VIEW("Access-Control-Allow-Origin"), ask->origin);
    emit(ctx, VIEW("Access-Control-Allow-Methods"), ask->method);
    if (ask->headers.len != 0) {
        emit(ctx, VIEW("Access-Control-Allow-Headers"), ask->headers);
    }
    emit(ctx, VIEW("Access-Control-Max-Age"), writer_view(&w));
    emit(ctx, VIEW("Access-Control-Allow-Credentials"), VIEW("true"));
}


/* ---- requests themselves -------------------------------------------------
 */

/* The table of the REST page. Only what caches keep varies: with GET and
 * HEAD. */
proto_cors_answer_t
proto_cors_answer(const proto_cors_t *cors, view_t origin, view_t method)
{
    bool read = view_eq(method, VIEW("GET")) || view_eq(method, VIEW("HEAD"));
    proto_cors_answer_t a = { .vary = read && cors->n != 0 };

    for (unsigned i = 0; i < cors->n && a.rule == NULL; i++) {
        const proto_cors_rule_t *rule = &cors->rules[i];

        if (origin.len == 0 ? list_has(rule->origins, VIEW("*"))
                                  && list_has(rule->methods, method)
                            : rule_matches(rule, origin, method))
        {
            a.rule = rule;
        }
    }

    if (a.rule == NULL) {
        return a;
    }

    if (list_has(a.rule->origins, VIEW("*"))) {
        a.allow_origin = VIEW("*");
        a.vary = false;

    } else {
        a.allow_origin = origin;
        a.credentials = true;
    }

    return a;
}


bool
proto_cors_exposed(const proto_cors_rule_t *rule, view_t name)
{
    return list_matches(rule->exposed, name);
}
