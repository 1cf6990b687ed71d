#include "unit.h"

#include <stdlib.h>

#include "proto/tags.h"

static uint8_t room[PROTO_TAGS_PACKED_MAX];
static proto_fault_t fault;


/* "k=v,k=v" of packed pairs */
static const char *
text(view_t packed)
{
    static char buf[8192];
    view_t k, v;
    char *p = buf;

    *p = '\0';
    for (size_t pos = 0; props_pairs_next(packed, &pos, &k, &v);) {
        p += sprintf(p, "%s%.*s=%.*s", p == buf ? "" : ",", (int) k.len,
                     (const char *) k.ptr, (int) v.len, (const char *) v.ptr);
    }

    return buf;
}


static proto_err_t
header(const char *in, view_t *ret)
{
    writer_t w;

    writer_init_fixed(&w, room, sizeof(room));
    return proto_tags_header(in == NULL ? VIEW_NULL : view_str(in), &w, ret,
                             &fault);
}


static proto_err_t
xml(const char *in, view_t *ret)
{
    writer_t w;

    writer_init_fixed(&w, room, sizeof(room));
    return proto_tags_xml(view_str(in), &w, ret, &fault);
}


static void
headers_read(void **state)
{
    view_t t;

    (void) state;
    assert_int_equal(header("a=1&b=2", &t), PROTO_OK);
    assert_string_equal(text(t), "a=1,b=2");
    assert_int_equal(header("a=&b=2&", &t), PROTO_OK);
    assert_string_equal(text(t), "a=,b=2");
    assert_int_equal(header("a%20b=c+d%2Be%3D", &t), PROTO_OK);
    assert_string_equal(text(t), "a b=c d+e=");
    assert_int_equal(header("A=1&a=2", &t), PROTO_OK);
    assert_string_equal(text(t), "A=1,a=2");
    assert_int_equal(header("", &t), PROTO_OK);
    assert_int_equal(t.len, 0);
    assert_int_equal(header(NULL, &t), PROTO_OK);
    assert_int_equal(t.len, 0);
    assert_int_equal(header("a-b.c/d:e_f=/x", &t), PROTO_OK);
}


static void
headers_refused(void **state)
{
    static const struct {
        const char *in;
        proto_err_t err;
    } cases[] = {
        { "=1", PROTO_ERR_EMPTY_TAG_NAME },
        { "a", PROTO_ERR_INVALID_HEADER_VALUE },
        { "a=1=2", PROTO_ERR_INVALID_HEADER_VALUE },
        { "a=%2", PROTO_ERR_INVALID_HEADER_VALUE },
        { "a=%00", PROTO_ERR_INVALID_HEADER_VALUE },
        { "a=1&a=2", PROTO_ERR_DUPLICATE_TAG_NAMES },
        { "a=1&%61=2", PROTO_ERR_DUPLICATE_TAG_NAMES },
        { "a=%C3%A9", PROTO_ERR_INVALID_TAG },
        { "a,b=1", PROTO_ERR_INVALID_TAG },
        { "a=x'y", PROTO_ERR_INVALID_TAG },
        { "a=1&b=2&c=3&d=4&e=5&f=6&g=7&h=8&i=9&j=10&k=11",
          PROTO_ERR_TAGS_TOO_LARGE },
    };
    view_t t = VIEW("untouched");

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(header(cases[i].in, &t), cases[i].err);
        assert_int_equal(fault.err, cases[i].err);
        assert_view(t, "untouched");
    }
}


static void
sizes(void **state)
{
    char in[4096];
    view_t t;

    (void) state;
    memset(in, 'k', 128);
    in[128] = '=';
    memset(in + 129, 'v', 256);
    in[129 + 256] = '\0';
    assert_int_equal(header(in, &t), PROTO_OK);

    in[129 + 256] = 'v';
    in[129 + 257] = '\0';
    assert_int_equal(header(in, &t), PROTO_ERR_TAGS_TOO_LARGE);

    memset(in, 'k', 129);
    strcpy(in + 129, "=1");
    assert_int_equal(header(in, &t), PROTO_ERR_TAGS_TOO_LARGE);

    memset(in, 'k', 2000);
    strcpy(in + 2000, "=1");
    assert_int_equal(header(in, &t), PROTO_ERR_TAGS_TOO_LARGE);
}


