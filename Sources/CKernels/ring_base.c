// Every CPU.
#define CK_VARIANT ck_ring_table_base
#define CK_NAME "base"
#define CK_TARGET
#define CK_SHUFFLES 0
#include "ring_variant.h"
