#ifndef ORIGIN_SIGN_H
#define ORIGIN_SIGN_H

#include "base/writer.h"
#include "proto/headers.h"

/*
 * SharedKey of our own requests (REST: "Authorize with Shared Key"). Headers
 * include x-ms-date and x-ms-version; at most ORIGIN_SIGN_HEADERS of them.
 * path: as it goes on the wire, account included in path style; query: as on
 * the wire. Writes `SharedKey ACCOUNT:SIGNATURE`.
 */
#define ORIGIN_SIGN_HEADERS 64

void origin_sign(writer_t *w, const char *method, view_t account, view_t key,
                 view_t path, view_t query, const proto_header_t *headers,
                 unsigned n, uint64_t content_length);

#endif
