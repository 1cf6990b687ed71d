#include <string.h>

#include "proto/containers.h"
#include "proto/list.h"
#include "proto/xml_out.h"

#define MARKER_HEAD "edge!"


/* ---- what is asked ------------------------------------------------------ */

void
proto_containers_parse(const proto_uri_t *uri, proto_containers_t *ret)
{
    view_t marker = proto_uri_param(uri, PROTO_PARAM_MARKER);
    view_t head = VIEW(MARKER_HEAD);
    uint64_t max;

    memset(ret, 0, sizeof(*ret));
    ret->prefix = proto_uri_param(uri, PROTO_PARAM_PREFIX);
    ret->marker = marker;
    ret->max = PROTO_LIST_MAX;
    ret->metadata = proto_list_includes_metadata(uri);

    if (view_to_u64(proto_uri_param(uri, PROTO_PARAM_MAXRESULTS), &max)
        && max != 0 && max < PROTO_LIST_MAX)
    {
        ret->max = (unsigned) max;
    }

    if (view_starts_with(marker, head)) {
        size_t end = view_find(marker, '!', head.len);

        ret->last = view_sub(marker, head.len, end - head.len);
        ret->marker = view_sub(marker, end + 1, marker.len);

    } else {
        ret->blind = marker.len != 0;
    }
}


void
proto_containers_query(writer_t *w, view_t query,
                       const proto_containers_t *ask, writer_t *scratch)
{
    size_t begin = w->len;

    for (size_t from = 0, to; from < query.len; from = to + 1) {
        view_t pair, name;

        to = view_find(query, '&', from);
        pair = view_sub(query, from, to - from);
        writer_reset(scratch);

        if (pair.len != 0
            && !(proto_uri_decode(view_sub(pair, 0, view_find(pair, '=', 0)),
                                  true, scratch, &name)
                 && view_eq_ci(name, VIEW("marker"))))
        {
            writer_puts(w, w->len != begin ? "&" : "");
            writer_put(w, pair);
        }
    }

    if (ask->marker.len != 0) {
        writer_puts(w, w->len != begin ? "&marker=" : "marker=");
        proto_uri_encode(w, ask->marker, false);
    }
}


/* ---- the document ------------------------------------------------------- */

typedef struct merge_s {
    writer_t *w;
    const proto_containers_t *ask;
    unsigned given;
    view_t last; /* given, or passed over */

    view_t xml;
    size_t at; /* after `element` */
    view_t element;
    view_t name; /* of `element`; null: there are no more */
    view_t next; /* the origin's marker, as XML */
} merge_t;


static size_t
find_text(view_t xml, view_t what, size_t from)
{
    size_t at = view_find(xml, what.ptr[0], from);

    while (at < xml.len && !view_eq(view_sub(xml, at, what.len), what)) {
        at = view_find(xml, what.ptr[0], at + 1);
    }

    return at;
}


/* The last of them: metadata may have names that read like elements. */
static view_t
after_containers(view_t xml)
{
    view_t close = VIEW("</Containers>");
    size_t last = xml.len;

    for (size_t at = find_text(xml, close, 0); at < xml.len;
         at = find_text(xml, close, at + 1))
    {
        last = at;
    }

    return view_sub(xml, last, xml.len);
}


static bool
stands_at(view_t xml, const char *what, size_t at)
{
    return view_starts_with(view_sub(xml, at, xml.len), view_str(what));
}


static size_t
skip_space(view_t xml, size_t at)
{
    while (at < xml.len
           && (xml.ptr[at] == ' ' || xml.ptr[at] == '\t' || xml.ptr[at] == '\r'
               || xml.ptr[at] == '\n'))
    {
        at++;
    }

    return at;
}


static view_t
text_between(view_t xml, const char *open, const char *close)
{
    size_t from = find_text(xml, view_str(open), 0);

    if (from == xml.len) {
        return VIEW_NULL;
    }

    from += strlen(open);
    return view_sub(xml, from, find_text(xml, view_str(close), from) - from);
}


/* The element at m->at. Metadata may have the name of an element: one ends
 * where another follows, or the end of all. False: it cannot be read. */
static bool
read_element(merge_t *m)
{
    view_t close = VIEW("</Container>");
    size_t end = m->at;

    m->name = VIEW_NULL;
    m->at = skip_space(m->xml, m->at);

    if (stands_at(m->xml, "</Containers>", m->at)) {
        return true;
    }

    if (!stands_at(m->xml, "<Container>", m->at)) {
        return false;
    }

    do {
        end = find_text(m->xml, close, end) + close.len;

        if (end >= m->xml.len) {
            return false;
        }
    } while (!stands_at(m->xml, "<Container>", skip_space(m->xml, end))
             && !stands_at(m->xml, "</Containers>", skip_space(m->xml, end)));

    m->element = view_sub(m->xml, m->at, end - m->at);
    m->name = text_between(m->element, "<Name>", "</Name>");
    m->at = end;
    return m->name.len != 0;
}