static void
full_set(void **state)
{
    static char in[10 * 400 + 1], doc[8192];
    char *p = in;
    view_t t, again;
    writer_t w;

    (void) state;
    for (int i = 0; i < 10; i++) {
        p += sprintf(p, "%s%d%0127d=%0256d", i == 0 ? "" : "&", i, 0, i);
    }

    assert_int_equal(header(in, &t), PROTO_OK);
    assert_int_equal(t.len, PROTO_TAGS_PACKED_MAX);

    blob_props_t props = { .tags = t };

    assert_int_equal(proto_tags_count(&props), 10);

    writer_init_fixed(&w, doc, sizeof(doc) - 1);
    proto_tags_document(&w, t);
    assert_true(writer_ok(&w));
    doc[w.len] = '\0';

    char *was = strdup(text(t));

    assert_int_equal(xml(doc, &again), PROTO_OK);
    assert_string_equal(text(again), was);
    free(was);
}


static void
documents(void **state)
{
    view_t t;

    (void) state;
    assert_int_equal(
        xml("<?xml version='1.0'?>\n<Tags>\n <TagSet><Tag><Key>a</Key>"
            "<Value> 1 </Value></Tag><Tag><Value/><Key>b&#x2F;</Key></Tag>"
            "</TagSet></Tags>",
            &t),
        PROTO_OK);
    assert_string_equal(text(t), "a= 1 ,b/=");
    assert_int_equal(xml("<Tags><TagSet/></Tags>", &t), PROTO_OK);
    assert_int_equal(t.len, 0);
}


static void
documents_refused(void **state)
{
#define TAG(k, v) "<Tag><Key>" k "</Key><Value>" v "</Value></Tag>"
    static const struct {
        const char *in;
        proto_err_t err;
    } cases[] = {
        { "", PROTO_ERR_INVALID_XML_DOCUMENT },
        { "<Tags>", PROTO_ERR_INVALID_XML_DOCUMENT },
        { "<Tags/>", PROTO_ERR_MISSING_REQUIRED_XML_NODE },
        { "<TagSet/>", PROTO_ERR_INVALID_XML_DOCUMENT },
        { "<Tags><TagSet/><TagSet/></Tags>", PROTO_ERR_INVALID_XML_DOCUMENT },
        { "<Tags><TagSet><Tag><Key>a</Key></Tag></TagSet></Tags>",
          PROTO_ERR_MISSING_REQUIRED_XML_NODE },
        { "<Tags><TagSet><Tag><Value>a</Value></Tag></TagSet></Tags>",
          PROTO_ERR_MISSING_REQUIRED_XML_NODE },
        { "<Tags><TagSet><Tag><Key/><Value/></Tag></TagSet></Tags>",
          PROTO_ERR_EMPTY_TAG_NAME },
        { "<Tags><TagSet><Tag><Key>a</Key><Key>b</Key><Value/></Tag>"
          "</TagSet></Tags>",
          PROTO_ERR_INVALID_XML_DOCUMENT },
        { "<Tags><TagSet><Tag><Key><b/></Key><Value/></Tag></TagSet></Tags>",
          PROTO_ERR_INVALID_XML_DOCUMENT },
        { "<Tags><TagSet>" TAG("a", "1") TAG("a", "2") "</TagSet></Tags>",
          PROTO_ERR_DUPLICATE_TAG_NAMES },
        { "<Tags><TagSet>" TAG("a", "&lt;") "</TagSet></Tags>",
          PROTO_ERR_INVALID_TAG },
        { "<Tags><TagSet>" TAG("a", "1") TAG("b", "") TAG("c", "") TAG("d", "")
              TAG("e", "") TAG("f", "") TAG("g", "") TAG("h", "") TAG("i", "")
                  TAG("j", "") TAG("k", "") "</TagSet></Tags>",
          PROTO_ERR_TAGS_TOO_LARGE },
    };
    static char big[4096];
    view_t t;

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(xml(cases[i].in, &t), cases[i].err);
    }

    snprintf(big, sizeof(big),
             "<Tags><TagSet><Tag><Key>a</Key><Value>%02000d</Value></Tag>"
             "</TagSet></Tags>",
             1);
    assert_int_equal(xml(big, &t), PROTO_ERR_TAGS_TOO_LARGE);
}


