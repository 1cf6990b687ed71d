#include <stdlib.h>

#include "base/endian.h"
#include "base/writer.h"


static void *
writer_realloc(void *ctx, void *old, size_t len, size_t cap)
{
    (void) ctx;
    (void) len;
    return realloc(old, cap);
}


void
writer_init_fixed(writer_t *w, void *buf, size_t cap)
{
    *w = (writer_t){ .buf = buf, .cap = cap, .limit = cap };
}


void
writer_init_grow(writer_t *w, size_t limit, writer_grow_fn grow, void *ctx)
{
    *w = (writer_t){
        .limit = limit,
        .grow = grow == NULL ? writer_realloc : grow,
        .grow_ctx = ctx,
    };
}


void
writer_free(writer_t *w)
{
    free(w->buf);
    *w = (writer_t){ .rc = TIER_ELIMIT };
}


void
writer_reset(writer_t *w)
{
    w->len = 0;
    w->rc = TIER_OK;
}


static bool
writer_enlarge(writer_t *w, size_t need)
{
    size_t cap = w->cap < 256 ? 512 : w->cap * 2;

    if (cap < need) {
        cap = need;
    }

    if (cap > w->limit) {
        cap = w->limit;
    }

    uint8_t *buf = w->grow(w->grow_ctx, w->buf, w->len, cap);

    if (buf == NULL) {
        w->rc = TIER_ENOMEM;
        return false;
    }

    w->buf = buf;
    w->cap = cap;
    return true;
}


uint8_t *
writer_reserve(writer_t *w, size_t len)
{
    if (w->rc != TIER_OK) {
        return NULL;
    }

    if (len > w->limit - w->len) {
        w->rc = TIER_ELIMIT;
        return NULL;
    }

    if (len > w->cap - w->len && !writer_enlarge(w, w->len + len)) {
        return NULL;
    }

    uint8_t *p = w->buf + w->len;
    w->len += len;
    return p;
}


void
writer_put(writer_t *w, view_t v)
{
    uint8_t *p = v.len == 0 ? NULL : writer_reserve(w, v.len);

    if (p != NULL) {
        memcpy(p, v.ptr, v.len);
    }
}


void
writer_putc(writer_t *w, uint8_t c)
{
    writer_put(w, view_of(&c, 1));
}


void
writer_puts(writer_t *w, const char *zstr)
{
    writer_put(w, view_str(zstr));
}


void
writer_put_u64(writer_t *w, uint64_t n)
{
    uint8_t buf[20];
    size_t i = sizeof(buf);

    do {
        buf[--i] = (uint8_t) ('0' + n % 10);
        n /= 10;
    } while (n != 0);

    writer_put(w, view_of(buf + i, sizeof(buf) - i));
}


void
writer_put_hex(writer_t *w, uint64_t n, int digits)
{
    static const char hex[] = "0123456789ABCDEF";
    uint8_t buf[16];

    for (int i = digits - 1; i >= 0; i--) {
        buf[i] = (uint8_t) hex[n & 15];
        n >>= 4;
    }

    writer_put(w, view_of(buf, (size_t) digits));
}


void
writer_put_le16(writer_t *w, uint16_t n)
{
    uint8_t buf[2];

    le16_put(buf, n);
    writer_put(w, view_of(buf, sizeof(buf)));
}


void
writer_put_le32(writer_t *w, uint32_t n)
{
    uint8_t buf[4];

    le32_put(buf, n);
    writer_put(w, view_of(buf, sizeof(buf)));
}


void
writer_put_le64(writer_t *w, uint64_t n)
{
    uint8_t buf[8];

    le64_put(buf, n);
    writer_put(w, view_of(buf, sizeof(buf)));
}


view_t
writer_take(writer_t *w, view_t v)
{
    if (v.ptr == NULL) {
        return VIEW_NULL;
    }

    uint8_t *p = writer_reserve(w, v.len);

    if (p == NULL) {
        return VIEW_NULL;
    }

    memcpy(p, v.ptr, v.len);
    return view_of(p, v.len);
}
