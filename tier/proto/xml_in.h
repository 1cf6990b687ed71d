#ifndef PROTO_XML_IN_H
#define PROTO_XML_IN_H

#include <stdbool.h>

#include "base/view.h"
#include "base/writer.h"
#include "proto/error.h"

/*
 * Request bodies in XML: a pull parser over one view, without DTDs and with
 * no entities but the five of XML and character references. Namespaces and
 * attributes are skipped over.
 */
#define PROTO_XML_DEPTH_MAX 16

typedef enum {
    PROTO_XML_BAD = 0, /* not well-formed, too deep, a DTD */
    PROTO_XML_START,   /* name */
    PROTO_XML_TEXT,    /* text: raw, entities not resolved; maybe only space */
    PROTO_XML_END,     /* name */
    PROTO_XML_DONE     /* the root ended and nothing follows */
} proto_xml_event_t;

typedef struct proto_xml_s {
    view_t in;
    size_t pos;
    unsigned depth;
    view_t open[PROTO_XML_DEPTH_MAX]; /* qualified names */
    bool empty;                       /* <x/>: its end is due */
    bool rooted;
    bool cdata;  /* the text is literal */
    view_t name; /* without a prefix */
    view_t text;
} proto_xml_t;

void proto_xml_init(proto_xml_t *x, view_t in);
proto_xml_event_t proto_xml_next(proto_xml_t *x);
/* After START: all text up to its END, entities resolved, trimmed, into
 * `w` (or, without entities, a view of the input). False: bad, or an element
 * is in it. */
bool proto_xml_content(proto_xml_t *x, writer_t *scratch, view_t *ret);
/* The same, spaces at its ends kept. */
bool proto_xml_content_whole(proto_xml_t *x, writer_t *scratch, view_t *ret);
/* The next child of the element that is open: START, END of that element, or
 * BAD; text between children has to be space. */
proto_xml_event_t proto_xml_child(proto_xml_t *x);
/* After START: up to and with its END. */
bool proto_xml_skip(proto_xml_t *x);

/* ---- Put Block List ---------------------------------------------------- */

#define PROTO_BLOCKS_MAX 50000

typedef enum {
    PROTO_BLOCK_LATEST = 0,
    PROTO_BLOCK_COMMITTED,
    PROTO_BLOCK_UNCOMMITTED
} proto_block_which_t;

/* `id` is decoded and lives only for the call; non-PROTO_OK ends the walk. */
typedef proto_err_t (*proto_block_fn)(void *ctx, proto_block_which_t which,
                                      view_t id);

/* InvalidXmlDocument, InvalidXmlNodeValue, InvalidBlockId, BlockListTooLong,
 * or what `fn` returned. Cheap: one pass, no memory. With fn NULL it only
 * counts. */
proto_err_t proto_xml_block_list(view_t body, proto_block_fn fn, void *ctx,
                                 unsigned *ret_count, proto_fault_t *fault);

/* ---- Set Container ACL, stored access policies -------------------------- */

#define PROTO_POLICIES_MAX 5

typedef struct proto_policy_s {
    view_t id; /* up to 64 characters */
    view_t start;
    view_t expiry;
    view_t permission; /* null: not in the policy */
} proto_policy_t;

/* Reads SignedIdentifiers; an empty view has none. Texts go to `scratch`
 * (fixed) where they are not verbatim in the input. */
proto_err_t proto_xml_policies(view_t xml, writer_t *scratch,
                               proto_policy_t ret[PROTO_POLICIES_MAX],
                               unsigned *ret_n, proto_fault_t *fault);

#endif
