#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/digest.h"
#include "proto/answer.h"
#include "proto/uri.h"
#include "sync/stage.h"

/*
 * Staging a list against an origin in memory that has the committed blocks c1
 * and c2 and the uncommitted block u1, and blocks w1 (bytes "one"), w2 ("two")
 * and c2 ("six") that wait here.
 */
#define BYTES "onetwosix"

typedef struct fake_s {
    char put[8][16]; /* ids of the blocks that came, with their bytes */
    unsigned nput;
    unsigned lists;
    bool no_blob;
    unsigned refuse_list; /* status; 0: none */
    unsigned refuse_put;
    bool bad_document;
    unsigned unreadable; /* so many opens fail */
    unsigned opens;
    bool spoilt; /* the bytes are not those of the checksum */
    bool nothing_waits;
    char path[64];
} fake_t;


static void
answer(origin_answer_t *a, unsigned status, const char *code)
{
    writer_init_fixed(&a->scratch, a->buf, sizeof(a->buf));
    a->status = status;
    a->code = writer_take(&a->scratch, view_str(code));
    a->class_ = status < 300       ? ORIGIN_OK
              : status == 404      ? ORIGIN_NOT_FOUND
              : status == 412      ? ORIGIN_CONDITION
              : status == 403      ? ORIGIN_AUTH
              : status == 503      ? ORIGIN_THROTTLED
              : status % 1000 == 0 ? ORIGIN_TRANSIENT
                                   : ORIGIN_PERMANENT;
    snprintf(a->text, sizeof(a->text), "%u %s", status, code);
}


static void
name(writer_t *w, const char *id)
{
    writer_puts(w, "<Block><Name>");
    base64_encode(w, view_str(id));
    writer_puts(w, "</Name><Size>3</Size></Block>");
}


static void
get_list(fake_t *f, const origin_req_t *req, origin_answer_t *a)
{
    f->lists++;

    if (f->refuse_list != 0) {
        answer(a, f->refuse_list, "Refused");
        return;
    }

    if (f->no_blob) {
        answer(a, 404, "BlobNotFound");
        return;
    }

    writer_puts(req->body, "<BlockList><CommittedBlocks>");
    name(req->body, "c1");
    name(req->body, "c2");
    writer_puts(req->body, "</CommittedBlocks><UncommittedBlocks>");
    name(req->body, "u1");

    if (!f->bad_document) {
        writer_puts(req->body, "</UncommittedBlocks></BlockList>");
    }

    answer(a, 200, "");
}


static void
put_block(fake_t *f, const origin_req_t *req, origin_answer_t *a)
{
    uint8_t text[64], id[16], body[64], crc[8];
    size_t n, len = 0;
    int64_t got;
    writer_t w;
    view_t v;

    writer_init_fixed(&w, text, sizeof(text));
    assert_true(proto_uri_decode(
        view_sub(req->query, 8, view_find(req->query, '&', 0) - 8), false, &w,
        &v));
    assert_true(base64_decode(v, id, sizeof(id), &n));
    assert_int_equal(n, 2);

    while ((got = req->read(req->read_ctx, body + len, sizeof(body) - len))
           > 0) {
        len += (size_t) got;
    }

    if (got < 0) {
        answer(a, 1000, "");
        return;
    }

    assert_int_equal(len, req->length);
    assert_true(base64_decode(proto_answer_header(req->headers, req->nheaders,
                                                  VIEW("x-ms-content-crc64")),
                              crc, sizeof(crc), &n));

    if (f->refuse_put != 0) {
        answer(a, f->refuse_put, "InvalidBlobOrBlock");
        return;
    }

    snprintf(f->put[f->nput++], 16, "%.2s=%.*s", (char *) id, (int) len,
             (char *) body);
    answer(a, 201, "");
}


