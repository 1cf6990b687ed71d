#include <arpa/inet.h>

#include "base/source.h"

#define HTTP_PORT  80
#define HTTPS_PORT 443

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF };

typedef struct block_s {
    uint8_t ip[16];
    unsigned bits;
} block_t;

/* IPv4 that is not public. */
static const block_t special4[] = {
    { { 0 }, 8 },                 /* this network */
    { { 10 }, 8 },                /* private */
    { { 100, 64 }, 10 },          /* shared, RFC 6598 */
    { { 127 }, 8 },               /* loopback */
    { { 168, 63, 129, 16 }, 32 }, /* Azure's host, from within a machine */
    { { 169, 254 }, 16 },         /* link-local; metadata is 169.254.169.254 */
    { { 172, 16 }, 12 },          /* private */
    { { 192, 0, 0 }, 24 },        /* protocol assignments */
    { { 192, 0, 2 }, 24 },        /* documentation */
    { { 192, 88, 99 }, 24 },      /* 6to4 relays, RFC 7526 */
    { { 192, 168 }, 16 },         /* private */
    { { 198, 18 }, 15 },          /* benchmarks */
    { { 198, 51, 100 }, 24 },     /* documentation */
    { { 203, 0, 113 }, 24 },      /* documentation */
    { { 224 }, 4 },               /* multicast */
    { { 240 }, 4 },               /* reserved, broadcast */
};

/* Parts of 2000::/3, all that is handed out of IPv6, that are not public. */
static const block_t special6[] = {
    { { 0x20, 0x01 }, 23 },             /* protocol assignments, Teredo */
    { { 0x20, 0x01, 0x0D, 0xB8 }, 32 }, /* documentation */
    { { 0x3F, 0xFF }, 20 },             /* documentation */
};

static const block_t global6 = { { 0x20 }, 3 };
static const block_t sixto4 = { { 0x20, 0x02 }, 16 };
static const block_t nat64 = { { 0x00, 0x64, 0xFF, 0x9B }, 96 };


static bool
in_block(const uint8_t *ip, const uint8_t *block, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    if (memcmp(ip, block, whole) != 0) {
        return false;
    }

    return rest == 0 || (ip[whole] ^ block[whole]) >> (8 - rest) == 0;
}


bool
source_addr_of(const void *bytes, size_t len, source_addr_t *ret)
{
    if (len != 4 && len != 16) {
        return false;
    }

    if (len == 4) {
        memcpy(ret->ip, mapped, 12);
        memcpy(ret->ip + 12, bytes, 4);

    } else {
        memcpy(ret->ip, bytes, 16);
    }

    ret->v4 = memcmp(ret->ip, mapped, 12) == 0;
    return true;
}


bool
source_addr_parse(view_t text, source_addr_t *ret)
{
    char zstr[INET6_ADDRSTRLEN];
    uint8_t ip[16];

    if (text.len == 0 || text.len >= sizeof(zstr)
        || memchr(text.ptr, 0, text.len) != NULL)
    {
        return false;
    }

    memcpy(zstr, text.ptr, text.len);
    zstr[text.len] = 0;

    if (inet_pton(AF_INET, zstr, ip) == 1) {
        return source_addr_of(ip, 4, ret);
    }

    return inet_pton(AF_INET6, zstr, ip) == 1 && source_addr_of(ip, 16, ret);
}


static bool
is_public4(const uint8_t *ip)
{
    for (size_t i = 0; i < sizeof(special4) / sizeof(special4[0]); i++) {
        if (in_block(ip, special4[i].ip, special4[i].bits)) {
            return false;
        }
    }

    return true;
}


bool
source_addr_is_public(const source_addr_t *addr)
{
    const uint8_t *ip = addr->ip;

    if (addr->v4) {
        return is_public4(ip + 12);
    }

    if (in_block(ip, nat64.ip, nat64.bits)) {
        return is_public4(ip + 12);
    }

    if (in_block(ip, sixto4.ip, sixto4.bits)) {
        return is_public4(ip + 2);
    }

    for (size_t i = 0; i < sizeof(special6) / sizeof(special6[0]); i++) {
        if (in_block(ip, special6[i].ip, special6[i].bits)) {
            return false;
        }
    }

    return in_block(ip, global6.ip, global6.bits);
}


