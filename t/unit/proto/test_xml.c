#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/xml_in.h"
#include "proto/xml_out.h"

static char seen[16384];


/* ---- the parser ----------------------------------------------------------
 */

/* What the parser saw: "+name", "-name", "'text'", ending in "." or "!". */
static const char *
walk(const char *in)
{
    proto_xml_t x;
    char *p = seen;

    proto_xml_init(&x, view_str(in));

    for (;;) {
        switch (proto_xml_next(&x)) {
        case PROTO_XML_START:
            p += sprintf(p, "+%.*s", (int) x.name.len,
                         (const char *) x.name.ptr);
            break;
        case PROTO_XML_END:
            p += sprintf(p, "-%.*s", (int) x.name.len,
                         (const char *) x.name.ptr);
            break;
        case PROTO_XML_TEXT:
            p += sprintf(p, "'%.*s'", (int) x.text.len,
                         (const char *) x.text.ptr);
            break;
        case PROTO_XML_DONE:
            strcpy(p, ".");
            return seen;
        case PROTO_XML_BAD:
            strcpy(p, "!");
            return seen;
        }
    }
}


static void
parser_events(void **state)
{
    (void) state;
    assert_string_equal(walk("<a/>"), "+a-a.");
    assert_string_equal(
        walk("\xEF\xBB\xBF<?xml version='1.0'?>\n<a> x </a>\n"), "+a' x '-a.");
    assert_string_equal(
        walk("<!-- c --><n:a xmlns:n = \"u>\" b='\"'><b/>t<!-- c --></n:a >"),
        "+a+b-b't'-a.");
    assert_string_equal(walk("<a><![CDATA[<b>]]></a><!-- c --> "),
                        "+a'<b>'-a.");
}


static void
parser_refuses(void **state)
{
    static const char *const bad[] = { "",
                                       " ",
                                       "x",
                                       "<a>",
                                       "<a></b>",
                                       "<a/><b/>",
                                       "<a/>x",
                                       "</a>",
                                       "<a b></a>",
                                       "<a b=c/>",
                                       "<a b='c/>",
                                       "<a",
                                       "<a/",
                                       "< a/>",
                                       "<a><!-- </a>",
                                       "<a><![CDATA[x</a>",
                                       "<!DOCTYPE a [<!ENTITY b 'c'>]><a/>",
                                       "<?xml <a/>",
                                       "<a><!ELEMENT a></a>" };

    (void) state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *events = walk(bad[i]);

        assert_int_equal(events[strlen(events) - 1], '!');
    }

    /* deeper than the limit */
    char deep[3 * (PROTO_XML_DEPTH_MAX + 1) + 1] = "";

    for (int i = 0; i <= PROTO_XML_DEPTH_MAX; i++) {
        strcat(deep, "<a>");
    }
    assert_int_equal(walk(deep)[2 * PROTO_XML_DEPTH_MAX], '!');
}


static const char *
content(const char *in)
{
    static uint8_t text[64];
    uint8_t buf[32];
    proto_xml_t x;
    writer_t w;
    view_t v;

    writer_init_fixed(&w, buf, sizeof(buf));
    proto_xml_init(&x, view_str(in));
    assert_int_equal(proto_xml_next(&x), PROTO_XML_START);
    if (!proto_xml_content(&x, &w, &v)) {
        return NULL;
    }
    assert_int_equal(proto_xml_next(&x), PROTO_XML_DONE);
    memcpy(text, v.ptr, v.len);
    text[v.len] = 0;
    return (const char *) text;
}


static void
parser_content(void **state)
{
    static const char *const bad[] = {
        "<a><b/></a>",
        "<a>&nbsp;</a>",
        "<a>&amp</a>",
        "<a>&</a>",
        "<a>&#;</a>",
        "<a>&#x;</a>",
        "<a>&#0;</a>",
        "<a>&#xD800;</a>",
        "<a>&#x110000;</a>",
        "<a>&#1a;</a>",
        "<a>&amp;0123456789012345678901234567890123456789</a>"
    };

    (void) state;
    assert_string_equal(content("<a/>"), "");
    assert_string_equal(content("<a> x y\n</a>"), "x y");
    assert_string_equal(content("<a>&lt;&amp;&gt;&quot;&apos;</a>"), "<&>\"'");
    assert_string_equal(content("<a>a&#65;&#x42;&#xe9;&#x20AC;&#x1F600;</a>"),
                        "aAB\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
    assert_string_equal(content("<a>x<!-- c -->y<![CDATA[&amp;]]>z</a>"),
                        "xy&amp;z");
    assert_string_equal(content("<a><![CDATA[&lt;]]></a>"), "&lt;");

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_null(content(bad[i]));
    }
}


