/* nn_extreme.h - elementwise maximum or minimum of two tensors of one scale. */
#ifndef NN_EXTREME_H
#define NN_EXTREME_H

#include <stdbool.h>

#include "nn_broadcast.h"

struct nn_extreme {
    struct nn_broadcast shape;
    bool largest;
};

/* The output may be an operand that is not repeated. */
void nn_extreme(const struct nn_extreme *p, const int8_t *first, const int8_t *second, int8_t *output);

#endif
