#ifndef PROTO_DATE_H
#define PROTO_DATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/view.h"
#include "base/writer.h"

/* RFC 9110 section 5.6.7 dates ("Sun, 06 Nov 1994 08:49:37 GMT") and the
 * ISO 8601 forms that SAS and XML use. Times are Unix seconds, UTC. */
#define PROTO_DATE_RFC1123_LEN 29

void proto_date_rfc1123(writer_t *w, int64_t t_s);
/* 2026-01-02T03:04:05.0000000Z, as Azure writes it */
void proto_date_iso8601(writer_t *w, int64_t t_s);
/* Also accepts the RFC 850 and asctime forms; false if malformed. */
bool proto_date_parse_http(view_t v, int64_t *ret_s);
/* YYYY-MM-DD, ..THH:MMZ, ..THH:MM:SSZ, with up to 7 fraction digits, or an
 * offset +HH:MM; false if malformed. */
bool proto_date_parse_iso8601(view_t v, int64_t *ret_s);
/* 2026-01-02T03:04:05.1234567Z, for a time in 100 ns since the year 1. */
#define PROTO_DATE_TICKS_LEN 28
void proto_date_ticks(writer_t *w, uint64_t ticks);
/* Exactly that form, but the fraction may be shorter; false if malformed. */
bool proto_date_parse_ticks(view_t v, uint64_t *ret);
/* YYYY-MM-DD as yyyymmdd, 0 if malformed: versions compare as numbers. */
uint32_t proto_version_parse(view_t v);

#endif
