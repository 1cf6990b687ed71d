#ifndef BASE_ENDIAN_H
#define BASE_ENDIAN_H

#include <stdint.h>
#include <string.h>

/* Little-endian loads and stores at any alignment; big-endian for keys. */

static inline uint16_t
le16_get(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static inline uint32_t
le32_get(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static inline uint64_t
le64_get(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static inline void
le16_put(void *p, uint16_t v)
{
    memcpy(p, &v, sizeof(v));
}

static inline void
le32_put(void *p, uint32_t v)
{
    memcpy(p, &v, sizeof(v));
}

static inline void
le64_put(void *p, uint64_t v)
{
    memcpy(p, &v, sizeof(v));
}

static inline uint64_t
be64_get(const void *p)
{
    return __builtin_bswap64(le64_get(p));
}

static inline void
be64_put(void *p, uint64_t v)
{
    le64_put(p, __builtin_bswap64(v));
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "blob-edge runs on little-endian hosts only");

#endif