/* ---- hosts and URLs ----------------------------------------------------- */

static bool
is_name(view_t v)
{
    size_t label = 0;

    if (v.len == 0 || v.len > 253) {
        return false;
    }

    for (size_t i = 0; i < v.len; i++) {
        uint8_t c = v.ptr[i], lower = c | 0x20;

        if (c == '.') {
            if (label == 0) {
                return false;
            }

            label = 0;
            continue;
        }

        if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9')
            && c != '-' && c != '_')
        {
            return false;
        }

        if (++label > 63) {
            return false;
        }
    }

    return label != 0;
}


/* getaddrinfo reads "127.1", "0x7f000001" and "2130706433" as addresses. A
 * name whose last label is a number is none (RFC 1123 2.1). */
static bool
ends_in_number(view_t v)
{
    size_t at = v.len;

    while (at > 0 && v.ptr[at - 1] != '.') {
        at--;
    }

    return v.ptr[at] >= '0' && v.ptr[at] <= '9';
}


static bool
is_scheme(view_t v, view_t scheme)
{
    return view_eq_ci(view_sub(v, 0, scheme.len), scheme);
}


/* HOST[:PORT]; *port stays when there is none. */
static bool
split_port(view_t v, view_t *host, uint16_t *port, bool *bracket)
{
    size_t end;
    uint64_t n;

    *bracket = v.len != 0 && v.ptr[0] == '[';

    if (*bracket) {
        end = view_find(v, ']', 0);

        if (end == v.len) {
            return false;
        }

        *host = view_sub(v, 1, end - 1);
        v = view_sub(v, end + 1, v.len);

        if (v.len == 0) {
            return true;
        }

        if (v.ptr[0] != ':') {
            return false;
        }

        end = 0;

    } else {
        end = view_find(v, ':', 0);
        *host = view_sub(v, 0, end);

        if (end == v.len) {
            return true;
        }
    }

    v = view_sub(v, end + 1, v.len);

    if (v.len > 5 || !view_to_u64(v, &n) || n == 0 || n > 65535) {
        return false;
    }

    *port = (uint16_t) n;
    return true;
}


/* A host in a URL or rule: an address or a name. */
static bool
read_host(view_t *host, bool bracket, bool *literal, source_addr_t *addr)
{
    *literal = source_addr_parse(*host, addr);

    if (bracket || *literal) {
        /* an IPv6 address has brackets, nothing else has */
        return *literal && bracket == (view_find(*host, ':', 0) < host->len);
    }

    if (host->len != 0 && host->ptr[host->len - 1] == '.') {
        host->len--;
    }

    return is_name(*host) && !ends_in_number(*host);
}


bool
source_url_parse(view_t url, source_url_t *ret)
{
    source_url_t u = { .https = is_scheme(url, VIEW("https://")) };
    view_t rest, authority;
    size_t slash, query;
    bool bracket;

    if (!u.https && !is_scheme(url, VIEW("http://"))) {
        return false;
    }

    for (size_t i = 0; i < url.len; i++) {
        if (url.ptr[i] <= 0x20 || url.ptr[i] >= 0x7F || url.ptr[i] == '\\'
            || url.ptr[i] == '#')
        {
            return false;
        }
    }

    rest = view_sub(url, u.https ? 8 : 7, url.len);
    slash = view_find(rest, '/', 0);
    query = view_find(rest, '?', 0);
    slash = slash < query ? slash : query;
    authority = view_sub(rest, 0, slash);
    u.target = view_sub(rest, slash, rest.len);
    u.port = u.https ? HTTPS_PORT : HTTP_PORT;

    if (!split_port(authority, &u.host, &u.port, &bracket)
        || !read_host(&u.host, bracket, &u.literal, &u.addr))
    {
        return false;
    }

    *ret = u;
    return true;
}


