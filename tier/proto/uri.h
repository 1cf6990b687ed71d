#ifndef PROTO_URI_H
#define PROTO_URI_H

#include "base/view.h"
#include "base/writer.h"
#include "proto/error.h"

/*
 * A request target as on the wire, taken apart. Nothing is merged or
 * resolved before we decide: the signature covers the raw path.
 * Views point into the target or into `scratch`.
 */
#define PROTO_PARAMS_MAX         64
#define PROTO_BLOB_NAME_UNITS    1024 /* UTF-16 code units */
#define PROTO_BLOB_NAME_SEGMENTS 254
#define PROTO_CONTAINER_NAME_MIN 3
#define PROTO_CONTAINER_NAME_MAX 63

typedef enum {
    PROTO_URI_AUTO = 0, /* IP literal or localhost: path style, else host */
    PROTO_URI_PATH,     /* /account/container/blob */
    PROTO_URI_HOST,     /* account.anything, /container/blob */
    PROTO_URI_FIXED     /* /container/blob, the account is the opts' */
} proto_uri_style_t;

typedef struct proto_uri_opts_s {
    proto_uri_style_t style;
    view_t account; /* the location's, or null: any */
} proto_uri_opts_t;

typedef struct proto_param_s {
    view_t name;      /* decoded; case as sent */
    view_t value;     /* decoded, + as space; empty if there was no `=` */
    view_t raw_value; /* as on the wire */
} proto_param_t;

/* Parameters that the protocol names; a position in proto_uri_t.known. */
typedef enum {
    PROTO_PARAM_RESTYPE = 0,
    PROTO_PARAM_COMP,
    PROTO_PARAM_SNAPSHOT,
    PROTO_PARAM_VERSIONID,
    PROTO_PARAM_BLOCKID,
    PROTO_PARAM_BLOCKLISTTYPE,
    PROTO_PARAM_PREFIX,
    PROTO_PARAM_DELIMITER,
    PROTO_PARAM_MARKER,
    PROTO_PARAM_MAXRESULTS,
    PROTO_PARAM_INCLUDE,
    PROTO_PARAM_TIMEOUT,
    PROTO_PARAM_COPYID,
    PROTO_PARAM_WHERE,
    PROTO_PARAM_DELETETYPE,
    PROTO_PARAM_API_VERSION,
    PROTO_PARAM_STARTFROM,
    PROTO_PARAM_ENDBEFORE,
    PROTO_PARAM_SHOWONLY,
    PROTO_PARAM_PREVSNAPSHOT,
    PROTO_PARAM_COUNT
} proto_param_id_t;

typedef struct proto_uri_s {
    view_t raw_path;  /* without the query, from the first slash */
    view_t raw_query; /* without the question mark */
    view_t account;   /* without -secondary */
    bool secondary;
    bool path_style;
    view_t raw_resource; /* raw path after the account: /container/blob */
    view_t container;    /* decoded; empty: the account */
    view_t blob;         /* decoded; empty: the container */
    unsigned nparams;
    proto_param_t params[PROTO_PARAMS_MAX];
    view_t known[PROTO_PARAM_COUNT]; /* decoded value; null: absent */
} proto_uri_t;

static inline view_t
proto_uri_param(const proto_uri_t *uri, proto_param_id_t id)
{
    return uri->known[id];
}

/* PROTO_OK or what to answer. `host` is the Host header's value. Container
 * and blob names are checked here (blob-api 2.10, 4.1); segments that end in
 * a dot and backslashes in a blob's name are refused with InvalidUri, since
 * what the origin makes of them must not differ from what was authorised.
 * A known parameter that is given twice, `include` apart, is refused with
 * InvalidQueryParameterValue for the same reason.
 * A path of one segment without restype is a blob of $root. `scratch` has a
 * fixed buffer; twice the target's length is enough. */
proto_err_t proto_uri_parse(view_t target, view_t host,
                            const proto_uri_opts_t *opts, writer_t *scratch,
                            proto_uri_t *ret, proto_fault_t *fault);

/* Percent-decoding once; false for a broken escape or a NUL. */
bool proto_uri_decode(view_t raw, bool plus_is_space, writer_t *scratch,
                      view_t *ret);
/* Percent-encodes all but unreserved characters and, if told, `/`. */
void proto_uri_encode(writer_t *w, view_t v, bool keep_slash);

/* What PROTO_URI_AUTO takes such a Host for. */
bool proto_uri_host_is_path(view_t host);

/* `name` is a valid container name, $root, $web, $logs or
 * $blobchangefeed. */
proto_err_t proto_container_name_check(view_t name, proto_fault_t *fault);
proto_err_t proto_blob_name_check(view_t name, proto_fault_t *fault);

#endif
