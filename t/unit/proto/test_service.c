#include "unit.h"

#include <string.h>

#include "proto/service.h"

static uint8_t texts[PROTO_SERVICE_TEXT_MAX];
static uint8_t written[PROTO_SERVICE_TEXT_MAX + 1];
static proto_fault_t fault;

#define DOC(in)       "<StorageServiceProperties>" in "</StorageServiceProperties>"
#define KEEP(enabled) "<RetentionPolicy>" enabled "</RetentionPolicy>"
#define OFF           "<Enabled>false</Enabled>"
#define LOGGING(read, keep)                                                   \
    DOC("<Logging><Version>1.0</Version><Delete>false</Delete><Read>" read    \
        "</Read><Write>false</Write>" keep "</Logging>")
#define RULE                                                                  \
    "<Cors><CorsRule><AllowedOrigins>http://a?x=1&amp;y=&lt;</"               \
    "AllowedOrigins>"                                                         \
    "<AllowedMethods>GET</AllowedMethods><AllowedHeaders>x-*"                 \
    "</AllowedHeaders><ExposedHeaders></ExposedHeaders>"                      \
    "<MaxAgeInSeconds>5</MaxAgeInSeconds></CorsRule></Cors>"


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
    proto_service_t service = { .cors.n = 0 };

    return into(xml, &service);
}


static const char *
document(const proto_service_t *service)
{
    writer_t w;

    writer_init_fixed(&w, written, sizeof(written) - 1);
    proto_service_document(&w, service);
    assert_true(writer_ok(&w));
    written[w.len] = '\0';
    return (const char *) written;
}


static void
merged(void **state)
{
    proto_service_t s = { .cors.n = 0 };
    static char copy[sizeof(written)];

    (void) state;
    assert_non_null(strstr(document(&s), "</MinuteMetrics><Cors /><Delete"));
    assert_int_equal(doc(document(&s)), PROTO_OK);
    assert_int_equal(into("", &s), PROTO_OK);
    assert_int_equal(proto_service_body(VIEW_NULL, NULL, &s, &fault),
                     PROTO_ERR_INVALID_XML_DOCUMENT);
    assert_int_equal(into(DOC(""), &s), PROTO_OK);
    assert_int_equal(s.cors.n, 0);

    assert_int_equal(into(DOC(RULE), &s), PROTO_OK);
    strcpy(copy, document(&s));
    assert_non_null(strstr(copy, RULE));
    assert_null(strstr(copy, "DefaultServiceVersion"));

    memset(&s, 0, sizeof(s));
    assert_int_equal(into(copy, &s), PROTO_OK);
    assert_int_equal(s.cors.n, 1);
    assert_view(s.cors.rules[0].origins, "http://a?x=1&y=<");
    assert_int_equal(s.cors.rules[0].max_age_s, 5);
    assert_string_equal(document(&s), copy);

    /* a section that is not sent stays, one that is replaces */
    assert_int_equal(
        into(DOC("<DefaultServiceVersion>2021-08-06</DefaultServiceVersion>"),
             &s),
        PROTO_OK);
    assert_int_equal(s.cors.n, 1);
    assert_view(s.default_version, "2021-08-06");
    assert_non_null(strstr(document(&s), "</Cors><DefaultServiceVersion>"
                                         "2021-08-06<"));
    assert_int_equal(into(DOC("<Cors/>"), &s), PROTO_OK);
    assert_int_equal(s.cors.n, 0);
    assert_view(s.default_version, "2021-08-06");
}