/* ---- rules -------------------------------------------------------------- */

static bool
range_parse(view_t text, source_rule_t *ret, const char **why)
{
    size_t slash = view_find(text, '/', 0);
    uint64_t bits;

    if (!source_addr_parse(view_sub(text, 0, slash), &ret->addr)) {
        *why = "the part before \"/\" is not an address";
        return false;
    }

    ret->range = true;
    ret->bits = 128;

    if (slash == text.len) {
        return true;
    }

    if (!view_to_u64(view_sub(text, slash + 1, text.len), &bits)
        || bits > (ret->addr.v4 ? 32 : 128))
    {
        *why = "the number behind \"/\" is not the length of a prefix";
        return false;
    }

    ret->bits = (unsigned) bits + (ret->addr.v4 ? 96 : 0);
    return true;
}


bool
source_rule_parse(view_t text, source_rule_t *ret, const char **why)
{
    source_rule_t r = { .range = false };
    bool scheme, bracket, ok;
    view_t rest = text;

    if (source_addr_parse(text, &r.addr)) {
        ok = range_parse(text, &r, why);
        *ret = r;
        return ok;
    }

    r.https = !is_scheme(text, VIEW("http://"));
    scheme = !r.https || is_scheme(text, VIEW("https://"));

    if (scheme) {
        rest = view_sub(text, r.https ? 8 : 7, text.len);

    } else if (view_find(text, '/', 0) < text.len) {
        ok = range_parse(text, &r, why);
        *ret = r;
        return ok;
    }

    if (view_find(rest, '/', 0) < rest.len) {
        *why = "a path cannot be said, only [SCHEME://]HOST[:PORT]";
        return false;
    }

    if (view_starts_with(rest, VIEW("*."))) {
        r.below = true;
        rest = view_sub(rest, 2, rest.len);
    }

    r.port = r.https ? HTTPS_PORT : HTTP_PORT;

    if (!split_port(rest, &r.host, &r.port, &bracket)
        || !read_host(&r.host, bracket, &r.literal, &r.addr)
        || (r.below && r.literal))
    {
        *why = "it is neither [SCHEME://]HOST[:PORT] nor ADDRESS[/BITS]";
        return false;
    }

    *ret = r;
    return true;
}


static bool
host_matches(const source_rule_t *rule, const source_url_t *url)
{
    size_t more;

    if (rule->literal || url->literal) {
        return rule->literal && url->literal
            && memcmp(rule->addr.ip, url->addr.ip, 16) == 0;
    }

    if (!rule->below) {
        return view_eq_ci(rule->host, url->host);
    }

    if (url->host.len < rule->host.len + 2) {
        return false;
    }

    more = url->host.len - rule->host.len;
    return url->host.ptr[more - 1] == '.'
        && view_eq_ci(view_sub(url->host, more, rule->host.len), rule->host);
}


bool
source_url_permitted(const source_url_t *url, const view_t *rules,
                     unsigned nrules)
{
    source_rule_t rule;
    const char *why;

    for (unsigned i = 0; i < nrules; i++) {
        if (source_rule_parse(rules[i], &rule, &why) && !rule.range
            && rule.https == url->https && rule.port == url->port
            && host_matches(&rule, url))
        {
            return true;
        }
    }

    return false;
}


bool
source_addr_permitted(const source_addr_t *addr, const view_t *rules,
                      unsigned nrules)
{
    source_rule_t rule;
    const char *why;

    if (source_addr_is_public(addr)) {
        return true;
    }

    for (unsigned i = 0; i < nrules; i++) {
        if (source_rule_parse(rules[i], &rule, &why) && rule.range
            && rule.addr.v4 == addr->v4
            && in_block(addr->ip, rule.addr.ip, rule.bits))
        {
            return true;
        }
    }

    return false;
}
