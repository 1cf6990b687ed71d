#include "base/digest.h"
#include "proto/headers.h"
#include "proto/xml_in.h"

/* XML 1.0, fifth edition; what is not checked is named where it is passed
 * over. */


static bool
is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}


static bool
is_name(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
        || (c >= '0' && c <= '9') || c == '_' || c == ':' || c == '-'
        || c == '.' || c >= 0x80;
}


static view_t
rest_of(const proto_xml_t *x)
{
    return view_sub(x->in, x->pos, x->in.len - x->pos);
}


static bool
skip_past(proto_xml_t *x, view_t mark)
{
    for (; x->in.len - x->pos >= mark.len; x->pos++) {
        if (memcmp(x->in.ptr + x->pos, mark.ptr, mark.len) == 0) {
            x->pos += mark.len;
            return true;
        }
    }

    return false;
}


static void
skip_space(proto_xml_t *x)
{
    while (x->pos < x->in.len && is_space(x->in.ptr[x->pos])) {
        x->pos++;
    }
}


static view_t
take_name(proto_xml_t *x)
{
    size_t from = x->pos;

    while (x->pos < x->in.len && is_name(x->in.ptr[x->pos])) {
        x->pos++;
    }

    return view_sub(x->in, from, x->pos - from);
}


static view_t
without_prefix(view_t name)
{
    size_t colon = view_find(name, ':', 0);

    return colon == name.len ? name
                             : view_sub(name, colon + 1, name.len - colon - 1);
}


void
proto_xml_init(proto_xml_t *x, view_t in)
{
    memset(x, 0, sizeof(*x));
    x->in = view_starts_with(in, VIEW("\xEF\xBB\xBF"))
              ? view_sub(in, 3, in.len - 3)
              : in;
}


static proto_xml_event_t
close_element(proto_xml_t *x)
{
    x->name = without_prefix(x->open[--x->depth]);
    return PROTO_XML_END;
}


static proto_xml_event_t
end_tag(proto_xml_t *x)
{
    view_t name;

    x->pos += 2;
    name = take_name(x);
    skip_space(x);

    if (x->depth == 0 || x->pos == x->in.len || x->in.ptr[x->pos] != '>'
        || !view_eq(name, x->open[x->depth - 1]))
    {
        return PROTO_XML_BAD;
    }

    x->pos++;
    return close_element(x);
}


/* Attributes are passed over; that they are unique is not checked. */
static bool
skip_attribute(proto_xml_t *x)
{
    uint8_t quote;

    if (take_name(x).len == 0) {
        return false;
    }

    skip_space(x);
    if (x->pos == x->in.len || x->in.ptr[x->pos++] != '=') {
        return false;
    }

    skip_space(x);
    if (x->pos == x->in.len) {
        return false;
    }

    quote = x->in.ptr[x->pos++];
    if (quote != '"' && quote != '\'') {
        return false;
    }

    x->pos = view_find(x->in, quote, x->pos);
    if (x->pos >= x->in.len) {
        return false;
    }

    x->pos++;
    return true;
}


static proto_xml_event_t
start_tag(proto_xml_t *x)
{
    view_t name;

    x->pos++;
    name = take_name(x);

    if (name.len == 0 || x->depth == PROTO_XML_DEPTH_MAX
        || (x->depth == 0 && x->rooted))
    {
        return PROTO_XML_BAD;
    }

    for (;;) {
        skip_space(x);

        if (x->pos == x->in.len) {
            return PROTO_XML_BAD;
        }

        if (x->in.ptr[x->pos] == '>') {
            x->pos++;
            break;
        }

        if (view_starts_with(rest_of(x), VIEW("/>"))) {
            x->pos += 2;
            x->empty = true;
            break;
        }

        if (!skip_attribute(x)) {
            return PROTO_XML_BAD;
        }
    }

    x->rooted = true;
    x->open[x->depth++] = name;
    x->name = without_prefix(name);
    return PROTO_XML_START;
}


static proto_xml_event_t
cdata(proto_xml_t *x)
{
    size_t from = x->pos + 9;

    x->pos = from;
    if (x->depth == 0 || !skip_past(x, VIEW("]]>"))) {
        return PROTO_XML_BAD;
    }

    x->text = view_sub(x->in, from, x->pos - 3 - from);
    x->cdata = true;
    return PROTO_XML_TEXT;
}


