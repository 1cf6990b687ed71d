#ifndef CMD_GROUPS_H
#define CMD_GROUPS_H

#include "cmd/config.h"
#include "store/store.h"

/*
 * Order groups: what is carried one after the other. A container is one; where
 * the policy says `order none` it is GROUP_LANES of them, by the blob's name,
 * so that only the commits of one blob keep their order. Changes of the
 * container itself wait for what is before them and hold up what is behind.
 *
 * All under the lock of whoever owns the table, but what is said to be the
 * worker's.
 */
#define GROUP_LANES 16
#define GROUP_AHEAD 32

typedef enum { AHEAD_NONE = 0, AHEAD_UNDER_WAY, AHEAD_DONE } ahead_state_t;

/* Blocks of a commit uploaded ahead of its turn. */
typedef struct ahead_s {
    uint64_t number;
    ahead_state_t state;
    unsigned blocks; /* 0: it failed; the turn does it again */
} ahead_t;

typedef struct group_s {
    char account[STORE_LABEL_MAX];
    char container[STORE_LABEL_MAX];
    size_t account_len, container_len;
    unsigned lane;  /* 0: the whole container; else 1 + a name's lane */
    bool busy;      /* a worker has it, or it waits for one */
    bool waiting;   /* in the line for a worker */
    uint64_t at;    /* the commit whose turn it is, while busy */
    unsigned users; /* stagers that have a mark in it */
    ahead_t ahead[GROUP_AHEAD];

    /* the worker's while busy */
    unsigned fails; /* in a row */
    int64_t not_before_ms;
    struct group_s *next;
} group_t;

typedef struct groups_s {
    group_t *first;
    uint64_t seen;    /* the queue was looked through up to here */
    unsigned regroup; /* the policy changed: anew, once nobody is busy */
} groups_t;

view_t group_account(const group_t *g);
view_t group_container(const group_t *g);

/* Groups of entries that came since the last call. */
TIER_MUST_CHECK tier_rc_t groups_discover(groups_t *gs, store_reader_t *reader,
                                          uint64_t durable,
                                          const config_t *config);
/* Marks those that can go on as waiting and busy, forgets those with nothing
 * left; whether there is one that waits. */
bool groups_wake(groups_t *gs, store_reader_t *reader, uint64_t durable,
                 int64_t now_ms);
group_t *groups_take(groups_t *gs);
void groups_free(groups_t *gs);

/* The commit whose turn it is, no lock needed: false when there is none, it is
 * not durable yet or parked. ret's views point into scratch. */
bool group_next(const group_t *g, store_reader_t *reader, uint64_t durable,
                writer_t *scratch, store_entry_t *ret);

/* A commit to upload ahead of its turn, marked as under way; as group_next,
 * but with the lock. */
bool group_ahead(group_t *g, store_reader_t *reader, uint64_t durable,
                 writer_t *scratch, store_entry_t *ret);
/* Its mark, or NULL. With the lock. */
ahead_t *group_ahead_find(group_t *g, uint64_t number);

#endif
