#include "proto/fetched.h"

#include "proto/answer.h"
#include "proto/date.h"

static void
put_header(writer_t *w, const char *name, view_t value)
{
    if (value.ptr != NULL) {
        writer_puts(w, name);
        writer_puts(w, ": ");
        writer_put(w, value);
        writer_puts(w, "\r\n");
    }
}


static void
put_time(writer_t *w, const char *name, bool has, int64_t t_s)
{
    if (has) {
        writer_puts(w, name);
        writer_puts(w, ": ");
        proto_date_rfc1123(w, t_s);
        writer_puts(w, "\r\n");
    }
}


/* Clients leave out the quotes, sources insist on them. */
static void
put_etag(writer_t *w, const char *name, view_t v)
{
    if (v.len == 0 || view_eq(v, VIEW("*")) || view_find(v, '"', 0) != v.len) {
        put_header(w, name, v);
        return;
    }

    writer_puts(w, name);
    writer_puts(w, ": \"");
    writer_put(w, v);
    writer_puts(w, "\"\r\n");
}


void
proto_fetched_ask(writer_t *w, const proto_fetched_ask_t *ask)
{
    const proto_copy_t *copy = ask->copy;
    const proto_cond_t *c = &copy->cond;

    writer_puts(w, "POST /fetch?account=");
    proto_uri_encode(w, ask->account, false);

    if (ask->lake.len != 0) {
        writer_puts(w, "&lake=");
        proto_uri_encode(w, ask->lake, false);
    }

    writer_puts(w, " HTTP/1.0\r\nHost: blob-tier\r\nContent-Length: 0\r\n");
    put_header(w, "x-source", ask->url);

    if (ask->lake.len == 0) {
        put_header(w, "x-source-authorization", copy->authorization);
    }

    put_etag(w, "x-source-if-match", c->if_match);
    put_etag(w, "x-source-if-none-match", c->if_none_match);
    put_header(w, "x-source-if-tags", c->if_tags);
    put_time(w, "x-source-if-modified-since", c->has_modified_since,
             c->modified_since_s);
    put_time(w, "x-source-if-unmodified-since", c->has_unmodified_since,
             c->unmodified_since_s);

    if (copy->has_range) {
        writer_puts(w, "x-source-range: bytes=");
        writer_put_u64(w, copy->range_off);
        writer_putc(w, '-');

        if (copy->range_len != UINT64_MAX) {
            writer_put_u64(w, copy->range_off + copy->range_len - 1);
        }

        writer_puts(w, "\r\n");
    }

    writer_puts(w, "\r\n");
}


bool
proto_fetched_head(view_t head, unsigned *ret_status, proto_header_t *hdrs,
                   unsigned cap, unsigned *ret_n)
{
    uint64_t status = 0;
    unsigned n = 0;

    for (size_t from = 0, to; from < head.len; from = to + 1) {
        to = view_find(head, '\n', from);

        if (to == head.len || to == from || head.ptr[to - 1] != '\r') {
            return false;
        }

        view_t line = view_sub(head, from, to - 1 - from);
        size_t colon = view_find(line, ':', 0);

        if (from == 0) {
            if (!view_starts_with(line, VIEW("HTTP/1."))
                || !view_to_u64(view_sub(line, 9, 3), &status))
            {
                return false;
            }

        } else if (line.len == 0) {
            if (to + 1 != head.len) {
                return false;
            }

            *ret_status = (unsigned) status;
            *ret_n = n;
            return true;

        } else if (colon == line.len || n == cap) {
            return false;

        } else {
            hdrs[n].name = view_sub(line, 0, colon);
            hdrs[n++].value = view_trim(view_sub(line, colon + 1, line.len));
        }
    }

    return false;
}


