#include "proto/service.h"

#include "proto/date.h"
#include "proto/xml_in.h"
#include "proto/xml_out.h"

typedef enum {
    NODE_OFF = 0, /* a truth that has to be "false" */
    NODE_BOOL,    /* either */
    NODE_DAYS,    /* 1 to 365 */
    NODE_TEXT,    /* anything */
    NODE_VERSION, /* of Storage Analytics */
    NODE_RETENTION,
    NODE_KINDS
} node_kind_t;

typedef struct node_s {
    const char *name;
    node_kind_t kind;
    bool required;
} node_t;

#define NODES_MAX 5

typedef struct section_s {
    const char *name;
    node_t nodes[NODES_MAX];
} section_t;

static const section_t retention = { "RetentionPolicy",
                                     { { "Enabled", NODE_OFF, true },
                                       { "Days", NODE_DAYS, false } } };

static const section_t sections[] = {
    { "Logging",
      { { "Version", NODE_VERSION, true },
        { "Delete", NODE_OFF, true },
        { "Read", NODE_OFF, true },
        { "Write", NODE_OFF, true },
        { "RetentionPolicy", NODE_RETENTION, true } } },
    { "HourMetrics",
      { { "Version", NODE_VERSION, true },
        { "Enabled", NODE_OFF, true },
        { "IncludeAPIs", NODE_BOOL, false },
        { "RetentionPolicy", NODE_RETENTION, true } } },
    { "MinuteMetrics",
      { { "Version", NODE_VERSION, true },
        { "Enabled", NODE_OFF, true },
        { "IncludeAPIs", NODE_BOOL, false },
        { "RetentionPolicy", NODE_RETENTION, true } } },
    { "DeleteRetentionPolicy",
      { { "Enabled", NODE_OFF, true },
        { "Days", NODE_DAYS, false },
        { "AllowPermanentDelete", NODE_OFF, false } } },
    { "StaticWebsite",
      { { "Enabled", NODE_OFF, true },
        { "IndexDocument", NODE_TEXT, false },
        { "ErrorDocument404Path", NODE_TEXT, false },
        { "DefaultIndexDocumentPath", NODE_TEXT, false } } },
};

#define SECTIONS (sizeof(sections) / sizeof(sections[0]))
/* bits of what was seen already, beside the sections' own */
#define SEEN_CORS    (1u << SECTIONS)
#define SEEN_VERSION (2u << SECTIONS)


static proto_err_t
bad_document(proto_fault_t *fault)
{
    return proto_fault(fault, PROTO_ERR_INVALID_XML_DOCUMENT, VIEW_NULL,
                       VIEW_NULL);
}


static proto_err_t
bad_value(proto_fault_t *fault, const char *name, view_t value)
{
    return proto_fault(fault, PROTO_ERR_INVALID_XML_NODE_VALUE, view_str(name),
                       value);
}


static proto_err_t
missing(proto_fault_t *fault, const char *name)
{
    return proto_fault(fault, PROTO_ERR_MISSING_REQUIRED_XML_NODE,
                       view_str(name), VIEW_NULL);
}


/* ---- sections that can only be off -------------------------------------- */

static proto_err_t
check_truth(const char *section, const node_t *node, view_t value,
            proto_fault_t *fault)
{
    proto_err_t err;

    if (view_eq_ci(value, VIEW("false"))) {
        return PROTO_OK;
    }

    if (!view_eq_ci(value, VIEW("true"))) {
        return bad_value(fault, node->name, value);
    }

    if (node->kind == NODE_BOOL) {
        return PROTO_OK;
    }

    err = proto_fault(fault, PROTO_ERR_UNSUPPORTED_XML_NODE, view_str(section),
                      view_str(node->name));
    fault->reason = VIEW("It cannot be turned on here.");
    return err;
}


static proto_err_t
check_value(const char *section, const node_t *node, view_t value,
            proto_fault_t *fault)
{
    uint64_t n;

    switch (node->kind) {

    case NODE_OFF:
    case NODE_BOOL:
        return check_truth(section, node, value, fault);

    case NODE_DAYS:
        return view_to_u64(value, &n) && n >= 1 && n <= 365
                 ? PROTO_OK
                 : bad_value(fault, node->name, value);

    case NODE_VERSION:
        return view_eq(value, VIEW("1.0"))
                 ? PROTO_OK
                 : bad_value(fault, node->name, value);

    default:
        return PROTO_OK;
    }
}


static const node_t *
find_node(const section_t *section, view_t name, unsigned *ret_bit)
{
    for (unsigned i = 0; i < NODES_MAX && section->nodes[i].name != NULL; i++)
    {
        if (view_eq(name, view_str(section->nodes[i].name))) {
            *ret_bit = 1u << i;
            return &section->nodes[i];
        }
    }

    return NULL;
}


