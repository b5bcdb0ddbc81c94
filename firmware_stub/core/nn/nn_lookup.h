/* nn_lookup.h - any function of one int8 as a table: activations, logarithm, requantization, arithmetic with a
 * constant.
 */
#ifndef NN_LOOKUP_H
#define NN_LOOKUP_H

#include <stdint.h>

struct nn_lookup {
    int32_t count;
    const int8_t *table; /* 256 values, for -128, -127, .. 127 */
};

/* The output may be the input. */
void nn_lookup(const struct nn_lookup *p, const int8_t *input, int8_t *output);

#endif
