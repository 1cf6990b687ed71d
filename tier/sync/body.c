#include <stdlib.h>
#include <unistd.h>

#include "base/digest.h"
#include "sync/body.h"

#define EXTENTS_AT_ONCE 64


static tier_rc_t
add_piece(sync_pieces_t *p, const store_extent_t *e, uint64_t skip,
          uint64_t length)
{
    if (p->n == p->cap) {
        unsigned cap = p->cap == 0 ? 16 : p->cap * 2;
        sync_piece_t *more = realloc(p->piece, cap * sizeof(*more));

        if (more == NULL) {
            return TIER_ENOMEM;
        }

        p->piece = more;
        p->cap = cap;
    }

    p->piece[p->n++] =
        (sync_piece_t){ *e, skip, length, length == e->length, 0 };
    return TIER_OK;
}


tier_rc_t
sync_pieces_add(sync_pieces_t *p, const store_extent_t *e, uint64_t split)
{
    tier_rc_t rc = TIER_OK;

    if (split == 0 || e->length <= split) {
        return add_piece(p, e, 0, e->length);
    }

    for (uint64_t skip = 0; skip < e->length && rc == TIER_OK; skip += split) {
        uint64_t left = e->length - skip;

        rc = add_piece(p, e, skip, left < split ? left : split);
    }

    return rc;
}


tier_rc_t
sync_pieces_load(const sync_env_t *env, uint64_t content, uint64_t split,
                 sync_pieces_t *ret)
{
    store_extent_t *e = calloc(EXTENTS_AT_ONCE, sizeof(*e));
    sync_pieces_t p = { 0 };
    unsigned n = EXTENTS_AT_ONCE;
    uint64_t off = 0;
    tier_rc_t rc = e == NULL ? TIER_ENOMEM : TIER_OK;

    while (rc == TIER_OK && content != 0 && n == EXTENTS_AT_ONCE) {
        n = 0;
        rc = env->extents(env->ctx, content, off, e, EXTENTS_AT_ONCE, &n);

        for (unsigned i = 0; i < n && rc == TIER_OK; i++) {
            rc = sync_pieces_add(&p, &e[i], split);
            off = e[i].blob_offset + e[i].length;
        }
    }

    free(e);

    if (rc != TIER_OK) {
        sync_pieces_free(&p);
        return rc;
    }

    *ret = p;
    return TIER_OK;
}


void
sync_pieces_free(sync_pieces_t *p)
{
    free(p->piece);
    *p = (sync_pieces_t){ 0 };
}


uint64_t
sync_pieces_bytes(const sync_pieces_t *p)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < p->n; i++) {
        sum += p->piece[i].length;
    }

    return sum;
}


bool
sync_pieces_check(const sync_pieces_t *p)
{
    uint64_t crc = 0;

    for (unsigned i = 0; i < p->n; i++) {
        const sync_piece_t *piece = &p->piece[i];

        crc = piece->skip == 0
                ? piece->crc
                : crc64_nvme_combine(crc, piece->crc, piece->length);

        if (piece->skip + piece->length == piece->extent.length
            && crc != piece->extent.crc64)
        {
            return false;
        }
    }

    return true;
}


void
sync_reader_init(sync_reader_t *r, const sync_env_t *env, sync_pieces_t *p,
                 unsigned first, unsigned end)
{
    *r = (sync_reader_t){ .env = env,
                          .pieces = p,
                          .first = first,
                          .at = first,
                          .end = end,
                          .fd = -1 };
}


void
sync_reader_close(sync_reader_t *r)
{
    if (r->fd != -1) {
        close(r->fd);
        r->fd = -1;
    }
}


static bool
reader_open(sync_reader_t *r, const store_extent_t *e)
{
    if (r->fd != -1 && r->kind == e->kind && r->file == e->file) {
        return true;
    }

    sync_reader_close(r);
    r->fd = r->env->open_file(r->env->ctx, e->kind, e->file);
    r->kind = e->kind;
    r->file = e->file;
    return r->fd != -1;
}


static int64_t
reader_failed(sync_reader_t *r, tier_rc_t rc)
{
    r->rc = rc;
    return -1;
}


int64_t
sync_reader_read(void *reader, void *buf, size_t cap)
{
    sync_reader_t *r = reader;

    while (r->at < r->end) {
        sync_piece_t *p = &r->pieces->piece[r->at];
        uint64_t left = p->length - r->off;
        ssize_t n;

        if (left == 0) {
            r->at++;
            r->off = 0;
            continue;
        }

        if (!reader_open(r, &p->extent)) {
            return reader_failed(r, TIER_EIO);
        }

        n = pread(r->fd, buf, left < cap ? (size_t) left : cap,
                  (off_t) (p->extent.offset + p->skip + r->off));

        if (n <= 0) {
            return reader_failed(r, n == 0 ? TIER_ECORRUPT : TIER_EIO);
        }

        p->crc = crc64_nvme(r->off == 0 ? 0 : p->crc, buf, (size_t) n);
        r->off += (uint64_t) n;

        if (r->off == p->length && p->has_crc && p->crc != p->extent.crc64) {
            return reader_failed(r, TIER_ECORRUPT);
        }

        return n;
    }

    return 0;
}


bool
sync_reader_rewind(void *reader)
{
    sync_reader_t *r = reader;

    r->at = r->first;
    r->off = 0;
    r->rc = TIER_OK;
    return true;
}
