#include "unit.h"

#include <string.h>

#include "proto/cors.h"
#include "proto/service.h"

static uint8_t texts[PROTO_SERVICE_TEXT_MAX];
static proto_service_t service;
static proto_fault_t fault;

#define RULE(origins, methods, allowed, exposed, age)                         \
    "<CorsRule><AllowedOrigins>" origins                                      \
    "</AllowedOrigins><AllowedMethods>" methods                               \
    "</AllowedMethods><AllowedHeaders>" allowed                               \
    "</AllowedHeaders><ExposedHeaders>" exposed                               \
    "</ExposedHeaders><MaxAgeInSeconds>" age "</MaxAgeInSeconds></CorsRule>"
#define DOC(in)  "<StorageServiceProperties>" in "</StorageServiceProperties>"
#define CORS(in) DOC("<Cors>" in "</Cors>")


static proto_err_t
into(const char *xml, proto_service_t *ret)
{
    writer_t w;

    writer_init_fixed(&w, texts, sizeof(texts));
    memset(&fault, 0, sizeof(fault));
    return proto_service_read(view_str(xml), &w, ret, &fault);
}


static proto_err_t
doc(const char *xml)
{
    memset(&service, 0, sizeof(service));
    return into(xml, &service);
}


/* The index of the rule that lets it pass, or -1. */
static int
preflight(const char *origin, const char *method, const char *headers)
{
    proto_cors_ask_t ask = { view_str(origin), view_str(method),
                             headers == NULL ? VIEW_NULL : view_str(headers) };
    const proto_cors_rule_t *rule;
    proto_err_t err = proto_cors_preflight(&service.cors, &ask, &rule);

    if (err != PROTO_OK) {
        assert_int_equal(err, PROTO_ERR_CORS_PREFLIGHT_FAILURE);
        return -1;
    }

    return (int) (rule - service.cors.rules);
}


static proto_cors_answer_t
answer(const char *origin, const char *method)
{
    return proto_cors_answer(&service.cors,
                             origin == NULL ? VIEW_NULL : view_str(origin),
                             view_str(method));
}


static void
preflights(void **state)
{
    (void) state;
    assert_int_equal(
        doc(CORS(
            RULE("http://www.a.com, http://b.com", "PUT,GET",
                 "x-ms-meta-data*,x-ms-meta-target*,x-ms-meta-abc",
                 "x-ms-meta-*", "200") RULE("*", "PUT , GET", "", "", "0")
                RULE("http://www.a.com", "GET", "x-ms-client*", "*", "600"))),
        PROTO_OK);
    assert_int_equal(service.cors.n, 3);

    assert_int_equal(preflight("http://www.a.com", "PUT", NULL), 0);
    assert_int_equal(preflight("http://b.com", "GET", ""), 0);
    assert_int_equal(preflight("http://b.com", "GET", "X-MS-Meta-DATA1"), 0);
    assert_int_equal(
        preflight("http://b.com", "GET", "x-ms-meta-data, x-ms-meta-abc"), 0);
    assert_int_equal(preflight("http://b.com", "GET", "x-ms-meta-abcd"), -1);
    assert_int_equal(preflight("http://b.com", "GET", "x-ms-meta-dat"), -1);
    /* case counts in origins; the rule for any has no headers */
    assert_int_equal(preflight("http://B.com", "GET", NULL), 1);
    assert_int_equal(preflight("http://B.com", "GET", "x-ms-meta-abc"), -1);
    assert_int_equal(preflight("http://B.com", "get", NULL), -1);
    assert_int_equal(preflight("http://b.com", "DELETE", NULL), -1);
    assert_int_equal(preflight("http://b.com, http://www.a.com", "GET", NULL),
                     1);
    /* later rules are looked at when a header is missing */
    assert_int_equal(
        preflight("http://www.a.com", "GET", "x-ms-client-request-id"), 2);

    assert_int_equal(doc(DOC("<Cors/>")), PROTO_OK);
    assert_int_equal(preflight("http://b.com", "GET", NULL), -1);
    assert_int_equal(doc(CORS(RULE("*", "GET", "*", "", "1"))), PROTO_OK);
    assert_int_equal(preflight("null", "GET", "anything, x-else"), 0);
}


static char said[1024];


static void
emit(void *ctx, view_t name, view_t value)
{
    (void) ctx;
    snprintf(said + strlen(said), sizeof(said) - strlen(said), "%.*s: %.*s\n",
             (int) name.len, (const char *) name.ptr, (int) value.len,
             (const char *) value.ptr);
}


