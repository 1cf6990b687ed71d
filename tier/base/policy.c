#include <stdlib.h>

#include "base/policy.h"
#include "base/source.h"

#define POLICY_MAGIC     "blob-edge-policy 1"
#define DEFAULT_FRESH_MS 10000

typedef struct word_s {
    const char *text;
    int value;
} word_t;

static const word_t write_words[] = {
    { "back", WRITE_BACK },
    { "through", WRITE_THROUGH },
    { "off", WRITE_OFF },
    { NULL, 0 },
};

static const word_t conflict_words[] = {
    { "keep-both", CONFLICT_KEEP_BOTH },
    { "edge-wins", CONFLICT_EDGE_WINS },
    { "origin-wins", CONFLICT_ORIGIN_WINS },
    { "hold", CONFLICT_HOLD },
    { NULL, 0 },
};

static const word_t order_words[] = {
    { "none", 0 },
    { "container", 1 },
    { NULL, 0 },
};


const policy_account_t *
policy_account(const policy_t *policy, view_t name)
{
    for (unsigned i = 0; i < policy->naccounts; i++) {
        if (view_eq(policy->accounts[i].name, name)) {
            return &policy->accounts[i];
        }
    }

    return NULL;
}


/* How closely a rule fits a blob: 0 not at all, 1 by account, 2 by container,
 * more by the length of its prefix. */
static size_t
rule_fit(const policy_rule_t *rule, view_t container, view_t name)
{
    if (rule->container.ptr == NULL) {
        return 1;
    }

    if (!view_eq(rule->container, container)
        || !view_starts_with(name, rule->prefix))
    {
        return 0;
    }

    return 2 + rule->prefix.len;
}


policy_rule_t
policy_lookup(const policy_account_t *account, view_t container, view_t name)
{
    policy_rule_t ret = {
        .write = WRITE_BACK,
        .conflict = CONFLICT_KEEP_BOTH,
        .fresh_ms = DEFAULT_FRESH_MS,
        .ordered = 1,
    };
    size_t write = 0, conflict = 0, fresh = 0, ordered = 0;

    for (unsigned i = 0; i < account->nrules; i++) {
        const policy_rule_t *r = &account->rules[i];
        size_t fit = rule_fit(r, container, name);

        if (r->write != WRITE_UNSET && fit > write) {
            ret.write = r->write;
            write = fit;
        }

        if (r->conflict != CONFLICT_UNSET && fit > conflict) {
            ret.conflict = r->conflict;
            conflict = fit;
        }

        if (r->fresh_ms >= 0 && fit > fresh) {
            ret.fresh_ms = r->fresh_ms;
            fresh = fit;
        }

        if (r->ordered >= 0 && fit > ordered) {
            ret.ordered = r->ordered;
            ordered = fit;
        }
    }

    return ret;
}


/* Text -------------------------------------------------------------------*/

static void
put_value(writer_t *w, view_t v)
{
    for (size_t i = 0; i < v.len; i++) {
        uint8_t c = v.ptr[i];

        if (c <= 0x20 || c >= 0x7F || c == '%') {
            writer_putc(w, '%');
            writer_put_hex(w, c, 2);

        } else {
            writer_putc(w, c);
        }
    }
}


static void
put_setting(writer_t *w, const char *key, view_t value)
{
    if (value.len != 0) {
        writer_puts(w, key);
        writer_putc(w, ' ');
        put_value(w, value);
        writer_putc(w, '\n');
    }
}


static void
put_number(writer_t *w, const char *key, uint64_t n)
{
    writer_puts(w, key);
    writer_putc(w, ' ');
    writer_put_u64(w, n);
    writer_putc(w, '\n');
}


static void
put_word(writer_t *w, const char *indent, const char *key, const word_t *words,
         int value)
{
    for (; words->text != NULL; words++) {
        if (words->value == value) {
            writer_puts(w, indent);
            writer_puts(w, key);
            writer_putc(w, ' ');
            writer_puts(w, words->text);
            writer_putc(w, '\n');
        }
    }
}


