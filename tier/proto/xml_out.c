#include "base/digest.h"
#include "proto/date.h"
#include "proto/reply.h"
#include "proto/tags.h"
#include "proto/uri.h"
#include "proto/xml_out.h"

#define DECLARATION "\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"utf-8\"?>"


/* XML 1.0 has no U+FFFE and U+FFFF (EF BF BE, EF BF BF). */
static bool
is_noncharacter(view_t v, size_t i)
{
    return v.ptr[i] == 0xEF && v.len - i >= 3 && v.ptr[i + 1] == 0xBF
        && v.ptr[i + 2] >= 0xBE;
}


/* How a character of ASCII is written; NULL: as it is. */
static const char *
markup(uint8_t c, bool attribute)
{
    switch (c) {
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '&':
        return "&amp;";
    case '"':
        return attribute ? "&quot;" : NULL;
    case '\r':
        return "&#xD;";
    case '\t':
    case '\n':
        return NULL;
    default:
        return c < 0x20 ? "" : NULL;
    }
}


/* Runs of plain bytes go out whole. Controls that XML 1.0 has no way to say
 * are left out; names are looked at before. Header values may have any byte
 * in them: what is not UTF-8 is taken for Latin-1, since one such value would
 * make a whole listing unreadable. */
static void
put_escaped(writer_t *w, view_t v, bool attribute)
{
    size_t from = 0, i = 0;

    while (i < v.len) {
        uint8_t c = v.ptr[i];
        uint8_t two[3] = { (uint8_t) (0xC0 | c >> 6),
                           (uint8_t) (0x80 | (c & 0x3F)), 0 };
        unsigned len = view_utf8(v, i);
        const char *as = len == 0              ? (const char *) two
                       : is_noncharacter(v, i) ? ""
                       : len == 1              ? markup(c, attribute)
                                               : NULL;

        len = len != 0 ? len : 1;

        if (as != NULL) {
            writer_put(w, view_sub(v, from, i - from));
            writer_puts(w, as);
            from = i + len;
        }

        i += len;
    }

    writer_put(w, view_sub(v, from, v.len - from));
}


void
proto_xml_text(writer_t *w, view_t v)
{
    put_escaped(w, v, false);
}


/* Where `what` begins at or after `from`, or xml.len. */
static size_t
find_text(view_t xml, view_t what, size_t from)
{
    size_t at = view_find(xml, what.ptr[0], from);

    while (at < xml.len && !view_eq(view_sub(xml, at, what.len), what)) {
        at = view_find(xml, what.ptr[0], at + 1);
    }

    return at;
}


void
proto_xml_endpoint(writer_t *w, view_t xml, view_t endpoint)
{
    view_t key = VIEW("ServiceEndpoint=\"");
    size_t root = find_text(xml, VIEW("<EnumerationResults"), 0);
    size_t at = find_text(xml, key, root);

    if (at >= view_find(xml, '>', root)) {
        writer_put(w, xml);
        return;
    }

    writer_put(w, view_sub(xml, 0, at + key.len));
    put_escaped(w, endpoint, true);
    writer_put(w, view_sub(xml, view_find(xml, '"', at + key.len), xml.len));
}


void
proto_xml_block_list_merge(writer_t *w, view_t xml, view_t uncommitted)
{
    size_t end = find_text(xml, VIEW("<UncommittedBlocks"), 0);

    if (end == xml.len) {
        end = find_text(xml, VIEW("</BlockList"), 0);
    }

    writer_put(w, view_sub(xml, 0, end));
    writer_put(w, uncommitted);
    writer_puts(w, "</BlockList>");
}


static void
open_tag(writer_t *w, const char *name)
{
    writer_putc(w, '<');
    writer_puts(w, name);
    writer_putc(w, '>');
}


static void
close_tag(writer_t *w, const char *name)
{
    writer_puts(w, "</");
    writer_puts(w, name);
    writer_putc(w, '>');
}


static void
put_node(writer_t *w, const char *name, view_t value)
{
    if (value.len == 0) {
        writer_putc(w, '<');
        writer_puts(w, name);
        writer_puts(w, " />");
        return;
    }

    open_tag(w, name);
    put_escaped(w, value, false);
    close_tag(w, name);
}


static void
put_sent(writer_t *w, const char *name, view_t value)
{
    if (value.ptr != NULL) {
        put_node(w, name, value);
    }
}


static void
put_u64(writer_t *w, const char *name, uint64_t n)
{
    open_tag(w, name);
    writer_put_u64(w, n);
    close_tag(w, name);
}


static void
put_date(writer_t *w, const char *name, int64_t t_s)
{
    open_tag(w, name);
    proto_date_rfc1123(w, t_s);
    close_tag(w, name);
}


