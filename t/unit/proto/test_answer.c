#include "unit.h"

#include "proto/answer.h"

#define H(n, v)                                                               \
    {                                                                         \
        .name = VIEW(n), .value = VIEW(v)                                     \
    }

static writer_t w;
static uint8_t buf[16 * 1024];

static int
setup(void **state)
{
    (void) state;
    writer_init_fixed(&w, buf, sizeof(buf));
    return 0;
}

static void
test_blob(void **state)
{
    static const proto_header_t h[] = {
        H("ETag", "\"0x8D1\""),
        H("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        H("Content-Length", "12345678901"),
        H("Content-Type", "text/plain"),
        H("Content-Encoding", "gzip"),
        H("Content-Language", "de"),
        H("Content-Disposition", "inline"),
        H("Cache-Control", "no-cache"),
        H("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAQ=="),
        H("x-ms-blob-type", "AppendBlob"),
        H("x-ms-access-tier", "Cold"),
        H("x-ms-creation-time", "Sun, 06 Nov 1994 08:49:36 GMT"),
        H("x-ms-blob-committed-block-count", "7"),
        H("x-ms-copy-id", "id"),
        H("x-ms-copy-status", "pending"),
        H("x-ms-copy-source", "https://h/c/b?sig=secret"),
        H("x-ms-copy-progress", "5/9"),
        H("x-ms-meta-Some_Name", " value "),
        H("X-MS-META-other", ""),
        H("x-ms-lease-status", "locked"),
        H("x-ms-lease-state", " leased"),
        H("x-ms-lease-duration", "infinite"),
    };
    blob_props_t p;
    view_t n, v;
    size_t pos = 0;

    (void) state;
    assert_true(proto_answer_blob(h, sizeof(h) / sizeof(h[0]), &w, &p));
    assert_true(view_eq(p.etag, VIEW("0x8D1")));
    assert_int_equal(p.last_modified_s, 784111777);
    assert_int_equal(p.creation_time_s, 784111776);
    assert_int_equal(p.content_length, 12345678901);
    assert_true(view_eq(p.content_type, VIEW("text/plain")));
    assert_true(view_eq(p.content_encoding, VIEW("gzip")));
    assert_true(view_eq(p.content_language, VIEW("de")));
    assert_true(view_eq(p.content_disposition, VIEW("inline")));
    assert_true(view_eq(p.cache_control, VIEW("no-cache")));
    assert_true(p.has_md5 && p.md5[15] == 1);
    assert_int_equal(p.type, BLOB_APPEND);
    assert_int_equal(p.tier, TIER_COLD);
    assert_int_equal(p.committed_blocks, 7);
    assert_view(p.copy_id, "id");
    assert_int_equal(p.copy_status, COPY_PENDING);
    assert_view(p.copy_source, "https://h/c/b");
    assert_int_equal(p.copy_done, 5);
    assert_int_equal(p.copy_total, 9);
    assert_int_equal(p.copy_completion_time_s, 0);
    assert_int_equal(p.lease.state, LEASE_LEASED);
    assert_int_equal(p.lease.duration_s, LEASE_INFINITE);
    assert_int_equal(p.lease.ends_ms, 0);
    assert_true(props_pairs_next(p.metadata, &pos, &n, &v));
    assert_true(view_eq(n, VIEW("Some_Name")) && view_eq(v, VIEW("value")));
    assert_true(props_pairs_next(p.metadata, &pos, &n, &v));
    assert_true(view_eq(n, VIEW("other")) && v.len == 0);
    assert_false(props_pairs_next(p.metadata, &pos, &n, &v));
}

/* What the edge had it read with is not shown. */
static void
test_copy_source(void **state)
{
    static const char *const cases[][2] = {
        { "https://h/c/b", "https://h/c/b" },
        { "https://h/c/b?", "https://h/c/b" },
        { "https://h/c/b?sv=1&snapshot=2", "https://h/c/b" },
        { "https://h/c/b?snapshot=2", "https://h/c/b?snapshot=2" },
        { "https://h/c/b?snapshot=2&sv=1&sig=x", "https://h/c/b?snapshot=2" },
        { "https://h/c/b?versionid=2&sig=x", "https://h/c/b?versionid=2" },
        { "https://h/c/b?snapshots=2&sig=x", "https://h/c/b" },
    };

    (void) state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_view(proto_answer_copy_source(view_str(cases[i][0])),
                    cases[i][1]);
    }
}

