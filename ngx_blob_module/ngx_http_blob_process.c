#include "ngx_http_blob_conf.h"

#include <sys/stat.h>

/*
 * What the master publishes for blob-tier and what each worker opens. The
 * store is opened by a thread: after a crash of the machine that can mean
 * rebuilding the index, and clients get ServerBusy meanwhile instead of
 * hanging. A worker that finds it quickly ready starts with it.
 */

#define BLOB_POLICY_MAX    (1024 * 1024)
#define BLOB_OPEN_WAIT_US  1500000
#define BLOB_OPEN_POLL_US  500
#define BLOB_OPEN_RETRY_MS 1000

typedef struct {
    ngx_http_blob_main_conf_t *bmcf;
    const char *path;
    uint64_t size_bytes;
    uint64_t dirty_bytes;
    tier_log_t *log;
    store_t *store;
    store_reader_t *reader;
    tier_rc_t rc;
    ngx_atomic_t done;
} ngx_http_blob_open_t;

static void ngx_http_blob_opened(ngx_event_t *ev);
static void ngx_http_blob_open_retry(ngx_event_t *ev);

/* ---- master ----------------------------------------------------------- */

static ngx_int_t
ngx_http_blob_make_dir(ngx_cycle_t *cycle, ngx_str_t *path, ngx_uid_t uid)
{
    ngx_file_info_t fi;

    if (ngx_create_dir(path->data, 0700) == NGX_FILE_ERROR
        && ngx_errno != NGX_EEXIST)
    {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "blob_store: cannot create the folder \"%V\"; make it "
                      "on a disk that is mounted read-write, owned by the "
                      "user of nginx's workers",
                      path);
        return NGX_ERROR;
    }

    if (geteuid() != 0 || uid == (ngx_uid_t) NGX_CONF_UNSET_UINT) {
        return NGX_OK;
    }

    if (ngx_file_info(path->data, &fi) == NGX_FILE_ERROR
        || (fi.st_uid != uid && chown((char *) path->data, uid, (gid_t) -1)))
    {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "blob_store: cannot give the folder \"%V\" to the user "
                      "of nginx's workers",
                      path);
        return NGX_ERROR;
    }

    return NGX_OK;
}

/* Whether blob-tier has it already: nothing to write, which a disk that is
 * full or read-only would refuse. */
static bool
ngx_http_blob_policy_same(u_char *name, view_t text)
{
    u_char *buf = malloc(text.len + 1);
    ngx_fd_t fd = ngx_open_file(name, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);
    bool same;

    same = buf != NULL && fd != NGX_INVALID_FILE
        && ngx_read_fd(fd, buf, text.len + 1) == (ssize_t) text.len
        && view_eq(view_of(buf, text.len), text);

    if (fd != NGX_INVALID_FILE) {
        ngx_close_file(fd);
    }
    free(buf);
    return same;
}

static ngx_int_t
ngx_http_blob_policy_write(ngx_cycle_t *cycle, u_char *tmp, u_char *name,
                           view_t text, ngx_uid_t uid)
{
    ngx_fd_t fd;
    ngx_int_t rc = NGX_ERROR;

    ngx_delete_file(tmp);
    fd = ngx_open_file(tmp, NGX_FILE_WRONLY, NGX_FILE_CREATE_OR_OPEN, 0600);
    if (fd == NGX_INVALID_FILE) {
        goto failed;
    }

    if (ngx_write_fd(fd, (void *) (uintptr_t) text.ptr, text.len)
            != (ssize_t) text.len
        || (geteuid() == 0 && uid != (ngx_uid_t) NGX_CONF_UNSET_UINT
            && fchown(fd, uid, (gid_t) -1) != 0)
        || fsync(fd) != 0 || ngx_rename_file(tmp, name) == NGX_FILE_ERROR)
    {
        goto failed;
    }

    rc = NGX_OK;

failed:

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "blob_store: cannot write \"%s\"; is the disk full or "
                      "mounted read-only?",
                      name);
    }
    if (fd != NGX_INVALID_FILE) {
        ngx_close_file(fd);
    }
    return rc;
}

ngx_int_t
ngx_http_blob_publish(ngx_cycle_t *cycle, ngx_http_blob_main_conf_t *bmcf)
{
    ngx_core_conf_t *ccf;
    u_char *name, *tmp;
    writer_t w;
    ngx_int_t rc;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    if (ngx_http_blob_make_dir(cycle, &bmcf->store_path, ccf->user) != NGX_OK)
    {
        return NGX_ERROR;
    }

    name = ngx_pnalloc(cycle->pool, bmcf->store_path.len + 16);
    tmp = ngx_pnalloc(cycle->pool, bmcf->store_path.len + 16);
    if (name == NULL || tmp == NULL) {
        return NGX_ERROR;
    }
    ngx_sprintf(name, "%V/policy%Z", &bmcf->store_path);
    ngx_sprintf(tmp, "%V/policy.new%Z", &bmcf->store_path);

    writer_init_grow(&w, BLOB_POLICY_MAX, NULL, NULL);
    policy_format(&w, &bmcf->policy);
    if (!writer_ok(&w)) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "blob_store: the policy is larger than %d bytes; use "
                      "fewer blob_container and blob_prefix blocks",
                      BLOB_POLICY_MAX);
        rc = NGX_ERROR;

    } else if (ngx_http_blob_policy_same(name, writer_view(&w))) {
        rc = NGX_OK;

    } else {
        rc = ngx_http_blob_policy_write(cycle, tmp, name, writer_view(&w),
                                        ccf->user);
    }

    writer_free(&w);
    return rc;
}

/* ---- workers ---------------------------------------------------------- */

