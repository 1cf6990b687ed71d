#ifndef BASE_POLICY_H
#define BASE_POLICY_H

#include <stdint.h>

#include "base/rc.h"
#include "base/view.h"
#include "base/writer.h"

/*
 * The effective accounts, origins and policies of one store. The module makes
 * it from nginx.conf and publishes it as the file `policy` in the store's
 * folder (by rename, mode 0600, secrets as file references or, when the
 * operator wrote them inline, inline); blob-tier reads it. Text, a line a
 * setting: `account NAME`, then `  key VALUE` lines, then nested `  container
 * NAME` and `  prefix CONTAINER/NAMEPREFIX` with their own; values are
 * percent-encoded where needed. First line `blob-edge-policy 1`.
 *
 * Policy hangs on account, container and prefix of the decoded name; the
 * longest match wins, each setting on its own.
 */
typedef enum {
    WRITE_UNSET = 0,
    WRITE_BACK,
    WRITE_THROUGH,
    WRITE_OFF
} write_mode_t;

typedef enum {
    CONFLICT_UNSET = 0,
    CONFLICT_KEEP_BOTH,
    CONFLICT_EDGE_WINS,
    CONFLICT_ORIGIN_WINS,
    CONFLICT_HOLD
} conflict_rule_t;

typedef struct policy_rule_s {
    view_t container; /* VIEW_NULL in the account's own rule */
    view_t prefix;    /* VIEW_NULL: the whole container */
    write_mode_t write;
    conflict_rule_t conflict;
    int64_t fresh_ms; /* -1 unset */
    int8_t ordered;   /* -1 unset, 0 `order none`, 1 by container */
} policy_rule_t;

#define POLICY_KEYS_MAX 2

typedef struct policy_account_s {
    view_t name;
    view_t keys[POLICY_KEYS_MAX]; /* base64 text, or file:PATH */
    unsigned nkeys;
    view_t origin; /* URL with the account in it if path style; null: none */
    view_t origin_account; /* account name to sign with at the origin */
    view_t origin_key;     /* base64 text, or file:PATH */
    view_t origin_sas;     /* query string, or file:PATH */
    view_t *sources;       /* rules of base/source.h, good ones */
    unsigned nsources;
    policy_rule_t *rules; /* rules[0] is the account's own */
    unsigned nrules;
} policy_account_t;

typedef struct policy_s {
    policy_account_t *accounts;
    unsigned naccounts;
    uint64_t size_bytes;  /* 0: no limit */
    uint64_t dirty_bytes; /* 0: no limit */
    uint64_t keep_clean_ms;
    void *memory; /* policy_parse's; NULL in one that was filled by hand */
    size_t memory_len;
} policy_t;

/* What holds for one blob: defaults filled in (back with an origin, fresh
 * 10 s, keep-both, ordered). */
policy_rule_t policy_lookup(const policy_account_t *account, view_t container,
                            view_t name);
const policy_account_t *policy_account(const policy_t *policy, view_t name);

void policy_format(writer_t *w, const policy_t *policy);
/* Copies everything it keeps; policy_free releases. On failure a message
 * with the line number is written to `err`. */
TIER_MUST_CHECK tier_rc_t policy_parse(view_t text, policy_t *ret,
                                       writer_t *err);
void policy_free(policy_t *policy);

#endif
