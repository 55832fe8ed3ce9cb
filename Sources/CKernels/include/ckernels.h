/// Inner loops of training and inference, one variant per class of CPU behind one function table.
///
/// Weights lie in panels of `CK_PANEL` outputs: element `[p][i][q]` of a layer is the weight from input `i` to output
/// `CK_PANEL · p + q`, so forward, input gradient and weight gradient read one copy of them as one stream. Outputs beyond
/// the layer's own are zero weights. Activations are row-major with a pitch of whole panels; what lies beyond a row's
/// numbers is zero and stays so. `ld…` is the distance in floats from one row to the next.
///
/// Every output element is computed by one call alone, and its sum runs in an order that depends neither on how rows or
/// panels are split among threads nor on tile sizes. Sums over outputs (`dense_input_gradient`) run in `CK_PANEL` lanes
/// that a fixed tree adds up. `CK_CLASS_BASE` multiplies and adds in two roundings and gives the same bits on every
/// machine; the other classes fuse both, and give the same bits as one another.
#ifndef CKERNELS_H
#define CKERNELS_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
  CK_CLASS_BASE = 0,
  CK_CLASS_AVX2 = 1,
  CK_CLASS_AVX512 = 2,
  CK_CLASS_NEON = 3,
} ck_class;

enum {
  /// Outputs of one panel; pitches of weights and activations are multiples of it.
  CK_PANEL = 16,
  /// Chosen columns that are looked at ahead, to fetch their weights: lists of them have so many more, of any input.
  CK_AHEAD = 16,
};

typedef enum { CK_IDENTITY = 0, CK_RELU = 1, CK_TANH = 2, CK_SIGMOID = 3 } ck_activation;

/// How a weight gradient enters its destination: `g = keep · g + pull · anchor + Σ`.
///
/// {0, 0, NULL} writes the gradient, {1, 0, NULL} adds to it. With deltas that are scaled by −η, g the weights and
/// {1 − η(λ + μ), ημ, θ₀} it is the whole step of SGD with weight decay λ and the proximal term μ (Li et al. 2020).
typedef struct {
  float keep, pull;
  /// As large as the destination; NULL for no pull.
  const float *anchor;
} ck_update;

/// One matrix of weights, in panels and in canonical order: [rows, columns], row-major.
///
/// Packed, the weight of row r and column c is at `[outputs[r] / CK_PANEL][inputs[c]][outputs[r] % CK_PANEL]`.
typedef struct {
  size_t rows, columns;
  /// Inputs of a panel, padding included.
  size_t places;
  const int32_t *outputs, *inputs;
} ck_matrix;

/// Windows over one image that lies [line][column][channel] in memory, and what comes of them.
typedef struct {
  /// Windows down and across.
  size_t rows, columns;
  /// Lines of a window, and the floats of one of its lines: window columns × channels, side by side.
  size_t window_lines, window_floats;
  /// Floats from one line of the image to the next.
  size_t image_pitch;
  /// Floats in the image from one window to the next, down and across.
  size_t row_step, column_step;
  /// Floats in the output from one window's result to the next one's, down and across.
  size_t out_row, out_column;
} ck_windows;

/// Pooling windows; as `ck_windows`, for `channels` numbers that are pooled each on its own.
typedef struct {
  size_t rows, columns, window_lines, window_columns, channels;
  size_t image_pitch, image_column;
  size_t row_step, column_step;
  size_t out_row, out_column;
} ck_pooling;

/// One step of Adam (Kingma, Ba 2015) or AdamW (Loshchilov, Hutter 2019).
typedef struct {
  float rate, beta1, beta2, epsilon;
  /// λ that is added to the gradient (Adam), and λ that shrinks the weights beside the step (AdamW).
  float decay, decoupled_decay, proximal;
  /// 1 / (1 − β₁ᵗ) and 1 / (1 − β₂ᵗ).
  float correction1, correction2;
} ck_adam;

