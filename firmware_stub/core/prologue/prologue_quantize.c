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
 * only that close to a half: there all four are divided. Beyond, both are clamped to the same end. */
static void quantized_four(const struct prologue_quantize *p, float inverse, const float *input, int8_t *output,
                           int32_t left)
{
    const float32x4_t steps = vmulq_n_f32(vld1q_f32(input), inverse);
    const float32x4_t rounded = vrndaq_f32(steps);
    const float32x4_t off = vabsq_f32(vsubq_f32(steps, rounded));
    if (vcmpgtq_n_f32(off, 0.499f) == 0) {
        const int32x4_t bounded = vminq_s32(vmaxq_s32(vcvtq_s32_f32(rounded), vdupq_n_s32(-512)), vdupq_n_s32(512));
        const int32x4_t value = vaddq_n_s32(bounded, p->zero_point);
        const int32x4_t result = vminq_s32(vmaxq_s32(value, vdupq_n_s32(-128)), vdupq_n_s32(127));
        vstrbq_p_s32(output, result, vctp32q((uint32_t)left));
        return;
    }
    for (int32_t i = 0; i < LANES && i < left; i++) {
        output[i] = quantized(p, input[i]);
    }
}

void prologue_quantize(const struct prologue_quantize *p, const float *input, int8_t *output)
{
    const float inverse = 1.0f / p->scale;
    for (int32_t at = 0; at < p->count; at += LANES) {
        quantized_four(p, inverse, input + at, output + at, p->count - at);
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
