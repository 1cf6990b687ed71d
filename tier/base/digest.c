/* OpenSSL's one-shot structures are deprecated in 3.0 in favour of EVP, which
 * allocates for every digest; these neither allocate nor lock. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/md5.h>
#include <openssl/sha.h>

#include "base/digest.h"
#include "base/endian.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define HAVE_CLMUL 1
#endif

/* CRC-64/NVME, reflected. */
#define CRC64_POLY 0x9A6C9329AC4BC9B5u

static uint64_t crc_table[8][256];
static uint64_t crc_fold[4]; /* x^(512+64), x^512, x^(128+64), x^128 */
static bool crc_clmul;


/* a * b modulo the polynomial, both reflected (bit 63 is x^0). */
static uint64_t
gf_mul(uint64_t a, uint64_t b)
{
    uint64_t r = 0;

    for (uint64_t bit = 1ull << 63; bit != 0; bit >>= 1) {
        if ((a & bit) != 0) {
            r ^= b;
        }

        b = (b >> 1) ^ ((b & 1) != 0 ? CRC64_POLY : 0);
    }

    return r;
}


/* x^n modulo the polynomial, reflected. */
static uint64_t
gf_pow_x(uint64_t n)
{
    uint64_t r = 1ull << 63, base = 1ull << 62;

    for (; n != 0; n >>= 1) {
        if ((n & 1) != 0) {
            r = gf_mul(r, base);
        }

        base = gf_mul(base, base);
    }

    return r;
}


/* Before main: no thread ever sees a half-made table. */
__attribute__((constructor)) static void
crc_init(void)
{
    for (unsigned i = 0; i < 256; i++) {
        uint64_t c = i;

        for (int k = 0; k < 8; k++) {
            c = (c >> 1) ^ ((c & 1) != 0 ? CRC64_POLY : 0);
        }

        crc_table[0][i] = c;
    }

    for (unsigned k = 1; k < 8; k++) {
        for (unsigned i = 0; i < 256; i++) {
            uint64_t c = crc_table[k - 1][i];

            crc_table[k][i] = (c >> 8) ^ crc_table[0][c & 0xFF];
        }
    }

    /* a carry-less product of reflected 64-bit values comes out one bit low:
     * the constants are for one power less */
    crc_fold[0] = gf_pow_x(512 + 64 - 1);
    crc_fold[1] = gf_pow_x(512 - 1);
    crc_fold[2] = gf_pow_x(128 + 64 - 1);
    crc_fold[3] = gf_pow_x(128 - 1);

#if HAVE_CLMUL
    crc_clmul = __builtin_cpu_supports("pclmul")
                && __builtin_cpu_supports("sse4.1");
#endif
}


/* Slicing by 8; `crc` is the inverted running value. */
static uint64_t
crc_slice(uint64_t crc, const uint8_t *p, size_t len)
{
    for (; len >= 8; p += 8, len -= 8) {
        crc ^= le64_get(p);
        crc = crc_table[7][crc & 0xFF] ^ crc_table[6][crc >> 8 & 0xFF]
              ^ crc_table[5][crc >> 16 & 0xFF] ^ crc_table[4][crc >> 24 & 0xFF]
              ^ crc_table[3][crc >> 32 & 0xFF] ^ crc_table[2][crc >> 40 & 0xFF]
              ^ crc_table[1][crc >> 48 & 0xFF] ^ crc_table[0][crc >> 56];
    }

    for (; len != 0; p++, len--) {
        crc = (crc >> 8) ^ crc_table[0][(crc ^ *p) & 0xFF];
    }

    return crc;
}


#if HAVE_CLMUL

/* x * (k.lo for the low half, k.hi for the high half), folded onto y. */
__attribute__((target("pclmul,sse4.1"))) static inline __m128i
fold(__m128i x, __m128i k, __m128i y)
{
    __m128i lo = _mm_clmulepi64_si128(x, k, 0x00);
    __m128i hi = _mm_clmulepi64_si128(x, k, 0x11);

    return _mm_xor_si128(_mm_xor_si128(lo, hi), y);
}


/* Four lanes of 16 bytes are folded 64 bytes on until less than 64 are left;
 * the lanes are folded into one, whose 16 bytes go through the tables with
 * the rest (Gopal et al., "Fast CRC Computation Using PCLMULQDQ"). */
