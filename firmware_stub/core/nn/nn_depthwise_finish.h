/* nn_depthwise_finish.h - the way of one channel's sums back to int8, in the Helium form of nn_depthwise.h. */
#ifndef NN_DEPTHWISE_FINISH_H
#define NN_DEPTHWISE_FINISH_H

#include "nn_helium.h"

#if NN_HELIUM
enum { NN_DEPTHWISE_AT_ONCE = 8 }; /* outputs of a row that are requantized together */

/* Sums lie by group of `patch_rows` rows: [group][patch][row of the patch][column of the patch], with the columns of a
 * group filled up to a multiple of NN_DEPTHWISE_AT_ONCE. */
struct nn_patch_sums {
    const int32_t *sums;
    int32_t rows; /* of outputs */
    int32_t columns;
    int32_t patches; /* of a group */
    int32_t patch_rows;
    int32_t patch_columns;
    int32_t bias;
    int32_t multiplier;
    int32_t shift;
    const struct nn_output *range;
    int8_t *output;
    int32_t row_bytes; /* of the output */
    int32_t pixel_bytes;
};

/* `shifts_right` says that the shift is negative and the range within int8, which is faster. */
void nn_depthwise_finish(const struct nn_patch_sums *sums, bool shifts_right);
#endif

#endif
