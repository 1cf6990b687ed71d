#ifndef SYNC_MERGE_H
#define SYNC_MERGE_H

#include "origin/origin.h"
#include "store/store.h"

/*
 * List Blobs over two ordered sources: the origin's pages and the index.
 *
 *   dirty, owned      ours, whatever the origin has
 *   tombstone         hidden
 *   clean, alias      the origin's item, with the ETag and Last-Modified that
 *                     clients were given, and a copy that was made here, while
 *                     its ETag is still the one they stand for
 *   no record         the origin's item as it is
 *
 * Snapshots, former versions and deleted blobs are the origin's and given as
 * they are: records speak of what a name stands for now. Nothing that the
 * origin says of an item is left out.
 *
 * The index is looked at before the origin is asked, so that a commit carried
 * in between is seen in one of the two. A marker holds the origin's marker and
 * the last item given: any page can be begun again at any cut.
 *
 * An origin is not asked to begin at a name: pages before `first` are read and
 * dropped. After some of them an empty page with a marker is given.
 */
typedef struct sync_list_s {
    view_t prefix;
    view_t delimiter; /* empty: flat */
    view_t marker;    /* ours, as given to the client; empty: the first page */
    unsigned max;     /* items, 1..5000 */
    view_t first;     /* names below it are not wanted; may be null */
    view_t before;    /* nor are those from here on; may be null */
    bool uncommitted;
    bool many; /* names may have several items at the origin */
} sync_list_t;

typedef struct sync_item_s {
    view_t name;
    bool prefix;
    bool uncommitted;
    const blob_props_t *props;
    const proto_list_said_t *said; /* the origin's item; NULL: ours */
} sync_item_t;

typedef struct sync_merge_env_s {
    void *ctx;
    /* One page of the origin. TIER_NOT_FOUND: no such container there;
     * TIER_EORIGIN: no answer (the caller's ctx knows more). */
    tier_rc_t (*page)(void *ctx, view_t prefix, view_t delimiter,
                      view_t marker, unsigned max, origin_page_t *ret);
    tier_rc_t (*scan)(void *ctx, const store_scan_t *scan, store_blob_fn fn,
                      void *fn_ctx);
    /* Deleted here and not at the origin yet? */
    bool (*is_tombstone)(void *ctx, view_t name);
    /* One item of the result, in order. */
    void (*emit)(void *ctx, const sync_item_t *item);
} sync_merge_env_t;

/* Writes the next marker into `next` (empty at the end). TIER_EINVAL: the
 * marker is not one of ours. */
TIER_MUST_CHECK tier_rc_t sync_merge_list(const sync_merge_env_t *env,
                                          const sync_list_t *list,
                                          writer_t *next);

#endif