/* XML 1.0 has no controls below space but three. Carriage return would be
 * read back as a newline. */
static bool
is_sayable(view_t v)
{
    unsigned len;

    for (size_t i = 0; i < v.len; i += len) {
        uint8_t c = v.ptr[i];

        len = view_utf8(v, i);

        if (len == 0 || (c < 0x20 && c != '\t' && c != '\n')
            || is_noncharacter(v, i)) {
            return false;
        }
    }

    return true;
}


static void
put_name(writer_t *w, const char *tag, view_t name)
{
    if (is_sayable(name)) {
        put_node(w, tag, name);
        return;
    }

    writer_putc(w, '<');
    writer_puts(w, tag);
    writer_puts(w, " Encoded=\"true\">");
    proto_uri_encode(w, name, false);
    close_tag(w, tag);
}


/* ---- listings ----------------------------------------------------------- */

static void
results_begin(writer_t *w, const proto_list_t *list)
{
    writer_puts(w, DECLARATION "<EnumerationResults ServiceEndpoint=\"");
    put_escaped(w, list->endpoint, true);
    writer_putc(w, '"');

    if (list->container.ptr != NULL) {
        writer_puts(w, " ContainerName=\"");
        put_escaped(w, list->container, true);
        writer_putc(w, '"');
    }

    writer_putc(w, '>');

    if (list->prefix.ptr != NULL) {
        put_name(w, "Prefix", list->prefix);
    }

    put_sent(w, "Marker", list->marker);

    if (list->max_results != 0) {
        put_u64(w, "MaxResults", list->max_results);
    }

    put_sent(w, "Delimiter", list->delimiter);
}


static void
results_end(writer_t *w, const char *items, view_t next_marker)
{
    close_tag(w, items);
    put_node(w, "NextMarker", next_marker);
    close_tag(w, "EnumerationResults");
}


/* Names of metadata are identifiers (they were checked when set), so they
 * are element names. */
static void
put_metadata(writer_t *w, view_t packed)
{
    view_t name, value;
    size_t pos = 0;

    if (packed.len == 0) {
        writer_puts(w, "<Metadata />");
        return;
    }

    open_tag(w, "Metadata");

    while (props_pairs_next(packed, &pos, &name, &value)) {
        writer_putc(w, '<');
        writer_put(w, name);
        writer_putc(w, '>');
        put_escaped(w, value, false);
        writer_puts(w, "</");
        writer_put(w, name);
        writer_putc(w, '>');
    }

    close_tag(w, "Metadata");
}


static void
put_tier(writer_t *w, const blob_props_t *p)
{
    if (p->type != BLOB_BLOCK && p->tier == TIER_NONE) {
        return;
    }

    put_node(w, "AccessTier", proto_tier_name(p->tier));

    if (p->tier == TIER_NONE) {
        put_node(w, "AccessTierInferred", VIEW("true"));

    } else if (p->tier_change_time_s != 0) {
        put_date(w, "AccessTierChangeTime", p->tier_change_time_s);
    }

    put_sent(w, "ArchiveStatus", p->archive_status);
}


static void
put_md5(writer_t *w, const blob_props_t *p)
{
    if (!p->has_md5) {
        writer_puts(w, "<Content-MD5 />");
        return;
    }

    open_tag(w, "Content-MD5");
    base64_encode(w, view_of(p->md5, MD5_LEN));
    close_tag(w, "Content-MD5");
}


static void
put_copy(writer_t *w, const blob_props_t *p)
{
    if (p->copy_status == COPY_NONE) {
        return;
    }

    put_node(w, "CopyId", p->copy_id);
    put_node(w, "CopyStatus", proto_copy_status_name(p->copy_status));
    put_node(w, "CopySource", p->copy_source);
    open_tag(w, "CopyProgress");
    writer_put_u64(w, p->copy_done);
    writer_putc(w, '/');
    writer_put_u64(w, p->copy_total);
    close_tag(w, "CopyProgress");

    if (p->copy_completion_time_s != 0) {
        put_date(w, "CopyCompletionTime", p->copy_completion_time_s);
    }

    if (p->copy_status_text.len != 0) {
        put_node(w, "CopyStatusDescription", p->copy_status_text);
    }
}


static void
put_lease(writer_t *w, const lease_t *lease)
{
    put_node(w, "LeaseStatus", proto_lease_status_name(lease));
    put_node(w, "LeaseState", proto_lease_state_name(lease));
    put_sent(w, "LeaseDuration", proto_lease_duration_name(lease));
}


