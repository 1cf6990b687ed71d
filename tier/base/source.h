#ifndef BASE_SOURCE_H
#define BASE_SOURCE_H

#include "base/view.h"

/*
 * Which URLs outside this edge a copy may read from, and at which addresses.
 * Pure: no lookups. The module reads the rules of `blob_copy_source` with it,
 * blob-tier decides with it.
 *
 * A rule is one of
 *
 *     [SCHEME://]HOST[:PORT]    HOST is a name, `*.` and a name (any name
 *                               below that one), or an address; in front of a
 *                               port or behind a scheme IPv6 has brackets
 *     ADDRESS[/BITS]            a range, IPv4 or IPv6
 *
 * Without a scheme a host is reached by https alone, without a port by the
 * scheme's own alone. A URL needs a host rule. Whatever its host is, every
 * address that is connected to must be public or be in a range: a host rule
 * never opens an address, a range never opens a host.
 *
 * Not public (IANA's special-purpose registries, RFC 6890): unspecified,
 * loopback, private, shared, link-local with the metadata services, unique
 * local, multicast, reserved and documentation. IPv6 addresses that carry an
 * IPv4 one (mapped, NAT64, 6to4) are what that one is.
 */
typedef struct source_addr_s {
    uint8_t ip[16]; /* IPv4 in its mapped form, ::ffff:a.b.c.d */
    bool v4;
} source_addr_t;

typedef struct source_rule_s {
    bool range;
    /* of a range */
    source_addr_t addr;
    unsigned bits; /* of ip, so 96 and more for IPv4 */
    /* of a host; views point into the rule's text */
    bool https;
    bool below; /* names below `host`, not itself */
    view_t host;
    bool literal; /* host is `addr` */
    uint16_t port;
} source_rule_t;

/* On failure *why says what is wrong, in words that go behind "invalid rule:
 * "; static memory. */
bool source_rule_parse(view_t text, source_rule_t *ret, const char **why);

typedef struct source_url_s {
    bool https;
    view_t host; /* without brackets and a dot at its end */
    uint16_t port;
    view_t target; /* path and query; may be empty */
    bool literal;  /* host is an address */
    source_addr_t addr;
} source_url_t;

/* http and https, without user and fragment; views point into `url`. */
bool source_url_parse(view_t url, source_url_t *ret);

/* An address in text, as inet_pton takes it. */
bool source_addr_parse(view_t text, source_addr_t *ret);
/* From network order: len is 4 or 16. */
bool source_addr_of(const void *bytes, size_t len, source_addr_t *ret);
bool source_addr_is_public(const source_addr_t *addr);

/* Whether one of the rules names the URL's host, scheme and port. Rules are
 * texts; those that do not parse permit nothing. */
bool source_url_permitted(const source_url_t *url, const view_t *rules,
                          unsigned nrules);
/* Whether a connection may go to the address. */
bool source_addr_permitted(const source_addr_t *addr, const view_t *rules,
                           unsigned nrules);

#endif
