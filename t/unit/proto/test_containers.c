#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "proto/containers.h"

/*
 * An origin that pages by names, containers of ours beside it, and what a
 * client should see, for pages of every size.
 */
#define NAMES 16

static char doc[16 * 1024];
static char out_buf[16 * 1024];


static size_t
element(char *at, const char *name, const char *who)
{
    return (size_t) sprintf(at,
                            "<Container><Name>%s</Name><Properties><Etag>%s"
                            "</Etag></Properties><Metadata><Container>x"
                            "</Container><Name>no</Name></Metadata>"
                            "</Container>",
                            name, who);
}


/* Its marker is "<" and the next name. */
static view_t
origin_page(const char *const *names, view_t marker, unsigned max)
{
    size_t len = (size_t) sprintf(
        doc,
        "<?xml version=\"1.0\"?><EnumerationResults ServiceEndpoint="
        "\"http://x/\"><MaxResults>%u</MaxResults><Containers>",
        max);
    const char *const *n = names;

    while (*n != NULL && marker.len != 0
           && view_cmp(view_str(*n), view_sub(marker, 1, marker.len)) < 0)
    {
        n++;
    }

    for (; *n != NULL && max != 0; n++, max--) {
        len += element(doc + len, *n, "origin");
    }

    len += (size_t) sprintf(doc + len,
                            "</Containers><NextMarker>%s%s"
                            "</NextMarker></EnumerationResults>",
                            *n != NULL ? "&lt;" : "", *n != NULL ? *n : "");
    return view_of(doc, len);
}


static view_t
merged(view_t xml, const proto_containers_t *ask, const proto_pending_t *ours,
       unsigned n)
{
    writer_t w;

    writer_init_fixed(&w, out_buf, sizeof(out_buf) - 1);
    proto_containers_merge(&w, xml, ask, ours, n);
    assert_true(writer_ok(&w));
    out_buf[w.len] = 0;
    return writer_view(&w);
}


/* The marker as a client would send it back. */
static size_t
next_marker(char *ret)
{
    const char *from = strstr(out_buf, "<NextMarker>") + 12;
    size_t n = 0;

    for (; *from != '<'; from++) {
        if (strncmp(from, "&lt;", 4) == 0) {
            ret[n++] = '<';
            from += 3;

        } else {
            ret[n++] = *from;
        }
    }

    return n;
}


static unsigned
collect(char (*got)[40], unsigned n)
{
    const char *at = out_buf;

    while ((at = strstr(at, "<Container><Name>")) != NULL) {
        const char *etag = strstr(at, "<Etag>") + 6;
        size_t len = strcspn(at += 17, "<");

        assert_true(n < NAMES);
        sprintf(got[n++], "%.*s %.*s", (int) len, at, (int) strcspn(etag, "<"),
                etag);
    }

    return n;
}


static void
walk(const char *const *theirs, const char *const *ours,
     const char *const *want, unsigned max)
{
    char got[NAMES][40], xml[NAMES][256], text[128];
    proto_pending_t pending[NAMES];
    proto_uri_t uri;
    unsigned n = 0, k = 0, turns = 0;

    memset(&uri, 0, sizeof(uri));

    for (; ours[k] != NULL; k++) {
        size_t len = element(xml[k], ours[k], "ours");

        pending[k].name = view_str(ours[k]);
        pending[k].xml = view_of(xml[k], len);
    }

    do {
        proto_containers_t ask;
        unsigned before = n;

        proto_containers_parse(&uri, &ask);
        ask.max = max;
        (void) merged(origin_page(theirs, ask.marker, max), &ask, pending, k);
        n = collect(got, n);
        assert_true(n - before <= max);
        uri.known[PROTO_PARAM_MARKER] = view_of(text, next_marker(text));
        assert_true(++turns < 40);
    } while (uri.known[PROTO_PARAM_MARKER].len != 0);

    for (unsigned i = 0; i < n || want[i] != NULL; i++) {
        assert_true(i < n && want[i] != NULL);
        assert_string_equal(got[i], want[i]);
    }
}


static void
pages(void **state)
{
    static const char *const theirs[] = { "bb", "cc", "ee", "ff", "gg", NULL };
    static const char *const ours[] = { "aa", "ab", "cc", "cd", "hh", NULL };
    static const char *const want[] = { "aa ours",   "ab ours",   "bb origin",
                                        "cc origin", "cd ours",   "ee origin",
                                        "ff origin", "gg origin", "hh ours",
                                        NULL };
    static const char *const none[] = { NULL };
    static const char *const only[] = { "aa ours", "ab ours", "cc ours",
                                        "cd ours", "hh ours", NULL };
    static const char *const alone[] = { "bb origin", "cc origin", "ee origin",
                                         "ff origin", "gg origin", NULL };

    (void) state;

    for (unsigned max = 1; max < 12; max++) {
        walk(theirs, ours, want, max);
        walk(none, ours, only, max);
        walk(theirs, none, alone, max);
        walk(none, none, none, max);
    }
}


