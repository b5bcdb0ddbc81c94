/* frontend_math.h - elementary float functions and steps, the same bits on every machine.
 *
 * libm's logarithm differs from library to library; IEEE addition, multiplication, division and square root do not.
 */
#ifndef BN_FRONTEND_MATH_H
#define BN_FRONTEND_MATH_H

#include <stdint.h>

/* One instruction under -fno-math-errno, correctly rounded; never a call of libm. */
static inline float frontend_sqrt(float x)
{
    return __builtin_sqrtf(x);
}

union frontend_word {
    float value;
    int32_t bits;
};

/* ln 2 in two parts: the first, 355 / 512, has so few bits that any exponent times it is exact. */
#define FRONTEND_LN2_HIGH 0.693359375f
#define FRONTEND_LN2_LOW (-2.12194440e-4f)

/* ln(x) of a positive normal float, within 1 ulp.
 *
 * x = 2^e m, m in [sqrt(1/2), sqrt(2)); f = m - 1, s = f / (2 + f); ln(m) = 2 artanh(s) = f - f^2/2 + s (f^2/2 + R)
 * with R = 2 s^2/3 + 2 s^4/5 + 2 s^6/7 + 2 s^8/9.
 * Source: the artanh series of the logarithm (Abramowitz and Stegun 4.1.27). */
static inline float frontend_log(float x)
{
    union frontend_word word = { x };
    const int32_t exponent = (word.bits - 0x3F3504F3 /* sqrt(1/2) */) >> 23; /* arithmetic in gcc and clang */
    word.bits -= exponent * (1 << 23);
    const float e = (float)exponent;
    const float f = word.value - 1.0f;
    const float s = f / (2.0f + f);
    const float z = s * s;
    const float series = z * (2.0f / 3 + z * (2.0f / 5 + z * (2.0f / 7 + z * (2.0f / 9))));
    const float half_square = 0.5f * f * f;
    const float small = s * (half_square + series) + e * FRONTEND_LN2_LOW;
    return (f - (half_square - small)) + e * FRONTEND_LN2_HIGH;
}

/* ln(1 + x) from x = 0 on, within 2 ulp: the logarithm of the rounded sum, mended. */
static inline float frontend_log1p(float x)
{
    const float u = 1.0f + x;
    const float lost = x < 1.0f ? x - (u - 1.0f) : 1.0f - (u - x);
    return frontend_log(u) + lost / u;
}

/* e^x for x from -80 to 80, within 2 ulp.
 *
 * x = k ln 2 + r, k the nearest whole number; e^r by its Taylor series to r^7. Adding 1.5 * 2^23 and taking it away
 * rounds to a whole number. Source: Abramowitz and Stegun 4.2.1. */
static inline float frontend_exp(float x)
{
    const float rounding = 12582912.0f;
    const float k = (x * 1.44269504f + rounding) - rounding;
    const float r = (x - k * FRONTEND_LN2_HIGH) - k * FRONTEND_LN2_LOW;
    const float high = 1.0f / 120 + r * (1.0f / 720 + r * (1.0f / 5040));
    const float series = 1.0f / 2 + r * (1.0f / 6 + r * (1.0f / 24 + r * high));
    const union frontend_word power = { .bits = ((int32_t)k + 127) * (1 << 23) };
    return (1.0f + (r + r * r * series)) * power.value;
}

#endif
