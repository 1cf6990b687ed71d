#ifndef PROTO_CONTAINERS_H
#define PROTO_CONTAINERS_H

#include <stdbool.h>

#include "base/view.h"
#include "base/writer.h"
#include "proto/uri.h"

/*
 * List Containers of an origin (REST: "List Containers") with those containers
 * in it that were made here and that the origin is still to be told of.
 *
 * A page of the origin covers the names between where it begins and its last
 * one. An origin's marker does not say the first of them: markers that are
 * given out here carry it.
 *
 *     edge!NAME!MARKER    NAME was the last given, MARKER is the origin's, of
 *                         the page that goes on after it or begins there
 */
typedef struct proto_containers_s {
    view_t prefix;
    view_t marker; /* the origin's, to be asked with; empty: first page */
    view_t last;   /* names up to it were given; empty: none */
    bool blind;    /* an origin's own marker: where it begins is not known */
    bool metadata; /* include=metadata */
    unsigned max;  /* 1..5000; what cannot be read is the origin's to refuse */
} proto_containers_t;

/* One of ours, in the order of names. */
typedef struct proto_pending_s {
    view_t name;
    view_t xml; /* its element (proto_xml_container) */
} proto_pending_t;

/* Views point into the URI. */
void proto_containers_parse(const proto_uri_t *uri, proto_containers_t *ret);

/* The request's query, undecoded, with the origin's marker in place of its
 * own. `scratch` has room for it. */
void proto_containers_query(writer_t *w, view_t query,
                            const proto_containers_t *ask, writer_t *scratch);

/* The origin's document with ours in it. One that is there already is the
 * origin's. No more than `max`, but that those of one name (deleted ones) stay
 * together. A document that cannot be read stays as it is. */
void proto_containers_merge(writer_t *w, view_t xml,
                            const proto_containers_t *ask,
                            const proto_pending_t *ours, unsigned n);

#endif
