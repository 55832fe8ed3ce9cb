// One lane at a time, by bytes, with the same contracts as the variants: what those are tested against.
#include <math.h>
#include <string.h>

#include "ckernels_ring.h"

#pragma clang fp contract(off)

static uint64_t load(const void *from, size_t bytes) {
  const uint8_t *byte = from;
  uint64_t value = 0;
  for (size_t i = 0; i < bytes; i++) value |= (uint64_t)byte[i] << (8 * i);
  return value;
}

static void store(void *to, size_t bytes, uint64_t value) {
  uint8_t *byte = to;
  for (size_t i = 0; i < bytes; i++) byte[i] = (uint8_t)(value >> (8 * i));
}

static void accumulate(size_t count, uint8_t *lanes, size_t memory, const uint8_t *stream, size_t wire, int is_added) {
  for (size_t e = 0; e < count; e++) {
    const uint64_t old = load(lanes + e * memory, memory), change = load(stream + e * wire, wire);
    store(lanes + e * memory, memory, is_added ? old + change : old - change);
  }
}

#define DEFINE_ACCUMULATE(bits, memory, wire)                                         \
  static void add##bits(size_t count, void *lanes, const void *stream) {              \
    accumulate(count, lanes, memory, stream, wire, 1);                                \
  }                                                                                   \
  static void subtract##bits(size_t count, void *lanes, const void *stream) {         \
    accumulate(count, lanes, memory, stream, wire, 0);                                \
  }

DEFINE_ACCUMULATE(16, 2, 2)
DEFINE_ACCUMULATE(24, 4, 3)
DEFINE_ACCUMULATE(32, 4, 4)
DEFINE_ACCUMULATE(64, 8, 8)

static void pack24(size_t count, const void *lanes, void *out) {
  for (size_t e = 0; e < count; e++) store((uint8_t *)out + 3 * e, 3, load((const uint8_t *)lanes + 4 * e, 4));
}

/// The integer for one scaled value, before it is clamped.
static double rounded(double scaled, double step, const void *random, size_t e) {
  const double v = scaled / step, below = floor(v);
  const double word = (double)load((const uint8_t *)random + 4 * e, 4);
  return word < (v - below) * 4294967296.0 ? below + 1.0 : below;
}

static size_t keep(double q, double bound, void *lanes, size_t memory, size_t e) {
  const double kept = fmax(-bound, fmin(bound, q));
  store((uint8_t *)lanes + e * memory, memory, (uint64_t)(int64_t)kept);
  return kept != q;
}

#define DEFINE_QUANTISE(bits, memory)                                                                            \
  static size_t quantise_single##bits(size_t count, const float *x, double factor, double step, double bound,    \
                                      const void *random, void *lanes) {                                         \
    size_t clamped = 0;                                                                                          \
    for (size_t e = 0; e < count; e++)                                                                           \
      clamped += keep(rounded((double)x[e] * factor, step, random, e), bound, lanes, memory, e);                 \
    return clamped;                                                                                              \
  }                                                                                                              \
  static size_t quantise_double##bits(size_t count, const double *x, double step, double bound,                  \
                                      const void *random, void *lanes) {                                         \
    size_t clamped = 0;                                                                                          \
    for (size_t e = 0; e < count; e++) clamped += keep(rounded(x[e], step, random, e), bound, lanes, memory, e); \
    return clamped;                                                                                              \
  }

DEFINE_QUANTISE(16, 2)
DEFINE_QUANTISE(32, 4)

/// A lane of `bits` bits in `memory` bytes as a two's complement number.
static int64_t number(const void *lanes, size_t e, size_t memory, unsigned bits) {
  const uint64_t value = load((const uint8_t *)lanes + e * memory, memory) << (64 - bits);
  return (int64_t)value >> (64 - bits);
}

#define DEFINE_WIDEN(bits, memory)                                                                                   \
  static void widen##bits##_double(size_t count, const void *lanes, double scale, double *out) {                     \
    for (size_t e = 0; e < count; e++) out[e] = (double)number(lanes, e, memory, bits) * scale;                      \
  }                                                                                                                  \
  static void widen##bits##_single(size_t count, const void *lanes, double scale, float *out) {                      \
    for (size_t e = 0; e < count; e++) out[e] = (float)((double)number(lanes, e, memory, bits) * scale);             \
  }

DEFINE_WIDEN(16, 2)
DEFINE_WIDEN(24, 4)
DEFINE_WIDEN(32, 4)
DEFINE_WIDEN(64, 8)

static void narrow(size_t count, const double *x, float *out) {
  for (size_t e = 0; e < count; e++) out[e] = (float)x[e];
}

static void butterfly(double *a, double *b) {
  const double sum = *a + *b, difference = *a - *b;
  *a = sum;
  *b = difference;
}

static void hadamard_pass(size_t begin, size_t end, size_t h, unsigned stages, double *x) {
  for (unsigned stage = 0; stage < stages; stage++)
    for (size_t i = begin; i < end; i++) {
      double *first = x + (i / h) * (h << stages) + i % h;
      for (size_t row = 0; row < (size_t)1 << stages; row++)
        if (!(row >> stage & 1)) butterfly(first + row * h, first + (row + ((size_t)1 << stage)) * h);
    }
}

static void hadamard_block(size_t count, double *x) {
  for (size_t h = 1; h < count; h *= 2)
    for (size_t e = 0; e < count; e++)
      if (!(e & h)) butterfly(x + e, x + e + h);
}

static void flip_signs(size_t count, double *x, const uint8_t *bits) {
  for (size_t e = 0; e < count; e++)
    if (bits[e / 8] >> (e % 8) & 1) x[e] = -x[e];
}

static void scale(size_t count, double *x, double factor) {
  for (size_t e = 0; e < count; e++) x[e] *= factor;
}

static const ck_ring_table table = {
    .name = "reference",
    .add16 = add16,
    .subtract16 = subtract16,
    .add24 = add24,
    .subtract24 = subtract24,
    .add32 = add32,
    .subtract32 = subtract32,
    .add64 = add64,
    .subtract64 = subtract64,
    .pack24 = pack24,
    .quantise_single16 = quantise_single16,
    .quantise_double16 = quantise_double16,
    .quantise_single32 = quantise_single32,
    .quantise_double32 = quantise_double32,
    .widen16_double = widen16_double,
    .widen24_double = widen24_double,
    .widen32_double = widen32_double,
    .widen64_double = widen64_double,
    .widen16_single = widen16_single,
    .widen24_single = widen24_single,
    .widen32_single = widen32_single,
    .widen64_single = widen64_single,
    .narrow = narrow,
    .hadamard_pass = hadamard_pass,
    .hadamard_block = hadamard_block,
    .flip_signs = flip_signs,
    .scale = scale,
};

const ck_ring_table *ck_ring_reference_table(void) { return &table; }