/* ---- block lists ---------------------------------------------------------
 */

static proto_err_t
see_block(void *ctx, proto_block_which_t which, view_t id)
{
    char *p = seen + strlen(seen);

    (void) ctx;
    sprintf(p, "%c%.*s ", "LCU"[which], (int) id.len, (const char *) id.ptr);
    return view_eq(id, VIEW("stop")) ? PROTO_ERR_INVALID_BLOCK_LIST : PROTO_OK;
}


static proto_err_t
block_list(const char *body, unsigned *ret_n)
{
    proto_fault_t fault = { 0 };
    proto_err_t err;

    seen[0] = 0;
    err = proto_xml_block_list(view_str(body), see_block, NULL, ret_n, &fault);
    assert_int_equal(fault.err == PROTO_OK || fault.err == err, 1);
    return err;
}


static void
blocks_of_clients(void **state)
{
    unsigned n = 9;

    (void) state;

    /* boostedblob's quotes, rclone's missing declaration, a BOM */
    assert_int_equal(block_list("<?xml version='1.0' encoding='utf-8'?>\n"
                                "<BlockList><Latest>MQ==</Latest><Latest>Mg=="
                                "</Latest></BlockList>",
                                &n),
                     PROTO_OK);
    assert_int_equal(n, 2);
    assert_string_equal(seen, "L1 L2 ");
    assert_int_equal(block_list("\xEF\xBB\xBF<BlockList>\r\n  <Committed>MQ=="
                                "</Committed>\n<Uncommitted> Mg== "
                                "</Uncommitted><Latest>&#77;w==</Latest>\n"
                                "</BlockList>\n",
                                &n),
                     PROTO_OK);
    assert_string_equal(seen, "C1 U2 L3 ");
    assert_int_equal(block_list("<BlockList/>", &n), PROTO_OK);
    assert_int_equal(n, 0);
}


static void
blocks_refused(void **state)
{
    unsigned n = 9;

    (void) state;
    assert_int_equal(block_list("", &n), PROTO_ERR_INVALID_XML_DOCUMENT);
    assert_int_equal(block_list("<List/>", &n),
                     PROTO_ERR_INVALID_XML_DOCUMENT);
    assert_int_equal(block_list("<BlockList>x</BlockList>", &n),
                     PROTO_ERR_INVALID_XML_DOCUMENT);
    assert_int_equal(block_list("<BlockList><Latest>MQ==</Latest>", &n),
                     PROTO_ERR_INVALID_XML_DOCUMENT);
    assert_int_equal(block_list("<BlockList/>x", &n),
                     PROTO_ERR_INVALID_XML_DOCUMENT);
    assert_int_equal(
        block_list("<BlockList><Last>MQ==</Last></BlockList>", &n),
        PROTO_ERR_INVALID_XML_NODE_VALUE);
    assert_int_equal(
        block_list("<BlockList><Latest>M</Latest></BlockList>", &n),
        PROTO_ERR_INVALID_BLOCK_ID);
    assert_int_equal(block_list("<BlockList><Latest/></BlockList>", &n),
                     PROTO_ERR_INVALID_BLOCK_ID);
    assert_int_equal(block_list("<BlockList><Latest>c3RvcA==</Latest>"
                                "<Latest>MQ==</Latest></BlockList>",
                                &n),
                     PROTO_ERR_INVALID_BLOCK_LIST);
    assert_string_equal(seen, "Lstop ");
    assert_int_equal(n, 9);
}


static void
blocks_at_most(void **state)
{
    static const char one[] = "<Latest>MQ==</Latest>";
    size_t len = sizeof(one) - 1;
    char *body = malloc(len * (PROTO_BLOCKS_MAX + 1) + 64);
    proto_fault_t fault;

    (void) state;
    assert_non_null(body);

    for (unsigned more = 0; more < 2; more++) {
        char *p = body + sprintf(body, "<BlockList>");
        unsigned n = 0;

        for (unsigned i = 0; i < PROTO_BLOCKS_MAX + more; i++) {
            memcpy(p, one, len);
            p += len;
        }
        strcpy(p, "</BlockList>");
        assert_int_equal(
            proto_xml_block_list(view_str(body), NULL, NULL, &n, &fault),
            more ? PROTO_ERR_BLOCK_LIST_TOO_LONG : PROTO_OK);
        assert_int_equal(n, more ? 0 : PROTO_BLOCKS_MAX);
    }

    free(body);
}


