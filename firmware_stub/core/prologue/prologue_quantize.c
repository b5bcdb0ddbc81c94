#include "prologue_quantize.h"

#include "prologue_vector.h"

/* One float division and rounding half away from zero, as the reference kernel (AffineQuantize). */
static int8_t quantized(const struct prologue_quantize *p, float value)
{
    const float steps = value / p->scale;
    if (steps >= 512.0f) {
        return 127;
    }
    if (steps <= -512.0f) {
        return -128;
    }
    const int32_t whole = (int32_t)steps; /* towards zero */
    const float rest = steps - (float)whole;
    const int32_t result = whole + (rest >= 0.5f) - (rest <= -0.5f) + p->zero_point;
    return (int8_t)(result < -128 ? -128 : result > 127 ? 127 : result);
}

#ifdef PROLOGUE_HELIUM

/* Four at once by a product with 1 / scale. Within 512 steps it is off the quotient by less than 1e-4, which matters
 * only that close to a half; beyond, both are clamped to the same end. Says whether none of the four is that close. */
static inline int quantized_four(float inverse, int32_t zero_point, const float *input, int8_t *output)
{
    const float32x4_t steps = vmulq_n_f32(vld1q_f32(input), inverse);
    const float32x4_t rounded = vrndaq_f32(steps);
    const float32x4_t off = vabsq_f32(vsubq_f32(steps, rounded));
    const int32x4_t value = vqaddq_n_s32(vcvtq_s32_f32(rounded), zero_point);
    const int16x8_t halves = vqmovnbq_s32(vreinterpretq_s16_s32(value), value); /* saturated, in the low half */
    const int8x16_t bytes = vqmovnbq_s16(vreinterpretq_s8_s16(halves), halves); /* and in the lowest byte */
    vstrbq_s32(output, vreinterpretq_s32_s8(bytes));
    return vcmpgtq_n_f32(off, 0.499f) == 0;
}

void prologue_quantize(const struct prologue_quantize *p, const float *input, int8_t *output)
{
    const struct prologue_quantize local = *p; /* the output may alias it */
    const float inverse = 1.0f / local.scale;
    int32_t left = local.count;
    for (; left >= LANES; left -= LANES, input += LANES, output += LANES) {
        if (!quantized_four(inverse, local.zero_point, input, output)) {
            for (int32_t i = 0; i < LANES; i++) {
                output[i] = quantized(&local, input[i]);
            }
        }
    }
    for (int32_t i = 0; i < left; i++) {
        output[i] = quantized(&local, input[i]);
    }
}

#else

void prologue_quantize(const struct prologue_quantize *p, const float *input, int8_t *output)
{
    for (int32_t i = 0; i < p->count; i++) {
        output[i] = quantized(p, input[i]);
    }
}

#endif
