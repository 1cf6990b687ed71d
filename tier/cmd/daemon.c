#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "cmd/daemon.h"

#define IDLE_MS     20
#define MAINTAIN_MS 5000
#define CONFIG_MS   1000


int64_t
daemon_now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


static void
log_stderr(void *ctx, tier_log_level_t level, const char *line)
{
    static const char *const names[] = { "error", "warn", "notice", "info",
                                         "debug" };
    char stamp[32];
    time_t now = time(NULL);
    struct tm tm;

    (void) ctx;
    gmtime_r(&now, &tm);
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
    fprintf(stderr, "%s [%s] %s\n", stamp, names[level], line);
}


config_t *
daemon_config(daemon_t *d)
{
    config_t *c;

    pthread_mutex_lock(&d->lock);
    c = d->config == NULL ? NULL : config_ref(d->config);
    pthread_mutex_unlock(&d->lock);
    return c;
}


/* d->loading is held. */
static void
load_config(daemon_t *d, int64_t mtime)
{
    config_t *fresh, *old;
    unsigned naccounts;

    if (config_load(d->dir, &d->log, &fresh) != TIER_OK) {
        d->config_bad_ns = mtime;
        return;
    }

    naccounts = fresh->policy.naccounts;
    pthread_mutex_lock(&d->lock);
    old = d->config;
    d->config = fresh;
    d->groups.regroup = old != NULL;
    pthread_mutex_unlock(&d->lock);
    config_unref(old);

    tier_log(&d->log, TIER_LOG_NOTICE, "policy loaded: %u accounts",
             naccounts);
}


/* If nginx has written another one. One that could not be loaded is tried
 * again if `anew`: a file that it names may be there now. */
static void
reload_config(daemon_t *d, bool anew)
{
    int64_t mtime;

    pthread_mutex_lock(&d->loading);
    mtime = config_mtime_ns(d->dir);

    if (mtime != 0 && (d->config == NULL || d->config->mtime_ns != mtime)
        && (anew || mtime != d->config_bad_ns))
    {
        load_config(d, mtime);
    }

    pthread_mutex_unlock(&d->loading);
}


config_t *
daemon_config_fresh(daemon_t *d)
{
    reload_config(d, false);
    return daemon_config(d);
}


/* Up to where write-back may carry. A commit whose process
 * died before its sync has nobody who waits for one. */
static uint64_t
durable_now(daemon_t *d, store_reader_t *reader)
{
    uint64_t lowest = 0;

    if (store_dirty_upto(reader, VIEW_NULL, VIEW_NULL, VIEW_NULL, NULL,
                         &lowest)
            == TIER_OK
        && lowest > store_durable(d->store)
        && store_wait_durable(d->store, lowest) != TIER_OK)
    {
        tier_log(&d->log, TIER_LOG_ERROR, "the journal cannot be synced");
    }

    return store_durable(d->store);
}


static void
find_work(daemon_t *d, store_reader_t *reader)
{
    uint64_t durable = durable_now(d, reader);

    pthread_mutex_lock(&d->lock);

    if (d->config != NULL) {
        if (groups_discover(&d->groups, reader, durable, d->config) != TIER_OK)
        {
            tier_log(&d->log, TIER_LOG_ERROR, "the queue cannot be read");
        }

        if (groups_wake(&d->groups, reader, durable, daemon_now_ms())) {
            pthread_cond_broadcast(&d->work);
        }
    }

    pthread_mutex_unlock(&d->lock);
}


/* ---- life ------------------------------------------------------------- */

/* One daemon a store. */
static bool
take_lock(daemon_t *d)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/run/tier.lock", d->dir);
    d->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (d->lock_fd == -1) {
        tier_log(&d->log, TIER_LOG_ERROR, "%s: %s", path, strerror(errno));
        return false;
    }

    if (flock(d->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        tier_log(&d->log, TIER_LOG_ERROR,
                 "another blob-tier serves %s already; stop it first "
                 "(blob-tier status %s tells what it does)",
                 d->dir, d->dir);
        return false;
    }

    return true;
}


static bool
start_threads(daemon_t *d)
{
    while (d->nthreads < DAEMON_WORKERS + DAEMON_STAGERS) {
        if (pthread_create(
                &d->threads[d->nthreads], NULL,
                d->nthreads < DAEMON_WORKERS ? worker_main : stager_main, d)
            != 0)
        {
            return false;
        }

        d->nthreads++;
    }

    return true;
}