/* ---- policies ------------------------------------------------------------
 */

static void
policies_both_ways(void **state)
{
    proto_policy_t in[2] = { { .id = VIEW("a<b"),
                               .start = VIEW("2026-03-01"),
                               .permission = VIEW("rl") },
                             { .id = VIEW("two") } };
    proto_policy_t out[PROTO_POLICIES_MAX];
    uint8_t buf[1024], text[256];
    proto_fault_t fault;
    writer_t w, scratch;
    unsigned n;

    (void) state;
    writer_init_fixed(&w, buf, sizeof(buf));
    writer_init_fixed(&scratch, text, sizeof(text));
    proto_xml_policies_put(&w, in, 2);
    assert_int_equal(
        proto_xml_policies(writer_view(&w), &scratch, out, &n, &fault),
        PROTO_OK);
    assert_int_equal(n, 2);
    assert_true(view_eq(out[0].id, in[0].id));
    assert_true(view_eq(out[0].start, in[0].start));
    assert_null(out[0].expiry.ptr);
    assert_true(view_eq(out[0].permission, in[0].permission));
    assert_true(view_eq(out[1].id, VIEW("two")));
    assert_null(out[1].permission.ptr);

    assert_int_equal(proto_xml_policies(VIEW_NULL, &scratch, out, &n, &fault),
                     PROTO_OK);
    assert_int_equal(n, 0);
}


static void
policies_refused(void **state)
{
#define ID(id) "<SignedIdentifier><Id>" id "</Id></SignedIdentifier>"
    static const char *const bad[] = {
        "<x/>", "<SignedIdentifiers><x/></SignedIdentifiers>",
        "<SignedIdentifiers><SignedIdentifier/></SignedIdentifiers>",
        "<SignedIdentifiers>" ID("") "</SignedIdentifiers>",
        "<SignedIdentifiers>" ID("1") ID("2") ID("3") ID("4") ID("5")
            ID("6") "</SignedIdentifiers>"
    };
    proto_policy_t out[PROTO_POLICIES_MAX];
    proto_fault_t fault;
    uint8_t text[64];
    writer_t scratch;
    unsigned n = 7;

    (void) state;
    writer_init_fixed(&scratch, text, sizeof(text));

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_not_equal(
            proto_xml_policies(view_str(bad[i]), &scratch, out, &n, &fault),
            PROTO_OK);
    }
    assert_int_equal(n, 7);
}


/* ---- answers -------------------------------------------------------------
 */

static uint8_t out_buf[8192];
static writer_t out;


static const char *
written(void)
{
    writer_putc(&out, 0);
    assert_true(writer_ok(&out));

    /* and it is well-formed */
    const char *events = walk((const char *) out_buf);

    assert_int_equal(events[strlen(events) - 1], '.');
    return (const char *) out_buf;
}