/* Writes the head, finds the rest. */
static bool
read_begin(merge_t *m)
{
    view_t open = VIEW("<Containers>");
    view_t none[] = { VIEW("<Containers />"), VIEW("<Containers/>") };
    size_t at = find_text(m->xml, open, 0);
    view_t rest;

    for (size_t i = 0; i < 2 && at == m->xml.len; i++) {
        size_t empty = find_text(m->xml, none[i], 0);

        if (empty < m->xml.len) {
            writer_put(m->w, view_sub(m->xml, 0, empty));
            rest = view_sub(m->xml, empty + none[i].len, m->xml.len);
            m->next = text_between(rest, "<NextMarker>", "</NextMarker>");
            writer_put(m->w, open);
            return true;
        }
    }

    rest = after_containers(m->xml);
    m->next = text_between(rest, "<NextMarker>", "</NextMarker>");
    m->at = at + open.len;

    if (at == m->xml.len || rest.len == 0 || !read_element(m)) {
        return false;
    }

    writer_put(m->w, view_sub(m->xml, 0, at + open.len));
    return true;
}


static bool
is_deleted(view_t element)
{
    size_t props = find_text(element, VIEW("<Properties>"), 0);

    return find_text(element, VIEW("<Deleted>true</Deleted>"), 0) < props;
}


static void
give(merge_t *m, view_t name, view_t xml)
{
    writer_put(m->w, xml);
    m->last = name;
    m->given++;
}


/* False: the document breaks off. */
static bool
give_origin(merge_t *m, const proto_pending_t *ours, unsigned n, unsigned *k)
{
    bool same = m->given != 0 && view_eq(m->name, m->last);

    if (!same && m->ask->last.len != 0 && view_cmp(m->name, m->ask->last) <= 0)
    {
        return read_element(m);
    }

    if (*k < n && view_eq(ours[*k].name, m->name) && !is_deleted(m->element)) {
        ++*k;
    }

    give(m, m->name, m->element);
    return read_element(m);
}


static void
put_end(merge_t *m, bool cut)
{
    writer_puts(m->w, "</Containers><NextMarker>");

    if (cut || m->next.len != 0) {
        writer_puts(m->w, MARKER_HEAD);
        proto_xml_text(m->w, m->last);
        writer_putc(m->w, '!');

        if (cut) {
            proto_xml_text(m->w, m->ask->marker);

        } else {
            writer_put(m->w, m->next);
        }
    }

    writer_puts(m->w, "</NextMarker></EnumerationResults>");
}


/* Is one of ours to be given before the origin's element at hand, or after
 * them all? Those past the page are for the next one. */
static bool
is_ours_next(const merge_t *m, const proto_pending_t *ours)
{
    if (m->name.ptr != NULL) {
        return view_cmp(ours->name, m->name) < 0;
    }

    return m->next.len == 0;
}


static bool
merge(merge_t *m, const proto_pending_t *ours, unsigned n)
{
    unsigned k = 0;

    if (!read_begin(m)) {
        return false;
    }

    /* ours before the first name belong to a page that was given */
    while (k < n
           && (view_cmp(ours[k].name, m->ask->last) <= 0
               || (m->ask->blind
                   && (m->name.ptr == NULL
                       || view_cmp(ours[k].name, m->name) < 0))))
    {
        k++;
    }

    for (;;) {
        bool more_ours = k < n && is_ours_next(m, &ours[k]);
        bool full = m->given >= m->ask->max;

        if (full
            && ((more_ours && !view_eq(ours[k].name, m->last))
                || (m->name.ptr != NULL && !view_eq(m->name, m->last))))
        {
            put_end(m, true);
            return true;
        }

        if (more_ours) {
            give(m, ours[k].name, ours[k].xml);
            k++;

        } else if (m->name.ptr == NULL) {
            put_end(m, false);
            return true;

        } else if (!give_origin(m, ours, n, &k)) {
            return false;
        }
    }
}


void
proto_containers_merge(writer_t *w, view_t xml, const proto_containers_t *ask,
                       const proto_pending_t *ours, unsigned n)
{
    merge_t m = { .w = w, .ask = ask, .xml = xml, .last = ask->last };
    size_t begin = w->len;
    view_t next =
        text_between(after_containers(xml), "<NextMarker>", "</NextMarker>");

    if (n == 0 && ask->last.len == 0
        && !view_starts_with(next, VIEW(MARKER_HEAD))) {
        writer_put(w, xml);
        return;
    }

    if (!merge(&m, ours, n)) {
        w->len = begin;
        writer_put(w, xml);
    }
}
