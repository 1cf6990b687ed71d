#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stdbool.h>

#include "base/rc.h"
#include "base/view.h"
#include "base/writer.h"

/*
 * Digests and base64. No allocation, no global state but a CPU-feature flag.
 *
 * CRC-64/NVME: reflected polynomial 0x9A6C9329AC4BC9B5, init and xorout all
 * ones; what Azure calls x-ms-content-crc64 (8 bytes, little-endian, base64).
 * Uses carry-less multiplication where the CPU has it.
 */
#define MD5_LEN    16
#define SHA256_LEN 32

/* crc is 0 at the start and the finished value after every call. */
uint64_t crc64_nvme(uint64_t crc, const void *buf, size_t len);
/* The same without special instructions. */
uint64_t crc64_nvme_table(uint64_t crc, const void *buf, size_t len);
/* CRC of A||B from crc(A), crc(B) and the length of B. */
uint64_t crc64_nvme_combine(uint64_t crc_a, uint64_t crc_b, uint64_t len_b);

typedef struct md5_s {
    uint64_t state[16]; /* room for OpenSSL's MD5_CTX; asserted in digest.c */
} md5_t;

void md5_init(md5_t *md5);
void md5_update(md5_t *md5, const void *buf, size_t len);
void md5_final(md5_t *md5, uint8_t ret[MD5_LEN]);

void sha256(view_t data, uint8_t ret[SHA256_LEN]);
/* HMAC-SHA256 (RFC 2104), any key length. */
void hmac_sha256(view_t key, view_t data, uint8_t ret[SHA256_LEN]);

/* The same in parts. */
typedef struct hmac_s {
    uint64_t inner[14]; /* room for OpenSSL's SHA256_CTX */
    uint64_t outer[14];
} hmac_t;

void hmac_init(hmac_t *hmac, view_t key);
void hmac_update(hmac_t *hmac, view_t data);
void hmac_final(hmac_t *hmac, uint8_t ret[SHA256_LEN]);

/* Standard alphabet with padding (RFC 4648 section 4). */
void base64_encode(writer_t *w, view_t data);
/* Strict: false for another alphabet, missing padding, stray bits or more
 * than cap bytes. */
bool base64_decode(view_t text, uint8_t *buf, size_t cap, size_t *ret_len);

/* Equality in time that depends on the lengths only. */
bool bytes_eq_ct(const void *a, const void *b, size_t len);

#endif
