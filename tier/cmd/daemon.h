#ifndef CMD_DAEMON_H
#define CMD_DAEMON_H

#include <pthread.h>
#include <stdatomic.h>

#include "cmd/config.h"
#include "cmd/groups.h"
#include "store/store.h"

/*
 * blob-tier serve. The main thread looks for order groups with queued commits
 * and hands each to a worker; a worker carries its group's commits one after
 * the other until nothing is left, an entry is parked or the origin asks for
 * time. Stagers upload blocks of later commits of the groups under way. All
 * state that matters is in the store: the daemon may die anywhere.
 */
#define DAEMON_WORKERS 16
#define DAEMON_STAGERS 4
#define DAEMON_LANES   8 /* blocks of one commit under way at once */

typedef struct daemon_s {
    store_t *store;
    const char *dir;
    tier_log_t log;
    pthread_mutex_t lock; /* config, groups */
    pthread_cond_t work;
    pthread_cond_t staged; /* a stager is done with a commit */
    config_t *config;
    pthread_mutex_t loading; /* who writes config; config_bad_ns */
    int64_t config_bad_ns;   /* of a policy that could not be loaded; or 0 */
    groups_t groups;
    int64_t calm_until_ms; /* the origin is throttling: nothing ahead */
    _Atomic bool stop;
    uint64_t going_bytes; /* upkeep's: let go a moment ago */
    int64_t going_until_ms;
    int lock_fd;
    pthread_t threads[DAEMON_WORKERS + DAEMON_STAGERS];
    unsigned nthreads;

    _Atomic unsigned fetching; /* fetching.c's, under way */
    _Atomic unsigned staging;  /* staging.c's */
    _Atomic uint64_t carried;
    _Atomic uint64_t carried_bytes;
    _Atomic uint64_t failed_attempts;
    _Atomic uint64_t conflicts;
    _Atomic uint64_t evicted_bytes;
    int64_t started_ms;
} daemon_t;

int64_t daemon_now_ms(void);
/* A reference to the configuration, or NULL while there is none. */
config_t *daemon_config(daemon_t *d);
/* The same, after a look at whether nginx has written another one: for what
 * nginx asks, whose workers may have begun with it just now. */
config_t *daemon_config_fresh(daemon_t *d);

/* Runs until SIGTERM or SIGINT; the exit status. */
int daemon_serve(const char *dir, bool debug);

/* ---- worker.c ---- */
void *worker_main(void *daemon);
void *stager_main(void *daemon);

/* ---- evict.c ---- */
/* Lets clean bodies go while the disk is near its limit. Blocks. */
void evict_step(daemon_t *d, store_reader_t *reader);

/* ---- control.c ---- */
typedef struct control_s control_t;

tier_rc_t control_start(daemon_t *d, control_t **ret);
void control_stop(control_t *control);

/* ---- listing.c: GET /list ---- */
typedef struct listing_s {
    view_t account, container, prefix, delimiter, marker, endpoint;
    view_t include, start_from, end_before;
    view_t max_results; /* text; null: not sent */
} listing_t;

/* The finished document of a merged listing, or of the error, into w; the HTTP
 * status, and in *ret_code the x-ms-error-code or NULL. */
unsigned listing_make(daemon_t *d, const listing_t *l, writer_t *w,
                      const char **ret_code);

/* ---- report.c ---- */
void report_status(store_reader_t *reader, const daemon_t *d, bool json,
                   writer_t *w);
void report_queue(store_reader_t *reader, bool json, writer_t *w);

#endif
