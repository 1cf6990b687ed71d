#ifndef PROTO_STRUCTURED_H
#define PROTO_STRUCTURED_H

#include "base/view.h"
#include "proto/error.h"
#include "proto/headers.h"

/*
 * Structured messages, version 1 (x-ms-structured-body: XSM/1.0;
 * properties=crc64): content cut into segments, each with a checksum. All
 * numbers little-endian, checksums CRC-64/NVME.
 *
 *     u8 version = 1 | u64 length of all of this | u16 flags = 1 | u16 count
 *     count times:  u16 number, from 1 | u64 length | data | u64 crc of data
 *     u64 crc of the data of all segments
 *
 * Both directions are streams of any chunking over a few words of state; data
 * is handed on as views into what came in, never copied.
 */
#define PROTO_STRUCTURED_HEAD      13
#define PROTO_STRUCTURED_SEG_HEAD  10
#define PROTO_STRUCTURED_CRC       8
#define PROTO_STRUCTURED_SEGMENT   (4ull * 1024 * 1024)
#define PROTO_STRUCTURED_COUNT_MAX 65535u

/* The one value of the header that is understood. */
#define PROTO_STRUCTURED_WORD "XSM/1.0; properties=crc64"

/* Is the body framed, and what is it without its frame? Looks at
 * x-ms-structured-body, x-ms-structured-content-length and Content-Length:
 * InvalidHeaderValue, MissingRequiredHeader. Without the header *ret_framed
 * is false and *ret_length left alone. */
proto_err_t proto_structured_body(const proto_headers_t *h, bool *ret_framed,
                                  uint64_t *ret_length, proto_fault_t *fault);
/* Is a framed answer wanted? InvalidHeaderValue for another word. */
proto_err_t proto_structured_wanted(const proto_headers_t *h, bool *ret_wanted,
                                    proto_fault_t *fault);

/* ---- in ---------------------------------------------------------------- */

typedef struct proto_structured_in_s {
    uint64_t framed; /* what all of it must be */
    uint64_t length; /* and its data */
    uint64_t read;
    uint64_t data;
    uint64_t left; /* of this segment */
    uint64_t crc;  /* of this segment */
    uint64_t crc_all;
    unsigned state;
    unsigned count;
    unsigned number; /* of this segment */
    unsigned have;   /* bytes in buf */
    uint8_t buf[PROTO_STRUCTURED_HEAD];
    proto_err_t err;
    uint64_t claimed; /* Crc64Mismatch: the one that was sent */
    uint64_t ours;
} proto_structured_in_t;

void proto_structured_in_init(proto_structured_in_t *in, uint64_t framed,
                              uint64_t length);
/* Takes bytes from the front of *io and returns the first data among them, at
 * most `max` bytes, as a view into them; empty when *io is used up. After an
 * error nothing more is taken: look at in->err. */
view_t proto_structured_in_next(proto_structured_in_t *in, view_t *io,
                                size_t max);
/* All has come: PROTO_OK, or InvalidHeaderValue (the frame or its lengths are
 * wrong) or Crc64Mismatch, with *fault filled. */
proto_err_t proto_structured_in_end(const proto_structured_in_t *in,
                                    writer_t *scratch, proto_fault_t *fault);

/* ---- out --------------------------------------------------------------- */

typedef struct proto_structured_out_s {
    uint64_t length; /* of the data */
    uint64_t segment;
    uint64_t done;
    uint64_t left; /* of this segment */
    uint64_t crc;
    uint64_t crc_all;
    unsigned state;
    unsigned count;
    unsigned number;
    uint8_t buf[PROTO_STRUCTURED_HEAD + PROTO_STRUCTURED_SEG_HEAD
                + PROTO_STRUCTURED_CRC];
} proto_structured_out_t;

/* Length of the message around so much data in so many segments. */
uint64_t proto_structured_length(uint64_t length, unsigned count);
/* Segments of 4 MiB, or longer where there would be too many; one that is
 * empty for no data. */
void proto_structured_out_init(proto_structured_out_t *out, uint64_t length);
uint64_t proto_structured_out_framed(const proto_structured_out_t *out);
/* The next bytes of the message: *ret_frame tells whether they lie in
 * out->buf until the next call, or are taken from the front of *io. Empty:
 * *io is used up and more is wanted, or the message is complete. */
view_t proto_structured_out_next(proto_structured_out_t *out, view_t *io,
                                 bool *ret_frame);

/* The parts alone, for who knows the segments and their checksums; return
 * their length. */
size_t proto_structured_put_head(uint8_t *buf, uint64_t length,
                                 unsigned count);
size_t proto_structured_put_segment(uint8_t *buf, unsigned number,
                                    uint64_t length);

#endif
