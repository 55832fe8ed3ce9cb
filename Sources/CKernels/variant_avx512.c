// x86-64 with AVX-512: 16 of 32 registers hold a 4 × 64 tile.
#if defined(__x86_64__)
#define CK_VARIANT ck_table_avx512
#define CK_NAME "avx512"
#define CK_TARGET __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")))
#define CK_LANES 16
#define CK_COLUMNS 4
#define CK_FUSED 1
#include "variant.h"
#endif