static void
lists_blobs(void **state)
{
    uint8_t meta[64];
    writer_t m;
    proto_list_t list = { .endpoint = VIEW("http://h/a/"),
                          .container = VIEW("con"),
                          .prefix = VIEW("a&"),
                          .max_results = 5 };
    blob_props_t props = { .content_length = 12,
                           .creation_time_s = 784111777,
                           .last_modified_s = 784111777,
                           .etag = VIEW("0x8D1"),
                           .content_type = VIEW("text/plain"),
                           .has_md5 = true };
    proto_list_blob_t blob = { .props = &props, .metadata = true };
    const char *xml;

    (void) state;
    writer_init_fixed(&m, meta, sizeof(meta));
    props_pairs_put(&m, VIEW("hdi_isfolder"), VIEW("a<b"));
    props.metadata = writer_view(&m);
    writer_init_fixed(&out, out_buf, sizeof(out_buf));
    proto_xml_blobs_begin(&out, &list);
    blob.name = VIEW("a&b");
    proto_xml_blob(&out, &blob);
    blob.snapshot = 621355968000000001;
    blob.metadata = false;
    proto_xml_blob(&out, &blob);
    proto_xml_blob_prefix(&out, VIEW("a&c/"));
    proto_xml_blobs_end(&out, VIEW("2!x"));
    xml = written();

    static const char *const parts[] = {
        "\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"utf-8\"?>"
        "<EnumerationResults ServiceEndpoint=\"http://h/a/\" "
        "ContainerName=\"con\"><Prefix>a&amp;</Prefix><MaxResults>5"
        "</MaxResults><Blobs><Blob><Name>a&amp;b</Name><Properties>"
        "<Creation-Time>Sun, 06 Nov 1994 08:49:37 GMT</Creation-Time>"
        "<Last-Modified>Sun, 06 Nov 1994 08:49:37 GMT</Last-Modified>"
        "<Etag>0x8D1</Etag><Content-Length>12</Content-Length>"
        "<Content-Type>text/plain</Content-Type><Content-Encoding />",
        "<Content-MD5>AAAAAAAAAAAAAAAAAAAAAA==</Content-MD5>",
        "<BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier>"
        "<AccessTierInferred>true</AccessTierInferred>",
        "</Properties><Metadata><hdi_isfolder>a&lt;b</hdi_isfolder>"
        "</Metadata><OrMetadata /></Blob><Blob><Name>a&amp;b</Name>"
        "<Snapshot>1970-01-01T00:00:00.0000001Z</Snapshot><Properties>",
        "<OrMetadata /></Blob><BlobPrefix><Name>a&amp;c/"
        "</Name></BlobPrefix></Blobs><NextMarker>2!x</NextMarker>"
        "</EnumerationResults>"
    };

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        assert_non_null(strstr(xml, parts[i]));
    }
}


static void
lists_names_xml_cannot_say(void **state)
{
    proto_list_t list = { .endpoint = VIEW("e") };
    blob_props_t props = { .etag = VIEW("0x1") };
    proto_list_blob_t blob = { .name = VIEW("a\x01/b\xEF\xBF\xBE"),
                               .props = &props };
    const char *xml;

    (void) state;
    writer_init_fixed(&out, out_buf, sizeof(out_buf));
    proto_xml_blobs_begin(&out, &list);
    proto_xml_blob(&out, &blob);
    proto_xml_blobs_end(&out, VIEW_NULL);
    xml = written();
    assert_non_null(
        strstr(xml, "<Name Encoded=\"true\">a%01%2Fb%EF%BF%BE</Name>"));
    assert_non_null(strstr(xml, "<NextMarker /></EnumerationResults>"));
}


static void
lists_copies(void **state)
{
    blob_props_t props = { .etag = VIEW("0x1"),
                           .copy_status = COPY_SUCCESS,
                           .copy_id = VIEW("id"),
                           .copy_source = VIEW("http://h/c/b?a&b"),
                           .copy_done = 3,
                           .copy_total = 3,
                           .copy_completion_time_s = 784111777 };
    proto_list_blob_t blob = { .name = VIEW("b"), .props = &props };

    (void) state;
    writer_init_fixed(&out, out_buf, sizeof(out_buf));
    proto_xml_blob(&out, &blob);
    assert_null(strstr(written(), "<Copy"));

    blob.copy = true;
    writer_init_fixed(&out, out_buf, sizeof(out_buf));
    proto_xml_blob(&out, &blob);
    assert_non_null(strstr(
        written(),
        "<CopyId>id</CopyId><CopyStatus>success</CopyStatus>"
        "<CopySource>http://h/c/b?a&amp;b</CopySource>"
        "<CopyProgress>3/3</CopyProgress><CopyCompletionTime>Sun, 06 Nov 1994 "
        "08:49:37 GMT</CopyCompletionTime><ServerEncrypted>"));
}


