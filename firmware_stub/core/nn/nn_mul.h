/* nn_mul.h - elementwise product of two tensors. */
#ifndef NN_MUL_H
#define NN_MUL_H

#include "nn_broadcast.h"
#include "nn_requantize.h"

struct nn_mul {
    struct nn_broadcast shape;
    int32_t first_zero_point;
    int32_t second_zero_point;
    int32_t multiplier;
    int32_t shift;
    struct nn_output output;
};

/* The output may be an operand that is not repeated. */
void nn_mul(const struct nn_mul *p, const int8_t *first, const int8_t *second, int8_t *output);

#endif
