/* prologue_copy.h - moves a block of values from one layout to another: transposes, slices, joins, fills. */
#ifndef BN_PROLOGUE_COPY_H
#define BN_PROLOGUE_COPY_H

#include <stdint.h>

enum { PROLOGUE_AXES = 4 };

/* Value (i, j, k, l) of the block goes from input[in_at + i * in_step[0] + ..] to output[out_at + i * out_step[0] + ..];
 * the block has count[0] * .. * count[3] values. */
struct prologue_copy {
    int32_t count[PROLOGUE_AXES];
    int32_t in_step[PROLOGUE_AXES];
    int32_t out_step[PROLOGUE_AXES];
    int32_t in_at;
    int32_t out_at;
};

void prologue_copy(const struct prologue_copy *p, const float *input, float *output);

struct prologue_fill {
    int32_t count;
    float value;
};

void prologue_fill(const struct prologue_fill *p, float *output);

#endif