static proto_err_t
check_required(const section_t *section, unsigned seen, proto_fault_t *fault)
{
    for (unsigned i = 0; i < NODES_MAX && section->nodes[i].name != NULL; i++)
    {
        if (section->nodes[i].required && (seen & 1u << i) == 0) {
            return missing(fault, section->nodes[i].name);
        }
    }

    return PROTO_OK;
}


/* After the section's START. `outer` is the one to name in a refusal. */
static proto_err_t
read_section(proto_xml_t *x, writer_t *scratch, const section_t *section,
             const char *outer, proto_fault_t *fault)
{
    proto_xml_event_t event;
    unsigned seen = 0;

    while ((event = proto_xml_child(x)) == PROTO_XML_START) {
        unsigned bit = 0;
        const node_t *node = find_node(section, x->name, &bit);
        proto_err_t err;
        view_t value;

        if (node == NULL || (seen & bit)) {
            return bad_document(fault);
        }

        seen |= bit;

        if (node->kind == NODE_RETENTION) {
            err = read_section(x, scratch, &retention, outer, fault);

        } else if (!proto_xml_content(x, scratch, &value)) {
            err = bad_document(fault);

        } else {
            err = check_value(outer, node, value, fault);
        }

        if (err != PROTO_OK) {
            return err;
        }
    }

    return event == PROTO_XML_END ? check_required(section, seen, fault)
                                  : bad_document(fault);
}


/* ---- CORS ----------------------------------------------------------------
 */

#define AGE_MAX 0x7FFFFFFFu

static proto_err_t
read_rule(proto_xml_t *x, writer_t *scratch, proto_cors_rule_t *rule,
          proto_fault_t *fault)
{
    view_t age = VIEW_NULL;
    const struct {
        const char *name;
        view_t *to;
    } parts[] = { { "AllowedOrigins", &rule->origins },
                  { "AllowedMethods", &rule->methods },
                  { "AllowedHeaders", &rule->allowed },
                  { "ExposedHeaders", &rule->exposed },
                  { "MaxAgeInSeconds", &age } };
    const size_t n = sizeof(parts) / sizeof(parts[0]);
    proto_xml_event_t event;
    uint64_t seconds;

    *rule = (proto_cors_rule_t){ .max_age_s = 0 };

    while ((event = proto_xml_child(x)) == PROTO_XML_START) {
        size_t i = 0;

        while (i < n && !view_eq(x->name, view_str(parts[i].name))) {
            i++;
        }

        if (i == n || parts[i].to->ptr != NULL
            || !proto_xml_content(x, scratch, parts[i].to))
        {
            return bad_document(fault);
        }
    }

    if (event != PROTO_XML_END) {
        return bad_document(fault);
    }

    for (size_t i = 0; i < n; i++) {
        if (parts[i].to->ptr == NULL) {
            return missing(fault, parts[i].name);
        }
    }

    if (!view_to_u64(age, &seconds) || seconds > AGE_MAX) {
        return bad_value(fault, "MaxAgeInSeconds", age);
    }

    rule->max_age_s = (uint32_t) seconds;
    return proto_cors_rule_check(rule, fault);
}


static proto_err_t
read_cors(proto_xml_t *x, writer_t *scratch, proto_cors_t *cors,
          proto_fault_t *fault)
{
    proto_xml_event_t event;

    cors->n = 0;

    while ((event = proto_xml_child(x)) == PROTO_XML_START) {
        proto_err_t err;

        if (!view_eq(x->name, VIEW("CorsRule"))
            || cors->n == PROTO_CORS_RULES_MAX) {
            return bad_document(fault);
        }

        err = read_rule(x, scratch, &cors->rules[cors->n], fault);
        if (err != PROTO_OK) {
            return err;
        }

        cors->n++;
    }

    return event == PROTO_XML_END ? proto_cors_check(cors, fault)
                                  : bad_document(fault);
}


/* ---- the document ---------------------------------------------------------
 */

static proto_err_t
read_version(proto_xml_t *x, writer_t *scratch, view_t *ret,
             proto_fault_t *fault)
{
    view_t value;

    if (!proto_xml_content(x, scratch, &value)) {
        return bad_document(fault);
    }

    if (proto_version_parse(value) == 0) {
        return bad_value(fault, "DefaultServiceVersion", value);
    }

    *ret = value;
    return PROTO_OK;
}


/* After the START of a child of the root; each may be there once. */
static proto_err_t
read_child(proto_xml_t *x, writer_t *scratch, unsigned *seen,
           proto_service_t *ret, proto_fault_t *fault)
{
    bool cors = view_eq(x->name, VIEW("Cors"));
    bool version = view_eq(x->name, VIEW("DefaultServiceVersion"));
    unsigned bit = cors ? SEEN_CORS : SEEN_VERSION;
    size_t i = 0;

    if (!cors && !version) {
        while (i < SECTIONS && !view_eq(x->name, view_str(sections[i].name))) {
            i++;
        }

        bit = 1u << i;
    }

    if ((!cors && !version && i == SECTIONS) || (*seen & bit)) {
        return bad_document(fault);
    }

    *seen |= bit;

    return cors ? read_cors(x, scratch, &ret->cors, fault)
         : version
             ? read_version(x, scratch, &ret->default_version, fault)
             : read_section(x, scratch, &sections[i], sections[i].name, fault);
}


