#include <stdlib.h>

#include "proto/structured.h"

/*
 * Structured messages: a chunk size, the logical length (two bytes), then the
 * message. Whatever the chunks, the decoder says the same of it, never yields
 * more than the length; what it accepts, encoded and decoded again, is the
 * same bytes.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t first[64 * 1024], second[64 * 1024], framed[2 * 64 * 1024];


static void
must(bool ok)
{
    if (!ok) {
        abort();
    }
}


static proto_err_t
decode(view_t message, uint64_t length, size_t chunk, uint8_t *out)
{
    proto_structured_in_t in;
    proto_fault_t fault = { 0 };
    uint8_t buf[128];
    writer_t scratch;
    size_t n = 0;
    view_t v, io;

    proto_structured_in_init(&in, message.len, length);

    for (size_t at = 0; at < message.len; at += chunk) {
        io = view_sub(message, at, chunk);
        while (io.len != 0 && in.err == PROTO_OK) {
            v = proto_structured_in_next(&in, &io, 100);
            must(v.len <= 100 && v.len <= length - n);
            memcpy(out + n, v.ptr, v.len);
            n += v.len;
        }
    }

    writer_init_fixed(&scratch, buf, sizeof(buf));
    proto_err_t err = proto_structured_in_end(&in, &scratch, &fault);

    must(err != PROTO_OK || n == length);
    return err;
}


static size_t
encode(view_t text)
{
    proto_structured_out_t out;
    size_t n = 0;
    bool frame;
    view_t v;

    proto_structured_out_init(&out, text.len);

    while ((v = proto_structured_out_next(&out, &text, &frame)).len != 0) {
        memcpy(framed + n, v.ptr, v.len);
        n += v.len;
    }

    must(n == proto_structured_out_framed(&out));
    return n;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > 32 * 1024) {
        return 0;
    }

    size_t chunk = data[0] + 1u;
    uint64_t length = data[1] | (unsigned) data[2] << 8;
    view_t message = view_of(data + 3, size - 3);
    proto_err_t a = decode(message, length, chunk, first);
    proto_err_t b = decode(message, length, 65536, second);

    must(a == b);
    if (a != PROTO_OK) {
        return 0;
    }

    must(memcmp(first, second, (size_t) length) == 0);

    size_t n = encode(view_of(first, (size_t) length));

    must(decode(view_of(framed, n), length, chunk, second) == PROTO_OK);
    must(memcmp(first, second, (size_t) length) == 0);
    return 0;
}
