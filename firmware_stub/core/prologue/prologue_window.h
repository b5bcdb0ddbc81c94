/* prologue_window.h - a filter that slides over a map [height, width, channels], row-major. */
#ifndef BN_PROLOGUE_WINDOW_H
#define BN_PROLOGUE_WINDOW_H

#include <stdint.h>

/* Along one axis. Output i sees inputs i * stride - pad + k * dilation for k = 0 .. taps - 1 that exist. */
struct prologue_axis {
    int32_t input;
    int32_t output;
    int32_t taps;
    int32_t stride;
    int32_t dilation;
    int32_t pad;
};

/* The taps first .. end - 1 that meet the input, and the input that tap 0 would meet. */
struct prologue_reach {
    int32_t first;
    int32_t end;
    int32_t origin;
};

static inline struct prologue_reach prologue_reach(const struct prologue_axis *axis, int32_t at)
{
    struct prologue_reach reach = {0, axis->taps, at * axis->stride - axis->pad};
    while (reach.first < reach.end && reach.origin + reach.first * axis->dilation < 0) {
        reach.first++;
    }
    while (reach.end > reach.first && reach.origin + (reach.end - 1) * axis->dilation >= axis->input) {
        reach.end--;
    }
    return reach;
}

/* The outputs first .. end - 1 that see all taps. */
struct prologue_range {
    int32_t first;
    int32_t end;
};

static inline struct prologue_range prologue_inside(const struct prologue_axis *axis)
{
    const int32_t last = axis->input - 1 - (axis->taps - 1) * axis->dilation + axis->pad;
    const int32_t end = last < 0 ? 0 : last / axis->stride + 1;
    return (struct prologue_range){
        .first = (axis->pad + axis->stride - 1) / axis->stride,
        .end = end < axis->output ? end : axis->output,
    };
}

static inline int prologue_holds(struct prologue_range range, int32_t at, int32_t count)
{
    return at >= range.first && at + count <= range.end;
}

#endif
