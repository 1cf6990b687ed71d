#include <stdlib.h>

#include "proto/uri.h"

/*
 * A style (one byte), the Host header up to a newline, then a request target.
 * What is accepted has to be clean: a name that passes its own check, no dot
 * segment, views inside target or scratch.
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
check_names(const proto_uri_t *uri)
{
    proto_fault_t fault;

    if (uri->container.len != 0) {
        must(proto_container_name_check(uri->container, &fault) == PROTO_OK);
    }

    if (uri->blob.len != 0) {
        must(uri->container.len != 0);
        must(proto_blob_name_check(uri->blob, &fault) == PROTO_OK);
        must(view_find(uri->blob, 0, 0) == uri->blob.len);
        must(view_find(uri->blob, '\\', 0) == uri->blob.len);
        must(!view_starts_with(uri->blob, VIEW("../")));
    }
}


/* The name, written the canonical way, is read as the same name. */
static void
check_round_trip(const proto_uri_t *uri)
{
    static uint8_t path[16 * 1024], scratch[64 * 1024];
    static proto_uri_t again;
    proto_uri_opts_t opts = { .style = PROTO_URI_FIXED, .account = VIEW("x") };
    proto_fault_t fault;
    writer_t w, s;

    if (uri->blob.len == 0) {
        return;
    }

    writer_init_fixed(&w, path, sizeof(path));
    writer_init_fixed(&s, scratch, sizeof(scratch));
    writer_putc(&w, '/');
    proto_uri_encode(&w, uri->container, false);
    writer_putc(&w, '/');
    proto_uri_encode(&w, uri->blob, true);
    must(writer_ok(&w));
    must(proto_uri_parse(writer_view(&w), VIEW("h"), &opts, &s, &again, &fault)
         == PROTO_OK);
    must(view_eq(again.container, uri->container));
    must(view_eq(again.blob, uri->blob));
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t buf[64 * 1024];
    static proto_uri_t uri;
    proto_uri_opts_t opts = { .account = VIEW("fixed") };
    proto_fault_t fault = { 0 };
    view_t in = view_of(data, size);
    writer_t w;

    if (size == 0 || size > sizeof(buf) / 2) {
        return 0;
    }

    opts.style = (proto_uri_style_t) (data[0] % 4);

    size_t end = view_find(in, '\n', 1);
    view_t host = view_sub(in, 1, end - 1);
    view_t target = view_sub(in, end + 1, in.len);

    writer_init_fixed(&w, buf, sizeof(buf));

    if (proto_uri_parse(target, host, &opts, &w, &uri, &fault) == PROTO_OK) {
        must(writer_ok(&w));
        must(uri.nparams <= PROTO_PARAMS_MAX);
        check_names(&uri);
        check_round_trip(&uri);

    } else {
        must(fault.err != PROTO_OK);
    }

    return 0;
}
