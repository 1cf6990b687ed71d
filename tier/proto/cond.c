#include "proto/cond.h"

#include "proto/tags.h"


/* Quotes and a weak mark are the writing, not the tag: clients echo either
 * (blob-api 2.8). */
static view_t
bare_etag(view_t v)
{
    v = view_trim(v);

    if (view_starts_with(v, VIEW("W/"))) {
        v = view_sub(v, 2, v.len);
    }

    if (v.len >= 2 && v.ptr[0] == '"' && v.ptr[v.len - 1] == '"') {
        v = view_sub(v, 1, v.len - 2);
    }

    return v;
}


static bool
is_any(view_t v)
{
    return view_eq(view_trim(v), VIEW("*"));
}


static bool
is_list(view_t v)
{
    return view_find(v, ',', 0) < v.len;
}


/* A list of entity tags (RFC 9110 13.1.1) against either of ours. */
static bool
etag_listed(view_t list, const proto_cond_state_t *st)
{
    for (size_t from = 0; from < list.len;) {
        size_t to = view_find(list, ',', from);
        view_t tag = bare_etag(view_sub(list, from, to - from));

        if (tag.len != 0
            && (view_eq(tag, st->etag)
                || (st->origin_etag.len != 0
                    && view_eq(tag, st->origin_etag))))
        {
            return true;
        }

        from = to + 1;
    }

    return false;
}


static bool
matches(view_t list, const proto_cond_state_t *st)
{
    return st->exists && (is_any(list) || etag_listed(list, st));
}


proto_err_t
proto_cond_check_form(const proto_cond_t *c, bool write)
{
    bool im = c->if_match.ptr != NULL, inm = c->if_none_match.ptr != NULL;
    bool ims = c->has_modified_since, ius = c->has_unmodified_since;

    if (!write) {
        return inm && is_any(c->if_none_match)
                 ? PROTO_ERR_UNSATISFIABLE_CONDITION
                 : PROTO_OK;
    }

    /* one header, or IM+IUS, or INM+IMS; lists of ETags are for reads */
    if ((im && (inm || ims)) || (inm && ius) || (ims && ius)
        || is_list(c->if_match) || is_list(c->if_none_match))
    {
        return PROTO_ERR_MULTIPLE_CONDITION_HEADERS_NOT_SUPPORTED;
    }

    return PROTO_OK;
}


/* A blob that is not there has no tags to meet a condition, not even `<>`. */
static bool
tags_hold(const proto_cond_t *c, const proto_cond_state_t *st)
{
    bool match;

    return c->if_tags.ptr == NULL
        || (st->exists
            && proto_tags_match(PROTO_TAGS_IF, c->if_tags, st->tags, VIEW_NULL,
                                &match)
            && match);
}


/* (2013-08-15 and later) IM and IUS and (INM or IMS) */
proto_err_t
proto_cond_check_read(const proto_cond_t *c, const proto_cond_state_t *st)
{
    bool changed = true;

    if (!tags_hold(c, st)) {
        return PROTO_ERR_CONDITION_NOT_MET;
    }

    if (c->if_match.ptr != NULL && !matches(c->if_match, st)) {
        return PROTO_ERR_CONDITION_NOT_MET;
    }

    if (c->has_unmodified_since && st->last_modified_s > c->unmodified_since_s)
    {
        return PROTO_ERR_CONDITION_NOT_MET;
    }

    if (c->if_none_match.ptr != NULL || c->has_modified_since) {
        changed =
            (c->if_none_match.ptr != NULL && !matches(c->if_none_match, st))
            || (c->has_modified_since
                && st->last_modified_s > c->modified_since_s);
    }

    return changed ? PROTO_OK : PROTO_ERR_NOT_MODIFIED;
}


proto_err_t
proto_cond_check_write(const proto_cond_t *c, const proto_cond_state_t *st,
                       bool makes_blob)
{
    if (!tags_hold(c, st)) {
        return PROTO_ERR_CONDITION_NOT_MET;
    }

    if (c->if_match.ptr != NULL) { /* decides alone when paired with IUS */
        return matches(c->if_match, st) ? PROTO_OK
                                        : PROTO_ERR_CONDITION_NOT_MET;
    }

    if (c->if_none_match.ptr != NULL && matches(c->if_none_match, st)) {
        return is_any(c->if_none_match) && makes_blob
                 ? PROTO_ERR_BLOB_ALREADY_EXISTS
                 : PROTO_ERR_CONDITION_NOT_MET;
    }

    if (!st->exists) {
        return PROTO_OK;
    }

    if (c->has_unmodified_since && st->last_modified_s > c->unmodified_since_s)
    {
        return PROTO_ERR_CONDITION_NOT_MET;
    }

    if (c->has_modified_since && c->if_none_match.ptr == NULL
        && st->last_modified_s <= c->modified_since_s)
    {
        return PROTO_ERR_CONDITION_NOT_MET;
    }

    return PROTO_OK;
}


int64_t
proto_cond_since(int64_t t_s, int64_t ours_s, int64_t origin_s)
{
    if (ours_s == 0 || origin_s == 0) {
        return t_s;
    }

    if (t_s >= ours_s) {
        return t_s > origin_s ? t_s : origin_s;
    }

    return t_s < origin_s ? t_s : origin_s - 1;
}