/* Hot that nobody set is no tier here; another default has to be kept. */
static void
test_tier_inferred(void **state)
{
    proto_header_t h[] = {
        H("ETag", "\"1\""),
        H("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        H("Content-Length", "1"),
        H("x-ms-access-tier-inferred", "true"),
        H("x-ms-access-tier", "Hot"),
    };
    blob_props_t p;

    (void) state;
    assert_true(proto_answer_blob(h, 5, &w, &p));
    assert_int_equal(p.tier, TIER_NONE);
    h[3].value = VIEW("false");
    assert_true(proto_answer_blob(h, 5, &w, &p));
    assert_int_equal(p.tier, TIER_HOT);
    h[3].value = VIEW("true");
    h[4].value = VIEW("Cool");
    assert_true(proto_answer_blob(h, 5, &w, &p));
    assert_int_equal(p.tier, TIER_COOL);
}

static void
test_blob_lacks(void **state)
{
    proto_header_t h[] = {
        H("ETag", "\"1\""),
        H("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        H("Content-Length", "1"),
    };
    blob_props_t p;

    (void) state;
    assert_true(proto_answer_blob(h, 3, &w, &p));
    assert_int_equal(p.creation_time_s, p.last_modified_s);
    assert_false(p.has_md5);
    assert_int_equal(p.lease.state, LEASE_NONE);
    assert_false(proto_answer_blob(h, 2, &w, &p));
    assert_false(proto_answer_blob(h + 1, 2, &w, &p));
    h[2].value = VIEW("many");
    assert_false(proto_answer_blob(h, 3, &w, &p));
    h[2].value = VIEW("1");
    h[1].value = VIEW("yesterday");
    assert_false(proto_answer_blob(h, 3, &w, &p));
    h[1].value = VIEW("Sun, 06 Nov 1994 08:49:37 GMT");
    h[0].value = VIEW("\"\"");
    assert_false(proto_answer_blob(h, 3, &w, &p));
}

/* The MD5 of a range's answer is the range's. */
static void
test_blob_range_md5(void **state)
{
    static const proto_header_t h[] = {
        H("ETag", "\"1\""),
        H("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        H("Content-Length", "1"),
        H("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAQ=="),
        H("x-ms-blob-content-md5", "AAAAAAAAAAAAAAAAAAAAAg=="),
    };
    blob_props_t p;

    (void) state;
    assert_true(proto_answer_blob(h, 5, &w, &p));
    assert_int_equal(p.md5[15], 2);
}

static void
test_container(void **state)
{
    static const proto_header_t h[] = {
        H("ETag", "W/\"0xC\""),
        H("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        H("x-ms-blob-public-access", "container"),
        H("x-ms-meta-a", "b"),
        H("x-ms-lease-state", "breaking"),
    };
    container_props_t p = { .acl = VIEW("acl") };

    (void) state;
    assert_true(proto_answer_container(h, 5, &w, &p));
    assert_int_equal(p.lease.state, LEASE_BREAKING);
    assert_true(view_eq(p.etag, VIEW("0xC")));
    assert_int_equal(p.public_access, 2);
    assert_int_equal(p.last_modified_s, 784111777);
    assert_true(p.metadata.len != 0);
    assert_true(view_eq(p.acl, VIEW("acl")));
    assert_false(proto_answer_container(h, 1, &w, &p));
    assert_false(proto_answer_container(h + 1, 3, &w, &p));
}

static void
test_content_range(void **state)
{
    static const char *const bad[] = { "",
                                       "bytes",
                                       "bytes 1-2",
                                       "bytes 1-2/",
                                       "bytes 1-2/*",
                                       "bytes 2-1/9",
                                       "bytes 0-9/9",
                                       "bytes -1/9",
                                       "bytes 1-/9",
                                       "bits 1-2/9",
                                       "bytes 1-2/99999999999999999999",
                                       "bytes 1/2-3" };
    uint64_t off, len, total;

    (void) state;
    assert_true(proto_answer_content_range(VIEW("bytes 4194304-8388607/9000000"
                                                ""),
                                           &off, &len, &total));
    assert_int_equal(off, 4194304);
    assert_int_equal(len, 4194304);
    assert_int_equal(total, 9000000);
    assert_true(
        proto_answer_content_range(VIEW("bytes 0-0/1"), &off, &len, &total));

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(
            proto_answer_content_range(view_str(bad[i]), &off, &len, &total));
    }
}

static void
test_error(void **state)
{
    (void) state;
    assert_int_equal(proto_answer_error(404, VIEW("ContainerNotFound")),
                     PROTO_ERR_CONTAINER_NOT_FOUND);
    assert_int_equal(proto_answer_error(409, VIEW("BlobArchived")),
                     PROTO_ERR_BLOB_ARCHIVED);
    assert_int_equal(proto_answer_error(404, VIEW_NULL),
                     PROTO_ERR_BLOB_NOT_FOUND);
    assert_int_equal(proto_answer_error(412, VIEW("Odd")),
                     PROTO_ERR_CONDITION_NOT_MET);
    assert_int_equal(proto_answer_error(416, VIEW_NULL),
                     PROTO_ERR_INVALID_RANGE);
    assert_int_equal(proto_answer_error(304, VIEW_NULL),
                     PROTO_ERR_NOT_MODIFIED);
    assert_int_equal(proto_answer_error(418, VIEW_NULL),
                     PROTO_ERR_INTERNAL_ERROR);

    /* ours, not the client's */
    assert_int_equal(proto_answer_error(403, VIEW("AuthenticationFailed")),
                     PROTO_ERR_SERVER_BUSY);
    assert_int_equal(proto_answer_error(401, VIEW_NULL),
                     PROTO_ERR_SERVER_BUSY);
    assert_int_equal(proto_answer_error(429, VIEW_NULL),
                     PROTO_ERR_SERVER_BUSY);
    assert_int_equal(proto_answer_error(500, VIEW("InternalError")),
                     PROTO_ERR_SERVER_BUSY);
}

static void
test_told(void **state)
{
    proto_header_t h[] = {
        H("ETag", "\"0x1\""),
        H("Last-Modified", "Wed, 01 May 2024 10:00:00 GMT"),
        H("Content-Length", "1"),
        H("x-ms-tag-count", "4"),
        H("x-ms-version-id", "2024-05-01T10:00:00.0000000Z"),
        H("x-ms-archive-status", "rehydrate-pending-to-cool"),
    };
    blob_props_t p;

    (void) state;
    assert_true(proto_answer_blob(h, 6, &w, &p));
    assert_int_equal(p.tag_count, 4);
    assert_true(view_eq(p.version_id, VIEW("2024-05-01T10:00:00.0000000Z")));
    assert_true(view_eq(p.archive_status, VIEW("rehydrate-pending-to-cool")));
}

static void
test_refresh(void **state)
{
    static const proto_header_t h[] = {
        H("ETag", "\"0x8D1\""),
        H("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        H("Content-Length", "1"),
        H("x-ms-access-tier", "Archive"),
        H("x-ms-access-tier-change-time", "Sun, 06 Nov 1994 08:49:37 GMT"),
        H("x-ms-archive-status", "rehydrate-pending-to-hot"),
        H("x-ms-tag-count", "1"),
    };
    static const uint8_t one[] = { 1, 0, 1, 0, 'a', 'b' };
    blob_props_t heard, p = { .tier = TIER_HOT,
                              .tags = view_of(one, sizeof(one)),
                              .tag_count = 1,
                              .content_type = VIEW("a/b") };

    (void) state;
    assert_true(proto_answer_blob(h, sizeof(h) / sizeof(h[0]), &w, &heard));
    assert_int_equal(heard.tag_count, 1);
    assert_view(heard.archive_status, "rehydrate-pending-to-hot");

    proto_answer_refresh(&p, &heard);
    assert_int_equal(p.tier, TIER_ARCHIVE);
    assert_int_equal(p.tier_change_time_s, 784111777);
    assert_view(p.archive_status, "rehydrate-pending-to-hot");
    assert_view(p.content_type, "a/b");
    assert_int_equal(p.tags.len, sizeof(one));

    heard.tag_count = 2;
    proto_answer_refresh(&p, &heard);
    assert_view(p.tags, NULL);
    assert_int_equal(p.tag_count, 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_blob, setup),
        cmocka_unit_test(test_copy_source),
        cmocka_unit_test_setup(test_tier_inferred, setup),
        cmocka_unit_test_setup(test_blob_lacks, setup),
        cmocka_unit_test_setup(test_blob_range_md5, setup),
        cmocka_unit_test_setup(test_container, setup),
        cmocka_unit_test_setup(test_content_range, setup),
        cmocka_unit_test_setup(test_error, setup),
        cmocka_unit_test_setup(test_told, setup),
        cmocka_unit_test_setup(test_refresh, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
