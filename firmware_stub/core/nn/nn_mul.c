#include "nn_mul.h"

#include "nn_helium.h"

#if NN_HELIUM

/* Four products at a time, every shift to the right. Gives how many it has done. */
static int32_t mul_vectors(const struct nn_mul *p, const struct nn_run *run)
{
    const int32x4_t shift = vdupq_n_s32(p->shift);
    const int32x4_t least = vdupq_n_s32(p->output.minimum), largest = vdupq_n_s32(p->output.maximum);
    const int32_t first_offset = -p->first_zero_point, second_offset = -p->second_zero_point;
    const int32_t multiplier = p->multiplier, offset = p->output.offset;
    const int8_t *first = run->first;
    const int8_t *second = run->second;
    int8_t *output = run->output;
    const uint32x4_t first_places = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)run->first_step);
    const uint32x4_t second_places = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)run->second_step);
    for (int32_t i = run->count / 4; i > 0; i--, output += 4) {
        const int32x4_t a = vaddq_n_s32(vldrbq_gather_offset_s32(first, first_places), first_offset);
        const int32x4_t b = vaddq_n_s32(vldrbq_gather_offset_s32(second, second_places), second_offset);
        first += 4 * run->first_step;
        second += 4 * run->second_step;
        int32x4_t value = vqrdmulhq_n_s32(vmulq_s32(a, b), multiplier);
        value = vaddq_n_s32(nn_helium_round_shift(value, shift, true), offset);
        vstrbq_s32(output, vminq_s32(vmaxq_s32(value, least), largest));
    }
    return run->count / 4 * 4;
}

#endif

static void mul_run(const void *kernel, const struct nn_run *run)
{
    const struct nn_mul *const p = kernel;
    const struct nn_output clamp = p->output; /* copies: stores of int8 could alias the original */
    const int32_t first_zero_point = p->first_zero_point;
    const int32_t second_zero_point = p->second_zero_point;
    const int32_t multiplier = p->multiplier;
    const int32_t shift = p->shift;
    const int8_t *first = run->first;
    const int8_t *second = run->second;
    int32_t i = 0;
#if NN_HELIUM
    if (shift < 0) {
        i = mul_vectors(p, run);
        first += i * run->first_step;
        second += i * run->second_step;
    }
#endif
    for (; i < run->count; i++, first += run->first_step, second += run->second_step) {
        const int32_t product = (*first - first_zero_point) * (*second - second_zero_point);
        run->output[i] = nn_finish(nn_requantize(product, multiplier, shift), &clamp);
    }
}

void nn_mul(const struct nn_mul *p, const int8_t *first, const int8_t *second, int8_t *output)
{
    nn_broadcast_runs(&p->shape, first, second, output, mul_run, p);
}