static proto_xml_event_t
markup(proto_xml_t *x)
{
    view_t rest = rest_of(x);

    if (view_starts_with(rest, VIEW("</"))) {
        return end_tag(x);
    }

    if (view_starts_with(rest, VIEW("<![CDATA["))) {
        return cdata(x);
    }

    /* a document type could define entities: there is none in a body */
    if (view_starts_with(rest, VIEW("<!"))) {
        return PROTO_XML_BAD;
    }

    return start_tag(x);
}


/* Comments and processing instructions; false: one has no end. */
static bool
skip_misc(proto_xml_t *x)
{
    for (;;) {
        view_t rest = rest_of(x);

        if (view_starts_with(rest, VIEW("<!--"))) {
            x->pos += 4;
            if (!skip_past(x, VIEW("-->"))) {
                return false;
            }

        } else if (view_starts_with(rest, VIEW("<?"))) {
            if (!skip_past(x, VIEW("?>"))) {
                return false;
            }

        } else {
            return true;
        }

        if (x->depth == 0) {
            skip_space(x);
        }
    }
}


proto_xml_event_t
proto_xml_next(proto_xml_t *x)
{
    size_t from;

    if (x->empty) {
        x->empty = false;
        return close_element(x);
    }

    if (x->depth == 0) {
        skip_space(x);
    }

    if (!skip_misc(x)) {
        return PROTO_XML_BAD;
    }

    if (x->pos == x->in.len) {
        return x->rooted && x->depth == 0 ? PROTO_XML_DONE : PROTO_XML_BAD;
    }

    if (x->in.ptr[x->pos] == '<') {
        return markup(x);
    }

    if (x->depth == 0) {
        return PROTO_XML_BAD;
    }

    from = x->pos;
    x->pos = view_find(x->in, '<', from);
    x->text = view_sub(x->in, from, x->pos - from);
    x->cdata = false;
    return PROTO_XML_TEXT;
}


static void
put_utf8(writer_t *w, uint32_t c)
{
    if (c < 0x80) {
        writer_putc(w, (uint8_t) c);
        return;
    }

    if (c < 0x800) {
        writer_putc(w, (uint8_t) (0xC0 | c >> 6));

    } else {
        if (c < 0x10000) {
            writer_putc(w, (uint8_t) (0xE0 | c >> 12));

        } else {
            writer_putc(w, (uint8_t) (0xF0 | c >> 18));
            writer_putc(w, (uint8_t) (0x80 | (c >> 12 & 63)));
        }

        writer_putc(w, (uint8_t) (0x80 | (c >> 6 & 63)));
    }

    writer_putc(w, (uint8_t) (0x80 | (c & 63)));
}


/* "#10" or "#xA" */
static bool
put_reference(writer_t *w, view_t digits)
{
    unsigned base = 10;
    uint32_t c = 0;
    size_t i = 1;

    if (digits.len > 1 && digits.ptr[1] == 'x') {
        base = 16;
        i = 2;
    }

    if (i >= digits.len || digits.len > 10) {
        return false;
    }

    for (; i < digits.len; i++) {
        uint8_t d = digits.ptr[i];
        uint8_t low = d | 0x20;

        if (d >= '0' && d <= '9') {
            c = c * base + (d - '0');

        } else if (base == 16 && low >= 'a' && low <= 'f') {
            c = c * base + (low - 'a' + 10u);

        } else {
            return false;
        }

        if (c > 0x10FFFF) {
            return false;
        }
    }

    if (c == 0 || (c >= 0xD800 && c < 0xE000)) {
        return false;
    }

    put_utf8(w, c);
    return true;
}


static bool
put_entity(writer_t *w, view_t name)
{
    static const struct {
        const char *name;
        uint8_t c;
    } known[] = { { "amp", '&' },
                  { "lt", '<' },
                  { "gt", '>' },
                  { "quot", '"' },
                  { "apos", '\'' } };

    if (name.len != 0 && name.ptr[0] == '#') {
        return put_reference(w, name);
    }

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (view_eq(name, view_str(known[i].name))) {
            writer_putc(w, known[i].c);
            return true;
        }
    }

    return false;
}


