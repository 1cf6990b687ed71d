#include "unit.h"

#include "proto/cond.h"
#include "proto/op.h"

#define EDGE   "0x8DC000000000001"
#define ORIGIN "0x8DB000000000009"

static const proto_cond_state_t there = {
    .exists = true,
    .etag = { (const uint8_t *) EDGE, sizeof(EDGE) - 1 },
    .origin_etag = { (const uint8_t *) ORIGIN, sizeof(ORIGIN) - 1 },
    .last_modified_s = 1000,
};

static const proto_cond_state_t missing = { .exists = false };


static proto_cond_t
cond(const char *im, const char *inm, int64_t ims, int64_t ius)
{
    return (proto_cond_t){
        .if_match = im == NULL ? VIEW_NULL : view_str(im),
        .if_none_match = inm == NULL ? VIEW_NULL : view_str(inm),
        .has_modified_since = ims >= 0,
        .modified_since_s = ims,
        .has_unmodified_since = ius >= 0,
        .unmodified_since_s = ius,
    };
}


typedef struct case_s {
    const char *im, *inm;
    int64_t ims, ius; /* -1: absent */
    proto_err_t err;
} case_t;


static void
reads(void **state)
{
    static const case_t cases[] = {
        { NULL, NULL, -1, -1, PROTO_OK },
        { "\"" EDGE "\"", NULL, -1, -1, PROTO_OK },
        { EDGE, NULL, -1, -1, PROTO_OK },
        { "W/\"" EDGE "\"", NULL, -1, -1, PROTO_OK },
        { "\"" ORIGIN "\"", NULL, -1, -1, PROTO_OK },
        { "\"0x1\", \"" EDGE "\"", NULL, -1, -1, PROTO_OK },
        { "*", NULL, -1, -1, PROTO_OK },
        { "\"0x1\"", NULL, -1, -1, PROTO_ERR_CONDITION_NOT_MET },
        { "\"" EDGE "0\"", NULL, -1, -1, PROTO_ERR_CONDITION_NOT_MET },
        { NULL, "\"" EDGE "\"", -1, -1, PROTO_ERR_NOT_MODIFIED },
        { NULL, "\"" ORIGIN "\"", -1, -1, PROTO_ERR_NOT_MODIFIED },
        { NULL, "\"0x1\"", -1, -1, PROTO_OK },
        { NULL, "\"0x1\",\"0x2\"", -1, -1, PROTO_OK },
        { NULL, NULL, 1000, -1, PROTO_ERR_NOT_MODIFIED },
        { NULL, NULL, 1001, -1, PROTO_ERR_NOT_MODIFIED },
        { NULL, NULL, 999, -1, PROTO_OK },
        { NULL, NULL, -1, 1000, PROTO_OK },
        { NULL, NULL, -1, 999, PROTO_ERR_CONDITION_NOT_MET },
        /* IM and IUS and (INM or IMS) */
        { EDGE, NULL, -1, 999, PROTO_ERR_CONDITION_NOT_MET },
        { EDGE, EDGE, -1, -1, PROTO_ERR_NOT_MODIFIED },
        { "0x1", EDGE, -1, -1, PROTO_ERR_CONDITION_NOT_MET },
        { NULL, EDGE, 999, -1, PROTO_OK },
        { NULL, "0x1", 1000, -1, PROTO_OK },
        { NULL, EDGE, 1000, -1, PROTO_ERR_NOT_MODIFIED },
        { EDGE, "0x1", 1000, 1000, PROTO_OK },
    };

    (void) state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        proto_cond_t c =
            cond(cases[i].im, cases[i].inm, cases[i].ims, cases[i].ius);

        assert_int_equal(proto_cond_check_form(&c, false), PROTO_OK);
        assert_int_equal(proto_cond_check_read(&c, &there), cases[i].err);
    }
}