static void
put_blob_properties(writer_t *w, const proto_list_blob_t *blob)
{
    const blob_props_t *p = blob->props;

    open_tag(w, "Properties");

    if (!blob->uncommitted) {
        put_date(w, "Creation-Time", p->creation_time_s);
        put_date(w, "Last-Modified", p->last_modified_s);
        put_node(w, "Etag", p->etag);
    }

    put_u64(w, "Content-Length", blob->uncommitted ? 0 : p->content_length);
    put_node(w, "Content-Type", p->content_type);
    put_node(w, "Content-Encoding", p->content_encoding);
    put_node(w, "Content-Language", p->content_language);
    writer_puts(w, "<Content-CRC64 />");
    put_md5(w, p);
    put_node(w, "Cache-Control", p->cache_control);
    put_node(w, "Content-Disposition", p->content_disposition);
    put_node(w, "BlobType", proto_blob_type_name(p->type));

    if (!blob->uncommitted) {
        put_tier(w, p);
        put_lease(w, &p->lease);
    }

    if (blob->copy) {
        put_copy(w, p);
    }

    writer_puts(w, "<ServerEncrypted>true</ServerEncrypted>");

    if (p->sealed) {
        put_node(w, "Sealed", VIEW("true"));
    }

    if (!blob->uncommitted && proto_tags_count(p) != 0) {
        put_u64(w, "TagCount", proto_tags_count(p));
    }

    close_tag(w, "Properties");
}


void
proto_xml_blobs_begin(writer_t *w, const proto_list_t *list)
{
    results_begin(w, list);
    open_tag(w, "Blobs");
}


static void
put_said(writer_t *w, const proto_list_blob_t *blob)
{
    const proto_list_said_t *said = blob->said;
    const blob_props_t *p = blob->props;

    writer_put(w, said->before);
    open_tag(w, "Properties");

    if (p->creation_time_s != 0) {
        put_date(w, "Creation-Time", p->creation_time_s);
    }

    if (p->last_modified_s != 0) {
        put_date(w, "Last-Modified", p->last_modified_s);
    }

    if (p->etag.len != 0) {
        put_node(w, "Etag", p->etag);
    }

    writer_put(w, said->props);

    if (blob->copy && !said->copy) {
        put_copy(w, p);
    }

    close_tag(w, "Properties");
    writer_put(w, said->after);
    close_tag(w, "Blob");
}


void
proto_xml_blob(writer_t *w, const proto_list_blob_t *blob)
{
    open_tag(w, "Blob");
    put_name(w, "Name", blob->name);

    if (blob->said != NULL) {
        put_said(w, blob);
        return;
    }

    if (blob->snapshot != 0) {
        open_tag(w, "Snapshot");
        proto_date_ticks(w, blob->snapshot);
        close_tag(w, "Snapshot");
    }

    put_blob_properties(w, blob);

    if (blob->metadata) {
        put_metadata(w, blob->props->metadata);
    }

    if (blob->tags && blob->props->tags.len != 0) {
        proto_tags_element(w, blob->props->tags);
    }

    writer_puts(w, "<OrMetadata />");
    close_tag(w, "Blob");
}


void
proto_xml_blob_prefix(writer_t *w, view_t prefix)
{
    open_tag(w, "BlobPrefix");
    put_name(w, "Name", prefix);
    close_tag(w, "BlobPrefix");
}


void
proto_xml_blobs_end(writer_t *w, view_t next_marker)
{
    results_end(w, "Blobs", next_marker);
}


void
proto_xml_containers_begin(writer_t *w, const proto_list_t *list)
{
    results_begin(w, list);
    open_tag(w, "Containers");
}


/* The ETag is quoted here and not in a list of blobs, as Azure does it. */
void
proto_xml_container(writer_t *w, view_t name, const container_props_t *props,
                    bool metadata)
{
    open_tag(w, "Container");
    put_node(w, "Name", name);
    open_tag(w, "Properties");
    put_date(w, "Last-Modified", props->last_modified_s);
    writer_puts(w, "<Etag>\"");
    put_escaped(w, props->etag, false);
    writer_puts(w, "\"</Etag>");
    put_lease(w, &props->lease);
    put_sent(w, "PublicAccess",
             proto_public_access_name(props->public_access));
    writer_puts(w, "<DefaultEncryptionScope>$account-encryption-key"
                   "</DefaultEncryptionScope>"
                   "<DenyEncryptionScopeOverride>false"
                   "</DenyEncryptionScopeOverride>"
                   "<HasImmutabilityPolicy>false</HasImmutabilityPolicy>"
                   "<HasLegalHold>false</HasLegalHold>"
                   "<ImmutableStorageWithVersioningEnabled>false"
                   "</ImmutableStorageWithVersioningEnabled></Properties>");

    if (metadata) {
        put_metadata(w, props->metadata);
    }

    close_tag(w, "Container");
}


