// Plain loops with the same contracts as the variants, for tests to compare with. Sums over inputs, rows and windows
// have the variants' order; sums over outputs run upwards.
#include <math.h>

#include "ckernels.h"

#pragma clang fp contract(off)

static float start(const float *g, size_t offset, ck_update update) {
  float v = update.keep == 0.0f ? 0.0f : update.keep * g[offset];
  if (update.anchor) v += update.pull * update.anchor[offset];
  return v;
}

static void dense_forward(size_t rows, size_t inputs, size_t begin, size_t end, const float *const *x, const float *w,
                          const float *bias, float *y, size_t ldy, int relu) {
  for (size_t r = 0; r < rows; r++)
    for (size_t o = begin * CK_PANEL; o < end * CK_PANEL; o++) {
      float sum = bias ? bias[o] : y[r * ldy + o];
      for (size_t i = 0; i < inputs; i++)
        sum += x[r][i] * w[(o / CK_PANEL * inputs + i) * CK_PANEL + o % CK_PANEL];
      y[r * ldy + o] = relu && sum < 0.0f ? 0.0f : sum;
    }
}

static void dense_input_gradient(size_t rows, size_t inputs, size_t begin, size_t end, size_t panels, const float *dy,
                                 size_t lddy, const float *w, float *dx, size_t lddx) {
  for (size_t r = 0; r < rows; r++)
    for (size_t i = begin; i < end; i++) {
      float sum = 0.0f;
      for (size_t o = 0; o < panels * CK_PANEL; o++)
        sum += dy[r * lddy + o] * w[(o / CK_PANEL * inputs + i) * CK_PANEL + o % CK_PANEL];
      dx[r * lddx + i] = sum;
    }
}

static void dense_weight_gradient(size_t rows, size_t begin, size_t end, const float *const *x, const float *dy,
                                  size_t lddy, float *g, ck_update update) {
  for (size_t i = begin; i < end; i++)
    for (size_t q = 0; q < CK_PANEL; q++) {
      float sum = start(g, i * CK_PANEL + q, update);
      for (size_t r = 0; r < rows; r++) sum += x[r][i] * dy[r * lddy + q];
      g[i * CK_PANEL + q] = sum;
    }
}

static size_t choose_columns(size_t rows, size_t inputs, const float *const *x, int32_t *columns) {
  size_t count = 0;
  for (size_t i = 0; i < inputs; i++) {
    int is_zero = 1;
    for (size_t r = 0; r < rows; r++) is_zero &= x[r][i] == 0.0f;
    if (!is_zero) columns[count++] = (int32_t)i;
  }
  return count;
}

static void dense_forward_chosen(size_t rows, size_t count, const int32_t *columns, size_t inputs, size_t begin,
                                 size_t end, const float *const *x, const float *w, const float *bias, float *y,
                                 size_t ldy, int relu) {
  for (size_t r = 0; r < rows; r++)
    for (size_t o = begin * CK_PANEL; o < end * CK_PANEL; o++) {
      float sum = bias ? bias[o] : y[r * ldy + o];
      for (size_t k = 0; k < count; k++)
        sum += x[r][columns[k]] * w[(o / CK_PANEL * inputs + (size_t)columns[k]) * CK_PANEL + o % CK_PANEL];
      y[r * ldy + o] = relu && sum < 0.0f ? 0.0f : sum;
    }
}

static void dense_weight_gradient_chosen(size_t rows, size_t count, const int32_t *columns, const float *const *x,
                                         const float *dy, size_t lddy, float *g) {
  for (size_t k = 0; k < count; k++)
    for (size_t q = 0; q < CK_PANEL; q++)
      for (size_t r = 0; r < rows; r++)
        g[(size_t)columns[k] * CK_PANEL + q] += x[r][columns[k]] * dy[r * lddy + q];
}

static void bias_gradient(size_t rows, const float *dy, size_t lddy, float *g, ck_update update) {
  for (size_t q = 0; q < CK_PANEL; q++) {
    float sum = start(g, q, update);
    for (size_t r = 0; r < rows; r++) sum += dy[r * lddy + q];
    g[q] = sum;
  }
}

static void conv_forward(const ck_windows *g, size_t begin, size_t end, const float *image, const float *w,
                         const float *bias, float *y, int relu) {
  const size_t inputs = g->window_lines * g->window_floats;
  for (size_t row = 0; row < g->rows; row++)
    for (size_t column = 0; column < g->columns; column++)
      for (size_t o = begin * CK_PANEL; o < end * CK_PANEL; o++) {
        float sum = bias ? bias[o] : 0.0f;
        for (size_t i = 0; i < inputs; i++)
          sum += image[row * g->row_step + column * g->column_step + i / g->window_floats * g->image_pitch +
                       i % g->window_floats] *
                 w[(o / CK_PANEL * inputs + i) * CK_PANEL + o % CK_PANEL];
        y[row * g->out_row + column * g->out_column + o] = relu && sum < 0.0f ? 0.0f : sum;
      }
}

