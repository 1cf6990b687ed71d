#ifndef PROTO_TAGS_H
#define PROTO_TAGS_H

#include <stdbool.h>

#include "base/props.h"
#include "base/view.h"
#include "base/writer.h"
#include "proto/error.h"
#include "proto/headers.h"

/*
 * Blob index tags (REST: "Set Blob Tags", "Find Blobs by Tags", "Specifying
 * conditional headers for Blob service operations"): what clients send and
 * are sent, and the language in which they ask about them.
 *
 * Tags are kept as packed pairs (base/props.h), in the order in which they
 * were set: 10 at most, keys of 1 to 128 and values of 0 to 256 characters,
 * letters, digits, space and + - . / : = _ only.
 */
#define PROTO_TAGS_MAX      10
#define PROTO_TAG_KEY_MAX   128
#define PROTO_TAG_VALUE_MAX 256
/* room that any set of them fits in, packed */
#define PROTO_TAGS_PACKED_MAX                                                 \
    (PROTO_TAGS_MAX * (4 + PROTO_TAG_KEY_MAX + PROTO_TAG_VALUE_MAX))

/* ---- in ------------------------------------------------------------------
 */

/* x-ms-tags, form-urlencoded; null or empty: none. The packed pairs go to
 * scratch (fixed, PROTO_TAGS_PACKED_MAX). EmptyTagName, DuplicateTagNames,
 * TagsTooLarge, InvalidTag; InvalidHeaderValue for what is no form. */
proto_err_t proto_tags_header(view_t value, writer_t *scratch, view_t *ret,
                              proto_fault_t *fault);
/* The body of Set Blob Tags, as above; InvalidXmlDocument,
 * MissingRequiredXmlNode for what is no Tags document. */
proto_err_t proto_tags_xml(view_t body, writer_t *scratch, view_t *ret,
                           proto_fault_t *fault);
/* What a write that makes a whole version stores: x-ms-tags into `tags` and
 * `tag_count`. For Put Blob, Put Block List, copies and new append or page
 * blobs. */
proto_err_t proto_tags_props(const proto_headers_t *headers, writer_t *scratch,
                             blob_props_t *props, proto_fault_t *fault);

/* ---- out -----------------------------------------------------------------
 */

/* The document of Get Blob Tags. */
void proto_tags_document(writer_t *w, view_t packed);
/* The same without a declaration, a part of another one. */
void proto_tags_element(writer_t *w, view_t packed);
/* The value of an x-ms-tags that means the same. */
void proto_tags_format(writer_t *w, view_t packed);

/* How many a client is told of: those here, else as the origin says. */
unsigned proto_tags_count(const blob_props_t *props);
/* False: the origin says that there are some, and not which. */
bool proto_tags_known(const blob_props_t *props);

/* ---- the language --------------------------------------------------------
 */

/*
 *     expr       = and *( "OR" and )           if-tags only
 *     and        = term *( "AND" term )
 *     term       = "(" expr ")"                if-tags only
 *                | key op "'" value "'"
 *                | "@container" "=" "'" name "'"   find only
 *     key        = DQUOTE tag DQUOTE | letter *( letter / digit / "_" )
 *     op         = "=" / ">" / ">=" / "<" / "<=" / "<>" (if-tags only)
 *
 * Words are taken in any case. Values compare as bytes. Of a tag that is not
 * set every comparison is false, but `<>`, which is the opposite of `=`.
 */
#define PROTO_TAGS_DEPTH_MAX 16
#define PROTO_TAGS_TERMS_MAX 64

typedef enum {
    PROTO_TAGS_IF = 0, /* x-ms-if-tags */
    PROTO_TAGS_FIND    /* where= */
} proto_tags_dialect_t;

/* Reads all of `expr` and says whether it is one; *ret_match is what it says
 * of a blob with these tags in this container. One pass, no memory: cheap
 * enough to be done anew for each record. */
bool proto_tags_match(proto_tags_dialect_t dialect, view_t expr, view_t packed,
                      view_t container, bool *ret_match);

/* where=: whether it is one at all. MissingRequiredQueryParameter,
 * InvalidQueryParameterValue. */
proto_err_t proto_tags_where_check(view_t where, proto_fault_t *fault);
/* x-ms-if-tags or another header of its kind: InvalidHeaderValue. Null or
 * empty: none. */
proto_err_t proto_tags_if_check(const char *name, view_t value,
                                proto_fault_t *fault);
/* Which of its tags an expression asks for: those that Find Blobs by Tags
 * shows. */
bool proto_tags_named(view_t expr, view_t key);

#endif
