// Every CPU: two roundings per multiply-add, so that all machines give the same bits.
#define CK_VARIANT ck_table_base
#define CK_NAME "base"
#define CK_TARGET
#define CK_TILE_ROWS 3
#define CK_FUSED 0
#include "variant.h"
