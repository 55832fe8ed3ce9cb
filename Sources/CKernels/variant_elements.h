// Everything element by element: activations, cells, pooling, losses and optimizer steps.

// MARK: Functions of vectors

/// e^x for x ≤ 0 with an error below 2 units in the last place; below −87 it is e^−87 (Cephes `expf`, S. Moshier).
CK_INLINE ck_v ck_exponential(ck_v x) {
  x = x < (ck_v)(-87.0f) ? (ck_v)(-87.0f) : x;
  const ck_v rounding = (ck_v)(12582912.0f);  // 1.5 · 2²³: adding and subtracting it rounds to a whole number.
  const ck_v n = CK_MULTIPLY_ADD(x, (ck_v)(1.44269504088896341f), rounding) - rounding;
  ck_v r = CK_MULTIPLY_ADD(n, (ck_v)(-0.693359375f), x);
  r = CK_MULTIPLY_ADD(n, (ck_v)(2.12194440e-4f), r);
  ck_v s = (ck_v)(1.9875691500e-4f);
  s = CK_MULTIPLY_ADD(s, r, (ck_v)(1.3981999507e-3f));
  s = CK_MULTIPLY_ADD(s, r, (ck_v)(8.3334519073e-3f));
  s = CK_MULTIPLY_ADD(s, r, (ck_v)(4.1665795894e-2f));
  s = CK_MULTIPLY_ADD(s, r, (ck_v)(1.6666665459e-1f));
  s = CK_MULTIPLY_ADD(s, r, (ck_v)(5.0000001201e-1f));
  s = CK_MULTIPLY_ADD(s, r * r, r) + (ck_v)(1.0f);
  const ck_i bits = (__builtin_convertvector(n, ck_i) + 127) << 23;
  return s * (ck_v)bits;
}

CK_INLINE ck_v ck_absolute(ck_v x) { return (ck_v)((ck_i)x & 0x7FFFFFFF); }
CK_INLINE ck_v ck_with_sign(ck_v magnitude, ck_v sign) {
  return (ck_v)((ck_i)magnitude | ((ck_i)sign & (int32_t)0x80000000));
}
CK_INLINE ck_v ck_keep_nan(ck_v x, ck_v y) { return x == x ? y : x; }

/// 1 / (1 + e^−x).
CK_INLINE ck_v ck_sigmoid(ck_v x) {
  const ck_v e = ck_exponential(-ck_absolute(x));
  const ck_v y = (x < (ck_v)(0.0f) ? e : (ck_v)(1.0f)) / ((ck_v)(1.0f) + e);
  return ck_keep_nan(x, y);
}