static void
stop_threads(daemon_t *d)
{
    d->stop = true;
    pthread_mutex_lock(&d->lock);
    pthread_cond_broadcast(&d->work);
    pthread_cond_broadcast(&d->staged);
    pthread_mutex_unlock(&d->lock);

    for (unsigned i = 0; i < d->nthreads; i++) {
        pthread_join(d->threads[i], NULL);
    }
}


/* Upkeep has a thread of its own: a checkpoint must not hold up write-back. */
static void *
maintain_main(void *data)
{
    daemon_t *d = data;
    store_reader_t *reader = NULL;
    int64_t next = 0;

    if (store_reader_open(d->store, &reader) != TIER_OK) {
        tier_log(&d->log, TIER_LOG_ERROR, "upkeep cannot start");
        return NULL;
    }

    while (!d->stop) {
        if (daemon_now_ms() >= next) {
            tier_rc_t rc = store_maintain(d->store, 0);

            if (rc < 0 && rc != TIER_EBUSY) {
                tier_log(&d->log, TIER_LOG_ERROR, "upkeep of the store: %s",
                         tier_rc_name(rc));
            }

            if (rc != TIER_AGAIN) { /* what was dead is gone */
                evict_step(d, reader);
            }

            next = daemon_now_ms() + (rc == TIER_AGAIN ? 0 : MAINTAIN_MS);
        }

        usleep(IDLE_MS * 1000);
    }

    store_reader_close(reader);
    return NULL;
}


static void
loop(daemon_t *d, store_reader_t *reader, const sigset_t *signals)
{
    int64_t config_at = 0;

    while (!d->stop) {
        struct timespec wait = { 0, IDLE_MS * 1000000L };

        if (daemon_now_ms() >= config_at) {
            reload_config(d, true);
            config_at = daemon_now_ms() + CONFIG_MS;
        }

        find_work(d, reader);

        if (sigtimedwait(signals, NULL, &wait) > 0) {
            d->stop = true;
        }
    }
}


/* The next start has less of the journal to read. */
static void
final_checkpoint(daemon_t *d)
{
    tier_rc_t rc = store_maintain(d->store, STORE_MAINTAIN_CHECKPOINT);

    if (rc < 0) {
        tier_log(&d->log, TIER_LOG_WARN, "no checkpoint at the end: %s",
                 tier_rc_name(rc));
    }
}


static void
serve(daemon_t *d, const sigset_t *signals)
{
    store_reader_t *reader = NULL;
    control_t *control = NULL;
    pthread_t maintain;

    reload_config(d, true); /* who asks at once is not told to come back */

    if (store_reader_open(d->store, &reader) != TIER_OK
        || control_start(d, &control) != TIER_OK || !start_threads(d)
        || pthread_create(&maintain, NULL, maintain_main, d) != 0)
    {
        tier_log(&d->log, TIER_LOG_ERROR, "cannot start");
        stop_threads(d);
        control_stop(control);
        store_reader_close(reader);
        return;
    }

    tier_log(&d->log, TIER_LOG_NOTICE, "serving %s", d->dir);
    loop(d, reader, signals);
    tier_log(&d->log, TIER_LOG_NOTICE, "stopping");

    control_stop(control);
    stop_threads(d);
    pthread_join(maintain, NULL);
    final_checkpoint(d);
    store_reader_close(reader);
}


int
daemon_serve(const char *dir, bool debug)
{
    daemon_t d = { .dir = dir, .lock_fd = -1 };
    store_opts_t opts = { 0 };
    sigset_t signals;
    int status = 1;

    d.log = (tier_log_t){ log_stderr, NULL,
                          debug ? TIER_LOG_DEBUG : TIER_LOG_NOTICE };
    d.started_ms = daemon_now_ms();
    pthread_mutex_init(&d.lock, NULL);
    pthread_mutex_init(&d.loading, NULL);
    pthread_cond_init(&d.work, NULL);
    pthread_cond_init(&d.staged, NULL);

    /* taken by sigtimedwait in the loop; blocked in every thread */
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    sigdelset(&signals, SIGHUP);
    signal(SIGPIPE, SIG_IGN);

    opts.log = &d.log;

    if (origin_global_init() != TIER_OK
        || store_open(dir, &opts, &d.store) != TIER_OK)
    {
        tier_log(&d.log, TIER_LOG_ERROR, "cannot open the store %s", dir);
        return 1;
    }

    if (take_lock(&d)) {
        serve(&d, &signals);
        status = d.stop ? 0 : 1;
    }

    store_close(d.store);
    config_unref(d.config);
    groups_free(&d.groups);

    if (d.lock_fd != -1) {
        close(d.lock_fd);
    }

    return status;
}
