#include <stdlib.h>
#include <string.h>

#include "proto/containers.h"

/*
 * List Containers of an origin with ours put in: the first line is the marker
 * of the request, the rest what the origin says.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
must(bool ok)
{
    if (!ok) {
        abort();
    }
}


/* However it is cut, what comes out is the origin's document or one with an
 * end, and never longer than what went in. */
static void
merge(view_t xml, const proto_containers_t *ask, const proto_pending_t *ours,
      unsigned n)
{
    size_t room = 2 * xml.len + 6 * (ask->marker.len + ask->last.len) + 1024;
    uint8_t *buf = malloc(room);
    view_t end = VIEW("</NextMarker></EnumerationResults>");
    writer_t w;

    must(buf != NULL);
    writer_init_fixed(&w, buf, room);
    proto_containers_merge(&w, xml, ask, ours, n);
    must(writer_ok(&w));
    must(view_eq(writer_view(&w), xml)
         || view_ends_with(writer_view(&w), end));
    free(buf);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const proto_pending_t ours[] = {
        { { (const uint8_t *) "b", 1 }, { (const uint8_t *) "<b/>", 4 } },
        { { (const uint8_t *) "d", 1 }, { (const uint8_t *) "<d/>", 4 } },
    };
    view_t in = view_of(data, size);
    size_t line = view_find(in, '\n', 0);
    view_t xml = view_sub(in, line + 1, size);
    proto_containers_t ask;
    proto_uri_t uri;

    if (size > 64 * 1024) {
        return 0;
    }

    memset(&uri, 0, sizeof(uri));
    uri.known[PROTO_PARAM_MARKER] = view_sub(in, 0, line);
    proto_containers_parse(&uri, &ask);

    for (unsigned n = 0; n <= 2; n++) {
        ask.max = 5000;
        merge(xml, &ask, ours, n);
        ask.max = 1;
        merge(xml, &ask, ours, n);
    }

    return 0;
}
