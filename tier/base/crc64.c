#include "base/digest.h"
#include "base/endian.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/*
 * CRC-64/NVME. Polynomials over GF(2) are held bit-reflected: bit 63 of a
 * word is the coefficient of x^0.
 *
 * Two ways to the same value: slicing by 8 (Kounavis and Berry, "A systematic
 * approach to building high performance software-based CRC generators"), and
 * folding by carry-less multiplication (Intel, "Fast CRC computation for
 * generic polynomials using PCLMULQDQ instruction"). A bit-reflected product
 * comes out one bit short, so a fold over d bits takes x^(d+63) and x^(d-1)
 * mod P as its constants.
 */
#define POLY 0x9A6C9329AC4BC9B5ull

/* An entry is the sum of those of its bits: 64 numbers make 2048. */
#define BIT(n, i, v) (((n) >> (i)) & 1 ? (v) : 0ull)

#define ENTRY0(n)                                                             \
    (BIT(n, 0, 0x7F6EF0C830358979ull) ^ BIT(n, 1, 0xFEDDE190606B12F2ull)      \
     ^ BIT(n, 2, 0xC962E5739841B68Full) ^ BIT(n, 3, 0xA61CECB46814FE75ull)    \
     ^ BIT(n, 4, 0x78E0FF3B88BE6F81ull) ^ BIT(n, 5, 0xF1C1FE77117CDF02ull)    \
     ^ BIT(n, 6, 0xD75ADABD7A6E2D6Full) ^ BIT(n, 7, 0x9A6C9329AC4BC9B5ull))
#define ENTRY1(n)                                                             \
    (BIT(n, 0, 0x8776A97D73BDDF69ull) ^ BIT(n, 1, 0x3A3474A9BFEC2DB9ull)      \
     ^ BIT(n, 2, 0x7468E9537FD85B72ull) ^ BIT(n, 3, 0xE8D1D2A6FFB0B6E4ull)    \
     ^ BIT(n, 4, 0xE57A831EA7F6FEA3ull) ^ BIT(n, 5, 0xFE2C206E177A6E2Dull)    \
     ^ BIT(n, 6, 0xC881668F76634F31ull) ^ BIT(n, 7, 0xA5DBEB4DB4510D09ull))
#define ENTRY2(n)                                                             \
    (BIT(n, 0, 0xFF6E4E1F4E4038BEull) ^ BIT(n, 1, 0xCA05BA6DC417E217ull)      \
     ^ BIT(n, 2, 0xA0D25288D0B85745ull) ^ BIT(n, 3, 0x757D8342F9E73DE1ull)    \
     ^ BIT(n, 4, 0xEAFB0685F3CE7BC2ull) ^ BIT(n, 5, 0xE12F2B58BF0B64EFull)    \
     ^ BIT(n, 6, 0xF68770E226815AB5ull) ^ BIT(n, 7, 0xD9D7C79715952601ull))
#define ENTRY3(n)                                                             \
    (BIT(n, 0, 0x8211147CBAF96306ull) ^ BIT(n, 1, 0x30FB0EAA2D655567ull)      \
     ^ BIT(n, 2, 0x61F61D545ACAAACEull) ^ BIT(n, 3, 0xC3EC3AA8B595559Cull)    \
     ^ BIT(n, 4, 0xB301530233BD3853ull) ^ BIT(n, 5, 0x52DB80573FEDE3CDull)    \
     ^ BIT(n, 6, 0xA5B700AE7FDBC79Aull) ^ BIT(n, 7, 0x7FB7270FA7201C5Full))
#define ENTRY4(n)                                                             \
    (BIT(n, 0, 0x373D15F784905D1Eull) ^ BIT(n, 1, 0x6E7A2BEF0920BA3Cull)      \
     ^ BIT(n, 2, 0xDCF457DE12417478ull) ^ BIT(n, 3, 0x8D3189EF7C157B9Bull)    \
     ^ BIT(n, 4, 0x2EBA358DA0BD645Dull) ^ BIT(n, 5, 0x5D746B1B417AC8BAull)    \
     ^ BIT(n, 6, 0xBAE8D63682F59174ull) ^ BIT(n, 7, 0x41088A3E5D7CB183ull))
#define ENTRY5(n)                                                             \
    (BIT(n, 0, 0xE9742A79EF04A5D4ull) ^ BIT(n, 1, 0xE63172A0869ED8C3ull)      \
     ^ BIT(n, 2, 0xF8BBC31255AA22EDull) ^ BIT(n, 3, 0xC5AEA077F3C3D6B1ull)    \
     ^ BIT(n, 4, 0xBF8466BCBF103E09ull) ^ BIT(n, 5, 0x4BD1EB2A26B7EF79ull)    \
     ^ BIT(n, 6, 0x97A3D6544D6FDEF2ull) ^ BIT(n, 7, 0x1B9E8AFBC2482E8Full))
#define ENTRY6(n)                                                             \
    (BIT(n, 0, 0xFC5D27F6BF353971ull) ^ BIT(n, 1, 0xCC6369BE26FDE189ull)      \
     ^ BIT(n, 2, 0xAC1FF52F156C5079ull) ^ BIT(n, 3, 0x6CE6CC0D724F3399ull)    \
     ^ BIT(n, 4, 0xD9CD981AE49E6732ull) ^ BIT(n, 5, 0x8742166691AB5D0Full)    \
     ^ BIT(n, 6, 0x3A5D0A9E7BC12975ull) ^ BIT(n, 7, 0x74BA153CF78252EAull))
#define ENTRY7(n)                                                             \
    (BIT(n, 0, 0x21E9761E252621ACull) ^ BIT(n, 1, 0x43D2EC3C4A4C4358ull)      \
     ^ BIT(n, 2, 0x87A5D878949886B0ull) ^ BIT(n, 3, 0x3B9296A271A69E0Bull)    \
     ^ BIT(n, 4, 0x77252D44E34D3C16ull) ^ BIT(n, 5, 0xEE4A5A89C69A782Cull)    \
     ^ BIT(n, 6, 0xE84D9340D5A36333ull) ^ BIT(n, 7, 0xE44200D2F3D1550Dull))
#define ROW4(e, n) e(n), e((n) + 1), e((n) + 2), e((n) + 3)
#define ROW16(e, n)                                                           \
    ROW4(e, n), ROW4(e, (n) + 4), ROW4(e, (n) + 8), ROW4(e, (n) + 12)
#define ROW64(e, n)                                                           \
    ROW16(e, n), ROW16(e, (n) + 16), ROW16(e, (n) + 32), ROW16(e, (n) + 48)
#define SLICE(e)                                                              \
    {                                                                         \
        ROW64(e, 0u), ROW64(e, 64u), ROW64(e, 128u), ROW64(e, 192u)           \
    }

static const uint64_t slices[8][256] = {
    SLICE(ENTRY0), SLICE(ENTRY1), SLICE(ENTRY2), SLICE(ENTRY3),
    SLICE(ENTRY4), SLICE(ENTRY5), SLICE(ENTRY6), SLICE(ENTRY7),
};

/* x^(8 * 2^i) mod P */
static const uint64_t powers[64] = {
    0x0080000000000000ull, 0x0000800000000000ull, 0x0000000080000000ull,
    0x9A6C9329AC4BC9B5ull, 0x10F4BB0F129310D6ull, 0x70F05DCEA2EBD226ull,
    0x311211205672822Dull, 0x2FC297DB0F46C96Eull, 0xCA4D536FABF7DA84ull,
    0xFB4CDC3B379EE6EDull, 0xEA261148DF25140Aull, 0x59CCB2C07AA6C9B4ull,
    0x20B3674A839AF27Aull, 0x2D8E1986DA94D583ull, 0x42CDF4C20337635Dull,
    0x1D78724BF0F26839ull, 0xB96C84E0AFB34BD5ull, 0x5D2E1FCD2DF0A3EAull,
    0xCD9506572332BE42ull, 0x23BDA2427F7D690Full, 0x347A953232374F07ull,
    0x1C2A807AC2A8CEEAull, 0x9B92AD0E14FE1460ull, 0x2574114889F670B2ull,
    0x4A84A6C45E3BF520ull, 0x915BBAC21CD1C7FFull, 0xB0290EC579F291F5ull,
    0xCF2548505C624E6Eull, 0xB154F27BF08A8207ull, 0xCE4E92344BAF7D35ull,
    0x51DA8D7E057C5EB3ull, 0x9FB10823F5BE15DFull, 0x73B825B3FF1F71CFull,
    0x5DB436C5406EBB74ull, 0xFA7ED8F3EC3F2BCAull, 0xC4D58EFDC61B9EF6ull,
    0xA7E39E61E855BD45ull, 0x97AD46F9DD1BF2F1ull, 0x1A0ABB01F853EE6Bull,
    0x3F0827C3348F8215ull, 0x4EB68C4506134607ull, 0x4A46F6DE5DF34E0Aull,
    0x2D855D6A1C57A8DDull, 0x8688DA58E1115812ull, 0x5232F417FC7C7300ull,
    0xA4080FB2E767D8DAull, 0xD515A7E17693E562ull, 0x1181F7C862E94226ull,
    0x9E23CD058204CA91ull, 0x9B8992C57A0AED82ull, 0xB2C0AFB84609B6FFull,
    0x2F7160553A5EA018ull, 0x3CD378B5C99F2722ull, 0x814054AD61A3B058ull,
    0xBF766189FCE806D8ull, 0x85A5E898AC49F86Full, 0x34830D11BC84F346ull,
    0x9644D95B173C8C1Cull, 0x150401AC9AC759B1ull, 0xEBE1F7F46FB00EBAull,
    0x8EE4CE0C2E2BD662ull, 0x4000000000000000ull, 0x2000000000000000ull,
    0x0800000000000000ull,
};


static uint64_t
update_table(uint64_t state, const uint8_t *p, size_t len)
{
    for (; len >= 8; p += 8, len -= 8) {
        uint64_t v = state ^ le64_get(p);

        state = slices[7][v & 0xFF] ^ slices[6][v >> 8 & 0xFF]
              ^ slices[5][v >> 16 & 0xFF] ^ slices[4][v >> 24 & 0xFF]
              ^ slices[3][v >> 32 & 0xFF] ^ slices[2][v >> 40 & 0xFF]
              ^ slices[1][v >> 48 & 0xFF] ^ slices[0][v >> 56];
    }

    for (; len != 0; p++, len--) {
        state = slices[0][(state ^ *p) & 0xFF] ^ state >> 8;
    }

    return state;
}


#if defined(__x86_64__)

#define LANES    8
#define FOLD_MIN 256 /* below that the table is as quick */

typedef struct fold_s {
    uint64_t low;  /* times the first 8 bytes of a lane */
    uint64_t high; /* times the last */
} fold_t;

/* over (i + 1) * 128 bits */
static const fold_t folds[LANES] = {
    { 0xEADC41FD2BA3D420ull, 0x21E9761E252621ACull },
    { 0xB0BC2E589204F500ull, 0xE1E0BB9D45D7A44Cull },
    { 0xBDD7AC0EE1A4A0F0ull, 0xA3FFDC1FE8E82A8Bull },
    { 0x0C32CDB31E18A84Aull, 0x62242240ACE5045Aull },
    { 0x7B0AB10DD0F809FEull, 0x03363823E6E791E5ull },
    { 0x3C255F5EBC414423ull, 0x34F5A24E22D66E90ull },
    { 0xD083DD594D96319Dull, 0x946588403D4ADCBCull },
    { 0xA1CA681E733F9C40ull, 0x5F852FB61E8D92DCull },
};


__attribute__((target("pclmul,sse2"))) static inline __m128i
fold(__m128i lane, __m128i by, __m128i next)
{
    return _mm_xor_si128(next,
                         _mm_xor_si128(_mm_clmulepi64_si128(lane, by, 0x00),
                                       _mm_clmulepi64_si128(lane, by, 0x11)));
}


__attribute__((target("pclmul,sse2"))) static inline __m128i
fold_by(unsigned lanes)
{
    return _mm_set_epi64x((long long) folds[lanes - 1].high,
                          (long long) folds[lanes - 1].low);
}


/* len is at least FOLD_MIN. */
__attribute__((target("pclmul,sse2"))) static uint64_t
update_fold(uint64_t state, const uint8_t *p, size_t len)
{
    const __m128i far = fold_by(LANES);
    const __m128i near = fold_by(1);
    uint8_t rest[16];
    __m128i x[LANES], sum;

    for (unsigned i = 0; i < LANES; i++) {
        x[i] = _mm_loadu_si128((const __m128i *) p + i);
    }

    x[0] = _mm_xor_si128(x[0], _mm_set_epi64x(0, (long long) state));
    p += 16 * LANES;
    len -= 16 * LANES;

    for (; len >= 16 * LANES; p += 16 * LANES, len -= 16 * LANES) {
        for (unsigned i = 0; i < LANES; i++) {
            x[i] = fold(x[i], far, _mm_loadu_si128((const __m128i *) p + i));
        }
    }

    sum = x[LANES - 1];

    for (unsigned i = 0; i < LANES - 1; i++) {
        sum = fold(x[i], fold_by(LANES - 1 - i), sum);
    }

    for (; len >= 16; p += 16, len -= 16) {
        sum = fold(sum, near, _mm_loadu_si128((const __m128i *) p));
    }

    _mm_storeu_si128((__m128i *) rest, sum);
    return update_table(update_table(0, rest, sizeof(rest)), p, len);
}


static uint64_t
update(uint64_t state, const uint8_t *p, size_t len)
{
    if (len >= FOLD_MIN && __builtin_cpu_supports("pclmul")) {
        return update_fold(state, p, len);
    }

    return update_table(state, p, len);
}

#else

static uint64_t
update(uint64_t state, const uint8_t *p, size_t len)
{
    return update_table(state, p, len);
}

#endif


uint64_t
crc64_nvme(uint64_t crc, const void *buf, size_t len)
{
    return ~update(~crc, buf, len);
}


uint64_t
crc64_nvme_table(uint64_t crc, const void *buf, size_t len)
{
    return ~update_table(~crc, buf, len);
}


/* a * b mod P */
static uint64_t
multiply(uint64_t a, uint64_t b)
{
    uint64_t product = 0;

    for (; a != 0; a <<= 1) {
        product ^= b & (0 - (a >> 63));
        b = b >> 1 ^ (POLY & (0 - (b & 1)));
    }

    return product;
}


/* The ones of init and xorout cancel out between the two. */
uint64_t
crc64_nvme_combine(uint64_t crc_a, uint64_t crc_b, uint64_t len_b)
{
    for (unsigned i = 0; len_b != 0; i++, len_b >>= 1) {
        if (len_b & 1) {
            crc_a = multiply(crc_a, powers[i]);
        }
    }

    return crc_a ^ crc_b;
}
