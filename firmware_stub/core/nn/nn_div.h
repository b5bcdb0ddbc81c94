/* nn_div.h - elementwise quotient of two tensors. */
#ifndef NN_DIV_H
#define NN_DIV_H

#include "nn_broadcast.h"
#include "nn_requantize.h"

struct nn_div {
    struct nn_broadcast shape;
    int32_t first_zero_point;
    int32_t second_zero_point;
    int32_t multiplier;
    int32_t shift;
    struct nn_output output;
};

/* Gives 0, or -1 where a divisor is zero: the output then means nothing. (The reference refuses to run.) The output
 * may be an operand that is not repeated. */
int nn_div(const struct nn_div *p, const int8_t *first, const int8_t *second, int8_t *output);

#endif
