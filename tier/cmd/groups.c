#include <stdlib.h>

#include "base/digest.h"
#include "cmd/groups.h"
#include "sync/carry.h"

#define DISCOVER_MAX 5000u /* entries a call */
#define LOOK_MAX     2000u /* entries looked through for one to carry */
#define AHEAD_MAX    256u  /* and for one to upload ahead */
#define NAMES_MAX    256


view_t
group_account(const group_t *g)
{
    return view_of(g->account, g->account_len);
}


view_t
group_container(const group_t *g)
{
    return view_of(g->container, g->container_len);
}


static uint64_t
hash_of(view_t name)
{
    return crc64_nvme(0, name.ptr, name.len);
}


static bool
is_container_change(const store_entry_t *e)
{
    return e->kind >= STORE_Q_CONTAINER_CREATE;
}


static bool
in_container(const group_t *g, const store_entry_t *e)
{
    return view_eq(group_account(g), e->account)
        && view_eq(group_container(g), e->container);
}


static bool
in_group(const group_t *g, const store_entry_t *e)
{
    return in_container(g, e)
        && (g->lane == 0 || is_container_change(e)
            || g->lane == 1 + hash_of(e->name) % GROUP_LANES);
}


/* ---- the table -------------------------------------------------------- */

static group_t *
group_get(groups_t *gs, const store_entry_t *e, unsigned lane)
{
    group_t *g;

    for (g = gs->first; g != NULL; g = g->next) {
        if (g->lane == lane && in_container(g, e)) {
            return g;
        }
    }

    g = calloc(1, sizeof(*g));

    if (g == NULL || e->account.len > sizeof(g->account)
        || e->container.len > sizeof(g->container))
    {
        free(g);
        return NULL;
    }

    memcpy(g->account, e->account.ptr, e->account.len);
    memcpy(g->container, e->container.ptr, e->container.len);
    g->account_len = e->account.len;
    g->container_len = e->container.len;
    g->lane = lane;
    g->next = gs->first;
    gs->first = g;
    return g;
}


typedef struct discover_s {
    groups_t *gs;
    const config_t *config;
    uint64_t durable;
    tier_rc_t rc;
} discover_t;


static int
discover(void *ctx, const store_entry_t *e)
{
    discover_t *d = ctx;
    const policy_account_t *account;
    unsigned lane = 0;

    if (e->number > d->durable) {
        return 1;
    }

    account = policy_account(&d->config->policy, e->account);

    if (account != NULL
        && policy_lookup(account, e->container, VIEW_NULL).ordered == 0)
    {
        lane = is_container_change(e) ? 1 : 1 + hash_of(e->name) % GROUP_LANES;
    }

    if (group_get(d->gs, e, lane) == NULL) {
        d->rc = TIER_ENOMEM;
        return 1;
    }

    d->gs->seen = e->number;
    return 0;
}


static void
forget_idle(groups_t *gs)
{
    for (group_t **p = &gs->first; *p != NULL;) {
        group_t *g = *p;

        if (g->busy || g->users != 0) {
            p = &g->next;

        } else {
            *p = g->next;
            free(g);
        }
    }
}


tier_rc_t
groups_discover(groups_t *gs, store_reader_t *reader, uint64_t durable,
                const config_t *config)
{
    discover_t d = { gs, config, durable, TIER_OK };
    tier_rc_t rc;

    if (gs->regroup) {
        forget_idle(gs);

        if (gs->first != NULL) {
            return TIER_OK;
        }

        gs->regroup = 0;
        gs->seen = 0;
    }

    rc = store_queue_scan(reader, gs->seen + 1, DISCOVER_MAX, discover, &d);
    return rc < 0 ? rc : d.rc;
}


bool
groups_wake(groups_t *gs, store_reader_t *reader, uint64_t durable,
            int64_t now_ms)
{
    bool any = false;

    for (group_t **p = &gs->first; *p != NULL;) {
        group_t *g = *p;
        uint64_t lowest = 0;

        if (g->busy || g->users != 0 || gs->regroup
            || g->not_before_ms > now_ms) {
            p = &g->next;
            continue;
        }

        if (store_dirty_upto(reader, group_account(g), group_container(g),
                             VIEW_NULL, NULL, &lowest)
                == TIER_OK
            && lowest == 0)
        {
            *p = g->next;
            free(g);
            continue;
        }

        if (lowest != 0 && lowest <= durable) {
            g->busy = true;
            g->waiting = true;
            any = true;
        }

        p = &g->next;
    }

    return any;
}


group_t *
groups_take(groups_t *gs)
{
    for (group_t *g = gs->first; g != NULL; g = g->next) {
        if (g->waiting) {
            g->waiting = false;
            return g;
        }
    }

    return NULL;
}