static void
put_rule(writer_t *w, const policy_rule_t *r)
{
    const char *indent = "  ";

    if (r->container.ptr != NULL) {
        indent = "    ";
        writer_puts(w, r->prefix.ptr == NULL ? "  container " : "  prefix ");
        put_value(w, r->container);

        if (r->prefix.ptr != NULL) {
            writer_putc(w, '/');
            put_value(w, r->prefix);
        }

        writer_putc(w, '\n');
    }

    put_word(w, indent, "write", write_words, (int) r->write);
    put_word(w, indent, "conflict", conflict_words, (int) r->conflict);
    put_word(w, indent, "order", order_words, r->ordered);

    if (r->fresh_ms >= 0) {
        writer_puts(w, indent);
        put_number(w, "fresh_ms", (uint64_t) r->fresh_ms);
    }
}


void
policy_format(writer_t *w, const policy_t *policy)
{
    writer_puts(w, POLICY_MAGIC "\n");
    put_number(w, "size", policy->size_bytes);
    put_number(w, "dirty", policy->dirty_bytes);
    put_number(w, "keep_clean_ms", policy->keep_clean_ms);

    for (unsigned i = 0; i < policy->naccounts; i++) {
        const policy_account_t *a = &policy->accounts[i];

        put_setting(w, "account", a->name);

        for (unsigned k = 0; k < a->nkeys; k++) {
            put_setting(w, "  key", a->keys[k]);
        }

        put_setting(w, "  origin", a->origin);
        put_setting(w, "  origin_account", a->origin_account);
        put_setting(w, "  origin_key", a->origin_key);
        put_setting(w, "  origin_sas", a->origin_sas);

        for (unsigned k = 0; k < a->nsources; k++) {
            put_setting(w, "  copy_source", a->sources[k]);
        }

        for (unsigned k = 0; k < a->nrules; k++) {
            put_rule(w, &a->rules[k]);
        }
    }
}


/* What policy_parse stands at: the account and rule that a line is about. */
typedef struct parser_s {
    policy_t *policy;
    uint8_t *strings; /* decoded values; as large as the text */
    size_t used;
    policy_account_t *account;
    const char *wrong; /* what is wrong with the line, or NULL */
    tier_rc_t rc;
} parser_t;

typedef void (*setting_fn)(parser_t *p, view_t value);


static void
refuse(parser_t *p, tier_rc_t rc, const char *why)
{
    p->rc = rc;
    p->wrong = why;
}


/* realloc of an array by one zeroed element; NULL after a failure. */
static void *
array_push(parser_t *p, void **array, unsigned *n, size_t size)
{
    uint8_t *grown = realloc(*array, (*n + 1) * size);

    if (grown == NULL) {
        refuse(p, TIER_ENOMEM, "no memory");
        return NULL;
    }

    *array = grown;
    grown += (*n)++ * size;
    memset(grown, 0, size);
    return grown;
}


static policy_rule_t *
push_rule(parser_t *p)
{
    void *rules = p->account->rules;
    policy_rule_t *r =
        array_push(p, &rules, &p->account->nrules, sizeof(policy_rule_t));

    p->account->rules = rules;

    if (r != NULL) {
        r->fresh_ms = -1;
        r->ordered = -1;
    }

    return r;
}


static policy_rule_t *
open_rule(parser_t *p)
{
    return &p->account->rules[p->account->nrules - 1];
}


static void
set_account(parser_t *p, view_t value)
{
    void *accounts = p->policy->accounts;

    if (policy_account(p->policy, value) != NULL) {
        refuse(p, TIER_EINVAL, "the account is there twice");
        return;
    }

    p->account = array_push(p, &accounts, &p->policy->naccounts,
                            sizeof(policy_account_t));
    p->policy->accounts = accounts;

    if (p->account != NULL) {
        p->account->name = value;
        (void) push_rule(p);
    }
}


static void
set_key(parser_t *p, view_t value)
{
    if (p->account->nkeys == POLICY_KEYS_MAX) {
        refuse(p, TIER_EINVAL, "an account has two keys at most");
        return;
    }

    p->account->keys[p->account->nkeys++] = value;
}


