// Matrices between the canonical order, row by row, and panels: transposed tile by tile.

enum { CK_TILE_FLOATS = CK_PANEL * CK_PANEL };

// to[j][i] = from[i][j] of CK_PANEL × CK_PANEL floats.
CK_INLINE void ck_transpose_tile(const float *from, size_t ldfrom, float *to, size_t ldto) {
  typedef float ck_u4 __attribute__((ext_vector_type(4), aligned(4), may_alias));
  for (size_t i = 0; i < CK_PANEL; i += 4)
    CK_UNROLL for (size_t j = 0; j < CK_PANEL; j += 4) {
      const ck_v4 a = *(const ck_u4 *)(from + i * ldfrom + j), b = *(const ck_u4 *)(from + (i + 1) * ldfrom + j);
      const ck_v4 c = *(const ck_u4 *)(from + (i + 2) * ldfrom + j), d = *(const ck_u4 *)(from + (i + 3) * ldfrom + j);
      const ck_v4 e = __builtin_shufflevector(a, b, 0, 4, 1, 5), f = __builtin_shufflevector(a, b, 2, 6, 3, 7);
      const ck_v4 g = __builtin_shufflevector(c, d, 0, 4, 1, 5), h = __builtin_shufflevector(c, d, 2, 6, 3, 7);
      float *out = to + j * ldto + i;
      *(ck_u4 *)out = __builtin_shufflevector(e, g, 0, 1, 4, 5);
      *(ck_u4 *)(out + ldto) = __builtin_shufflevector(e, g, 2, 3, 6, 7);
      *(ck_u4 *)(out + 2 * ldto) = __builtin_shufflevector(f, h, 0, 1, 4, 5);
      *(ck_u4 *)(out + 3 * ldto) = __builtin_shufflevector(f, h, 2, 3, 6, 7);
    }
}

// How many canonical rows from `row` on lie side by side in one panel.
CK_INLINE size_t ck_neighbours(const ck_matrix *m, size_t row) {
  const size_t first = (size_t)m->outputs[row];
  size_t count = 1;
  while (row + count < m->rows && first % CK_PANEL + count < CK_PANEL &&
         (size_t)m->outputs[row + count] == first + count)
    count++;
  return count;
}

CK_TARGET static void ck_unpack_difference(const ck_matrix *m, const float *w, const float *base, float *out) {
  float packed[CK_TILE_FLOATS], plain[CK_TILE_FLOATS];
  for (size_t row = 0, count; row < m->rows; row += count) {
    count = ck_neighbours(m, row);
    const size_t output = (size_t)m->outputs[row], lane = output % CK_PANEL;
    const size_t start = output / CK_PANEL * m->places * CK_PANEL;
    for (size_t c = 0; c < m->columns; c += CK_PANEL) {
      const size_t width = m->columns - c < CK_PANEL ? m->columns - c : CK_PANEL;
      for (size_t q = 0; q < width; q++) {
        const size_t at = start + (size_t)m->inputs[c + q] * CK_PANEL;
        const ck_v v = *(const ck_v *)(w + at);
        *(ck_v *)(packed + q * CK_PANEL) = base ? v - *(const ck_v *)(base + at) : v;
      }
      float *target = out + row * m->columns + c;
      if (count == CK_PANEL && width == CK_PANEL) {
        ck_transpose_tile(packed, CK_PANEL, target, m->columns);
        continue;
      }
      for (size_t q = width; q < CK_PANEL; q++) *(ck_v *)(packed + q * CK_PANEL) = (ck_v)(0.0f);
      ck_transpose_tile(packed, CK_PANEL, plain, CK_PANEL);
      for (size_t k = 0; k < count; k++)
        memcpy(target + k * m->columns, plain + (lane + k) * CK_PANEL, width * sizeof(float));
    }
  }
}

CK_TARGET static void ck_pack(const ck_matrix *m, const float *values, float *w) {
  float plain[CK_TILE_FLOATS] = {0}, packed[CK_TILE_FLOATS];
  for (size_t row = 0, count; row < m->rows; row += count) {
    count = ck_neighbours(m, row);
    const size_t output = (size_t)m->outputs[row], lane = output % CK_PANEL;
    float *panel = w + output / CK_PANEL * m->places * CK_PANEL + lane;
    for (size_t c = 0; c < m->columns; c += CK_PANEL) {
      const size_t width = m->columns - c < CK_PANEL ? m->columns - c : CK_PANEL;
      for (size_t k = 0; k < count; k++)
        memcpy(plain + k * CK_PANEL, values + (row + k) * m->columns + c, width * sizeof(float));
      ck_transpose_tile(plain, CK_PANEL, packed, CK_PANEL);
      for (size_t q = 0; q < width; q++)
        memcpy(panel + (size_t)m->inputs[c + q] * CK_PANEL, packed + q * CK_PANEL, count * sizeof(float));
    }
  }
}
