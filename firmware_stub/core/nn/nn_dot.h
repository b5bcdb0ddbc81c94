/* nn_dot.h - the dot products of the Helium form: two columns by four output channels at once. */
#ifndef NN_DOT_H
#define NN_DOT_H

#include "nn_helium.h"

#if NN_HELIUM
/* For each of `pairs` pairs of columns: sums[pair][column of the pair][channel of the group], 32 bytes a pair.
 *
 * Columns are `pitch` bytes apart, of `blocks` blocks of 16 values (at least 1); `weights` are one group's of
 * nn_dense.h, aligned to 4. `pairs` is at least 1; with a pitch of 0 all columns are the first. */
void nn_dot_pairs(const int8_t *columns, int32_t pitch, const int8_t *weights, int32_t blocks, int32_t pairs,
                  int32_t *sums);
#endif

#endif
