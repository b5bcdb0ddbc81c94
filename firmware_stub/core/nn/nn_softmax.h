/* nn_softmax.h - softmax over the last dimension, output scale 1/256 and zero point -128.
 *
 * exp() is a table made by the generator: exponential[d] = exp(-d * scale * beta) in Q0.31 for the distances d of a
 * value from the largest of its row that count at all; further ones give 0.
 */
#ifndef NN_SOFTMAX_H
#define NN_SOFTMAX_H

#include <stdint.h>

struct nn_softmax {
    int32_t rows;
    int32_t depth;
    int32_t distances; /* entries of `exponential`, 1..256 */
    const int32_t *exponential;
};

/* The output may be the input. */
void nn_softmax(const struct nn_softmax *p, const int8_t *input, int8_t *output);

#endif
