/* Features to the model's int8 input. One float division and rounding half away from zero, as the reference kernel
 * of TensorFlow Lite's QUANTIZE (AffineQuantize); multiplying by 1 / scale gives other values. */
#include "frontend.h"

static inline int8_t quantized(float feature)
{
    const float steps = feature / FRONTEND_INPUT_SCALE;
    if (steps >= 256.0f) {
        return 127;
    }
    if (steps <= -256.0f) {
        return -128;
    }
    const int32_t whole = (int32_t)steps; /* towards zero */
    const float rest = steps - (float)whole;
    const int32_t value = whole + (rest >= 0.5f) - (rest <= -0.5f) + FRONTEND_INPUT_ZERO_POINT;
    return (int8_t)(value < -128 ? -128 : value > 127 ? 127 : value);
}

void frontend_quantize(const float *features, int8_t *input)
{
    for (int i = 0; i < FRONTEND_SIZE; i++) {
        input[i] = quantized(features[i]);
    }
}
