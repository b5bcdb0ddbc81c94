/* nn_copy.h - moves int8 values from one arrangement to another: transpose, slice, concatenation, the inside of a pad.
 *
 * For each index of [size[0] .. size[4]] one value goes from input + sum(index * input_step) to output +
 * sum(index * output_step); a step may be negative.
 */
#ifndef NN_COPY_H
#define NN_COPY_H

#include <stdint.h>

struct nn_copy {
    int32_t size[5];
    int32_t input_step[5];
    int32_t output_step[5];
    int32_t input_start; /* added to the addresses */
    int32_t output_start;
};

/* Input and output do not overlap. */
void nn_copy(const struct nn_copy *p, const int8_t *input, int8_t *output);

/* Sets `count` values: the border of a pad. */
struct nn_fill {
    int32_t count;
    int8_t value;
};

void nn_fill(const struct nn_fill *p, int8_t *output);

#endif