proto_err_t
proto_service_read(view_t xml, writer_t *scratch, proto_service_t *ret,
                   proto_fault_t *fault)
{
    proto_xml_event_t event;
    unsigned seen = 0;
    proto_xml_t x;

    if (xml.len == 0) {
        return PROTO_OK;
    }

    proto_xml_init(&x, xml);

    if (proto_xml_next(&x) != PROTO_XML_START
        || !view_eq(x.name, VIEW("StorageServiceProperties")))
    {
        return bad_document(fault);
    }

    while ((event = proto_xml_child(&x)) == PROTO_XML_START) {
        proto_err_t err = read_child(&x, scratch, &seen, ret, fault);

        if (err != PROTO_OK) {
            return err;
        }
    }

    return event == PROTO_XML_END && proto_xml_next(&x) == PROTO_XML_DONE
             ? PROTO_OK
             : bad_document(fault);
}


proto_err_t
proto_service_body(view_t xml, writer_t *scratch, proto_service_t *ret,
                   proto_fault_t *fault)
{
    return xml.len == 0 ? bad_document(fault)
                        : proto_service_read(xml, scratch, ret, fault);
}


proto_err_t
proto_service_cors(view_t xml, writer_t *scratch, proto_cors_t *ret,
                   proto_fault_t *fault)
{
    proto_xml_event_t event;
    proto_xml_t x;

    ret->n = 0;
    proto_xml_init(&x, xml);

    if (proto_xml_next(&x) != PROTO_XML_START
        || !view_eq(x.name, VIEW("StorageServiceProperties")))
    {
        return bad_document(fault);
    }

    while ((event = proto_xml_child(&x)) == PROTO_XML_START) {
        proto_err_t err = view_eq(x.name, VIEW("Cors"))
                            ? read_cors(&x, scratch, ret, fault)
                        : proto_xml_skip(&x) ? PROTO_OK
                                             : bad_document(fault);

        if (err != PROTO_OK) {
            return err;
        }
    }

    return event == PROTO_XML_END && proto_xml_next(&x) == PROTO_XML_DONE
             ? PROTO_OK
             : bad_document(fault);
}


#define OFF       "<Enabled>false</Enabled>"
#define RETENTION "<RetentionPolicy>" OFF "</RetentionPolicy>"
#define METRICS   "<Version>1.0</Version>" OFF RETENTION


static void
put_node(writer_t *w, const char *name, view_t value)
{
    writer_putc(w, '<');
    writer_puts(w, name);
    writer_putc(w, '>');
    proto_xml_text(w, value);
    writer_puts(w, "</");
    writer_puts(w, name);
    writer_putc(w, '>');
}


static void
put_rule(writer_t *w, const proto_cors_rule_t *rule)
{
    writer_puts(w, "<CorsRule>");
    put_node(w, "AllowedOrigins", rule->origins);
    put_node(w, "AllowedMethods", rule->methods);
    put_node(w, "AllowedHeaders", rule->allowed);
    put_node(w, "ExposedHeaders", rule->exposed);
    writer_puts(w, "<MaxAgeInSeconds>");
    writer_put_u64(w, rule->max_age_s);
    writer_puts(w, "</MaxAgeInSeconds></CorsRule>");
}


void
proto_service_document(writer_t *w, const proto_service_t *service)
{
    writer_puts(w, "<?xml version=\"1.0\" encoding=\"utf-8\"?>"
                   "<StorageServiceProperties><Logging><Version>1.0</Version>"
                   "<Read>false</Read><Write>false</Write>"
                   "<Delete>false</Delete>" RETENTION "</Logging>"
                   "<HourMetrics>" METRICS "</HourMetrics>"
                   "<MinuteMetrics>" METRICS "</MinuteMetrics>");

    if (service->cors.n == 0) {
        writer_puts(w, "<Cors />");

    } else {
        writer_puts(w, "<Cors>");
        for (unsigned i = 0; i < service->cors.n; i++) {
            put_rule(w, &service->cors.rules[i]);
        }
        writer_puts(w, "</Cors>");
    }

    if (service->default_version.len != 0) {
        put_node(w, "DefaultServiceVersion", service->default_version);
    }

    writer_puts(w, "<DeleteRetentionPolicy>" OFF "</DeleteRetentionPolicy>"
                   "<StaticWebsite>" OFF "</StaticWebsite>"
                   "</StorageServiceProperties>");
}
