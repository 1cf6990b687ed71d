#include <stdlib.h>
#include <time.h>

#include "cmd/daemon.h"
#include "sync/evict.h"

#define CONTAINERS_MAX 4096
#define SCAN_AT_ONCE   1000u
#define BATCH          64u
#define GOING_MS       15000 /* until bytes let go are given up as stuck */

typedef struct place_s {
    view_t account; /* the configuration's */
    char container[STORE_LABEL_MAX];
    size_t container_len;
    uint64_t incarnation;
} place_t;

typedef struct run_s {
    daemon_t *d;
    store_reader_t *reader;
    config_t *config;
    place_t *place;
    unsigned nplaces;
    view_t account;
    unsigned at; /* the place that is looked through */
    int64_t now_ms;
    sync_victims_t victims;
    char last[STORE_NAME_MAX];
    view_t last_name;
    tier_rc_t rc;
} run_t;


static int
add_place(void *ctx, view_t container, const store_container_t *c)
{
    run_t *r = ctx;
    place_t *p = &r->place[r->nplaces];

    if (r->nplaces == CONTAINERS_MAX || container.len > sizeof(p->container)) {
        return 1;
    }

    p->account = r->account;
    memcpy(p->container, container.ptr, container.len);
    p->container_len = container.len;
    p->incarnation = c->incarnation;
    r->nplaces++;
    return 0;
}


static void
find_places(run_t *r)
{
    store_scan_t scan = { 0 };
    uint64_t seen;

    for (unsigned i = 0; i < r->config->policy.naccounts; i++) {
        const policy_account_t *a = &r->config->policy.accounts[i];

        r->account = a->name;

        if (a->origin.len != 0
            && store_container_scan(r->reader, a->name, &scan, add_place, r,
                                    &seen)
                   < 0)
        {
            r->rc = TIER_EIO;
        }
    }
}


static int
look(void *ctx, view_t name, const store_blob_t *b)
{
    run_t *r = ctx;

    memcpy(r->last, name.ptr, name.len);
    r->last_name = view_of(r->last, name.len);

    if (sync_evict_may(b, r->now_ms, r->config->policy.keep_clean_ms)) {
        r->rc = sync_victims_offer(&r->victims, name, r->at, b);
    }

    return r->rc != TIER_OK;
}


static void
look_through(run_t *r)
{
    for (r->at = 0; r->at < r->nplaces; r->at++) {
        store_scan_t scan = { .limit = SCAN_AT_ONCE };
        tier_rc_t rc = TIER_OK;
        uint64_t seen;

        r->last_name = VIEW_NULL;

        while (rc == TIER_OK && r->rc == TIER_OK && !r->d->stop) {
            scan.from = r->last_name;
            rc = store_blob_scan(r->reader, r->place[r->at].incarnation, &scan,
                                 look, r, &seen);
        }
    }
}


static void
let_go(run_t *r)
{
    store_change_t change[BATCH], *list[BATCH];
    uint64_t bytes = 0;

    for (unsigned done = 0; done < r->victims.n && !r->d->stop;) {
        unsigned n = 0;

        for (; n < BATCH && done < r->victims.n; n++, done++) {
            const sync_victim_t *v = &r->victims.v[done];
            const place_t *p = &r->place[v->where];

            change[n] = (store_change_t){
                .kind = STORE_BLOB_EVICT,
                .account = p->account,
                .container = view_of(p->container, p->container_len),
                .incarnation = p->incarnation,
                .name = view_of(v->name, v->name_len),
                .if_number = v->number,
            };
            list[n] = &change[n];
        }

        store_commit(r->d->store, list, n);

        for (unsigned i = 0; i < n; i++) {
            bytes +=
                change[i].rc == TIER_OK ? r->victims.v[done - n + i].bytes : 0;
        }
    }

    r->d->evicted_bytes += bytes;
    r->d->going_bytes += bytes;
    r->d->going_until_ms = daemon_now_ms() + GOING_MS;
    tier_log(&r->d->log, TIER_LOG_INFO,
             "%llu clean bytes let go, the disk is near its limit",
             (unsigned long long) bytes);
}


void
evict_step(daemon_t *d, store_reader_t *reader)
{
    config_t *config = daemon_config(d);
    store_stats_t st;
    uint64_t want = 0;
    run_t *r;

    if (config == NULL) {
        return;
    }

    if (store_stats(reader, VIEW_NULL, &st) == TIER_OK) {
        if (daemon_now_ms() > d->going_until_ms) {
            d->going_bytes = 0;
        }

        want =
            sync_evict_bytes(&st, config->policy.size_bytes, d->going_bytes);
    }

    r = want == 0 ? NULL : calloc(1, sizeof(*r));

    if (r != NULL) {
        r->d = d;
        r->reader = reader;
        r->config = config;
        r->now_ms = (int64_t) time(NULL) * 1000;
        r->victims.want = want;
        r->place = calloc(CONTAINERS_MAX, sizeof(*r->place));

        if (r->place != NULL) {
            find_places(r);
            look_through(r);
        }

        if (r->victims.n != 0) {
            let_go(r);
        }

        sync_victims_free(&r->victims);
        free(r->place);
        free(r);
    }

    config_unref(config);
}