static proto_err_t
refusal(unsigned status, const proto_fetched_t *f)
{
    switch (status) {
    case FETCHED_BYTES:
        return PROTO_OK;
    case FETCHED_STATUS:
        return f->status == 304 ? PROTO_ERR_SOURCE_CONDITION_NOT_MET
                                : proto_copy_source_error(f->status);
    case FETCHED_REFUSED:
        return PROTO_ERR_COPY_SOURCE_FORBIDDEN;
    case FETCHED_NO_LENGTH:
    case FETCHED_NO_ANSWER:
        return PROTO_ERR_COPY_SOURCE_FAILED;
    default:
        return PROTO_ERR_SERVER_BUSY;
    }
}


/* Whether the bytes are those of the range. A server that does not do ranges
 * sends all. */
static proto_err_t
check_range(const proto_header_t *hdrs, unsigned n, const proto_copy_t *copy,
            proto_fetched_t *f)
{
    uint64_t off, len, total, want;

    if (!copy->has_range) {
        return f->status == 200 ? PROTO_OK : PROTO_ERR_COPY_SOURCE_FAILED;
    }

    if (f->status == 200) {
        return copy->range_off == 0 && f->length <= copy->range_len
                 ? PROTO_OK
                 : PROTO_ERR_COPY_SOURCE_FAILED;
    }

    if (!proto_answer_content_range(
            proto_answer_header(hdrs, n, VIEW("content-range")), &off, &len,
            &total)
        || off != copy->range_off || len != f->length)
    {
        return PROTO_ERR_COPY_SOURCE_FAILED;
    }

    want = total - off < copy->range_len ? total - off : copy->range_len;
    return len == want ? PROTO_OK : PROTO_ERR_COPY_SOURCE_FAILED;
}


/* Copy Blob and Copy Blob From URL make a blob of the source's type, and only
 * block blobs can be made here. */
static bool
type_fits(const proto_op_t *op, const blob_props_t *props)
{
    return props->type == BLOB_BLOCK || op->id == PROTO_OP_PUT_BLOB_FROM_URL
        || op->id == PROTO_OP_PUT_BLOCK_FROM_URL
        || op->id == PROTO_OP_APPEND_BLOCK_FROM_URL;
}


proto_err_t
proto_fetched(unsigned status, const proto_header_t *hdrs, unsigned n,
              const proto_copy_t *copy, const proto_op_t *op,
              writer_t *scratch, proto_fetched_t *ret)
{
    proto_copy_t whole = *copy;
    uint64_t number, off, len;
    proto_fault_t fault;
    proto_err_t err;

    memset(ret, 0, sizeof(*ret));
    ret->why = proto_answer_header(hdrs, n, VIEW("x-fetch-why"));
    ret->code = proto_answer_header(hdrs, n, VIEW("x-ms-error-code"));

    if (view_to_u64(proto_answer_header(hdrs, n, VIEW("x-source-status")),
                    &number))
    {
        ret->status = (unsigned) number;
    }

    err = refusal(status, ret);

    if (err != PROTO_OK) {
        return err;
    }

    if (!view_to_u64(proto_answer_header(hdrs, n, VIEW("content-length")),
                     &ret->length))
    {
        ret->why = VIEW("blob-tier did not say the length");
        return PROTO_ERR_SERVER_BUSY;
    }

    err = check_range(hdrs, n, copy, ret);

    if (err != PROTO_OK) {
        ret->why = VIEW("the source sent other bytes than were asked for");
        return err;
    }

    /* the limits are for what comes, the range is settled */
    whole.has_range = false;
    err = proto_copy_part(&whole, op, ret->length, &off, &len);

    if (err != PROTO_OK) {
        return err;
    }

    proto_answer_source(hdrs, n, &ret->props);

    if (!type_fits(op, &ret->props)) {
        return PROTO_ERR_INVALID_SOURCE_BLOB_TYPE;
    }

    if (proto_headers_metadata(hdrs, n, scratch, &ret->props.metadata, &fault)
        != PROTO_OK)
    {
        ret->why = VIEW("the source has metadata that a blob cannot have");
        return PROTO_ERR_COPY_SOURCE_FAILED;
    }

    ret->props.type = BLOB_BLOCK;
    ret->props.has_md5 = false;
    ret->props.content_length = ret->length;
    return PROTO_OK;
}
