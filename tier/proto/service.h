#ifndef PROTO_SERVICE_H
#define PROTO_SERVICE_H

#include "base/view.h"
#include "base/writer.h"
#include "proto/cors.h"
#include "proto/error.h"

/*
 * The properties of an account's Blob service (REST: "Set Blob Service
 * Properties"). Kept are the CORS rules and the default version. The rest
 * (logging, metrics, soft delete, a static website) is understood and checked,
 * and may only be off: UnsupportedXmlNode for whoever turns it on.
 */
#define PROTO_SERVICE_TEXT_MAX (16 * 1024) /* room that a document fits in */

typedef struct proto_service_s {
    proto_cors_t cors;
    view_t default_version; /* null: none */
} proto_service_t;

/* What proto_service_document wrote; an empty view has nothing. The
 * sections in it replace those of *ret, the others stay. Texts point into xml
 * or scratch (fixed, as long as xml). InvalidXmlDocument, InvalidXmlNodeValue,
 * MissingRequiredXmlNode, UnsupportedXmlNode; *ret is then half changed. */
proto_err_t proto_service_read(view_t xml, writer_t *scratch,
                               proto_service_t *ret, proto_fault_t *fault);

/* The body of Set Blob Service Properties, which is not empty. */
proto_err_t proto_service_body(view_t xml, writer_t *scratch,
                               proto_service_t *ret, proto_fault_t *fault);

/* The rules alone, of another service's answer to Get Blob Service
 * Properties, whatever else it says; the errors of proto_service_read. */
proto_err_t proto_service_cors(view_t xml, writer_t *scratch,
                               proto_cors_t *ret, proto_fault_t *fault);

/* What Get Blob Service Properties says, and the form in which it is kept. */
void proto_service_document(writer_t *w, const proto_service_t *service);

#endif
