#ifndef PROTO_XML_OUT_H
#define PROTO_XML_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/props.h"
#include "base/view.h"
#include "base/writer.h"
#include "proto/xml_in.h"

/*
 * Response bodies in XML, piece by piece into a writer, so that a listing is
 * written as it is scanned. All content is escaped here. Names that XML
 * cannot carry are written percent-encoded with Encoded="true" (REST: "List
 * Blobs", 2021-02-12).
 */

/* ---- listings ----------------------------------------------------------- */

/* What was asked, echoed; null: was not sent. */
typedef struct proto_list_s {
    view_t endpoint;  /* https://account.blob.../ or http://host/account/ */
    view_t container; /* List Blobs only */
    view_t prefix;
    view_t marker;
    view_t delimiter;
    uint64_t max_results; /* 0: was not sent */
} proto_list_t;

/* An entry as an origin wrote it, but for its name and for the elements that
 * say when and which version it is: XML, put down as it is. */
typedef struct proto_list_said_s {
    view_t before; /* between Name and Properties */
    view_t props;  /* in Properties, less Creation-Time, Last-Modified, Etag */
    view_t after;  /* Metadata, Tags, ... */
    bool copy;     /* props has a copy in it */
} proto_list_said_t;

typedef struct proto_list_blob_s {
    view_t name;
    const blob_props_t *props; /* length 0 and no ETag if uncommitted */
    uint64_t snapshot;         /* its time (proto/date.h); 0: a base blob */
    bool uncommitted;          /* only blocks so far */
    bool metadata;             /* include=metadata */
    bool tags;                 /* include=tags */
    bool copy;                 /* include=copy */
    /* Not null: of `props` only the times and the ETag are used, as far as
     * there are any, and with `copy` the copy that the origin knows not of. */
    const proto_list_said_t *said;
} proto_list_blob_t;

void proto_xml_blobs_begin(writer_t *w, const proto_list_t *list);
void proto_xml_blob(writer_t *w, const proto_list_blob_t *blob);
void proto_xml_blob_prefix(writer_t *w, view_t prefix);
/* next_marker empty: the listing is at its end. */
void proto_xml_blobs_end(writer_t *w, view_t next_marker);

void proto_xml_containers_begin(writer_t *w, const proto_list_t *list);
void proto_xml_container(writer_t *w, view_t name,
                         const container_props_t *props, bool metadata);
void proto_xml_containers_end(writer_t *w, view_t next_marker);

/* Opaque markers around a name and, in the middle of a blob's snapshots, the
 * time of one: what follows it exclusively. */
void proto_marker_format(writer_t *w, view_t name, uint64_t snapshot);
/* False: not one of ours (InvalidQueryParameterValue). Null or empty gives
 * an empty name. */
bool proto_marker_parse(view_t marker, writer_t *scratch, view_t *ret,
                        uint64_t *ret_snapshot);

/* ---- Find Blobs by Tags ------------------------------------------------- */

/* Ends with proto_xml_blobs_end. `tags`: packed, those that were asked for. */
void proto_xml_found_begin(writer_t *w, view_t endpoint, view_t where);
void proto_xml_found(writer_t *w, view_t name, view_t container, view_t tags);

/* ---- Get Block List ----------------------------------------------------- */

void proto_xml_block_list_begin(writer_t *w);
/* A section, then its blocks, then its end. */
void proto_xml_blocks_begin(writer_t *w, bool committed);
void proto_xml_block(writer_t *w, view_t id, uint64_t size); /* id: decoded */
void proto_xml_blocks_end(writer_t *w, bool committed);
void proto_xml_block_list_end(writer_t *w);

/* ---- the rest ----------------------------------------------------------- */

/* Get Container ACL, and the form in which an ACL is stored. */
void proto_xml_policies_put(writer_t *w, const proto_policy_t *policies,
                            unsigned n);

/* Text content: markup escaped. */
void proto_xml_text(writer_t *w, view_t v);

/* An origin's listing with our endpoint in it. */
void proto_xml_endpoint(writer_t *w, view_t xml, view_t endpoint);
/* An origin's Get Block List with `uncommitted`, a section as
 * proto_xml_blocks_begin and _end write it, in place of its own. */
void proto_xml_block_list_merge(writer_t *w, view_t xml, view_t uncommitted);

#endif
