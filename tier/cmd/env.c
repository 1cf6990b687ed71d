#include "cmd/env.h"

#include <fcntl.h>
#include <stdlib.h>


static tier_rc_t
env_request(void *ctx, unsigned lane, const origin_req_t *req,
            origin_answer_t *ret)
{
    env_t *env = ctx;

    if (env->conn[lane] == NULL
        && origin_conn_new(&env->conn[lane]) != TIER_OK) {
        return TIER_ENOMEM;
    }

    return origin_request(env->conn[lane], env->origin, req, ret);
}


static tier_rc_t
env_extents(void *ctx, uint64_t content, uint64_t offset, store_extent_t *ret,
            unsigned max, unsigned *ret_n)
{
    env_t *env = ctx;

    return store_extents_get(env->reader, content, offset, UINT64_MAX - offset,
                             ret, max, ret_n);
}


static int
env_open_file(void *ctx, store_file_kind_t kind, uint64_t file)
{
    const env_t *env = ctx;
    char path[STORE_PATH_MAX];

    if (store_file_path(env->d->store, kind, file, path, sizeof(path))
        != TIER_OK) {
        return -1;
    }

    return open(path, O_RDONLY | O_CLOEXEC);
}


/* Was this ETag what the edge knew of the blob when it made the entry? */
static bool
env_knew(void *ctx, const store_entry_t *e, view_t etag)
{
    env_t *env = ctx;
    uint8_t *buf = malloc(STORE_RECORD_MAX);
    store_fact_t fact;
    writer_t scratch;
    bool knew = false;

    if (buf != NULL) {
        writer_init_fixed(&scratch, buf, STORE_RECORD_MAX);
        knew = store_fact_get(env->reader, e->account, e->container, e->name,
                              &scratch, &fact)
                == TIER_OK
            && fact.exists && view_eq(fact.origin_etag, etag)
            && fact.checked_at_ms <= e->committed_at_ms;
        free(buf);
    }

    return knew;
}


typedef struct lane_s {
    pthread_t thread;
    void (*fn)(void *job, unsigned i, unsigned lane);
    void *job;
    _Atomic unsigned *next;
    unsigned n;
    unsigned lane;
} lane_t;


static void *
lane_main(void *data)
{
    lane_t *l = data;

    for (unsigned i; (i = atomic_fetch_add(l->next, 1)) < l->n;) {
        l->fn(l->job, i, l->lane);
    }

    return NULL;
}


static void
env_parallel(void *ctx, unsigned n,
             void (*fn)(void *job, unsigned i, unsigned lane), void *job)
{
    lane_t lanes[DAEMON_LANES];
    _Atomic unsigned next = 0;
    unsigned started = 1;

    (void) ctx;

    for (unsigned i = 0; i < DAEMON_LANES; i++) {
        lanes[i] =
            (lane_t){ .fn = fn, .job = job, .next = &next, .n = n, .lane = i };
    }

    for (; started < DAEMON_LANES && started < n; started++) {
        if (pthread_create(&lanes[started].thread, NULL, lane_main,
                           &lanes[started])
            != 0)
        {
            break;
        }
    }

    (void) lane_main(&lanes[0]);

    for (unsigned i = 1; i < started; i++) {
        pthread_join(lanes[i].thread, NULL);
    }
}


tier_rc_t
env_open(env_t *env, daemon_t *d)
{
    *env = (env_t){ .d = d };
    return store_reader_open(d->store, &env->reader);
}


void
env_close(env_t *env)
{
    for (unsigned i = 0; i < DAEMON_LANES; i++) {
        origin_conn_free(env->conn[i]);
    }

    store_reader_close(env->reader);
}


sync_env_t
env_sync(env_t *env)
{
    return (sync_env_t){ .ctx = env,
                         .request = env_request,
                         .extents = env_extents,
                         .open_file = env_open_file,
                         .parallel = env_parallel,
                         .knew = env_knew,
                         .edge_id = store_uuid(env->d->store),
                         .log = &env->d->log };
}
