// Plain loops with the same contracts as the variants, for tests to compare with. Their order of summation is the same.
#include <math.h>

#include "ckernels.h"

#pragma clang fp contract(off)

static void dense_forward(size_t rows, size_t inputs, size_t ld, const float *x, size_t ldx, const float *packed,
                          float *y, size_t ldy) {
  for (size_t r = 0; r < rows; r++)
    for (size_t o = 0; o < ld; o++) {
      float sum = packed[inputs * ld + o];
      for (size_t i = 0; i < inputs; i++) sum += x[r * ldx + i] * packed[i * ld + o];
      y[r * ldy + o] = sum;
    }
}

static void dense_input_gradient(size_t rows, size_t inputs, size_t outputs, const float *dy, size_t lddy,
                                 const float *weights, float *dx, size_t lddx) {
  for (size_t r = 0; r < rows; r++)
    for (size_t i = 0; i < inputs; i++) {
      float sum = 0.0f;
      for (size_t o = 0; o < outputs; o++) sum += dy[r * lddy + o] * weights[o * inputs + i];
      dx[r * lddx + i] = sum;
    }
}

static void dense_weight_gradient(size_t begin, size_t end, size_t inputs, size_t rows, const float *dy, size_t lddy,
                                  const float *x, size_t ldx, float *dw, float *db) {
  for (size_t o = begin; o < end; o++) {
    for (size_t i = 0; i < inputs; i++) {
      float sum = 0.0f;
      for (size_t r = 0; r < rows; r++) sum += dy[r * lddy + o] * x[r * ldx + i];
      dw[o * inputs + i] = sum;
    }
    db[o] = 0.0f;
    for (size_t r = 0; r < rows; r++) db[o] += dy[r * lddy + o];
  }
}

static void relu(size_t count, float *x) {
  for (size_t i = 0; i < count; i++)
    if (x[i] < 0.0f) x[i] = 0.0f;
}

static void relu_gradient(size_t count, const float *activation, float *gradient) {
  for (size_t i = 0; i < count; i++)
    if (!(activation[i] > 0.0f)) gradient[i] = 0.0f;
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
                                  float scale, float *gradient, size_t ldg, float *losses, int32_t *predictions) {
  for (size_t r = 0; r < rows; r++) {
    const float *x = logits + r * ldl;
    size_t best = 0;
    double sum = 0.0;
    for (size_t c = 0; c < classes; c++) best = x[c] > x[best] ? c : best;
    const double max = x[best], own = x[labels[r]];
    for (size_t c = 0; c < classes; c++) sum += exp((double)x[c] - max);
    losses[r] = (float)(log(sum) - (own - max));
    predictions[r] = (int32_t)best;
    for (size_t c = 0; gradient && c < classes; c++) {
      const double probability = exp((double)x[c] - max) / sum;
      gradient[r * ldg + c] = (float)(scale * (probability - ((int32_t)c == labels[r] ? 1.0 : 0.0)));
    }
  }
}

static void axpy(size_t count, float a, const float *x, float *y) {
  for (size_t i = 0; i < count; i++) y[i] += a * x[i];
}

static void sgd_step(size_t count, float rate, float momentum, float decay, float proximal, const float *gradient,
                     const float *anchor, float *velocity, float *w) {
  for (size_t i = 0; i < count; i++) {
    float g = gradient[i] + decay * w[i];
    if (anchor) g += proximal * (w[i] - anchor[i]);
    if (velocity) velocity[i] = g = momentum * velocity[i] + g;
    w[i] -= rate * g;
  }
}

static const ck_table table = {
    .name = "reference",
    .dense_forward = dense_forward,
    .dense_input_gradient = dense_input_gradient,
    .dense_weight_gradient = dense_weight_gradient,
    .relu = relu,
    .relu_gradient = relu_gradient,
    .softmax_cross_entropy = softmax_cross_entropy,
    .softmax = softmax,
    .axpy = axpy,
    .sgd_step = sgd_step,
};

const ck_table *ck_reference_table(void) { return &table; }
