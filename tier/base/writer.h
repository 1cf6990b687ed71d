#ifndef BASE_WRITER_H
#define BASE_WRITER_H

#include <stdint.h>

#include "base/rc.h"
#include "base/view.h"

/*
 * A bounded writer with a sticky error: many small puts, one check at the
 * end. Memory is the caller's: either a fixed buffer (grow == NULL) or one
 * that `grow` enlarges up to `limit`. After a failure nothing more is written
 * and `rc` tells which: TIER_ELIMIT (limit reached) or TIER_ENOMEM.
 *
 * Views handed out by writer_reserve/writer_take stay valid only until the
 * next growth; over a fixed buffer, for as long as the buffer.
 */
typedef struct writer_s writer_t;

/* Returns memory of at least `cap` bytes with the `len` bytes of `old` at its
 * start, or NULL. It owns the old memory. */
typedef void *(*writer_grow_fn)(void *ctx, void *old, size_t len, size_t cap);

struct writer_s {
    uint8_t *buf;
    size_t len;
    size_t cap;
    size_t limit;
    writer_grow_fn grow;
    void *grow_ctx;
    tier_rc_t rc;
};

void writer_init_fixed(writer_t *w, void *buf, size_t cap);
/* grow == NULL means malloc/realloc; release with writer_free. */
void writer_init_grow(writer_t *w, size_t limit, writer_grow_fn grow,
                      void *ctx);
void writer_free(writer_t *w); /* only after writer_init_grow(.., NULL, ..) */
void writer_reset(writer_t *w);

void writer_put(writer_t *w, view_t v);
void writer_putc(writer_t *w, uint8_t c);
void writer_puts(writer_t *w, const char *zstr);
void writer_put_u64(writer_t *w, uint64_t n);             /* decimal */
void writer_put_hex(writer_t *w, uint64_t n, int digits); /* upper case */
void writer_put_le16(writer_t *w, uint16_t n);
void writer_put_le32(writer_t *w, uint32_t n);
void writer_put_le64(writer_t *w, uint64_t n);
/* Bytes to fill by the caller, or NULL after an error. */
uint8_t *writer_reserve(writer_t *w, size_t len);
/* A copy of v inside the writer's buffer; for fixed buffers only, since
 * growth would move it. VIEW_NULL stays VIEW_NULL; also after an error. */
view_t writer_take(writer_t *w, view_t v);

static inline view_t
writer_view(const writer_t *w)
{
    return view_of(w->buf, w->len);
}

static inline bool
writer_ok(const writer_t *w)
{
    return w->rc == TIER_OK;
}

#endif
