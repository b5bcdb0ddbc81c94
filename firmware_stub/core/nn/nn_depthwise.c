#include "nn_depthwise.h"

#include <stddef.h>

#include "nn_patch.h"

/* Where the taps of one pixel lie: rows and columns so many bytes apart, channels next to each other. */
struct taps {
    const int8_t *first;
    int32_t row_bytes;
    int32_t column_bytes;
};

static void sums_1x1(const int8_t *w, const int8_t *x, int32_t count, int32_t *sums)
{
    for (int32_t i = 0; i < count; i++)
        sums[i] = w[i * NN_DEPTHWISE_BLOCK] * x[i];
}

static void sums_3x3(const int8_t *w, const struct taps *taps, int32_t first, int32_t count, int32_t *sums)
{
    const int32_t next = taps->column_bytes;
    const int8_t *a = taps->first + first;
    const int8_t *b = a + taps->row_bytes;
    const int8_t *c = b + taps->row_bytes;
    for (int32_t i = 0; i < count; i++, a++, b++, c++, w += NN_DEPTHWISE_BLOCK) {
        int32_t sum = w[0] * a[0] + w[1] * a[next] + w[2] * a[2 * next];
        sum += w[3] * b[0] + w[4] * b[next] + w[5] * b[2 * next];
        sums[i] = sum + w[6] * c[0] + w[7] * c[next] + w[8] * c[2 * next];
    }
}

/* Several filters of one channel: its nine values stay in registers. */
static void sums_3x3_of_one(const int8_t *w, const struct taps *taps, int32_t count, int32_t *sums)
{
    const int32_t next = taps->column_bytes;
    const int8_t *const a = taps->first;
    const int8_t *const b = a + taps->row_bytes;
    const int8_t *const c = b + taps->row_bytes;
    const int32_t x0 = a[0], x1 = a[next], x2 = a[2 * next], x3 = b[0], x4 = b[next], x5 = b[2 * next];
    const int32_t x6 = c[0], x7 = c[next], x8 = c[2 * next];
    for (int32_t i = 0; i < count; i++, w += NN_DEPTHWISE_BLOCK) {
        int32_t sum = w[0] * x0 + w[1] * x1 + w[2] * x2;
        sum += w[3] * x3 + w[4] * x4 + w[5] * x5;
        sums[i] = sum + w[6] * x6 + w[7] * x7 + w[8] * x8;
    }
}

/* Bytes of a channel's weights. */
static int32_t weights_pitch(const struct nn_depthwise *p)
{
    const int32_t taps = p->window.filter_height * p->window.filter_width;
    return (taps + NN_DEPTHWISE_BLOCK - 1) / NN_DEPTHWISE_BLOCK * NN_DEPTHWISE_BLOCK;
}

static void sums_any(const struct nn_depthwise *p, const struct taps *taps, int32_t first, int32_t count,
                     int32_t *sums)
{
    const int32_t pitch = weights_pitch(p);
    for (int32_t i = 0; i < count; i++) {
        const int8_t *w = p->weights + (first + i) * pitch;
        const int8_t *row = taps->first + (first + i) / p->filters;
        int32_t sum = 0;
        for (int32_t y = 0; y < p->window.filter_height; y++, row += taps->row_bytes)
            for (int32_t x = 0; x < p->window.filter_width; x++)
                sum += *w++ * row[x * taps->column_bytes];
        sums[i] = sum;
    }
}

static void pixel(const struct nn_depthwise *p, const struct taps *taps, int8_t *output)
{
    const int32_t channels = p->depth * p->filters;
    const bool is_3x3 = p->window.filter_height == 3 && p->window.filter_width == 3;
    const bool is_1x1 = p->window.filter_height == 1 && p->window.filter_width == 1;
    int32_t sums[NN_CHANNELS_AT_ONCE];
    for (int32_t first = 0; first < channels; first += NN_CHANNELS_AT_ONCE) {
        const int32_t count = nn_channels_at_once(channels - first);
        if (is_3x3 && p->depth == 1)
            sums_3x3_of_one(p->weights + NN_DEPTHWISE_BLOCK * first, taps, count, sums);
        else if (is_3x3 && p->filters == 1)
            sums_3x3(p->weights + NN_DEPTHWISE_BLOCK * first, taps, first, count, sums);
        else if (is_1x1 && p->filters == 1)
            sums_1x1(p->weights + NN_DEPTHWISE_BLOCK * first, taps->first + first, count, sums);
        else
            sums_any(p, taps, first, count, sums);
        nn_channels_finish(&p->channels, first, count, sums, output + first);
    }
}

/* True where the whole window that begins at `origin` lies inside `length` values. */
static bool fits(int32_t origin, int32_t dilation, int32_t filter, int32_t length)
{
    return origin >= 0 && origin + dilation * (filter - 1) < length;
}

void nn_depthwise(const struct nn_depthwise *p, const int8_t *input, int8_t *output, int8_t *scratch)
{
#if NN_HELIUM
    if (p->patches.rows != 0) {
        nn_depthwise_patches(p, input, output, scratch);
        return;
    }
#endif
    const struct nn_window *const window = &p->window;
    const int32_t row_bytes = window->input_width * p->depth;
    const struct taps inside = {NULL, window->dilation_height * row_bytes, window->dilation_width * p->depth};
    const struct taps patch = {scratch, window->filter_width * p->depth, p->depth};
    for (int32_t y = 0; y < window->output_height; y++) {
        const int32_t top = y * window->stride_height - window->pad_top;
        const bool row_fits = fits(top, window->dilation_height, window->filter_height, window->input_height);
        int32_t left = -window->pad_left;
        for (int32_t x = 0; x < window->output_width; x++, left += window->stride_width) {
            if (row_fits && fits(left, window->dilation_width, window->filter_width, window->input_width)) {
                struct taps taps = inside;
                taps.first = input + top * row_bytes + left * p->depth;
                pixel(p, &taps, output);
            } else {
                nn_patch(window, input, p->depth, p->depth, top, left, p->input_zero_point, scratch);
                pixel(p, &patch, output);
            }
            output += p->depth * p->filters;
        }
    }
}