void
groups_free(groups_t *gs)
{
    while (gs->first != NULL) {
        group_t *g = gs->first;

        gs->first = g->next;
        free(g);
    }
}


/* ---- whose turn ------------------------------------------------------- */

typedef struct names_s {
    uint64_t hash[NAMES_MAX];
    unsigned n;
} names_t;


/* False: it is among them, or they are full. */
static bool
names_add(names_t *names, view_t name)
{
    uint64_t h = hash_of(name);

    for (unsigned i = 0; i < names->n; i++) {
        if (names->hash[i] == h) {
            return false;
        }
    }

    if (names->n == NAMES_MAX) {
        return false;
    }

    names->hash[names->n++] = h;
    return true;
}


typedef struct turn_s {
    const group_t *g;
    uint64_t durable;
    uint64_t found;
    bool behind;     /* something of the container is before it */
    names_t stopped; /* blobs with a parked commit */
} turn_t;


/* In a lane: the first commit of a blob that nothing parked is before. */
static int
lane_turn(void *ctx, const store_entry_t *e)
{
    turn_t *t = ctx;

    if (e->number > t->durable) {
        return 1;
    }

    if (!in_container(t->g, e)) {
        return 0;
    }

    if (is_container_change(e)) {
        if (!t->behind && !e->parked && t->g->lane == 1) {
            t->found = e->number;
        }

        return 1;
    }

    t->behind = true;

    if (!in_group(t->g, e)) {
        return 0;
    }

    if (e->parked) {
        return !names_add(&t->stopped, e->name) && t->stopped.n == NAMES_MAX;
    }

    for (unsigned i = 0; i < t->stopped.n; i++) {
        if (t->stopped.hash[i] == hash_of(e->name)) {
            return 0;
        }
    }

    t->found = e->number;
    return 1;
}


bool
group_next(const group_t *g, store_reader_t *reader, uint64_t durable,
           writer_t *scratch, store_entry_t *ret)
{
    turn_t t = { .g = g, .durable = durable };
    uint64_t lowest = 0;

    if (store_dirty_upto(reader, group_account(g), group_container(g),
                         VIEW_NULL, NULL, &lowest)
            != TIER_OK
        || lowest == 0 || lowest > durable)
    {
        return false;
    }

    if (g->lane == 0) {
        t.found = lowest;

    } else if (store_queue_scan(reader, lowest, LOOK_MAX, lane_turn, &t) < 0) {
        return false;
    }

    return t.found != 0
        && store_queue_get(reader, t.found, scratch, ret) == TIER_OK
        && !ret->parked;
}


/* ---- ahead of the turn ------------------------------------------------ */

ahead_t *
group_ahead_find(group_t *g, uint64_t number)
{
    for (unsigned i = 0; i < GROUP_AHEAD; i++) {
        if (g->ahead[i].state != AHEAD_NONE && g->ahead[i].number == number) {
            return &g->ahead[i];
        }
    }

    return NULL;
}


/* A free mark, or one whose turn is over. */
static ahead_t *
ahead_room(group_t *g)
{
    for (unsigned i = 0; i < GROUP_AHEAD; i++) {
        ahead_t *a = &g->ahead[i];

        if (a->state == AHEAD_NONE
            || (a->state == AHEAD_DONE && a->number < g->at)) {
            return a;
        }
    }

    return NULL;
}


typedef struct look_ahead_s {
    group_t *g;
    uint64_t durable;
    uint64_t found;
    names_t names; /* with an earlier commit in the queue */
} look_ahead_t;


static int
look_ahead(void *ctx, const store_entry_t *e)
{
    look_ahead_t *l = ctx;

    if (e->number > l->durable) {
        return 1;
    }

    if (!in_container(l->g, e)) {
        return 0;
    }

    if (is_container_change(e) || l->names.n == NAMES_MAX) {
        return 1;
    }

    if (!names_add(&l->names, e->name) || e->number <= l->g->at
        || (e->kind != STORE_Q_PUT && e->kind != STORE_Q_BLOCK_LIST)
        || e->props.content_length < SYNC_STAGE_MIN
        || group_ahead_find(l->g, e->number) != NULL)
    {
        return 0;
    }

    l->found = e->number;
    return 1;
}


bool
group_ahead(group_t *g, store_reader_t *reader, uint64_t durable,
            writer_t *scratch, store_entry_t *ret)
{
    look_ahead_t l = { .g = g, .durable = durable };
    ahead_t *mark = ahead_room(g);

    if (!g->busy || g->waiting || g->at == 0 || g->lane != 0 || mark == NULL
        || store_queue_scan(reader, g->at, AHEAD_MAX, look_ahead, &l) < 0
        || l.found == 0
        || store_queue_get(reader, l.found, scratch, ret) != TIER_OK)
    {
        return false;
    }

    *mark = (ahead_t){ l.found, AHEAD_UNDER_WAY, 0 };
    return true;
}
