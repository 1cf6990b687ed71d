#include <stdlib.h>

#include "proto/date.h"
#include "proto/headers.h"
#include "proto/list.h"
#include "proto/op.h"

/* A query string: parameters, block ids, times, listings. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
    if (!ok) {
        abort();
    }
}


static void
use(const proto_uri_t *uri, writer_t *scratch)
{
    static const char *const methods[] = { "GET",  "PUT",    "HEAD",
                                           "POST", "DELETE", "OPTIONS" };
    static proto_headers_t headers;
    uint8_t id[PROTO_BLOCK_ID_MAX];
    proto_list_opts_t list;
    proto_fault_t fault;
    view_t v;
    int64_t t;
    bool committed, uncommitted;

    if (proto_block_id_parse(proto_uri_param(uri, PROTO_PARAM_BLOCKID), id, &v,
                             &fault)
        == PROTO_OK)
    {
        must(v.len >= 1 && v.len <= PROTO_BLOCK_ID_MAX);
    }

    if (proto_list_parse(uri, scratch, &list, &fault) == PROTO_OK) {
        must(list.max >= 1 && list.max <= PROTO_LIST_MAX);
        (void) proto_list_fold(&list, VIEW("a/b/c"), &v);
    }

    (void) proto_block_list_type(uri, &committed, &uncommitted, &fault);

    for (unsigned i = 0; i < uri->nparams; i++) {
        (void) proto_date_parse_iso8601(uri->params[i].value, &t);
        (void) proto_date_parse_http(uri->params[i].value, &t);
        (void) proto_version_parse(uri->params[i].value);
    }

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        const proto_op_t *op =
            proto_op_find(view_str(methods[i]), uri, &headers, &fault);

        must(op != NULL || fault.err != PROTO_OK);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[] = { "/acct?", "/acct/con?",
                                         "/acct/con/b?" };
    static uint8_t target[32 * 1024], buf[128 * 1024];
    static proto_uri_t uri;
    proto_uri_opts_t opts = { .style = PROTO_URI_PATH };
    proto_fault_t fault = { 0 };

    if (size > 16 * 1024) {
        return 0;
    }

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        writer_t t, w;

        writer_init_fixed(&t, target, sizeof(target));
        writer_init_fixed(&w, buf, sizeof(buf));
        writer_puts(&t, paths[i]);
        writer_put(&t, view_of(data, size));

        if (proto_uri_parse(writer_view(&t), VIEW("h"), &opts, &w, &uri,
                            &fault)
            == PROTO_OK)
        {
            use(&uri, &w);
        }
    }

    return 0;
}
