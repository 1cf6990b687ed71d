#include <string.h>

#include "unit.h"

#include "base/source.h"

static source_addr_t
addr(const char *text)
{
    source_addr_t a;

    assert_true(source_addr_parse(view_str(text), &a));
    return a;
}

static bool
url_ok(const char *url, const char *rule)
{
    source_url_t u;
    view_t rules[2] = { VIEW("https://elsewhere.example"), view_str(rule) };

    return source_url_parse(view_str(url), &u)
        && source_url_permitted(&u, rules, 2);
}

static bool
addr_ok(const char *text, const char *rule)
{
    source_addr_t a = addr(text);
    view_t rules[2] = { VIEW("elsewhere.example"), view_str(rule) };

    return source_addr_permitted(&a, rules, 2);
}

static void
addresses(void **state)
{
    static const struct {
        const char *text;
        bool is_public;
    } table[] = {
        { "8.8.8.8", true },
        { "20.60.1.1", true },
        { "1.0.0.0", true },
        { "223.255.255.255", true },
        { "0.0.0.0", false },
        { "0.1.2.3", false },
        { "10.0.0.1", false },
        { "10.255.255.255", false },
        { "11.0.0.0", true },
        { "9.255.255.255", true },
        { "100.63.255.255", true },
        { "100.64.0.0", false },
        { "100.127.255.255", false },
        { "100.128.0.0", true },
        { "127.0.0.1", false },
        { "127.255.255.254", false },
        { "128.0.0.1", true },
        { "168.63.129.16", false },
        { "168.63.129.15", true },
        { "169.254.0.1", false },
        { "169.254.169.254", false },
        { "169.253.169.254", true },
        { "172.15.255.255", true },
        { "172.16.0.0", false },
        { "172.31.255.255", false },
        { "172.32.0.0", true },
        { "192.0.0.1", false },
        { "192.0.2.1", false },
        { "192.88.99.1", false },
        { "192.168.0.0", false },
        { "192.168.255.255", false },
        { "192.169.0.0", true },
        { "198.17.255.255", true },
        { "198.18.0.0", false },
        { "198.19.255.255", false },
        { "198.51.100.1", false },
        { "203.0.113.1", false },
        { "224.0.0.1", false },
        { "239.255.255.255", false },
        { "240.0.0.1", false },
        { "255.255.255.255", false },
        { "2606:4700::1", true },
        { "2a01:111::1", true },
        { "3ffe::1", true },
        { "::", false },
        { "::1", false },
        { "::8.8.8.8", false },
        { "::ffff:8.8.8.8", true },
        { "::ffff:10.0.0.1", false },
        { "::ffff:169.254.169.254", false },
        { "::ffff:7f00:1", false },
        { "64:ff9b::8.8.8.8", true },
        { "64:ff9b::10.0.0.1", false },
        { "64:ff9b::a9fe:a9fe", false },
        { "64:ff9b:1::808:808", false },
        { "100::1", false },
        { "2001::1", false },
        { "2001:1ff::1", false },
        { "2001:200::1", true },
        { "2001:db8::1", false },
        { "2002:808:808::1", true },
        { "2002:7f00:1::1", false },
        { "2002:a00:1::1", false },
        { "3fff::1", false },
        { "4000::1", false },
        { "fc00::1", false },
        { "fd12:3456::1", false },
        { "fdff::1", false },
        { "fe80::1", false },
        { "febf::1", false },
        { "fec0::1", false },
        { "ff02::1", false },
        { "fd00:ec2::254", false },
    };

    (void) state;

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        source_addr_t a = addr(table[i].text);

        if (source_addr_is_public(&a) != table[i].is_public) {
            fail_msg("%s: %s public", table[i].text,
                     table[i].is_public ? "is" : "is not");
        }

        /* no rule: exactly the public ones */
        assert_int_equal(source_addr_permitted(&a, NULL, 0),
                         table[i].is_public);
    }
}