static void
formatted(void **state)
{
    uint8_t buf[256];
    char line[256];
    view_t t;
    writer_t w;

    (void) state;
    assert_int_equal(header("a%20b=c%2Bd%3D%26&e=", &t),
                     PROTO_ERR_INVALID_TAG);
    assert_int_equal(header("a%20b=c%2Bd%3D/&e=", &t), PROTO_OK);
    writer_init_fixed(&w, buf, sizeof(buf));
    proto_tags_format(&w, t);
    assert_view(writer_view(&w), "a%20b=c%2Bd%3D%2F&e=");

    snprintf(line, sizeof(line), "%.*s", (int) w.len, (char *) buf);
    assert_int_equal(header(line, &t), PROTO_OK);
    assert_string_equal(text(t), "a b=c+d=/,e=");
}


static void
counts(void **state)
{
    blob_props_t props = { .tag_count = 3 };
    proto_headers_t h = { 0 };
    writer_t w;

    (void) state;
    assert_int_equal(proto_tags_count(&props), 3);
    assert_false(proto_tags_known(&props));

    writer_init_fixed(&w, room, sizeof(room));
    assert_int_equal(proto_tags_props(&h, &w, &props, &fault), PROTO_OK);
    assert_int_equal(proto_tags_count(&props), 0);
    assert_true(proto_tags_known(&props));

    h.known[PROTO_HDR_X_MS_TAGS] = VIEW("a=1&b=2");
    assert_int_equal(proto_tags_props(&h, &w, &props, &fault), PROTO_OK);
    assert_int_equal(props.tag_count, 2);
    assert_string_equal(text(props.tags), "a=1,b=2");
}


/* ---- the language --------------------------------------------------------
 */

/* 1, 0, or -1: not an expression; the tags are rank=5, "the key"=v, e=. */
static int
match(proto_tags_dialect_t dialect, const char *expr)
{
    bool yes = false;
    view_t t;

    assert_int_equal(header("rank=5&the%20key=v&e=", &t), PROTO_OK);
    return !proto_tags_match(dialect, view_str(expr), t, VIEW("box"), &yes)
             ? -1
             : yes;
}


