#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/reply.h"

#define MD5  "AAAAAAAAAAAAAAAAAAAAAA=="
#define TIME "Sun, 06 Nov 1994 08:49:37 GMT"

static char got[4096];


static void
emit(void *ctx, view_t name, view_t value)
{
    char *p = got + strlen(got);

    assert_ptr_equal(ctx, got);
    sprintf(p, "%.*s: %.*s\n", (int) name.len, (const char *) name.ptr,
            (int) value.len, (const char *) value.ptr);
}


static void
has(const char *line)
{
    char whole[300];

    snprintf(whole, sizeof(whole), "%s\n", line);
    assert_non_null(strstr(got, whole));
}


static void
lacks(const char *name)
{
    assert_null(strstr(got, name));
}


static uint8_t meta_buf[64];

static blob_props_t
sample(void)
{
    blob_props_t props = { .content_length = 100,
                           .creation_time_s = 784111777,
                           .last_modified_s = 784111777,
                           .etag = VIEW("0x8D1"),
                           .content_type = VIEW("text/plain"),
                           .content_encoding = VIEW("gzip"),
                           .cache_control = VIEW(""),
                           .has_md5 = true };
    writer_t m;

    writer_init_fixed(&m, meta_buf, sizeof(meta_buf));
    props_pairs_put(&m, VIEW("Hdi_isfolder"), VIEW("true"));
    props.metadata = writer_view(&m);
    got[0] = 0;
    return props;
}


static void
whole_blob(void **state)
{
    blob_props_t props = sample();
    proto_reply_blob_opts_t opts = { .head = true };

    (void) state;
    proto_reply_blob_headers(&props, &opts, emit, got);
    has("ETag: \"0x8D1\"");
    has("Last-Modified: " TIME);
    has("x-ms-creation-time: " TIME);
    has("Content-Length: 100");
    has("Content-MD5: " MD5);
    has("Content-Type: text/plain");
    has("Content-Encoding: gzip");
    has("x-ms-blob-type: BlockBlob");
    has("x-ms-meta-Hdi_isfolder: true");
    has("x-ms-access-tier: Hot");
    has("x-ms-access-tier-inferred: true");
    has("x-ms-lease-status: unlocked");
    has("x-ms-lease-state: available");
    lacks("x-ms-lease-duration");
    lacks("Cache-Control");
    lacks("Content-Range");
    lacks("x-ms-tag-count");
}


static void
part_of_blob(void **state)
{
    blob_props_t props = sample();
    proto_reply_blob_opts_t opts = { .partial = true, .off = 10, .len = 5 };
    uint64_t crc64 = 0xAE8B14860A799888ull;

    (void) state;
    opts.override.content_type = VIEW("image/png");
    opts.range_crc64 = &crc64;
    proto_reply_blob_headers(&props, &opts, emit, got);
    has("Content-Length: 5");
    has("Content-Range: bytes 10-14/100");
    has("x-ms-blob-content-md5: " MD5);
    has("x-ms-content-crc64: iJh5CoYUi64=");
    has("Content-Type: image/png");
    lacks("\nContent-MD5");
    lacks("x-ms-access-tier");
}


static void
metadata_only(void **state)
{
    blob_props_t props = sample();
    proto_reply_blob_opts_t opts = { .metadata_only = true };

    (void) state;
    proto_reply_blob_headers(&props, &opts, emit, got);
    assert_string_equal(got, "ETag: \"0x8D1\"\nLast-Modified: " TIME
                             "\nContent-Length: 0\n"
                             "x-ms-meta-Hdi_isfolder: true\n");
}


static void
writes(void **state)
{
    proto_reply_write_opts_t opts = { 0 };
    uint8_t md5[16] = { 0 };

    (void) state;
    got[0] = 0;
    opts.md5 = md5;
    proto_reply_write_headers(&opts, emit, got);
    assert_string_equal(got, "Content-MD5: " MD5
                             "\nx-ms-request-server-encrypted: true\n");
}


static void
leases(void **state)
{
    proto_reply_lease_opts_t opts = {
        .action = PROTO_LEASE_ACQUIRE,
        .lease = { LEASE_LEASED, 15, 99000, { 0xAB, 1 } },
        .now_ms = 84000,
        .etag = VIEW("0x1"),
        .last_modified_s = 784111777,
    };
    proto_reply_blob_opts_t head = { .head = true };
    blob_props_t props = sample();

    (void) state;
    props.lease.state = LEASE_LEASED;
    proto_reply_blob_headers(&props, &head, emit, got);
    has("x-ms-lease-status: locked");
    has("x-ms-lease-state: leased");
    has("x-ms-lease-duration: fixed");

    got[0] = 0;
    proto_reply_lease_headers(&opts, emit, got);
    assert_string_equal(
        got, "ETag: \"0x1\"\nLast-Modified: " TIME "\n"
             "x-ms-lease-id: ab010000-0000-0000-0000-000000000000\n");

    got[0] = 0;
    opts.action = PROTO_LEASE_BREAK;
    opts.lease.state = LEASE_BREAKING;
    proto_reply_lease_headers(&opts, emit, got);
    assert_string_equal(got, "ETag: \"0x1\"\nLast-Modified: " TIME "\n"
                             "x-ms-lease-time: 15\n");

    got[0] = 0;
    opts.action = PROTO_LEASE_RELEASE;
    proto_reply_lease_headers(&opts, emit, got);
    assert_string_equal(got, "ETag: \"0x1\"\nLast-Modified: " TIME "\n");
}


