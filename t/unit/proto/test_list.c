#include <string.h>

#include "unit.h"

#include "proto/list.h"


static proto_uri_t uri;
static proto_list_opts_t opts;
static proto_fault_t fault;
static char buf[4096];


static int
fresh(void **state)
{
    (void) state;
    memset(&uri, 0, sizeof(uri));
    memset(&fault, 0, sizeof(fault));
    uri.container = VIEW("con");
    return 0;
}


static proto_err_t
parse(void)
{
    writer_t w;

    writer_init_fixed(&w, buf, sizeof(buf));
    return proto_list_parse(&uri, &w, &opts, &fault);
}


static void
defaults(void **state)
{
    (void) state;
    assert_int_equal(parse(), PROTO_OK);
    assert_int_equal(opts.max, 5000);
    assert_int_equal(opts.echo.max_results, 0);
    assert_false(opts.metadata);
    assert_int_equal(opts.after.len, 0);
}


static void
max_results(void **state)
{
    (void) state;
    uri.known[PROTO_PARAM_MAXRESULTS] = VIEW("7");
    assert_int_equal(parse(), PROTO_OK);
    assert_int_equal(opts.max, 7);
    uri.known[PROTO_PARAM_MAXRESULTS] = VIEW("99999");
    assert_int_equal(parse(), PROTO_OK);
    assert_int_equal(opts.max, 5000);
    uri.known[PROTO_PARAM_MAXRESULTS] = VIEW("0");
    assert_int_equal(parse(), PROTO_ERR_OUT_OF_RANGE_QUERY_PARAMETER_VALUE);
    uri.known[PROTO_PARAM_MAXRESULTS] = VIEW("-1");
    assert_int_equal(parse(), PROTO_ERR_OUT_OF_RANGE_QUERY_PARAMETER_VALUE);
    uri.known[PROTO_PARAM_MAXRESULTS] = VIEW("many");
    assert_int_equal(parse(), PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE);
}


static void
include(void **state)
{
    (void) state;
    uri.known[PROTO_PARAM_INCLUDE] =
        VIEW("snapshots,metadata,UncommittedBlobs,versions,");
    assert_int_equal(parse(), PROTO_OK);
    assert_true(opts.metadata);
    assert_true(opts.uncommitted);
    assert_true(opts.snapshots);
    uri.known[PROTO_PARAM_INCLUDE] = VIEW("metadata");
    assert_int_equal(parse(), PROTO_OK);
    assert_false(opts.snapshots);
    uri.known[PROTO_PARAM_INCLUDE] = VIEW("metadata,permissions");
    assert_int_equal(parse(), PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE);
    assert_view(fault.name, "include");
}


static void
folds(void **state)
{
    view_t prefix;

    (void) state;
    uri.known[PROTO_PARAM_PREFIX] = VIEW("a/");
    uri.known[PROTO_PARAM_DELIMITER] = VIEW("/");
    assert_int_equal(parse(), PROTO_OK);
    assert_false(proto_list_fold(&opts, VIEW("a/b"), &prefix));
    assert_true(proto_list_fold(&opts, VIEW("a/b/c/d"), &prefix));
    assert_view(prefix, "a/b/");
    assert_true(proto_list_fold(&opts, VIEW("a//"), &prefix));
    assert_view(prefix, "a//");

    uri.known[PROTO_PARAM_DELIMITER] = VIEW("::");
    assert_int_equal(parse(), PROTO_OK);
    assert_false(proto_list_fold(&opts, VIEW("a/b:c"), &prefix));
    assert_true(proto_list_fold(&opts, VIEW("a/b:::c"), &prefix));
    assert_view(prefix, "a/b::");
}


static void
marker_of(const char *name, char *text, view_t *ret)
{
    writer_t w;

    writer_init_fixed(&w, text, 1024);
    proto_marker_format(&w, view_str(name), 0);
    *ret = writer_view(&w);
}


static void
markers(void **state)
{
    char text[1024];
    writer_t w;

    (void) state;
    uri.known[PROTO_PARAM_DELIMITER] = VIEW("/");
    marker_of("a/", text, &uri.known[PROTO_PARAM_MARKER]);
    assert_int_equal(parse(), PROTO_OK);
    assert_view(opts.after, "a/");
    assert_true(opts.after_prefix);
    assert_int_equal(opts.after_snapshot, 0);

    /* in the middle of one blob's snapshots: not past the prefix */
    writer_init_fixed(&w, text, sizeof(text));
    proto_marker_format(&w, VIEW("a/"), 5);
    uri.known[PROTO_PARAM_MARKER] = writer_view(&w);
    assert_int_equal(parse(), PROTO_OK);
    assert_view(opts.after, "a/");
    assert_false(opts.after_prefix);
    assert_int_equal(opts.after_snapshot, 5);

    marker_of("a", text, &uri.known[PROTO_PARAM_MARKER]);
    assert_int_equal(parse(), PROTO_OK);
    assert_false(opts.after_prefix);

    uri.known[PROTO_PARAM_DELIMITER] = VIEW_NULL;
    marker_of("a/", text, &uri.known[PROTO_PARAM_MARKER]);
    assert_int_equal(parse(), PROTO_OK);
    assert_false(opts.after_prefix);

    uri.known[PROTO_PARAM_MARKER] = VIEW("no marker of ours!");
    assert_int_equal(parse(), PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE);
}