/// tanh x: a polynomial below 0.625 (Cephes `tanhf`), (1 − e^−2|x|) / (1 + e^−2|x|) above.
CK_INLINE ck_v ck_tangent(ck_v x) {
  const ck_v size = ck_absolute(x);
  const ck_v e = ck_exponential((ck_v)(-2.0f) * size);
  const ck_v large = ck_with_sign(((ck_v)(1.0f) - e) / ((ck_v)(1.0f) + e), x);
  const ck_v square = x * x;
  ck_v s = (ck_v)(-5.70498872745e-3f);
  s = CK_MULTIPLY_ADD(s, square, (ck_v)(2.06390887954e-2f));
  s = CK_MULTIPLY_ADD(s, square, (ck_v)(-5.37397155531e-2f));
  s = CK_MULTIPLY_ADD(s, square, (ck_v)(1.33314422036e-1f));
  s = CK_MULTIPLY_ADD(s, square, (ck_v)(-3.33332819422e-1f));
  const ck_v small = CK_MULTIPLY_ADD(s * square, x, x);
  return ck_keep_nan(x, size < (ck_v)(0.625f) ? small : large);
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

// Up to CK_PANEL floats of a row; the lanes behind them are `rest`.
CK_INLINE ck_v ck_load(const float *x, size_t count, float rest) {
  if (count >= CK_PANEL) return *(const ck_v *)x;
  float lanes[CK_PANEL];
  for (size_t i = 0; i < CK_PANEL; i++) lanes[i] = i < count ? x[i] : rest;
  return *(const ck_v *)lanes;
}
CK_INLINE void ck_store(float *x, size_t count, ck_v v) {
  if (count >= CK_PANEL)
    *(ck_v *)x = v;
  else
    for (size_t i = 0; i < count; i++) x[i] = v[i];
}

// MARK: Activations

CK_INLINE ck_v ck_activation_of(ck_activation f, ck_v x) {
  switch (f) {
    case CK_IDENTITY: return x;
    case CK_RELU: return ck_positive(x);
    case CK_TANH: return ck_tangent(x);
    case CK_SIGMOID: return ck_sigmoid(x);
  }
  return x;
}

CK_INLINE ck_v ck_slope_times(ck_activation f, ck_v y, ck_v dy) {
  switch (f) {
    case CK_IDENTITY: return dy;
    case CK_RELU: return y > (ck_v)(0.0f) ? dy : (ck_v)(0.0f);
    case CK_TANH: return dy * ((ck_v)(1.0f) - y * y);
    case CK_SIGMOID: return dy * (y * ((ck_v)(1.0f) - y));
  }
  return dy;
}

CK_TARGET static void ck_activate(ck_activation f, size_t rows, size_t width, const float *x, size_t ldx, float *y,
                                  size_t ldy) {
  for (size_t r = 0; r < rows; r++, x += ldx, y += ldy)
    for (size_t i = 0; i < width; i += CK_PANEL)
      ck_store(y + i, width - i, ck_activation_of(f, ck_load(x + i, width - i, 0.0f)));
}

CK_TARGET static void ck_activate_gradient(ck_activation f, size_t rows, size_t width, const float *y, size_t ldy,
                                           const float *dy, size_t lddy, float *dx, size_t lddx) {
  for (size_t r = 0; r < rows; r++, y += ldy, dy += lddy, dx += lddx)
    for (size_t i = 0; i < width; i += CK_PANEL)
      ck_store(dx + i, width - i,
               ck_slope_times(f, ck_load(y + i, width - i, 0.0f), ck_load(dy + i, width - i, 0.0f)));
}

CK_TARGET static void ck_multiply(size_t count, const float *a, const float *b, float *y) {
  for (size_t i = 0; i < count; i++) y[i] = a[i] * b[i];
}

CK_TARGET static void ck_scale(size_t count, float a, float *x) {
  for (size_t i = 0; i < count; i++) x[i] = a * x[i];
}

CK_TARGET static void ck_axpy(size_t count, float a, const float *restrict x, float *restrict y) {
  for (size_t i = 0; i < count; i++) y[i] = CK_MULTIPLY_ADD(a, x[i], y[i]);
}

CK_TARGET static double ck_sum_of_squares(size_t count, const float *x) {
  ck_d sum = (ck_d)(0.0);
  for (size_t i = 0; i < count; i += CK_PANEL) {
    const ck_d v = __builtin_convertvector(ck_load(x + i, count - i, 0.0f), ck_d);
    sum = CK_MULTIPLY_ADD(v, v, sum);
  }
  const ck_d8 a = sum.lo + sum.hi;
  const ck_d4 b = a.lo + a.hi;
  return (b.x + b.z) + (b.y + b.w);
}

CK_TARGET static void ck_add_squares(size_t count, const float *x, double *lanes) {
  typedef double ck_lanes __attribute__((ext_vector_type(CK_PANEL), aligned(8), may_alias));
  ck_d sum = *(const ck_lanes *)lanes;
  for (size_t i = 0; i < count; i += CK_PANEL) {
    const ck_d v = __builtin_convertvector(*(const ck_v *)(x + i), ck_d);
    sum = CK_MULTIPLY_ADD(v, v, sum);
  }
  *(ck_lanes *)lanes = sum;
}

CK_TARGET static void ck_add_fixed(size_t count, const float *restrict x, double factor, int64_t *restrict sums) {
  // Added to 1.5 · 2⁵², a number is rounded to an integer, which then stands in the last bits.
  const double rounding = 0x1.8p52;
  int64_t zero;
  memcpy(&zero, &rounding, sizeof zero);
  for (size_t i = 0; i < count; i++) {
    const double rounded = (double)x[i] * factor + rounding;
    int64_t bits;
    memcpy(&bits, &rounded, sizeof bits);
    sums[i] = (int64_t)((uint64_t)sums[i] + (uint64_t)bits - (uint64_t)zero);
  }
}

// MARK: Cells

CK_TARGET static void ck_lstm_cell(size_t rows, size_t units, float *gates, size_t ldgates, const float *previous,
                                   float *c, size_t ldc, float *h, size_t ldh) {
  for (size_t r = 0; r < rows; r++, gates += ldgates, c += ldc, h += ldh) {
    for (size_t u = 0; u < units; u += CK_PANEL) {
      ck_v *in = (ck_v *)(gates + u), *forget = (ck_v *)(gates + units + u);
      ck_v *cell = (ck_v *)(gates + 2 * units + u), *out = (ck_v *)(gates + 3 * units + u);
      *in = ck_sigmoid(*in);
      *forget = ck_sigmoid(*forget);
      *cell = ck_tangent(*cell);
      *out = ck_sigmoid(*out);
      ck_v state = *in * *cell;
      if (previous) state = CK_MULTIPLY_ADD(*forget, *(const ck_v *)(previous + r * ldc + u), state);
      *(ck_v *)(c + u) = state;
      *(ck_v *)(h + u) = *out * ck_tangent(state);
    }
  }
}

CK_TARGET static void ck_lstm_cell_gradient(size_t rows, size_t units, const float *gates, size_t ldgates,
                                            const float *previous, const float *c, size_t ldc, const float *dh,
                                            size_t lddh, float *dc, size_t lddc, float *dgates, size_t lddgates) {
  const ck_v one = (ck_v)(1.0f);
  for (size_t r = 0; r < rows; r++, gates += ldgates, c += ldc, dh += lddh, dc += lddc, dgates += lddgates) {
    for (size_t u = 0; u < units; u += CK_PANEL) {
      const ck_v in = *(const ck_v *)(gates + u), forget = *(const ck_v *)(gates + units + u);
      const ck_v cell = *(const ck_v *)(gates + 2 * units + u), out = *(const ck_v *)(gates + 3 * units + u);
      const ck_v t = ck_tangent(*(const ck_v *)(c + u)), d = *(const ck_v *)(dh + u);
      const ck_v state = CK_MULTIPLY_ADD(d * out, one - t * t, *(ck_v *)(dc + u));
      const ck_v before = previous ? *(const ck_v *)(previous + r * ldc + u) : (ck_v)(0.0f);
      *(ck_v *)(dgates + u) = state * cell * (in * (one - in));
      *(ck_v *)(dgates + units + u) = state * before * (forget * (one - forget));
      *(ck_v *)(dgates + 2 * units + u) = state * in * (one - cell * cell);
      *(ck_v *)(dgates + 3 * units + u) = d * t * (out * (one - out));
      *(ck_v *)(dc + u) = state * forget;
    }
  }
}

// MARK: Pooling

CK_TARGET static void ck_max_pool(const ck_pooling *g, const float *image, float *y, uint32_t *choice) {
  for (size_t row = 0; row < g->rows; row++)
    for (size_t column = 0; column < g->columns; column++) {
      const float *window = image + row * g->row_step + column * g->column_step;
      float *out = y + row * g->out_row + column * g->out_column;
      for (size_t c = 0; c < g->channels; c += CK_PANEL) {
        const size_t count = g->channels - c;
        ck_v best = ck_load(window + c, count, 0.0f);
        ck_i which = (ck_i)(0);
        int32_t place = 0;
        for (size_t i = 0; i < g->window_lines; i++)
          for (size_t j = 0; j < g->window_columns; j++, place++) {
            const ck_v v = ck_load(window + i * g->image_pitch + j * g->image_column + c, count, 0.0f);
            const ck_i is_better = (v > best) | (v != v);
            best = is_better ? v : best;
            which = is_better ? (ck_i)(place) : which;
          }
        ck_store(out + c, count, best);
        if (!choice) continue;
        if (count >= CK_PANEL)
          *(ck_i *)(choice + c) = which;
        else
          for (size_t q = 0; q < count; q++) choice[c + q] = (uint32_t)which[q];
      }
      if (choice) choice += g->channels;
    }
}

CK_TARGET static void ck_max_pool_gradient(const ck_pooling *g, const uint32_t *choice, const float *dy,
                                           float *gradient) {
  for (size_t row = 0; row < g->rows; row++)
    for (size_t column = 0; column < g->columns; column++, choice += g->channels) {
      float *window = gradient + row * g->row_step + column * g->column_step;
      const float *d = dy + row * g->out_row + column * g->out_column;
      size_t place = 0;
      for (size_t i = 0; i < g->window_lines; i++)
        for (size_t j = 0; j < g->window_columns; j++, place++) {
          float *to = window + i * g->image_pitch + j * g->image_column;
          for (size_t c = 0; c < g->channels; c++) to[c] += choice[c] == place ? d[c] : 0.0f;
        }
    }
}

CK_TARGET static void ck_average_pool(const ck_pooling *g, const float *image, float *y) {
  const float share = 1.0f / (float)(g->window_lines * g->window_columns);
  for (size_t row = 0; row < g->rows; row++)
    for (size_t column = 0; column < g->columns; column++) {
      const float *window = image + row * g->row_step + column * g->column_step;
      float *out = y + row * g->out_row + column * g->out_column;
      for (size_t c = 0; c < g->channels; c++) out[c] = 0.0f;
      for (size_t i = 0; i < g->window_lines; i++)
        for (size_t j = 0; j < g->window_columns; j++) {
          const float *from = window + i * g->image_pitch + j * g->image_column;
          for (size_t c = 0; c < g->channels; c++) out[c] += from[c];
        }
      for (size_t c = 0; c < g->channels; c++) out[c] *= share;
    }
}

CK_TARGET static void ck_average_pool_gradient(const ck_pooling *g, const float *dy, float *gradient) {
  const float share = 1.0f / (float)(g->window_lines * g->window_columns);
  for (size_t row = 0; row < g->rows; row++)
    for (size_t column = 0; column < g->columns; column++) {
      float *window = gradient + row * g->row_step + column * g->column_step;
      const float *d = dy + row * g->out_row + column * g->out_column;
      for (size_t i = 0; i < g->window_lines; i++)
        for (size_t j = 0; j < g->window_columns; j++) {
          float *to = window + i * g->image_pitch + j * g->image_column;
          for (size_t c = 0; c < g->channels; c++) to[c] += share * d[c];
        }
    }
}

// MARK: Losses

/// One row of logits. Writes e^(x − max) to `out` unless it is NULL; `out` may be `x`. Gives the sum of the exponentials,
/// or NaN if a logit is not finite, and the first largest class with its logit.
CK_INLINE float ck_exponentials(size_t classes, const float *x, float *out, int32_t *best, float *largest) {
  // Infinities and NaN make the sum of x − x a NaN.
  ck_v most = (ck_v)(-INFINITY), spread = (ck_v)(0.0f);
  for (size_t c = 0; c < classes; c += CK_PANEL) {
    const ck_v v = ck_load(x + c, classes - c, x[0]);
    spread += v - v;
    most = v > most ? v : most;
  }
  float max = most[0];
  for (int q = 1; q < CK_PANEL; q++) max = most[q] > max ? most[q] : max;
  int32_t first = 0;
  while ((size_t)first + 1 < classes && x[first] != max) first++;
  *best = first;
  *largest = max;
  const float check = ck_sum_lanes(spread);
  if (check != check) return NAN;
  ck_v sum = (ck_v)(0.0f);
  for (size_t c = 0; c < classes; c += CK_PANEL) {
    const size_t count = classes - c;
    ck_v e = ck_exponential(ck_load(x + c, count, max) - (ck_v)(max));
    if (out) ck_store(out + c, count, e);
    if (count < CK_PANEL) {
      float lanes[CK_PANEL];
      *(ck_v *)lanes = e;
      for (size_t q = count; q < CK_PANEL; q++) lanes[q] = 0.0f;
      e = *(const ck_v *)lanes;
    }
    sum += e;
  }
  return ck_sum_lanes(sum);
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
                                               const int32_t *labels, float smoothing, float scale, float *gradient,
                                               size_t ldg, float *losses, int32_t *predictions) {
  for (size_t r = 0; r < rows; r++) {
    const float *x = logits + r * ldl;
    float *g = gradient ? gradient + r * ldg : NULL, max;
    const float own = x[labels[r]];
    double mean = 0.0;
    if (smoothing != 0.0f) {
      for (size_t c = 0; c < classes; c++) mean += (double)x[c];
      mean /= (double)classes;
    }
    const float sum = ck_exponentials(classes, x, g, &predictions[r], &max);
    const double target = (1.0 - (double)smoothing) * (double)own + (double)smoothing * mean;
    losses[r] = sum == sum ? (float)(ck_logarithm((double)sum) - (target - (double)max)) : NAN;
    if (!g) continue;
    const float factor = sum == sum ? scale / sum : NAN, share = scale * (smoothing / (float)classes);
    for (size_t c = 0; c < classes; c++) g[c] = sum == sum ? CK_MULTIPLY_ADD(g[c], factor, -share) : NAN;
    g[labels[r]] -= scale * (1.0f - smoothing);
  }
}

CK_TARGET static void ck_binary_cross_entropy(size_t rows, size_t width, const float *logits, size_t ldl,
                                              const float *targets, float scale, float *gradient, size_t ldg,
                                              float *losses) {
  const float share = scale / (float)width;
  for (size_t r = 0; r < rows; r++) {
    const float *z = logits + r * ldl, *t = targets + r * width;
    double sum = 0.0;
    for (size_t i = 0; i < width; i++) {
      // ln(1 + e^z) − t z = max(z, 0) − t z + ln(1 + e^−|z|).
      const float e = ck_exponential((ck_v)(-__builtin_fabsf(z[i])))[0];
      sum += (z[i] > 0.0f ? (double)z[i] : 0.0) - (double)t[i] * (double)z[i] + ck_logarithm(1.0 + (double)e);
      if (!isfinite(z[i])) sum = NAN;
      if (gradient) gradient[r * ldg + i] = isfinite(z[i]) ? share * (ck_sigmoid((ck_v)(z[i]))[0] - t[i]) : NAN;
    }
    losses[r] = (float)(sum / (double)width);
  }
}

CK_TARGET static void ck_squared_error(size_t rows, size_t width, const float *outputs, size_t ldo,
                                       const float *targets, float scale, float *gradient, size_t ldg, float *losses) {
  const float share = 2.0f * scale / (float)width;
  for (size_t r = 0; r < rows; r++) {
    double sum = 0.0;
    for (size_t i = 0; i < width; i++) {
      const float difference = outputs[r * ldo + i] - targets[r * width + i];
      sum += (double)difference * (double)difference;
      if (gradient) gradient[r * ldg + i] = share * difference;
    }
    losses[r] = (float)(sum / (double)width);
  }
}

// MARK: Optimizers

// With flags that are constants where it is called, so that no element asks for them.
CK_INLINE void ck_sgd_loop(size_t count, float rate, float momentum, int nesterov, float decay, float proximal,
                           const float *gradient, const float *anchor, float *velocity, float *w) {
  for (size_t i = 0; i < count; i += CK_PANEL) {
    const size_t left = count - i;
    const ck_v weights = ck_load(w + i, left, 0.0f);
    ck_v g = CK_MULTIPLY_ADD((ck_v)(decay), weights, ck_load(gradient + i, left, 0.0f));
    if (anchor) g = CK_MULTIPLY_ADD((ck_v)(proximal), weights - ck_load(anchor + i, left, 0.0f), g);
    if (velocity) {
      const ck_v v = CK_MULTIPLY_ADD((ck_v)(momentum), ck_load(velocity + i, left, 0.0f), g);
      ck_store(velocity + i, left, v);
      g = nesterov ? CK_MULTIPLY_ADD((ck_v)(momentum), v, g) : v;
    }
    ck_store(w + i, left, CK_MULTIPLY_ADD((ck_v)(-rate), g, weights));
  }
}

CK_TARGET static void ck_sgd_step(size_t count, float rate, float momentum, int nesterov, float decay, float proximal,
                                  const float *gradient, const float *anchor, float *velocity, float *w) {
  if (!velocity && !anchor && decay == 0.0f)
    ck_axpy(count, -rate, gradient, w);
  else if (!velocity)
    ck_sgd_loop(count, rate, 0.0f, 0, decay, proximal, gradient, anchor, NULL, w);
  else if (!anchor && !nesterov)
    ck_sgd_loop(count, rate, momentum, 0, decay, 0.0f, gradient, NULL, velocity, w);
  else
    ck_sgd_loop(count, rate, momentum, nesterov, decay, proximal, gradient, anchor, velocity, w);
}

CK_TARGET static void ck_adam_step(size_t count, const ck_adam *rule, const float *gradient, const float *anchor,
                                   float *mean, float *square, float *w) {
  const ck_v shrink = (ck_v)(1.0f - rule->rate * rule->decoupled_decay);
  for (size_t i = 0; i < count; i += CK_PANEL) {
    const size_t left = count - i;
    const ck_v weights = ck_load(w + i, left, 0.0f);
    ck_v g = CK_MULTIPLY_ADD((ck_v)(rule->decay), weights, ck_load(gradient + i, left, 0.0f));
    if (anchor) g = CK_MULTIPLY_ADD((ck_v)(rule->proximal), weights - ck_load(anchor + i, left, 0.0f), g);
    const ck_v m = CK_MULTIPLY_ADD((ck_v)(rule->beta1), ck_load(mean + i, left, 0.0f), (ck_v)(1.0f - rule->beta1) * g);
    const ck_v q =
        CK_MULTIPLY_ADD((ck_v)(rule->beta2), ck_load(square + i, left, 0.0f), ((ck_v)(1.0f - rule->beta2) * g) * g);
    ck_store(mean + i, left, m);
    ck_store(square + i, left, q);
    const ck_v root = __builtin_elementwise_sqrt(q * (ck_v)(rule->correction2));
    const ck_v step = (m * (ck_v)(rule->correction1)) / (root + (ck_v)(rule->epsilon));
    ck_store(w + i, left, CK_MULTIPLY_ADD((ck_v)(-rule->rate), step, shrink * weights));
  }
}
