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

/* How many outputs from `at` on, up to four, see all taps. */
static inline int32_t prologue_inside(const struct prologue_axis *axis, int32_t at)
{
    enum { MOST = 4 };
    const int32_t origin = at * axis->stride - axis->pad;
    int32_t last = origin + (axis->taps - 1) * axis->dilation;
    int32_t count = 0;
    while (origin >= 0 && count < MOST && at + count < axis->output && last < axis->input) {
        last += axis->stride;
        count++;
    }
    return count;
}

#endif
