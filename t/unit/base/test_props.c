#include "unit.h"

#include "base/props.h"


static blob_props_t
sample(void)
{
    return (blob_props_t){
        .content_length = 1ull << 40,
        .creation_time_s = 1700000000,
        .last_modified_s = 1700000001,
        .etag = VIEW("0x8DBE3C1C0A1B2C3"),
        .type = BLOB_BLOCK,
        .tier = TIER_COLD,
        .tier_change_time_s = 1700000002,
        .committed_blocks = 7,
        .has_md5 = true,
        .md5 = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 },
        .content_type = VIEW("text/plain; charset=utf-8"),
        .content_encoding = VIEW(""),
        .content_language = VIEW_NULL,
        .content_disposition = VIEW("attachment"),
        .cache_control = VIEW("no-cache"),
        .metadata = VIEW("\x01\x00\x02\x00kvv"),
        .tags = VIEW_NULL,
        .tag_count = 3,
        .sealed = true,
        .lease = { LEASE_LEASED, LEASE_INFINITE, 1700000003000, { 9, 8 } },
        .copy_status = COPY_SUCCESS,
        .copy_completion_time_s = 1700000004,
        .copy_done = 5,
        .copy_total = 6,
        .copy_id = VIEW("id"),
        .copy_source = VIEW("https://a/b/c"),
        .copy_status_text = VIEW_NULL,
        .archive_status = VIEW("rehydrate-pending-to-hot"),
        .version_id = VIEW("2026-01-01T00:00:00.0000000Z"),
    };
}


static void
pairs(void **state)
{
    uint8_t buf[64];
    writer_t w;
    view_t name, value;
    size_t pos = 0;

    (void) state;
    writer_init_fixed(&w, buf, sizeof(buf));
    props_pairs_put(&w, VIEW("Name"), VIEW("value"));
    props_pairs_put(&w, VIEW("empty"), VIEW(""));
    props_pairs_put(&w, VIEW(""), VIEW_NULL);
    assert_true(writer_ok(&w));

    assert_true(props_pairs_next(writer_view(&w), &pos, &name, &value));
    assert_view(name, "Name");
    assert_view(value, "value");
    assert_true(props_pairs_next(writer_view(&w), &pos, &name, &value));
    assert_view(name, "empty");
    assert_view(value, "");
    assert_true(props_pairs_next(writer_view(&w), &pos, &name, &value));
    assert_view(name, "");
    assert_false(props_pairs_next(writer_view(&w), &pos, &name, &value));

    pos = 0;
    assert_false(props_pairs_next(VIEW_NULL, &pos, &name, &value));
    assert_false(
        props_pairs_next(VIEW("\x05\x00\x00\x00kk"), &pos, &name, &value));
    pos = 100;
    assert_false(props_pairs_next(writer_view(&w), &pos, &name, &value));
}


static void
pairs_do_not_fit(void **state)
{
    static uint8_t big[UINT16_MAX + 1];
    uint8_t buf[8];
    writer_t w;

    (void) state;
    writer_init_fixed(&w, buf, sizeof(buf));
    props_pairs_put(&w, VIEW("abc"), VIEW("de"));
    assert_int_equal(w.rc, TIER_ELIMIT);
    assert_int_equal(w.len, 0);
    writer_reset(&w);
    props_pairs_put(&w, view_of(big, sizeof(big)), VIEW(""));
    assert_int_equal(w.rc, TIER_ELIMIT);
}


static void
blob_round_trip(void **state)
{
    uint8_t buf[512];
    writer_t w;
    blob_props_t in = sample(), out;

    (void) state;
    writer_init_fixed(&w, buf, sizeof(buf));
    blob_props_encode(&w, &in);
    assert_true(writer_ok(&w));
    assert_int_equal(blob_props_decode(writer_view(&w), &out), TIER_OK);
    assert_true(out.content_length == in.content_length);
    assert_int_equal(out.creation_time_s, in.creation_time_s);
    assert_int_equal(out.last_modified_s, in.last_modified_s);
    assert_int_equal(out.tier_change_time_s, in.tier_change_time_s);
    assert_int_equal(out.type, in.type);
    assert_int_equal(out.tier, in.tier);
    assert_int_equal(out.committed_blocks, 7);
    assert_true(out.has_md5);
    assert_memory_equal(out.md5, in.md5, sizeof(in.md5));
    assert_view(out.etag, "0x8DBE3C1C0A1B2C3");
    assert_view(out.content_type, "text/plain; charset=utf-8");
    assert_view(out.content_encoding, "");
    assert_view(out.content_language, NULL);
    assert_view(out.content_disposition, "attachment");
    assert_view(out.cache_control, "no-cache");
    assert_true(view_eq(out.metadata, in.metadata));
    assert_view(out.tags, NULL);
    assert_int_equal(out.tag_count, 3);
    assert_true(out.sealed);
    assert_memory_equal(&out.lease, &in.lease, sizeof(in.lease));
    assert_int_equal(out.copy_status, COPY_SUCCESS);
    assert_int_equal(out.copy_completion_time_s, in.copy_completion_time_s);
    assert_int_equal(out.copy_done, 5);
    assert_int_equal(out.copy_total, 6);
    assert_view(out.copy_id, "id");
    assert_view(out.copy_source, "https://a/b/c");
    assert_view(out.copy_status_text, NULL);
    assert_view(out.archive_status, "rehydrate-pending-to-hot");
    assert_view(out.version_id, "2026-01-01T00:00:00.0000000Z");
}