static void
conditions(void **state)
{
    static const struct {
        const char *expr;
        int want;
    } cases[] = {
        { "\"rank\" = '5'", 1 },
        { "\"rank\"='5'", 1 },
        { "rank = '5'", 1 },
        { "  rank='5'  ", 1 },
        { "\"rank\" = '6'", 0 },
        { "\"Rank\" = '5'", 0 },
        { "\"rank\" <> '6'", 1 },
        { "\"rank\" <> '5'", 0 },
        { "\"rank\" > '4'", 1 },
        { "\"rank\" > '5'", 0 },
        { "\"rank\" >= '5'", 1 },
        { "\"rank\" < '5'", 0 },
        { "\"rank\" < '50'", 1 },
        { "\"rank\" <= '5'", 1 },
        { "\"the key\" = 'v'", 1 },
        { "\"e\" = ''", 1 },
        { "\"none\" = ''", 0 },
        { "\"none\" <= 'z'", 0 },
        { "\"none\" <> 'x'", 1 },
        { "rank='5' AND e=''", 1 },
        { "rank='5' and e='1'", 0 },
        { "rank='4' OR e=''", 1 },
        { "rank='5' OR rank='5' AND rank='4'", 1 },
        { "(rank='5' OR rank='5') AND rank='4'", 0 },
        { "rank='4' AND (rank='5' OR rank='4')", 0 },
        { "((rank='5'))", 1 },
        { "", -1 },
        { "rank", -1 },
        { "rank =", -1 },
        { "rank = 5", -1 },
        { "rank = '5", -1 },
        { "\"rank = '5'", -1 },
        { "'rank' = '5'", -1 },
        { "\"\" = '5'", -1 },
        { "rank == '5'", -1 },
        { "rank >< '5'", -1 },
        { "rank ! '5'", -1 },
        { "rank = '5' AND", -1 },
        { "rank = '5' OR", -1 },
        { "AND = '5'", -1 },
        { "rank = '5' rank = '5'", -1 },
        { "rank = '5' XOR rank = '5'", -1 },
        { "(rank = '5'", -1 },
        { "rank = '5')", -1 },
        { "()", -1 },
        { "@container = 'box'", -1 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (match(PROTO_TAGS_IF, cases[i].expr) != cases[i].want) {
            fail_msg("%s", cases[i].expr);
        }
    }
}


static void
searches(void **state)
{
    static const struct {
        const char *expr;
        int want;
    } cases[] = {
        { "\"rank\" = '5'", 1 },
        { "rank >= '1' AND rank < '6'", 1 },
        { "@container = 'box' AND rank='5'", 1 },
        { "@container='box'", 1 },
        { "@container = 'other' AND rank='5'", 0 },
        { "@container > 'a'", -1 },
        { "@blob = 'a'", -1 },
        { "rank <> '4'", -1 },
        { "rank = '5' OR e=''", -1 },
        { "(rank = '5')", -1 },
        { "rank = '5' AND @container", -1 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (match(PROTO_TAGS_FIND, cases[i].expr) != cases[i].want) {
            fail_msg("%s", cases[i].expr);
        }
    }
}


static void
bounds(void **state)
{
    static char expr[4096];
    char *p = expr;

    (void) state;
    for (int i = 0; i < PROTO_TAGS_DEPTH_MAX; i++) {
        *p++ = '(';
    }
    p += sprintf(p, "rank='5'");
    for (int i = 0; i < PROTO_TAGS_DEPTH_MAX; i++) {
        *p++ = ')';
    }
    *p = '\0';
    assert_int_equal(match(PROTO_TAGS_IF, expr), 1);

    memmove(expr + 1, expr, strlen(expr) + 1);
    expr[0] = '(';
    strcat(expr, ")");
    assert_int_equal(match(PROTO_TAGS_IF, expr), -1);

    memset(expr, '(', sizeof(expr) - 1);
    assert_int_equal(match(PROTO_TAGS_IF, expr), -1);

    p = expr;
    for (int i = 0; i < PROTO_TAGS_TERMS_MAX; i++) {
        p += sprintf(p, "%srank='5'", i == 0 ? "" : " AND ");
    }
    assert_int_equal(match(PROTO_TAGS_IF, expr), 1);
    strcpy(p, " AND rank='5'");
    assert_int_equal(match(PROTO_TAGS_IF, expr), -1);
}


static void
faults(void **state)
{
    (void) state;
    assert_int_equal(proto_tags_where_check(VIEW_NULL, &fault),
                     PROTO_ERR_MISSING_REQUIRED_QUERY_PARAMETER);
    assert_int_equal(proto_tags_where_check(VIEW(""), &fault),
                     PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE);
    assert_int_equal(proto_tags_where_check(VIEW("a='1'"), &fault), PROTO_OK);
    assert_int_equal(proto_tags_if_check("x-ms-if-tags", VIEW_NULL, &fault),
                     PROTO_OK);
    assert_int_equal(
        proto_tags_if_check("x-ms-if-tags", VIEW("a<>'1'"), &fault), PROTO_OK);
    assert_int_equal(proto_tags_if_check("x-ms-if-tags", VIEW("a"), &fault),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    assert_view(fault.name, "x-ms-if-tags");
}


static void
named(void **state)
{
    view_t where = VIEW("\"a b\" = '1' AND @container = 'c' AND d > '2'");

    (void) state;
    assert_true(proto_tags_named(where, VIEW("a b")));
    assert_true(proto_tags_named(where, VIEW("d")));
    assert_false(proto_tags_named(where, VIEW("c")));
    assert_false(proto_tags_named(where, VIEW("container")));
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_read), cmocka_unit_test(headers_refused),
        cmocka_unit_test(sizes),        cmocka_unit_test(full_set),
        cmocka_unit_test(documents),    cmocka_unit_test(documents_refused),
        cmocka_unit_test(formatted),    cmocka_unit_test(counts),
        cmocka_unit_test(conditions),   cmocka_unit_test(searches),
        cmocka_unit_test(bounds),       cmocka_unit_test(faults),
        cmocka_unit_test(named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
