// Products with weights in panels: dense layers and convolutions, forward and back.

// sum[r] += Σ_s Σ_k x[r][s · step + k] · w[s · length + k], a panel of w at each k.
#define CK_DEFINE_ROWS(R)                                                                               \
  CK_INLINE void ck_rows_##R(size_t segments, size_t length, size_t step, const float *const *x,        \
                             const float *w, ck_v *sum) {                                               \
    ck_v a[R];                                                                                          \
    const float *p[R];                                                                                  \
    CK_UNROLL for (int r = 0; r < R; r++) a[r] = sum[r], p[r] = x[r];                                   \
    for (size_t s = 0; s < segments; s++) {                                                             \
      for (size_t k = 0; k < length; k++, w += CK_PANEL) {                                              \
        const ck_v column = *(const ck_v *)w;                                                           \
        CK_UNROLL for (int r = 0; r < R; r++) a[r] = CK_MULTIPLY_ADD((ck_v)(p[r][k]), column, a[r]);    \
      }                                                                                                 \
      CK_UNROLL for (int r = 0; r < R; r++) p[r] += step;                                               \
    }                                                                                                   \
    CK_UNROLL for (int r = 0; r < R; r++) sum[r] = a[r];                                                \
  }

// What a sum into g starts from.
CK_INLINE ck_v ck_start(const float *g, size_t offset, ck_update update) {
  // What g holds is not read for a keep of zero: it may be anything.
  ck_v v = (ck_v)(0.0f);
  if (update.keep == 1.0f)
    v = *(const ck_v *)(g + offset);
  else if (update.keep != 0.0f)
    v = (ck_v)(update.keep) * *(const ck_v *)(g + offset);
  if (update.anchor) v = CK_MULTIPLY_ADD((ck_v)(update.pull), *(const ck_v *)(update.anchor + offset), v);
  return v;
}

static const ck_update CK_ADD = {1.0f, 0.0f, NULL};

// g[r] = start[r] + Σ_b x[b][i + r] · dy[b], with rows of x anywhere; g from offset `at` on.
#define CK_DEFINE_OUTER(R)                                                                              \
  CK_INLINE void ck_outer_##R(size_t rows, const float *const *x, size_t i, const float *dy,            \
                              size_t lddy, float *g, size_t at, ck_update update) {                     \
    ck_v a[R];                                                                                          \
    CK_UNROLL for (int r = 0; r < R; r++) a[r] = ck_start(g, at + r * CK_PANEL, update);                \
    for (size_t b = 0; b < rows; b++, dy += lddy) {                                                     \
      const ck_v column = *(const ck_v *)dy;                                                            \
      const float *p = x[b] + i;                                                                        \
      CK_UNROLL for (int r = 0; r < R; r++) a[r] = CK_MULTIPLY_ADD((ck_v)(p[r]), column, a[r]);         \
    }                                                                                                   \
    CK_UNROLL for (int r = 0; r < R; r++) *(ck_v *)(g + at + r * CK_PANEL) = a[r];                      \
  }

// The same over windows: rows of x at regular places.
#define CK_DEFINE_WINDOW(R)                                                                             \
  CK_INLINE void ck_window_##R(const ck_windows *w, size_t rows, const float *x, const float *dy,       \
                               float *g, size_t at, ck_update update) {                                 \
    ck_v a[R];                                                                                          \
    CK_UNROLL for (int r = 0; r < R; r++) a[r] = ck_start(g, at + r * CK_PANEL, update);                \
    for (size_t j = 0; j < rows; j++, x += w->row_step, dy += w->out_row) {                             \
      const float *p = x, *d = dy;                                                                      \
      for (size_t o = 0; o < w->columns; o++, p += w->column_step, d += w->out_column) {                \
        const ck_v column = *(const ck_v *)d;                                                           \
        CK_UNROLL for (int r = 0; r < R; r++) a[r] = CK_MULTIPLY_ADD((ck_v)(p[r]), column, a[r]);       \
      }                                                                                                 \
    }                                                                                                   \
    CK_UNROLL for (int r = 0; r < R; r++) *(ck_v *)(g + at + r * CK_PANEL) = a[r];                      \
  }

