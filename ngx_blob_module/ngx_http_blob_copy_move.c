#include "ngx_http_blob_copy.h"

#include "base/digest.h"

#include <fcntl.h>
#include <unistd.h>

/*
 * Bytes of a content into a body of the store, or only through a digest. A
 * task does a slice and comes back, so that a large copy does not keep a
 * thread from others and ends soon after its client has gone.
 *
 * A content does not change, but it can go while it is read: then all of it
 * is given up and the caller looks at the record again.
 */

#define BLOB_MOVE_SLICE   (8 * 1024 * 1024)
#define BLOB_MOVE_BUF     (256 * 1024)
#define BLOB_MOVE_EXTENTS 16

struct ngx_http_blob_move_s {
    store_t *store;
    store_reader_t *reader;
    uint64_t content;
    uint64_t off;
    uint64_t left;
    uint64_t length;
    const ngx_http_blob_step_t *next;

    store_body_t *body;
    unsigned flags; /* STORE_BODY_* */
    unsigned keep:1;
    unsigned opened:1;
    unsigned whole:1; /* of the extent at hand since its first byte */
    uint64_t crc64;   /* of that extent */

    md5_t md5; /* without a body */
    store_digest_t digest;

    tier_rc_t rc;
    store_extent_t extents[BLOB_MOVE_EXTENTS];
    u_char buf[BLOB_MOVE_BUF];
};

static ngx_int_t ngx_http_blob_moved(ngx_http_request_t *r,
                                     ngx_http_blob_ctx_t *ctx);

static const ngx_http_blob_step_t ngx_http_blob_step_moved = {
    "moved", "copying blob", ngx_http_blob_moved
};

static void
ngx_http_blob_move_cleanup(void *data)
{
    ngx_http_blob_move_t *mv = data;

    store_body_abort(mv->body);
    ngx_free(mv);
}

/* ---- in a thread ------------------------------------------------------ */

static tier_rc_t
ngx_http_blob_move_put(ngx_http_blob_move_t *mv, size_t n)
{
    mv->crc64 = crc64_nvme(mv->crc64, mv->buf, n);

    if (mv->keep) {
        return store_body_write(mv->body, mv->buf, n);
    }

    mv->digest.crc64 = crc64_nvme(mv->digest.crc64, mv->buf, n);
    if (mv->flags & STORE_BODY_MD5) {
        md5_update(&mv->md5, mv->buf, n);
    }
    return TIER_OK;
}

/* What is wanted of one extent, up to *budget bytes. */
static tier_rc_t
ngx_http_blob_move_extent(ngx_http_blob_move_t *mv, int fd,
                          const store_extent_t *e, size_t *budget)
{
    uint64_t skip = mv->off - e->blob_offset;
    tier_rc_t rc;
    size_t n;

    if (skip == 0) {
        mv->crc64 = 0;
        mv->whole = 1;
    }

    while (skip < e->length && mv->left > 0 && *budget > 0) {
        n = (size_t) ngx_min(ngx_min(e->length - skip, mv->left),
                             ngx_min(*budget, BLOB_MOVE_BUF));

        if (pread(fd, mv->buf, n, (off_t) (e->offset + skip)) != (ssize_t) n) {
            return TIER_EIO;
        }

        rc = ngx_http_blob_move_put(mv, n);
        if (rc != TIER_OK) {
            return rc;
        }

        skip += n;
        mv->off += n;
        mv->left -= n;
        *budget -= n;
    }

    /* what is damaged must not become a copy with a good checksum */
    return skip == e->length && mv->whole && mv->crc64 != e->crc64
             ? TIER_ECORRUPT
             : TIER_OK;
}

static tier_rc_t
ngx_http_blob_move_open(const ngx_http_blob_move_t *mv,
                        const store_extent_t *e, int *ret_fd)
{
    char path[STORE_PATH_MAX];
    tier_rc_t rc;

    rc = store_file_path(mv->store, e->kind, e->file, path, sizeof(path));
    if (rc != TIER_OK) {
        return rc;
    }

    *ret_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*ret_fd >= 0) {
        return TIER_OK;
    }

    return errno == ENOENT ? TIER_NOT_FOUND : TIER_EIO;
}

