#ifndef CMD_STAGING_H
#define CMD_STAGING_H

#include <microhttpd.h>

#include "cmd/daemon.h"

/*
 * POST /stage?account=NAME&container=NAME&blob=NAME on the control socket, the
 * body of a Put Block List as its body: what the list names of the blocks that
 * wait here is uploaded, so that the list can be forwarded. nginx has
 * authorised the request and holds the name's fence. 200, or the status and
 * x-ms-error-code to answer to the client; the text says why.
 */
enum MHD_Result staging_serve(daemon_t *d, struct MHD_Connection *conn,
                              view_t body);

#define STAGING_BODY_MAX (9u << 20) /* more than Put Block List may have */

#endif