static tier_rc_t
fake_request(void *ctx, unsigned lane, const origin_req_t *req,
             origin_answer_t *ret)
{
    (void) lane;
    memset(ret, 0, sizeof(*ret));
    assert_true(view_eq(req->container, VIEW("con")));
    assert_true(view_eq(req->blob, VIEW("b")));

    if (strcmp(req->method, "GET") == 0) {
        get_list(ctx, req, ret);

    } else {
        put_block(ctx, req, ret);
    }

    return TIER_OK;
}


static tier_rc_t
waiting(void *ctx, store_extent_fn fn, void *fn_ctx)
{
    static const char *const ids[] = { "c2", "w1", "w2" };
    static const unsigned at[] = { 6, 0, 3 };
    const fake_t *f = ctx;

    for (unsigned i = 0; i < 3 && !f->nothing_waits; i++) {
        store_extent_t e = { .offset = at[i], .length = 3, .id_len = 2 };

        memcpy(e.id, ids[i], 2);
        e.crc64 = crc64_nvme(0, BYTES + at[i], 3) ^ (f->spoilt ? 1 : 0);

        if (fn(fn_ctx, &e) != 0) {
            break;
        }
    }

    return f->nothing_waits ? TIER_NOT_FOUND : TIER_OK;
}


static int
fake_open(void *ctx, store_file_kind_t kind, uint64_t file)
{
    fake_t *f = ctx;

    (void) kind;
    (void) file;
    f->opens++;

    if (f->unreadable != 0) {
        f->unreadable--;
        return -1;
    }

    return open(f->path, O_RDONLY);
}


static void
fake_parallel(void *ctx, unsigned n,
              void (*fn)(void *job, unsigned i, unsigned lane), void *job)
{
    (void) ctx;

    for (unsigned i = 0; i < n; i++) {
        fn(job, i, i % 2);
    }
}


/* list: "Lw1 Cc1 Uw2" */
static sync_staged_t
stage(fake_t *f, const char *list)
{
    static const uint8_t edge_id[16];
    sync_env_t env = { .ctx = f,
                       .request = fake_request,
                       .open_file = fake_open,
                       .parallel = fake_parallel,
                       .edge_id = edge_id };
    sync_list_t l = { .container = VIEW("con"),
                      .name = VIEW("b"),
                      .waiting = waiting,
                      .ctx = f };
    sync_staged_t ret;
    uint8_t xml[1024];
    writer_t w;
    int fd;

    strcpy(f->path, "/tmp/test_stage.XXXXXX");
    fd = mkstemp(f->path);
    assert_int_equal(write(fd, BYTES, 9), 9);
    close(fd);

    writer_init_fixed(&w, xml, sizeof(xml));
    writer_puts(&w, "<BlockList>");

    for (const char *p = list; *p != 0; p += p[3] == 0 ? 3 : 4) {
        const char *tag = *p == 'C' ? "Committed"
                        : *p == 'U' ? "Uncommitted"
                                    : "Latest";

        writer_putc(&w, '<');
        writer_puts(&w, tag);
        writer_putc(&w, '>');
        base64_encode(&w, view_of(p + 1, 2));
        writer_puts(&w, "</");
        writer_puts(&w, tag);
        writer_putc(&w, '>');
    }

    writer_puts(&w, "</BlockList>");
    l.xml = writer_view(&w);
    sync_stage_list(&env, &l, &ret);
    unlink(f->path);
    return ret;
}


static void
test_mixed(void **state)
{
    fake_t f = { 0 };
    sync_staged_t s = stage(&f, "Cc1 Lw2 Uu1 Lc2 Lw2 Lu1 Cc2");

    (void) state;
    assert_int_equal(s.status, 200);
    assert_int_equal(s.blocks, 2);
    assert_int_equal(s.bytes, 6);
    assert_int_equal(f.lists, 1);
    assert_int_equal(f.nput, 2);
    assert_string_equal(f.put[0], "c2=six");
    assert_string_equal(f.put[1], "w2=two");
}