/* A run of extents; budget in and out. */
static tier_rc_t
ngx_http_blob_move_some(ngx_http_blob_move_t *mv, size_t *budget)
{
    const store_extent_t *e;
    tier_rc_t rc;
    unsigned i, n;
    int fd = -1;

    rc = store_extents_get(mv->reader, mv->content, mv->off, mv->left,
                           mv->extents, BLOB_MOVE_EXTENTS, &n);
    if (rc == TIER_OK && n == 0) {
        rc = TIER_NOT_FOUND;
    }

    for (i = 0; i < n && rc == TIER_OK && mv->left > 0 && *budget > 0; i++) {
        e = &mv->extents[i];

        if (i == 0 || e->kind != e[-1].kind || e->file != e[-1].file) {
            if (fd >= 0) {
                (void) close(fd);
            }
            rc = ngx_http_blob_move_open(mv, e, &fd);
        }
        if (rc == TIER_OK) {
            rc = ngx_http_blob_move_extent(mv, fd, e, budget);
        }
    }

    if (fd >= 0) {
        (void) close(fd);
    }

    return rc;
}

static tier_rc_t
ngx_http_blob_move_finish(ngx_http_blob_move_t *mv)
{
    if (mv->keep) {
        return store_body_finish(mv->body, &mv->digest);
    }

    mv->digest.length = mv->length;
    mv->digest.has_md5 = (mv->flags & STORE_BODY_MD5) != 0;
    if (mv->digest.has_md5) {
        md5_final(&mv->md5, mv->digest.md5);
    }
    return TIER_OK;
}

static void
ngx_http_blob_move_run(void *data, const tier_log_t *log)
{
    ngx_http_blob_move_t *mv = data;
    size_t budget = BLOB_MOVE_SLICE;
    tier_rc_t rc = TIER_OK;

    if (!mv->opened) {
        mv->opened = 1;
        if (mv->keep) {
            rc = store_body_open(mv->store, mv->length, mv->flags, &mv->body);
        }
    }

    while (rc == TIER_OK && mv->left > 0 && budget > 0) {
        rc = ngx_http_blob_move_some(mv, &budget);
    }

    if (rc == TIER_OK && mv->left == 0) {
        rc = ngx_http_blob_move_finish(mv);
    }

    if (rc == TIER_EIO || rc == TIER_ECORRUPT) {
        tier_log(log, TIER_LOG_ERROR,
                 "blob: a copy cannot read content %llu at %llu",
                 (unsigned long long) mv->content,
                 (unsigned long long) mv->off);
    }

    mv->rc = rc;
}

/* ---- on the event loop ------------------------------------------------ */

static ngx_int_t
ngx_http_blob_moved(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx)
{
    ngx_http_blob_move_t *mv = ctx->copy->move;

    if (mv->rc == TIER_OK && mv->left > 0) {
        return ngx_http_blob_task(ctx, ctx->bmcf->io, ngx_http_blob_move_run,
                                  mv, &ngx_http_blob_step_moved);
    }

    return ngx_http_blob_goto(ctx, mv->next);
}

ngx_int_t
ngx_http_blob_move(ngx_http_request_t *r, ngx_http_blob_ctx_t *ctx,
                   uint64_t content, uint64_t off, uint64_t len, bool keep,
                   const ngx_http_blob_step_t *next)
{
    const proto_body_check_t *check = &ctx->copy->copy.check;
    ngx_http_blob_move_t *mv;
    ngx_pool_cleanup_t *cln;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    mv = ngx_calloc(sizeof(*mv), r->connection->log);
    if (mv == NULL) {
        return NGX_ERROR;
    }
    cln->handler = ngx_http_blob_move_cleanup;
    cln->data = mv;

    mv->store = ctx->bmcf->store;
    mv->reader = ngx_http_blob_thread_reader(ctx);
    if (mv->reader == NULL) {
        return NGX_ERROR;
    }

    mv->content = content;
    mv->off = off;
    mv->left = len;
    mv->length = len;
    mv->keep = keep;
    mv->flags = check->has_md5 ? STORE_BODY_MD5 : 0;
    mv->next = next;
    md5_init(&mv->md5);

    ctx->copy->move = mv;
    return ngx_http_blob_task(ctx, ctx->bmcf->io, ngx_http_blob_move_run, mv,
                              &ngx_http_blob_step_moved);
}

tier_rc_t
ngx_http_blob_move_rc(const ngx_http_blob_move_t *move)
{
    return move->rc;
}

const store_digest_t *
ngx_http_blob_move_digest(const ngx_http_blob_move_t *move)
{
    return &move->digest;
}

store_body_t *
ngx_http_blob_move_take(ngx_http_blob_move_t *move)
{
    store_body_t *body = move->body;

    move->body = NULL;
    return body;
}
