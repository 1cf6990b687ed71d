#include <stdlib.h>

#include "proto/batch.h"

/* A line of Content-Type, then the body of a batch; the parts that come out
 * are looked at as the glue does. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static proto_batch_part_t parts[PROTO_BATCH_PARTS_MAX];

static void
must(bool ok)
{
    if (!ok) {
        abort();
    }
}


static void
within(view_t v, view_t all)
{
    must(v.len == 0
         || (v.ptr >= all.ptr && v.ptr + v.len <= all.ptr + all.len));
}


static void
use(const proto_batch_part_t *part, view_t body, const char *container)
{
    static uint8_t buf[64 * 1024];
    static proto_uri_t uri;
    proto_header_t hdrs[PROTO_BATCH_HEADERS_MAX];
    proto_uri_t outer = { .account = VIEW("acct"), .path_style = true };
    proto_fault_t fault;
    writer_t w;

    outer.container = view_str(container);
    within(part->content_id, body);
    within(part->method, body);
    within(part->target, body);
    must(part->target.ptr[0] == '/' && part->nhdrs <= PROTO_BATCH_HEADERS_MAX);

    proto_batch_headers(part, hdrs);
    for (unsigned i = 0; i < part->nhdrs; i++) {
        must(hdrs[i].name.len != 0);
        within(hdrs[i].name, part->head);
        within(hdrs[i].value, part->head);
    }

    proto_uri_opts_t opts = proto_batch_uri_opts(&outer, part->target);

    writer_init_fixed(&w, buf, sizeof(buf));
    if (proto_uri_parse(part->target, VIEW("h"), &opts, &w, &uri, &fault)
        == PROTO_OK)
    {
        must(view_eq(uri.account, outer.account));
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    view_t all = view_of(data, size), boundary, body;
    proto_fault_t fault;
    proto_op_id_t kind;
    unsigned n;
    size_t line;

    if (size > 64 * 1024) {
        return 0;
    }

    line = view_find(all, '\n', 0);
    body = view_sub(all, line + 1, all.len);

    if (proto_batch_boundary(view_sub(all, 0, line), &boundary, &fault)
            != PROTO_OK
        || proto_batch_parse(body, boundary, parts, &n, &fault) != PROTO_OK)
    {
        return 0;
    }

    must(n >= 1 && n <= PROTO_BATCH_PARTS_MAX);
    (void) proto_batch_check(parts, n, &kind, &fault);
    for (unsigned i = 0; i < n; i++) {
        use(&parts[i], body, "");
        use(&parts[i], body, "acct");
    }

    return 0;
}
