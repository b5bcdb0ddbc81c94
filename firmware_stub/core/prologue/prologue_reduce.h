/* prologue_reduce.h - the greatest, the sum or the mean over an axis: [outer, count, inner] -> [outer, inner].
 *
 * Where inner is more than 1, lanes are its values and a sum runs in the order of the axis. Else four sums, of every
 * fourth value each, are joined as (0 + 1) + (2 + 3). A mean is the sum times 1 / count, rounded once before.
 */
#ifndef BN_PROLOGUE_REDUCE_H
#define BN_PROLOGUE_REDUCE_H

#include "prologue_vector.h"

enum prologue_reduction { PROLOGUE_REDUCE_MAX, PROLOGUE_REDUCE_MEAN, PROLOGUE_REDUCE_SUM };

struct prologue_reduce {
    enum prologue_reduction op;
    int32_t outer;
    int32_t count;
    int32_t inner;
};

void prologue_reduce(const struct prologue_reduce *p, const float *input, float *output);

#endif
