/* prologue_rows.h - a sparse matrix times the rows of a planar tensor: the mel projection.
 *
 * input [depth, length] -> output [rows, length]; output row r is bias[r] + the weighted sum of input rows, in their
 * order. Row r has runs[r] runs of nonzero weights; a run weighs `taps` input rows from `first` on. Runs and weights of
 * one row follow those of the row before. Lanes are positions.
 */
#ifndef BN_PROLOGUE_ROWS_H
#define BN_PROLOGUE_ROWS_H

#include "prologue_vector.h"

struct prologue_rows {
    int32_t rows;
    int32_t depth;
    int32_t length;
    struct prologue_clamp clamp;
    const float *bias;
    const int32_t *runs;
    const int32_t *first;
    const int32_t *taps;
    const float *weights;
};

void prologue_rows(const struct prologue_rows *p, const float *input, float *output);

#endif
