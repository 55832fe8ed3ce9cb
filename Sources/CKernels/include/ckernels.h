/// Inner loops of training, one variant per class of CPU behind one function table.
///
/// Matrices are row-major; `ld…` is the distance in floats from one row to the next. Every output element is computed by
/// one call alone and its sum runs over the inner index from 0 upwards, so results depend neither on how rows are split
/// among threads nor on tile sizes. `CK_CLASS_BASE` multiplies and adds in two roundings and gives the same bits on
/// every machine; the other classes use fused multiply-add.
#ifndef CKERNELS_H
#define CKERNELS_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
  CK_CLASS_BASE = 0,
  CK_CLASS_AVX2 = 1,
  CK_CLASS_AVX512 = 2,
} ck_class;

enum {
  /// Leading dimensions of packed weights and of activations are multiples of this.
  CK_COLUMN_MULTIPLE = 16,
};

/// The kernels of one class. No function allocates, locks or keeps state.
typedef struct {
  const char *name;

  /// `y[r, :] = bias + x[r, :] · Wᵀ` for `rows` rows. `packed` is what `ck_pack_weights` wrote, with `ld` columns;
  /// all `ld` columns of `y` are written, those beyond the layer's outputs with what `packed` holds there.
  void (*dense_forward)(size_t rows, size_t inputs, size_t ld, const float *x, size_t ldx, const float *packed,
                        float *y, size_t ldy);

  /// `dx[r, :] = dy[r, :] · W`, W of shape [outputs, inputs].
  void (*dense_input_gradient)(size_t rows, size_t inputs, size_t outputs, const float *dy, size_t lddy,
                               const float *weights, float *dx, size_t lddx);

  /// Rows `begin ..< end` of `dW = dyᵀ · x`, shape [outputs, inputs], and of `db = Σ_r dy[r, :]`.
  void (*dense_weight_gradient)(size_t begin, size_t end, size_t inputs, size_t rows, const float *dy, size_t lddy,
                                const float *x, size_t ldx, float *dw, float *db);

  /// `x = max(x, 0)`; NaN stays NaN.
  void (*relu)(size_t count, float *x);

  /// `gradient = 0` where the activation after ReLU is not positive.
  void (*relu_gradient)(size_t count, const float *activation, float *gradient);

  /// Per row: `losses[r] = −ln softmax(logits[r, :])[labels[r]]` in nats, `predictions[r]` = the first largest class,
  /// `gradient[r, :] = scale · (softmax − onehot)`. `gradient` may be NULL or `logits`. A row with a logit that is not
  /// finite gives NaN as loss and gradient. Labels must be in `0 ..< classes`.
  void (*softmax_cross_entropy)(size_t rows, size_t classes, const float *logits, size_t ldl, const int32_t *labels,
                                float scale, float *gradient, size_t ldg, float *losses, int32_t *predictions);

  /// Per row, in place: logits to probabilities.
  void (*softmax)(size_t rows, size_t classes, float *logits, size_t ldl);

  /// `y += a · x`.
  void (*axpy)(size_t count, float a, const float *x, float *y);

  /// One step of SGD with momentum, weight decay and a pull towards `anchor`:
  /// `g = gradient + decay · w + proximal · (w − anchor)`, `v = momentum · v + g`, `w −= rate · v`.
  /// `velocity` is NULL for no momentum, `anchor` NULL for no pull.
  void (*sgd_step)(size_t count, float rate, float momentum, float decay, float proximal, const float *gradient,
                   const float *anchor, float *velocity, float *parameters);
} ck_table;

/// The best class that this CPU and this build have.
ck_class ck_best_class(void);

/// The kernels of a class; NULL if this CPU or this build lacks it. The base class is always there.
const ck_table *ck_table_for(ck_class cpu_class);

/// The same functions as plain loops over the C library's `expf` and `log`: what the variants are tested against.
const ck_table *ck_reference_table(void);

/// Writes outputs `begin ..< end` of a layer into `packed`, shape [inputs + 1, ld]: the transposed weights, then the bias.
/// Columns from `outputs` to `ld` are the caller's to zero once.
void ck_pack_weights(size_t begin, size_t end, size_t inputs, const float *weights, const float *bias, float *packed,
                     size_t ld);

/// 1 if every element is finite, otherwise 0.
int ck_is_finite(size_t count, const float *x);

/// Makes the calling thread treat subnormal numbers as zero; returns what `ck_restore_floating_state` needs.
uint64_t ck_flush_subnormals(void);
void ck_restore_floating_state(uint64_t state);

/// Tells the CPU that the caller spins.
static inline void ck_spin_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

#endif
