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

/* The same with a function for each channel of [pixels, channels]. */
struct nn_lookup_channels {
    int32_t pixels;
    int32_t channels;
    const int8_t *tables; /* [channel][256], for 0, 1, .. 127, -128, .. -1 */
};

/* The output may be the input. */
void nn_lookup_channels(const struct nn_lookup_channels *p, const int8_t *input, int8_t *output);

#endif
