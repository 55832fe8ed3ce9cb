// The ring kernels of one class, compiled once per class. The including file defines:
//   CK_VARIANT   name of the table it makes
//   CK_NAME      its name as text
//   CK_TARGET    the function attribute that allows the class's instructions
//   CK_SHUFFLES  1 if 256-bit byte shuffles may be used
// Most loops are plain: without branches and aliasing the compiler makes vectors of the class of them.
#include <math.h>
#include <string.h>

#include "ckernels_ring.h"
#if CK_SHUFFLES
#include <immintrin.h>
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "Lanes are kept little-endian in memory: this host is not supported."
#endif

// Two roundings for a product and a sum: what is shared between implementations must not depend on the CPU.
#pragma clang fp contract(off)

#define CK_INLINE CK_TARGET __attribute__((always_inline)) static inline

typedef uint16_t ck_u16 __attribute__((aligned(1), may_alias));
typedef uint32_t ck_u32 __attribute__((aligned(1), may_alias));
typedef uint64_t ck_u64 __attribute__((aligned(1), may_alias));
typedef int16_t ck_i16 __attribute__((aligned(1), may_alias));
typedef int32_t ck_i32 __attribute__((aligned(1), may_alias));
typedef int64_t ck_i64 __attribute__((aligned(1), may_alias));

// MARK: Lanes

#define CK_DEFINE_ACCUMULATE(name, LANE, operator)                                   \
  CK_TARGET static void name(size_t count, void *lanes, const void *stream) {        \
    LANE *restrict sum = lanes;                                                      \
    const LANE *restrict added = stream;                                             \
    for (size_t e = 0; e < count; e++) sum[e] = (LANE)(sum[e] operator added[e]);    \
  }

CK_DEFINE_ACCUMULATE(ck_add16, ck_u16, +)
CK_DEFINE_ACCUMULATE(ck_subtract16, ck_u16, -)
CK_DEFINE_ACCUMULATE(ck_add32, ck_u32, +)
CK_DEFINE_ACCUMULATE(ck_subtract32, ck_u32, -)
CK_DEFINE_ACCUMULATE(ck_add64, ck_u64, +)
CK_DEFINE_ACCUMULATE(ck_subtract64, ck_u64, -)

#if CK_SHUFFLES
/// Eight lanes of three bytes, each half of the register reading 16 bytes of which it uses 12: 28 bytes must be there.
CK_INLINE __m256i ck_unpack8(const uint8_t *stream) {
  const __m256i spread = _mm256_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1,  //
                                          0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1);
  const __m256i bytes = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)stream)),
                                                _mm_loadu_si128((const __m128i *)(stream + 12)), 1);
  return _mm256_shuffle_epi8(bytes, spread);
}
#endif

CK_INLINE uint32_t ck_lane24(const uint8_t *stream) {
  return (uint32_t)stream[0] | (uint32_t)stream[1] << 8 | (uint32_t)stream[2] << 16;
}

CK_INLINE void ck_accumulate24(size_t count, void *lanes, const void *stream, int is_added) {
  ck_u32 *restrict sum = lanes;
  const uint8_t *restrict bytes = stream;
  size_t e = 0;
#if CK_SHUFFLES
  // 28 bytes are there while ten lanes are left.
  for (; e + 10 <= count; e += 8) {
    const __m256i added = ck_unpack8(bytes + 3 * e), old = _mm256_loadu_si256((const __m256i *)(sum + e));
    _mm256_storeu_si256((__m256i *)(sum + e),
                        is_added ? _mm256_add_epi32(old, added) : _mm256_sub_epi32(old, added));
  }
#else
  // Four lanes are three words.
  for (; e + 4 <= count; e += 4) {
    uint32_t word[3];
    memcpy(word, bytes + 3 * e, sizeof word);
    const uint32_t lane[4] = {word[0] & 0xffffff, (word[0] >> 24 | word[1] << 8) & 0xffffff,
                              (word[1] >> 16 | word[2] << 16) & 0xffffff, word[2] >> 8};
    for (int i = 0; i < 4; i++) sum[e + i] = is_added ? sum[e + i] + lane[i] : sum[e + i] - lane[i];
  }
#endif
  for (; e < count; e++) {
    const uint32_t lane = ck_lane24(bytes + 3 * e);
    sum[e] = is_added ? sum[e] + lane : sum[e] - lane;
  }
}

CK_TARGET static void ck_add24(size_t count, void *lanes, const void *stream) {
  ck_accumulate24(count, lanes, stream, 1);
}

