#include "base/digest.h"
#include "base/endian.h"
#include "proto/structured.h"

#define VERSION    1
#define FLAG_CRC64 1

enum { IN_HEAD = 0, IN_SEG_HEAD, IN_DATA, IN_SEG_CRC, IN_CRC, IN_DONE };

enum { OUT_HEAD = 0, OUT_DATA, OUT_DONE };


/* ---- headers ----------------------------------------------------------- */

static proto_err_t
word_fault(proto_fault_t *fault, view_t v)
{
    return proto_fault(fault, PROTO_ERR_INVALID_HEADER_VALUE,
                       VIEW("x-ms-structured-body"), v);
}


/* "XSM/1.0" and, after a semicolon and any space, "properties=crc64". */
static bool
is_word(view_t v)
{
    size_t semicolon = view_find(v, ';', 0);

    return view_eq_ci(view_trim(view_sub(v, 0, semicolon)), VIEW("XSM/1.0"))
        && view_eq_ci(view_trim(view_sub(v, semicolon + 1, v.len)),
                      VIEW("properties=crc64"));
}


proto_err_t
proto_structured_wanted(const proto_headers_t *h, bool *ret_wanted,
                        proto_fault_t *fault)
{
    view_t v = proto_hdr(h, PROTO_HDR_X_MS_STRUCTURED_BODY);

    if (v.len != 0 && !is_word(v)) {
        return word_fault(fault, v);
    }

    *ret_wanted = v.len != 0;
    return PROTO_OK;
}


proto_err_t
proto_structured_body(const proto_headers_t *h, bool *ret_framed,
                      uint64_t *ret_length, proto_fault_t *fault)
{
    view_t v = proto_hdr(h, PROTO_HDR_X_MS_STRUCTURED_CONTENT_LENGTH);
    view_t name = VIEW("x-ms-structured-content-length");
    uint64_t length;
    bool framed;
    proto_err_t err = proto_structured_wanted(h, &framed, fault);

    if (err != PROTO_OK) {
        return err;
    }

    if (!framed) {
        *ret_framed = false;
        return v.len == 0
                 ? PROTO_OK
                 : proto_fault(fault, PROTO_ERR_MISSING_REQUIRED_HEADER,
                               VIEW("x-ms-structured-body"), VIEW_NULL);
    }

    if (v.len == 0) {
        return proto_fault(fault, PROTO_ERR_MISSING_REQUIRED_HEADER, name,
                           VIEW_NULL);
    }

    /* the shortest frame there is: no segment at all */
    if (!view_to_u64(v, &length)
        || (h->has_content_length
            && (length > h->content_length
                || h->content_length - length
                       < PROTO_STRUCTURED_HEAD + PROTO_STRUCTURED_CRC)))
    {
        return proto_fault(fault, PROTO_ERR_INVALID_HEADER_VALUE, name, v);
    }

    *ret_framed = true;
    *ret_length = length;
    return PROTO_OK;
}


/* ---- in ---------------------------------------------------------------- */

void
proto_structured_in_init(proto_structured_in_t *in, uint64_t framed,
                         uint64_t length)
{
    memset(in, 0, sizeof(*in));
    in->framed = framed;
    in->length = length;
}


static void
bad(proto_structured_in_t *in)
{
    in->err = PROTO_ERR_INVALID_HEADER_VALUE;
}


static void
check_crc(proto_structured_in_t *in, uint64_t ours)
{
    in->claimed = le64_get(in->buf);
    in->ours = ours;

    if (in->claimed != ours) {
        in->err = PROTO_ERR_CRC64_MISMATCH;
    }
}


static unsigned
wanted(const proto_structured_in_t *in)
{
    return in->state == IN_HEAD     ? PROTO_STRUCTURED_HEAD
         : in->state == IN_SEG_HEAD ? PROTO_STRUCTURED_SEG_HEAD
                                    : PROTO_STRUCTURED_CRC;
}


/* A part of the frame is complete in buf. */
static void
take_part(proto_structured_in_t *in)
{
    switch (in->state) {

    case IN_HEAD:
        in->count = le16_get(in->buf + 11);
        if (in->buf[0] != VERSION || le64_get(in->buf + 1) != in->framed
            || le16_get(in->buf + 9) != FLAG_CRC64
            || proto_structured_length(in->length, in->count) != in->framed)
        {
            bad(in);
        }
        in->state = in->count != 0 ? IN_SEG_HEAD : IN_CRC;
        break;

    case IN_SEG_HEAD:
        in->left = le64_get(in->buf + 2);
        if (le16_get(in->buf) != in->number + 1
            || in->left > in->length - in->data) {
            bad(in);
        }
        in->number++;
        in->crc = 0;
        in->state = in->left != 0 ? IN_DATA : IN_SEG_CRC;
        break;

    case IN_SEG_CRC:
        check_crc(in, in->crc);
        in->state = in->number < in->count ? IN_SEG_HEAD : IN_CRC;
        break;

    default:
        check_crc(in, in->crc_all);
        if (in->data != in->length) {
            bad(in);
        }
        in->state = IN_DONE;
    }
}