static bool
put_text(writer_t *w, view_t raw)
{
    for (size_t i = 0; i < raw.len;) {
        size_t amp = view_find(raw, '&', i);
        size_t end;

        writer_put(w, view_sub(raw, i, amp - i));
        if (amp == raw.len) {
            break;
        }

        end = view_find(raw, ';', amp);
        if (end == raw.len
            || !put_entity(w, view_sub(raw, amp + 1, end - amp - 1))) {
            return false;
        }

        i = end + 1;
    }

    return writer_ok(w);
}


static view_t
trim(view_t v)
{
    while (v.len != 0 && is_space(v.ptr[0])) {
        v = view_sub(v, 1, v.len - 1);
    }

    while (v.len != 0 && is_space(v.ptr[v.len - 1])) {
        v.len--;
    }

    return v;
}


/* One plain run of text, as a rule: then nothing is copied. */
bool
proto_xml_content_whole(proto_xml_t *x, writer_t *scratch, view_t *ret)
{
    view_t first = VIEW("");
    bool copied = false;
    size_t start = scratch->len;

    for (unsigned runs = 0;; runs++) {
        proto_xml_event_t event = proto_xml_next(x);

        if (event == PROTO_XML_END) {
            break;
        }

        if (event != PROTO_XML_TEXT) {
            return false;
        }

        if (runs == 0
            && (x->cdata || view_find(x->text, '&', 0) == x->text.len)) {
            first = x->text;
            continue;
        }

        if (!copied) {
            writer_put(scratch, first);
            copied = true;
        }

        if (x->cdata) {
            writer_put(scratch, x->text);

        } else if (!put_text(scratch, x->text)) {
            return false;
        }
    }

    if (!writer_ok(scratch)) {
        return false;
    }

    *ret =
        copied ? view_of(scratch->buf + start, scratch->len - start) : first;
    return true;
}


bool
proto_xml_content(proto_xml_t *x, writer_t *scratch, view_t *ret)
{
    if (!proto_xml_content_whole(x, scratch, ret)) {
        return false;
    }

    *ret = trim(*ret);
    return true;
}


bool
proto_xml_skip(proto_xml_t *x)
{
    unsigned outside = x->depth - 1;

    while (x->depth != outside) {
        proto_xml_event_t event = proto_xml_next(x);

        if (event == PROTO_XML_BAD || event == PROTO_XML_DONE) {
            return false;
        }
    }

    return true;
}


static bool
is_blank(const proto_xml_t *x)
{
    return trim(x->text).len == 0;
}


proto_xml_event_t
proto_xml_child(proto_xml_t *x)
{
    proto_xml_event_t event;

    do {
        event = proto_xml_next(x);
        if (event == PROTO_XML_TEXT && !is_blank(x)) {
            return PROTO_XML_BAD;
        }
    } while (event == PROTO_XML_TEXT);

    return event;
}


static proto_err_t
bad_document(proto_fault_t *fault)
{
    return proto_fault(fault, PROTO_ERR_INVALID_XML_DOCUMENT, VIEW_NULL,
                       VIEW_NULL);
}


static proto_err_t
bad_node(proto_fault_t *fault, view_t name, view_t value)
{
    return proto_fault(fault, PROTO_ERR_INVALID_XML_NODE_VALUE, name, value);
}


/* ---- Put Block List ---------------------------------------------------- */

static bool
block_which(view_t name, proto_block_which_t *ret)
{
    if (view_eq(name, VIEW("Latest"))) {
        *ret = PROTO_BLOCK_LATEST;

    } else if (view_eq(name, VIEW("Committed"))) {
        *ret = PROTO_BLOCK_COMMITTED;

    } else if (view_eq(name, VIEW("Uncommitted"))) {
        *ret = PROTO_BLOCK_UNCOMMITTED;

    } else {
        return false;
    }

    return true;
}


static proto_err_t
block_entry(proto_xml_t *x, proto_block_fn fn, void *ctx, proto_fault_t *fault)
{
    uint8_t text[4 * PROTO_BLOCK_ID_MAX];
    uint8_t id[PROTO_BLOCK_ID_MAX];
    proto_block_which_t which;
    view_t name = x->name;
    view_t content;
    writer_t w;
    size_t len;

    writer_init_fixed(&w, text, sizeof(text));

    if (!block_which(name, &which)) {
        return bad_node(fault, name, VIEW_NULL);
    }

    if (!proto_xml_content(x, &w, &content)) {
        return bad_document(fault);
    }

    if (!base64_decode(content, id, sizeof(id), &len) || len == 0) {
        /* not in `text`, which ends here */
        return proto_fault(fault, PROTO_ERR_INVALID_BLOCK_ID, VIEW_NULL,
                           VIEW_NULL);
    }

    return fn == NULL ? PROTO_OK : fn(ctx, which, view_of(id, len));
}


