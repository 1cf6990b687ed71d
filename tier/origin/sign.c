#include <stdlib.h>

#include "base/digest.h"
#include "origin/sign.h"
#include "proto/uri.h"

#define PARAMS_MAX 32


static view_t
find(const proto_header_t *h, unsigned n, const char *name)
{
    for (unsigned i = 0; i < n; i++) {
        if (view_eq_ci(h[i].name, view_str(name))) {
            return h[i].value;
        }
    }

    return VIEW_NULL;
}


static int
by_name(const void *a, const void *b)
{
    return view_cmp(((const proto_header_t *) a)->name,
                    ((const proto_header_t *) b)->name);
}


/* Our own header names are lower case already. */
static void
put_headers(writer_t *w, const proto_header_t *headers, unsigned n)
{
    proto_header_t x[ORIGIN_SIGN_HEADERS] = { 0 };
    unsigned count = 0;

    for (unsigned i = 0; i < n && count < ORIGIN_SIGN_HEADERS; i++) {
        if (view_starts_with(headers[i].name, VIEW("x-ms-"))) {
            x[count++] = headers[i];
        }
    }

    qsort(x, count, sizeof(x[0]), by_name);

    for (unsigned i = 0; i < count; i++) {
        writer_put(w, x[i].name);
        writer_putc(w, ':');
        writer_put(w, x[i].value);
        writer_putc(w, '\n');
    }
}


static void
put_query(writer_t *w, view_t query)
{
    proto_header_t p[PARAMS_MAX] = { 0 };
    uint8_t buf[8192];
    writer_t scratch;
    unsigned n = 0;

    writer_init_fixed(&scratch, buf, sizeof(buf));

    for (size_t from = 0; from < query.len && n < PARAMS_MAX;) {
        size_t to = view_find(query, '&', from);
        view_t pair = view_sub(query, from, to - from);
        size_t eq = view_find(pair, '=', 0);

        if (proto_uri_decode(view_sub(pair, 0, eq), false, &scratch,
                             &p[n].name)
            && proto_uri_decode(view_sub(pair, eq + 1, pair.len), false,
                                &scratch, &p[n].value))
        {
            n++;
        }

        from = to + 1;
    }

    qsort(p, n, sizeof(p[0]), by_name);

    for (unsigned i = 0; i < n; i++) {
        writer_putc(w, '\n');
        writer_put(w, p[i].name);
        writer_putc(w, ':');
        writer_put(w, p[i].value);
    }
}


void
origin_sign(writer_t *w, const char *method, view_t account, view_t key,
            view_t path, view_t query, const proto_header_t *headers,
            unsigned n, uint64_t content_length)
{
    static const char *const lines[] = { "content-encoding",
                                         "content-language",
                                         NULL,
                                         "content-md5",
                                         "content-type",
                                         "date",
                                         "if-modified-since",
                                         "if-match",
                                         "if-none-match",
                                         "if-unmodified-since",
                                         "range" };
    uint8_t buf[32 * 1024], mac[SHA256_LEN];
    writer_t s;

    writer_init_fixed(&s, buf, sizeof(buf));
    writer_puts(&s, method);
    writer_putc(&s, '\n');

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        if (lines[i] == NULL) {
            if (content_length != 0) {
                writer_put_u64(&s, content_length);
            }

        } else {
            writer_put(&s, find(headers, n, lines[i]));
        }

        writer_putc(&s, '\n');
    }

    put_headers(&s, headers, n);
    writer_putc(&s, '/');
    writer_put(&s, account);
    writer_put(&s, path);
    put_query(&s, query);

    hmac_sha256(key, writer_view(&s), mac);
    writer_puts(w, "SharedKey ");
    writer_put(w, account);
    writer_putc(w, ':');
    base64_encode(w, view_of(mac, sizeof(mac)));
}
