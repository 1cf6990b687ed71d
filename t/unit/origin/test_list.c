#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "origin/origin.h"

static void
assert_view(view_t got, const char *want)
{
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.ptr, want, got.len);
}


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
        "<Blob><Name>b &amp; c</Name><Deleted>true</Deleted>"
        "<VersionId>2025</VersionId><Properties/></Blob>"
        "<Blob><Name>b &amp; c</Name><Properties>"
        "<Creation-Time>Thu, 01 Jan 2026 00:00:00 GMT</Creation-Time>"
        "<Last-Modified>Thu, 01 Jan 2026 00:00:01 GMT</Last-Modified>"
        "<Etag>\"0x8D1\"</Etag><Content-Length>5000000000</Content-Length>"
        "<Content-Type>text/plain</Content-Type><Content-Encoding />"
        "<Content-MD5>1B2M2Y8AsgTpgAmY7PhCfg==</Content-MD5>"
        "<BlobType>BlockBlob</BlobType><AccessTier>Cool</AccessTier>"
        "<LeaseStatus>locked</LeaseStatus><LeaseState>leased</LeaseState>"
        "<LeaseDuration>infinite</LeaseDuration>"
        "<CopyId>id</CopyId><CopySource>http://h/?a&amp;b&gt;\xC3\xA9"
        "</CopySource><LegalHold>true</LegalHold>"
        "</Properties><Metadata><Etag>1 &lt; 2</Etag></Metadata>"
        "<Tags><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tags>"
        "<OrMetadata /></Blob>"
        "<Blob><Name>b &amp; d</Name><VersionId>2026</VersionId>"
        "<IsCurrentVersion>true</IsCurrentVersion><Properties/></Blob>"
        "<Blob><Name>b &amp; d</Name><VersionId>2025</VersionId>"
        "<Properties/></Blob>"
        "<Blob><Name Encoded=\"true\">a%EF%BF%BE</Name><Properties>"
        "<Etag>0x2</Etag></Properties></Blob>"
        "</Blobs><NextMarker>next</NextMarker></EnumerationResults>";
    const origin_item_t *it;
    origin_page_t page;

    (void) state;
    assert_int_equal(origin_page_parse(view_of(xml, sizeof(xml) - 1), &page),
                     TIER_OK);
    assert_int_equal(page.n, 7);
    assert_true(view_eq(page.next_marker, VIEW("next")));

    it = &page.items[0]; /* sorted by bytes, whatever the page's order */
    assert_true(view_eq(it->name, VIEW("a\xEF\xBF\xBE")));
    assert_true(view_eq(it->props.etag, VIEW("0x2")));

    it = &page.items[1]; /* in the page's order */
    assert_view(it->name, "b & c");
    assert_false(it->base);
    assert_view(it->rank, "2026");
    assert_view(it->said.before, "<Snapshot>2026</Snapshot>");

    it = &page.items[2];
    assert_false(it->base);
    assert_view(it->rank, "2025");
    assert_view(it->said.before,
                "<Deleted>true</Deleted><VersionId>2025</VersionId>");

    it = &page.items[3];
    assert_view(it->name, "b & c");
    assert_true(it->base && it->said.copy);
    assert_int_equal(it->rank.len, 0);
    assert_view(it->props.etag, "0x8D1");
    assert_int_equal(it->props.creation_time_s, 1767225600);
    assert_int_equal(it->props.last_modified_s, 1767225601);
    assert_int_equal(it->said.before.len, 0);
    assert_view(it->said.props,
                "<Content-Length>5000000000</Content-Length>"
                "<Content-Type>text/plain</Content-Type><Content-Encoding/>"
                "<Content-MD5>1B2M2Y8AsgTpgAmY7PhCfg==</Content-MD5>"
                "<BlobType>BlockBlob</BlobType><AccessTier>Cool</AccessTier>"
                "<LeaseStatus>locked</LeaseStatus>"
                "<LeaseState>leased</LeaseState>"
                "<LeaseDuration>infinite</LeaseDuration><CopyId>id</CopyId>"
                "<CopySource>http://h/?a&amp;b&gt;\xC3\xA9</CopySource>"
                "<LegalHold>true</LegalHold>");
    assert_view(it->said.after,
                "<Metadata><Etag>1 &lt; 2</Etag></Metadata><Tags><TagSet><Tag>"
                "<Key>k</Key><Value>v</Value></Tag></TagSet></Tags>"
                "<OrMetadata/>");

    assert_true(page.items[4].base);  /* the current version */
    assert_false(page.items[5].base); /* a former one */

    assert_true(page.items[6].prefix);
    assert_true(view_eq(page.items[6].name, VIEW("z/")));
    origin_page_free(&page);
}


/* Every character that is longer as XML than as it was sent fits. */
static void
test_page_room(void **state)
{
    size_t n = 200000;
    char *xml = malloc(n + 512);
    size_t len = (size_t) sprintf(
        xml, "<EnumerationResults><Blobs><Blob><Name>n</Name><Properties>"
             "<X>");
    origin_page_t page;

    (void) state;
    memset(xml + len, '>', n);
    len += n;
    len += (size_t) sprintf(xml + len, "</X></Properties></Blob></Blobs>"
                                       "</EnumerationResults>");
    assert_int_equal(origin_page_parse(view_of(xml, len), &page), TIER_OK);
    assert_int_equal(page.items[0].said.props.len, 4 * n + 7);
    origin_page_free(&page);
    free(xml);
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
                              "</CommittedBlocks><UncommittedBlocks>"
                              "<Block><Name>QQ==</Name><Size>1</Size></Block>"
                              "</UncommittedBlocks></BlockList>"),
                         true, count, &n),
                     TIER_OK);
    assert_int_equal(n, 2);
    n = 0;
    assert_int_equal(origin_blocks_parse(
                         VIEW("<BlockList><CommittedBlocks>"
                              "<Block><Name>no</Name><Size>3</Size></Block>"
                              "</CommittedBlocks><UncommittedBlocks>"
                              "<Block><Name>QQ==</Name><Size>1</Size></Block>"
                              "</UncommittedBlocks></BlockList>"),
                         false, count, &n),
                     TIER_OK);
    assert_int_equal(n, 1);
    assert_int_equal(origin_blocks_parse(VIEW("<a/>"), true, count, &n),
                     TIER_EINVAL);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page),
        cmocka_unit_test(test_page_room),
        cmocka_unit_test(test_page_bad),
        cmocka_unit_test(test_blocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
