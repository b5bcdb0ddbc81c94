/* prologue_depthwise.h - a filter of its own for each channel; any size, stride, dilation and padding.
 *
 * input [in_h, in_w, channels] -> output [out_h, out_w, channels]. Lanes are channels: weights[k_h][k_w][padded] and
 * bias[padded], `padded` being the channels rounded up to a multiple of four. A sum begins with the bias and takes the
 * taps in that order; taps outside the input are left out. taps[k_h * k_w] are their distances from the first one.
 */
#ifndef BN_PROLOGUE_DEPTHWISE_H
#define BN_PROLOGUE_DEPTHWISE_H

#include "prologue_vector.h"
#include "prologue_window.h"

struct prologue_depthwise {
    struct prologue_axis y;
    struct prologue_axis x;
    int32_t channels;
    struct prologue_clamp clamp;
    const float *weights;
    const float *bias;
    const int32_t *taps;
};

void prologue_depthwise(const struct prologue_depthwise *p, const float *input, float *output);

#endif
