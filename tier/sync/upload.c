#include <stdlib.h>

#include "base/digest.h"
#include "base/endian.h"
#include "proto/uri.h"
#include "sync/carry_parts.h"

#define LIST_MAX  (8u << 20)
#define LANES_MAX 16
/* A read that failed is tried again: upkeep may have moved the bytes. */
#define READ_TRIES 5u


/* The local side failed: its outcome, unless carry_send set it. */
static void
unreadable(carry_t *c, tier_rc_t rc)
{
    if (c->crowded) {
        return;
    }

    if (rc == TIER_ECORRUPT) {
        carry_outcome(c, SYNC_PARK,
                      "the bytes kept here do not match the checksum taken "
                      "when they arrived; nothing was committed");
        return;
    }

    carry_outcome(c,
                  rc == TIER_ENOMEM || c->e->attempts < READ_TRIES ? SYNC_LATER
                                                                   : SYNC_PARK,
                  rc == TIER_ENOMEM ? "no memory"
                                    : "the bytes kept here cannot be read");
}


static tier_rc_t
put_blob(carry_t *c, sync_pieces_t *pieces)
{
    sync_reader_t reader;
    origin_req_t req = { .method = "PUT",
                         .length = c->e->props.content_length };
    tier_rc_t rc;

    sync_reader_init(&reader, c->env, pieces, 0, pieces->n);
    req.read = sync_reader_read;
    req.rewind = sync_reader_rewind;
    req.read_ctx = &reader;

    carry_headers_reset(c);
    carry_header(c, VIEW("x-ms-blob-type"), VIEW("BlockBlob"));
    carry_headers_props(c, &c->e->props);
    carry_headers_metadata(c, c->e->props.metadata);
    carry_headers_tier(c, &c->e->props);
    carry_headers_tags(c, &c->e->props);
    carry_headers_cond(c);

    rc = carry_send(c, &req) ? TIER_OK : TIER_ENOMEM;

    if (rc == TIER_OK && c->answer->class_ != ORIGIN_OK) {
        rc = reader.rc;
    }

    sync_reader_close(&reader);
    return rc;
}


/* ---- blocks ----------------------------------------------------------- */

static void
block_id(const carry_blocks_t *b, unsigned i, writer_t *w)
{
    const store_extent_t *e = &b->pieces->piece[i].extent;
    char text[SYNC_BLOCK_ID_TEXT + 1];

    if (b->own_ids) {
        sync_block_id(b->env->edge_id, b->number, i, text);
        writer_puts(w, text);

    } else {
        base64_encode(w, view_of(e->id, e->id_len));
    }
}


/* One Put Block; runs in its lane's thread. */
static void
put_block(void *job, unsigned i, unsigned lane)
{
    carry_blocks_t *b = job;
    const sync_piece_t *piece = &b->pieces->piece[i];
    origin_answer_t *a = &b->answers[lane];
    char query[STORE_BLOCK_ID_MAX * 4 + 64];
    uint8_t buf[128], crc[8], id[STORE_BLOCK_ID_MAX * 2];
    sync_reader_t reader;
    proto_header_t h;
    writer_t w, ids;
    tier_rc_t rc;

    if (b->failed) {
        return;
    }

    writer_init_fixed(&ids, id, sizeof(id));
    block_id(b, i, &ids);
    writer_init_fixed(&w, query, sizeof(query));
    writer_puts(&w, "blockid=");
    proto_uri_encode(&w, writer_view(&ids), false);
    writer_puts(&w, "&comp=block");

    origin_req_t req = { .method = "PUT",
                         .container = b->container,
                         .blob = b->name,
                         .query = writer_view(&w),
                         .read = sync_reader_read,
                         .rewind = sync_reader_rewind,
                         .read_ctx = &reader,
                         .length = piece->length };

    if (piece->has_crc) {
        le64_put(crc, piece->extent.crc64);
        writer_init_fixed(&w, buf, sizeof(buf));
        base64_encode(&w, view_of(crc, sizeof(crc)));
        h = (proto_header_t){ VIEW("x-ms-content-crc64"), writer_view(&w) };
        req.headers = &h;
        req.nheaders = 1;
    }

    sync_reader_init(&reader, b->env, b->pieces, i, i + 1);
    rc = b->env->request(b->env->ctx, lane, &req, a);

    if (rc != TIER_OK || a->class_ != ORIGIN_OK) {
        b->failed_lane = (int) lane;
        b->rc = rc != TIER_OK ? rc : reader.rc;
        b->failed = true;
    }

    sync_reader_close(&reader);
}


tier_rc_t
carry_put_blocks(carry_blocks_t *b, bool *ret, origin_answer_t *why)
{
    tier_rc_t rc;

    *ret = false;
    b->answers = calloc(LANES_MAX, sizeof(*b->answers));

    if (b->answers == NULL) {
        return TIER_ENOMEM;
    }

    b->env->parallel(b->env->ctx, b->pieces->n, put_block, b);
    rc = (tier_rc_t) b->rc;

    if (rc == TIER_OK && !b->failed) {
        *ret = sync_pieces_check(b->pieces);
        rc = *ret ? TIER_OK : TIER_ECORRUPT;
    }

    if (rc == TIER_OK && b->failed && why != NULL) {
        const origin_answer_t *a = &b->answers[b->failed_lane];

        why->class_ = a->class_;
        why->status = a->status;
        why->retry_after_s = a->retry_after_s;
        memcpy(why->text, a->text, sizeof(a->text));
        why->nheaders = 0;
        writer_init_fixed(&why->scratch, why->buf, sizeof(why->buf));
        why->code = writer_take(&why->scratch, a->code);
    }

    free(b->answers);
    return rc;
}


