#include "proto/list.h"


/* What `include` may name; `both`: in List Containers too. */
static const struct {
    const char *word;
    bool both;
    bool metadata;
    bool uncommitted;
    bool copy;
    bool tags;
    bool snapshots;
} includes[] = {
    { .word = "metadata", .both = true, .metadata = true },
    { .word = "uncommittedblobs", .uncommitted = true },
    { .word = "snapshots", .snapshots = true },
    { .word = "copy", .copy = true },
    { .word = "deleted", .both = true },
    { .word = "tags", .tags = true },
    { .word = "versions" },
    { .word = "deletedwithversions" },
    { .word = "immutabilitypolicy" },
    { .word = "legalhold" },
    { .word = "system", .both = true },
};


static proto_err_t
value_fault(proto_fault_t *fault, const char *name, view_t value)
{
    return proto_fault(fault, PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE,
                       view_str(name), value);
}


static bool
include_word(view_t word, bool blobs, proto_list_opts_t *ret)
{
    for (size_t i = 0; i < sizeof(includes) / sizeof(includes[0]); i++) {
        if ((includes[i].both || blobs)
            && view_eq_ci(word, view_str(includes[i].word)))
        {
            ret->metadata |= includes[i].metadata;
            ret->uncommitted |= includes[i].uncommitted;
            ret->copy |= includes[i].copy;
            ret->snapshots |= includes[i].snapshots;
            ret->tags |= includes[i].tags;
            return true;
        }
    }

    return word.len == 0;
}


static proto_err_t
parse_include(const proto_uri_t *uri, proto_list_opts_t *ret,
              proto_fault_t *fault)
{
    view_t v = proto_uri_param(uri, PROTO_PARAM_INCLUDE);
    bool blobs = uri->container.len != 0;

    for (size_t from = 0; from < v.len;) {
        size_t to = view_find(v, ',', from);

        if (!include_word(view_trim(view_sub(v, from, to - from)), blobs, ret))
        {
            return value_fault(fault, "include", v);
        }

        from = to + 1;
    }

    return PROTO_OK;
}


static proto_err_t
max_fault(proto_fault_t *fault, view_t v)
{
    (void) proto_fault(fault, PROTO_ERR_OUT_OF_RANGE_QUERY_PARAMETER_VALUE,
                       VIEW("maxresults"), v);
    fault->min = 1;
    fault->max = PROTO_LIST_MAX;
    return fault->err;
}


static proto_err_t
parse_max(view_t v, proto_list_opts_t *ret, proto_fault_t *fault)
{
    uint64_t n;

    ret->max = PROTO_LIST_MAX;

    if (v.len == 0) {
        return PROTO_OK;
    }

    if (!view_to_u64(v, &n)) {
        return v.ptr[0] == '-' ? max_fault(fault, v)
                               : value_fault(fault, "maxresults", v);
    }

    if (n == 0) {
        return max_fault(fault, v);
    }

    ret->echo.max_results = n;
    if (n < ret->max) {
        ret->max = (unsigned) n;
    }

    return PROTO_OK;
}


/* A bound that lies inside of what a prefix stands for says nothing of the
 * prefix: the REST page has one level there. */
static proto_err_t
parse_bound(const proto_uri_t *uri, proto_param_id_t id, const char *name,
            const proto_list_opts_t *opts, view_t *ret, proto_fault_t *fault)
{
    view_t v = proto_uri_param(uri, id), folded;

    *ret = v.len != 0 ? v : VIEW_NULL;

    return v.len != 0
                && (uri->container.len == 0
                    || view_eq_ci(proto_uri_param(uri, PROTO_PARAM_COMP),
                                  VIEW("blobs"))
                    || (proto_list_fold(opts, v, &folded)
                        && folded.len < v.len))
             ? value_fault(fault, name, v)
             : PROTO_OK;
}


/* Parameters that select names. `showonly` parts files from directories, and
 * tells deleted ones, in a hierarchical namespace: a flat one has no such. */