static void
set_origin(parser_t *p, view_t value)
{
    p->account->origin = value;
}


static void
set_origin_account(parser_t *p, view_t value)
{
    p->account->origin_account = value;
}


static void
set_origin_key(parser_t *p, view_t value)
{
    p->account->origin_key = value;
}


static void
set_origin_sas(parser_t *p, view_t value)
{
    p->account->origin_sas = value;
}


static void
set_copy_source(parser_t *p, view_t value)
{
    void *sources = p->account->sources;
    source_rule_t rule;
    const char *why;
    view_t *slot;

    if (!source_rule_parse(value, &rule, &why)) {
        refuse(p, TIER_EINVAL, why);
        return;
    }

    slot = array_push(p, &sources, &p->account->nsources, sizeof(view_t));
    p->account->sources = sources;

    if (slot != NULL) {
        *slot = value;
    }
}


static void
set_container(parser_t *p, view_t value)
{
    policy_rule_t *r = push_rule(p);

    if (r != NULL) {
        r->container = value;
    }
}


static void
set_prefix(parser_t *p, view_t value)
{
    size_t slash = view_find(value, '/', 0);

    if (slash == 0 || slash == value.len) {
        refuse(p, TIER_EINVAL, "a prefix is CONTAINER/NAMEPREFIX");
        return;
    }

    policy_rule_t *r = push_rule(p);

    if (r != NULL) {
        r->container = view_sub(value, 0, slash);
        r->prefix = view_sub(value, slash + 1, value.len);
    }
}


static int
get_word(parser_t *p, const word_t *words, view_t value)
{
    for (; words->text != NULL; words++) {
        if (view_eq(value, view_str(words->text))) {
            return words->value;
        }
    }

    refuse(p, TIER_EINVAL, "unknown value");
    return 0;
}


static uint64_t
get_number(parser_t *p, view_t value)
{
    uint64_t n = 0;

    if (!view_to_u64(value, &n) || n > INT64_MAX) {
        refuse(p, TIER_EINVAL, "not a number");
    }

    return n;
}


static void
set_write(parser_t *p, view_t value)
{
    open_rule(p)->write = (write_mode_t) get_word(p, write_words, value);
}


static void
set_conflict(parser_t *p, view_t value)
{
    open_rule(p)->conflict =
        (conflict_rule_t) get_word(p, conflict_words, value);
}


static void
set_order(parser_t *p, view_t value)
{
    open_rule(p)->ordered = (int8_t) get_word(p, order_words, value);
}


static void
set_fresh(parser_t *p, view_t value)
{
    open_rule(p)->fresh_ms = (int64_t) get_number(p, value);
}


static void
set_size(parser_t *p, view_t value)
{
    p->policy->size_bytes = get_number(p, value);
}


static void
set_dirty(parser_t *p, view_t value)
{
    p->policy->dirty_bytes = get_number(p, value);
}


static void
set_keep_clean(parser_t *p, view_t value)
{
    p->policy->keep_clean_ms = get_number(p, value);
}


typedef enum { OF_STORE = 0, OF_ACCOUNT, OF_RULE } place_t;

static const struct {
    const char *key;
    place_t place;
    setting_fn set;
} settings[] = {
    { "size", OF_STORE, set_size },
    { "dirty", OF_STORE, set_dirty },
    { "keep_clean_ms", OF_STORE, set_keep_clean },
    { "account", OF_STORE, set_account },
    { "key", OF_ACCOUNT, set_key },
    { "origin", OF_ACCOUNT, set_origin },
    { "origin_account", OF_ACCOUNT, set_origin_account },
    { "origin_key", OF_ACCOUNT, set_origin_key },
    { "origin_sas", OF_ACCOUNT, set_origin_sas },
    { "copy_source", OF_ACCOUNT, set_copy_source },
    { "container", OF_ACCOUNT, set_container },
    { "prefix", OF_ACCOUNT, set_prefix },
    { "write", OF_RULE, set_write },
    { "conflict", OF_RULE, set_conflict },
    { "order", OF_RULE, set_order },
    { "fresh_ms", OF_RULE, set_fresh },
};


