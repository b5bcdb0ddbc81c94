/* frontend_lanes_math.h - the functions of frontend_math.h in all lanes, operation by operation the same. */
#ifndef BN_FRONTEND_LANES_MATH_H
#define BN_FRONTEND_LANES_MATH_H

#include "frontend_lanes.h"
#include "frontend_math.h"

#if FRONTEND_LANES == 1

static inline float_lanes float_lanes_root(float_lanes x)
{
    return frontend_sqrt(x);
}

static inline float_lanes float_lanes_log(float_lanes x)
{
    return frontend_log(x);
}

static inline float_lanes float_lanes_log1p(float_lanes x)
{
    return frontend_log1p(x);
}

#elif !defined(FRONTEND_HELIUM)

static inline float_lanes float_lanes_root(float_lanes x)
{
    return lanes_root(x);
}

static inline float_lanes float_lanes_log(float_lanes x)
{
    return (float_lanes){ frontend_log(x[0]), frontend_log(x[1]), frontend_log(x[2]), frontend_log(x[3]) };
}

static inline float_lanes float_lanes_log1p(float_lanes x)
{
    return (float_lanes){ frontend_log1p(x[0]), frontend_log1p(x[1]), frontend_log1p(x[2]), frontend_log1p(x[3]) };
}

#else

static inline float_lanes float_lanes_root(float_lanes x)
{
    return lanes_root(x);
}

static inline float_lanes float_lanes_log(float_lanes x)
{
    const int32x4_t bits = vreinterpretq_s32_f32(x);
    const int32x4_t exponent = vshrq_n_s32(vsubq_n_s32(bits, 0x3F3504F3), 23);
    const float_lanes e = vcvtq_f32_s32(exponent);
    const float_lanes f = vreinterpretq_f32_s32(vsubq_s32(bits, vshlq_n_s32(exponent, 23))) - vdupq_n_f32(1.0f);
    const float_lanes s = float_lanes_quotient(f, vaddq_n_f32(f, 2.0f));
    const float_lanes z = s * s;
    float_lanes series = vaddq_n_f32(vmulq_n_f32(z, 2.0f / 9), 2.0f / 7);
    series = vaddq_n_f32(z * series, 2.0f / 5);
    series = z * vaddq_n_f32(z * series, 2.0f / 3);
    const float_lanes half_square = vmulq_n_f32(f, 0.5f) * f;
    const float_lanes small = s * (half_square + series) + vmulq_n_f32(e, FRONTEND_LN2_LOW);
    return (f - (half_square - small)) + vmulq_n_f32(e, FRONTEND_LN2_HIGH);
}

static inline float_lanes float_lanes_log1p(float_lanes x)
{
    const float_lanes one = vdupq_n_f32(1.0f), u = x + one;
    const float_lanes lost = vpselq_f32(x - (u - one), one - (u - x), vcmpltq_n_f32(x, 1.0f));
    return float_lanes_log(u) + float_lanes_quotient(lost, u);
}

#endif
#endif
