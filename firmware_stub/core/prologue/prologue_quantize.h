/* prologue_quantize.h - floats to the network's int8 input, with the arithmetic of TFLite's QUANTIZE. */
#ifndef BN_PROLOGUE_QUANTIZE_H
#define BN_PROLOGUE_QUANTIZE_H

#include <stdint.h>

struct prologue_quantize {
    int32_t count;
    float scale;
    int32_t zero_point;
};

/* round-half-away(x / scale) + zero_point, clamped to int8. `input` has PROLOGUE_SLACK floats behind. */
void prologue_quantize(const struct prologue_quantize *p, const float *input, int8_t *output);

#endif
