#include <ctype.h>
#include <string.h>

#include "unit.h"

#include "base/digest.h"
#include "proto/headers.h"

#define MD5_OF_X  "nd1PLVuVW3UDmi4Ht7J9cg==" /* any 16 bytes do here */
#define CRC64_ONE "AQAAAAAAAAA="             /* little-endian 1 */

static uint8_t scratch_buf[32 * 1024];
static writer_t scratch;
static proto_uri_t uri;
static proto_headers_t h;
static proto_fault_t fault;


/* Parses "Name: value" strings up to NULL. */
static proto_err_t
parse(const char *first, ...)
{
    proto_header_t hdrs[64];
    unsigned n = 0;
    va_list args;

    va_start(args, first);

    for (const char *s = first; s != NULL; s = va_arg(args, const char *)) {
        view_t line = view_str(s);
        size_t colon = view_find(line, ':', 0);

        hdrs[n].name = view_sub(line, 0, colon);
        hdrs[n++].value = view_sub(line, colon + 1, line.len);
    }

    va_end(args);
    writer_init_fixed(&scratch, scratch_buf, sizeof(scratch_buf));
    fault = (proto_fault_t){ 0 };
    memset(&h, 0xA5, sizeof(h));
    return proto_headers_parse(hdrs, n, &uri, &scratch, &h, &fault);
}


static int
clear_uri(void **state)
{
    (void) state;
    memset(&uri, 0, sizeof(uri));
    return 0;
}


static void
presence(void **state)
{
    (void) state;
    assert_int_equal(parse("Host: x", "X-Ms-Blob-Type:  BlockBlob ",
                           "x-ms-blob-cache-control:", "x-unknown: 1",
                           "x-ms-unknown: 2", NULL),
                     PROTO_OK);
    assert_view(proto_hdr(&h, PROTO_HDR_X_MS_BLOB_TYPE), "BlockBlob");
    assert_view(proto_hdr(&h, PROTO_HDR_X_MS_BLOB_CACHE_CONTROL), "");
    assert_view(proto_hdr(&h, PROTO_HDR_CACHE_CONTROL), NULL);
    assert_false(h.has_content_length);
    assert_false(h.chunked);
    assert_int_equal(h.version, 0);
    assert_int_equal(h.metadata.len, 0);
    assert_false(proto_cond_any(&h.cond));
    assert_int_equal(parse(NULL), PROTO_OK);
}