static void
only_off(void **state)
{
    static const struct {
        const char *xml;
        const char *name; /* NULL: fine */
        const char *value;
    } cases[] = {
        { LOGGING("false", KEEP(OFF)), NULL, NULL },
        { LOGGING("true", KEEP(OFF)), "Logging", "Read" },
        { LOGGING("false", KEEP("<Enabled>true</Enabled><Days>7</Days>")),
          "Logging", "Enabled" },
        { DOC("<HourMetrics><Version>1.0</Version>" OFF
              "<IncludeAPIs>true</IncludeAPIs>" KEEP(OFF) "</HourMetrics>"),
          NULL, NULL },
        { DOC("<MinuteMetrics><Version>1.0</Version><Enabled>true</Enabled>"),
          "MinuteMetrics", "Enabled" },
        { DOC("<DeleteRetentionPolicy>" OFF "<Days>365</Days>"
              "</DeleteRetentionPolicy>"),
          NULL, NULL },
        { DOC("<DeleteRetentionPolicy><Enabled>true</Enabled><Days>7</Days>"
              "</DeleteRetentionPolicy>"),
          "DeleteRetentionPolicy", "Enabled" },
        { DOC("<DeleteRetentionPolicy>" OFF "<AllowPermanentDelete>true"
              "</AllowPermanentDelete></DeleteRetentionPolicy>"),
          "DeleteRetentionPolicy", "AllowPermanentDelete" },
        { DOC("<StaticWebsite>" OFF "<IndexDocument>i</IndexDocument>"
              "<ErrorDocument404Path/></StaticWebsite>"),
          NULL, NULL },
        { DOC("<StaticWebsite><Enabled>True</Enabled></StaticWebsite>"),
          "StaticWebsite", "Enabled" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(
            doc(cases[i].xml),
            cases[i].name == NULL ? PROTO_OK : PROTO_ERR_UNSUPPORTED_XML_NODE);
        assert_view(fault.name, cases[i].name);
        assert_view(fault.value, cases[i].value);
    }
}


static void
refused(void **state)
{
    static const struct {
        const char *xml;
        proto_err_t err;
        const char *name;
    } bad[] = {
        { "x", PROTO_ERR_INVALID_XML_DOCUMENT, NULL },
        { "<Other/>", PROTO_ERR_INVALID_XML_DOCUMENT, NULL },
        { "<StorageServiceProperties>", PROTO_ERR_INVALID_XML_DOCUMENT, NULL },
        { DOC("") "x", PROTO_ERR_INVALID_XML_DOCUMENT, NULL },
        { DOC("text"), PROTO_ERR_INVALID_XML_DOCUMENT, NULL },
        { DOC("<Metrics/>"), PROTO_ERR_INVALID_XML_DOCUMENT, NULL },
        { DOC("<Cors/><Cors/>"), PROTO_ERR_INVALID_XML_DOCUMENT, NULL },
        { DOC("<StaticWebsite>" OFF "</StaticWebsite><StaticWebsite/>"),
          PROTO_ERR_INVALID_XML_DOCUMENT, NULL },
        { DOC("<StaticWebsite>" OFF OFF "</StaticWebsite>"),
          PROTO_ERR_INVALID_XML_DOCUMENT, NULL },
        { DOC("<StaticWebsite><Enabled><a/></Enabled></StaticWebsite>"),
          PROTO_ERR_INVALID_XML_DOCUMENT, NULL },
        { DOC("<StaticWebsite/>"), PROTO_ERR_MISSING_REQUIRED_XML_NODE,
          "Enabled" },
        { LOGGING("false", ""), PROTO_ERR_MISSING_REQUIRED_XML_NODE,
          "RetentionPolicy" },
        { LOGGING("false", KEEP("")), PROTO_ERR_MISSING_REQUIRED_XML_NODE,
          "Enabled" },
        { LOGGING("no", KEEP(OFF)), PROTO_ERR_INVALID_XML_NODE_VALUE, "Read" },
        { DOC("<HourMetrics><Version>2.0</Version></HourMetrics>"),
          PROTO_ERR_INVALID_XML_NODE_VALUE, "Version" },
        { DOC("<DeleteRetentionPolicy><Days>0</Days></DeleteRetentionPolicy>"),
          PROTO_ERR_INVALID_XML_NODE_VALUE, "Days" },
        { DOC("<DeleteRetentionPolicy><Days>366</Days>"
              "</DeleteRetentionPolicy>"),
          PROTO_ERR_INVALID_XML_NODE_VALUE, "Days" },
        { DOC("<DefaultServiceVersion>2021</DefaultServiceVersion>"),
          PROTO_ERR_INVALID_XML_NODE_VALUE, "DefaultServiceVersion" },
        { DOC("<DefaultServiceVersion/>"), PROTO_ERR_INVALID_XML_NODE_VALUE,
          "DefaultServiceVersion" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(doc(bad[i].xml), bad[i].err);
        assert_view(fault.name, bad[i].name);
    }
}


/* The rules of a service that has on what cannot be on here. */
static void
rules_alone(void **state)
{
    static const struct {
        const char *xml;
        proto_err_t err;
        unsigned n;
    } cases[] = {
        { "\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"utf-8\"?>" DOC(
              "<Logging><Version>1.0</Version><Read>true</Read></Logging>" RULE
              "<StaticWebsite><Enabled>true</Enabled></StaticWebsite>"
              "<New><Deep>x</Deep></New>"),
          PROTO_OK, 1 },
        { DOC(""), PROTO_OK, 0 },
        { DOC("<Cors/>"), PROTO_OK, 0 },
        { DOC("<Cors><CorsRule/></Cors>"), PROTO_ERR_MISSING_REQUIRED_XML_NODE,
          0 },
        { DOC(RULE "<Logging>"), PROTO_ERR_INVALID_XML_DOCUMENT, 1 },
        { DOC(RULE) "x", PROTO_ERR_INVALID_XML_DOCUMENT, 1 },
        { "<StorageServiceProperties><Cors/>", PROTO_ERR_INVALID_XML_DOCUMENT,
          0 },
        { "<Error><Cors/></Error>", PROTO_ERR_INVALID_XML_DOCUMENT, 0 },
        { "", PROTO_ERR_INVALID_XML_DOCUMENT, 0 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        proto_cors_t cors = { .n = 5 };
        writer_t w;

        writer_init_fixed(&w, texts, sizeof(texts));
        assert_int_equal(
            proto_service_cors(view_str(cases[i].xml), &w, &cors, &fault),
            cases[i].err);
        assert_int_equal(cors.n, cases[i].n);
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_alone),
        cmocka_unit_test(merged),
        cmocka_unit_test(only_off),
        cmocka_unit_test(refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
