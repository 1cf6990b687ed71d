#include "ngx_http_blob.h"

/*
 * Files of the store that this worker has open for reading: one descriptor a
 * file, shared by its requests. Ids are never used twice, so an entry cannot
 * go stale; an unlinked file is closed when nobody reads it any more, so that
 * its space comes back.
 */

#define BLOB_FILES_MAX      512
#define BLOB_FILES_BUCKETS  64
#define BLOB_FILES_SWEEP_MS 10000

struct ngx_http_blob_file_s {
    ngx_queue_t lru;
    ngx_http_blob_file_t *next; /* in the bucket */
    uint64_t id;
    ngx_uint_t kind;
    ngx_uint_t refs;
    ngx_file_t file; /* log and name set for nginx's writers */
    u_char name[STORE_PATH_MAX];
};

static ngx_http_blob_file_t *ngx_http_blob_files[BLOB_FILES_BUCKETS];
static ngx_queue_t ngx_http_blob_files_lru; /* nobody's, oldest at the tail */
static ngx_uint_t ngx_http_blob_files_n;
static ngx_event_t ngx_http_blob_files_timer;

static ngx_http_blob_file_t **
ngx_http_blob_file_slot(ngx_uint_t kind, uint64_t id)
{
    ngx_http_blob_file_t **p;

    p = &ngx_http_blob_files[(id * 2 + kind) % BLOB_FILES_BUCKETS];
    while (*p != NULL && ((*p)->id != id || (*p)->kind != kind)) {
        p = &(*p)->next;
    }

    return p;
}

static void
ngx_http_blob_file_drop(ngx_http_blob_file_t *f)
{
    *ngx_http_blob_file_slot(f->kind, f->id) = f->next;
    ngx_queue_remove(&f->lru);
    ngx_close_file(f->file.fd);
    ngx_free(f);
    ngx_http_blob_files_n--;
}

/* Unlinked files that nobody reads. */
static void
ngx_http_blob_files_sweep(ngx_event_t *ev)
{
    ngx_http_blob_file_t *f;
    ngx_queue_t *q, *next;
    ngx_file_info_t fi;

    for (q = ngx_queue_head(&ngx_http_blob_files_lru);
         q != ngx_queue_sentinel(&ngx_http_blob_files_lru); q = next)
    {
        next = ngx_queue_next(q);
        f = ngx_queue_data(q, ngx_http_blob_file_t, lru);
        if (ngx_fd_info(f->file.fd, &fi) == NGX_FILE_ERROR || fi.st_nlink == 0)
        {
            ngx_http_blob_file_drop(f);
        }
    }

    if (ngx_http_blob_files_n) {
        ngx_add_timer(ev, BLOB_FILES_SWEEP_MS);
    }
}

static void
ngx_http_blob_files_timer_start(void)
{
    static ngx_connection_t conn = { .fd = (ngx_socket_t) -1 };
    ngx_event_t *ev = &ngx_http_blob_files_timer;

    if (!ev->timer_set) {
        ev->data = &conn; /* nginx's debug lines show its descriptor */
        ev->handler = ngx_http_blob_files_sweep;
        ev->log = ngx_cycle->log;
        ev->cancelable = 1;
        ngx_add_timer(ev, BLOB_FILES_SWEEP_MS);
    }
}

static void
ngx_http_blob_file_unref(void *data)
{
    ngx_http_blob_file_t *f = data;

    if (--f->refs == 0) {
        ngx_queue_insert_head(&ngx_http_blob_files_lru, &f->lru);
    }
}

static ngx_http_blob_file_t *
ngx_http_blob_file_new(ngx_http_blob_ctx_t *ctx, ngx_uint_t kind, uint64_t id)
{
    ngx_http_blob_file_t *f, **slot;
    ngx_uint_t level;
    ngx_queue_t *q;

    if (ngx_http_blob_files_lru.next == NULL) {
        ngx_queue_init(&ngx_http_blob_files_lru);
    }

    if (ngx_http_blob_files_n >= BLOB_FILES_MAX
        && !ngx_queue_empty(&ngx_http_blob_files_lru))
    {
        q = ngx_queue_last(&ngx_http_blob_files_lru);
        ngx_http_blob_file_drop(ngx_queue_data(q, ngx_http_blob_file_t, lru));
    }

    f = ngx_calloc(sizeof(*f), ngx_cycle->log);
    if (f == NULL) {
        return NULL;
    }

    if (store_file_path(ctx->bmcf->store, (store_file_kind_t) kind, id,
                        (char *) f->name, sizeof(f->name))
        != TIER_OK)
    {
        ngx_free(f);
        return NULL;
    }

    f->file.fd = ngx_open_file(f->name, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);
    if (f->file.fd == NGX_INVALID_FILE) {
        level = ngx_errno == NGX_ENOENT ? NGX_LOG_INFO : NGX_LOG_ERR;
        ngx_log_error(level, ctx->r->connection->log, ngx_errno,
                      ngx_open_file_n " \"%s\" failed", f->name);
        ngx_free(f);
        return NULL;
    }

    f->id = id;
    f->kind = kind;
    f->file.name.data = f->name;
    f->file.name.len = ngx_strlen(f->name);
    f->file.log = ngx_cycle->log;

    slot = ngx_http_blob_file_slot(kind, id);
    f->next = *slot;
    *slot = f;
    ngx_http_blob_files_n++;
    ngx_http_blob_files_timer_start();
    return f;
}

ngx_file_t *
ngx_http_blob_file_get(ngx_http_blob_ctx_t *ctx, ngx_uint_t kind, uint64_t id)
{
    ngx_http_blob_file_t *f;
    ngx_pool_cleanup_t *cln;

    cln = ngx_pool_cleanup_add(ctx->r->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    f = *ngx_http_blob_file_slot(kind, id);

    if (f == NULL) {
        f = ngx_http_blob_file_new(ctx, kind, id);
        if (f == NULL) {
            return NULL;
        }

    } else if (f->refs == 0) {
        ngx_queue_remove(&f->lru);
    }

    f->refs++;
    cln->handler = ngx_http_blob_file_unref;
    cln->data = f;
    return &f->file;
}