static void
preflight_headers(void **state)
{
    static const proto_header_t hdrs[] = {
        { VIEW("host"), VIEW("h") },
        { VIEW("origin"), VIEW("http://a") },
        { VIEW("ACCESS-control-request-method"), VIEW("PUT") },
        { VIEW("access-control-request-headers"), VIEW("x-a,x-b") },
    };
    proto_cors_ask_t ask;
    const proto_cors_rule_t *rule;

    (void) state;
    assert_int_equal(proto_cors_ask(hdrs, 2, &ask, &fault),
                     PROTO_ERR_MISSING_REQUIRED_HEADER);
    assert_view(fault.name, "Access-Control-Request-Method");
    assert_int_equal(proto_cors_ask(hdrs + 2, 2, &ask, &fault),
                     PROTO_ERR_MISSING_REQUIRED_HEADER);
    assert_view(fault.name, "Origin");
    assert_int_equal(proto_cors_ask(hdrs, 4, &ask, &fault), PROTO_OK);

    assert_int_equal(doc(CORS(RULE("*", "PUT", "x-*", "", "60"))), PROTO_OK);
    assert_int_equal(proto_cors_preflight(&service.cors, &ask, &rule),
                     PROTO_OK);
    said[0] = '\0';
    proto_cors_preflight_headers(rule, &ask, emit, NULL);
    assert_string_equal(said, "Access-Control-Allow-Origin: http://a\n"
                              "Access-Control-Allow-Methods: PUT\n"
                              "Access-Control-Allow-Headers: x-a,x-b\n"
                              "Access-Control-Max-Age: 60\n"
                              "Access-Control-Allow-Credentials: true\n");

    assert_int_equal(proto_cors_ask(hdrs, 3, &ask, &fault), PROTO_OK);
    said[0] = '\0';
    proto_cors_preflight_headers(rule, &ask, emit, NULL);
    assert_null(strstr(said, "Allow-Headers"));
}


/* The table of the REST page, row by row. */
static void
answers(void **state)
{
    proto_cors_answer_t a;

    (void) state;
    assert_int_equal(doc(DOC("<Cors />")), PROTO_OK);
    a = answer("http://a", "GET");
    assert_null(a.rule);
    assert_false(a.vary);
    assert_view(a.allow_origin, NULL);

    assert_int_equal(doc(CORS(RULE("http://a,http://c", "GET,PUT", "",
                                   "x-ms-*,ETag", "1"))),
                     PROTO_OK);
    a = answer(NULL, "GET");
    assert_true(a.rule == NULL && a.vary && !a.credentials);
    a = answer("http://b", "HEAD");
    assert_true(a.rule == NULL && a.vary);
    assert_view(a.allow_origin, NULL);
    a = answer("http://b", "PUT");
    assert_true(a.rule == NULL && !a.vary);
    a = answer("http://c", "GET");
    assert_true(a.rule != NULL && a.vary && a.credentials);
    assert_view(a.allow_origin, "http://c");
    assert_true(proto_cors_exposed(a.rule, VIEW("X-Ms-Request-Id")));
    assert_true(proto_cors_exposed(a.rule, VIEW("etag")));
    assert_false(proto_cors_exposed(a.rule, VIEW("ETagX")));
    assert_false(proto_cors_exposed(a.rule, VIEW("x-m")));
    a = answer("http://a", "PUT");
    assert_true(a.rule != NULL && !a.vary && a.credentials);
    a = answer("http://a", "DELETE");
    assert_true(a.rule == NULL);

    assert_int_equal(doc(CORS(RULE("http://a", "GET", "", "", "1")
                                  RULE("*", "GET", "", "*", "1"))),
                     PROTO_OK);
    a = answer(NULL, "GET");
    assert_true(a.rule != NULL && !a.vary && !a.credentials);
    assert_view(a.allow_origin, "*");
    assert_true(proto_cors_exposed(a.rule, VIEW("anything")));
    a = answer("http://z", "GET");
    assert_view(a.allow_origin, "*");
    a = answer("http://a", "GET");
    assert_view(a.allow_origin, "http://a");
    assert_false(proto_cors_exposed(a.rule, VIEW("anything")));
    a = answer(NULL, "PUT");
    assert_true(a.rule == NULL && !a.vary);
}