/* A committed block is meant: the one that waits under its id stays here. */
static void
test_committed_only(void **state)
{
    fake_t f = { 0 };
    sync_staged_t s = stage(&f, "Cc2 Cc1");

    (void) state;
    assert_int_equal(s.status, 200);
    assert_int_equal(s.blocks, 0);
    assert_int_equal(f.nput, 0);
}


static void
test_ours_only(void **state)
{
    fake_t f = { .refuse_list = 503 };

    (void) state;
    assert_int_equal(stage(&f, "Uw1 Lw2").status, 200);
    assert_int_equal(f.lists, 0);
    assert_int_equal(f.nput, 2);
}


static void
test_unknown(void **state)
{
    static const char *const lists[] = { "Lw1 Lxx", "Lw1 Cw1", "Lw1 Uc1",
                                         "Lw1 Cu1", "Lw1 Cw1 Cc1" };

    (void) state;

    for (unsigned i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        fake_t f = { 0 };
        sync_staged_t s = stage(&f, lists[i]);

        assert_int_equal(s.status, 400);
        assert_string_equal(s.code, "InvalidBlockList");
        assert_int_equal(f.nput, 0);
    }

    fake_t none = { .no_blob = true };
    fake_t gone = { .nothing_waits = true };

    assert_string_equal(stage(&none, "Lw1 Lc1").code, "InvalidBlockList");
    assert_int_equal(none.nput, 0);
    assert_string_equal(stage(&gone, "Lw1 Lc1").code, "InvalidBlockList");
    assert_int_equal(stage(&gone, "Lc1").status, 200);
}


static void
test_refused(void **state)
{
    fake_t busy = { .refuse_list = 503 }, key = { .refuse_list = 403 };
    fake_t away = { .refuse_list = 404 }, bad = { .bad_document = true };
    fake_t put = { .refuse_put = 400 }, late = { .refuse_put = 503 };
    sync_staged_t s = stage(&busy, "Lw1 Lc1");

    (void) state;
    assert_int_equal(s.status, 503);
    assert_string_equal(s.code, "ServerBusy");
    /* a matter of the operator, not of the client's credentials */
    s = stage(&key, "Lw1 Lc1");
    assert_int_equal(s.status, 503);
    assert_string_equal(s.code, "ServerBusy");
    s = stage(&away, "Lw1 Lc1");
    assert_int_equal(s.status, 404);
    assert_string_equal(s.code, "Refused");
    assert_int_equal(stage(&bad, "Lw1 Lc1").status, 503);

    s = stage(&put, "Lw1 Lc1");
    assert_int_equal(s.status, 400);
    assert_string_equal(s.code, "InvalidBlobOrBlock");
    assert_int_equal(stage(&late, "Lw1 Lc1").status, 503);
}


static void
test_bytes(void **state)
{
    fake_t moved = { .unreadable = 1 }, gone = { .unreadable = 100 };
    fake_t spoilt = { .spoilt = true };
    sync_staged_t s = stage(&moved, "Lw1 Lc1");

    (void) state;
    assert_int_equal(s.status, 200);
    assert_string_equal(moved.put[0], "w1=one");

    s = stage(&gone, "Lw1 Lc1");
    assert_int_equal(s.status, 503);
    assert_int_equal(gone.opens, 3);

    s = stage(&spoilt, "Lw1 Lc1");
    assert_int_equal(s.status, 500);
    assert_string_equal(s.code, "InternalError");
    assert_int_equal(spoilt.nput, 0);
}


static void
test_document(void **state)
{
    sync_env_t env = { .request = fake_request };
    sync_list_t l = { .xml = VIEW("<BlockList><Latest>w1") };
    sync_staged_t s;

    (void) state;
    sync_stage_list(&env, &l, &s);
    assert_int_equal(s.status, 400);
    assert_string_equal(s.code, "InvalidXmlDocument");
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mixed),
        cmocka_unit_test(test_committed_only),
        cmocka_unit_test(test_ours_only),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_document),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
