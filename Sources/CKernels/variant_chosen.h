// Products with inputs of which many are zero in every row, as pixels at the edge of an image are: only the other columns
// are read, and of the weights only theirs.

CK_TARGET static size_t ck_choose_columns(size_t rows, size_t inputs, const float *const *x, int32_t *columns) {
  size_t count = 0;
  for (size_t k = 0; k < inputs; k += CK_PANEL) {
    const size_t width = inputs - k < CK_PANEL ? inputs - k : CK_PANEL;
    ck_i found = (ck_i)(0);
    // The shift drops the sign: neither zero is chosen.
    for (size_t r = 0; r < rows; r++) found |= (ck_i)ck_load(x[r] + k, width, 0.0f) << 1;
    for (size_t q = 0; q < width; q++) {
      columns[count] = (int32_t)(k + q);
      count += found[q] != 0;
    }
  }
  return count;
}

// sum[r] += Σ_k x[r][columns[k]] · w[columns[k]], a panel of w at each.
#define CK_DEFINE_CHOSEN_ROWS(R)                                                                            \
  CK_INLINE void ck_chosen_rows_##R(size_t count, const int32_t *columns, const float *const *x,            \
                                    const float *w, ck_v *sum, int AHEAD) {                                 \
    ck_v a[R];                                                                                              \
    const float *p[R];                                                                                      \
    CK_UNROLL for (int r = 0; r < R; r++) a[r] = sum[r], p[r] = x[r];                                       \
    for (size_t k = 0; k < count; k++) {                                                                    \
      const size_t i = (size_t)columns[k];                                                                  \
      if (AHEAD) __builtin_prefetch(w + (size_t)columns[k + CK_AHEAD] * CK_PANEL);                          \
      const ck_v column = *(const ck_v *)(w + i * CK_PANEL);                                                \
      CK_UNROLL for (int r = 0; r < R; r++) a[r] = CK_MULTIPLY_ADD((ck_v)(p[r][i]), column, a[r]);          \
    }                                                                                                       \
    CK_UNROLL for (int r = 0; r < R; r++) sum[r] = a[r];                                                    \
  }

// g[columns[q]] += Σ_b x[b][columns[q]] · dy[b].
#define CK_DEFINE_CHOSEN_OUTER(R)                                                                           \
  CK_INLINE void ck_chosen_outer_##R(size_t rows, const float *const *x, const int32_t *columns,            \
                                     const float *dy, size_t lddy, float *g) {                              \
    ck_v a[R];                                                                                              \
    size_t i[R];                                                                                            \
    CK_UNROLL for (int q = 0; q < R; q++) i[q] = (size_t)columns[q], a[q] = *(ck_v *)(g + i[q] * CK_PANEL); \
    CK_UNROLL for (int q = 0; q < R; q++) __builtin_prefetch(g + (size_t)columns[R + q] * CK_PANEL, 1);     \
    for (size_t b = 0; b < rows; b++, dy += lddy) {                                                         \
      const ck_v column = *(const ck_v *)dy;                                                                \
      const float *p = x[b];                                                                                \
      CK_UNROLL for (int q = 0; q < R; q++) a[q] = CK_MULTIPLY_ADD((ck_v)(p[i[q]]), column, a[q]);          \
    }                                                                                                       \
    CK_UNROLL for (int q = 0; q < R; q++) *(ck_v *)(g + i[q] * CK_PANEL) = a[q];                            \
  }

#define CK_DEFINE_CHOSEN(R) CK_DEFINE_CHOSEN_ROWS(R) CK_DEFINE_CHOSEN_OUTER(R)
CK_DEFINE_CHOSEN(1)
CK_DEFINE_CHOSEN(2)
CK_DEFINE_CHOSEN(3)
#if CK_TILE_ROWS >= 6
CK_DEFINE_CHOSEN(4)
CK_DEFINE_CHOSEN(5)
CK_DEFINE_CHOSEN(6)
#endif
#if CK_TILE_ROWS >= 12
CK_DEFINE_CHOSEN(7)
CK_DEFINE_CHOSEN(8)
CK_DEFINE_CHOSEN(9)
CK_DEFINE_CHOSEN(10)
CK_DEFINE_CHOSEN(11)
CK_DEFINE_CHOSEN(12)
#endif

CK_TARGET static void ck_dense_forward_chosen(size_t rows, size_t count, const int32_t *columns, size_t inputs,
                                              size_t begin, size_t end, const float *const *x, const float *w,
                                              const float *bias, float *y, size_t ldy, int relu) {
  // As in the dense product: so much of a panel stays in the first cache while all rows pass over it.
  enum { BLOCK = 256 };
  for (size_t p = begin; p < end; p++) {
    float *out = y + CK_PANEL * p;
    for (size_t k = 0; k < count || k == 0; k += BLOCK) {
      const size_t length = count - k < BLOCK ? count - k : BLOCK;
      const int is_first = k == 0, is_last = k + length == count;
      size_t r = 0;
      for (size_t tiles = ck_tile_count(rows); tiles > 0; tiles--) {
        const size_t tile = ck_tile(rows - r, tiles);
        ck_v sum[CK_TILE_ROWS];
        for (size_t q = 0; q < tile; q++)
          sum[q] = is_first && bias ? *(const ck_v *)(bias + CK_PANEL * p) : *(const ck_v *)(out + (r + q) * ldy);
        // The first rows bring the weights into the cache, which the gaps between them keep the processor from guessing.
        const float *panel = w + p * inputs * CK_PANEL;
        if (r == 0) {
          CK_FOR_TILE(tile, ck_chosen_rows, length, columns + k, x, panel, sum, 1)
        } else {
          CK_FOR_TILE(tile, ck_chosen_rows, length, columns + k, x + r, panel, sum, 0)
        }
        for (size_t q = 0; q < tile; q++)
          *(ck_v *)(out + (r + q) * ldy) = is_last && relu ? ck_positive(sum[q]) : sum[q];
        r += tile;
      }
    }
  }
}

CK_TARGET static void ck_dense_weight_gradient_chosen(size_t rows, size_t count, const int32_t *columns,
                                                      const float *const *x, const float *dy, size_t lddy,
                                                      float *g) {
  // So many rows of dy stay in the first cache while all inputs pass over them.
  enum { BLOCK = 64 };
  for (size_t b = 0; b < rows; b += BLOCK) {
    const size_t length = rows - b < BLOCK ? rows - b : BLOCK;
    size_t i = 0;
    for (size_t tiles = ck_tile_count(count); tiles > 0; tiles--) {
      const size_t tile = ck_tile(count - i, tiles);
      CK_FOR_TILE(tile, ck_chosen_outer, length, x + b, columns + i, dy + b * lddy, lddy, g)
      i += tile;
    }
  }
}