static void
bounds(void **state)
{
    char text[128];

    (void) state;
    uri.known[PROTO_PARAM_PREFIX] = VIEW("d/");
    uri.known[PROTO_PARAM_STARTFROM] = VIEW("d/m");
    uri.known[PROTO_PARAM_ENDBEFORE] = VIEW("d/t/u");
    assert_int_equal(parse(), PROTO_OK);
    assert_view(opts.first, "d/m");
    assert_view(opts.before, "d/t/u");
    assert_view(opts.after, "d/m");
    assert_true(opts.after_too);

    /* a marker that is past it */
    marker_of("d/n", text, &uri.known[PROTO_PARAM_MARKER]);
    assert_int_equal(parse(), PROTO_OK);
    assert_view(opts.after, "d/n");
    assert_false(opts.after_too);
    marker_of("d/m", text, &uri.known[PROTO_PARAM_MARKER]);
    assert_int_equal(parse(), PROTO_OK);
    assert_false(opts.after_too);

    /* one that is not: of another listing */
    marker_of("d/a", text, &uri.known[PROTO_PARAM_MARKER]);
    assert_int_equal(parse(), PROTO_OK);
    assert_view(opts.after, "d/m");
    assert_true(opts.after_too);
    uri.known[PROTO_PARAM_MARKER] = VIEW_NULL;

    /* one level with a delimiter */
    uri.known[PROTO_PARAM_DELIMITER] = VIEW("/");
    assert_int_equal(parse(), PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE);
    assert_view(fault.name, "endBefore");
    uri.known[PROTO_PARAM_ENDBEFORE] = VIEW("d/t/");
    assert_int_equal(parse(), PROTO_OK);
    uri.known[PROTO_PARAM_ENDBEFORE] = VIEW("e/f/g"); /* past the prefix */
    assert_int_equal(parse(), PROTO_OK);
    uri.known[PROTO_PARAM_STARTFROM] = VIEW("d/t/x");
    assert_int_equal(parse(), PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE);
    assert_view(fault.name, "startFrom");

    uri.known[PROTO_PARAM_STARTFROM] = VIEW("");
    uri.known[PROTO_PARAM_ENDBEFORE] = VIEW("");
    assert_int_equal(parse(), PROTO_OK);
    assert_int_equal(opts.first.len + opts.before.len, 0);
    assert_false(opts.after_too);
}


/* Another operation that takes markers and prefixes has no such. */
static void
bounds_of_a_search(void **state)
{
    (void) state;
    uri.known[PROTO_PARAM_COMP] = VIEW("blobs");
    assert_int_equal(parse(), PROTO_OK);
    uri.known[PROTO_PARAM_STARTFROM] = VIEW("d");
    assert_int_equal(parse(), PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE);
}


static void
block_lists(void **state)
{
    bool committed, uncommitted;

    (void) state;
    assert_int_equal(
        proto_block_list_type(&uri, &committed, &uncommitted, &fault),
        PROTO_OK);
    assert_true(committed && !uncommitted);
    uri.known[PROTO_PARAM_BLOCKLISTTYPE] = VIEW("All");
    assert_int_equal(
        proto_block_list_type(&uri, &committed, &uncommitted, &fault),
        PROTO_OK);
    assert_true(committed && uncommitted);
    uri.known[PROTO_PARAM_BLOCKLISTTYPE] = VIEW("some");
    assert_int_equal(
        proto_block_list_type(&uri, &committed, &uncommitted, &fault),
        PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE);
}


/* What is merged is held to the same rules as what is made here. */
static void
checked(void **state)
{
    static const struct {
        proto_param_id_t id;
        const char *value;
        bool blobs;
        bool containers;
    } cases[] = {
        { PROTO_PARAM_STARTFROM, "a", true, false },
        { PROTO_PARAM_ENDBEFORE, "a", true, false },
        { PROTO_PARAM_SHOWONLY, "files", false, false },
        { PROTO_PARAM_INCLUDE, "permissions", false, false },
        { PROTO_PARAM_INCLUDE, "metadata,deleted", true, true },
        { PROTO_PARAM_INCLUDE, "system", true, true },
        { PROTO_PARAM_INCLUDE, "snapshots", true, false },
        { PROTO_PARAM_INCLUDE, "", true, true },
        { PROTO_PARAM_MAXRESULTS, "0", false, false },
        { PROTO_PARAM_MAXRESULTS, "5001", true, true },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fresh(NULL);
        uri.known[cases[i].id] = view_str(cases[i].value);
        assert_int_equal(proto_list_check(&uri, &fault) == PROTO_OK,
                         cases[i].blobs);
        assert_int_equal(parse() == PROTO_OK, cases[i].blobs);
        uri.container = VIEW_NULL;
        assert_int_equal(proto_list_check(&uri, &fault) == PROTO_OK,
                         cases[i].containers);
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(defaults, fresh),
        cmocka_unit_test_setup(max_results, fresh),
        cmocka_unit_test_setup(include, fresh),
        cmocka_unit_test_setup(folds, fresh),
        cmocka_unit_test_setup(markers, fresh),
        cmocka_unit_test_setup(bounds, fresh),
        cmocka_unit_test_setup(bounds_of_a_search, fresh),
        cmocka_unit_test_setup(block_lists, fresh),
        cmocka_unit_test_setup(checked, fresh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