void
proto_xml_containers_end(writer_t *w, view_t next_marker)
{
    results_end(w, "Containers", next_marker);
}


/* "2!" and the name in base64 with the two characters that a URL dislikes
 * replaced: clients hand markers back verbatim, encoded or not. After a
 * snapshot "!" and its time follow. */
#define MARKER_HEAD "2!"


void
proto_marker_format(writer_t *w, view_t name, uint64_t snapshot)
{
    size_t from;

    writer_puts(w, MARKER_HEAD);
    from = w->len;
    base64_encode(w, name);

    for (size_t i = from; i < w->len; i++) {
        w->buf[i] = w->buf[i] == '+' ? '-'
                  : w->buf[i] == '/' ? '_'
                  : w->buf[i] == '=' ? '.'
                                     : w->buf[i];
    }

    if (snapshot != 0) {
        writer_putc(w, '!');
        writer_put_u64(w, snapshot);
    }
}


bool
proto_marker_parse(view_t marker, writer_t *scratch, view_t *ret,
                   uint64_t *ret_snapshot)
{
    uint8_t *text, *name;
    size_t len, end;

    *ret_snapshot = 0;

    if (marker.len == 0) {
        *ret = VIEW("");
        return true;
    }

    if (!view_starts_with(marker, VIEW(MARKER_HEAD))) {
        return false;
    }

    marker = view_sub(marker, 2, marker.len - 2);
    end = view_find(marker, '!', 0);

    if (end < marker.len
        && !view_to_u64(view_sub(marker, end + 1, marker.len), ret_snapshot))
    {
        return false;
    }

    marker = view_sub(marker, 0, end);
    text = writer_reserve(scratch, 2 * marker.len);
    if (text == NULL) {
        return false;
    }

    name = text + marker.len;

    for (size_t i = 0; i < marker.len; i++) {
        uint8_t c = marker.ptr[i];

        text[i] = c == '-' ? '+' : c == '_' ? '/' : c == '.' ? '=' : c;
    }

    if (!base64_decode(view_of(text, marker.len), name, marker.len, &len)) {
        return false;
    }

    *ret = view_of(name, len);
    return true;
}


/* ---- Find Blobs by Tags ------------------------------------------------- */

void
proto_xml_found_begin(writer_t *w, view_t endpoint, view_t where)
{
    writer_puts(w, DECLARATION "<EnumerationResults ServiceEndpoint=\"");
    put_escaped(w, endpoint, true);
    writer_puts(w, "\">");
    put_node(w, "Where", where);
    open_tag(w, "Blobs");
}


void
proto_xml_found(writer_t *w, view_t name, view_t container, view_t tags)
{
    open_tag(w, "Blob");
    put_name(w, "Name", name);
    put_node(w, "ContainerName", container);
    proto_tags_element(w, tags);
    close_tag(w, "Blob");
}


/* ---- Get Block List ----------------------------------------------------- */

void
proto_xml_block_list_begin(writer_t *w)
{
    writer_puts(w, DECLARATION "<BlockList>");
}


void
proto_xml_blocks_begin(writer_t *w, bool committed)
{
    open_tag(w, committed ? "CommittedBlocks" : "UncommittedBlocks");
}


void
proto_xml_block(writer_t *w, view_t id, uint64_t size)
{
    writer_puts(w, "<Block><Name>");
    base64_encode(w, id);
    writer_puts(w, "</Name><Size>");
    writer_put_u64(w, size);
    writer_puts(w, "</Size></Block>");
}


void
proto_xml_blocks_end(writer_t *w, bool committed)
{
    close_tag(w, committed ? "CommittedBlocks" : "UncommittedBlocks");
}


void
proto_xml_block_list_end(writer_t *w)
{
    close_tag(w, "BlockList");
}


/* ---- the rest ----------------------------------------------------------- */

void
proto_xml_policies_put(writer_t *w, const proto_policy_t *policies, unsigned n)
{
    writer_puts(w, DECLARATION "<SignedIdentifiers>");

    for (unsigned i = 0; i < n; i++) {
        writer_puts(w, "<SignedIdentifier>");
        put_node(w, "Id", policies[i].id);
        open_tag(w, "AccessPolicy");
        put_sent(w, "Start", policies[i].start);
        put_sent(w, "Expiry", policies[i].expiry);
        put_sent(w, "Permission", policies[i].permission);
        close_tag(w, "AccessPolicy");
        close_tag(w, "SignedIdentifier");
    }

    close_tag(w, "SignedIdentifiers");
}