static void
ngx_http_blob_log_line(void *ctx, tier_log_level_t level, const char *line)
{
    static const ngx_uint_t levels[] = { NGX_LOG_ERR, NGX_LOG_WARN,
                                         NGX_LOG_NOTICE, NGX_LOG_INFO,
                                         NGX_LOG_DEBUG_HTTP };
    ngx_log_t *log = ctx;

    if (level == TIER_LOG_DEBUG) {
        ngx_log_debug1(NGX_LOG_DEBUG_HTTP, log, 0, "blob: %s", line);
        return;
    }

    ngx_log_error(levels[level], log, 0, "blob: %s", line);
}

static void
ngx_http_blob_open_run(void *data, ngx_log_t *log)
{
    ngx_http_blob_open_t *open = *(ngx_http_blob_open_t **) data;
    store_opts_t opts;

    ngx_memzero(&opts, sizeof(opts));
    opts.size_bytes = open->size_bytes;
    opts.dirty_bytes = open->dirty_bytes;
    opts.log = open->log;

    open->rc = store_open(open->path, &opts, &open->store);
    if (open->rc == TIER_OK) {
        open->rc = store_reader_open(open->store, &open->reader);
        if (open->rc != TIER_OK) {
            store_close(open->store);
        }
    }

    ngx_memory_barrier();
    open->done = 1;
}

static void
ngx_http_blob_open_take(ngx_http_blob_open_t *open)
{
    ngx_http_blob_main_conf_t *bmcf = open->bmcf;

    if (bmcf->store == NULL && open->rc == TIER_OK) {
        bmcf->store = open->store;
        bmcf->reader = open->reader;
        bmcf->open_rc = TIER_OK;
    }
}

static ngx_http_blob_open_t *
ngx_http_blob_open_post(ngx_cycle_t *cycle, ngx_http_blob_main_conf_t *bmcf)
{
    ngx_thread_task_t *task;
    ngx_http_blob_open_t *open;

    open = bmcf->open_state;
    if (open == NULL) {
        open = ngx_pcalloc(cycle->pool, sizeof(*open));
        if (open == NULL) {
            return NULL;
        }
        bmcf->open_state = open;
    }

    open->bmcf = bmcf;
    open->path = (const char *) bmcf->store_path.data;
    open->size_bytes = bmcf->policy.size_bytes;
    open->dirty_bytes = bmcf->policy.dirty_bytes;
    open->log = &bmcf->log;
    open->done = 0;

    task = ngx_thread_task_alloc(cycle->pool, sizeof(void *));
    if (task == NULL) {
        return NULL;
    }
    *(ngx_http_blob_open_t **) task->ctx = open;
    task->handler = ngx_http_blob_open_run;
    task->event.data = open;
    task->event.handler = ngx_http_blob_opened;

    return ngx_thread_task_post(bmcf->io, task) == NGX_OK ? open : NULL;
}

static void
ngx_http_blob_opened(ngx_event_t *ev)
{
    ngx_http_blob_open_t *open = ev->data;
    ngx_http_blob_main_conf_t *bmcf = open->bmcf;

    ngx_http_blob_open_take(open);

    if (bmcf->store != NULL) {
        return;
    }

    if (bmcf->open_rc != open->rc) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "blob_store \"%V\" cannot be opened: %s; answering 503 "
                      "and trying again each second",
                      &bmcf->store_path, tier_rc_name(open->rc));
    }

    bmcf->open_rc = open->rc;
    bmcf->open_timer.handler = ngx_http_blob_open_retry;
    bmcf->open_timer.data = bmcf;
    bmcf->open_timer.log = ngx_cycle->log;
    bmcf->open_timer.cancelable = 1;
    ngx_add_timer(&bmcf->open_timer, BLOB_OPEN_RETRY_MS);
}

static void
ngx_http_blob_open_retry(ngx_event_t *ev)
{
    ngx_http_blob_main_conf_t *bmcf = ev->data;

    if (ngx_http_blob_open_post((ngx_cycle_t *) (uintptr_t) ngx_cycle, bmcf)
        == NULL)
    {
        ngx_add_timer(ev, BLOB_OPEN_RETRY_MS);
    }
}

ngx_int_t
ngx_http_blob_open(ngx_cycle_t *cycle, ngx_http_blob_main_conf_t *bmcf)
{
    ngx_http_blob_open_t *open;
    ngx_uint_t waited;

    bmcf->log.fn = ngx_http_blob_log_line;
    bmcf->log.ctx = cycle->log;
    bmcf->log.level = (cycle->log->log_level & NGX_LOG_DEBUG_HTTP)
                        ? TIER_LOG_DEBUG
                        : TIER_LOG_INFO;

    open = ngx_http_blob_open_post(cycle, bmcf);
    if (open == NULL) {
        /* an error here would never be respawned: serve 503 */
        ngx_log_error(NGX_LOG_CRIT, cycle->log, 0,
                      "blob_store: no thread to open the store with");
        return NGX_OK;
    }

    for (waited = 0; waited < BLOB_OPEN_WAIT_US; waited += BLOB_OPEN_POLL_US) {
        if (open->done) {
            ngx_memory_barrier();
            ngx_http_blob_open_take(open);
            break;
        }
        usleep(BLOB_OPEN_POLL_US);
    }

    return NGX_OK;
}

void
ngx_http_blob_close(ngx_cycle_t *cycle, ngx_http_blob_main_conf_t *bmcf)
{
    if (bmcf->store == NULL) {
        return;
    }

    ngx_http_blob_readers_close();
    store_reader_close(bmcf->reader);
    store_close(bmcf->store);
    bmcf->reader = NULL;
    bmcf->store = NULL;
}