static void
gather(proto_structured_in_t *in, view_t *io)
{
    size_t n = wanted(in) - in->have;

    n = n < io->len ? n : io->len;
    memcpy(in->buf + in->have, io->ptr, n);
    in->have += (unsigned) n;
    in->read += n;
    *io = view_sub(*io, n, io->len);

    if (in->have == wanted(in)) {
        in->have = 0;
        take_part(in);
    }
}


view_t
proto_structured_in_next(proto_structured_in_t *in, view_t *io, size_t max)
{
    view_t data;

    while (io->len != 0 && in->err == PROTO_OK && in->state != IN_DATA) {
        if (in->state == IN_DONE) {
            bad(in); /* more than it said */
            break;
        }
        gather(in, io);
    }

    if (io->len == 0 || in->err != PROTO_OK) {
        return view_of(io->ptr, 0);
    }

    max = in->left < max ? (size_t) in->left : max;
    data = view_sub(*io, 0, max);
    *io = view_sub(*io, data.len, io->len);

    in->crc = crc64_nvme(in->crc, data.ptr, data.len);
    in->crc_all = crc64_nvme(in->crc_all, data.ptr, data.len);
    in->read += data.len;
    in->data += data.len;
    in->left -= data.len;

    if (in->left == 0) {
        in->state = IN_SEG_CRC;
    }

    return data;
}


proto_err_t
proto_structured_in_end(const proto_structured_in_t *in, writer_t *scratch,
                        proto_fault_t *fault)
{
    if (in->err == PROTO_ERR_CRC64_MISMATCH) {
        return proto_fault_crc64(fault, in->claimed, in->ours, scratch);
    }

    if (in->err != PROTO_OK || in->state != IN_DONE) {
        (void) word_fault(fault, VIEW(PROTO_STRUCTURED_WORD));
        fault->reason = VIEW("The body is not a structured message of the "
                             "lengths that the headers give.");
        return fault->err;
    }

    return PROTO_OK;
}


/* ---- out --------------------------------------------------------------- */

uint64_t
proto_structured_length(uint64_t length, unsigned count)
{
    return PROTO_STRUCTURED_HEAD
         + count
               * (uint64_t) (PROTO_STRUCTURED_SEG_HEAD + PROTO_STRUCTURED_CRC)
         + length + PROTO_STRUCTURED_CRC;
}


size_t
proto_structured_put_head(uint8_t *buf, uint64_t length, unsigned count)
{
    buf[0] = VERSION;
    le64_put(buf + 1, proto_structured_length(length, count));
    le16_put(buf + 9, FLAG_CRC64);
    le16_put(buf + 11, (uint16_t) count);
    return PROTO_STRUCTURED_HEAD;
}


size_t
proto_structured_put_segment(uint8_t *buf, unsigned number, uint64_t length)
{
    le16_put(buf, (uint16_t) number);
    le64_put(buf + 2, length);
    return PROTO_STRUCTURED_SEG_HEAD;
}


void
proto_structured_out_init(proto_structured_out_t *out, uint64_t length)
{
    memset(out, 0, sizeof(*out));
    out->length = length;
    out->segment = PROTO_STRUCTURED_SEGMENT;

    while (length / out->segment >= PROTO_STRUCTURED_COUNT_MAX) {
        out->segment *= 2;
    }

    out->count = (unsigned) (length / out->segment)
               + (length == 0 || length % out->segment != 0);
}


uint64_t
proto_structured_out_framed(const proto_structured_out_t *out)
{
    return proto_structured_length(out->length, out->count);
}


static size_t
begin_segment(proto_structured_out_t *out, uint8_t *p)
{
    uint64_t rest = out->length - out->done;

    out->left = rest < out->segment ? rest : out->segment;
    out->crc = 0;
    return proto_structured_put_segment(p, ++out->number, out->left);
}


view_t
proto_structured_out_next(proto_structured_out_t *out, view_t *io,
                          bool *ret_frame)
{
    uint8_t *buf = out->buf;
    view_t data;
    size_t n;

    *ret_frame = true;

    if (out->state == OUT_HEAD) {
        n = proto_structured_put_head(buf, out->length, out->count);
        out->state = OUT_DATA;
        return view_of(buf, n + begin_segment(out, buf + n));
    }

    if (out->state == OUT_DATA && out->left == 0) {
        le64_put(buf, out->crc);
        n = PROTO_STRUCTURED_CRC;

        if (out->number < out->count) {
            n += begin_segment(out, buf + n);
        } else {
            le64_put(buf + n, out->crc_all);
            n += PROTO_STRUCTURED_CRC;
            out->state = OUT_DONE;
        }
        return view_of(buf, n);
    }

    *ret_frame = false;

    if (out->state == OUT_DONE) {
        return VIEW_NULL;
    }

    data =
        view_sub(*io, 0, out->left < io->len ? (size_t) out->left : io->len);
    *io = view_sub(*io, data.len, io->len);
    out->crc = crc64_nvme(out->crc, data.ptr, data.len);
    out->crc_all = crc64_nvme(out->crc_all, data.ptr, data.len);
    out->left -= data.len;
    out->done += data.len;
    return data;
}
