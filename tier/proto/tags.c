#include "proto/tags.h"

#include "proto/uri.h"
#include "proto/xml_in.h"
#include "proto/xml_out.h"

#define DECLARATION "\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"utf-8\"?>"


static bool
is_tag_text(view_t v)
{
    static const view_t others = { (const uint8_t *) " +-./:=_", 8 };

    for (size_t i = 0; i < v.len; i++) {
        uint8_t c = v.ptr[i], low = c | 0x20;

        if (!(low >= 'a' && low <= 'z') && !(c >= '0' && c <= '9')
            && view_find(others, c, 0) == others.len)
        {
            return false;
        }
    }

    return true;
}


static bool
find(view_t packed, view_t key, view_t *ret)
{
    view_t k, v;

    for (size_t pos = 0; props_pairs_next(packed, &pos, &k, &v);) {
        if (view_eq(k, key)) {
            *ret = v;
            return true;
        }
    }

    return false;
}


static unsigned
count(view_t packed)
{
    view_t key, value;
    unsigned n = 0;

    for (size_t pos = 0; props_pairs_next(packed, &pos, &key, &value);) {
        n++;
    }

    return n;
}


static proto_err_t
plain_fault(proto_fault_t *fault, proto_err_t err)
{
    return proto_fault(fault, err, VIEW_NULL, VIEW_NULL);
}


/* One more pair behind those since `start`. */
static proto_err_t
put_tag(writer_t *w, size_t start, view_t key, view_t value,
        proto_fault_t *fault)
{
    view_t packed = view_sub(writer_view(w), start, w->len);
    view_t old;

    if (key.len == 0) {
        return plain_fault(fault, PROTO_ERR_EMPTY_TAG_NAME);
    }

    if (count(packed) == PROTO_TAGS_MAX || key.len > PROTO_TAG_KEY_MAX
        || value.len > PROTO_TAG_VALUE_MAX)
    {
        return plain_fault(fault, PROTO_ERR_TAGS_TOO_LARGE);
    }

    if (!is_tag_text(key) || !is_tag_text(value)) {
        return plain_fault(fault, PROTO_ERR_INVALID_TAG);
    }

    if (find(packed, key, &old)) {
        return plain_fault(fault, PROTO_ERR_DUPLICATE_TAG_NAMES);
    }

    props_pairs_put(w, key, value);
    return writer_ok(w) ? PROTO_OK
                        : plain_fault(fault, PROTO_ERR_TAGS_TOO_LARGE);
}


static view_t
packed_since(const writer_t *w, size_t start)
{
    return w->len == start ? VIEW("")
                           : view_of(w->buf + start, w->len - start);
}


/* ---- in ------------------------------------------------------------------
 */

/* "key=value"; every character may be three in writing. */
static proto_err_t
put_form(view_t header, view_t field, writer_t *w, size_t start,
         proto_fault_t *fault)
{
    uint8_t buf[3 * (PROTO_TAG_KEY_MAX + PROTO_TAG_VALUE_MAX)];
    size_t eq = view_find(field, '=', 0);
    view_t key, value;
    writer_t text;

    if (field.len > sizeof(buf)) {
        return plain_fault(fault, PROTO_ERR_TAGS_TOO_LARGE);
    }

    writer_init_fixed(&text, buf, sizeof(buf));

    /* `=` may be in a value, and then it was encoded */
    if (eq == field.len || view_find(field, '=', eq + 1) != field.len
        || !proto_uri_decode(view_sub(field, 0, eq), true, &text, &key)
        || !proto_uri_decode(view_sub(field, eq + 1, field.len), true, &text,
                             &value))
    {
        return proto_fault(fault, PROTO_ERR_INVALID_HEADER_VALUE,
                           VIEW("x-ms-tags"), header);
    }

    return put_tag(w, start, key, value, fault);
}


proto_err_t
proto_tags_header(view_t value, writer_t *scratch, view_t *ret,
                  proto_fault_t *fault)
{
    size_t start = scratch->len;

    for (size_t from = 0, to; from < value.len; from = to + 1) {
        view_t field;

        to = view_find(value, '&', from);
        field = view_trim(view_sub(value, from, to - from));

        if (field.len != 0) { /* a trailing & is common */
            proto_err_t err = put_form(value, field, scratch, start, fault);

            if (err != PROTO_OK) {
                return err;
            }
        }
    }

    *ret = packed_since(scratch, start);
    return PROTO_OK;
}


proto_err_t
proto_tags_props(const proto_headers_t *headers, writer_t *scratch,
                 blob_props_t *props, proto_fault_t *fault)
{
    view_t value = proto_hdr(headers, PROTO_HDR_X_MS_TAGS);
    proto_err_t err;

    props->tags = VIEW_NULL;
    props->tag_count = 0;

    if (value.len == 0) {
        return PROTO_OK;
    }

    err = proto_tags_header(value, scratch, &props->tags, fault);
    if (err == PROTO_OK) {
        props->tag_count = count(props->tags);
    }

    return err;
}


