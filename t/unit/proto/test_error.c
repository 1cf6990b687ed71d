#include <ctype.h>
#include <string.h>

#include "unit.h"

#include "proto/error.h"

#define ID "01234567-89ab-cdef-0123-456789abcdef"

static char text[8192];


static const char *
document(const proto_fault_t *fault)
{
    writer_t w;

    writer_init_fixed(&w, text, sizeof(text) - 1);
    proto_error_xml(&w, fault, VIEW(ID), 1767225600);
    assert_true(writer_ok(&w));
    text[w.len] = '\0';
    return text;
}


static void
rows(void **state)
{
    (void) state;

    for (unsigned i = 1; i < PROTO_ERR_COUNT; i++) {
        const proto_error_row_t *row = proto_error_row((proto_err_t) i);

        assert_non_null(row->code);
        assert_true(row->status == 304
                    || (row->status >= 400 && row->status <= 505));
        assert_true(strlen(row->message) > 10);
        assert_true(row->message[strlen(row->message) - 1] == '.');

        for (const char *p = row->code; *p != '\0'; p++) {
            assert_true(isalnum((unsigned char) *p));
        }

        assert_true(row->status < 500 || row->status == 501
                    || row->status == 505 || row->retryable);

        /* a code has one row a status */
        for (unsigned k = 1; k < i; k++) {
            const proto_error_row_t *other = proto_error_row((proto_err_t) k);

            assert_false(strcmp(other->code, row->code) == 0
                         && other->status == row->status
                         && strcmp(other->message, row->message) == 0);
        }
    }

    assert_int_equal(proto_error_row(PROTO_ERR_SERVER_BUSY)->status, 503);
    assert_int_equal(proto_error_row(PROTO_ERR_NOT_MODIFIED)->status, 304);
    assert_string_equal(proto_error_row(PROTO_ERR_NOT_MODIFIED)->code,
                        "ConditionNotMet");
    assert_string_equal(proto_error_row((proto_err_t) 9999)->code,
                        "InternalError");
}


static void
shape(void **state)
{
    proto_fault_t f;

    (void) state;
    (void) proto_fault(&f, PROTO_ERR_BLOB_NOT_FOUND, VIEW_NULL, VIEW_NULL);
    assert_string_equal(
        document(&f),
        "\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"utf-8\"?><Error>"
        "<Code>BlobNotFound</Code><Message>The specified blob does not exist."
        "\nRequestId:" ID "\nTime:2026-01-01T00:00:00.0000000Z</Message>"
        "</Error>");
}


static void
extra_nodes(void **state)
{
    proto_fault_t f;

    (void) state;
    assert_int_equal(proto_fault(&f, PROTO_ERR_INVALID_HEADER_VALUE,
                                 VIEW("x-ms-version"), VIEW("tomorrow")),
                     PROTO_ERR_INVALID_HEADER_VALUE);
    assert_non_null(strstr(document(&f),
                           "<HeaderName>x-ms-version</HeaderName>"
                           "<HeaderValue>tomorrow</HeaderValue>"));

    (void) proto_fault(&f, PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE,
                       VIEW("comp"), VIEW(""));
    f.reason = VIEW("no such thing");
    assert_non_null(strstr(document(&f),
                           "<QueryParameterName>comp</QueryParameterName>"
                           "<QueryParameterValue></QueryParameterValue>"
                           "<Reason>no such thing</Reason>"));

    (void) proto_fault(&f, PROTO_ERR_MD5_MISMATCH, VIEW("theirs=="),
                       VIEW("ours=="));
    assert_non_null(strstr(document(&f),
                           "<UserSpecifiedMd5>theirs==</UserSpecifiedMd5>"
                           "<ServerCalculatedMd5>ours=="
                           "</ServerCalculatedMd5>"));

    (void) proto_fault(&f, PROTO_ERR_OUT_OF_RANGE_QUERY_PARAMETER_VALUE,
                       VIEW("n"), VIEW("0"));
    assert_null(strstr(document(&f), "Allowed"));
    f.min = 1;
    f.max = 5000;
    assert_non_null(strstr(document(&f),
                           "<QueryParameterValue>0</QueryParameterValue>"
                           "<MinimumAllowed>1</MinimumAllowed>"
                           "<MaximumAllowed>5000</MaximumAllowed>"));

    (void) proto_fault(&f, PROTO_ERR_REQUEST_BODY_TOO_LARGE, VIEW_NULL,
                       VIEW_NULL);
    f.max = 4194304;
    assert_non_null(strstr(document(&f), "<MaxLimit>4194304</MaxLimit>"));

    (void) proto_fault(&f, PROTO_ERR_NOT_IMPLEMENTED, VIEW("Set Blob Tier"),
                       VIEW_NULL);
    assert_non_null(strstr(document(&f), "<Message>Set Blob Tier: The "));
    f.name = VIEW_NULL;
    assert_non_null(strstr(document(&f), "<Message>The "));

    (void) proto_fault(&f, PROTO_ERR_INVALID_URI, VIEW_NULL, VIEW("//c/b"));
    assert_non_null(strstr(document(&f), "<UriPath>//c/b</UriPath>"));

    (void) proto_fault(&f, PROTO_ERR_AUTHENTICATION_FAILED, VIEW_NULL,
                       VIEW_NULL);
    f.detail = VIEW("String to sign used was 'GET\n\n'");
    assert_non_null(strstr(document(&f),
                           "<AuthenticationErrorDetail>String to sign used "
                           "was 'GET\n\n'</AuthenticationErrorDetail>"));

    /* nodes of one code are not another's */
    (void) proto_fault(&f, PROTO_ERR_BLOB_NOT_FOUND, VIEW("a"), VIEW("b"));
    assert_null(strstr(document(&f), "<HeaderName>"));
}


/* Whatever the client sent, the document stays XML. */
static void
escaping(void **state)
{
    proto_fault_t f;

    (void) state;
    (void) proto_fault(&f, PROTO_ERR_INVALID_QUERY_PARAMETER_VALUE,
                       VIEW("prefix"),
                       VIEW("</x>&\x01\xFF\xC3\xA4\xED\xA0\x80\xEF\xBF\xBF"
                            "\xF0\x9F\x98\x80"));
    document(&f);
    assert_non_null(strstr(text, "<QueryParameterValue>&lt;/x&gt;&amp;??"
                                 "\xC3\xA4????\xF0\x9F\x98\x80"
                                 "</QueryParameterValue>"));
}


static void
limit(void **state)
{
    proto_fault_t f;
    writer_t w;
    char buf[64];

    (void) state;
    (void) proto_fault(&f, PROTO_ERR_BLOB_NOT_FOUND, VIEW_NULL, VIEW_NULL);
    writer_init_fixed(&w, buf, sizeof(buf));
    proto_error_xml(&w, &f, VIEW(ID), 0);
    assert_int_equal(w.rc, TIER_ELIMIT);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows),        cmocka_unit_test(shape),
        cmocka_unit_test(extra_nodes), cmocka_unit_test(escaping),
        cmocka_unit_test(limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