CK_TARGET static void ck_subtract24(size_t count, void *lanes, const void *stream) {
  ck_accumulate24(count, lanes, stream, 0);
}

CK_TARGET static void ck_pack24(size_t count, const void *lanes, void *out) {
  const ck_u32 *restrict lane = lanes;
  uint8_t *restrict bytes = out;
  size_t e = 0;
#if CK_SHUFFLES
  const __m256i gather = _mm256_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1,  //
                                          0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
  // Each half stores 16 bytes, of which the last four are overwritten by what comes next: ten lanes must be left.
  for (; e + 10 <= count; e += 8) {
    const __m256i packed = _mm256_shuffle_epi8(_mm256_loadu_si256((const __m256i *)(lane + e)), gather);
    _mm_storeu_si128((__m128i *)(bytes + 3 * e), _mm256_castsi256_si128(packed));
    _mm_storeu_si128((__m128i *)(bytes + 3 * e + 12), _mm256_extracti128_si256(packed, 1));
  }
#else
  for (; e + 4 <= count; e += 4) {
    const uint32_t a = lane[e] & 0xffffff, b = lane[e + 1] & 0xffffff, c = lane[e + 2] & 0xffffff, d = lane[e + 3];
    const uint32_t word[3] = {a | b << 24, b >> 8 | c << 16, c >> 16 | d << 8};
    memcpy(bytes + 3 * e, word, sizeof word);
  }
#endif
  for (; e < count; e++) {
    bytes[3 * e] = (uint8_t)lane[e];
    bytes[3 * e + 1] = (uint8_t)(lane[e] >> 8);
    bytes[3 * e + 2] = (uint8_t)(lane[e] >> 16);
  }
}

// MARK: Quantiser

// Everything below 2^53 is an exact integer in binary64, and beyond it v has no fraction: q needs no integer type before
// it is clamped.
#define CK_DEFINE_QUANTISE(name, LANE, parameters, scaled)                              \
  CK_TARGET static size_t name parameters {                                             \
    LANE *restrict lane = lanes;                                                        \
    const ck_u32 *restrict word = random;                                               \
    size_t clamped = 0;                                                                 \
    for (size_t e = 0; e < count; e++) {                                                \
      const double v = (scaled) / step, floor = __builtin_floor(v);                     \
      const double up = (double)word[e] < (v - floor) * 4294967296.0 ? 1.0 : 0.0;       \
      const double q = floor + up;                                                      \
      const double low = q < -bound ? -bound : q, kept = low > bound ? bound : low;     \
      clamped += kept != q;                                                             \
      lane[e] = (LANE)(int32_t)kept;                                                    \
    }                                                                                   \
    return clamped;                                                                     \
  }

#define CK_SINGLE                                                                                               \
  (size_t count, const float *restrict x, double factor, double step, double bound, const void *random, void *lanes)
#define CK_DOUBLE (size_t count, const double *restrict x, double step, double bound, const void *random, void *lanes)

CK_DEFINE_QUANTISE(ck_quantise_single16, ck_i16, CK_SINGLE, (double)x[e] * factor)
CK_DEFINE_QUANTISE(ck_quantise_single32, ck_i32, CK_SINGLE, (double)x[e] * factor)
CK_DEFINE_QUANTISE(ck_quantise_double16, ck_i16, CK_DOUBLE, x[e])
CK_DEFINE_QUANTISE(ck_quantise_double32, ck_i32, CK_DOUBLE, x[e])

// MARK: Numbers of lanes

#define CK_DEFINE_WIDEN(bits, LANE, number)                                                                          \
  CK_TARGET static void ck_widen##bits##_double(size_t count, const void *lanes, double scale, double *restrict out) { \
    const LANE *restrict lane = lanes;                                                                               \
    for (size_t e = 0; e < count; e++) out[e] = (double)(number) * scale;                                            \
  }                                                                                                                  \
  CK_TARGET static void ck_widen##bits##_single(size_t count, const void *lanes, double scale, float *restrict out) { \
    const LANE *restrict lane = lanes;                                                                               \
    for (size_t e = 0; e < count; e++) out[e] = (float)((double)(number) * scale);                                   \
  }

CK_DEFINE_WIDEN(16, ck_i16, lane[e])
CK_DEFINE_WIDEN(24, ck_u32, (int32_t)(lane[e] << 8) >> 8)
CK_DEFINE_WIDEN(32, ck_i32, lane[e])
CK_DEFINE_WIDEN(64, ck_i64, lane[e])

