#include "nn_patch.h"

#include <string.h>

enum { SHORT = 16 };

/* A call of memcpy costs more than a few bytes do. */
static inline void copy(int8_t *to, const int8_t *from, int32_t count)
{
    if (count > SHORT)
        memcpy(to, from, (size_t)count);
    else
        for (; count > 0; count--)
            *to++ = *from++;
}

static void patch_row(const struct nn_window *window, const int8_t *row, int32_t pixel_bytes, int32_t channels,
                      int32_t origin_x, int8_t zero, int8_t *patch)
{
    const struct nn_span in = nn_inside(origin_x, window->dilation_width, window->filter_width, window->input_width);
    memset(patch, zero, (size_t)(in.first * channels));
    patch += in.first * channels;
    row += (origin_x + in.first * window->dilation_width) * pixel_bytes;
    if (channels == pixel_bytes && window->dilation_width == 1) {
        copy(patch, row, (in.end - in.first) * channels);
        patch += (in.end - in.first) * channels;
    } else {
        for (int32_t i = in.first; i < in.end; i++, patch += channels, row += window->dilation_width * pixel_bytes)
            copy(patch, row, channels);
    }
    memset(patch, zero, (size_t)((window->filter_width - in.end) * channels));
}

void nn_patch(const struct nn_window *window, const int8_t *input, int32_t pixel_bytes, int32_t channels,
              int32_t origin_y, int32_t origin_x, int8_t zero, int8_t *patch)
{
    const int32_t patch_row_bytes = window->filter_width * channels;
    const int32_t row_bytes = window->input_width * pixel_bytes;
    const bool plain = channels == pixel_bytes && window->dilation_width == 1 && window->dilation_height == 1;
    if (plain && origin_y >= 0 && origin_x >= 0 && origin_y + window->filter_height <= window->input_height &&
        origin_x + window->filter_width <= window->input_width) {
        input += origin_y * row_bytes + origin_x * pixel_bytes;
        for (int32_t i = window->filter_height; i > 0; i--, input += row_bytes, patch += patch_row_bytes)
            copy(patch, input, patch_row_bytes);
        return;
    }
    for (int32_t i = 0; i < window->filter_height; i++, patch += patch_row_bytes) {
        const int32_t y = origin_y + i * window->dilation_height;
        if (y >= 0 && y < window->input_height)
            patch_row(window, input + y * row_bytes, pixel_bytes, channels, origin_x, zero,
                      patch);
        else
            memset(patch, zero, (size_t)patch_row_bytes);
    }
}