proto_err_t
proto_xml_block_list(view_t body, proto_block_fn fn, void *ctx,
                     unsigned *ret_count, proto_fault_t *fault)
{
    proto_xml_event_t event;
    unsigned count = 0;
    proto_xml_t x;

    proto_xml_init(&x, body);

    if (proto_xml_next(&x) != PROTO_XML_START
        || !view_eq(x.name, VIEW("BlockList")))
    {
        return bad_document(fault);
    }

    while ((event = proto_xml_child(&x)) == PROTO_XML_START) {
        proto_err_t err;

        if (count == PROTO_BLOCKS_MAX) {
            return proto_fault(fault, PROTO_ERR_BLOCK_LIST_TOO_LONG, VIEW_NULL,
                               VIEW_NULL);
        }

        err = block_entry(&x, fn, ctx, fault);
        if (err != PROTO_OK) {
            return err;
        }

        count++;
    }

    if (event != PROTO_XML_END || proto_xml_next(&x) != PROTO_XML_DONE) {
        return bad_document(fault);
    }

    *ret_count = count;
    return PROTO_OK;
}


/* ---- stored access policies --------------------------------------------- */

#define POLICY_ID_MAX 64

static bool
access_policy(proto_xml_t *x, writer_t *scratch, proto_policy_t *policy)
{
    proto_xml_event_t event;

    while ((event = proto_xml_child(x)) == PROTO_XML_START) {
        view_t *to = view_eq(x->name, VIEW("Start"))      ? &policy->start
                   : view_eq(x->name, VIEW("Expiry"))     ? &policy->expiry
                   : view_eq(x->name, VIEW("Permission")) ? &policy->permission
                                                          : NULL;

        if (to == NULL || !proto_xml_content(x, scratch, to)) {
            return false;
        }

        /* an empty one says nothing */
        if (to->len == 0) {
            *to = VIEW_NULL;
        }
    }

    return event == PROTO_XML_END;
}


static bool
signed_identifier(proto_xml_t *x, writer_t *scratch, proto_policy_t *policy)
{
    proto_xml_event_t event;

    *policy = (proto_policy_t){ 0 };

    while ((event = proto_xml_child(x)) == PROTO_XML_START) {
        bool ok = view_eq(x->name, VIEW("Id"))
                    ? proto_xml_content(x, scratch, &policy->id)
                : view_eq(x->name, VIEW("AccessPolicy"))
                    ? access_policy(x, scratch, policy)
                    : false;

        if (!ok) {
            return false;
        }
    }

    return event == PROTO_XML_END && policy->id.ptr != NULL;
}


proto_err_t
proto_xml_policies(view_t xml, writer_t *scratch,
                   proto_policy_t ret[PROTO_POLICIES_MAX], unsigned *ret_n,
                   proto_fault_t *fault)
{
    proto_xml_event_t event;
    unsigned n = 0;
    proto_xml_t x;

    if (xml.len == 0) {
        *ret_n = 0;
        return PROTO_OK;
    }

    proto_xml_init(&x, xml);

    if (proto_xml_next(&x) != PROTO_XML_START
        || !view_eq(x.name, VIEW("SignedIdentifiers")))
    {
        return bad_document(fault);
    }

    while ((event = proto_xml_child(&x)) == PROTO_XML_START) {
        if (!view_eq(x.name, VIEW("SignedIdentifier"))
            || n == PROTO_POLICIES_MAX) {
            return bad_document(fault);
        }

        if (!signed_identifier(&x, scratch, &ret[n])) {
            return bad_document(fault);
        }

        if (ret[n].id.len == 0 || ret[n].id.len > POLICY_ID_MAX) {
            return bad_node(fault, VIEW("Id"), ret[n].id);
        }

        n++;
    }

    if (event != PROTO_XML_END || proto_xml_next(&x) != PROTO_XML_DONE) {
        return bad_document(fault);
    }

    *ret_n = n;
    return PROTO_OK;
}
