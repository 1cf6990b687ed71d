#include "proto/tags.h"

/* Read and evaluated in one go: a syntax tree would only be memory. */
typedef struct expr_s {
    view_t in;
    size_t pos;
    bool find;
    unsigned depth;
    unsigned terms;
    view_t tags;
    view_t container;
    view_t wanted; /* proto_tags_named: a key to look out for */
    bool named;
} expr_t;

typedef enum { OP_EQ = 0, OP_NE, OP_GT, OP_GE, OP_LT, OP_LE } cmp_t;


static bool
is_alpha(uint8_t c)
{
    return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
}


static bool
is_word(uint8_t c)
{
    return is_alpha(c) || (c >= '0' && c <= '9');
}


static void
skip_space(expr_t *x)
{
    while (x->pos < x->in.len
           && (x->in.ptr[x->pos] == ' ' || x->in.ptr[x->pos] == '\t'))
    {
        x->pos++;
    }
}


static bool
take(expr_t *x, char c)
{
    skip_space(x);

    if (x->pos == x->in.len || x->in.ptr[x->pos] != (uint8_t) c) {
        return false;
    }

    x->pos++;
    return true;
}


/* The word at the position, which stays; empty: there is none. */
static view_t
peek_word(expr_t *x)
{
    size_t to;

    skip_space(x);
    to = x->pos;

    if (to < x->in.len && is_alpha(x->in.ptr[to])) {
        while (to < x->in.len && is_word(x->in.ptr[to])) {
            to++;
        }
    }

    return view_sub(x->in, x->pos, to - x->pos);
}


static bool
take_word(expr_t *x, view_t word)
{
    view_t v = peek_word(x);

    if (!view_eq_ci(v, word)) {
        return false;
    }

    x->pos += v.len;
    return true;
}


/* Neither quote can be in a tag, so there is nothing to escape. */
static bool
take_quoted(expr_t *x, char quote, view_t *ret)
{
    size_t to;

    if (!take(x, quote)) {
        return false;
    }

    to = view_find(x->in, (uint8_t) quote, x->pos);
    if (to == x->in.len) {
        x->pos--; /* it is no word's beginning either */
        return false;
    }

    *ret = view_sub(x->in, x->pos, to - x->pos);
    x->pos = to + 1;
    return true;
}


static bool
take_op(expr_t *x, cmp_t *ret)
{
    if (take(x, '=')) {
        *ret = OP_EQ;
        return true;
    }

    bool less = take(x, '<');

    if (!less && !take(x, '>')) {
        return false;
    }

    uint8_t next = x->pos < x->in.len ? x->in.ptr[x->pos] : 0;

    if (next == '=') {
        x->pos++;
        *ret = less ? OP_LE : OP_GE;
        return true;
    }

    if (less && next == '>') {
        x->pos++;
        *ret = OP_NE;
        return !x->find;
    }

    *ret = less ? OP_LT : OP_GT;
    return true;
}


static bool
holds(const expr_t *x, view_t key, cmp_t op, view_t value)
{
    view_t k, v;

    for (size_t pos = 0; props_pairs_next(x->tags, &pos, &k, &v);) {
        if (!view_eq(k, key)) {
            continue;
        }

        int order = view_cmp(v, value);

        return op == OP_EQ ? order == 0
             : op == OP_NE ? order != 0
             : op == OP_GT ? order > 0
             : op == OP_GE ? order >= 0
             : op == OP_LT ? order < 0
                           : order <= 0;
    }

    return op == OP_NE;
}


static bool
take_key(expr_t *x, view_t *ret)
{
    if (take_quoted(x, '"', ret)) {
        return ret->len != 0 && ret->len <= PROTO_TAG_KEY_MAX;
    }

    *ret = peek_word(x);
    x->pos += ret->len;

    return ret->len != 0 && ret->len <= PROTO_TAG_KEY_MAX
        && !view_eq_ci(*ret, VIEW("AND")) && !view_eq_ci(*ret, VIEW("OR"));
}


static bool
container_term(expr_t *x, bool *ret)
{
    view_t name;

    if (!x->find || !take_word(x, VIEW("container")) || !take(x, '=')
        || !take_quoted(x, '\'', &name))
    {
        return false;
    }

    *ret = view_eq(name, x->container);
    return true;
}


static bool or_expr(expr_t *x, bool *ret);


static bool
term(expr_t *x, bool *ret)
{
    view_t key, value;
    cmp_t op;

    if (x->terms++ == PROTO_TAGS_TERMS_MAX) {
        return false;
    }

    if (!x->find && take(x, '(')) {
        bool ok = x->depth++ < PROTO_TAGS_DEPTH_MAX && or_expr(x, ret)
               && take(x, ')');

        x->depth--;
        return ok;
    }

    if (take(x, '@')) {
        return container_term(x, ret);
    }

    if (!take_key(x, &key) || !take_op(x, &op) || !take_quoted(x, '\'', &value)
        || value.len > PROTO_TAG_VALUE_MAX)
    {
        return false;
    }

    x->named |= view_eq(key, x->wanted);
    *ret = holds(x, key, op, value);
    return true;
}


static bool
and_expr(expr_t *x, bool *ret)
{
    bool all, one;

    if (!term(x, &all)) {
        return false;
    }

    while (take_word(x, VIEW("AND"))) {
        if (!term(x, &one)) {
            return false;
        }

        all = all && one;
    }

    *ret = all;
    return true;
}


static bool
or_expr(expr_t *x, bool *ret)
{
    bool any, one;

    if (!and_expr(x, &any)) {
        return false;
    }

    while (!x->find && take_word(x, VIEW("OR"))) {
        if (!and_expr(x, &one)) {
            return false;
        }

        any = any || one;
    }

    *ret = any;
    return true;
}


static bool
run(expr_t *x, bool *ret)
{
    if (!or_expr(x, ret)) {
        return false;
    }

    skip_space(x);
    return x->pos == x->in.len;
}


bool
proto_tags_match(proto_tags_dialect_t dialect, view_t expr, view_t packed,
                 view_t container, bool *ret_match)
{
    expr_t x = { .in = expr,
                 .find = dialect == PROTO_TAGS_FIND,
                 .tags = packed,
                 .container = container };

    return run(&x, ret_match);
}


proto_err_t
proto_tags_where_check(view_t where, proto_fault_t *fault)
{
    bool match;

    if (where.ptr == NULL) {
        return proto_fault(fault, PROTO_ERR_MISSING_REQUIRED_QUERY_PARAMETER,
                           VIEW("where"), VIEW_NULL);
    }

    if (proto_tags_match(PROTO_TAGS_FIND, where, VIEW_NULL, VIEW_NULL, &match))
    {
        return PROTO_OK;
    }

    (void) proto_fault(fault, PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE,
                       VIEW("where"), where);
    fault->reason = VIEW("Not an expression of tags.");
    return fault->err;
}


proto_err_t
proto_tags_if_check(const char *name, view_t value, proto_fault_t *fault)
{
    bool match;

    if (value.len == 0
        || proto_tags_match(PROTO_TAGS_IF, value, VIEW_NULL, VIEW_NULL,
                            &match))
    {
        return PROTO_OK;
    }

    return proto_fault(fault, PROTO_ERR_INVALID_HEADER_VALUE, view_str(name),
                       value);
}


bool
proto_tags_named(view_t expr, view_t key)
{
    expr_t x = { .in = expr, .find = true, .wanted = key };
    bool match;

    return run(&x, &match) && x.named;
}
