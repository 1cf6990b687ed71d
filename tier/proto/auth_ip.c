#include "proto/auth_parts.h"

/*
 * Addresses of a SAS (REST: "Create an account SAS", signedIP). Both kinds as
 * 16 bytes, IPv4 as ::ffff:a.b.c.d, so that a range is a range.
 */
typedef struct ip_s {
    uint8_t b[16];
    bool v4;
} ip_t;


static bool
parse_ipv4(view_t v, uint8_t ret[4])
{
    size_t at = 0;

    for (unsigned i = 0; i < 4; i++) {
        size_t end = view_find(v, '.', at);
        view_t part = view_sub(v, at, end - at);
        uint64_t n;

        if ((end == v.len) != (i == 3) || part.len > 3
            || !view_to_u64(part, &n) || n > 255)
        {
            return false;
        }

        ret[i] = (uint8_t) n;
        at = end + 1;
    }

    return true;
}


static bool
parse_group(view_t v, uint8_t ret[2])
{
    unsigned n = 0;

    if (v.len == 0 || v.len > 4) {
        return false;
    }

    for (size_t i = 0; i < v.len; i++) {
        uint8_t c = v.ptr[i], l = c | 0x20;

        if (c >= '0' && c <= '9') {
            n = n << 4 | (unsigned) (c - '0');

        } else if (l >= 'a' && l <= 'f') {
            n = n << 4 | (unsigned) (l - 'a' + 10);

        } else {
            return false;
        }
    }

    ret[0] = (uint8_t) (n >> 8);
    ret[1] = (uint8_t) n;
    return true;
}


/* Groups with a colon between them; the last may be an IPv4 address. */
static bool
parse_groups(view_t v, uint8_t *buf, size_t cap, size_t *ret_len)
{
    size_t len = 0;

    for (size_t at = 0; v.len != 0 && at <= v.len;) {
        size_t end = at < v.len ? view_find(v, ':', at) : v.len;
        view_t part = view_sub(v, at, end - at);

        if (end == v.len && len + 4 <= cap && parse_ipv4(part, buf + len)) {
            len += 4;

        } else if (len + 2 <= cap && parse_group(part, buf + len)) {
            len += 2;

        } else {
            return false;
        }

        at = end + 1;
    }

    *ret_len = len;
    return true;
}


static bool
parse_ipv6(view_t v, uint8_t ret[16])
{
    size_t gap = v.len, head, tail = 0;
    uint8_t rest[16];

    for (size_t i = 0; i + 1 < v.len; i++) {
        if (v.ptr[i] == ':' && v.ptr[i + 1] == ':') {
            gap = i;
            break;
        }
    }

    memset(ret, 0, 16);

    if (gap == v.len) {
        return parse_groups(v, ret, 16, &head) && head == 16;
    }

    if (!parse_groups(view_sub(v, 0, gap), ret, 14, &head)
        || !parse_groups(view_sub(v, gap + 2, v.len), rest, 14 - head, &tail))
    {
        return false;
    }

    memcpy(ret + 16 - tail, rest, tail);
    return true;
}


static bool
parse_ip(view_t v, ip_t *ret)
{
    static const uint8_t mapped[12] = { 0, 0, 0, 0, 0,    0,
                                        0, 0, 0, 0, 0xFF, 0xFF };

    memcpy(ret->b, mapped, sizeof(mapped));

    if (!parse_ipv4(v, ret->b + 12) && !parse_ipv6(v, ret->b)) {
        return false;
    }

    ret->v4 = memcmp(ret->b, mapped, sizeof(mapped)) == 0;
    return true;
}


bool
auth_ip_is_allowed(view_t sip, view_t client)
{
    size_t hyphen = view_find(sip, '-', 0);
    ip_t from, to, ip;

    if (!parse_ip(client, &ip) || !parse_ip(view_sub(sip, 0, hyphen), &from)) {
        return false;
    }

    to = from;
    if (hyphen != sip.len
        && !parse_ip(view_sub(sip, hyphen + 1, sip.len), &to)) {
        return false;
    }

    return from.v4 == ip.v4 && to.v4 == ip.v4
        && memcmp(ip.b, from.b, sizeof(ip.b)) >= 0
        && memcmp(ip.b, to.b, sizeof(ip.b)) <= 0;
}
