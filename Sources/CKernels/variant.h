// The kernels of one class, compiled once per class. The including file defines:
//   CK_VARIANT   name of the table it makes
//   CK_NAME      its name as text
//   CK_TARGET    the function attribute that allows the class's instructions
//   CK_LANES     floats of one register: 4, 8 or 16
//   CK_COLUMNS   registers of one tile row
//   CK_FUSED     1 for fused multiply-add, 0 for two roundings
#include <math.h>
#include <string.h>

#include "ckernels.h"

#define CK_INLINE CK_TARGET __attribute__((always_inline)) static inline

// Fusing is said explicitly below; the compiler must add none, or debug and release builds would differ.
#pragma clang fp contract(off)

typedef float ck_f4 __attribute__((ext_vector_type(4), aligned(4), may_alias));
#if CK_LANES >= 8
typedef float ck_f8 __attribute__((ext_vector_type(8), aligned(4), may_alias));
#endif
#if CK_LANES >= 16
typedef float ck_f16 __attribute__((ext_vector_type(16), aligned(4), may_alias));
#endif

// a · b + c, for scalars and vectors alike.
#if CK_FUSED
#define CK_MULTIPLY_ADD(a, b, c) __builtin_elementwise_fma((a), (b), (c))
#else
#define CK_MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#endif

// MARK: Matrix product

/// Where a product reads and writes: `c[i, j] = initial[j] + Σ_p a[i·a_row + p·a_step] · b[p, j]`.
typedef struct {
  size_t inner;
  const float *a;
  size_t a_row, a_step;
  const float *b;
  size_t ldb;
  const float *initial;  // NULL for zeros
  float *c;
  size_t ldc;
} ck_product;

// ROWS × (COLUMNS registers of VEC) of c from row i and column j, all sums in registers.
#define CK_DEFINE_TILE(name, VEC, WIDTH, ROWS, COLUMNS)                                     \
  CK_INLINE void name(const ck_product *p, size_t i, size_t j) {                            \
    VEC sum[ROWS][COLUMNS];                                                                 \
    for (int r = 0; r < ROWS; r++)                                                          \
      for (int q = 0; q < COLUMNS; q++)                                                     \
        sum[r][q] = p->initial ? *(const VEC *)(p->initial + j + WIDTH * q) : (VEC)(0.0f);  \
    const float *a = p->a + i * p->a_row, *b = p->b + j;                                    \
    for (size_t k = 0; k < p->inner; k++, a += p->a_step, b += p->ldb) {                    \
      VEC column[COLUMNS];                                                                  \
      for (int q = 0; q < COLUMNS; q++) column[q] = *(const VEC *)(b + WIDTH * q);          \
      for (int r = 0; r < ROWS; r++) {                                                      \
        VEC factor = (VEC)(a[r * p->a_row]);                                                \
        for (int q = 0; q < COLUMNS; q++)                                                   \
          sum[r][q] = CK_MULTIPLY_ADD(factor, column[q], sum[r][q]);                        \
      }                                                                                     \
    }                                                                                       \
    for (int r = 0; r < ROWS; r++)                                                          \
      for (int q = 0; q < COLUMNS; q++)                                                     \
        *(VEC *)(p->c + (i + r) * p->ldc + j + WIDTH * q) = sum[r][q];                      \
  }

