// Every class of kernels that this machine has, beside the reference, on odd sizes; prints the largest differences and a
// hash of the bits. Ends with 1 if one is too large. For machines without Swift, or emulated ones: see `run`.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ckernels.h"

static unsigned state;

static float next(void) {
  state = state * 1664525u + 1013904223u;
  return (float)((int)state >> 8) / (float)(1 << 23);
}

static float *numbers(size_t count) {
  static float arena[1 << 15];
  static size_t used;
  if (state == 1) used = 0;  // The first ones of a table.
  float *all = arena + used;
  used += count;
  if (used > sizeof arena / sizeof *arena) abort();
  for (size_t i = 0; i < count; i++) all[i] = next();
  return all;
}

static float distance(const float *a, const float *b, size_t count) {
  float most = 0.0f;
  for (size_t i = 0; i < count; i++) {
    const float difference = fabsf(a[i] - b[i]) / fmaxf(1.0f, fabsf(b[i]));
    if (!(difference <= most)) most = difference;
  }
  return most;
}

static uint64_t hash(uint64_t h, const float *x, size_t count) {
  for (size_t i = 0; i < count; i++) {
    uint32_t bits;
    __builtin_memcpy(&bits, &x[i], sizeof bits);
    h = (h ^ bits) * 1099511628211ull;
  }
  return h;
}

enum { ROWS = 13, INPUTS = 261, PANELS = 3, WIDTH = PANELS * CK_PANEL, PLACES = 35 };

// Writes what a table computes from the same numbers every time; gives how many floats.
static size_t compute(const ck_table *table, float *out) {
  state = 1;
  const float *x = numbers(ROWS * INPUTS), *w = numbers(INPUTS * WIDTH), *bias = numbers(WIDTH);
  const float *image = numbers(9 * 21), *windows = numbers(27 * CK_PANEL);
  const float *rows[ROWS];
  for (size_t r = 0; r < ROWS; r++) rows[r] = x + r * INPUTS;
  float *y = out, *dx = y + ROWS * WIDTH, *g = dx + ROWS * INPUTS, *conv = g + INPUTS * CK_PANEL;
  float *tangent = conv + PLACES * CK_PANEL, *losses = tangent + 100;
  table->dense_forward(ROWS, INPUTS, 0, PANELS, rows, w, bias, y, WIDTH, 1);
  table->dense_input_gradient(ROWS, INPUTS, 0, INPUTS, PANELS, y, WIDTH, w, dx, INPUTS);
  table->dense_weight_gradient(ROWS, 0, INPUTS, rows, y, WIDTH, g, (ck_update){0, 0, NULL});
  const ck_windows plan = {7, 5, 3, 9, 21, 21, 3, 5 * CK_PANEL, CK_PANEL};
  table->conv_forward(&plan, 0, 1, image, windows, NULL, conv, 0);
  table->activate(CK_TANH, 1, 100, x, 0, tangent, 0);
  const int32_t labels[ROWS] = {0};
  int32_t predictions[ROWS];
  table->softmax_cross_entropy(ROWS, 41, y, WIDTH, labels, 0.1f, 1.0f, NULL, 0, losses, predictions);
  return (size_t)(losses + ROWS - out);
}

int main(void) {
  static float expected[1 << 15], found[1 << 15];
  const size_t count = compute(ck_reference_table(), expected);
  int failed = 0;
  for (int code = CK_CLASS_BASE; code <= CK_CLASS_NEON; code++) {
    const ck_table *table = ck_table_for((ck_class)code);
    if (!table) continue;
    compute(table, found);
    const float most = distance(found, expected, count);
    failed |= !(most < 2e-5f);
    printf("%s largest difference %g bits %016llx\n", table->name, (double)most,
           (unsigned long long)hash(14695981039346656037ull, found, count));
  }
  return failed;
}