/* An origin's entry stays what it is but for what clients know it by here. */
static void
lists_what_was_said(void **state)
{
    blob_props_t props = { .etag = VIEW("0x1"),
                           .last_modified_s = 784111777,
                           .copy_status = COPY_PENDING,
                           .copy_id = VIEW("ours") };
    proto_list_said_t said = { .before = VIEW("<VersionId>1</VersionId>"),
                               .props = VIEW("<CopyId>theirs</CopyId><New/>"),
                               .after = VIEW("<Tags/>"),
                               .copy = true };
    proto_list_blob_t blob = { .name = VIEW("a&b"),
                               .props = &props,
                               .metadata = true,
                               .tags = true,
                               .copy = true,
                               .said = &said };

    (void) state;
    writer_init_fixed(&out, out_buf, sizeof(out_buf));
    proto_xml_blob(&out, &blob);
    assert_string_equal(
        written(), "<Blob><Name>a&amp;b</Name><VersionId>1</VersionId>"
                   "<Properties><Last-Modified>Sun, 06 Nov 1994 08:49:37 GMT"
                   "</Last-Modified><Etag>0x1</Etag><CopyId>theirs</CopyId>"
                   "<New/></Properties><Tags/></Blob>");

    /* a copy that it does not know of */
    said.copy = false;
    said.props = VIEW("<New/>");
    writer_init_fixed(&out, out_buf, sizeof(out_buf));
    proto_xml_blob(&out, &blob);
    assert_non_null(strstr(written(), "<New/><CopyId>ours</CopyId>"
                                      "<CopyStatus>pending</CopyStatus>"));
    blob.copy = false;
    writer_init_fixed(&out, out_buf, sizeof(out_buf));
    proto_xml_blob(&out, &blob);
    assert_null(strstr(written(), "Copy"));
}


/* A header value is any bytes; the listing stays UTF-8. */
static void
lists_values_that_are_not_utf8(void **state)
{
    proto_list_t list = { .endpoint = VIEW("e"), .prefix = VIEW("p\xFF") };
    blob_props_t props = { .content_disposition =
                               VIEW("\xE9t\xE9=\xC3\xA9\xEF\xBF\xBF;\xF0\x9F"),
                           .content_language = VIEW("\xF0\x9F\x98\x80") };
    proto_list_blob_t blob = { .name = VIEW("b"), .props = &props };
    const char *xml;

    (void) state;
    writer_init_fixed(&out, out_buf, sizeof(out_buf));
    proto_xml_blobs_begin(&out, &list);
    proto_xml_blob(&out, &blob);
    proto_xml_blobs_end(&out, VIEW_NULL);
    xml = written();
    assert_non_null(strstr(xml, "<Prefix Encoded=\"true\">p%FF</Prefix>"));
    assert_non_null(strstr(xml, "<Content-Disposition>\xC3\xA9t\xC3\xA9="
                                "\xC3\xA9;\xC3\xB0\xC2\x9F"
                                "</Content-Disposition>"));
    assert_non_null(strstr(xml, ">\xF0\x9F\x98\x80<"));
}


static void
lists_containers(void **state)
{
    proto_list_t list = { .endpoint = VIEW("e"), .marker = VIEW("") };
    container_props_t props = { .etag = VIEW("0x1"), .public_access = 2 };
    const char *xml;

    (void) state;
    writer_init_fixed(&out, out_buf, sizeof(out_buf));
    proto_xml_containers_begin(&out, &list);
    proto_xml_container(&out, VIEW("con"), &props, true);
    proto_xml_containers_end(&out, VIEW_NULL);
    xml = written();
    assert_non_null(strstr(xml, "<Marker /><Containers><Container><Name>con"));
    assert_non_null(strstr(xml, "<Etag>\"0x1\"</Etag>"));
    assert_non_null(strstr(xml, "<PublicAccess>container</PublicAccess>"));
    assert_non_null(strstr(xml, "<Metadata /></Container></Containers>"));
}


static void
other_documents(void **state)
{
    (void) state;
    writer_init_fixed(&out, out_buf, sizeof(out_buf));
    proto_xml_block_list_begin(&out);
    proto_xml_blocks_begin(&out, true);
    proto_xml_block(&out, VIEW("1"), 7);
    proto_xml_blocks_end(&out, true);
    proto_xml_blocks_begin(&out, false);
    proto_xml_blocks_end(&out, false);
    proto_xml_block_list_end(&out);
    assert_non_null(strstr(written(),
                           "<BlockList><CommittedBlocks><Block><Name>MQ=="
                           "</Name><Size>7</Size></Block></CommittedBlocks>"
                           "<UncommittedBlocks></UncommittedBlocks>"
                           "</BlockList>"));
}