static void
containers(void **state)
{
    container_props_t props = { .etag = VIEW("0x1"),
                                .last_modified_s = 784111777,
                                .public_access = 1,
                                .lease = { .state = LEASE_EXPIRED } };

    (void) state;
    got[0] = 0;
    proto_reply_container_headers(&props, PROTO_REPLY_CONTAINER_PROPERTIES,
                                  emit, got);
    has("x-ms-blob-public-access: blob");
    has("x-ms-has-legal-hold: false");
    has("x-ms-lease-status: unlocked");
    has("x-ms-lease-state: expired");
    got[0] = 0;
    props.public_access = 0;
    proto_reply_container_headers(&props, PROTO_REPLY_CONTAINER_ACL, emit,
                                  got);
    assert_string_equal(got, "ETag: \"0x1\"\nLast-Modified: " TIME "\n");
}


static void
public_access(void **state)
{
    uint8_t n = 9;

    (void) state;
    assert_true(proto_public_access_parse(VIEW("Container"), &n));
    assert_int_equal(n, 2);
    assert_false(proto_public_access_parse(VIEW("all"), &n));
    assert_int_equal(n, 2);
    assert_true(proto_public_access_parse(VIEW_NULL, &n));
    assert_int_equal(n, 0);
}


static void
copies(void **state)
{
    blob_props_t props = sample();
    proto_reply_blob_opts_t opts = { .head = true };

    (void) state;
    proto_reply_blob_headers(&props, &opts, emit, got);
    lacks("x-ms-copy");

    props.copy_status = COPY_SUCCESS;
    props.copy_id = VIEW("id");
    props.copy_source = VIEW("http://h/c/b");
    props.copy_done = 7;
    props.copy_total = 9;
    props.copy_completion_time_s = 784111777;
    got[0] = 0;
    proto_reply_blob_headers(&props, &opts, emit, got);
    has("x-ms-copy-id: id");
    has("x-ms-copy-status: success");
    has("x-ms-copy-source: http://h/c/b");
    has("x-ms-copy-progress: 7/9");
    has("x-ms-copy-completion-time: " TIME);
    lacks("x-ms-copy-status-description");

    props.copy_status = COPY_FAILED;
    props.copy_status_text = VIEW("404 BlobNotFound");
    props.copy_completion_time_s = 0;
    got[0] = 0;
    opts.head = false;
    proto_reply_blob_headers(&props, &opts, emit, got);
    has("x-ms-copy-status: failed");
    has("x-ms-copy-status-description: 404 BlobNotFound");
    lacks("x-ms-copy-completion-time");

    got[0] = 0;
    proto_reply_copy_headers(VIEW("id"), COPY_PENDING, emit, got);
    has("x-ms-copy-id: id");
    has("x-ms-copy-status: pending");

    assert_int_equal(proto_copy_status_parse(VIEW("Aborted")), COPY_ABORTED);
    assert_int_equal(proto_copy_status_parse(VIEW("")), COPY_NONE);
    assert_int_equal(proto_copy_status_parse(VIEW("x")), COPY_NONE);
}


/* What only an origin says of a blob. */
static void
told_by_origins(void **state)
{
    blob_props_t props = sample();
    proto_reply_blob_opts_t opts = { .head = true };

    (void) state;
    got[0] = 0;
    props.tags = VIEW_NULL;
    proto_reply_blob_headers(&props, &opts, emit, got);
    lacks("x-ms-tag-count");
    lacks("x-ms-version-id");
    lacks("x-ms-is-current-version");
    lacks("x-ms-archive-status");

    got[0] = 0;
    props.tag_count = 3;
    props.version_id = VIEW("2024-01-01T00:00:00.0000000Z");
    props.archive_status = VIEW("rehydrate-pending-to-hot");
    proto_reply_blob_headers(&props, &opts, emit, got);
    has("x-ms-tag-count: 3");
    has("x-ms-version-id: 2024-01-01T00:00:00.0000000Z");
    has("x-ms-is-current-version: true");
    has("x-ms-archive-status: rehydrate-pending-to-hot");

    got[0] = 0;
    opts.framed = 99;
    opts.head = false;
    proto_reply_blob_headers(&props, &opts, emit, got);
    has("Content-Length: 99");
    has("x-ms-structured-body: XSM/1.0; properties=crc64");
    has("x-ms-structured-content-length: 100");
}


static void
old_versions(void **state)
{
    (void) state;
    assert_true(
        view_eq(proto_reply_value(20110817, VIEW("ETag"), VIEW("\"0x1\"")),
                VIEW("0x1")));
    assert_true(
        view_eq(proto_reply_value(20110818, VIEW("ETag"), VIEW("\"0x1\"")),
                VIEW("\"0x1\"")));
    assert_true(view_eq(proto_reply_value(0, VIEW("ETag"), VIEW("\"0x1\"")),
                        VIEW("\"0x1\"")));
    assert_true(
        view_eq(proto_reply_value(20090919, VIEW("Date"), VIEW("\"0x1\"")),
                VIEW("\"0x1\"")));
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_blob),    cmocka_unit_test(part_of_blob),
        cmocka_unit_test(metadata_only), cmocka_unit_test(writes),
        cmocka_unit_test(containers),    cmocka_unit_test(public_access),
        cmocka_unit_test(copies),        cmocka_unit_test(leases),
        cmocka_unit_test(old_versions),  cmocka_unit_test(told_by_origins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
