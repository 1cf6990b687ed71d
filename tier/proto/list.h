#ifndef PROTO_LIST_H
#define PROTO_LIST_H

#include "base/writer.h"
#include "proto/error.h"
#include "proto/uri.h"
#include "proto/xml_out.h"

/*
 * Query parameters of listings (REST: "List Blobs", "List Containers", "Get
 * Block List"), and how a delimiter folds names.
 */
#define PROTO_LIST_MAX 5000

typedef struct proto_list_opts_s {
    proto_list_t echo; /* as sent, for the document; endpoint not set */
    view_t prefix;
    view_t delimiter;
    view_t first;      /* startFrom: no name below it */
    view_t before;     /* endBefore: names below it alone */
    view_t after;      /* the marker's name; empty: from the beginning */
    bool after_too;    /* it is startFrom's: the name itself, too */
    bool after_prefix; /* it stands for all names that begin with it */
    unsigned max;
    bool metadata;
    bool tags;
    bool uncommitted;
    bool copy;
    bool snapshots;
    uint64_t after_snapshot; /* of `after`; 0: the marker is past it */
} proto_list_opts_t;

/* The marker's name goes to scratch. InvalidQueryParameterValue for what is
 * not known (include=permissions, showonly: a flat account), OutOfRange... for
 * maxresults=0. Includes that add nothing here are accepted.
 *
 * startFrom is inclusive, endBefore exclusive (the SDKs' reference); both are
 * whole names, and hold with a marker, too. With a delimiter they are of one
 * level: a value that goes on after the first delimiter is refused. */
proto_err_t proto_list_parse(const proto_uri_t *uri, writer_t *scratch,
                             proto_list_opts_t *ret, proto_fault_t *fault);

/* All but the marker, for a listing whose marker is not ours to read: an
 * edge's answers do not depend on where the names are. */
proto_err_t proto_list_check(const proto_uri_t *uri, proto_fault_t *fault);

/* include has metadata, and nothing that is refused. */
bool proto_list_includes_metadata(const proto_uri_t *uri);

/* A name of the listing: true and the prefix that stands for it, delimiter
 * included, when the delimiter follows the asked prefix in it. */
bool proto_list_fold(const proto_list_opts_t *opts, view_t name,
                     view_t *ret_prefix);

/* blocklisttype: committed unless told. */
proto_err_t proto_block_list_type(const proto_uri_t *uri, bool *ret_committed,
                                  bool *ret_uncommitted, proto_fault_t *fault);

#endif
