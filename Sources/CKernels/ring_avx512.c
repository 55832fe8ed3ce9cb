// x86-64 with AVX-512.
#if defined(__x86_64__)
#define CK_VARIANT ck_ring_table_avx512
#define CK_NAME "avx512"
#define CK_TARGET __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")))
#define CK_SHUFFLES 1
#include "ring_variant.h"
#endif
