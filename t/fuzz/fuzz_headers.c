#include <stdlib.h>

#include "proto/cond.h"
#include "proto/headers.h"
#include "proto/op.h"
#include "proto/range.h"

/*
 * A method and a target on the first line, then header lines, as bytes of a
 * request without their carriage returns.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADERS_MAX 128


static void
must(bool ok)
{
    if (!ok) {
        abort();
    }
}


static unsigned
split(view_t in, size_t from, proto_header_t *hdrs)
{
    unsigned n = 0;

    while (from < in.len && n < HEADERS_MAX) {
        size_t to = view_find(in, '\n', from);
        view_t line = view_sub(in, from, to - from);
        size_t colon = view_find(line, ':', 0);

        hdrs[n].name = view_sub(line, 0, colon);
        hdrs[n++].value = view_sub(line, colon + 1, line.len);
        from = to + 1;
    }

    return n;
}


static void
use(const proto_headers_t *h, writer_t *scratch)
{
    proto_cond_state_t state = { .exists = true,
                                 .etag = VIEW("0x1"),
                                 .last_modified_s = 784111777 };
    blob_props_t props = { 0 };
    proto_body_check_t check;
    proto_fault_t fault;
    proto_range_t range;
    size_t pos = 0;
    view_t name, value;

    (void) proto_cond_check_form(&h->cond, true);
    (void) proto_cond_check_read(&h->cond, &state);
    (void) proto_cond_check_write(&h->cond, &state, true);
    (void) proto_headers_body_check(h, true, &check, &fault);

    for (uint64_t size = 0; size <= 1ull << 40; size = size * 1024 + 1) {
        if (proto_range_get(h, size, &range, &fault) == PROTO_OK) {
            must(range.off + range.len <= size);
            must(!range.partial || range.len != 0);
        }
    }

    while (props_pairs_next(h->metadata, &pos, &name, &value)) {
        must(name.len != 0);
    }

    must(pos == h->metadata.len);

    if (proto_headers_blob_props(h, true, true, &props, &fault) == PROTO_OK) {
        size_t start = scratch->len;

        blob_props_encode(scratch, &props);
        must(writer_ok(scratch));
        must(blob_props_decode(
                 view_sub(writer_view(scratch), start, scratch->len), &props)
             == TIER_OK);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t buf[256 * 1024];
    static proto_uri_t uri;
    static proto_headers_t headers;
    static proto_header_t hdrs[HEADERS_MAX];
    proto_uri_opts_t opts = { .style = PROTO_URI_HOST };
    proto_fault_t fault = { 0 };
    view_t in = view_of(data, size);
    writer_t w;

    if (size > 32 * 1024) {
        return 0;
    }

    size_t space = view_find(in, ' ', 0);
    size_t end = view_find(in, '\n', 0);
    view_t method = view_sub(in, 0, space);
    view_t target = space < end ? view_sub(in, space + 1, end - space - 1)
                                : VIEW("/c12/b");

    writer_init_fixed(&w, buf, sizeof(buf));

    if (proto_uri_parse(target, VIEW("a.b"), &opts, &w, &uri, &fault)
        != PROTO_OK) {
        return 0;
    }

    unsigned n = split(in, end + 1, hdrs);

    if (proto_headers_parse(hdrs, n, &uri, &w, &headers, &fault) != PROTO_OK) {
        char text[128 * 1024];
        writer_t x;

        must(fault.err != PROTO_OK);
        writer_init_fixed(&x, text, sizeof(text));
        proto_error_xml(&x, &fault, VIEW("id"), 0);
        return 0;
    }

    if (proto_op_find(method, &uri, &headers, &fault) == NULL) {
        must(fault.err != PROTO_OK);
    }

    use(&headers, &w);
    return 0;
}