static void
not_addresses(void **state)
{
    static const char *const table[] = {
        "",           "1",         "127.1",    "1.2.3",
        "1.2.3.4.5",  "256.1.1.1", "01.2.3.4", "0x7f.0.0.1",
        "fe80::1%lo", "[::1]",     "::1 ",     "1.2.3.4/8"
    };
    source_addr_t a;

    (void) state;

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (source_addr_parse(view_str(table[i]), &a)) {
            fail_msg("\"%s\" is no address", table[i]);
        }
    }

    assert_false(source_addr_parse(view_of("1.2.3.4\0", 8), &a));
    assert_false(source_addr_of("12345", 5, &a));
    assert_true(source_addr_of("\x0A\x01\x02\x03", 4, &a));
    assert_true(a.v4);
    assert_int_equal(a.ip[15], 3);
}

static void
ranges(void **state)
{
    (void) state;
    assert_true(addr_ok("10.1.2.3", "10.0.0.0/8"));
    assert_true(addr_ok("10.1.2.3", "10.1.2.3"));
    assert_true(addr_ok("10.1.2.3", "10.1.2.0/29"));
    assert_false(addr_ok("10.1.2.8", "10.1.2.0/29"));
    assert_false(addr_ok("10.1.2.4", "10.1.2.3"));
    assert_false(addr_ok("192.168.1.1", "10.0.0.0/8"));
    assert_true(addr_ok("::ffff:10.1.2.3", "10.0.0.0/8"));
    assert_true(addr_ok("169.254.169.254", "0.0.0.0/0"));
    assert_true(addr_ok("fd00::1", "fd00::/8"));
    assert_true(addr_ok("fd00::1", "fd00::1"));
    assert_false(addr_ok("fe80::1", "fd00::/8"));
    assert_true(addr_ok("::1", "::/0"));
    /* a family opens itself alone */
    assert_false(addr_ok("127.0.0.1", "::/0"));
    assert_false(addr_ok("::ffff:127.0.0.1", "::/0"));
    assert_false(addr_ok("::1", "0.0.0.0/0"));
    /* a host opens no address */
    assert_false(addr_ok("127.0.0.1", "http://127.0.0.1"));
    assert_false(addr_ok("127.0.0.1", "127.0.0.1:80"));
    assert_false(addr_ok("127.0.0.1", "127.0.0.0/33"));
}

static void
hosts(void **state)
{
    (void) state;
    assert_true(url_ok("https://a.blob.core.windows.net/c/b?sig=x",
                       "*.blob.core.windows.net"));
    assert_true(url_ok("HTTPS://A.BLOB.core.windows.net/c/b",
                       "*.blob.core.windows.net"));
    assert_true(url_ok("https://a.b.x.example/", "*.x.example"));
    assert_false(url_ok("https://x.example/", "*.x.example"));
    assert_false(url_ok("https://ax.example/", "*.x.example"));
    assert_false(url_ok("https://x.example.evil/", "*.x.example"));
    assert_false(url_ok("https://x.example.evil/", "x.example"));
    assert_true(url_ok("https://x.example./", "x.example"));
    assert_true(url_ok("https://x.example", "https://x.example"));
    assert_true(url_ok("https://x.example?a=b", "https://x.example"));

    /* scheme and port */
    assert_false(url_ok("http://x.example/", "x.example"));
    assert_false(url_ok("http://x.example/", "https://x.example"));
    assert_false(url_ok("https://x.example/", "http://x.example"));
    assert_true(url_ok("http://x.example/", "http://x.example"));
    assert_true(url_ok("http://x.example:80/", "http://x.example"));
    assert_true(url_ok("https://x.example:443/", "x.example"));
    assert_false(url_ok("https://x.example:8443/", "x.example"));
    assert_true(url_ok("https://x.example:8443/", "x.example:8443"));
    assert_false(url_ok("https://x.example/", "x.example:8443"));
    assert_true(url_ok("http://a.x.example:81/", "http://*.x.example:81"));

    /* addresses */
    assert_true(url_ok("http://127.0.0.1:99/", "http://127.0.0.1:99"));
    assert_true(url_ok("https://127.0.0.1:99/", "127.0.0.1:99"));
    assert_true(url_ok("http://[::1]:99/", "http://[0:0::1]:99"));
    assert_true(url_ok("http://[::ffff:1.2.3.4]/", "http://1.2.3.4"));
    assert_true(url_ok("https://[2606::1]/", "https://[2606::1]"));
    /* a range opens no host */
    assert_false(url_ok("https://127.0.0.1/", "127.0.0.0/8"));
    assert_false(url_ok("https://127.0.0.1/", "127.0.0.1"));
    assert_false(url_ok("https://1.2.3.4/", "*.2.3.4"));
}

