/* nn_window.h - the geometry that convolutions and pools share: a window that moves over an image, zero padded.
 *
 * Images are [height, width, channels], row-major. Output row y looks at input rows
 * y * stride_height - pad_top + dilation_height * (0 .. filter_height - 1); columns likewise.
 */
#ifndef NN_WINDOW_H
#define NN_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

struct nn_window {
    int32_t input_height;
    int32_t input_width;
    int32_t output_height;
    int32_t output_width;
    int32_t filter_height;
    int32_t filter_width;
    int32_t stride_height;
    int32_t stride_width;
    int32_t dilation_height;
    int32_t dilation_width;
    int32_t pad_top;
    int32_t pad_left;
};

/* The taps first..end-1 of a filter that lie inside the input, for a window that begins at `origin`. */
struct nn_span {
    int32_t first;
    int32_t end;
};

static inline struct nn_span nn_inside(int32_t origin, int32_t dilation, int32_t taps, int32_t length)
{
    struct nn_span span = {0, taps};
    if (origin < 0)
        span.first = (-origin + dilation - 1) / dilation;
    if (origin + dilation * (taps - 1) >= length)
        span.end = length > origin ? (length - 1 - origin) / dilation + 1 : 0;
    if (span.first > span.end)
        span.first = span.end;
    return span;
}

#endif