static void conv_weight_gradient(const ck_windows *g, size_t begin, size_t end, const float *image, const float *dy,
                                 float *gradient, ck_update update) {
  for (size_t i = begin * g->window_floats; i < end * g->window_floats; i++)
    for (size_t q = 0; q < CK_PANEL; q++) {
      float sum = start(gradient, i * CK_PANEL + q, update);
      for (size_t row = 0; row < g->rows; row++)
        for (size_t column = 0; column < g->columns; column++)
          sum += image[row * g->row_step + column * g->column_step + i / g->window_floats * g->image_pitch +
                       i % g->window_floats] *
                 dy[row * g->out_row + column * g->out_column + q];
      gradient[i * CK_PANEL + q] = sum;
    }
}

// The number of window place `place` of output (row, column), channel c.
static size_t pooled(const ck_pooling *g, size_t row, size_t column, size_t place, size_t c) {
  return row * g->row_step + column * g->column_step + place / g->window_columns * g->image_pitch +
         place % g->window_columns * g->image_column + c;
}

static void max_pool(const ck_pooling *g, const float *image, float *y, uint32_t *choice) {
  for (size_t row = 0; row < g->rows; row++)
    for (size_t column = 0; column < g->columns; column++)
      for (size_t c = 0; c < g->channels; c++) {
        size_t best = 0;
        for (size_t place = 1; place < g->window_lines * g->window_columns; place++) {
          const float v = image[pooled(g, row, column, place, c)];
          if (v > image[pooled(g, row, column, best, c)] || isnan(v)) best = place;
        }
        y[row * g->out_row + column * g->out_column + c] = image[pooled(g, row, column, best, c)];
        if (choice) choice[(row * g->columns + column) * g->channels + c] = (uint32_t)best;
      }
}

static void max_pool_gradient(const ck_pooling *g, const uint32_t *choice, const float *dy, float *gradient) {
  for (size_t row = 0; row < g->rows; row++)
    for (size_t column = 0; column < g->columns; column++)
      for (size_t c = 0; c < g->channels; c++)
        gradient[pooled(g, row, column, choice[(row * g->columns + column) * g->channels + c], c)] +=
            dy[row * g->out_row + column * g->out_column + c];
}

static void average_pool(const ck_pooling *g, const float *image, float *y) {
  const size_t places = g->window_lines * g->window_columns;
  for (size_t row = 0; row < g->rows; row++)
    for (size_t column = 0; column < g->columns; column++)
      for (size_t c = 0; c < g->channels; c++) {
        float sum = 0.0f;
        for (size_t place = 0; place < places; place++) sum += image[pooled(g, row, column, place, c)];
        y[row * g->out_row + column * g->out_column + c] = sum / (float)places;
      }
}

static void average_pool_gradient(const ck_pooling *g, const float *dy, float *gradient) {
  const size_t places = g->window_lines * g->window_columns;
  for (size_t row = 0; row < g->rows; row++)
    for (size_t column = 0; column < g->columns; column++)
      for (size_t c = 0; c < g->channels; c++)
        for (size_t place = 0; place < places; place++)
          gradient[pooled(g, row, column, place, c)] +=
              dy[row * g->out_row + column * g->out_column + c] / (float)places;
}

static float apply(ck_activation f, float x) {
  switch (f) {
    case CK_IDENTITY: return x;
    case CK_RELU: return x < 0.0f ? 0.0f : x;
    case CK_TANH: return tanhf(x);
    case CK_SIGMOID: return 1.0f / (1.0f + expf(-x));
  }
  return x;
}

static void activate(ck_activation f, size_t rows, size_t width, const float *x, size_t ldx, float *y, size_t ldy) {
  for (size_t r = 0; r < rows; r++)
    for (size_t i = 0; i < width; i++) y[r * ldy + i] = apply(f, x[r * ldx + i]);
}

static void activate_gradient(ck_activation f, size_t rows, size_t width, const float *y, size_t ldy, const float *dy,
                              size_t lddy, float *dx, size_t lddx) {
  for (size_t r = 0; r < rows; r++)
    for (size_t i = 0; i < width; i++) {
      const float a = y[r * ldy + i];
      const float slope = f == CK_RELU ? (a > 0.0f ? 1.0f : 0.0f)
                          : f == CK_TANH ? 1.0f - a * a
                          : f == CK_SIGMOID ? a * (1.0f - a) : 1.0f;
      dx[r * lddx + i] = slope * dy[r * lddy + i];
    }
}

static void multiply(size_t count, const float *a, const float *b, float *y) {
  for (size_t i = 0; i < count; i++) y[i] = a[i] * b[i];
}

