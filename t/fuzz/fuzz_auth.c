#include <stdlib.h>

#include "proto/auth.h"

/*
 * A query and an Authorization header, separated by a newline, of a caller
 * who has no key: whatever they say, nobody is let in.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
    if (!ok) {
        abort();
    }
}


static void
knock(const proto_uri_t *uri, const proto_header_t *hdrs, unsigned nhdrs,
      writer_t *scratch)
{
    static const char *const methods[] = { "GET", "PUT", "DELETE" };
    static uint8_t detail[4096];
    static proto_headers_t headers;
    proto_fault_t fault;
    proto_auth_out_t out;
    writer_t w;

    if (proto_headers_parse(hdrs, nhdrs, uri, scratch, &headers, &fault)
        != PROTO_OK)
    {
        return;
    }

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        proto_auth_in_t in = { .method = view_str(methods[i]),
                               .uri = uri,
                               .headers = &headers,
                               .hdrs = hdrs,
                               .nhdrs = nhdrs,
                               .now_s = 1773144000, /* 2026-03-10 12:00 */
                               .client_ip = VIEW("10.0.0.5"),
                               .keys = { VIEW("a key"), VIEW("another") },
                               .nkeys = 2,
                               .facts = PROTO_NEED_CONTAINER
                                      | PROTO_NEED_UD_KEY | PROTO_NEED_VERDICT,
                               .container_exists = true,
                               .ud_key = VIEW("a third"),
                               .verdict = PROTO_ERR_AUTHENTICATION_FAILED,
                               .scratch = &w };

        writer_init_fixed(&w, detail, sizeof(detail));
        in.op = proto_op_find(in.method, uri, &headers, &fault);
        if (in.op != NULL) {
            must(proto_auth_check(&in, &out) != PROTO_OK);
            must(out.err == out.fault.err);
        }
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t target[32 * 1024], buf[128 * 1024];
    static proto_uri_t uri;
    proto_header_t hdrs[] = {
        { VIEW("x-ms-version"), VIEW("2023-11-03") },
        { VIEW("x-ms-date"), VIEW("Tue, 10 Mar 2026 12:00:00 GMT") },
        { VIEW("Authorization"), VIEW_NULL },
    };
    proto_uri_opts_t opts = { .style = PROTO_URI_PATH };
    view_t in = view_of(data, size);
    size_t line = view_find(in, '\n', 0);
    proto_fault_t fault = { 0 };
    writer_t t, w;

    if (size > 16 * 1024) {
        return 0;
    }

    writer_init_fixed(&t, target, sizeof(target));
    writer_init_fixed(&w, buf, sizeof(buf));
    writer_puts(&t, "/acct/con/b?");
    writer_put(&t, view_sub(in, 0, line));
    hdrs[2].value = view_sub(in, line + 1, in.len);

    if (proto_uri_parse(writer_view(&t), VIEW("h"), &opts, &w, &uri, &fault)
        == PROTO_OK)
    {
        knock(&uri, hdrs, line == in.len ? 2 : 3, &w);
    }

    return 0;
}
