#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "cmd/daemon.h"
#include "cmd/env.h"

#define PARKED_MS     200 /* between looks at a group that cannot go on */
#define AHEAD_IDLE_MS 50

typedef struct worker_s {
    daemon_t *d;
    env_t env; /* and its reader */
    config_t *config;
    uint8_t *scratch;
} worker_t;


/* ---- outcomes --------------------------------------------------------- */

static uint64_t
random_u64(void)
{
    uint64_t n = 0;

    (void) getrandom(&n, sizeof(n), 0);
    return n;
}


static bool
commit_outcome(worker_t *w, const store_entry_t *e, const sync_outcome_t *out)
{
    static const store_kind_t kinds[] = { [SYNC_DONE] = STORE_WB_DONE,
                                          [SYNC_CONFLICT] = STORE_WB_CONFLICT,
                                          [SYNC_PARK] = STORE_WB_PARK,
                                          [SYNC_LATER] = STORE_WB_ATTEMPT };
    store_change_t change = {
        .kind = kinds[out->verdict],
        .account = e->account,
        .container = e->container,
        .name = e->name,
        .incarnation = e->incarnation,
        .if_number = e->number,
        .origin_last_modified_s = out->last_modified_s,
        .error = view_str(out->text),
    };
    store_change_t *one[1] = { &change };

    if (out->verdict == SYNC_DONE) {
        change.origin_etag = view_of(out->etag, out->etag_len);
    }

    store_commit(w->d->store, one, 1);

    if (change.rc != TIER_OK) {
        tier_log(&w->d->log, TIER_LOG_ERROR,
                 "commit %llu: its outcome cannot be stored: %s",
                 (unsigned long long) e->number, tier_rc_name(change.rc));
    }

    return change.rc == TIER_OK;
}


static void
log_outcome(worker_t *w, const store_entry_t *e, const sync_outcome_t *out,
            unsigned fails)
{
    tier_log_level_t level = out->verdict == SYNC_DONE ? TIER_LOG_DEBUG
                           : out->verdict == SYNC_LATER && fails > 1
                               ? TIER_LOG_INFO
                               : TIER_LOG_WARN;
    static const char *const names[] = { "carried", "conflict", "parked",
                                         "again later" };

    tier_log(&w->d->log, level, "commit %llu %.*s/%.*s/%.*s: %s%s%s",
             (unsigned long long) e->number, (int) e->account.len,
             (const char *) e->account.ptr, (int) e->container.len,
             (const char *) e->container.ptr, (int) e->name.len,
             (const char *) e->name.ptr, names[out->verdict],
             out->text[0] != 0 ? ": " : "", out->text);
}


static void
count(worker_t *w, const store_entry_t *e, const sync_outcome_t *out)
{
    daemon_t *d = w->d;

    switch (out->verdict) {
    case SYNC_DONE:
        d->carried++;

        if (e->kind == STORE_Q_PUT || e->kind == STORE_Q_BLOCK_LIST) {
            d->carried_bytes += e->props.content_length;
        }

        break;

    case SYNC_CONFLICT:
        d->conflicts++;
        break;

    default:
        d->failed_attempts++;
    }
}


/* ---- a group ---------------------------------------------------------- */

/* Its blocks that are at the origin already; waits for a stager that has it
 * under way. */
static unsigned
take_staged(daemon_t *d, group_t *g, uint64_t number)
{
    unsigned blocks = 0;
    ahead_t *a;

    pthread_mutex_lock(&d->lock);
    g->at = number;

    while ((a = group_ahead_find(g, number)) != NULL
           && a->state == AHEAD_UNDER_WAY)
    {
        pthread_cond_wait(&d->staged, &d->lock);
    }

    if (a != NULL) {
        blocks = a->blocks;
        a->state = AHEAD_NONE;
    }

    pthread_mutex_unlock(&d->lock);
    return blocks;
}


static void
wait_after(worker_t *w, group_t *g, const sync_outcome_t *out)
{
    uint64_t ms = sync_backoff_ms(g->fails, out->retry_after_s, random_u64());

    g->not_before_ms = daemon_now_ms() + (int64_t) ms;

    if (out->throttled) {
        pthread_mutex_lock(&w->d->lock);
        w->d->calm_until_ms = g->not_before_ms + 5000;
        pthread_mutex_unlock(&w->d->lock);
    }
}


