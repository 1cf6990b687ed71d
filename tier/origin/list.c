#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdlib.h>

#include "base/digest.h"
#include "origin/origin.h"
#include "proto/date.h"
#include "proto/uri.h"

/* What an origin sends is bounded by its own page size (5,000 blobs with 8 KiB
 * of metadata each at most); entities and the network stay off. */
#define XML_OPTIONS                                                           \
    (XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING                \
     | XML_PARSE_NOBLANKS | XML_PARSE_HUGE)
#define PAGE_MAX 5000u

/* Texts are kept decoded and as XML, in which `>` may have become `&gt;`.
 * Memory that is not written to costs nothing. */
#define ROOM 6u

typedef void (*set_fn)(blob_props_t *p, view_t v);


static bool
is_node(const xmlNode *n, const char *name)
{
    return n->type == XML_ELEMENT_NODE
        && strcmp((const char *) n->name, name) == 0;
}


/* Text of an element, copied into strings; empty elements give an empty
 * view. */
static view_t
text_of(const xmlNode *n, writer_t *strings)
{
    xmlChar *s = xmlNodeGetContent(n);
    view_t v = s == NULL ? VIEW("") : view_str((const char *) s);

    v = writer_take(strings, v);
    xmlFree(s);
    return v;
}


static void
set_created(blob_props_t *p, view_t v)
{
    (void) proto_date_parse_http(v, &p->creation_time_s);
}


static void
set_modified(blob_props_t *p, view_t v)
{
    (void) proto_date_parse_http(v, &p->last_modified_s);
}


static void
set_etag(blob_props_t *p, view_t v)
{
    if (v.len >= 2 && v.ptr[0] == '"') {
        v = view_sub(v, 1, v.len - 2);
    }

    p->etag = v;
}


static const struct {
    const char *name;
    set_fn set;
} setters[] = {
    { "Creation-Time", set_created },
    { "Last-Modified", set_modified },
    { "Etag", set_etag },
};


/* The element as XML, at the end of what is taken of strings so far. */
static bool
put_raw(const xmlNode *n, writer_t *strings)
{
    xmlBuffer *buf = xmlBufferCreate();
    int len = buf == NULL
                ? -1
                : xmlNodeDump(buf, n->doc, (xmlNode *) (uintptr_t) n, 0, 0);

    if (len > 0) {
        writer_put(strings, view_of(xmlBufferContent(buf), (size_t) len));
    }

    xmlBufferFree(buf);
    return len >= 0 && writer_ok(strings);
}


static bool
parse_properties(const xmlNode *props, writer_t *strings, origin_item_t *it)
{
    bool ok = true;
    size_t from;

    for (const xmlNode *n = props->children; n != NULL; n = n->next) {
        for (size_t i = 0; i < sizeof(setters) / sizeof(setters[0]); i++) {
            if (is_node(n, setters[i].name)) {
                setters[i].set(&it->props, text_of(n, strings));
            }
        }

        it->said.copy |= is_node(n, "CopyId");
    }

    from = strings->len;

    for (const xmlNode *n = props->children; n != NULL && ok; n = n->next) {
        size_t i = 0;

        while (i < sizeof(setters) / sizeof(setters[0])
               && !is_node(n, setters[i].name))
        {
            i++;
        }

        if (i == sizeof(setters) / sizeof(setters[0])) {
            ok = put_raw(n, strings);
        }
    }

    it->said.props = view_of(strings->buf + from, strings->len - from);
    return ok;
}


static view_t
parse_name(const xmlNode *n, writer_t *strings)
{
    xmlChar *encoded = xmlGetProp(n, (const xmlChar *) "Encoded");
    view_t v = text_of(n, strings);

    if (encoded != NULL && strcmp((const char *) encoded, "true") == 0) {
        (void) proto_uri_decode(v, false, strings, &v);
    }

    xmlFree(encoded);
    return v;
}


/* What tells the entries of one name apart. */
static void
parse_kind(const xmlNode *n, writer_t *strings, origin_item_t *it)
{
    if (is_node(n, "Snapshot")) {
        it->base = false;
        it->rank = text_of(n, strings);

    } else if (is_node(n, "VersionId") && it->rank.len == 0) {
        it->rank = text_of(n, strings);

    } else if (is_node(n, "IsCurrentVersion")) {
        it->base &= view_eq_ci(text_of(n, strings), VIEW("true"));

    } else if (is_node(n, "Deleted")) {
        it->base &= !view_eq_ci(text_of(n, strings), VIEW("true"));
    }
}


/* Whether it is one of the elements that come before Properties. */
static bool
is_before(const xmlNode *n)
{
    return is_node(n, "Snapshot") || is_node(n, "VersionId")
        || is_node(n, "IsCurrentVersion") || is_node(n, "Deleted");
}


/* All elements of one side but Name and Properties. */
static view_t
parse_rest(const xmlNode *blob, bool before, writer_t *strings, bool *ok)
{
    size_t from = strings->len;

    for (const xmlNode *n = blob->children; n != NULL && *ok; n = n->next) {
        if (n->type == XML_ELEMENT_NODE && !is_node(n, "Name")
            && !is_node(n, "Properties") && is_before(n) == before)
        {
            *ok = put_raw(n, strings);
        }
    }

    return view_of(strings->buf + from, strings->len - from);
}


