#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdlib.h>

#include "base/digest.h"
#include "origin/origin.h"
#include "proto/date.h"
#include "proto/lease.h"
#include "proto/uri.h"

/* What an origin sends is bounded by its own page size (5,000 blobs with 8 KiB
 * of metadata each at most); entities and the network stay off. */
#define XML_OPTIONS                                                           \
    (XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING                \
     | XML_PARSE_NOBLANKS | XML_PARSE_HUGE)
#define PAGE_MAX 5000u

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
set_length(blob_props_t *p, view_t v)
{
    (void) view_to_u64(v, &p->content_length);
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


static void
set_md5(blob_props_t *p, view_t v)
{
    uint8_t buf[MD5_LEN];
    size_t len = 0;

    if (base64_decode(v, buf, sizeof(buf), &len) && len == MD5_LEN) {
        memcpy(p->md5, buf, MD5_LEN);
        p->has_md5 = true;
    }
}


static void
set_type(blob_props_t *p, view_t v)
{
    p->type = view_eq(v, VIEW("PageBlob"))   ? BLOB_PAGE
            : view_eq(v, VIEW("AppendBlob")) ? BLOB_APPEND
                                             : BLOB_BLOCK;
}


static void
set_tier(blob_props_t *p, view_t v)
{
    p->tier = view_eq(v, VIEW("Cool"))    ? TIER_COOL
            : view_eq(v, VIEW("Cold"))    ? TIER_COLD
            : view_eq(v, VIEW("Archive")) ? TIER_ARCHIVE
            : view_eq(v, VIEW("Hot"))     ? TIER_HOT
                                          : TIER_NONE;
}


/* State and duration come in either order. */
static void
set_lease_state(blob_props_t *p, view_t v)
{
    lease_t lease;

    proto_lease_said(v, VIEW_NULL, &lease);
    p->lease.state = lease.state;
}


static void
set_lease_duration(blob_props_t *p, view_t v)
{
    if (view_eq(v, VIEW("infinite"))) {
        p->lease.duration_s = LEASE_INFINITE;
    }
}


#define SET_STRING(field)                                                     \
    static void set_##field(blob_props_t *p, view_t v)                        \
    {                                                                         \
        p->field = v.len != 0 ? v : VIEW_NULL;                                \
    }

SET_STRING(content_type)
SET_STRING(content_encoding)
SET_STRING(content_language)
SET_STRING(content_disposition)
SET_STRING(cache_control)

static const struct {
    const char *name;
    set_fn set;
} setters[] = {
    { "Creation-Time", set_created },
    { "Last-Modified", set_modified },
    { "Etag", set_etag },
    { "Content-Length", set_length },
    { "Content-Type", set_content_type },
    { "Content-Encoding", set_content_encoding },
    { "Content-Language", set_content_language },
    { "Content-Disposition", set_content_disposition },
    { "Cache-Control", set_cache_control },
    { "Content-MD5", set_md5 },
    { "BlobType", set_type },
    { "AccessTier", set_tier },
    { "LeaseState", set_lease_state },
    { "LeaseDuration", set_lease_duration },
};


static void
parse_properties(const xmlNode *props, writer_t *strings, blob_props_t *ret)
{
    for (const xmlNode *n = props->children; n != NULL; n = n->next) {
        for (size_t i = 0; i < sizeof(setters) / sizeof(setters[0]); i++) {
            if (is_node(n, setters[i].name)) {
                setters[i].set(ret, text_of(n, strings));
            }
        }
    }
}


static void
parse_metadata(const xmlNode *meta, writer_t *strings, blob_props_t *ret)
{
    uint8_t buf[16 * 1024], tmp[16 * 1024];
    writer_t packed, text;

    writer_init_fixed(&packed, buf, sizeof(buf));

    for (const xmlNode *n = meta->children; n != NULL; n = n->next) {
        if (n->type == XML_ELEMENT_NODE) {
            writer_init_fixed(&text, tmp, sizeof(tmp));
            props_pairs_put(&packed, view_str((const char *) n->name),
                            text_of(n, &text));
        }
    }

    ret->metadata = writer_take(strings, writer_view(&packed));
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


static bool
parse_item(const xmlNode *blob, origin_page_t *page)
{
    origin_item_t *it = &page->items[page->n];

    memset(it, 0, sizeof(*it));
    it->prefix = is_node(blob, "BlobPrefix");

    for (const xmlNode *n = blob->children; n != NULL; n = n->next) {
        if (is_node(n, "Name")) {
            it->name = parse_name(n, &page->strings);

        } else if (is_node(n, "Properties")) {
            parse_properties(n, &page->strings, &it->props);

        } else if (is_node(n, "Metadata")) {
            parse_metadata(n, &page->strings, &it->props);

        } else if (is_node(n, "Snapshot") || is_node(n, "VersionId")) {
            return true; /* not the base blob: left out */
        }
    }

    page->n += it->name.len != 0;
    return writer_ok(&page->strings);
}


static int
by_name(const void *a, const void *b)
{
    return view_cmp(((const origin_item_t *) a)->name,
                    ((const origin_item_t *) b)->name);
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
    size_t room = xml.len * 2 + 4096;
    void *strings;

    if (root == NULL) {
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
origin_blocks_parse(view_t xml, origin_block_fn fn, void *ctx)
{
    xmlDoc *doc = read_doc(xml);
    const xmlNode *root = root_named(doc, "BlockList");

    if (root == NULL) {
        xmlFreeDoc(doc);
        return TIER_EINVAL;
    }

    for (const xmlNode *n = root->children; n != NULL; n = n->next) {
        if (is_node(n, "CommittedBlocks") && !each_block(n, fn, ctx)) {
            break;
        }
    }

    xmlFreeDoc(doc);
    return TIER_OK;
}
