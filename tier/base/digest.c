/* The functions that work in the caller's memory are the ones that OpenSSL 3
 * would rather not show; its EVP ones allocate. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/crypto.h>
#include <openssl/md5.h>
#include <openssl/sha.h>

#include "base/digest.h"

_Static_assert(sizeof(MD5_CTX) <= sizeof(md5_t), "md5_t is too small");
_Static_assert(sizeof(SHA256_CTX) <= sizeof(((hmac_t *) 0)->inner),
               "hmac_t is too small");


void
md5_init(md5_t *md5)
{
    MD5_Init((MD5_CTX *) md5->state);
}


void
md5_update(md5_t *md5, const void *buf, size_t len)
{
    MD5_Update((MD5_CTX *) md5->state, buf, len);
}


void
md5_final(md5_t *md5, uint8_t ret[MD5_LEN])
{
    MD5_Final(ret, (MD5_CTX *) md5->state);
}


void
sha256(view_t data, uint8_t ret[SHA256_LEN])
{
    SHA256_CTX ctx;

    SHA256_Init(&ctx);
    SHA256_Update(&ctx, data.ptr, data.len);
    SHA256_Final(ret, &ctx);
}


void
hmac_init(hmac_t *hmac, view_t key)
{
    uint8_t block[SHA256_CBLOCK] = { 0 };

    if (key.len > sizeof(block)) {
        sha256(key, block);

    } else if (key.len != 0) {
        memcpy(block, key.ptr, key.len);
    }

    for (size_t i = 0; i < sizeof(block); i++) {
        block[i] ^= 0x36;
    }

    SHA256_Init((SHA256_CTX *) hmac->inner);
    SHA256_Update((SHA256_CTX *) hmac->inner, block, sizeof(block));

    for (size_t i = 0; i < sizeof(block); i++) {
        block[i] ^= 0x36 ^ 0x5C;
    }

    SHA256_Init((SHA256_CTX *) hmac->outer);
    SHA256_Update((SHA256_CTX *) hmac->outer, block, sizeof(block));
    OPENSSL_cleanse(block, sizeof(block));
}


void
hmac_update(hmac_t *hmac, view_t data)
{
    SHA256_Update((SHA256_CTX *) hmac->inner, data.ptr, data.len);
}


void
hmac_final(hmac_t *hmac, uint8_t ret[SHA256_LEN])
{
    uint8_t inner[SHA256_LEN];

    SHA256_Final(inner, (SHA256_CTX *) hmac->inner);
    SHA256_Update((SHA256_CTX *) hmac->outer, inner, sizeof(inner));
    SHA256_Final(ret, (SHA256_CTX *) hmac->outer);
}


void
hmac_sha256(view_t key, view_t data, uint8_t ret[SHA256_LEN])
{
    hmac_t hmac;

    hmac_init(&hmac, key);
    hmac_update(&hmac, data);
    hmac_final(&hmac, ret);
}


static const char alphabet[64] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";


void
base64_encode(writer_t *w, view_t data)
{
    uint8_t *out = writer_reserve(w, (data.len + 2) / 3 * 4);

    if (out == NULL) {
        return;
    }

    for (size_t i = 0; i < data.len; i += 3, out += 4) {
        size_t n = data.len - i < 3 ? data.len - i : 3;
        uint32_t v = (uint32_t) data.ptr[i] << 16;

        v |= n > 1 ? (uint32_t) data.ptr[i + 1] << 8 : 0;
        v |= n > 2 ? data.ptr[i + 2] : 0;
        out[0] = (uint8_t) alphabet[v >> 18];
        out[1] = (uint8_t) alphabet[v >> 12 & 63];
        out[2] = n > 1 ? (uint8_t) alphabet[v >> 6 & 63] : '=';
        out[3] = n > 2 ? (uint8_t) alphabet[v & 63] : '=';
    }
}


static int
sextet(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }

    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }

    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }

    return c == '+' ? 62 : c == '/' ? 63 : -1;
}


bool
base64_decode(view_t text, uint8_t *buf, size_t cap, size_t *ret_len)
{
    size_t len = 0;

    if (text.len % 4 != 0) {
        return false;
    }

    for (size_t i = 0; i < text.len; i += 4) {
        const uint8_t *p = text.ptr + i;
        bool last = i + 4 == text.len;
        size_t n = !last || p[3] != '=' ? 3 : p[2] != '=' ? 2 : 1;
        int a = sextet(p[0]), b = sextet(p[1]);
        int c = n > 1 ? sextet(p[2]) : 0, d = n > 2 ? sextet(p[3]) : 0;

        if (a < 0 || b < 0 || c < 0 || d < 0 || n > cap - len) {
            return false;
        }

        uint32_t v = (uint32_t) a << 18 | (uint32_t) b << 12
                   | (uint32_t) c << 6 | (uint32_t) d;

        if ((v & (0xFFFFFFu >> 8 * n)) != 0) {
            return false;
        }

        for (size_t k = 0; k < n; k++) {
            buf[len++] = (uint8_t) (v >> (16 - 8 * k));
        }
    }

    *ret_len = len;
    return true;
}


bool
bytes_eq_ct(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}
