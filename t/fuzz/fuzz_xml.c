#include <stdlib.h>

#include "proto/xml_in.h"
#include "proto/xml_out.h"

/* Bodies in XML: events stay inside the input and nest, policies that were
 * read are written and read again the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
    if (!ok) {
        abort();
    }
}


static void
walk(view_t in)
{
    proto_xml_event_t event;
    unsigned depth = 0;
    proto_xml_t x;

    proto_xml_init(&x, in);

    do {
        event = proto_xml_next(&x);
        depth += event == PROTO_XML_START;
        depth -= event == PROTO_XML_END;
        must(depth <= PROTO_XML_DEPTH_MAX && x.pos <= x.in.len);
    } while (event != PROTO_XML_BAD && event != PROTO_XML_DONE);

    must(event == PROTO_XML_BAD || depth == 0);
}


static proto_err_t
block(void *ctx, proto_block_which_t which, view_t id)
{
    (void) which;
    must(id.len >= 1 && id.len <= 64);
    ++*(unsigned *) ctx;
    return PROTO_OK;
}


static void
policies(view_t in)
{
    static uint8_t text[64 * 1024], out[512 * 1024], again[64 * 1024];
    proto_policy_t a[PROTO_POLICIES_MAX], b[PROTO_POLICIES_MAX];
    proto_fault_t fault;
    writer_t w, o, w2;
    unsigned n, m;

    writer_init_fixed(&w, text, sizeof(text));
    if (proto_xml_policies(in, &w, a, &n, &fault) != PROTO_OK) {
        return;
    }

    writer_init_fixed(&o, out, sizeof(out));
    writer_init_fixed(&w2, again, sizeof(again));
    proto_xml_policies_put(&o, a, n);
    must(writer_ok(&o));

    /* controls that XML has no way to say are dropped, and an identifier of
     * nothing else with them */
    if (proto_xml_policies(writer_view(&o), &w2, b, &m, &fault) == PROTO_OK) {
        must(n == m);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    view_t in = view_of(data, size);
    unsigned seen = 0, n = 0;
    proto_fault_t fault;

    if (size > 32 * 1024) {
        return 0;
    }

    walk(in);
    policies(in);

    if (proto_xml_block_list(in, block, &seen, &n, &fault) == PROTO_OK) {
        must(seen == n);
    }

    return 0;
}
