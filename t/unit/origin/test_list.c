#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "origin/origin.h"

static void
test_page(void **state)
{
    static const char xml[] =
        "\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"utf-8\"?>"
        "<EnumerationResults ServiceEndpoint=\"http://x/\" "
        "ContainerName=\"c\"><Prefix/><Blobs>"
        "<BlobPrefix><Name>z/</Name></BlobPrefix>"
        "<Blob><Name>b &amp; c</Name><Snapshot>2026</Snapshot>"
        "<Properties/></Blob>"
        "<Blob><Name>b &amp; c</Name><Properties>"
        "<Creation-Time>Thu, 01 Jan 2026 00:00:00 GMT</Creation-Time>"
        "<Last-Modified>Thu, 01 Jan 2026 00:00:01 GMT</Last-Modified>"
        "<Etag>\"0x8D1\"</Etag><Content-Length>5000000000</Content-Length>"
        "<Content-Type>text/plain</Content-Type><Content-Encoding />"
        "<Content-MD5>1B2M2Y8AsgTpgAmY7PhCfg==</Content-MD5>"
        "<BlobType>BlockBlob</BlobType><AccessTier>Cool</AccessTier>"
        "<LeaseStatus>locked</LeaseStatus><LeaseState>leased</LeaseState>"
        "<LeaseDuration>infinite</LeaseDuration>"
        "</Properties><Metadata><One>1</One></Metadata></Blob>"
        "<Blob><Name Encoded=\"true\">a%EF%BF%BE</Name><Properties>"
        "<Etag>0x2</Etag></Properties></Blob>"
        "</Blobs><NextMarker>next</NextMarker></EnumerationResults>";
    const origin_item_t *it;
    origin_page_t page;
    view_t name, value;
    size_t pos = 0;

    (void) state;
    assert_int_equal(origin_page_parse(view_of(xml, sizeof(xml) - 1), &page),
                     TIER_OK);
    assert_int_equal(page.n, 3);
    assert_true(view_eq(page.next_marker, VIEW("next")));

    it = &page.items[0]; /* sorted by bytes, whatever the page's order */
    assert_true(view_eq(it->name, VIEW("a\xEF\xBF\xBE")));
    assert_true(view_eq(it->props.etag, VIEW("0x2")));

    it = &page.items[1];
    assert_true(view_eq(it->name, VIEW("b & c")));
    assert_true(view_eq(it->props.etag, VIEW("0x8D1")));
    assert_true(view_eq(it->props.content_type, VIEW("text/plain")));
    assert_null(it->props.content_encoding.ptr);
    assert_int_equal(it->props.content_length, 5000000000);
    assert_int_equal(it->props.creation_time_s, 1767225600);
    assert_int_equal(it->props.last_modified_s, 1767225601);
    assert_int_equal(it->props.tier, TIER_COOL);
    assert_int_equal(it->props.lease.state, LEASE_LEASED);
    assert_int_equal(it->props.lease.duration_s, LEASE_INFINITE);
    assert_int_equal(page.items[0].props.lease.state, LEASE_NONE);
    assert_true(it->props.has_md5);
    assert_true(props_pairs_next(it->props.metadata, &pos, &name, &value));
    assert_true(view_eq(name, VIEW("One")) && view_eq(value, VIEW("1")));

    assert_true(page.items[2].prefix);
    assert_true(view_eq(page.items[2].name, VIEW("z/")));
    origin_page_free(&page);
}


static void
test_page_bad(void **state)
{
    static const char *const bad[] = {
        "",
        "<html></html>",
        "<EnumerationResults>",
        "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
    };
    origin_page_t page;

    (void) state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(origin_page_parse(view_str(bad[i]), &page),
                         TIER_EINVAL);
    }
}


static bool
count(void *ctx, view_t id, uint64_t size)
{
    unsigned *n = ctx;

    assert_true(view_eq(id, *n == 0 ? VIEW("QQ==") : VIEW("Qg==")));
    assert_int_equal(size, *n + 1);
    return ++*n < 2;
}


static void
test_blocks(void **state)
{
    unsigned n = 0;

    (void) state;
    assert_int_equal(origin_blocks_parse(
                         VIEW("<BlockList><CommittedBlocks>"
                              "<Block><Name>QQ==</Name><Size>1</Size></Block>"
                              "<Block><Name>Qg==</Name><Size>2</Size></Block>"
                              "<Block><Name>no</Name><Size>3</Size></Block>"
                              "</CommittedBlocks></BlockList>"),
                         count, &n),
                     TIER_OK);
    assert_int_equal(n, 2);
    assert_int_equal(origin_blocks_parse(VIEW("<a/>"), count, &n),
                     TIER_EINVAL);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page),
        cmocka_unit_test(test_page_bad),
        cmocka_unit_test(test_blocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