/* These bytes are in journals: they may never change their meaning. */
static void
blob_bytes(void **state)
{
    static const uint8_t head[] = {
        2, 0, 1, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, /* ..length */
        1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, /* created, lm */
    };
    static const uint8_t tail[] = {
        1,   0,   0,   0,   255, 255, 255, 255, 60,  0,   0,   0,
        0,   0,   0,   0, /* lease */
        7,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
        0,   0,   0,   0, /* its id */
        4,   0,   0,   0,   2,   0,   0,   0,   6,   0,   0,   0,
        0,   0,   0,   0, /* tag count, copy */
        0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
        0,   0,   0,   0,   3,   0,   0,   0,   '0', 'x', '1', /* etag */
        1,   0,   0,   0,   't', 255, 255, 255, 255, 255, 255, 255,
        255, 0,   0,   0,   0,   255, 255, 255, 255, 255, 255, 255,
        255, 255, 255, 255, 255, /* tags */
        2,   0,   0,   0,   'i', 'd', 255, 255, 255, 255, 255, 255,
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255
    };
    uint8_t want[sizeof(head) + 24 + sizeof(tail)] = { 0 };
    blob_props_t p = { .content_length = 5,
                       .creation_time_s = 1,
                       .last_modified_s = 2,
                       .tier = TIER_HOT,
                       .etag = VIEW("0x1"),
                       .content_type = VIEW("t"),
                       .content_disposition = VIEW(""),
                       .lease = { LEASE_LEASED, LEASE_INFINITE, 60, { 7 } },
                       .tag_count = 4,
                       .copy_status = COPY_SUCCESS,
                       .copy_completion_time_s = 6,
                       .copy_id = VIEW("id") };
    uint8_t buf[256];
    writer_t w;

    (void) state;
    memcpy(want, head, sizeof(head));
    memcpy(want + sizeof(head) + 24, tail, sizeof(tail));
    writer_init_fixed(&w, buf, sizeof(buf));
    blob_props_encode(&w, &p);
    assert_int_equal(w.len, sizeof(want));
    assert_memory_equal(buf, want, sizeof(want));
}


static void
blob_damaged(void **state)
{
    uint8_t buf[512];
    writer_t w;
    blob_props_t in = sample(), out;

    (void) state;
    writer_init_fixed(&w, buf, sizeof(buf));
    blob_props_encode(&w, &in);

    for (size_t len = 0; len < w.len; len++) {
        assert_int_equal(blob_props_decode(view_of(buf, len), &out),
                         TIER_EINVAL);
    }

    assert_int_equal(blob_props_decode(view_of(buf, w.len + 1), &out),
                     TIER_EINVAL);

    for (size_t i = 0; i < 4; i++) {
        uint8_t kept = buf[i];

        buf[i] = 0xEE;
        assert_int_equal(blob_props_decode(writer_view(&w), &out),
                         TIER_EINVAL);
        buf[i] = kept;
    }

    /* any byte: it decodes or it does not, but it stays inside */
    for (size_t i = 0; i < w.len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            buf[i] ^= (uint8_t) (1u << bit);
            tier_rc_t rc = blob_props_decode(writer_view(&w), &out);
            assert_true(rc == TIER_OK || rc == TIER_EINVAL);
            buf[i] ^= (uint8_t) (1u << bit);
        }
    }
}


static void
container_round_trip(void **state)
{
    uint8_t buf[512];
    writer_t w;
    container_props_t in = { .last_modified_s = 1700000000,
                             .etag = VIEW("0x1"),
                             .public_access = 2,
                             .beyond = true,
                             .metadata = VIEW_NULL,
                             .acl = VIEW("<SignedIdentifiers/>"),
                             .lease = { LEASE_BREAKING, 15, 5, { 1 } } },
                      out;

    (void) state;
    writer_init_fixed(&w, buf, sizeof(buf));
    container_props_encode(&w, &in);
    assert_int_equal(container_props_decode(writer_view(&w), &out), TIER_OK);
    assert_int_equal(out.last_modified_s, in.last_modified_s);
    assert_int_equal(out.public_access, 2);
    assert_true(out.beyond);
    assert_view(out.etag, "0x1");
    assert_view(out.metadata, NULL);
    assert_view(out.acl, "<SignedIdentifiers/>");
    assert_memory_equal(&out.lease, &in.lease, sizeof(in.lease));

    for (size_t len = 0; len < w.len; len++) {
        assert_int_equal(container_props_decode(view_of(buf, len), &out),
                         TIER_EINVAL);
    }

    buf[1] = 3;
    assert_int_equal(container_props_decode(writer_view(&w), &out),
                     TIER_EINVAL);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs),
        cmocka_unit_test(pairs_do_not_fit),
        cmocka_unit_test(blob_round_trip),
        cmocka_unit_test(blob_bytes),
        cmocka_unit_test(blob_damaged),
        cmocka_unit_test(container_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
