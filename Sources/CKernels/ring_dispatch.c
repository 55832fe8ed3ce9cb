#include "ckernels_ring.h"

extern const ck_ring_table ck_ring_table_base;
#if defined(__x86_64__)
extern const ck_ring_table ck_ring_table_avx2, ck_ring_table_avx512;
#endif

const ck_ring_table *ck_ring_table_for(ck_class cpu_class) {
  if (cpu_class == CK_CLASS_BASE) return &ck_ring_table_base;
#if defined(__x86_64__)
  const ck_class best = ck_best_class();
  if (cpu_class == CK_CLASS_AVX2 && best >= CK_CLASS_AVX2) return &ck_ring_table_avx2;
  if (cpu_class == CK_CLASS_AVX512 && best >= CK_CLASS_AVX512) return &ck_ring_table_avx512;
#endif
  return NULL;
}