/* True: go on with the group's next commit. */
static bool
carry_one(worker_t *w, group_t *g, const store_entry_t *e)
{
    const policy_account_t *account =
        policy_account(&w->config->policy, e->account);
    sync_env_t env = env_sync(&w->env);
    sync_outcome_t out;
    unsigned staged;

    w->env.origin = config_origin(w->config, e->account);

    if (account == NULL || w->env.origin == NULL) {
        g->not_before_ms = daemon_now_ms() + 5000;
        tier_log(&w->d->log, TIER_LOG_WARN,
                 "commit %llu: account %.*s has no origin in the "
                 "configuration: it waits",
                 (unsigned long long) e->number, (int) e->account.len,
                 (const char *) e->account.ptr);
        return false;
    }

    staged = take_staged(w->d, g, e->number);
    sync_carry(&env, e, policy_lookup(account, e->container, e->name).conflict,
               staged, &out);
    g->fails = out.verdict == SYNC_LATER ? g->fails + 1 : 0;
    log_outcome(w, e, &out, g->fails);
    count(w, e, &out);

    if (out.verdict == SYNC_LATER) {
        wait_after(w, g, &out);
    }

    /* not stored: it is carried again, and found to be there */
    if (!commit_outcome(w, e, &out)) {
        g->not_before_ms = daemon_now_ms() + 1000;
        return false;
    }

    /* in a lane, another blob may go on past a parked one */
    return out.verdict != SYNC_LATER
        && (out.verdict != SYNC_PARK || g->lane != 0);
}


static void
run_group(worker_t *w, group_t *g)
{
    writer_t scratch;
    store_entry_t e;
    bool more = true;

    w->config = daemon_config(w->d);

    while (more && w->config != NULL && !w->d->stop) {
        writer_init_fixed(&scratch, w->scratch, STORE_RECORD_MAX);

        if (!group_next(g, w->env.reader, store_durable(w->d->store), &scratch,
                        &e)) {
            g->not_before_ms = daemon_now_ms() + PARKED_MS;
            break;
        }

        /* the rest under the new policy, if there is one */
        more = carry_one(w, g, &e)
            && config_mtime_ns(w->d->dir) == w->config->mtime_ns;
    }

    config_unref(w->config);
    w->config = NULL;
}


static group_t *
take_group(daemon_t *d)
{
    group_t *g = NULL;

    pthread_mutex_lock(&d->lock);

    while (!d->stop && (g = groups_take(&d->groups)) == NULL) {
        pthread_cond_wait(&d->work, &d->lock);
    }

    pthread_mutex_unlock(&d->lock);
    return d->stop ? NULL : g;
}


static bool
worker_init(worker_t *w, daemon_t *d)
{
    *w = (worker_t){ .d = d };
    w->scratch = malloc(STORE_RECORD_MAX);

    if (w->scratch == NULL || env_open(&w->env, d) != TIER_OK) {
        tier_log(&w->d->log, TIER_LOG_ERROR, "a worker cannot start");
        free(w->scratch);
        return false;
    }

    return true;
}


static void
worker_done(worker_t *w)
{
    env_close(&w->env);
    free(w->scratch);
}


void *
worker_main(void *data)
{
    worker_t w;
    group_t *g;

    if (!worker_init(&w, data)) {
        return NULL;
    }

    while ((g = take_group(w.d)) != NULL) {
        run_group(&w, g);

        pthread_mutex_lock(&w.d->lock);
        g->busy = false;
        g->at = 0;
        pthread_mutex_unlock(&w.d->lock);
    }

    worker_done(&w);
    return NULL;
}


/* ---- ahead of the turn ------------------------------------------------ */

/* A commit to stage, with the group marked as used; NULL: none. */
static group_t *
take_ahead(worker_t *w, store_entry_t *e)
{
    daemon_t *d = w->d;
    group_t *g = NULL;
    writer_t scratch;

    pthread_mutex_lock(&d->lock);

    if (d->config != NULL && daemon_now_ms() >= d->calm_until_ms) {
        for (g = d->groups.first; g != NULL; g = g->next) {
            writer_init_fixed(&scratch, w->scratch, STORE_RECORD_MAX);

            if (group_ahead(g, w->env.reader, store_durable(d->store),
                            &scratch, e)) {
                g->users++;
                w->config = config_ref(d->config);
                break;
            }
        }
    }

    pthread_mutex_unlock(&d->lock);
    return g;
}


static void
stage_one(worker_t *w, group_t *g, const store_entry_t *e)
{
    sync_env_t env = env_sync(&w->env);
    unsigned blocks = 0;
    ahead_t *a;

    w->env.origin = config_origin(w->config, e->account);

    if (w->env.origin != NULL) {
        blocks = sync_stage(&env, e);
    }

    pthread_mutex_lock(&w->d->lock);
    a = group_ahead_find(g, e->number);

    if (a != NULL) {
        a->blocks = blocks;
        a->state = AHEAD_DONE;
    }

    g->users--;
    pthread_cond_broadcast(&w->d->staged);
    pthread_mutex_unlock(&w->d->lock);

    tier_log(&w->d->log, TIER_LOG_DEBUG, "commit %llu: %u blocks ahead",
             (unsigned long long) e->number, blocks);
    config_unref(w->config);
    w->config = NULL;
}


void *
stager_main(void *data)
{
    worker_t w;

    if (!worker_init(&w, data)) {
        return NULL;
    }

    while (!w.d->stop) {
        store_entry_t e;
        group_t *g = take_ahead(&w, &e);

        if (g != NULL) {
            stage_one(&w, g, &e);

        } else {
            usleep(AHEAD_IDLE_MS * 1000);
        }
    }

    worker_done(&w);
    return NULL;
}
