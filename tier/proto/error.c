#include "proto/date.h"
#include "proto/error.h"

static const proto_error_row_t rows[PROTO_ERR_COUNT] = {
    [PROTO_OK] = { "OK", 200, false, "OK" },
#define X(id, code, status, retryable, message)                               \
    [PROTO_ERR_##id] = { code, status, retryable, message },
    PROTO_ERRORS(X)
#undef X
};

/* Names of the two nodes that `name` and `value` become. */
typedef struct proto_nodes_s {
    proto_err_t err;
    const char *name;
    const char *value;
} proto_nodes_t;

static const proto_nodes_t nodes[] = {
    { PROTO_ERR_INVALID_HEADER_VALUE, "HeaderName", "HeaderValue" },
    { PROTO_ERR_MISSING_REQUIRED_HEADER, "HeaderName", "HeaderValue" },
    { PROTO_ERR_UNSUPPORTED_HEADER, "HeaderName", "HeaderValue" },
    { PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE, "QueryParameterName",
      "QueryParameterValue" },
    { PROTO_ERR_OUT_OF_RANGE_QUERY_PARAMETER_VALUE, "QueryParameterName",
      "QueryParameterValue" },
    { PROTO_ERR_MISSING_REQUIRED_QUERY_PARAMETER, "QueryParameterName",
      "QueryParameterValue" },
    { PROTO_ERR_UNSUPPORTED_QUERY_PARAMETER, "QueryParameterName",
      "QueryParameterValue" },
    { PROTO_ERR_INVALID_XML_NODE_VALUE, "XmlNodeName", "XmlNodeValue" },
    { PROTO_ERR_MISSING_REQUIRED_XML_NODE, "XmlNodeName", "XmlNodeValue" },
    { PROTO_ERR_UNSUPPORTED_XML_NODE, "XmlNodeName", "XmlNodeValue" },
    { PROTO_ERR_MD5_MISMATCH, "UserSpecifiedMd5", "ServerCalculatedMd5" },
    { PROTO_ERR_CRC64_MISMATCH, "UserSpecifiedCrc64",
      "ServerCalculatedCrc64" },
    { PROTO_ERR_INVALID_URI, "UriPath", "UriPath" },
};


const proto_error_row_t *
proto_error_row(proto_err_t err)
{
    return &rows[(unsigned) err < PROTO_ERR_COUNT ? err
                                                  : PROTO_ERR_INTERNAL_ERROR];
}


proto_err_t
proto_fault(proto_fault_t *fault, proto_err_t err, view_t name, view_t value)
{
    *fault = (proto_fault_t){ .err = err, .name = name, .value = value };
    return err;
}


/* U+FFFE and U+FFFF are well-formed UTF-8, but no characters of XML 1.0. */
static bool
is_xml_char(view_t seq)
{
    return seq.len != 3 || seq.ptr[0] != 0xEF || seq.ptr[1] != 0xBF
        || seq.ptr[2] < 0xBE;
}


/* Text content: the markup characters escaped, what XML 1.0 has no place for
 * as a question mark. It may be anything that a client sent. */
static void
put_escaped(writer_t *w, view_t v)
{
    for (size_t i = 0; i < v.len; i++) {
        unsigned len = view_utf8(v, i);

        if (len > 1 && is_xml_char(view_sub(v, i, len))) {
            writer_put(w, view_sub(v, i, len));
            i += len - 1;
            continue;
        }

        switch (v.ptr[i]) {
        case '<':
            writer_puts(w, "&lt;");
            break;
        case '>':
            writer_puts(w, "&gt;");
            break;
        case '&':
            writer_puts(w, "&amp;");
            break;
        default:
            if ((v.ptr[i] >= 0x20 && len == 1) || v.ptr[i] == '\n'
                || v.ptr[i] == '\t') {
                writer_putc(w, v.ptr[i]);

            } else {
                writer_putc(w, '?');
                i += len > 1 ? len - 1 : 0;
            }
        }
    }
}


static void
put_node(writer_t *w, const char *name, view_t value)
{
    if (value.ptr == NULL) {
        return;
    }

    writer_putc(w, '<');
    writer_puts(w, name);
    writer_putc(w, '>');
    put_escaped(w, value);
    writer_puts(w, "</");
    writer_puts(w, name);
    writer_putc(w, '>');
}


static void
put_number(writer_t *w, const char *name, uint64_t n)
{
    uint8_t buf[24];
    writer_t text;

    writer_init_fixed(&text, buf, sizeof(buf));
    writer_put_u64(&text, n);
    put_node(w, name, writer_view(&text));
}


static void
put_allowed(writer_t *w, const proto_fault_t *fault)
{
    if (fault->max == 0) {
        return;
    }

    if (fault->err == PROTO_ERR_REQUEST_BODY_TOO_LARGE) {
        put_number(w, "MaxLimit", fault->max);
        return;
    }

    put_number(w, "MinimumAllowed", fault->min);
    put_number(w, "MaximumAllowed", fault->max);
}


void
proto_error_xml(writer_t *w, const proto_fault_t *fault, view_t request_id,
                int64_t now_s)
{
    const proto_error_row_t *row = proto_error_row(fault->err);

    writer_puts(w, "\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"utf-8\"?>"
                   "<Error><Code>");
    writer_puts(w, row->code);
    writer_puts(w, "</Code><Message>");
    if (fault->err == PROTO_ERR_NOT_IMPLEMENTED
        || fault->err == PROTO_ERR_OPERATION_NOT_SUPPORTED)
    {
        put_escaped(w, fault->name);
        writer_puts(w, fault->name.len != 0 ? ": " : "");
    }
    put_escaped(w, view_str(row->message));
    writer_puts(w, "\nRequestId:");
    writer_put(w, request_id);
    writer_puts(w, "\nTime:");
    proto_date_iso8601(w, now_s);
    writer_puts(w, "</Message>");

    for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
        if (nodes[i].err == fault->err) {
            put_node(w, nodes[i].name, fault->name);
            put_node(w, nodes[i].value, fault->value);
        }
    }

    put_allowed(w, fault);

    put_node(w, "Reason", fault->reason);
    put_node(w, "AuthenticationErrorDetail", fault->detail);
    writer_puts(w, "</Error>");
}