static int
hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}


/* A copy of the value in p->strings, escapes undone. */
static view_t
take_value(parser_t *p, view_t v)
{
    uint8_t *out = p->strings + p->used;
    size_t len = 0;

    for (size_t i = 0; i < v.len; i++) {
        uint8_t c = v.ptr[i];

        if (c == '%') {
            int hi = i + 2 < v.len ? hex_value(v.ptr[i + 1]) : -1;
            int lo = i + 2 < v.len ? hex_value(v.ptr[i + 2]) : -1;

            if (hi < 0 || lo < 0) {
                refuse(p, TIER_EINVAL, "a broken escape");
                return VIEW_NULL;
            }

            c = (uint8_t) (hi << 4 | lo);
            i += 2;
        }

        out[len++] = c;
    }

    p->used += len;
    return view_of(out, len);
}


static void
parse_line(parser_t *p, view_t line)
{
    size_t space = view_find(line, ' ', 0);
    view_t key = view_sub(line, 0, space);
    view_t raw = view_sub(line, space + 1, line.len);

    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        if (!view_eq(key, view_str(settings[i].key))) {
            continue;
        }

        if (raw.len == 0) {
            refuse(p, TIER_EINVAL, "a value is missing");
            return;
        }

        if (settings[i].place != OF_STORE && p->account == NULL) {
            refuse(p, TIER_EINVAL, "it stands before the first account");
            return;
        }

        view_t value = take_value(p, raw);

        if (p->rc == TIER_OK) {
            settings[i].set(p, value);
        }

        return;
    }

    refuse(p, TIER_EINVAL, "unknown setting");
}


static void
put_refusal(writer_t *err, unsigned line, const char *why)
{
    writer_puts(err, "line ");
    writer_put_u64(err, line);
    writer_puts(err, ": ");
    writer_puts(err, why);
}


static tier_rc_t
parse_text(parser_t *p, view_t text, writer_t *err)
{
    unsigned number = 0;

    for (size_t from = 0; from < text.len;) {
        size_t to = view_find(text, '\n', from);
        view_t line = view_trim(view_sub(text, from, to - from));

        number++;
        from = to + 1;

        if (number == 1) {
            if (!view_eq(line, VIEW(POLICY_MAGIC))) {
                put_refusal(err, 1,
                            "not a policy of this version: reload nginx with "
                            "the module that belongs to this program");
                return TIER_EVERSION;
            }

        } else if (line.len != 0) {
            parse_line(p, line);
        }

        if (p->rc != TIER_OK) {
            put_refusal(err, number, p->wrong);
            return p->rc;
        }
    }

    if (number == 0) {
        put_refusal(err, 1, "the policy is empty");
        return TIER_EINVAL;
    }

    return TIER_OK;
}


tier_rc_t
policy_parse(view_t text, policy_t *ret, writer_t *err)
{
    policy_t policy = { 0 };
    parser_t p = { .policy = &policy };
    tier_rc_t rc;

    policy.memory_len = text.len + 1;
    policy.memory = malloc(policy.memory_len);

    if (policy.memory == NULL) {
        put_refusal(err, 1, "no memory");
        return TIER_ENOMEM;
    }

    p.strings = policy.memory;
    rc = parse_text(&p, text, err);

    if (rc != TIER_OK) {
        policy_free(&policy);
        return rc;
    }

    *ret = policy;
    return TIER_OK;
}


void
policy_free(policy_t *policy)
{
    for (unsigned i = 0; i < policy->naccounts; i++) {
        free(policy->accounts[i].rules);
        free(policy->accounts[i].sources);
    }

    free(policy->accounts);

    /* account keys may be among them */
    if (policy->memory != NULL) {
        explicit_bzero(policy->memory, policy->memory_len);
    }

    free(policy->memory);
    *policy = (policy_t){ 0 };
}