static void
writes(void **state)
{
    static const case_t cases[] = {
        { NULL, NULL, -1, -1, PROTO_OK },
        { EDGE, NULL, -1, -1, PROTO_OK },
        { ORIGIN, NULL, -1, -1, PROTO_OK },
        { "*", NULL, -1, -1, PROTO_OK },
        { "0x1", NULL, -1, -1, PROTO_ERR_CONDITION_NOT_MET },
        { NULL, "*", -1, -1, PROTO_ERR_BLOB_ALREADY_EXISTS },
        { NULL, EDGE, -1, -1, PROTO_ERR_CONDITION_NOT_MET },
        { NULL, "0x1", -1, -1, PROTO_OK },
        { NULL, NULL, 1000, -1, PROTO_ERR_CONDITION_NOT_MET },
        { NULL, NULL, 999, -1, PROTO_OK },
        { NULL, NULL, -1, 1000, PROTO_OK },
        { NULL, NULL, -1, 999, PROTO_ERR_CONDITION_NOT_MET },
        { EDGE, NULL, -1, 999, PROTO_OK }, /* IM decides */
    };

    (void) state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        proto_cond_t c =
            cond(cases[i].im, cases[i].inm, cases[i].ims, cases[i].ius);

        assert_int_equal(proto_cond_check_form(&c, true), PROTO_OK);
        assert_int_equal(proto_cond_check_write(&c, &there, true),
                         cases[i].err);
    }
}


static void
writes_of_what_is_missing(void **state)
{
    proto_cond_t c;

    (void) state;
    c = cond("*", NULL, -1, -1);
    assert_int_equal(proto_cond_check_write(&c, &missing, true),
                     PROTO_ERR_CONDITION_NOT_MET);
    c = cond(EDGE, NULL, -1, -1);
    assert_int_equal(proto_cond_check_write(&c, &missing, true),
                     PROTO_ERR_CONDITION_NOT_MET);
    c = cond(NULL, "*", -1, -1);
    assert_int_equal(proto_cond_check_write(&c, &missing, true), PROTO_OK);
    c = cond(NULL, NULL, -1, 5);
    assert_int_equal(proto_cond_check_write(&c, &missing, true), PROTO_OK);
}


/* "Exists already" is what one says who wanted to make a blob. */
static void
create_only(void **state)
{
    static const proto_op_id_t makers[] = {
        PROTO_OP_PUT_BLOB,          PROTO_OP_PUT_APPEND_BLOB,
        PROTO_OP_PUT_PAGE_BLOB,     PROTO_OP_PUT_BLOCK_LIST,
        PROTO_OP_PUT_BLOB_FROM_URL, PROTO_OP_COPY_BLOB,
        PROTO_OP_COPY_BLOB_FROM_URL
    };
    static const proto_op_id_t others[] = {
        PROTO_OP_SET_BLOB_METADATA, PROTO_OP_SET_BLOB_PROPERTIES,
        PROTO_OP_DELETE_BLOB,       PROTO_OP_SNAPSHOT_BLOB,
        PROTO_OP_LEASE_BLOB,        PROTO_OP_APPEND_BLOCK
    };
    proto_cond_t c = cond(NULL, "*", -1, -1);

    (void) state;

    for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
        assert_int_equal(
            proto_cond_check_write(&c, &there, proto_op_makes_blob(makers[i])),
            PROTO_ERR_BLOB_ALREADY_EXISTS);
    }

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_int_equal(
            proto_cond_check_write(&c, &there, proto_op_makes_blob(others[i])),
            PROTO_ERR_CONDITION_NOT_MET);
    }
}


static void
no_origin_etag_matches_nothing(void **state)
{
    proto_cond_state_t st = there;
    proto_cond_t c;

    (void) state;
    st.origin_etag = VIEW_NULL;
    c = cond("\"\"", NULL, -1, -1);
    assert_int_equal(proto_cond_check_read(&c, &st),
                     PROTO_ERR_CONDITION_NOT_MET);
    c = cond(",,", NULL, -1, -1);
    assert_int_equal(proto_cond_check_read(&c, &st),
                     PROTO_ERR_CONDITION_NOT_MET);
}