__attribute__((target("pclmul,sse4.1"))) static uint64_t
crc_clmul_run(uint64_t crc, const uint8_t *p, size_t len)
{
    const __m128i k512 = _mm_set_epi64x((long long) crc_fold[1],
                                        (long long) crc_fold[0]);
    const __m128i k128 = _mm_set_epi64x((long long) crc_fold[3],
                                        (long long) crc_fold[2]);
    __m128i x[4];
    uint8_t last[16];

    for (int i = 0; i < 4; i++) {
        x[i] = _mm_loadu_si128((const __m128i *) (const void *) (p + i * 16));
    }

    x[0] = _mm_xor_si128(x[0], _mm_cvtsi64_si128((long long) crc));
    p += 64;
    len -= 64;

    for (; len >= 64; p += 64, len -= 64) {
        for (int i = 0; i < 4; i++) {
            const void *q = p + i * 16;

            x[i] = fold(x[i], k512, _mm_loadu_si128((const __m128i *) q));
        }
    }

    x[1] = fold(x[0], k128, x[1]);
    x[2] = fold(x[1], k128, x[2]);
    x[3] = fold(x[2], k128, x[3]);

    _mm_storeu_si128((__m128i *) (void *) last, x[3]);
    return crc_slice(crc_slice(0, last, sizeof(last)), p, len);
}

#endif


uint64_t
crc64_nvme(uint64_t crc, const void *buf, size_t len)
{
    crc = ~crc;

#if HAVE_CLMUL
    if (crc_clmul && len >= 128) {
        return ~crc_clmul_run(crc, buf, len);
    }
#endif

    return ~crc_slice(crc, buf, len);
}


uint64_t
crc64_nvme_combine(uint64_t crc_a, uint64_t crc_b, uint64_t len_b)
{
    return gf_mul(crc_a, gf_pow_x(len_b * 8)) ^ crc_b;
}


/* ---- MD5, SHA-256, HMAC ----------------------------------------------- */

_Static_assert(sizeof(md5_t) >= sizeof(MD5_CTX), "room for MD5_CTX");


void
md5_init(md5_t *md5)
{
    MD5_Init((MD5_CTX *) md5);
}


void
md5_update(md5_t *md5, const void *buf, size_t len)
{
    MD5_Update((MD5_CTX *) md5, buf, len);
}


void
md5_final(md5_t *md5, uint8_t ret[MD5_LEN])
{
    MD5_Final(ret, (MD5_CTX *) md5);
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
hmac_sha256(view_t key, view_t data, uint8_t ret[SHA256_LEN])
{
    uint8_t block[SHA256_CBLOCK] = { 0 };
    SHA256_CTX ctx;

    if (key.len > sizeof(block)) {
        sha256(key, block);

    } else if (key.len != 0) {
        memcpy(block, key.ptr, key.len);
    }

    for (size_t i = 0; i < sizeof(block); i++) {
        block[i] ^= 0x36;
    }

    SHA256_Init(&ctx);
    SHA256_Update(&ctx, block, sizeof(block));
    SHA256_Update(&ctx, data.ptr, data.len);
    SHA256_Final(ret, &ctx);

    for (size_t i = 0; i < sizeof(block); i++) {
        block[i] ^= 0x36 ^ 0x5C;
    }

    SHA256_Init(&ctx);
    SHA256_Update(&ctx, block, sizeof(block));
    SHA256_Update(&ctx, ret, SHA256_LEN);
    SHA256_Final(ret, &ctx);
}


/* ---- base64 ----------------------------------------------------------- */

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";


void
base64_encode(writer_t *w, view_t data)
{
    for (size_t i = 0; i < data.len; i += 3) {
        size_t n = data.len - i < 3 ? data.len - i : 3;
        uint32_t v = (uint32_t) data.ptr[i] << 16;
        uint8_t out[4];

        v |= n > 1 ? (uint32_t) data.ptr[i + 1] << 8 : 0;
        v |= n > 2 ? data.ptr[i + 2] : 0;

        out[0] = (uint8_t) alphabet[v >> 18];
        out[1] = (uint8_t) alphabet[v >> 12 & 63];
        out[2] = n > 1 ? (uint8_t) alphabet[v >> 6 & 63] : '=';
        out[3] = n > 2 ? (uint8_t) alphabet[v & 63] : '=';
        writer_put(w, view_of(out, sizeof(out)));
    }
}


static int
base64_value(uint8_t c)
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
        bool last = i + 4 == text.len;
        size_t pad = !last ? 0
                     : text.ptr[i + 3] != '=' ? 0
                     : text.ptr[i + 2] != '=' ? 1
                                              : 2;
        uint32_t v = 0;

        for (size_t k = 0; k < 4; k++) {
            int d = k < 4 - pad ? base64_value(text.ptr[i + k]) : 0;

            if (d < 0) {
                return false;
            }

            v = v << 6 | (uint32_t) d;
        }

        if ((pad != 0 && (v & (pad == 1 ? 0xFFu : 0xFFFFu)) != 0)
            || len + 3 - pad > cap)
        {
            return false;
        }

        for (size_t k = 0; k < 3 - pad; k++) {
            buf[len++] = (uint8_t) (v >> (16 - 8 * k));
        }
    }

    *ret_len = len;
    return true;
}


bool
bytes_eq_ct(const void *a, const void *b, size_t len)
{
    const volatile uint8_t *x = a, *y = b;
    uint8_t diff = 0;

    for (size_t i = 0; i < len; i++) {
        diff |= x[i] ^ y[i];
    }

    return diff == 0;
}