#define CK_DEFINE_TILES(R) CK_DEFINE_ROWS(R) CK_DEFINE_OUTER(R) CK_DEFINE_WINDOW(R)
CK_DEFINE_TILES(1)
CK_DEFINE_TILES(2)
CK_DEFINE_TILES(3)
#if CK_TILE_ROWS >= 6
CK_DEFINE_TILES(4)
CK_DEFINE_TILES(5)
CK_DEFINE_TILES(6)
#endif
#if CK_TILE_ROWS >= 12
CK_DEFINE_TILES(7)
CK_DEFINE_TILES(8)
CK_DEFINE_TILES(9)
CK_DEFINE_TILES(10)
CK_DEFINE_TILES(11)
CK_DEFINE_TILES(12)
#endif

// Calls name_R for R = count, which is 1 ... CK_TILE_ROWS.
#define CK_CASE(name, R, ...) \
  case R:                     \
    name##_##R(__VA_ARGS__);  \
    break;
#define CK_CASES_3(name, ...) \
  CK_CASE(name, 1, __VA_ARGS__) CK_CASE(name, 2, __VA_ARGS__) CK_CASE(name, 3, __VA_ARGS__)
#define CK_CASES_6(name, ...) \
  CK_CASES_3(name, __VA_ARGS__) CK_CASE(name, 4, __VA_ARGS__) CK_CASE(name, 5, __VA_ARGS__) CK_CASE(name, 6, __VA_ARGS__)
#define CK_CASES_12(name, ...)                                                                              \
  CK_CASES_6(name, __VA_ARGS__) CK_CASE(name, 7, __VA_ARGS__) CK_CASE(name, 8, __VA_ARGS__)                 \
  CK_CASE(name, 9, __VA_ARGS__) CK_CASE(name, 10, __VA_ARGS__) CK_CASE(name, 11, __VA_ARGS__)               \
  CK_CASE(name, 12, __VA_ARGS__)
#define CK_PASTE(a, b) a##b
#define CK_CASES(limit) CK_PASTE(CK_CASES_, limit)
#define CK_FOR_TILE(count, name, ...)            \
  switch (count) {                               \
    CK_CASES(CK_TILE_ROWS)(name, __VA_ARGS__)    \
    default: __builtin_unreachable();            \
  }

// The next of `tiles` tiles over `left` rows: tiles of equal height, so that none is left thin.
CK_INLINE size_t ck_tile(size_t left, size_t tiles) { return (left + tiles - 1) / tiles; }
CK_INLINE size_t ck_tile_count(size_t rows) { return (rows + CK_TILE_ROWS - 1) / CK_TILE_ROWS; }

CK_INLINE ck_v ck_positive(ck_v v) { return v < (ck_v)(0.0f) ? (ck_v)(0.0f) : v; }

// MARK: Dense

CK_TARGET static void ck_dense_forward(size_t rows, size_t inputs, size_t begin, size_t end, const float *const *x,
                                       const float *w, const float *bias, float *y, size_t ldy, int relu) {
  // So much of a panel stays in the first cache while all rows pass over it: 16 KiB.
  enum { BLOCK = 256 };
  for (size_t p = begin; p < end; p++) {
    float *out = y + CK_PANEL * p;
    for (size_t k = 0; k < inputs; k += BLOCK) {
      const size_t length = inputs - k < BLOCK ? inputs - k : BLOCK;
      const int is_first = k == 0, is_last = k + length == inputs;
      size_t r = 0;
      for (size_t tiles = ck_tile_count(rows); tiles > 0; tiles--) {
        const size_t count = ck_tile(rows - r, tiles);
        ck_v sum[CK_TILE_ROWS];
        const float *from[CK_TILE_ROWS];
        for (size_t q = 0; q < count; q++) {
          from[q] = x[r + q] + k;
          sum[q] = is_first && bias ? *(const ck_v *)(bias + CK_PANEL * p) : *(const ck_v *)(out + (r + q) * ldy);
        }
        CK_FOR_TILE(count, ck_rows, 1, length, 0, from, w + (p * inputs + k) * CK_PANEL, sum)
        for (size_t q = 0; q < count; q++)
          *(ck_v *)(out + (r + q) * ldy) = is_last && relu ? ck_positive(sum[q]) : sum[q];
        r += count;
      }
    }
  }
}