static proto_err_t
parse_names(const proto_uri_t *uri, proto_list_opts_t *ret,
            proto_fault_t *fault)
{
    view_t v = proto_uri_param(uri, PROTO_PARAM_SHOWONLY);
    proto_err_t err = PROTO_OK;

    ret->prefix = proto_uri_param(uri, PROTO_PARAM_PREFIX);
    ret->delimiter = proto_uri_param(uri, PROTO_PARAM_DELIMITER);

    if (v.len != 0) {
        err = value_fault(fault, "showonly", v);
    }

    if (err == PROTO_OK) {
        err = parse_bound(uri, PROTO_PARAM_STARTFROM, "startFrom", ret,
                          &ret->first, fault);
    }

    if (err == PROTO_OK) {
        err = parse_bound(uri, PROTO_PARAM_ENDBEFORE, "endBefore", ret,
                          &ret->before, fault);
    }

    return err;
}


proto_err_t
proto_list_parse(const proto_uri_t *uri, writer_t *scratch,
                 proto_list_opts_t *ret, proto_fault_t *fault)
{
    view_t folded;

    memset(ret, 0, sizeof(*ret));

    ret->echo.container = uri->container;
    ret->echo.prefix = proto_uri_param(uri, PROTO_PARAM_PREFIX);
    ret->echo.delimiter = proto_uri_param(uri, PROTO_PARAM_DELIMITER);
    ret->echo.marker = proto_uri_param(uri, PROTO_PARAM_MARKER);

    proto_err_t err = parse_names(uri, ret, fault);

    if (err == PROTO_OK) {
        err = parse_max(proto_uri_param(uri, PROTO_PARAM_MAXRESULTS), ret,
                        fault);
    }

    if (err == PROTO_OK) {
        err = parse_include(uri, ret, fault);
    }

    if (err != PROTO_OK) {
        return err;
    }

    if (!proto_marker_parse(ret->echo.marker, scratch, &ret->after,
                            &ret->after_snapshot))
    {
        return value_fault(fault, "marker", ret->echo.marker);
    }

    ret->after_prefix = ret->after.len != 0 && ret->after_snapshot == 0
                     && proto_list_fold(ret, ret->after, &folded)
                     && folded.len == ret->after.len;

    if (ret->first.len != 0 && view_cmp(ret->first, ret->after) > 0) {
        ret->after = ret->first;
        ret->after_too = true;
        ret->after_prefix = false;
        ret->after_snapshot = 0;
    }

    return PROTO_OK;
}


proto_err_t
proto_list_check(const proto_uri_t *uri, proto_fault_t *fault)
{
    proto_list_opts_t opts = { 0 };
    proto_err_t err = parse_names(uri, &opts, fault);

    if (err == PROTO_OK) {
        err = parse_max(proto_uri_param(uri, PROTO_PARAM_MAXRESULTS), &opts,
                        fault);
    }

    return err == PROTO_OK ? parse_include(uri, &opts, fault) : err;
}


bool
proto_list_includes_metadata(const proto_uri_t *uri)
{
    proto_list_opts_t opts = { 0 };
    proto_fault_t fault;

    return parse_include(uri, &opts, &fault) == PROTO_OK && opts.metadata;
}


bool
proto_list_fold(const proto_list_opts_t *opts, view_t name, view_t *ret_prefix)
{
    view_t d = opts->delimiter;

    if (d.len == 0 || !view_starts_with(name, opts->prefix)) {
        return false;
    }

    for (size_t at = view_find(name, d.ptr[0], opts->prefix.len);
         at + d.len <= name.len; at = view_find(name, d.ptr[0], at + 1))
    {
        if (view_eq(view_sub(name, at, d.len), d)) {
            *ret_prefix = view_sub(name, 0, at + d.len);
            return true;
        }
    }

    return false;
}


proto_err_t
proto_block_list_type(const proto_uri_t *uri, bool *ret_committed,
                      bool *ret_uncommitted, proto_fault_t *fault)
{
    view_t v = proto_uri_param(uri, PROTO_PARAM_BLOCKLISTTYPE);
    bool all = view_eq_ci(v, VIEW("all"));

    *ret_committed = all || v.len == 0 || view_eq_ci(v, VIEW("committed"));
    *ret_uncommitted = all || view_eq_ci(v, VIEW("uncommitted"));

    if (!*ret_committed && !*ret_uncommitted) {
        return value_fault(fault, "blocklisttype", v);
    }

    return PROTO_OK;
}
