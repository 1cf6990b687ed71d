#include <stdlib.h>

#include "proto/tags.h"

/* Tags as a form and as a document, and expressions about them: what was
 * read is within its limits, and is written and read again the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
    if (!ok) {
        abort();
    }
}


static void
again(view_t packed)
{
    static uint8_t text[16 * 1024], room[PROTO_TAGS_PACKED_MAX];
    blob_props_t props = { .tags = packed };
    proto_fault_t fault;
    view_t key, value, back;
    writer_t w, r;

    must(packed.len <= PROTO_TAGS_PACKED_MAX);
    must(proto_tags_count(&props) <= PROTO_TAGS_MAX);

    for (size_t pos = 0; props_pairs_next(packed, &pos, &key, &value);) {
        must(key.len >= 1 && key.len <= PROTO_TAG_KEY_MAX);
        must(value.len <= PROTO_TAG_VALUE_MAX);
    }

    writer_init_fixed(&w, text, sizeof(text));
    writer_init_fixed(&r, room, sizeof(room));
    proto_tags_format(&w, packed);
    must(writer_ok(&w)
         && proto_tags_header(writer_view(&w), &r, &back, &fault) == PROTO_OK
         && view_eq(back, packed));

    writer_reset(&w);
    writer_reset(&r);
    proto_tags_document(&w, packed);
    must(writer_ok(&w)
         && proto_tags_xml(writer_view(&w), &r, &back, &fault) == PROTO_OK
         && view_eq(back, packed));
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t tags[] = { 1, 0, 1, 0, 'a', '1', 1, 0, 0, 0, 'b' };
    view_t in = view_of(data, size), packed, own = view_of(tags, sizeof(tags));
    uint8_t room[PROTO_TAGS_PACKED_MAX];
    proto_fault_t fault;
    bool match;
    writer_t w;

    if (size > 16 * 1024) {
        return 0;
    }

    writer_init_fixed(&w, room, sizeof(room));
    if (proto_tags_header(in, &w, &packed, &fault) == PROTO_OK) {
        again(packed);
    }

    writer_init_fixed(&w, room, sizeof(room));
    if (proto_tags_xml(in, &w, &packed, &fault) == PROTO_OK) {
        again(packed);
    }

    if (proto_tags_match(PROTO_TAGS_FIND, in, own, VIEW("c"), &match)) {
        must(proto_tags_where_check(in, &fault) == PROTO_OK);
    }

    if (proto_tags_match(PROTO_TAGS_IF, in, own, VIEW_NULL, &match)) {
        must(proto_tags_if_check("h", in, &fault) == PROTO_OK);
    }

    (void) proto_tags_named(in, VIEW("a"));
    return 0;
}
