#include "ckernels.h"

extern const ck_table ck_table_base;
#if defined(__x86_64__)
extern const ck_table ck_table_avx2, ck_table_avx512;
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
#endif
  return CK_CLASS_BASE;
}

const ck_table *ck_table_for(ck_class cpu_class) {
  if (cpu_class == CK_CLASS_BASE) return &ck_table_base;
#if defined(__x86_64__)
  const ck_class best = ck_best_class();
  if (cpu_class == CK_CLASS_AVX2 && best >= CK_CLASS_AVX2) return &ck_table_avx2;
  if (cpu_class == CK_CLASS_AVX512 && best >= CK_CLASS_AVX512) return &ck_table_avx512;
#endif
  return NULL;
}

void ck_pack_weights(size_t begin, size_t end, size_t inputs, const float *weights, const float *bias, float *packed,
                     size_t ld) {
  enum { BLOCK = 16 };  // Rows of a block share the cache lines that they are written to.
  for (size_t o = begin; o < end; o += BLOCK) {
    const size_t last = o + BLOCK < end ? o + BLOCK : end;
    for (size_t i = 0; i < inputs; i++)
      for (size_t q = o; q < last; q++) packed[i * ld + q] = weights[q * inputs + i];
  }
  for (size_t o = begin; o < end; o++) packed[inputs * ld + o] = bias[o];
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