CK_TARGET static void ck_narrow(size_t count, const double *restrict x, float *restrict out) {
  for (size_t e = 0; e < count; e++) out[e] = (float)x[e];
}

// MARK: Walsh–Hadamard

/// `width` butterflies of 2^stages rows that are `h` apart.
CK_INLINE void ck_butterflies(size_t width, size_t h, int stages, double *restrict x) {
  const int rows = 1 << stages;
  for (size_t j = 0; j < width; j++) {
    double value[8];
    for (int r = 0; r < rows; r++) value[r] = x[(size_t)r * h + j];
    for (int distance = 1; distance < rows; distance *= 2)
      for (int first = 0; first < rows; first += 2 * distance)
        for (int r = first; r < first + distance; r++) {
          const double a = value[r], b = value[r + distance];
          value[r] = a + b;
          value[r + distance] = a - b;
        }
    for (int r = 0; r < rows; r++) x[(size_t)r * h + j] = value[r];
  }
}

CK_TARGET static void ck_butterflies1(size_t width, size_t h, double *x) { ck_butterflies(width, h, 1, x); }
CK_TARGET static void ck_butterflies2(size_t width, size_t h, double *x) { ck_butterflies(width, h, 2, x); }
CK_TARGET static void ck_butterflies3(size_t width, size_t h, double *x) { ck_butterflies(width, h, 3, x); }

CK_TARGET static void ck_hadamard_pass(size_t begin, size_t end, size_t h, unsigned stages, double *x) {
  while (begin < end) {
    const size_t j = begin % h, width = end - begin < h - j ? end - begin : h - j;
    double *first = x + (begin / h) * (h << stages) + j;
    if (stages == 1) ck_butterflies1(width, h, first);
    if (stages == 2) ck_butterflies2(width, h, first);
    if (stages == 3) ck_butterflies3(width, h, first);
    begin += width;
  }
}

CK_TARGET static void ck_hadamard_block(size_t count, double *x) {
  size_t h = 1;
  while (h < count) {
    const unsigned stages = count / h >= 8 ? 3 : count / h >= 4 ? 2 : 1;
    const size_t span = h << stages;
    for (size_t first = 0; first < count; first += span) {
      if (stages == 3) ck_butterflies3(h, h, x + first);
      if (stages == 2) ck_butterflies2(h, h, x + first);
      if (stages == 1) ck_butterflies1(h, h, x + first);
    }
    h = span;
  }
}

CK_TARGET static void ck_flip_signs(size_t count, double *restrict x, const uint8_t *restrict bits) {
  ck_u64 *pattern = (ck_u64 *)x;
  size_t e = 0;
  for (; e + 8 <= count; e += 8) {
    const uint64_t byte = bits[e / 8];
    for (int i = 0; i < 8; i++) pattern[e + i] ^= (byte >> i) << 63;
  }
  for (; e < count; e++) pattern[e] ^= (uint64_t)(bits[e / 8] >> (e % 8)) << 63;
}

CK_TARGET static void ck_scale(size_t count, double *x, double factor) {
  for (size_t e = 0; e < count; e++) x[e] = x[e] * factor;
}

const ck_ring_table CK_VARIANT = {
    .name = CK_NAME,
    .add16 = ck_add16,
    .subtract16 = ck_subtract16,
    .add24 = ck_add24,
    .subtract24 = ck_subtract24,
    .add32 = ck_add32,
    .subtract32 = ck_subtract32,
    .add64 = ck_add64,
    .subtract64 = ck_subtract64,
    .pack24 = ck_pack24,
    .quantise_single16 = ck_quantise_single16,
    .quantise_double16 = ck_quantise_double16,
    .quantise_single32 = ck_quantise_single32,
    .quantise_double32 = ck_quantise_double32,
    .widen16_double = ck_widen16_double,
    .widen24_double = ck_widen24_double,
    .widen32_double = ck_widen32_double,
    .widen64_double = ck_widen64_double,
    .widen16_single = ck_widen16_single,
    .widen24_single = ck_widen24_single,
    .widen32_single = ck_widen32_single,
    .widen64_single = ck_widen64_single,
    .narrow = ck_narrow,
    .hadamard_pass = ck_hadamard_pass,
    .hadamard_block = ck_hadamard_block,
    .flip_signs = ck_flip_signs,
    .scale = ck_scale,
};
