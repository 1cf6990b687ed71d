#ifndef CMD_CONFIG_H
#define CMD_CONFIG_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/policy.h"
#include "origin/origin.h"

/*
 * The policy that nginx published in the store's folder, with an origin_t for
 * each account that has an origin. Counted: threads that carry a commit keep
 * the configuration they began with.
 */
typedef struct config_s {
    _Atomic unsigned refs;
    policy_t policy;
    origin_t **origins; /* by account; NULL: standalone */
    int64_t mtime_ns;   /* of the file it was read from */
} config_t;

/* TIER_NOT_FOUND: nothing published yet. Anything else was logged. */
TIER_MUST_CHECK tier_rc_t config_load(const char *store_dir,
                                      const tier_log_t *log, config_t **ret);
/* Whether the published policy has the account; what is wrong with it is
 * logged. */
bool config_names(const char *store_dir, const tier_log_t *log,
                  view_t account);
/* When the file was last written; 0: there is none. */
int64_t config_mtime_ns(const char *store_dir);
config_t *config_ref(config_t *config);
void config_unref(config_t *config);

const origin_t *config_origin(const config_t *config, view_t account);

#endif
