// arm64: 24 of 32 registers hold a 6 × 16 tile. Every arm64 CPU has fused multiply-add.
#if defined(__aarch64__)
#define CK_VARIANT ck_table_neon
#define CK_NAME "neon"
#define CK_TARGET
#define CK_TILE_ROWS 6
#define CK_FUSED 1
#include "variant.h"
#endif
