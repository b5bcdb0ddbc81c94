/* nn_reciprocal.h - 1 / x in fixed point, by three Newton steps as the reference kernels take them. */
#ifndef NN_RECIPROCAL_H
#define NN_RECIPROCAL_H

#include <stdint.h>

struct nn_reciprocal {
    int32_t value;         /* 1 / (x / 2^k) in Q0.31, where 2^k is the largest power of two that is not above x */
    int32_t leading_zeros; /* of x: k = 31 - leading_zeros */
};

/* `x` is positive. */
struct nn_reciprocal nn_reciprocal(int32_t x);

static inline int32_t nn_leading_zeros(uint32_t x)
{
    return x == 0 ? 32 : __builtin_clz(x);
}

#endif
