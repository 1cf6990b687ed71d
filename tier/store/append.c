#include "store/internal.h"

/*
 * Appends: one more extent at the end of a blob's content, in place while no
 * snapshot, copy or queue entry shares it. Readers that have the record of a
 * shorter version go on reading the same content up to its length.
 */

void
apply_append(tx_t *tx, store_change_t *c)
{
    store_extent_t extent;
    blob_rec_t cur, rec;

    if (c->mode != STORE_MODE_OWNED || c->body == NULL
        || body_length(c->body) == 0)
    {
        change_fail(c, TIER_EINVAL, 0);
        return;
    }
    if (!change_open(tx, c, &cur) || !change_check(c, &cur)) {
        return;
    }
    if (!store_blob_visible(&cur.b)) {
        change_fail(c, TIER_NOT_FOUND, STORE_V_NO_BLOB);
        return;
    }
    if (cur.b.state != STORE_OWNED || cur.b.props.type != BLOB_APPEND) {
        change_fail(c, TIER_REFUSED, STORE_V_STATE);
        return;
    }
    if (cur.b.props.committed_blocks >= STORE_BLOCKS_MAX) {
        change_fail(c, TIER_ELIMIT, STORE_V_BLOCK_COUNT);
        return;
    }
    (void) tx_number(tx);
    rec = cur;
    take_body(tx, c, &extent);
    rec.b.content = content_append(tx, c->account, cur.b.content,
                                   cur.b.props.content_length, &extent);
    if (rec.b.content != cur.b.content) {
        content_ref(tx, rec.b.content, 1, 0);
        content_ref(tx, cur.b.content, -1, 0);
    }
    rec.b.number = tx->st.number;
    rec.b.props.content_length += extent.length;
    rec.b.props.committed_blocks++;
    set_stamp(tx, c, &cur.b.props, &rec);
    c->append_offset = cur.b.props.content_length;
    c->committed_blocks = rec.b.props.committed_blocks;
    change_close(tx, c, &cur, &rec);
}
