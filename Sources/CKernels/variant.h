// The kernels of one class, compiled once per class. The including file defines:
//   CK_VARIANT    name of the table it makes
//   CK_NAME       its name as text
//   CK_TARGET     the function attribute that allows the class's instructions
//   CK_TILE_ROWS  rows of one register tile, a panel wide each: 3, 6 or 12
//   CK_FUSED      1 for fused multiply-add, 0 for two roundings
#include <math.h>
#include <string.h>

#include "ckernels.h"

#define CK_INLINE CK_TARGET __attribute__((always_inline)) static inline
#define CK_UNROLL _Pragma("clang loop unroll(full)")

// Fusing is said explicitly below; the compiler must add none, or debug and release builds would differ.
#pragma clang fp contract(off)
// Wide vectors cross no call boundary: every function that takes one is inlined.
#pragma clang diagnostic ignored "-Wpsabi"

// One row of a panel, in as many registers as the class needs.
typedef float ck_v __attribute__((ext_vector_type(CK_PANEL), aligned(4), may_alias));
typedef int32_t ck_i __attribute__((ext_vector_type(CK_PANEL), aligned(4), may_alias));
typedef double ck_d __attribute__((ext_vector_type(CK_PANEL)));
typedef float ck_v8 __attribute__((ext_vector_type(8)));
typedef float ck_v4 __attribute__((ext_vector_type(4)));
typedef double ck_d8 __attribute__((ext_vector_type(8)));
typedef double ck_d4 __attribute__((ext_vector_type(4)));

// a · b + c, for scalars and vectors alike.
#if CK_FUSED
#define CK_MULTIPLY_ADD(a, b, c) __builtin_elementwise_fma((a), (b), (c))
#else
#define CK_MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#endif

CK_INLINE float ck_sum_lanes(ck_v v) {
  const ck_v8 a = v.lo + v.hi;
  const ck_v4 b = a.lo + a.hi;
  return (b.x + b.z) + (b.y + b.w);
}

#include "variant_products.h"
// These need the vectors and macros above.
#include "variant_elements.h"
#include "variant_chosen.h"
#include "variant_panels.h"

const ck_table CK_VARIANT = {
    .name = CK_NAME,
    .dense_forward = ck_dense_forward,
    .dense_input_gradient = ck_dense_input_gradient,
    .dense_weight_gradient = ck_dense_weight_gradient,
    .choose_columns = ck_choose_columns,
    .dense_forward_chosen = ck_dense_forward_chosen,
    .dense_weight_gradient_chosen = ck_dense_weight_gradient_chosen,
    .bias_gradient = ck_bias_gradient,
    .conv_forward = ck_conv_forward,
    .conv_weight_gradient = ck_conv_weight_gradient,
    .max_pool = ck_max_pool,
    .max_pool_gradient = ck_max_pool_gradient,
    .average_pool = ck_average_pool,
    .average_pool_gradient = ck_average_pool_gradient,
    .pack = ck_pack,
    .unpack_difference = ck_unpack_difference,
    .activate = ck_activate,
    .activate_gradient = ck_activate_gradient,
    .multiply = ck_multiply,
    .scale = ck_scale,
    .axpy = ck_axpy,
    .sum_of_squares = ck_sum_of_squares,
    .add_squares = ck_add_squares,
    .add_fixed = ck_add_fixed,
    .lstm_cell = ck_lstm_cell,
    .lstm_cell_gradient = ck_lstm_cell_gradient,
    .softmax_cross_entropy = ck_softmax_cross_entropy,
    .binary_cross_entropy = ck_binary_cross_entropy,
    .squared_error = ck_squared_error,
    .softmax = ck_softmax,
    .sgd_step = ck_sgd_step,
    .adam_step = ck_adam_step,
};