/* The table by length finds every name, in any case, and no other. */
static void
every_name_is_found(void **state)
{
    static const char *const names[] = {
        "Authorization",
        "Cache-Control",
        "Content-Encoding",
        "Content-Language",
        "Content-Length",
        "Content-MD5",
        "Content-Type",
        "Date",
        "If-Match",
        "If-Modified-Since",
        "If-None-Match",
        "If-Unmodified-Since",
        "Origin",
        "Range",
        "Transfer-Encoding",
        "x-ms-access-tier",
        "x-ms-blob-cache-control",
        "x-ms-blob-condition-appendpos",
        "x-ms-blob-condition-maxsize",
        "x-ms-blob-content-disposition",
        "x-ms-blob-content-encoding",
        "x-ms-blob-content-language",
        "x-ms-blob-content-length",
        "x-ms-blob-content-md5",
        "x-ms-blob-content-type",
        "x-ms-blob-public-access",
        "x-ms-blob-type",
        "x-ms-client-request-id",
        "x-ms-content-crc64",
        "x-ms-copy-action",
        "x-ms-copy-source",
        "x-ms-copy-source-authorization",
        "x-ms-copy-source-blob-properties",
        "x-ms-copy-source-tag-option",
        "x-ms-date",
        "x-ms-delete-snapshots",
        "x-ms-encryption-algorithm",
        "x-ms-encryption-key",
        "x-ms-encryption-scope",
        "x-ms-if-tags",
        "x-ms-immutability-policy-mode",
        "x-ms-immutability-policy-until-date",
        "x-ms-lease-action",
        "x-ms-lease-break-period",
        "x-ms-lease-duration",
        "x-ms-lease-id",
        "x-ms-legal-hold",
        "x-ms-page-write",
        "x-ms-proposed-lease-id",
        "x-ms-range",
        "x-ms-range-get-content-crc64",
        "x-ms-range-get-content-md5",
        "x-ms-rehydrate-priority",
        "x-ms-requires-sync",
        "x-ms-source-content-crc64",
        "x-ms-source-content-md5",
        "x-ms-source-if-match",
        "x-ms-source-if-modified-since",
        "x-ms-source-if-none-match",
        "x-ms-source-if-tags",
        "x-ms-source-if-unmodified-since",
        "x-ms-source-range",
        "x-ms-structured-body",
        "x-ms-structured-content-length",
        "x-ms-tags",
        "x-ms-version",
    };

    (void) state;
    assert_int_equal(sizeof(names) / sizeof(names[0]), PROTO_HDR_COUNT);

    for (unsigned id = 0; id < PROTO_HDR_COUNT; id++) {
        char name[64];
        size_t len = strlen(names[id]);
        proto_header_t hdr = { view_of(name, len), VIEW("12") };

        for (int upper = 0; upper < 2; upper++) {
            for (size_t i = 0; i <= len; i++) {
                int c = (unsigned char) names[id][i];

                name[i] = (char) (upper ? toupper(c) : c);
            }

            writer_init_fixed(&scratch, scratch_buf, sizeof(scratch_buf));
            (void) proto_headers_parse(&hdr, 1, &uri, &scratch, &h, &fault);
            assert_view(h.known[id], "12");
        }

        name[len - 1] = '!';
        writer_init_fixed(&scratch, scratch_buf, sizeof(scratch_buf));
        assert_int_equal(
            proto_headers_parse(&hdr, 1, &uri, &scratch, &h, &fault),
            PROTO_OK);

        for (unsigned k = 0; k < PROTO_HDR_COUNT; k++) {
            assert_view(h.known[k], NULL);
        }
    }
}


