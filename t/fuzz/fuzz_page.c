#include <stdlib.h>

#include "origin/origin.h"
#include "proto/answer.h"
#include "proto/xml_out.h"

/*
 * What an origin says: a page of List Blobs, a list of blocks and the headers
 * of an answer, all from the same bytes.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADERS_MAX 64


static void
must(bool ok)
{
    if (!ok) {
        abort();
    }
}


static bool
count(void *ctx, view_t id_text, uint64_t size)
{
    unsigned *n = ctx;

    (void) size;
    must(id_text.ptr != NULL);
    return ++*n < 1000;
}


static void
use_headers(view_t in)
{
    proto_header_t hdrs[HEADERS_MAX];
    uint8_t buf[64 * 1024];
    blob_props_t props;
    container_props_t container;
    uint64_t off, len, total;
    unsigned n = 0;
    writer_t w;

    for (size_t from = 0; from < in.len && n < HEADERS_MAX; n++) {
        size_t to = view_find(in, '\n', from);
        view_t line = view_sub(in, from, to - from);
        size_t colon = view_find(line, ':', 0);

        hdrs[n].name = view_sub(line, 0, colon);
        hdrs[n].value = view_sub(line, colon + 1, line.len);
        from = to + 1;
    }

    writer_init_fixed(&w, buf, sizeof(buf));
    (void) proto_answer_blob(hdrs, n, &w, &props);
    (void) proto_answer_container(hdrs, n, &w, &container);
    (void) proto_answer_error(404, proto_answer_header(hdrs, n, VIEW("code")));

    if (n != 0
        && proto_answer_content_range(hdrs[0].value, &off, &len, &total)) {
        must(off + len <= total);
    }
}


/* What is said of an entry is XML, and says the same when it is read again. */
static void
say_again(const origin_page_t *page)
{
    origin_page_t again;
    writer_t w;

    writer_init_grow(&w, 64 * 1024 * 1024, NULL, NULL);
    writer_puts(&w, "<?xml version=\"1.0\" encoding=\"utf-8\"?>"
                    "<EnumerationResults><Blobs>");

    for (unsigned i = 0; i < page->n; i++) {
        proto_list_blob_t blob = { .name = page->items[i].name,
                                   .props = &page->items[i].props,
                                   .said = &page->items[i].said };

        proto_xml_blob(&w, &blob);
    }

    writer_puts(&w, "</Blobs></EnumerationResults>");
    must(writer_ok(&w));
    must(origin_page_parse(writer_view(&w), &again) == TIER_OK);
    must(again.n == page->n);

    for (unsigned i = 0; i < page->n; i++) {
        const origin_item_t *a = &page->items[i], *b = &again.items[i];

        must(view_eq(a->name, b->name) && view_eq(a->rank, b->rank));
        must(view_eq(a->said.before, b->said.before));
        must(view_eq(a->said.props, b->said.props));
        must(view_eq(a->said.after, b->said.after));
    }

    origin_page_free(&again);
    writer_free(&w);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    view_t in = view_of(data, size);
    origin_page_t page;
    unsigned n = 0;

    if (size > 64 * 1024) {
        return 0;
    }

    if (origin_page_parse(in, &page) == TIER_OK) {
        for (unsigned i = 1; i < page.n; i++) {
            must(view_cmp(page.items[i - 1].name, page.items[i].name) <= 0);
        }

        say_again(&page);
        origin_page_free(&page);
    }

    must(origin_blocks_parse(in, true, count, &n) != TIER_OK || n <= 1000);
    use_headers(in);
    return 0;
}
