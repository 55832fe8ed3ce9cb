/// Inner loops of secure averaging: lanes of Z_{2^k}, the quantiser, the Walsh–Hadamard transform. One variant per class of
/// CPU behind one function table; unlike those of training, all variants give the same bits.
///
/// In wire form a lane has k/8 bytes, little-endian. In memory it has 2, 4, 4 or 8: lanes of 24 bits compute in 32 and
/// drop the upper eight on output. No pointer needs alignment; `lanes`, `stream`, `x` and `out` must not overlap.
#ifndef CKERNELS_RING_H
#define CKERNELS_RING_H

#include "ckernels.h"

/// `lanes[e] ±= stream[e]` modulo the width in memory; `stream` in wire form.
typedef void (*ck_ring_accumulate)(size_t count, void *lanes, const void *stream);

/// Rounds `x[e] · factor / step` to an integer and stores it as lane `e`; gives how many integers were clamped.
///
/// In binary64, one rounding per operation: `v = x·factor/step`, `q = ⌊v⌋ + 1` if `random[e] < (v − ⌊v⌋)·2^32` else `⌊v⌋`,
/// then q is clamped to ±`bound`. `random` is little-endian u32. Every x must be finite, `bound` an integer that a lane
/// holds, at most 2^31 − 1.
typedef size_t (*ck_ring_quantise_single)(size_t count, const float *x, double factor, double step, double bound,
                                          const void *random, void *lanes);
/// The same for values that are scaled already: `v = x/step`.
typedef size_t (*ck_ring_quantise_double)(size_t count, const double *x, double step, double bound, const void *random,
                                          void *lanes);

/// `out[e] = lane e · scale`, the lane a two's complement number, in binary64 with one rounding; to single with another.
typedef void (*ck_ring_widen_double)(size_t count, const void *lanes, double scale, double *out);
typedef void (*ck_ring_widen_single)(size_t count, const void *lanes, double scale, float *out);

/// The kernels of one class. No function allocates, locks or keeps state.
typedef struct {
  const char *name;

  ck_ring_accumulate add16, subtract16;
  ck_ring_accumulate add24, subtract24;
  ck_ring_accumulate add32, subtract32;
  ck_ring_accumulate add64, subtract64;

  /// Writes lanes of 24 bits, 4 bytes each in memory, in wire form: 3 bytes each.
  void (*pack24)(size_t count, const void *lanes, void *out);

  /// Into lanes of 2 bytes.
  ck_ring_quantise_single quantise_single16;
  ck_ring_quantise_double quantise_double16;
  /// Into lanes of 4 bytes.
  ck_ring_quantise_single quantise_single32;
  ck_ring_quantise_double quantise_double32;

  /// From lanes in memory form to numbers.
  ck_ring_widen_double widen16_double, widen24_double, widen32_double, widen64_double;
  ck_ring_widen_single widen16_single, widen24_single, widen32_single, widen64_single;

  /// `out[e] = (float)x[e]`.
  void (*narrow)(size_t count, const double *x, float *out);

  /// Butterflies `begin ..< end` of `stages` (1, 2 or 3) stages of a Walsh–Hadamard transform in natural order, at the
  /// distances h, 2h, 4h: (a, b) ← (a + b, a − b). Butterfly i works on the 2^stages elements from
  /// `(i / h)·(h << stages) + i mod h` on, h apart, so different butterflies may run on different threads.
  void (*hadamard_pass)(size_t begin, size_t end, size_t h, unsigned stages, double *x);

  /// The whole transform of `count` elements, a power of two; meant for blocks that stay in the cache.
  void (*hadamard_block)(size_t count, double *x);

  /// Changes the sign of `x[e]` where bit `e mod 8`, least significant first, of byte `e / 8` is set.
  void (*flip_signs)(size_t count, double *x, const uint8_t *bits);

  /// `x[e] ← x[e] · factor`.
  void (*scale)(size_t count, double *x, double factor);
} ck_ring_table;

/// The kernels of a class; NULL if this CPU or this build lacks it. The base class is always there.
const ck_ring_table *ck_ring_table_for(ck_class cpu_class);

/// The same functions one lane at a time: what the variants are tested against.
const ck_ring_table *ck_ring_reference_table(void);

#endif