static void
forms(void **state)
{
    proto_cond_t c;

    (void) state;
    c = cond(NULL, "*", -1, -1);
    assert_int_equal(proto_cond_check_form(&c, false),
                     PROTO_ERR_UNSATISFIABLE_CONDITION);
    assert_int_equal(proto_cond_check_form(&c, true), PROTO_OK);

    static const case_t mixes[] = {
        { EDGE, "0x1", -1, -1, PROTO_OK },
        { EDGE, NULL, 5, -1, PROTO_OK },
        { NULL, EDGE, -1, 5, PROTO_OK },
        { NULL, NULL, 5, 5, PROTO_OK },
        { EDGE, NULL, 5, 5, PROTO_OK },
        { EDGE, EDGE, 5, 5, PROTO_OK },
        /* lists are for reads */
        { EDGE ",\"0x1\"", NULL, -1, -1, PROTO_OK },
        { NULL, "\"0x1\", " EDGE, -1, -1, PROTO_OK },
    };

    for (size_t i = 0; i < sizeof(mixes) / sizeof(mixes[0]); i++) {
        c = cond(mixes[i].im, mixes[i].inm, mixes[i].ims, mixes[i].ius);
        assert_int_equal(proto_cond_check_form(&c, true),
                         PROTO_ERR_MULTIPLE_CONDITION_HEADERS_NOT_SUPPORTED);
    }

    c = cond(EDGE, NULL, -1, 5);
    assert_int_equal(proto_cond_check_form(&c, true), PROTO_OK);
    c = cond(NULL, EDGE, 5, -1);
    assert_int_equal(proto_cond_check_form(&c, true), PROTO_OK);
}


static void
of_tags(void **state)
{
    static const uint8_t packed[] = { 1, 0, 1, 0, 'a', 'b' };
    proto_cond_state_t st = there;
    proto_cond_t c = { .if_tags = VIEW("a = 'b'") };

    (void) state;
    assert_true(proto_cond_any(&c));
    assert_int_equal(proto_cond_check_read(&c, &st),
                     PROTO_ERR_CONDITION_NOT_MET);

    st.tags = view_of(packed, sizeof(packed));
    assert_int_equal(proto_cond_check_read(&c, &st), PROTO_OK);
    assert_int_equal(proto_cond_check_write(&c, &st, true), PROTO_OK);

    /* with the others */
    c.if_none_match = view_str(EDGE);
    assert_int_equal(proto_cond_check_read(&c, &st), PROTO_ERR_NOT_MODIFIED);
    c.if_none_match = VIEW_NULL;

    c.if_tags = VIEW("a <> 'b'");
    assert_int_equal(proto_cond_check_write(&c, &st, true),
                     PROTO_ERR_CONDITION_NOT_MET);
    assert_int_equal(proto_cond_check_write(&c, &missing, true),
                     PROTO_ERR_CONDITION_NOT_MET);

    c.if_tags = VIEW("a <>");
    assert_int_equal(proto_cond_check_write(&c, &st, true),
                     PROTO_ERR_CONDITION_NOT_MET);
}


/* Asked of both sides, every date decides the same of the same version. */
static void
dates_there(void **state)
{
    static const int64_t ours[] = { 50, 55, 60 };
    const int64_t origin = 55;

    (void) state;

    for (size_t i = 0; i < 3; i++) {
        for (int64_t t = 45; t < 66; t++) {
            int64_t at_lake = proto_cond_since(t, ours[i], origin);

            assert_int_equal(ours[i] > t, origin > at_lake);

            /* a version that came later there */
            assert_true(t < ours[i] || 70 > at_lake);
        }

        assert_int_equal(proto_cond_since(52, 0, origin), 52);
        assert_int_equal(proto_cond_since(52, ours[i], 0), 52);
    }

    assert_int_equal(proto_cond_since(80, 50, origin), 80);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(writes),
        cmocka_unit_test(writes_of_what_is_missing),
        cmocka_unit_test(create_only),
        cmocka_unit_test(no_origin_etag_matches_nothing),
        cmocka_unit_test(forms),
        cmocka_unit_test(of_tags),
        cmocka_unit_test(dates_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