static void
markers(void **state)
{
    static const char *const bad[] = { "x",        "2",         "2!M",
                                       "2!MQ",     "3!MQ..",    "2!MQ..!",
                                       "2!MQ..!x", "2!MQ..!1!2" };
    uint8_t buf[128], text[256];
    writer_t w, scratch;
    view_t name = VIEW_NULL;
    uint64_t time = 7;

    (void) state;
    writer_init_fixed(&w, buf, sizeof(buf));
    writer_init_fixed(&scratch, text, sizeof(text));
    proto_marker_format(&w, VIEW("a\xFF\xFE?\xFB/"), 0);
    assert_int_equal(view_find(writer_view(&w), '/', 0), w.len);
    assert_int_equal(view_find(writer_view(&w), '+', 0), w.len);
    assert_true(proto_marker_parse(writer_view(&w), &scratch, &name, &time));
    assert_true(view_eq(name, VIEW("a\xFF\xFE?\xFB/")));
    assert_int_equal(time, 0);
    writer_reset(&w);
    proto_marker_format(&w, VIEW("n!"), UINT64_MAX);
    assert_true(proto_marker_parse(writer_view(&w), &scratch, &name, &time));
    assert_true(view_eq(name, VIEW("n!")));
    assert_true(time == UINT64_MAX);
    assert_true(proto_marker_parse(VIEW_NULL, &scratch, &name, &time));
    assert_int_equal(time, 0);
    assert_int_equal(name.len, 0);

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(
            proto_marker_parse(view_str(bad[i]), &scratch, &name, &time));
    }
}


static void
edits_of_the_origins(void **state)
{
    static const char *const lists[][2] = {
        { "<BlockList><CommittedBlocks><Block/></CommittedBlocks>"
          "<UncommittedBlocks /></BlockList>",
          "<BlockList><CommittedBlocks><Block/></CommittedBlocks><U/>"
          "</BlockList>" },
        { "<BlockList><UncommittedBlocks><Block/></UncommittedBlocks>"
          "</BlockList>",
          "<BlockList><U/></BlockList>" },
        { "<BlockList><CommittedBlocks /></BlockList>",
          "<BlockList><CommittedBlocks /><U/></BlockList>" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        writer_init_fixed(&out, out_buf, sizeof(out_buf));
        proto_xml_block_list_merge(&out, view_str(lists[i][0]), VIEW("<U/>"));
        assert_string_equal(written(), lists[i][1]);
    }

    writer_init_fixed(&out, out_buf, sizeof(out_buf));
    proto_xml_endpoint(&out,
                       VIEW("<EnumerationResults A=\"b\" "
                            "ServiceEndpoint=\"https://lake/\"><Containers/>"
                            "</EnumerationResults>"),
                       VIEW("http://edge/a&b/"));
    assert_string_equal(written(), "<EnumerationResults A=\"b\" "
                                   "ServiceEndpoint=\"http://edge/a&amp;b/\">"
                                   "<Containers/></EnumerationResults>");

    /* in the root alone, and not where there is none */
    writer_init_fixed(&out, out_buf, sizeof(out_buf));
    proto_xml_endpoint(&out,
                       VIEW("<EnumerationResults><Name>ServiceEndpoint=\"x\""
                            "</Name></EnumerationResults>"),
                       VIEW("http://edge/"));
    assert_string_equal(written(),
                        "<EnumerationResults><Name>ServiceEndpoint=\"x\""
                        "</Name></EnumerationResults>");
    writer_init_fixed(&out, out_buf, sizeof(out_buf));
    proto_xml_endpoint(&out, VIEW("<Error />"), VIEW("http://edge/"));
    assert_string_equal(written(), "<Error />");
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parser_events),
        cmocka_unit_test(parser_refuses),
        cmocka_unit_test(parser_content),
        cmocka_unit_test(blocks_of_clients),
        cmocka_unit_test(blocks_refused),
        cmocka_unit_test(blocks_at_most),
        cmocka_unit_test(policies_both_ways),
        cmocka_unit_test(policies_refused),
        cmocka_unit_test(lists_blobs),
        cmocka_unit_test(lists_names_xml_cannot_say),
        cmocka_unit_test(lists_values_that_are_not_utf8),
        cmocka_unit_test(lists_containers),
        cmocka_unit_test(other_documents),
        cmocka_unit_test(markers),
        cmocka_unit_test(lists_what_was_said),
        cmocka_unit_test(lists_copies),
        cmocka_unit_test(edits_of_the_origins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