static void scale(size_t count, float a, float *x) {
  for (size_t i = 0; i < count; i++) x[i] *= a;
}

static void axpy(size_t count, float a, const float *x, float *y) {
  for (size_t i = 0; i < count; i++) y[i] += a * x[i];
}

static size_t packed_place(const ck_matrix *m, size_t row, size_t column) {
  const size_t output = (size_t)m->outputs[row], input = (size_t)m->inputs[column];
  return (output / CK_PANEL * m->places + input) * CK_PANEL + output % CK_PANEL;
}

static void pack(const ck_matrix *m, const float *values, float *w) {
  for (size_t r = 0; r < m->rows; r++)
    for (size_t c = 0; c < m->columns; c++) w[packed_place(m, r, c)] = values[r * m->columns + c];
}

static void unpack_difference(const ck_matrix *m, const float *w, const float *base, float *out) {
  for (size_t r = 0; r < m->rows; r++)
    for (size_t c = 0; c < m->columns; c++) {
      const size_t place = packed_place(m, r, c);
      out[r * m->columns + c] = w[place] - (base ? base[place] : 0.0f);
    }
}

static double sum_of_squares(size_t count, const float *x) {
  double sum = 0.0;
  for (size_t i = 0; i < count; i++) sum += (double)x[i] * (double)x[i];
  return sum;
}

static void add_squares(size_t count, const float *x, double *lanes) {
  for (size_t i = 0; i < count; i++) lanes[i % CK_PANEL] += (double)x[i] * (double)x[i];
}

static void add_fixed(size_t count, const float *x, double factor, int64_t *sums) {
  for (size_t i = 0; i < count; i++) sums[i] = (int64_t)((uint64_t)sums[i] + (uint64_t)llrint((double)x[i] * factor));
}

static void lstm_cell(size_t rows, size_t units, float *gates, size_t ldgates, const float *previous, float *c,
                      size_t ldc, float *h, size_t ldh) {
  for (size_t r = 0; r < rows; r++)
    for (size_t u = 0; u < units; u++) {
      float *g = gates + r * ldgates + u;
      g[0] = apply(CK_SIGMOID, g[0]);
      g[units] = apply(CK_SIGMOID, g[units]);
      g[2 * units] = tanhf(g[2 * units]);
      g[3 * units] = apply(CK_SIGMOID, g[3 * units]);
      c[r * ldc + u] = g[0] * g[2 * units] + (previous ? g[units] * previous[r * ldc + u] : 0.0f);
      h[r * ldh + u] = g[3 * units] * tanhf(c[r * ldc + u]);
    }
}

static void lstm_cell_gradient(size_t rows, size_t units, const float *gates, size_t ldgates, const float *previous,
                               const float *c, size_t ldc, const float *dh, size_t lddh, float *dc, size_t lddc,
                               float *dgates, size_t lddgates) {
  for (size_t r = 0; r < rows; r++)
    for (size_t u = 0; u < units; u++) {
      const float *g = gates + r * ldgates + u;
      float *d = dgates + r * lddgates + u;
      const float i = g[0], f = g[units], cell = g[2 * units], o = g[3 * units], t = tanhf(c[r * ldc + u]);
      const float out = dh[r * lddh + u], state = dc[r * lddc + u] + out * o * (1.0f - t * t);
      d[0] = state * cell * i * (1.0f - i);
      d[units] = state * (previous ? previous[r * ldc + u] : 0.0f) * f * (1.0f - f);
      d[2 * units] = state * i * (1.0f - cell * cell);
      d[3 * units] = out * t * o * (1.0f - o);
      dc[r * lddc + u] = state * f;
    }
}

static void softmax(size_t rows, size_t classes, float *logits, size_t ldl) {
  for (size_t r = 0; r < rows; r++) {
    float *x = logits + r * ldl, max = x[0];
    for (size_t c = 0; c < classes; c++) max = x[c] > max ? x[c] : max;
    double sum = 0.0;
    for (size_t c = 0; c < classes; c++) sum += exp((double)x[c] - (double)max);
    for (size_t c = 0; c < classes; c++) x[c] = (float)(exp((double)x[c] - (double)max) / sum);
  }
}

