#ifndef BASE_VIEW_H
#define BASE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * A borrowed run of bytes: pointer and length, by value, not terminated.
 * Valid for the call it is passed to; whoever keeps it copies it.
 * An absent value is {NULL, 0}; a present empty one has a non-NULL pointer.
 */
typedef struct view_s {
    const uint8_t *ptr;
    size_t len;
} view_t;

#define VIEW_NULL ((view_t){ NULL, 0 })
#define VIEW(literal)                                                         \
    ((view_t){ (const uint8_t *) ("" literal), sizeof(literal) - 1 })

static inline view_t
view_of(const void *ptr, size_t len)
{
    return (view_t){ (const uint8_t *) ptr, len };
}

static inline view_t
view_str(const char *zstr)
{
    return (view_t){ (const uint8_t *) zstr, strlen(zstr) };
}

static inline bool
view_eq(view_t a, view_t b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* ASCII case-insensitive equality. */
bool view_eq_ci(view_t a, view_t b);
bool view_starts_with(view_t v, view_t prefix);
bool view_ends_with(view_t v, view_t suffix);
/* As memcmp, a shorter prefix first. */
int view_cmp(view_t a, view_t b);
/* Offset of the first `c` at or after `from`, or v.len. */
size_t view_find(view_t v, uint8_t c, size_t from);
/* Part of v; offsets past its end are clipped. */
view_t view_sub(view_t v, size_t from, size_t len);
/* Without leading and trailing spaces and tabs. */
view_t view_trim(view_t v);
/* Length of the UTF-8 sequence (RFC 3629) that begins at `from`: 1 to 4, or 0
 * if what is there is not one. */
unsigned view_utf8(view_t v, size_t from);
/* Whole view as decimal; false if empty, not digits or over 64 bits. */
bool view_to_u64(view_t v, uint64_t *ret);

#endif