static void
urls_refused(void **state)
{
    static const char *const table[] = {
        "",
        "x.example/",
        "//x.example/",
        "ftp://x.example/",
        "file:///etc/passwd",
        "https:/x.example/",
        "https://",
        "https:///x.example",
        "https://user@x.example/",
        "https://user:pw@x.example/",
        "https://x.example:0/",
        "https://x.example:65536/",
        "https://x.example:/",
        "https://x.example:8a/",
        "https://x.example:443:443/",
        "https://x.example\\@evil/",
        "https://x.example/a b",
        "https://x.example/a\r\nHost: y",
        "https://x.example/#part",
        "https://x.example/\xC3\xA4",
        "https://.x.example/",
        "https://x..example/",
        "https://x.example../",
        "https://x%2eexample/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://1.2.3.4./",
        "https://::1/",
        "https://[::1/",
        "https://[::1]x/",
        "https://[x.example]/",
        "https://[1.2.3.4]/",
        "https://[fe80::1%25lo]/",
    };
    source_url_t u;

    (void) state;

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (source_url_parse(view_str(table[i]), &u)) {
            fail_msg("\"%s\" is taken", table[i]);
        }
    }
}

static void
url_parts(void **state)
{
    source_url_t u;

    (void) state;
    assert_true(
        source_url_parse(VIEW("http://X.example:81/c/b%20?sig=a%2Fb"), &u));
    assert_false(u.https);
    assert_int_equal(u.port, 81);
    assert_view(u.host, "X.example");
    assert_view(u.target, "/c/b%20?sig=a%2Fb");
    assert_false(u.literal);

    assert_true(source_url_parse(VIEW("https://[::1]?x"), &u));
    assert_true(u.https);
    assert_int_equal(u.port, 443);
    assert_view(u.host, "::1");
    assert_view(u.target, "?x");
    assert_true(u.literal);
    assert_false(u.addr.v4);
}

static void
rules_refused(void **state)
{
    static const char *const table[] = {
        "",
        "*",
        "*.",
        "*.*.example",
        "a.*.example",
        "ftp://x.example",
        "https://x.example/",
        "https://x.example/c",
        "x.example/8",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/",
        "10.0.0.0/8/8",
        "fd00::/129",
        "10.0.0/8",
        "x.example:0",
        "*.1.2.3.4",
        "https://::1",
        "x example",
    };
    source_rule_t r;
    const char *why;

    (void) state;

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        why = NULL;

        if (source_rule_parse(view_str(table[i]), &r, &why)) {
            fail_msg("\"%s\" is taken", table[i]);
        }

        assert_non_null(why);
    }

    assert_true(source_rule_parse(VIEW("10.0.0.0/8"), &r, &why));
    assert_true(r.range);
    assert_int_equal(r.bits, 104);
    assert_true(source_rule_parse(VIEW("fd00::/8"), &r, &why));
    assert_int_equal(r.bits, 8);
    assert_true(source_rule_parse(VIEW("::1"), &r, &why));
    assert_int_equal(r.bits, 128);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),     cmocka_unit_test(not_addresses),
        cmocka_unit_test(ranges),        cmocka_unit_test(hosts),
        cmocka_unit_test(urls_refused),  cmocka_unit_test(url_parts),
        cmocka_unit_test(rules_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
