/* prologue_conv.h - convolution with any filter, stride, dilation and padding; a dense layer is one of 1 x 1.
 *
 * input [in_h, in_w, in_c] -> output [out_h, out_w, out_c]. Lanes are output channels, weights lie in groups of four:
 * weights[channel / 4][k_h][k_w][in_c][4] and bias[channel / 4][4], the last group filled up with zeros. A sum begins
 * with the bias and takes the taps in that order; what lies outside the input counts as zero.
 */
#ifndef BN_PROLOGUE_CONV_H
#define BN_PROLOGUE_CONV_H

#include "prologue_vector.h"
#include "prologue_window.h"

struct prologue_conv {
    struct prologue_axis y;
    struct prologue_axis x;
    int32_t in_c;
    int32_t out_c;
    struct prologue_clamp clamp;
    const float *weights;
    const float *bias;
};

/* `patch` holds what four positions see: 4 * k_h * k_w * in_c floats. */
void prologue_conv(const struct prologue_conv *p, const float *input, float *output, float *patch);

#endif