static proto_err_t
bad_document(proto_fault_t *fault)
{
    return plain_fault(fault, PROTO_ERR_INVALID_XML_DOCUMENT);
}


/* Text up to the end of the element, spaces and all: a value may begin with
 * one. Clipped above what a tag may have. */
static bool
tag_text(proto_xml_t *x, writer_t *w, view_t *ret)
{
    size_t start = w->len;

    if (!proto_xml_content_whole(x, w, ret)) {
        return false;
    }

    if (w->len == start) { /* a view of the input */
        *ret = writer_take(w, *ret);
    }

    return writer_ok(w);
}


static proto_err_t
put_xml_tag(proto_xml_t *x, writer_t *w, size_t start, proto_fault_t *fault)
{
    uint8_t buf[2 * (PROTO_TAG_KEY_MAX + PROTO_TAG_VALUE_MAX)];
    view_t key = VIEW_NULL, value = VIEW_NULL;
    proto_xml_event_t event;
    writer_t text;

    writer_init_fixed(&text, buf, sizeof(buf));

    while ((event = proto_xml_child(x)) == PROTO_XML_START) {
        view_t *to = view_eq(x->name, VIEW("Key"))   ? &key
                   : view_eq(x->name, VIEW("Value")) ? &value
                                                     : NULL;

        if (to == NULL || to->ptr != NULL) {
            return bad_document(fault);
        }

        if (!tag_text(x, &text, to)) {
            return writer_ok(&text)
                     ? bad_document(fault)
                     : plain_fault(fault, PROTO_ERR_TAGS_TOO_LARGE);
        }
    }

    if (event != PROTO_XML_END) {
        return bad_document(fault);
    }

    if (key.ptr == NULL || value.ptr == NULL) {
        return proto_fault(fault, PROTO_ERR_MISSING_REQUIRED_XML_NODE,
                           key.ptr == NULL ? VIEW("Key") : VIEW("Value"),
                           VIEW_NULL);
    }

    return put_tag(w, start, key, value, fault);
}


static proto_err_t
put_xml_set(proto_xml_t *x, writer_t *w, size_t start, proto_fault_t *fault)
{
    proto_xml_event_t event;

    while ((event = proto_xml_child(x)) == PROTO_XML_START) {
        proto_err_t err = view_eq(x->name, VIEW("Tag"))
                            ? put_xml_tag(x, w, start, fault)
                            : bad_document(fault);

        if (err != PROTO_OK) {
            return err;
        }
    }

    return event == PROTO_XML_END ? PROTO_OK : bad_document(fault);
}


proto_err_t
proto_tags_xml(view_t body, writer_t *scratch, view_t *ret,
               proto_fault_t *fault)
{
    size_t start = scratch->len;
    proto_xml_event_t event;
    bool seen = false;
    proto_xml_t x;

    proto_xml_init(&x, body);

    if (proto_xml_next(&x) != PROTO_XML_START
        || !view_eq(x.name, VIEW("Tags"))) {
        return bad_document(fault);
    }

    while ((event = proto_xml_child(&x)) == PROTO_XML_START) {
        proto_err_t err = !seen && view_eq(x.name, VIEW("TagSet"))
                            ? put_xml_set(&x, scratch, start, fault)
                            : bad_document(fault);

        if (err != PROTO_OK) {
            return err;
        }

        seen = true;
    }

    if (event != PROTO_XML_END || proto_xml_next(&x) != PROTO_XML_DONE) {
        return bad_document(fault);
    }

    if (!seen) {
        return proto_fault(fault, PROTO_ERR_MISSING_REQUIRED_XML_NODE,
                           VIEW("TagSet"), VIEW_NULL);
    }

    *ret = packed_since(scratch, start);
    return PROTO_OK;
}


/* ---- out -----------------------------------------------------------------
 */

void
proto_tags_element(writer_t *w, view_t packed)
{
    view_t key, value;
    size_t pos = 0;

    writer_puts(w, "<Tags><TagSet>");

    while (props_pairs_next(packed, &pos, &key, &value)) {
        writer_puts(w, "<Tag><Key>");
        proto_xml_text(w, key);
        writer_puts(w, "</Key><Value>");
        proto_xml_text(w, value);
        writer_puts(w, "</Value></Tag>");
    }

    writer_puts(w, "</TagSet></Tags>");
}


void
proto_tags_document(writer_t *w, view_t packed)
{
    writer_puts(w, DECLARATION);
    proto_tags_element(w, packed);
}


void
proto_tags_format(writer_t *w, view_t packed)
{
    size_t start = w->len;
    view_t key, value;
    size_t pos = 0;

    while (props_pairs_next(packed, &pos, &key, &value)) {
        if (w->len != start) {
            writer_putc(w, '&');
        }

        proto_uri_encode(w, key, false);
        writer_putc(w, '=');
        proto_uri_encode(w, value, false);
    }
}


unsigned
proto_tags_count(const blob_props_t *props)
{
    return props->tags.len != 0 ? count(props->tags) : props->tag_count;
}


bool
proto_tags_known(const blob_props_t *props)
{
    return props->tags.len != 0 || props->tag_count == 0;
}