/* ---- the block list --------------------------------------------------- */

static void
block_list_xml(const carry_t *c, unsigned n, writer_t *w)
{
    writer_puts(w, "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");

    for (unsigned i = 0; i < n; i++) {
        char id[SYNC_BLOCK_ID_TEXT + 1];

        sync_block_id(c->env->edge_id, c->e->number, i, id);
        writer_puts(w, "<Latest>");
        writer_puts(w, id);
        writer_puts(w, "</Latest>");
    }

    writer_puts(w, "</BlockList>");
}


static tier_rc_t
put_block_list(carry_t *c, unsigned n)
{
    carry_text_t body = { 0 };
    origin_req_t req = { .method = "PUT",
                         .query = VIEW("comp=blocklist"),
                         .read = carry_text_read,
                         .rewind = carry_text_rewind,
                         .read_ctx = &body,
                         .timeout_s = 600 };
    bool sent = false;
    writer_t w;

    writer_init_grow(&w, LIST_MAX, NULL, NULL);
    block_list_xml(c, n, &w);

    if (writer_ok(&w)) {
        body.v = writer_view(&w);
        req.length = w.len;

        carry_headers_reset(c);
        carry_header(c, VIEW("content-type"), VIEW("application/xml"));
        carry_headers_props(c, &c->e->props);
        carry_headers_metadata(c, c->e->props.metadata);
        carry_headers_tier(c, &c->e->props);
        carry_headers_tags(c, &c->e->props);
        carry_headers_cond(c);
        sent = carry_send(c, &req);
    }

    writer_free(&w);
    return sent ? TIER_OK : TIER_ENOMEM;
}


/* ---- all of it -------------------------------------------------------- */

static uint64_t
piece_max(const store_entry_t *e)
{
    return e->kind == STORE_Q_BLOCK_LIST ? SYNC_BLOCK_MAX : SYNC_BLOCK_BYTES;
}


/* As one Put Blob, whatever its size. */
static tier_rc_t
upload_whole(carry_t *c)
{
    sync_pieces_t pieces = { 0 };
    tier_rc_t rc = sync_pieces_load(c->env, c->e->content, 0, &pieces);

    if (rc == TIER_OK) {
        rc = sync_pieces_bytes(&pieces) == c->e->props.content_length
               ? put_blob(c, &pieces)
               : TIER_ECORRUPT;
    }

    sync_pieces_free(&pieces);
    return rc;
}


static tier_rc_t
upload_blocks(carry_t *c, sync_pieces_t *pieces)
{
    carry_blocks_t b = { .env = c->env,
                         .container = c->e->container,
                         .name = c->name,
                         .own_ids = true,
                         .number = c->e->number,
                         .pieces = pieces };
    bool there = false;
    tier_rc_t rc;

    if (sync_pieces_bytes(pieces) != c->e->props.content_length) {
        return TIER_ECORRUPT;
    }

    if (c->staged == pieces->n && c->staged != 0
        && view_eq(c->name, c->e->name)) {
        rc = put_block_list(c, pieces->n);

        /* another commit to that name may have taken them away */
        if (rc != TIER_OK
            || !view_eq(c->answer->code, VIEW("InvalidBlockList"))) {
            return rc;
        }
    }

    rc = carry_put_blocks(&b, &there, c->answer);

    return rc == TIER_OK && there ? put_block_list(c, pieces->n) : rc;
}


bool
carry_upload(carry_t *c)
{
    /* Put Blob gives a blob an MD5, also one that has none here */
    bool list = c->e->kind == STORE_Q_BLOCK_LIST || c->staged != 0
             || c->e->props.content_length > SYNC_PUT_BLOB_MAX
             || (!c->e->props.has_md5 && c->e->content != 0);
    sync_pieces_t pieces = { 0 };
    tier_rc_t rc;

    if (list) {
        rc = sync_pieces_load(c->env, c->e->content, piece_max(c->e), &pieces);

        if (rc == TIER_OK) {
            rc = upload_blocks(c, &pieces);
        }

        sync_pieces_free(&pieces);

        /* uncommitted blocks of another id length are there already */
        list = rc != TIER_OK
            || !view_eq(c->answer->code, VIEW("InvalidBlobOrBlock"))
            || c->e->props.content_length > 5000ull << 20;
    }

    if (!list) {
        rc = upload_whole(c);
    }

    if (rc != TIER_OK) {
        unreadable(c, rc);
    }

    return rc == TIER_OK;
}


unsigned
sync_stage(const sync_env_t *env, const store_entry_t *e)
{
    sync_pieces_t pieces = { 0 };
    carry_blocks_t b = { .env = env,
                         .container = e->container,
                         .name = e->name,
                         .own_ids = true,
                         .number = e->number,
                         .pieces = &pieces };
    bool there = false;
    unsigned n;

    if (sync_pieces_load(env, e->content, piece_max(e), &pieces) != TIER_OK
        || carry_put_blocks(&b, &there, NULL) != TIER_OK)
    {
        there = false;
    }

    n = there ? pieces.n : 0;
    sync_pieces_free(&pieces);
    return n;
}
