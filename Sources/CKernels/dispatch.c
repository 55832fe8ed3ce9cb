#include "ckernels.h"

extern const ck_table ck_table_base;
#if defined(__x86_64__)
extern const ck_table ck_table_avx2, ck_table_avx512;
#elif defined(__aarch64__)
extern const ck_table ck_table_neon;
#endif

ck_class ck_best_class(void) {
#if defined(__x86_64__)
  // These also ask the system whether it saves the wide registers.
  __builtin_cpu_init();
  const int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return CK_CLASS_AVX512;
  if (avx2) return CK_CLASS_AVX2;
#elif defined(__aarch64__)
  return CK_CLASS_NEON;
#endif
  return CK_CLASS_BASE;
}

const ck_table *ck_table_for(ck_class cpu_class) {
  if (cpu_class == CK_CLASS_BASE) return &ck_table_base;
#if defined(__x86_64__)
  const ck_class best = ck_best_class();
  if (cpu_class == CK_CLASS_AVX2 && (best == CK_CLASS_AVX2 || best == CK_CLASS_AVX512)) return &ck_table_avx2;
  if (cpu_class == CK_CLASS_AVX512 && best == CK_CLASS_AVX512) return &ck_table_avx512;
#elif defined(__aarch64__)
  if (cpu_class == CK_CLASS_NEON) return &ck_table_neon;
#endif
  return NULL;
}

void ck_transpose_windows(const ck_transposition *g, const float *w, float *transposed) {
  const size_t lines = (g->window_lines - g->first_line + g->line_stride - 1) / g->line_stride;
  const size_t columns = (g->window_columns - g->first_column + g->column_stride - 1) / g->column_stride;
  for (size_t p = 0; p < g->channels / CK_PANEL; p++)
    for (size_t l = 0; l < lines; l++)
      for (size_t c = 0; c < columns; c++) {
        const size_t line = g->first_line + g->line_stride * (lines - 1 - l);
        const size_t column = g->first_column + g->column_stride * (columns - 1 - c);
        for (size_t o = 0; o < g->outputs; o++, transposed += CK_PANEL) {
          const size_t window = (o / CK_PANEL * g->window_lines + line) * g->window_columns + column;
          const float *from = w + (window * g->channels + CK_PANEL * p) * CK_PANEL + o % CK_PANEL;
          for (size_t q = 0; q < CK_PANEL; q++) transposed[q] = from[q * CK_PANEL];
        }
      }
}

void ck_dropout_factors(size_t count, uint64_t seed, uint64_t first_index, float rate, float *factors) {
  const float kept = 1.0f / (1.0f - rate);
  const uint64_t limit = (uint64_t)((double)rate * 16777216.0);
  for (size_t i = 0; i < count; i++) {
    // SplitMix64's finaliser (Steele, Lea, Flood 2014) of a counter.
    uint64_t z = seed + (first_index + i + 1) * 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    z ^= z >> 31;
    factors[i] = (z >> 40) < limit ? 0.0f : kept;
  }
}

int ck_is_finite(size_t count, const float *x) {
  // x − x is zero for a finite number and NaN for every other.
  uint32_t found = 0;
  for (size_t i = 0; i < count; i++) {
    const float difference = x[i] - x[i];
    found |= difference != 0.0f;
  }
  return found == 0;
}

#if defined(__x86_64__)
#include <xmmintrin.h>

uint64_t ck_flush_subnormals(void) {
  const unsigned state = _mm_getcsr();
  _mm_setcsr(state | 0x8040u);  // flush to zero, denormals are zero
  return state;
}

void ck_restore_floating_state(uint64_t state) {
  // Exceptions raised meanwhile stay visible; only the modes go back.
  _mm_setcsr((_mm_getcsr() & ~0x8040u) | ((unsigned)state & 0x8040u));
}
#elif defined(__aarch64__)
uint64_t ck_flush_subnormals(void) {
  uint64_t state;
  __asm__ volatile("mrs %0, fpcr" : "=r"(state));
  __asm__ volatile("msr fpcr, %0" : : "r"(state | (1ull << 24)));
  return state;
}

void ck_restore_floating_state(uint64_t state) { __asm__ volatile("msr fpcr, %0" : : "r"(state)); }
#else
uint64_t ck_flush_subnormals(void) { return 0; }

void ck_restore_floating_state(uint64_t state) { (void)state; }
#endif
