// x86-64 with AVX2.
#if defined(__x86_64__)
#define CK_VARIANT ck_ring_table_avx2
#define CK_NAME "avx2"
#define CK_TARGET __attribute__((target("avx2,fma")))
#define CK_SHUFFLES 1
#include "ring_variant.h"
#endif
