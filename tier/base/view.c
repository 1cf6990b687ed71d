#include "base/view.h"


static inline uint8_t
ascii_lower(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') ? (uint8_t) (c | 0x20) : c;
}


bool
view_eq_ci(view_t a, view_t b)
{
    if (a.len != b.len) {
        return false;
    }

    for (size_t i = 0; i < a.len; i++) {
        if (a.ptr[i] != b.ptr[i]
            && ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i])) {
            return false;
        }
    }

    return true;
}


bool
view_starts_with(view_t v, view_t prefix)
{
    return v.len >= prefix.len && view_eq(view_sub(v, 0, prefix.len), prefix);
}


bool
view_ends_with(view_t v, view_t suffix)
{
    return v.len >= suffix.len
        && view_eq(view_sub(v, v.len - suffix.len, suffix.len), suffix);
}


int
view_cmp(view_t a, view_t b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int n = len == 0 ? 0 : memcmp(a.ptr, b.ptr, len);

    if (n != 0) {
        return n;
    }

    return (a.len > b.len) - (a.len < b.len);
}


size_t
view_find(view_t v, uint8_t c, size_t from)
{
    if (from >= v.len) {
        return v.len;
    }

    const uint8_t *p = memchr(v.ptr + from, c, v.len - from);

    return p == NULL ? v.len : (size_t) (p - v.ptr);
}


view_t
view_sub(view_t v, size_t from, size_t len)
{
    if (from > v.len) {
        from = v.len;
    }

    if (len > v.len - from) {
        len = v.len - from;
    }

    return view_of(v.ptr == NULL ? NULL : v.ptr + from, len);
}


view_t
view_trim(view_t v)
{
    while (v.len != 0 && (v.ptr[0] == ' ' || v.ptr[0] == '\t')) {
        v = view_sub(v, 1, v.len);
    }

    while (v.len != 0 && (v.ptr[v.len - 1] == ' ' || v.ptr[v.len - 1] == '\t'))
    {
        v.len--;
    }

    return v;
}


bool
view_to_u64(view_t v, uint64_t *ret)
{
    uint64_t n = 0;

    if (v.len == 0) {
        return false;
    }

    for (size_t i = 0; i < v.len; i++) {
        if (v.ptr[i] < '0' || v.ptr[i] > '9') {
            return false;
        }

        if (__builtin_mul_overflow(n, 10, &n)
            || __builtin_add_overflow(n, (uint64_t) (v.ptr[i] - '0'), &n))
        {
            return false;
        }
    }

    *ret = n;
    return true;
}


unsigned
view_utf8(view_t v, size_t from)
{
    uint8_t c = from < v.len ? v.ptr[from] : 0xFF;
    unsigned more;
    uint8_t low = 0x80, high = 0xBF; /* of the second byte */

    if (c < 0x80) {
        return 1;

    } else if (c >= 0xC2 && c < 0xE0) {
        more = 1;

    } else if (c >= 0xE0 && c < 0xF0) {
        more = 2;
        low = c == 0xE0 ? 0xA0 : low;   /* overlong */
        high = c == 0xED ? 0x9F : high; /* surrogates */

    } else if (c >= 0xF0 && c < 0xF5) {
        more = 3;
        low = c == 0xF0 ? 0x90 : low;
        high = c == 0xF4 ? 0x8F : high; /* past U+10FFFF */

    } else {
        return 0;
    }

    if (more >= v.len - from || v.ptr[from + 1] < low
        || v.ptr[from + 1] > high) {
        return 0;
    }

    for (unsigned k = 2; k <= more; k++) {
        if ((v.ptr[from + k] & 0xC0) != 0x80) {
            return 0;
        }
    }

    return more + 1;
}