static void softmax_cross_entropy(size_t rows, size_t classes, const float *logits, size_t ldl, const int32_t *labels,
                                  float smoothing, float scale, float *gradient, size_t ldg, float *losses,
                                  int32_t *predictions) {
  for (size_t r = 0; r < rows; r++) {
    const float *x = logits + r * ldl;
    float max = x[0];
    double sum = 0.0, loss = 0.0;
    int finite = 1;
    predictions[r] = 0;
    for (size_t c = 0; c < classes; c++) {
      finite &= isfinite(x[c]) != 0;
      if (x[c] > max) {
        max = x[c];
        predictions[r] = (int32_t)c;
      }
    }
    for (size_t c = 0; c < classes; c++) sum += exp((double)x[c] - (double)max);
    for (size_t c = 0; c < classes; c++) {
      const double target = (double)smoothing / (double)classes + ((int32_t)c == labels[r] ? 1.0 - (double)smoothing : 0.0);
      const double log_probability = (double)x[c] - (double)max - log(sum);
      loss -= target * log_probability;
      if (gradient) gradient[r * ldg + c] = finite ? (float)((double)scale * (exp(log_probability) - target)) : NAN;
    }
    losses[r] = finite ? (float)loss : NAN;
  }
}

static void binary_cross_entropy(size_t rows, size_t width, const float *logits, size_t ldl, const float *targets,
                                 float scale, float *gradient, size_t ldg, float *losses) {
  for (size_t r = 0; r < rows; r++) {
    double sum = 0.0;
    for (size_t i = 0; i < width; i++) {
      const double z = (double)logits[r * ldl + i], t = (double)targets[r * width + i];
      sum += isfinite(z) ? fmax(z, 0.0) - t * z + log1p(exp(-fabs(z))) : NAN;
      if (gradient)
        gradient[r * ldg + i] = isfinite(z) ? (float)((double)scale / (double)width * (1.0 / (1.0 + exp(-z)) - t)) : NAN;
    }
    losses[r] = (float)(sum / (double)width);
  }
}

static void squared_error(size_t rows, size_t width, const float *outputs, size_t ldo, const float *targets,
                          float scale, float *gradient, size_t ldg, float *losses) {
  for (size_t r = 0; r < rows; r++) {
    double sum = 0.0;
    for (size_t i = 0; i < width; i++) {
      const double d = (double)outputs[r * ldo + i] - (double)targets[r * width + i];
      sum += d * d;
      if (gradient) gradient[r * ldg + i] = (float)(2.0 * (double)scale / (double)width * d);
    }
    losses[r] = (float)(sum / (double)width);
  }
}

static void sgd_step(size_t count, float rate, float momentum, int nesterov, float decay, float proximal,
                     const float *gradient, const float *anchor, float *velocity, float *w) {
  for (size_t i = 0; i < count; i++) {
    float g = gradient[i] + decay * w[i] + (anchor ? proximal * (w[i] - anchor[i]) : 0.0f);
    if (velocity) {
      velocity[i] = momentum * velocity[i] + g;
      g = nesterov ? g + momentum * velocity[i] : velocity[i];
    }
    w[i] -= rate * g;
  }
}

static void adam_step(size_t count, const ck_adam *rule, const float *gradient, const float *anchor, float *mean,
                      float *square, float *w) {
  for (size_t i = 0; i < count; i++) {
    const float g = gradient[i] + rule->decay * w[i] + (anchor ? rule->proximal * (w[i] - anchor[i]) : 0.0f);
    mean[i] = rule->beta1 * mean[i] + (1.0f - rule->beta1) * g;
    square[i] = rule->beta2 * square[i] + (1.0f - rule->beta2) * g * g;
    w[i] -= rule->rate * rule->decoupled_decay * w[i];
    w[i] -= rule->rate * (mean[i] * rule->correction1) / (sqrtf(square[i] * rule->correction2) + rule->epsilon);
  }
}

static const ck_table reference = {
    .name = "reference",
    .dense_forward = dense_forward,
    .dense_input_gradient = dense_input_gradient,
    .dense_weight_gradient = dense_weight_gradient,
    .choose_columns = choose_columns,
    .dense_forward_chosen = dense_forward_chosen,
    .dense_weight_gradient_chosen = dense_weight_gradient_chosen,
    .bias_gradient = bias_gradient,
    .conv_forward = conv_forward,
    .conv_weight_gradient = conv_weight_gradient,
    .max_pool = max_pool,
    .max_pool_gradient = max_pool_gradient,
    .average_pool = average_pool,
    .average_pool_gradient = average_pool_gradient,
    .pack = pack,
    .unpack_difference = unpack_difference,
    .activate = activate,
    .activate_gradient = activate_gradient,
    .multiply = multiply,
    .scale = scale,
    .axpy = axpy,
    .sum_of_squares = sum_of_squares,
    .add_squares = add_squares,
    .add_fixed = add_fixed,
    .lstm_cell = lstm_cell,
    .lstm_cell_gradient = lstm_cell_gradient,
    .softmax_cross_entropy = softmax_cross_entropy,
    .binary_cross_entropy = binary_cross_entropy,
    .squared_error = squared_error,
    .softmax = softmax,
    .sgd_step = sgd_step,
    .adam_step = adam_step,
};

const ck_table *ck_reference_table(void) { return &reference; }