static void
twice(void **state)
{
    (void) state;
    assert_int_equal(parse("x-ms-date: a", "X-Ms-Date: b", NULL),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    assert_view(fault.name, "x-ms-date");
    assert_int_equal(parse("Content-Length: 1", "Content-Length: 1", NULL),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    assert_int_equal(
        parse("Cookie: a", "Cookie: b", "Accept: c", "Accept: d", NULL),
        PROTO_OK);
}


static void
version(void **state)
{
    (void) state;
    assert_int_equal(parse("x-ms-version: 2026-04-06", NULL), PROTO_OK);
    assert_int_equal(h.version, 20260406);
    assert_int_equal(parse("x-ms-version: 2099-12-31", NULL), PROTO_OK);
    assert_int_equal(parse("x-ms-version: tomorrow", NULL),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    assert_view(fault.name, "x-ms-version");
    assert_view(fault.value, "tomorrow");
    assert_int_equal(parse("x-ms-version:", NULL),
                     PROTO_ERR_INVALID_HEADER_VALUE);

    uri.known[PROTO_PARAM_API_VERSION] = VIEW("2014-02-14");
    assert_int_equal(parse(NULL), PROTO_OK);
    assert_int_equal(h.version, 20140214);
    assert_int_equal(parse("x-ms-version: 2020-10-02", NULL), PROTO_OK);
    assert_int_equal(h.version, 20201002);
    uri.known[PROTO_PARAM_API_VERSION] = VIEW("x");
    assert_int_equal(parse(NULL), PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE);
    assert_view(fault.name, "api-version");
}


static void
length(void **state)
{
    (void) state;
    assert_int_equal(parse("Content-Length: 0", NULL), PROTO_OK);
    assert_true(h.has_content_length);
    assert_int_equal(h.content_length, 0);
    assert_int_equal(parse("Content-Length: 5242880000", NULL), PROTO_OK);
    assert_true(h.content_length == 5242880000ull);
    assert_int_equal(parse("Content-Length: -1", NULL),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    assert_int_equal(parse("Content-Length: 18446744073709551616", NULL),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    assert_int_equal(parse("Transfer-Encoding: chunked", NULL), PROTO_OK);
    assert_true(h.chunked);
    assert_false(h.has_content_length);
}


static void
conditions(void **state)
{
    (void) state;
    assert_int_equal(
        parse("If-Match: \"0x1\"", "If-None-Match: *",
              "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
              "If-Unmodified-Since: Sunday, 06-Nov-94 08:49:37 GMT", NULL),
        PROTO_OK);
    assert_true(proto_cond_any(&h.cond));
    assert_view(h.cond.if_match, "\"0x1\"");
    assert_view(h.cond.if_none_match, "*");
    assert_true(h.cond.has_modified_since && h.cond.has_unmodified_since);
    assert_int_equal(h.cond.modified_since_s, 784111777);
    assert_int_equal(h.cond.unmodified_since_s, 784111777);

    assert_int_equal(
        parse("If-Match:", "If-None-Match: ", "If-Modified-Since:", NULL),
        PROTO_OK);
    assert_false(proto_cond_any(&h.cond));

    assert_int_equal(parse("If-Modified-Since: yesterday", NULL),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    assert_view(fault.name, "if-modified-since");
    assert_view(fault.value, "yesterday");
}


static void
flags(void **state)
{
    (void) state;
    assert_int_equal(parse("x-ms-range-get-content-md5: True",
                           "x-ms-range-get-content-crc64: false", NULL),
                     PROTO_OK);
    assert_true(h.range_md5);
    assert_false(h.range_crc64);
    assert_int_equal(parse("x-ms-range-get-content-md5: yes", NULL),
                     PROTO_ERR_INVALID_HEADER_VALUE);
}


static void
client_request_id(void **state)
{
    char line[1200] = "x-ms-client-request-id:";
    size_t name = strlen(line);

    (void) state;
    memset(line + name, 'i', 1024);
    assert_int_equal(parse(line, NULL), PROTO_OK);
    assert_int_equal(proto_hdr(&h, PROTO_HDR_X_MS_CLIENT_REQUEST_ID).len,
                     1024);
    line[name + 1024] = 'i';
    assert_int_equal(parse(line, NULL), PROTO_ERR_INVALID_HEADER_VALUE);
}


static void
metadata(void **state)
{
    view_t name, value;
    size_t pos = 0;

    (void) state;
    assert_int_equal(parse("x-ms-meta-hdi_isfolder: true", "Host: x",
                           "X-MS-META-Who:  me and you ",
                           "x-ms-meta-empty:", NULL),
                     PROTO_OK);
    assert_true(props_pairs_next(h.metadata, &pos, &name, &value));
    assert_view(name, "hdi_isfolder");
    assert_view(value, "true");
    assert_true(props_pairs_next(h.metadata, &pos, &name, &value));
    assert_view(name, "Who"); /* as given */
    assert_view(value, "me and you");
    assert_true(props_pairs_next(h.metadata, &pos, &name, &value));
    assert_view(name, "empty");
    assert_view(value, "");
    assert_false(props_pairs_next(h.metadata, &pos, &name, &value));

    assert_int_equal(parse("x-ms-meta-: x", NULL),
                     PROTO_ERR_EMPTY_METADATA_KEY);
    assert_int_equal(parse("x-ms-meta-a-b: x", NULL),
                     PROTO_ERR_INVALID_METADATA);
    assert_int_equal(parse("x-ms-meta-1a: x", NULL),
                     PROTO_ERR_INVALID_METADATA);
    assert_int_equal(parse("x-ms-meta-a1: x", NULL), PROTO_OK);
    assert_int_equal(parse("x-ms-meta-a: \xC3\xA4", NULL),
                     PROTO_ERR_INVALID_METADATA);
    assert_int_equal(parse("x-ms-meta-\xC3\xA4: a", NULL),
                     PROTO_ERR_INVALID_METADATA);
    assert_int_equal(parse("x-ms-meta-a: x", "x-ms-meta-A: y", NULL),
                     PROTO_ERR_INVALID_METADATA);
}


static void
metadata_limit(void **state)
{
    static char line[PROTO_METADATA_MAX + 64] = "x-ms-meta-k:";
    size_t name = strlen(line);

    (void) state;
    memset(line + name, 'v', PROTO_METADATA_MAX - 1);
    assert_int_equal(parse(line, NULL), PROTO_OK); /* exactly 8 KiB */
    assert_int_equal(parse(line, "x-ms-meta-j:", NULL),
                     PROTO_ERR_METADATA_TOO_LARGE);
    line[name + PROTO_METADATA_MAX - 1] = 'v';
    assert_int_equal(parse(line, NULL), PROTO_ERR_METADATA_TOO_LARGE);

    proto_header_t hdr = { VIEW("x-ms-meta-key"), VIEW("value") };
    uint8_t small[8];

    writer_init_fixed(&scratch, small, sizeof(small));
    assert_int_equal(proto_headers_parse(&hdr, 1, &uri, &scratch, &h, &fault),
                     PROTO_ERR_METADATA_TOO_LARGE);
}


static void
put_blob_props(void **state)
{
    blob_props_t p = { .content_length = 5 };

    (void) state;
    assert_int_equal(
        parse(
            "Content-Type: text/plain", "Content-Encoding: gzip",
            "Content-Language: de", "Cache-Control: no-store",
            "x-ms-blob-content-type: text/html", "x-ms-blob-content-language:",
            "x-ms-blob-content-disposition: inline", "x-ms-access-tier: cool",
            "x-ms-blob-content-md5: " MD5_OF_X, "x-ms-meta-a: b", NULL),
        PROTO_OK);
    assert_int_equal(proto_headers_blob_props(&h, true, true, &p, &fault),
                     PROTO_OK);
    assert_view(p.content_type, "text/html"); /* x-ms-blob-* wins */
    assert_view(p.content_encoding, "gzip");
    assert_view(p.content_language, ""); /* also when it is empty */
    assert_view(p.content_disposition, "inline");
    assert_view(p.cache_control, "no-store");
    assert_int_equal(p.tier, TIER_COOL);
    assert_true(p.has_md5);
    assert_int_equal(p.md5[0], 0x9D);
    assert_int_equal(p.content_length, 5);
    assert_true(p.metadata.len != 0);
}


static void
block_list_props(void **state)
{
    blob_props_t p = { 0 };

    (void) state;
    assert_int_equal(parse("Content-Type: application/xml",
                           "Content-MD5: " MD5_OF_X, "Cache-Control: private",
                           "x-ms-blob-cache-control: max-age=5", NULL),
                     PROTO_OK);
    assert_int_equal(proto_headers_blob_props(&h, false, true, &p, &fault),
                     PROTO_OK);
    assert_view(p.content_type, "application/octet-stream");
    assert_view(p.cache_control, "max-age=5");
    assert_false(p.has_md5); /* that MD5 is the list's, not the blob's */

    assert_int_equal(proto_headers_blob_props(&h, false, false, &p, &fault),
                     PROTO_OK);
    assert_view(p.content_type, NULL);
}


static void
bad_props(void **state)
{
    static const char *const bad_md5[] = {
        "x-ms-blob-content-md5: abc",
        "x-ms-blob-content-md5: AAAA",
        "x-ms-blob-content-md5: nd1PLVuVW3UDmi4Ht7J9cg",
        "x-ms-blob-content-md5: nd1PLVuVW3UDmi4Ht7J9cnI=",
    };
    blob_props_t p = { 0 };

    (void) state;

    for (size_t i = 0; i < sizeof(bad_md5) / sizeof(bad_md5[0]); i++) {
        assert_int_equal(parse(bad_md5[i], NULL), PROTO_OK);
        assert_int_equal(proto_headers_blob_props(&h, true, true, &p, &fault),
                         PROTO_ERR_INVALID_MD5);
    }

    assert_int_equal(parse("x-ms-blob-content-md5:", NULL), PROTO_OK);
    assert_int_equal(proto_headers_blob_props(&h, true, true, &p, &fault),
                     PROTO_OK);
    assert_false(p.has_md5); /* empty clears */

    assert_int_equal(parse("x-ms-access-tier: Lukewarm", NULL), PROTO_OK);
    assert_int_equal(proto_headers_blob_props(&h, true, true, &p, &fault),
                     PROTO_ERR_INVALID_HEADER_VALUE);
}


static void
body_checks(void **state)
{
    proto_body_check_t c;

    (void) state;
    assert_int_equal(parse(NULL), PROTO_OK);
    assert_int_equal(proto_headers_body_check(&h, true, &c, &fault), PROTO_OK);
    assert_false(c.has_md5 || c.has_crc64);

    assert_int_equal(parse("x-ms-content-crc64: " CRC64_ONE, NULL), PROTO_OK);
    assert_int_equal(proto_headers_body_check(&h, true, &c, &fault), PROTO_OK);
    assert_true(c.has_crc64 && !c.has_md5);
    assert_true(c.crc64 == 1);

    assert_int_equal(parse("Content-MD5: " MD5_OF_X, NULL), PROTO_OK);
    assert_int_equal(proto_headers_body_check(&h, false, &c, &fault),
                     PROTO_OK);
    assert_true(c.has_md5 && c.md5[0] == 0x9D);

    assert_int_equal(parse("Content-MD5: " MD5_OF_X,
                           "x-ms-content-crc64: " CRC64_ONE, NULL),
                     PROTO_OK);
    assert_int_equal(proto_headers_body_check(&h, true, &c, &fault),
                     PROTO_ERR_BOTH_CRC64_AND_MD5_HEADER_PRESENT);

    /* Put Blob: a wrong Content-MD5 beside a right blob MD5 is fine */
    assert_int_equal(parse("Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==",
                           "x-ms-blob-content-md5: " MD5_OF_X, NULL),
                     PROTO_OK);
    assert_int_equal(proto_headers_body_check(&h, true, &c, &fault), PROTO_OK);
    assert_int_equal(c.md5[0], 0x9D);
    /* Put Block ignores the blob's, even a malformed one */
    assert_int_equal(proto_headers_body_check(&h, false, &c, &fault),
                     PROTO_OK);
    assert_int_equal(c.md5[0], 0);
    assert_int_equal(parse("x-ms-blob-content-md5: ?", NULL), PROTO_OK);
    assert_int_equal(proto_headers_body_check(&h, false, &c, &fault),
                     PROTO_OK);
    assert_false(c.has_md5);
    assert_int_equal(proto_headers_body_check(&h, true, &c, &fault),
                     PROTO_ERR_INVALID_MD5);

    static const char *const bad_crc[] = {
        "x-ms-content-crc64: AAAA",
        "x-ms-content-crc64: ????",
        "x-ms-content-crc64: AQAAAAAAAAAA",
    };

    for (size_t i = 0; i < sizeof(bad_crc) / sizeof(bad_crc[0]); i++) {
        assert_int_equal(parse(bad_crc[i], NULL), PROTO_OK);
        assert_int_equal(proto_headers_body_check(&h, true, &c, &fault),
                         PROTO_ERR_INVALID_HEADER_VALUE);
        assert_view(fault.name, "x-ms-content-crc64");
    }
}


static void
mismatches(void **state)
{
    static const uint8_t user[16] = { 0 }, ours[16] = { 0x9D };

    (void) state;
    writer_init_fixed(&scratch, scratch_buf, sizeof(scratch_buf));
    assert_int_equal(proto_fault_md5(&fault, user, ours, &scratch),
                     PROTO_ERR_MD5_MISMATCH);
    assert_view(fault.name, "AAAAAAAAAAAAAAAAAAAAAA==");
    assert_view(fault.value, "nQAAAAAAAAAAAAAAAAAAAA==");
    assert_int_equal(proto_fault_crc64(&fault, 1, 2, &scratch),
                     PROTO_ERR_CRC64_MISMATCH);
    assert_view(fault.name, CRC64_ONE);
    assert_view(fault.value, "AgAAAAAAAAA=");
}


/* Only what was said of the bytes counts. */
static void
verified(void **state)
{
    static const uint8_t other[16] = { 0x9D };
    proto_body_check_t c = { 0 };

    (void) state;
    writer_init_fixed(&scratch, scratch_buf, sizeof(scratch_buf));
    assert_int_equal(proto_body_verify(&c, other, 7, &fault, &scratch),
                     PROTO_OK);

    c.has_md5 = true;
    assert_int_equal(proto_body_verify(&c, other, 7, &fault, &scratch),
                     PROTO_ERR_MD5_MISMATCH);
    assert_view(fault.value, "nQAAAAAAAAAAAAAAAAAAAA==");
    assert_int_equal(proto_body_verify(&c, c.md5, 7, &fault, &scratch),
                     PROTO_OK);

    c = (proto_body_check_t){ .has_crc64 = true, .crc64 = 1 };
    assert_int_equal(proto_body_verify(&c, other, 2, &fault, &scratch),
                     PROTO_ERR_CRC64_MISMATCH);
    assert_view(fault.value, "AgAAAAAAAAA=");
    assert_int_equal(proto_body_verify(&c, other, 1, &fault, &scratch),
                     PROTO_OK);
}


/* Ids as the clients write them (blob-api 2.3). */
static void
block_ids(void **state)
{
    static const struct {
        const char *text;
        size_t len; /* 0: refused */
    } cases[] = {
        { "AAAAAAAAAAA=", 8 }, /* boostedblob */
        { "TURBd01EQXdNREF3TURBd01EQXdNREF3TURBd01EQXdNREF3TURBd01EQSUzRA==",
          46 }, /* Python: a base64 in base64 */
        { "Zm9v/+8vQUJD", 9 },
        { "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
          "A"
          "AAAAAAAAAAAAAAAAAA==",
          64 }, /* rclone: the longest */
        { "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
          "A"
          "AAAAAAAAAAAAAAAAAAA=",
          0 },
        { "Zm9v_-8v", 0 }, /* the URL alphabet */
        { "AAAAAAAAAAA", 0 },
        { "**", 0 },
        { "", 0 },
        { "AA AA===", 0 },
    };

    (void) state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t buf[PROTO_BLOCK_ID_MAX];
        view_t id = VIEW_NULL;
        proto_err_t err =
            proto_block_id_parse(view_str(cases[i].text), buf, &id, &fault);

        assert_int_equal(id.len, cases[i].len);

        if (cases[i].len == 0) {
            assert_int_equal(err, PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE);
            assert_view(fault.name, "blockid");

        } else {
            assert_int_equal(err, PROTO_OK);
        }
    }

    uint8_t buf[PROTO_BLOCK_ID_MAX];
    view_t id;

    assert_int_equal(proto_block_id_parse(VIEW_NULL, buf, &id, &fault),
                     PROTO_ERR_MISSING_REQUIRED_QUERY_PARAMETER);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(presence, clear_uri),
        cmocka_unit_test_setup(every_name_is_found, clear_uri),
        cmocka_unit_test_setup(twice, clear_uri),
        cmocka_unit_test_setup(version, clear_uri),
        cmocka_unit_test_setup(length, clear_uri),
        cmocka_unit_test_setup(conditions, clear_uri),
        cmocka_unit_test_setup(flags, clear_uri),
        cmocka_unit_test_setup(client_request_id, clear_uri),
        cmocka_unit_test_setup(metadata, clear_uri),
        cmocka_unit_test_setup(metadata_limit, clear_uri),
        cmocka_unit_test_setup(put_blob_props, clear_uri),
        cmocka_unit_test_setup(block_list_props, clear_uri),
        cmocka_unit_test_setup(bad_props, clear_uri),
        cmocka_unit_test_setup(body_checks, clear_uri),
        cmocka_unit_test_setup(mismatches, clear_uri),
        cmocka_unit_test_setup(verified, clear_uri),
        cmocka_unit_test_setup(block_ids, clear_uri),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