static void
rules_refused(void **state)
{
    static char many[6000];
    static const struct {
        const char *xml;
        proto_err_t err;
        const char *name;
    } bad[] = {
        { CORS("<CorsRule/>"), PROTO_ERR_MISSING_REQUIRED_XML_NODE,
          "AllowedOrigins" },
        { CORS("<CorsRule><AllowedOrigins>*</AllowedOrigins>"
               "<AllowedMethods>GET</AllowedMethods><ExposedHeaders/>"
               "<AllowedHeaders/></CorsRule>"),
          PROTO_ERR_MISSING_REQUIRED_XML_NODE, "MaxAgeInSeconds" },
        { CORS(RULE("", "GET", "", "", "1")), PROTO_ERR_INVALID_XML_NODE_VALUE,
          "AllowedOrigins" },
        { CORS(RULE("a,,b", "GET", "", "", "1")),
          PROTO_ERR_INVALID_XML_NODE_VALUE, "AllowedOrigins" },
        { CORS(RULE("a b", "GET", "", "", "1")),
          PROTO_ERR_INVALID_XML_NODE_VALUE, "AllowedOrigins" },
        { CORS(RULE("*", "", "", "", "1")), PROTO_ERR_INVALID_XML_NODE_VALUE,
          "AllowedMethods" },
        { CORS(RULE("*", "GET,FOO", "", "", "1")),
          PROTO_ERR_INVALID_XML_NODE_VALUE, "AllowedMethods" },
        { CORS(RULE("*", "*", "", "", "1")), PROTO_ERR_INVALID_XML_NODE_VALUE,
          "AllowedMethods" },
        { CORS(RULE("*", "GET", "a*b", "", "1")),
          PROTO_ERR_INVALID_XML_NODE_VALUE, "AllowedHeaders" },
        { CORS(RULE("*", "GET", "a*,b*,c*", "", "1")),
          PROTO_ERR_INVALID_XML_NODE_VALUE, "AllowedHeaders" },
        { CORS(RULE("*", "GET", "", "a,", "1")),
          PROTO_ERR_INVALID_XML_NODE_VALUE, "ExposedHeaders" },
        { CORS(RULE("*", "GET", "", "a&#13;b", "1")),
          PROTO_ERR_INVALID_XML_NODE_VALUE, "ExposedHeaders" },
        { CORS(RULE("*", "GET", "", "", "-1")),
          PROTO_ERR_INVALID_XML_NODE_VALUE, "MaxAgeInSeconds" },
        { CORS(RULE("*", "GET", "", "", "2147483648")),
          PROTO_ERR_INVALID_XML_NODE_VALUE, "MaxAgeInSeconds" },
        { CORS("<CorsRule><AllowedOrigins>a</AllowedOrigins><AllowedOrigins>"
               "a</AllowedOrigins></CorsRule>"),
          PROTO_ERR_INVALID_XML_DOCUMENT, NULL },
        { CORS("<CorsRule><Other>a</Other></CorsRule>"),
          PROTO_ERR_INVALID_XML_DOCUMENT, NULL },
        { CORS("<Rule/>"), PROTO_ERR_INVALID_XML_DOCUMENT, NULL },
    };
    const char *one = RULE("*", "GET", "", "", "1");

    (void) state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(doc(bad[i].xml), bad[i].err);
        assert_view(fault.name, bad[i].name);
    }

    for (unsigned n = 5; n <= 6; n++) {
        strcpy(many, "<StorageServiceProperties><Cors>");
        for (unsigned i = 0; i < n; i++) {
            strcat(many, one);
        }
        strcat(many, "</Cors></StorageServiceProperties>");
        assert_int_equal(doc(many),
                         n == 5 ? PROTO_OK : PROTO_ERR_INVALID_XML_DOCUMENT);
    }
}


/* Lists of `n` items of `len` letters as AllowedHeaders. */
static proto_err_t
headers_of(unsigned n, unsigned len)
{
    static char list[20000];
    proto_cors_rule_t rule = { VIEW("*"), VIEW("GET"), VIEW_NULL, VIEW_NULL,
                               0 };
    char *p = list;

    for (unsigned i = 0; i < n; i++) {
        if (i != 0) {
            *p++ = ',';
        }
        memset(p, 'h', len);
        p += len;
    }

    rule.allowed = view_of(list, (size_t) (p - list));
    return proto_cors_rule_check(&rule, &fault);
}


static void
rule_sizes(void **state)
{
    static char wide[2048];
    proto_cors_t cors = { .n = 2 };

    (void) state;
    assert_int_equal(headers_of(64, 3), PROTO_OK);
    assert_int_equal(headers_of(65, 3), PROTO_ERR_INVALID_XML_NODE_VALUE);
    assert_int_equal(headers_of(1, 256), PROTO_OK);
    assert_int_equal(headers_of(1, 257), PROTO_ERR_INVALID_XML_NODE_VALUE);

    cors.rules[0].origins = view_of(wide, 1024);
    cors.rules[0].methods = view_of(wide, 512);
    cors.rules[1].allowed = view_of(wide, 500);
    cors.rules[1].exposed = view_of(wide, 12);
    assert_int_equal(proto_cors_check(&cors, &fault), PROTO_OK);
    cors.rules[1].exposed.len++;
    assert_int_equal(proto_cors_check(&cors, &fault),
                     PROTO_ERR_INVALID_XML_NODE_VALUE);
    assert_view(fault.name, "Cors");
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(preflights), cmocka_unit_test(preflight_headers),
        cmocka_unit_test(answers),    cmocka_unit_test(rules_refused),
        cmocka_unit_test(rule_sizes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
