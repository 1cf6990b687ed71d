#ifndef PROTO_COND_H
#define PROTO_COND_H

#include "base/view.h"
#include "proto/error.h"

/*
 * Conditional headers (REST: "Specifying conditional headers for Blob service
 * operations"; RFC 9110 section 13). Plain data with borrowed views: glue
 * copies it to where a commit's check can read it from a thread.
 */
typedef struct proto_cond_s {
    view_t if_match;
    view_t if_none_match;
    bool has_modified_since;
    bool has_unmodified_since;
    int64_t modified_since_s;
    int64_t unmodified_since_s;
    view_t if_tags; /* an expression (proto/tags.h); null: none */
} proto_cond_t;

static inline bool
proto_cond_any(const proto_cond_t *c)
{
    return c->if_match.ptr != NULL || c->if_none_match.ptr != NULL
        || c->has_modified_since || c->has_unmodified_since
        || c->if_tags.ptr != NULL;
}

/* What the resource is now. Etags without quotes; origin_etag null: none.
 * Either of them satisfies an ETag condition. */
typedef struct proto_cond_state_s {
    bool exists;
    view_t etag;
    view_t origin_etag;
    int64_t last_modified_s;
    view_t tags; /* packed pairs: all of them */
} proto_cond_state_t;

/* A read: PROTO_OK, PROTO_ERR_NOT_MODIFIED (304) or CONDITION_NOT_MET. */
proto_err_t proto_cond_check_read(const proto_cond_t *cond,
                                  const proto_cond_state_t *state);
/* A write. If one that makes a blob must not find one (If-None-Match: *), that
 * is BLOB_ALREADY_EXISTS, all else is CONDITION_NOT_MET. */
proto_err_t proto_cond_check_write(const proto_cond_t *cond,
                                   const proto_cond_state_t *state,
                                   bool makes_blob);
/* Combinations that are refused before anything is looked up; of a write also
 * several ETags in one header ("Specifying conditional headers for Blob
 * service operations" has those for Get Blob and Get Blob Properties). */
proto_err_t proto_cond_check_form(const proto_cond_t *cond, bool write);

/* The date of a condition, for an origin that says `origin_s` of the version
 * that clients here know as of `ours_s`: it decides the same of that version,
 * and of later ones as they say. 0: not known. */
int64_t proto_cond_since(int64_t t_s, int64_t ours_s, int64_t origin_s);

#endif