// dx of ROWS × INPUTS, in lanes; the next tile's weights are fetched ahead, because each panel is a stream of its own.
#define CK_DEFINE_DOT(ROWS, INPUTS, AHEAD)                                                                \
  CK_INLINE void ck_dot_##ROWS##_##INPUTS##_##AHEAD(size_t panels, size_t stride, const float *dy,        \
                                                    size_t lddy, const float *w, float *dx, size_t lddx) {\
    ck_v a[ROWS][INPUTS];                                                                                 \
    CK_UNROLL for (int r = 0; r < ROWS; r++)                                                              \
      CK_UNROLL for (int i = 0; i < INPUTS; i++) a[r][i] = (ck_v)(0.0f);                                  \
    for (size_t p = 0; p < panels; p++, w += stride) {                                                    \
      CK_UNROLL for (int i = 0; i < INPUTS; i++) {                                                        \
        const ck_v column = *(const ck_v *)(w + CK_PANEL * i);                                            \
        if (AHEAD) __builtin_prefetch(w + CK_PANEL * (INPUTS + i));                                       \
        CK_UNROLL for (int r = 0; r < ROWS; r++)                                                          \
          a[r][i] = CK_MULTIPLY_ADD(*(const ck_v *)(dy + r * lddy + CK_PANEL * p), column, a[r][i]);      \
      }                                                                                                   \
    }                                                                                                     \
    CK_UNROLL for (int r = 0; r < ROWS; r++)                                                              \
      CK_UNROLL for (int i = 0; i < INPUTS; i++) dx[r * lddx + i] = ck_sum_lanes(a[r][i]);                \
  }
CK_DEFINE_DOT(2, 3, 1)
CK_DEFINE_DOT(2, 3, 0)
CK_DEFINE_DOT(1, 3, 0)
CK_DEFINE_DOT(2, 1, 0)
CK_DEFINE_DOT(1, 1, 0)

CK_TARGET static void ck_dense_input_gradient(size_t rows, size_t inputs, size_t begin, size_t end, size_t panels,
                                              const float *dy, size_t lddy, const float *w, float *dx, size_t lddx) {
  const size_t stride = inputs * CK_PANEL;
  size_t i = begin;
  for (; i + 3 <= end; i += 3) {
    const float *columns = w + CK_PANEL * i;
    size_t r = 0;
    if (rows >= 2 && i + 6 <= end) {
      ck_dot_2_3_1(panels, stride, dy, lddy, columns, dx + i, lddx);
      r = 2;
    }
    for (; r + 2 <= rows; r += 2) ck_dot_2_3_0(panels, stride, dy + r * lddy, lddy, columns, dx + r * lddx + i, lddx);
    if (r < rows) ck_dot_1_3_0(panels, stride, dy + r * lddy, lddy, columns, dx + r * lddx + i, lddx);
  }
  for (; i < end; i++) {
    const float *columns = w + CK_PANEL * i;
    size_t r = 0;
    for (; r + 2 <= rows; r += 2) ck_dot_2_1_0(panels, stride, dy + r * lddy, lddy, columns, dx + r * lddx + i, lddx);
    if (r < rows) ck_dot_1_1_0(panels, stride, dy + r * lddy, lddy, columns, dx + r * lddx + i, lddx);
  }
}

