/* Features to the model's int8 input. One float division and rounding half away from zero, as the reference kernel
 * of TensorFlow Lite's QUANTIZE (AffineQuantize); multiplying by 1 / scale gives other values. */
#include "frontend.h"
#include "frontend_lanes.h"

static inline int32_t rounded(float steps)
{
#if defined(__ARM_FP) && __ARM_ARCH >= 8
    return (int32_t)__builtin_roundf(steps); /* one instruction, VRINTA */
#else
    const int32_t whole = (int32_t)steps; /* towards zero */
    const float rest = steps - (float)whole;
    return whole + (rest >= 0.5f) - (rest <= -0.5f);
#endif
}

static inline int8_t quantized(float feature)
{
    const float steps = feature / FRONTEND_INPUT_SCALE;
    if (!(steps < 256.0f)) { /* NaN too, as with Helium */
        return 127;
    }
    if (steps <= -256.0f) {
        return -128;
    }
    const int32_t value = rounded(steps) + FRONTEND_INPUT_ZERO_POINT;
    return (int8_t)(value < -128 ? -128 : value > 127 ? 127 : value);
}

void frontend_quantize(const float *features, int8_t *input)
{
    int done = 0;
#ifdef FRONTEND_HELIUM
    const int rest = FRONTEND_SIZE - FRONTEND_SIZE % FRONTEND_LANES;
    for (int i = 0; i < rest; i += FRONTEND_LANES) {
        float_lanes steps = float_lanes_divided(float_lanes_load(features + i), FRONTEND_INPUT_SCALE);
        steps = vmaxnmq_f32(vminnmq_f32(steps, vdupq_n_f32(256.0f)), vdupq_n_f32(-256.0f));
        const int32x4_t value = vaddq_n_s32(vcvtaq_s32_f32(steps), FRONTEND_INPUT_ZERO_POINT);
        vstrbq_s32(input + i, vmaxq_s32(vminq_s32(value, vdupq_n_s32(127)), vdupq_n_s32(-128)));
    }
    done = rest;
#elif FRONTEND_LANES == 4
    for (; done + FRONTEND_LANES <= FRONTEND_SIZE; done += FRONTEND_LANES) {
        float_lanes steps = float_lanes_divided(float_lanes_load(features + done), FRONTEND_INPUT_SCALE);
        steps = float_lanes_higher(float_lanes_lower(steps, float_lanes_of(256.0f)), float_lanes_of(-256.0f));
        const lanes_mask whole = __builtin_convertvector(steps, lanes_mask); /* towards zero */
        const float_lanes part = steps - __builtin_convertvector(whole, float_lanes);
        lanes_mask value = whole - (part >= 0.5f) + (part <= -0.5f) + FRONTEND_INPUT_ZERO_POINT; /* true is -1 */
        value = (value & (value <= 127)) | (127 & (value > 127));
        value = (value & (value >= -128)) | (-128 & (value < -128));
        for (int lane = 0; lane < FRONTEND_LANES; lane++) {
            input[done + lane] = (int8_t)value[lane];
        }
    }
#endif
    for (int i = done; i < FRONTEND_SIZE; i++) {
        input[i] = quantized(features[i]);
    }
}
