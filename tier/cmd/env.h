#ifndef CMD_ENV_H
#define CMD_ENV_H

#include "cmd/daemon.h"
#include "sync/carry.h"

/* What carrying and staging need of this process: a reader, a connection to
 * the origin for each lane. For one thread at a time, and its lanes. */
typedef struct env_s {
    daemon_t *d;
    store_reader_t *reader;
    origin_conn_t *conn[DAEMON_LANES];
    const origin_t *origin; /* the caller's, before it is used */
} env_t;

TIER_MUST_CHECK tier_rc_t env_open(env_t *env, daemon_t *d);
void env_close(env_t *env);
/* Good as long as env is. */
sync_env_t env_sync(env_t *env);

#endif
