/* prologue_pool.h - the mean or the greatest of a window, channel by channel.
 *
 * input [in_h, in_w, channels] -> output [out_h, out_w, channels]. What lies outside the input is not counted: a mean
 * is the sum, rows first, divided by how many values there are.
 */
#ifndef BN_PROLOGUE_POOL_H
#define BN_PROLOGUE_POOL_H

#include "prologue_reduce.h"
#include "prologue_window.h"

struct prologue_pool {
    enum prologue_reduction op; /* MAX or MEAN */
    struct prologue_axis y;
    struct prologue_axis x;
    int32_t channels;
    struct prologue_clamp clamp;
};

void prologue_pool(const struct prologue_pool *p, const float *input, float *output);

#endif