CK_TARGET static void ck_dense_weight_gradient(size_t rows, size_t begin, size_t end, const float *const *x,
                                               const float *dy, size_t lddy, float *g, ck_update update) {
  // So many rows of dy stay in the first cache while all inputs pass over them.
  enum { BLOCK = 64 };
  for (size_t b = 0; b < rows || b == 0; b += BLOCK) {
    const size_t length = rows - b < BLOCK ? rows - b : BLOCK;
    const ck_update start = b == 0 ? update : CK_ADD;
    size_t i = begin;
    for (size_t tiles = ck_tile_count(end - begin); tiles > 0; tiles--) {
      const size_t count = ck_tile(end - i, tiles);
      CK_FOR_TILE(count, ck_outer, length, x + b, i, dy + b * lddy, lddy, g, i * CK_PANEL, start)
      i += count;
    }
  }
}

CK_TARGET static void ck_bias_gradient(size_t rows, const float *dy, size_t lddy, float *g, ck_update update) {
  ck_v sum = ck_start(g, 0, update);
  for (size_t r = 0; r < rows; r++) sum += *(const ck_v *)(dy + r * lddy);
  *(ck_v *)g = sum;
}

// MARK: Convolution

CK_TARGET static void ck_conv_forward(const ck_windows *g, size_t begin, size_t end, const float *image,
                                      const float *w, const float *bias, float *y, int relu) {
  const size_t places = g->rows * g->columns, panel = g->window_lines * g->window_floats * CK_PANEL;
  for (size_t p = begin; p < end; p++) {
    const ck_v start = bias ? *(const ck_v *)(bias + CK_PANEL * p) : (ck_v)(0.0f);
    float *out = y + CK_PANEL * p;
    const float *window = image;
    size_t place = 0, column = 0;
    for (size_t tiles = ck_tile_count(places); tiles > 0; tiles--) {
      const size_t count = ck_tile(places - place, tiles);
      ck_v sum[CK_TILE_ROWS];
      const float *from[CK_TILE_ROWS];
      float *to[CK_TILE_ROWS];
      for (size_t q = 0; q < count; q++) {
        sum[q] = start;
        from[q] = window;
        to[q] = out;
        window += g->column_step;
        out += g->out_column;
        if (++column == g->columns) {
          column = 0;
          window += g->row_step - g->columns * g->column_step;
          out += g->out_row - g->columns * g->out_column;
        }
      }
      CK_FOR_TILE(count, ck_rows, g->window_lines, g->window_floats, g->image_pitch, from, w + p * panel, sum)
      for (size_t q = 0; q < count; q++) *(ck_v *)to[q] = relu ? ck_positive(sum[q]) : sum[q];
      place += count;
    }
  }
}

CK_TARGET static void ck_conv_weight_gradient(const ck_windows *g, size_t begin, size_t end, const float *image,
                                              const float *dy, float *gradient, ck_update update) {
  // So many places of image and dy stay in the first cache while all weights pass over them.
  enum { PLACES = 64 };
  const size_t block = g->columns >= PLACES ? 1 : PLACES / g->columns;
  for (size_t row = 0; row < g->rows; row += block) {
    const size_t rows = g->rows - row < block ? g->rows - row : block;
    const ck_update start = row == 0 ? update : CK_ADD;
    for (size_t line = begin; line < end; line++) {
      const float *x = image + row * g->row_step + line * g->image_pitch;
      size_t i = 0;
      for (size_t tiles = ck_tile_count(g->window_floats); tiles > 0; tiles--) {
        const size_t count = ck_tile(g->window_floats - i, tiles), at = (line * g->window_floats + i) * CK_PANEL;
        CK_FOR_TILE(count, ck_window, g, rows, x + i, dy + row * g->out_row, gradient, at, start)
        i += count;
      }
    }
  }
}