// All rows of the columns j ..< j + WIDTH · COLUMNS: four rows at a time, then the rest one by one.
#define CK_DEFINE_PANEL(name, VEC, WIDTH, COLUMNS)                          \
  CK_DEFINE_TILE(name##_4, VEC, WIDTH, 4, COLUMNS)                          \
  CK_DEFINE_TILE(name##_2, VEC, WIDTH, 2, COLUMNS)                          \
  CK_DEFINE_TILE(name##_1, VEC, WIDTH, 1, COLUMNS)                          \
  CK_TARGET static void name(const ck_product *p, size_t rows, size_t j) {  \
    size_t i = 0;                                                           \
    for (; i + 4 <= rows; i += 4) name##_4(p, i, j);                        \
    if (i + 2 <= rows) {                                                    \
      name##_2(p, i, j);                                                    \
      i += 2;                                                               \
    }                                                                       \
    if (i < rows) name##_1(p, i, j);                                        \
  }

#if CK_LANES == 16
CK_DEFINE_PANEL(ck_panel_wide, ck_f16, 16, CK_COLUMNS)
CK_DEFINE_PANEL(ck_panel_16, ck_f16, 16, 1)
CK_DEFINE_PANEL(ck_panel_8, ck_f8, 8, 1)
#elif CK_LANES == 8
CK_DEFINE_PANEL(ck_panel_wide, ck_f8, 8, CK_COLUMNS)
CK_DEFINE_PANEL(ck_panel_8, ck_f8, 8, 1)
#else
CK_DEFINE_PANEL(ck_panel_wide, ck_f4, 4, CK_COLUMNS)
#endif
CK_DEFINE_PANEL(ck_panel_4, ck_f4, 4, 1)
CK_DEFINE_PANEL(ck_panel_1, float, 1, 1)

CK_TARGET static void ck_multiply(const ck_product *p, size_t rows, size_t columns) {
  size_t j = 0;
  for (; j + CK_LANES * CK_COLUMNS <= columns; j += CK_LANES * CK_COLUMNS) ck_panel_wide(p, rows, j);
#if CK_LANES >= 16
  for (; j + 16 <= columns; j += 16) ck_panel_16(p, rows, j);
#endif
#if CK_LANES >= 8
  for (; j + 8 <= columns; j += 8) ck_panel_8(p, rows, j);
#endif
  for (; j + 4 <= columns; j += 4) ck_panel_4(p, rows, j);
  for (; j < columns; j++) ck_panel_1(p, rows, j);
}

CK_TARGET static void ck_dense_forward(size_t rows, size_t inputs, size_t ld, const float *x, size_t ldx,
                                       const float *packed, float *y, size_t ldy) {
  ck_product p = {inputs, x, ldx, 1, packed, ld, packed + inputs * ld, y, ldy};
  ck_multiply(&p, rows, ld);
}

CK_TARGET static void ck_dense_input_gradient(size_t rows, size_t inputs, size_t outputs, const float *dy,
                                              size_t lddy, const float *weights, float *dx, size_t lddx) {
  ck_product p = {outputs, dy, lddy, 1, weights, inputs, NULL, dx, lddx};
  ck_multiply(&p, rows, inputs);
}

CK_TARGET static void ck_dense_weight_gradient(size_t begin, size_t end, size_t inputs, size_t rows, const float *dy,
                                               size_t lddy, const float *x, size_t ldx, float *dw, float *db) {
  ck_product p = {rows, dy + begin, 1, lddy, x, ldx, NULL, dw + begin * inputs, inputs};
  ck_multiply(&p, end - begin, inputs);
  for (size_t o = begin; o < end; o++) db[o] = 0.0f;
  for (size_t r = 0; r < rows; r++)
    for (size_t o = begin; o < end; o++) db[o] += dy[r * lddy + o];
}

// MARK: Element by element

CK_TARGET static void ck_relu(size_t count, float *x) {
  for (size_t i = 0; i < count; i++) x[i] = x[i] < 0.0f ? 0.0f : x[i];
}

CK_TARGET static void ck_relu_gradient(size_t count, const float *restrict activation, float *restrict gradient) {
  for (size_t i = 0; i < count; i++) gradient[i] = activation[i] > 0.0f ? gradient[i] : 0.0f;
}

CK_TARGET static void ck_axpy(size_t count, float a, const float *restrict x, float *restrict y) {
  for (size_t i = 0; i < count; i++) y[i] = CK_MULTIPLY_ADD(a, x[i], y[i]);
}

CK_TARGET static void ck_sgd_step(size_t count, float rate, float momentum, float decay, float proximal,
                                  const float *restrict gradient, const float *restrict anchor,
                                  float *restrict velocity, float *restrict w) {
  if (!velocity && !anchor && decay == 0.0f) {
    ck_axpy(count, -rate, gradient, w);
    return;
  }
  for (size_t i = 0; i < count; i++) {
    float g = CK_MULTIPLY_ADD(decay, w[i], gradient[i]);
    if (anchor) g = CK_MULTIPLY_ADD(proximal, w[i] - anchor[i], g);
    if (velocity) velocity[i] = g = CK_MULTIPLY_ADD(momentum, velocity[i], g);
    w[i] = CK_MULTIPLY_ADD(-rate, g, w[i]);
  }
}

// MARK: Softmax

/// e^x for x ≤ 0 with an error below 2 units in the last place; below −87 it is e^−87 (Cephes `expf`, S. Moshier).
CK_INLINE float ck_exponential(float x) {
  x = x < -87.0f ? -87.0f : x;
  const float rounding = 12582912.0f;  // 1.5 · 2²³: adding and subtracting it rounds to a whole number.
  float n = CK_MULTIPLY_ADD(x, 1.44269504088896341f, rounding) - rounding;
  float r = CK_MULTIPLY_ADD(n, -0.693359375f, x);
  r = CK_MULTIPLY_ADD(n, 2.12194440e-4f, r);
  float s = 1.9875691500e-4f;
  s = CK_MULTIPLY_ADD(s, r, 1.3981999507e-3f);
  s = CK_MULTIPLY_ADD(s, r, 8.3334519073e-3f);
  s = CK_MULTIPLY_ADD(s, r, 4.1665795894e-2f);
  s = CK_MULTIPLY_ADD(s, r, 1.6666665459e-1f);
  s = CK_MULTIPLY_ADD(s, r, 5.0000001201e-1f);
  s = CK_MULTIPLY_ADD(s, r * r, r) + 1.0f;
  uint32_t bits = (uint32_t)((int32_t)n + 127) << 23;
  float power;
  memcpy(&power, &bits, sizeof power);
  return s * power;
}

/// ln x for normal positive x: 2 artanh((m − 1) / (m + 1)) + e ln 2 with m in [√½, √2).
CK_INLINE double ck_logarithm(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  int64_t e = (int64_t)(bits >> 52) - 1023;
  bits = (bits & 0xFFFFFFFFFFFFFull) | 0x3FF0000000000000ull;
  double m;
  memcpy(&m, &bits, sizeof m);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    e += 1;
  }
  double z = (m - 1.0) / (m + 1.0), square = z * z, series = 0.0;
  for (int n = 21; n >= 1; n -= 2) series = series * square + 1.0 / n;
  return 2.0 * z * series + (double)e * 0.6931471805599453;
}

/// One row of logits. Writes e^(x − max) to `out` unless it is NULL; `out` may be `x`. Gives the sum of the exponentials,
/// or NaN if a logit is not finite, and the first largest class with its logit.
CK_INLINE float ck_exponentials(size_t classes, const float *x, float *out, int32_t *best, float *largest) {
  float max = x[0];
  int32_t first = 0;
  int finite = isfinite(x[0]);
  for (size_t c = 1; c < classes; c++) {
    finite &= isfinite(x[c]);
    if (x[c] > max) {
      max = x[c];
      first = (int32_t)c;
    }
  }
  *best = first;
  *largest = max;
  if (!finite) return NAN;
  float sum = 0.0f;
  for (size_t c = 0; c < classes; c++) {
    const float e = ck_exponential(x[c] - max);
    if (out) out[c] = e;
    sum += e;
  }
  return sum;
}

CK_TARGET static void ck_softmax(size_t rows, size_t classes, float *logits, size_t ldl) {
  for (size_t r = 0; r < rows; r++) {
    float *x = logits + r * ldl, max;
    int32_t best;
    const float factor = 1.0f / ck_exponentials(classes, x, x, &best, &max);
    for (size_t c = 0; c < classes; c++) x[c] *= factor;
  }
}

CK_TARGET static void ck_softmax_cross_entropy(size_t rows, size_t classes, const float *logits, size_t ldl,
                                               const int32_t *labels, float scale, float *gradient, size_t ldg,
                                               float *losses, int32_t *predictions) {
  for (size_t r = 0; r < rows; r++) {
    const float *x = logits + r * ldl;
    float *g = gradient ? gradient + r * ldg : NULL, max;
    const float own = x[labels[r]];
    const float sum = ck_exponentials(classes, x, g, &predictions[r], &max);
    losses[r] = sum == sum ? (float)(ck_logarithm((double)sum) - ((double)own - (double)max)) : NAN;
    if (!g) continue;
    const float factor = scale / sum;
    for (size_t c = 0; c < classes; c++) g[c] = sum == sum ? g[c] * factor : NAN;
    g[labels[r]] -= scale;
  }
}

const ck_table CK_VARIANT = {
    .name = CK_NAME,
    .dense_forward = ck_dense_forward,
    .dense_input_gradient = ck_dense_input_gradient,
    .dense_weight_gradient = ck_dense_weight_gradient,
    .relu = ck_relu,
    .relu_gradient = ck_relu_gradient,
    .softmax_cross_entropy = ck_softmax_cross_entropy,
    .softmax = ck_softmax,
    .axpy = ck_axpy,
    .sgd_step = ck_sgd_step,
};
