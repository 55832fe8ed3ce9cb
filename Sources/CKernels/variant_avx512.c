// x86-64 with AVX-512: 12 of 32 registers hold a 12 × 16 tile; factors are broadcast from memory by the multiply-add.
#if defined(__x86_64__)
#define CK_VARIANT ck_table_avx512
#define CK_NAME "avx512"
#define CK_TARGET __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")))
#define CK_TILE_ROWS 12
#define CK_FUSED 1
#include "variant.h"
#endif