/// The kernels of one class. No function allocates, locks or keeps state.
typedef struct {
  const char *name;

  // Products with weights.

  /// `y[r, :] = bias + x[r] · W` for panels `begin ..< end`, and ReLU of it if asked. `x[r]` points to row r. Without a
  /// bias the products are added to what y holds.
  void (*dense_forward)(size_t rows, size_t inputs, size_t begin, size_t end, const float *const *x, const float *w,
                        const float *bias, float *y, size_t ldy, int relu);

  /// `dx[r, i] = Σ_o W[i, o] · dy[r, o]` for inputs `begin ..< end` over all panels.
  void (*dense_input_gradient)(size_t rows, size_t inputs, size_t begin, size_t end, size_t panels, const float *dy,
                               size_t lddy, const float *w, float *dx, size_t lddx);

  /// `Σ_r x[r][i] · dy[r, panel]` for inputs `begin ..< end` of one panel. `g` and the anchor point to that panel's first
  /// input, `dy` to its first column.
  void (*dense_weight_gradient)(size_t rows, size_t begin, size_t end, const float *const *x, const float *dy,
                                size_t lddy, float *g, ck_update update);

  /// The columns of `x` that are not zero in every row, in ascending order.
  ///
  /// - Returns: how many; `columns` has room for all inputs and `CK_AHEAD`.
  size_t (*choose_columns)(size_t rows, size_t inputs, const float *const *x, int32_t *columns);

  /// As `dense_forward` where all other columns of x are zero: they are not looked at, so that infinite weights there are
  /// none of its business. Otherwise the same bits but for the sign of a zero.
  void (*dense_forward_chosen)(size_t rows, size_t count, const int32_t *columns, size_t inputs, size_t begin, size_t end,
                               const float *const *x, const float *w, const float *bias, float *y, size_t ldy,
                               int relu);

  /// Adds `Σ_r x[r][i] · dy[r, panel]` to `g` for the given inputs i of one panel: as `dense_weight_gradient`, for those
  /// whose gradient is not zero.
  void (*dense_weight_gradient_chosen)(size_t rows, size_t count, const int32_t *columns, const float *const *x,
                                       const float *dy, size_t lddy, float *g);

  /// `Σ_r dy[r, 0 ..< CK_PANEL]`.
  void (*bias_gradient)(size_t rows, const float *dy, size_t lddy, float *g, ck_update update);

  /// Cross-correlation of one image with panels `begin ..< end`; a panel's weights are in the order of a window's floats.
  /// `bias` is NULL for zeros.
  void (*conv_forward)(const ck_windows *windows, size_t begin, size_t end, const float *image, const float *w,
                       const float *bias, float *y, int relu);

  /// `Σ_windows image · dy` of one image, one panel and window lines `begin ..< end`. `g` and the anchor point to the
  /// panel's first weight, `dy` to its first column.
  void (*conv_weight_gradient)(const ck_windows *windows, size_t begin, size_t end, const float *image,
                               const float *dy, float *g, ck_update update);

  // Pooling of one image.

  /// `choice` gets, for every output and channel, which number of the window was the first largest; NULL if nobody asks.
  /// NaN counts as largest.
  void (*max_pool)(const ck_pooling *pooling, const float *image, float *y, uint32_t *choice);
  /// Adds to `gradient`, which has the image's shape.
  void (*max_pool_gradient)(const ck_pooling *pooling, const uint32_t *choice, const float *dy, float *gradient);
  void (*average_pool)(const ck_pooling *pooling, const float *image, float *y);
  /// Adds to `gradient`, which has the image's shape.
  void (*average_pool_gradient)(const ck_pooling *pooling, const float *dy, float *gradient);

  // Between panels and the canonical order.

  /// Writes the matrix's numbers; `w` points to its first panel. Places without a canonical number stay as they are.
  void (*pack)(const ck_matrix *matrix, const float *values, float *w);
  /// `out = w − base`, both packed, in canonical order; `base` is NULL for zeros.
  void (*unpack_difference)(const ck_matrix *matrix, const float *w, const float *base, float *out);

  // Element by element.

  /// `y = f(x)`; y may be x. NaN stays NaN.
  void (*activate)(ck_activation f, size_t rows, size_t width, const float *x, size_t ldx, float *y, size_t ldy);
  /// `dx = f′ · dy`, with f′ from the activation y itself; dx may be dy.
  void (*activate_gradient)(ck_activation f, size_t rows, size_t width, const float *y, size_t ldy, const float *dy,
                            size_t lddy, float *dx, size_t lddx);
  /// `y = a · b`; y may be a.
  void (*multiply)(size_t count, const float *a, const float *b, float *y);
  /// `x = a · x`.
  void (*scale)(size_t count, float a, float *x);
  /// `y += a · x`.
  void (*axpy)(size_t count, float a, const float *x, float *y);
  /// `Σ x²`, in `CK_PANEL` lanes of double.
  double (*sum_of_squares)(size_t count, const float *x);
  /// `lanes[i % CK_PANEL] += x[i]²`, each square exact; `count` is a multiple of CK_PANEL. The same bits in every class.
  void (*add_squares)(size_t count, const float *x, double *lanes);
  /// `sums[i] += x[i] · factor`, to the nearest integer, ties to even. The same bits in every class.
  ///
  /// The products are exact in binary64 and below 2⁵¹ in magnitude; sums wrap.
  void (*add_fixed)(size_t count, const float *x, double factor, int64_t *sums);

  // A cell of an LSTM (Hochreiter, Schmidhuber 1997; Gers et al. 2000), `units` a multiple of CK_PANEL.

  /// `gates[r]` holds the sums for i, f, g, o, each `units` long, and afterwards their activations.
  /// `c = f · previous + i · g`, `h = o · tanh(c)`. `previous` is NULL for zeros; all have the pitch of their name.
  void (*lstm_cell)(size_t rows, size_t units, float *gates, size_t ldgates, const float *previous, float *c,
                    size_t ldc, float *h, size_t ldh);
  /// `dh` is the gradient of this step's output; `dc` comes in as the gradient of c from the step behind it and goes out
  /// as that of `previous`. `dgates` gets the gradients of the sums.
  void (*lstm_cell_gradient)(size_t rows, size_t units, const float *gates, size_t ldgates, const float *previous,
                             const float *c, size_t ldc, const float *dh, size_t lddh, float *dc, size_t lddc,
                             float *dgates, size_t lddgates);

  // Losses. Each row's loss in nats or squares; `gradient` is that of `scale · Σ losses` and may be NULL.

  /// `−Σ_c q_c ln softmax(z)_c` with `q = (1 − smoothing) · onehot + smoothing / classes`; `predictions[r]` is the first
  /// largest class. A row with a logit that is not finite gives NaN as loss and gradient. Labels are in `0 ..< classes`.
  void (*softmax_cross_entropy)(size_t rows, size_t classes, const float *logits, size_t ldl, const int32_t *labels,
                                float smoothing, float scale, float *gradient, size_t ldg, float *losses,
                                int32_t *predictions);
  /// The mean over the row's `width` of `ln(1 + e^z) − t · z`, in a form that does not overflow.
  void (*binary_cross_entropy)(size_t rows, size_t width, const float *logits, size_t ldl, const float *targets,
                               float scale, float *gradient, size_t ldg, float *losses);
  /// The mean over the row's `width` of `(z − t)²`.
  void (*squared_error)(size_t rows, size_t width, const float *outputs, size_t ldo, const float *targets, float scale,
                        float *gradient, size_t ldg, float *losses);
  /// Per row, in place: logits to probabilities.
  void (*softmax)(size_t rows, size_t classes, float *logits, size_t ldl);

  // Optimizers.

  /// `g = gradient + decay · w + proximal · (w − anchor)`, `v = momentum · v + g`, and `w −= rate · v`, with Nesterov's
  /// look-ahead `w −= rate · (g + momentum · v)`. `velocity` is NULL for no momentum, `anchor` NULL for no pull.
  void (*sgd_step)(size_t count, float rate, float momentum, int nesterov, float decay, float proximal,
                   const float *gradient, const float *anchor, float *velocity, float *w);
  void (*adam_step)(size_t count, const ck_adam *rule, const float *gradient, const float *anchor, float *mean,
                    float *square, float *w);
} ck_table;

/// The best class that this CPU and this build have.
ck_class ck_best_class(void);

/// The kernels of a class; NULL if this CPU or this build lacks it. The base class is always there.
const ck_table *ck_table_for(ck_class cpu_class);

/// The same functions as plain loops over the C library's functions: what the variants are tested against.
const ck_table *ck_reference_table(void);

/// Panels of the convolution that gives an image's gradient: those windows of it that lie `phase` beyond a multiple of
/// the stride, in both directions. `w` are the panels of the layer, with `channels` inputs to every window column.
///
/// `transposed[p][line][column][o][q]` is the weight from channel `CK_PANEL · p + q` to output `o` at the window line
/// `first_line + stride · (lines − 1 − line)`, and so for columns: outputs ascend, places descend.
typedef struct {
  size_t window_lines, window_columns, channels, outputs;
  size_t line_stride, column_stride;
  size_t first_line, first_column;
} ck_transposition;
void ck_transpose_windows(const ck_transposition *layer, const float *w, float *transposed);

/// Factors of dropout: 0 with probability `rate`, otherwise 1 / (1 − rate), from a hash of `seed` and the index.
void ck_dropout_factors(size_t count, uint64_t seed, uint64_t first_index, float rate, float *factors);

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
