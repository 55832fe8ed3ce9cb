// x86-64 with AVX2 and FMA: 12 of 16 registers hold a 6 × 16 tile.
#if defined(__x86_64__)
#define CK_VARIANT ck_table_avx2
#define CK_NAME "avx2"
#define CK_TARGET __attribute__((target("avx2,fma")))
#define CK_TILE_ROWS 6
#define CK_FUSED 1
#include "variant.h"
#endif
