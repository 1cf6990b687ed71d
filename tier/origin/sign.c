#include "origin/sign.h"
#include "proto/auth.h"

/* curl adds Content-Length itself, so it is not among our headers; it is
 * signed all the same. */
void
origin_sign(writer_t *w, const char *method, view_t account, view_t key,
            view_t path, view_t query, const proto_header_t *headers,
            unsigned n, uint64_t content_length)
{
    proto_header_t all[ORIGIN_SIGN_HEADERS + 1];
    uint8_t length[24], buf[16 * 1024];
    writer_t lw, scratch;
    proto_sign_in_t in = { .method = view_str(method),
                           .account = account,
                           .key = key,
                           .path = path,
                           .query = query,
                           .hdrs = all };

    for (; in.nhdrs < n && in.nhdrs < ORIGIN_SIGN_HEADERS; in.nhdrs++) {
        all[in.nhdrs] = headers[in.nhdrs];
    }

    writer_init_fixed(&lw, length, sizeof(length));
    writer_put_u64(&lw, content_length);
    all[in.nhdrs++] =
        (proto_header_t){ VIEW("content-length"), writer_view(&lw) };

    writer_init_fixed(&scratch, buf, sizeof(buf));
    proto_auth_sign(&in, &scratch, w);
}
