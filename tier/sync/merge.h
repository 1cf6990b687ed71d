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
 *                     clients were given, while its ETag is still the one
 *                     they stand for
 *   no record         the origin's item as it is
 *
 * The index is looked at before the origin is asked, so that a commit carried
 * in between is seen in one of the two. A marker holds the origin's marker and
 * the last name given: any page can be begun again at any cut.
 */
typedef struct sync_list_s {
    view_t prefix;
    view_t delimiter; /* empty: flat */
    view_t marker;    /* ours, as given to the client; empty: the first page */
    unsigned max;     /* items, 1..5000 */
    bool metadata;
    bool uncommitted;
} sync_list_t;

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
    void (*emit)(void *ctx, view_t name, bool prefix, bool uncommitted,
                 const blob_props_t *props);
} sync_merge_env_t;

/* Writes the next marker into `next` (empty at the end). TIER_EINVAL: the
 * marker is not one of ours. */
TIER_MUST_CHECK tier_rc_t sync_merge_list(const sync_merge_env_t *env,
                                          const sync_list_t *list,
                                          writer_t *next);

#endif