static bool
parse_item(const xmlNode *blob, origin_page_t *page)
{
    origin_item_t *it = &page->items[page->n];
    bool ok = true, versioned = false, current = false;

    memset(it, 0, sizeof(*it));
    it->prefix = is_node(blob, "BlobPrefix");
    it->base = true;
    it->at = page->n;

    for (const xmlNode *n = blob->children; n != NULL && ok; n = n->next) {
        if (is_node(n, "Name")) {
            it->name = parse_name(n, &page->strings);

        } else if (is_node(n, "Properties")) {
            ok = parse_properties(n, &page->strings, it);

        } else {
            parse_kind(n, &page->strings, it);
            versioned |= is_node(n, "VersionId");
            current |= is_node(n, "IsCurrentVersion");
        }
    }

    /* only the current version says which it is */
    it->base &= !versioned || current;

    if (!it->prefix) {
        it->said.before = parse_rest(blob, true, &page->strings, &ok);
        it->said.after = parse_rest(blob, false, &page->strings, &ok);
    }

    page->n += it->name.len != 0;
    return ok && writer_ok(&page->strings);
}


static int
by_name(const void *a, const void *b)
{
    const origin_item_t *x = a, *y = b;
    int cmp = view_cmp(x->name, y->name);

    return cmp != 0 ? cmp : x->at < y->at ? -1 : x->at > y->at;
}


static const xmlNode *
root_named(xmlDoc *doc, const char *name)
{
    const xmlNode *root = doc == NULL ? NULL : xmlDocGetRootElement(doc);

    return root != NULL && is_node(root, name) ? root : NULL;
}


static xmlDoc *
read_doc(view_t xml)
{
    return xml.len == 0 || xml.len > INT32_MAX
             ? NULL
             : xmlReadMemory((const char *) xml.ptr, (int) xml.len, "origin",
                             NULL, XML_OPTIONS);
}


static tier_rc_t
parse_blobs(const xmlNode *blobs, origin_page_t *page)
{
    for (const xmlNode *b = blobs->children; b != NULL; b = b->next) {
        if (!is_node(b, "Blob") && !is_node(b, "BlobPrefix")) {
            continue;
        }

        if (page->n == PAGE_MAX || !parse_item(b, page)) {
            return TIER_EINVAL;
        }
    }

    return TIER_OK;
}


tier_rc_t
origin_page_parse(view_t xml, origin_page_t *ret)
{
    xmlDoc *doc = read_doc(xml);
    const xmlNode *root = root_named(doc, "EnumerationResults");
    origin_page_t page = { 0 };
    tier_rc_t rc = TIER_OK;
    size_t room = xml.len * ROOM + 4096;
    void *strings;

    /* entries are given on: with entities of its own they would say nothing */
    if (root == NULL || doc->intSubset != NULL) {
        xmlFreeDoc(doc);
        return TIER_EINVAL;
    }

    strings = malloc(room);
    page.items = calloc(PAGE_MAX, sizeof(*page.items));

    if (strings == NULL || page.items == NULL) {
        free(strings);
        free(page.items);
        xmlFreeDoc(doc);
        return TIER_ENOMEM;
    }

    writer_init_fixed(&page.strings, strings, room);

    for (const xmlNode *n = root->children; n != NULL && rc == TIER_OK;
         n = n->next)
    {
        if (is_node(n, "Blobs")) {
            rc = parse_blobs(n, &page);

        } else if (is_node(n, "NextMarker")) {
            page.next_marker = text_of(n, &page.strings);
        }
    }

    xmlFreeDoc(doc);

    if (rc != TIER_OK) {
        origin_page_free(&page);
        return rc;
    }

    qsort(page.items, page.n, sizeof(page.items[0]), by_name);
    *ret = page;
    return TIER_OK;
}


void
origin_page_free(origin_page_t *page)
{
    free(page->items);
    free(page->strings.buf);
    memset(page, 0, sizeof(*page));
}


static bool
each_block(const xmlNode *list, origin_block_fn fn, void *ctx)
{
    for (const xmlNode *b = list->children; b != NULL; b = b->next) {
        uint8_t buf[256];
        writer_t w;
        view_t id = VIEW_NULL;
        uint64_t size = 0;

        writer_init_fixed(&w, buf, sizeof(buf));

        for (const xmlNode *n = b->children; n != NULL; n = n->next) {
            if (is_node(n, "Name")) {
                id = text_of(n, &w);

            } else if (is_node(n, "Size")) {
                (void) view_to_u64(text_of(n, &w), &size);
            }
        }

        if (id.len != 0 && !fn(ctx, id, size)) {
            return false;
        }
    }

    return true;
}


tier_rc_t
origin_blocks_parse(view_t xml, bool committed, origin_block_fn fn, void *ctx)
{
    const char *list = committed ? "CommittedBlocks" : "UncommittedBlocks";
    xmlDoc *doc = read_doc(xml);
    const xmlNode *root = root_named(doc, "BlockList");

    if (root == NULL) {
        xmlFreeDoc(doc);
        return TIER_EINVAL;
    }

    for (const xmlNode *n = root->children; n != NULL; n = n->next) {
        if (is_node(n, list) && !each_block(n, fn, ctx)) {
            break;
        }
    }

    xmlFreeDoc(doc);
    return TIER_OK;
}
