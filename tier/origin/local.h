#ifndef ORIGIN_LOCAL_H
#define ORIGIN_LOCAL_H

#include "base/rc.h"
#include "base/writer.h"

/*
 * One request to an HTTP server on a unix socket: what the verbs of blob-tier
 * say to its daemon. Blocks. TIER_NOT_FOUND: nobody listens there.
 */
TIER_MUST_CHECK tier_rc_t origin_local_request(const char *socket_path,
                                               const char *method,
                                               const char *target,
                                               long timeout_s, writer_t *body,
                                               unsigned *ret_status);

#endif
