#ifndef BASE_RC_H
#define BASE_RC_H

/*
 * Result codes of everything below the protocol.
 *
 * 0 is success. Positive values are expected outcomes, handled by the caller
 * that expected them. Negative values are failures and are passed up
 * unchanged (`if (rc < 0) return rc;`). The failure is logged once, where
 * errno and the object are known.
 */
typedef enum {
    TIER_OK = 0,

    TIER_NOT_FOUND = 1, /* no such record, key, file */
    TIER_AGAIN = 2,     /* not now: ask again later */
    TIER_END = 3,       /* a scan or stream came to its end */
    TIER_EXISTS = 4,    /* it is there already */
    TIER_REFUSED = 5,   /* a precondition did not hold */

    TIER_ENOMEM = -1,
    TIER_ENOSPC = -2,   /* disk full or a configured limit of space */
    TIER_ECORRUPT = -3, /* checksum, magic or structure is wrong */
    TIER_EIO = -4,
    TIER_ELIMIT = -5,   /* a bound on what a client can make large */
    TIER_EINVAL = -6,   /* input that does not parse */
    TIER_EVERSION = -7, /* bytes on disk of another format version */
    TIER_EBUSY = -8,    /* another process or host holds it */
    TIER_EORIGIN = -9,  /* the origin cannot be reached or answered 5xx */
    TIER_EINTERNAL = -10
} tier_rc_t;

#define TIER_MUST_CHECK __attribute__((warn_unused_result))

/* A short lower-case name ("no space") for logs; static memory. */
const char *tier_rc_name(tier_rc_t rc);

#endif
