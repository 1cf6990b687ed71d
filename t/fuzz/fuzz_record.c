#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

/*
 * A value of the index: the first byte chooses the table, the rest is the
 * value. What decodes must encode to bytes that decode to the same again.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t buf_a[96 * 1024];
static uint8_t buf_b[96 * 1024];


static void
must(bool ok)
{
    if (!ok) {
        abort();
    }
}


static void
must_same(const writer_t *a, const writer_t *b)
{
    must(writer_ok(a) && writer_ok(b));
    must(view_eq(writer_view(a), writer_view(b)));
}


static void
use_blob(view_t in, writer_t *a, writer_t *b)
{
    char etag[ETAG_TEXT_MAX];
    blob_rec_t rec;

    if (blob_decode(in, etag, &rec) == TIER_OK) {
        blob_encode(a, &rec);
        must(blob_decode(writer_view(a), etag, &rec) == TIER_OK);
        blob_encode(b, &rec);
        must_same(a, b);
    }
}


static void
use_container(view_t in, writer_t *a, writer_t *b)
{
    char etag[ETAG_TEXT_MAX];
    store_container_t c;

    if (container_decode(in, etag, &c) == TIER_OK) {
        container_encode(a, &c);
        must(container_decode(writer_view(a), etag, &c) == TIER_OK);
        container_encode(b, &c);
        must_same(a, b);
    }
}


static void
use_content(view_t in, writer_t *a)
{
    store_extent_t e;
    content_t c;
    bool ok = true;

    if (content_decode(in, &c) != TIER_OK) {
        return;
    }

    for (view_t few = c.few; few.ptr != NULL && extent_next(&few, &e, &ok);) {
        must(e.id_len <= STORE_BLOCK_ID_MAX);
        writer_reset(a);
        extent_encode(a, &e);
        must(writer_ok(a));
    }
}


static void
use_entry(view_t in, writer_t *a, writer_t *b)
{
    store_entry_t e;

    memset(&e, 0, sizeof(e));

    if (entry_decode(in, &e) == TIER_OK) {
        entry_encode(a, &e);
        must(entry_decode(writer_view(a), &e) == TIER_OK);
        entry_encode(b, &e);
        must_same(a, b);
    }
}


static void
use_blocks(view_t in)
{
    block_set_t set;
    block_owner_t owner;

    if (block_set_decode(in, &set) == TIER_OK) {
        must(set.id_len <= STORE_BLOCK_ID_MAX);
    }

    if (block_owner_decode(in, &owner) == TIER_OK) {
        must(owner.account.len + owner.name.len <= in.len);
    }
}


static void
use_fact(view_t in, bool container)
{
    static const view_t key = { (const uint8_t *) "a\0c\0name", 8 };
    store_fact_t fact;

    if (fact_decode(in, key, container, &fact) == TIER_OK) {
        must(fact.origin_etag.len <= in.len);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    view_t in = view_of(data + 1, size - 1);
    writer_t a, b;

    if (size == 0 || size > 32 * 1024) {
        return 0;
    }

    writer_init_fixed(&a, buf_a, sizeof(buf_a));
    writer_init_fixed(&b, buf_b, sizeof(buf_b));

    switch (data[0] % 7) {
    case 0:
        use_blob(in, &a, &b);
        break;

    case 1:
        use_container(in, &a, &b);
        break;

    case 2:
        use_content(in, &a);
        break;

    case 3:
        use_entry(in, &a, &b);
        break;

    case 4:
        use_blocks(in);
        break;

    case 5:
        use_fact(in, false);
        break;

    default:
        use_fact(in, true);
    }

    return 0;
}
