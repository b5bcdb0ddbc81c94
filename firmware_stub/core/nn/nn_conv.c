#include "nn_conv.h"

#include "nn_patch.h"

#if NN_HELIUM

/* Patches of a row become the columns of a tile. */
static void group_rows(const struct nn_conv *p, const struct nn_dense *dense, const int8_t *input, int8_t *output,
                       int8_t *scratch)
{
    const struct nn_window *const window = &p->window;
    const int32_t input_bytes = p->groups * p->group_depth;
    const int32_t output_bytes = p->groups * dense->count;
    const int32_t padded = nn_dense_blocks(dense->depth) * NN_DENSE_BLOCK;
    for (int32_t y = 0; y < window->output_height; y++) {
        const int32_t origin_y = y * window->stride_height - window->pad_top;
        int32_t origin_x = -window->pad_left;
        for (int32_t x = 0; x < window->output_width; x += p->tile) {
            const int32_t left = window->output_width - x;
            const int32_t count = left < p->tile ? left : p->tile;
            for (int32_t i = 0; i < count; i++, origin_x += window->stride_width)
                nn_patch(window, input, input_bytes, p->group_depth, origin_y, origin_x, p->input_zero_point,
                         scratch + i * padded);
            nn_dense_tile(dense, scratch, padded, count, output, output_bytes);
            output += count * output_bytes;
        }
    }
}

#else

static void group_rows(const struct nn_conv *p, const struct nn_dense *dense, const int8_t *input, int8_t *output,
                       int8_t *scratch)
{
    const struct nn_window *const window = &p->window;
    const int32_t input_bytes = p->groups * p->group_depth;
    const int32_t output_bytes = p->groups * dense->count;
    for (int32_t y = 0; y < window->output_height; y++) {
        const int32_t origin_y = y * window->stride_height - window->pad_top;
        int32_t origin_x = -window->pad_left;
        int32_t x = 0;
        for (; x < window->output_width; x += 2) {
            nn_patch(window, input, input_bytes, p->group_depth, origin_y, origin_x, p->input_zero_point, scratch);
            origin_x += window->stride_width;
            if (x + 1 == window->output_width) {
                nn_dense_column(dense, scratch, output);
                output += output_bytes;
                break;
            }
            nn_patch(window, input, input_bytes, p->group_depth, origin_y, origin_x, p->input_zero_point,
                     scratch + dense->depth);
            origin_x += window->stride_width;
            nn_dense_columns(dense, scratch, scratch + dense->depth, output, output + output_bytes,
                             scratch + 2 * dense->depth);
            output += 2 * output_bytes;
        }
    }
}

#endif

void nn_conv(const struct nn_conv *p, const int8_t *input, int8_t *output, int8_t *scratch)
{
    struct nn_dense dense = p->dense;
    for (int32_t group = 0; group < p->groups; group++) {
        group_rows(p, &dense, input, output, scratch);
        input += p->group_depth;
        output += dense.count;
        dense.weights += (dense.count + NN_DENSE_GROUP - 1) / NN_DENSE_GROUP * nn_dense_group_bytes(dense.depth);
        dense.channels.bias += dense.count;
        dense.channels.multiplier += dense.count;
        dense.channels.shift += dense.count;
    }
}
