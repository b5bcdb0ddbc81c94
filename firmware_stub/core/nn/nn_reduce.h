/* nn_reduce.h - sum, mean or maximum over some dimensions of a tensor.
 *
 * The output is [kept[0], kept[1], kept[2]], row-major; each of its values is made from reduced[0] * reduced[1] *
 * reduced[2] input values. The steps say what the input moves for one element of each.
 */
#ifndef NN_REDUCE_H
#define NN_REDUCE_H

#include <stdbool.h>

#include "nn_requantize.h"

struct nn_reduction {
    int32_t kept[3];
    int32_t kept_step[3];
    int32_t reduced[3];
    int32_t reduced_step[3];
};

/* Sum and mean; a mean's divisor is part of the factor. */
struct nn_reduce_sum {
    struct nn_reduction shape;
    int32_t zero_point_sum; /* of all values that make one output value */
    int32_t multiplier;
    int32_t shift;
    bool bytes_are_unsigned; /* the reference reads and writes int8 as uint8 when it sums: docs/int8-arithmetic.md */
    struct nn_output output;
};

void nn_reduce_sum(const struct nn_reduce_sum *p, const int8_t *input, int8_t *output);

void nn_reduce_maximum(const struct nn_reduction *shape, const int8_t *input, int8_t *output);

#endif
