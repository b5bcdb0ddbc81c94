#include "nn_channels.h"

/* The usual case: factors below one half, and the whole range of int8. */
static void finish_fast(const int32_t *bias, const int32_t *multiplier, const int8_t *shift, int32_t offset,
                        int32_t count, const int32_t *sums, int8_t *output)
{
    for (int32_t i = 0; i < count; i++) {
        const int32_t product = nn_high_multiply(nn_wrapping_add(sums[i], bias[i]), multiplier[i]);
        output[i] = nn_saturate(nn_round_shift(product, ~shift[i]) + offset);
    }
}

void nn_channels_finish(const struct nn_channels *channels, int32_t first, int32_t count, const int32_t *sums,
                        int8_t *output)
{
    const int32_t *const bias = channels->bias + first;
    const int32_t *const multiplier = channels->multiplier + first;
    const int8_t *const shift = channels->shift + first;
    const struct nn_output clamp = channels->output;
    if (channels->shifts_right && nn_is_whole_range(&clamp)) {
        finish_fast(bias, multiplier, shift, clamp.offset, count, sums, output);
        return;
    }
    for (int32_t i = 0; i < count; i++)
        output[i] = nn_finish(nn_requantize(nn_wrapping_add(sums[i], bias[i]), multiplier[i], shift[i]), &clamp);
}
