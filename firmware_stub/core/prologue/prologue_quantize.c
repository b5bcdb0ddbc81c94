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

enum { BLOCK = 4 * LANES };

struct fast {
    float inverse;
    int32_t zero_point;
    int32x4_t least;
    int32x4_t most;
};

/* Four at once by a product with 1 / scale. Within 512 steps it is off the quotient by less than 1e-4, which matters
 * only that close to a half; beyond, both are clamped to the same end. Gives the greater of `off` and how far the
 * products are from whole numbers. */
static inline float32x4_t quantized_four(const struct fast *p, float32x4_t off, const float *input, int8_t *output)
{
    const float32x4_t steps = vmulq_n_f32(vld1q_f32(input), p->inverse);
    const float32x4_t rounded = vrndaq_f32(steps);
    const int32x4_t value = vqaddq_n_s32(vcvtq_s32_f32(rounded), p->zero_point);
    vstrbq_s32(output, vminq_s32(vmaxq_s32(value, p->least), p->most));
    return vmaxnmaq_f32(off, vsubq_f32(steps, rounded));
}

void prologue_quantize(const struct prologue_quantize *p, const float *input, int8_t *output)
{
    const struct prologue_quantize local = *p; /* the output may alias it */
    const struct fast fast = {1.0f / local.scale, local.zero_point, vdupq_n_s32(-128), vdupq_n_s32(127)};
    int32_t left = local.count;
    for (; left >= BLOCK; left -= BLOCK, input += BLOCK, output += BLOCK) {
        float32x4_t off = quantized_four(&fast, vdupq_n_f32(0.0f), input, output);
        off = quantized_four(&fast, off, input + LANES, output + LANES);
        off = quantized_four(&fast, off, input + 2 * LANES, output + 2 * LANES);
        off = quantized_four(&fast, off, input + 3 * LANES, output + 3 * LANES);
        if (vcmpgtq_n_f32(off, 0.4998f) != 0) {
            for (int32_t i = 0; i < BLOCK; i++) {
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
