#ifndef CMD_FETCHING_H
#define CMD_FETCHING_H

#include <microhttpd.h>
#include <stdio.h>

#include "cmd/daemon.h"
#include "origin/fetch.h"

/*
 * POST /fetch?account=NAME[&lake=NAME] on the control socket: the bytes of a
 * copy's source that is not here, by the rules of that account's
 * blob_copy_source, or from the origin of the account `lake`. nginx has
 * authorised the request and commits what it gets. In headers, since they are
 * secrets: x-source (the URL), x-source-authorization, x-source-range,
 * x-source-if-*.
 *
 * The answer's status is one of proto/fetched.h; headers of the source that
 * make properties and metadata are passed on, x-source-status is its status,
 * x-fetch-why what nginx's log is to say.
 */
enum MHD_Result fetching_serve(daemon_t *d, struct MHD_Connection *conn,
                               view_t account, view_t lake);

#endif