/* A marker of the origin's own: where it begins is the first name there. */
static void
blind(void **state)
{
    proto_pending_t ours[] = { { VIEW("aa"), VIEW("<a/>") },
                               { VIEW("cc"), VIEW("<c/>") } };
    proto_uri_t uri = { .known = { [PROTO_PARAM_MARKER] = VIEW("m") } };
    proto_containers_t ask;

    (void) state;
    proto_containers_parse(&uri, &ask);
    assert_true(ask.blind);
    merged(VIEW("<x><Containers><Container><Name>bb</Name></Container>"
                "</Containers><NextMarker/></x>"),
           &ask, ours, 2);
    assert_null(strstr(out_buf, "<a/>"));
    assert_non_null(strstr(out_buf, "</Container><c/></Containers>"));
}


/* Of a deleted one and ours of the same name both are there. */
static void
deleted(void **state)
{
    proto_pending_t ours[] = { { VIEW("aa"), VIEW("<ours/>") } };
    proto_containers_t ask = { .max = 1 };

    (void) state;
    merged(VIEW("<x><Containers><Container><Name>aa</Name><Deleted>true"
                "</Deleted><Version>1</Version><Properties/></Container>"
                "<Container><Name>aa</Name><Deleted>true</Deleted>"
                "<Version>2</Version><Properties/></Container>"
                "</Containers><NextMarker/></x>"),
           &ask, ours, 1);
    assert_non_null(strstr(out_buf, "<ours/>"));
    assert_non_null(strstr(out_buf, "<Version>1<"));
    assert_non_null(strstr(out_buf, "<Version>2<"));
    assert_non_null(strstr(out_buf, "<NextMarker></NextMarker>"));
}


static void
unreadable(void **state)
{
    static const char *const docs[] = {
        "",
        "<x/>",
        "<Containers>",
        "<Containers><Container>",
        "<x><Containers><Container><Name>a</Name></Container>",
        "<x><Containers><Other/></Containers></x>",
        "<x><Containers><Container></Container></Containers></x>",
    };
    proto_pending_t ours[] = { { VIEW("aa"), VIEW("<ours/>") } };
    proto_containers_t ask = { .max = 5 };

    (void) state;

    for (size_t i = 0; i < sizeof(docs) / sizeof(docs[0]); i++) {
        merged(view_str(docs[i]), &ask, ours, 1);
        assert_string_equal(out_buf, docs[i]);
    }

    merged(VIEW("<x><Containers /><NextMarker /></x>"), &ask, ours, 1);
    assert_string_equal(out_buf,
                        "<x><Containers><ours/></Containers><NextMarker>"
                        "</NextMarker></EnumerationResults>");
}


static void
asked(void **state)
{
    static const struct {
        const char *marker;
        const char *want;
        const char *last;
    } rows[] = {
        { "", "comp=list&max%72esults=3", "" },
        { "plain", "comp=list&max%72esults=3&marker=plain", "" },
        { "edge!bb!/a b", "comp=list&max%72esults=3&marker=%2Fa%20b", "bb" },
        { "edge!bb!", "comp=list&max%72esults=3", "bb" },
        { "edge!bb!edge!cc!d", "comp=list&max%72esults=3&marker=edge%21cc%21d",
          "bb" },
        { "edge!<bb", "comp=list&max%72esults=3", "<bb" },
    };
    char text[256], tmp[256];
    writer_t w, scratch;

    (void) state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        proto_uri_t uri = {
            .known = { [PROTO_PARAM_MARKER] = view_str(rows[i].marker),
                       [PROTO_PARAM_MAXRESULTS] = VIEW("3"),
                       [PROTO_PARAM_INCLUDE] = VIEW("metadata") }
        };
        proto_containers_t ask;

        proto_containers_parse(&uri, &ask);
        assert_int_equal(ask.max, 3);
        assert_true(ask.metadata);
        assert_true(view_eq(ask.last, view_str(rows[i].last)));
        writer_init_fixed(&w, text, sizeof(text));
        writer_init_fixed(&scratch, tmp, sizeof(tmp));
        proto_containers_query(
            &w, VIEW("comp=list&mar%6Ber=x&max%72esults=3&"), &ask, &scratch);
        writer_putc(&w, 0);
        assert_string_equal(text, rows[i].want);
    }

    /* what came with it goes back as text */
    proto_containers_t ask = { .last = VIEW("<b"), .max = 1 };

    merged(VIEW("<x><Containers></Containers><NextMarker>n</NextMarker></x>"),
           &ask, NULL, 0);
    assert_non_null(strstr(out_buf, "<NextMarker>edge!&lt;b!n</NextMarker>"));
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages),   cmocka_unit_test(blind),
        cmocka_unit_test(deleted), cmocka_unit_test(unreadable),
        cmocka_unit_test(asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
