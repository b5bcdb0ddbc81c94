/* frontend_lanes.h - how many frames are computed at once: four in the lanes of a Helium register, else one; four on a
 * host that asks for it (FRONTEND_HOST_LANES: what evaluates archives), in the vector types of gcc and clang.
 *
 * Frames do not depend on each other, so each lane computes what the scalar form computes, operation by operation and
 * bit by bit; and frames lie side by side in the features, so results leave by plain vector stores.
 * PCEN computes in double precision, for which Helium has no lanes. `lanes` are of the FFT's type, `float_lanes` float.
 */
#ifndef BN_FRONTEND_LANES_H
#define BN_FRONTEND_LANES_H

#include <stdint.h>

#include "frontend_config.h"

/* PCEN lifts what is far below the peak, the rounding residue of a float transform included. */
#ifdef FRONTEND_FFT_DOUBLE
typedef double fft_real;
#else
typedef float fft_real;
#endif

#if defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 2) && !defined(FRONTEND_FFT_DOUBLE)

#include <arm_mve.h>

#define FRONTEND_LANES 4
#define FRONTEND_HELIUM
typedef float32x4_t lanes;
typedef float32x4_t float_lanes;

static inline lanes lanes_scaled(lanes x, fft_real factor)
{
    return vmulq_n_f32(x, factor);
}

/* x[0], x[step], x[2 step], x[3 step] */
static inline lanes lanes_of_samples(const int16_t *x, int step)
{
    const uint32x4_t offsets = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)step);
    return vcvtq_f32_s32(vldrhq_gather_shifted_offset_s32(x, offsets));
}

static inline float_lanes float_lanes_scaled(float_lanes x, float factor)
{
    return vmulq_n_f32(x, factor);
}

static inline float_lanes float_lanes_of(float x)
{
    return vdupq_n_f32(x);
}

static inline float_lanes float_lanes_load(const float *from)
{
    return vldrwq_f32(from);
}

/* The first `count` lanes, 1 to 4; the others are 0. */
static inline float_lanes float_lanes_load_some(const float *from, int count)
{
    return count >= FRONTEND_LANES ? vldrwq_f32(from) : vldrwq_z_f32(from, vctp32q((uint32_t)count));
}

/* The first `count` lanes, 1 to 4. */
static inline void float_lanes_store(float *to, float_lanes x, int count)
{
    if (count >= FRONTEND_LANES) {
        vstrwq_f32(to, x);
    } else {
        vstrwq_p_f32(to, x, vctp32q((uint32_t)count));
    }
}

/* Correctly rounded. Helium has no square root and no division; its registers are those of the scalar float unit. */
static inline lanes lanes_root(lanes x)
{
    register lanes q __asm__("q0") = x;
    __asm__("vsqrt.f32 s0, s0\n\tvsqrt.f32 s1, s1\n\tvsqrt.f32 s2, s2\n\tvsqrt.f32 s3, s3" : "+w"(q));
    return q;
}

static inline float_lanes float_lanes_rounded(lanes x)
{
    return x;
}

static inline float_lanes float_lanes_divided(float_lanes x, float divisor)
{
    register float_lanes q __asm__("q0") = x;
    __asm__("vdiv.f32 s0, s0, %1\n\tvdiv.f32 s1, s1, %1\n\tvdiv.f32 s2, s2, %1\n\tvdiv.f32 s3, s3, %1"
            : "+w"(q)
            : "t"(divisor));
    return q;
}

static inline float_lanes float_lanes_quotient(float_lanes x, float_lanes divisor)
{
    register float_lanes q __asm__("q0") = x;
    register float_lanes by __asm__("q1") = divisor;
    __asm__("vdiv.f32 s0, s0, s4\n\tvdiv.f32 s1, s1, s5\n\tvdiv.f32 s2, s2, s6\n\tvdiv.f32 s3, s3, s7"
            : "+w"(q)
            : "w"(by));
    return q;
}

static inline float_lanes float_lanes_lower(float_lanes a, float_lanes b)
{
    return vminnmq_f32(a, b);
}

static inline float_lanes float_lanes_higher(float_lanes a, float_lanes b)
{
    return vmaxnmq_f32(a, b);
}

static inline float float_lanes_lowest(float_lanes x)
{
    return vminnmvq_f32(__builtin_inff(), x);
}

static inline float float_lanes_highest(float_lanes x)
{
    return vmaxnmvq_f32(-__builtin_inff(), x);
}

/* `x`, or 0 in lanes in which `level` is below `least`. */
static inline lanes lanes_above(lanes x, lanes level, fft_real least)
{
    return vpselq_f32(x, vdupq_n_f32(0.0f), vcmpgeq_n_f32(level, least));
}

#elif defined(FRONTEND_HOST_LANES) && defined(__GNUC__) && !defined(FRONTEND_FFT_DOUBLE)

#define FRONTEND_LANES 4
typedef float lanes __attribute__((vector_size(16)));
typedef lanes float_lanes;
typedef int32_t lanes_mask __attribute__((vector_size(16)));

static inline lanes lanes_scaled(lanes x, fft_real factor)
{
    return x * factor;
}

static inline lanes lanes_of_samples(const int16_t *x, int step)
{
    return (lanes){ (float)x[0], (float)x[step], (float)x[2 * step], (float)x[3 * step] };
}

static inline float_lanes float_lanes_scaled(float_lanes x, float factor)
{
    return x * factor;
}

static inline float_lanes float_lanes_of(float x)
{
    return (float_lanes){ x, x, x, x };
}

static inline float_lanes float_lanes_load_some(const float *from, int count)
{
    float_lanes x = { 0 };
    __builtin_memcpy(&x, from, count >= FRONTEND_LANES ? sizeof x : (unsigned)count * sizeof *from);
    return x;
}

static inline float_lanes float_lanes_load(const float *from)
{
    return float_lanes_load_some(from, FRONTEND_LANES);
}

static inline void float_lanes_store(float *to, float_lanes x, int count)
{
    __builtin_memcpy(to, &x, count >= FRONTEND_LANES ? sizeof x : (unsigned)count * sizeof *to);
}

static inline float_lanes float_lanes_rounded(lanes x)
{
    return x;
}

static inline float_lanes float_lanes_divided(float_lanes x, float divisor)
{
    return x / divisor;
}

static inline float_lanes lanes_where(lanes_mask mask, float_lanes yes, float_lanes no)
{
    return (float_lanes)((mask & (lanes_mask)yes) | (~mask & (lanes_mask)no));
}

static inline float_lanes float_lanes_lower(float_lanes a, float_lanes b)
{
    return lanes_where(a < b, a, b);
}

static inline float_lanes float_lanes_higher(float_lanes a, float_lanes b)
{
    return lanes_where(a > b, a, b);
}

static inline float float_lanes_lowest(float_lanes x)
{
    float low = x[0];
    for (int lane = 1; lane < FRONTEND_LANES; lane++) {
        low = x[lane] < low ? x[lane] : low;
    }
    return low;
}

static inline float float_lanes_highest(float_lanes x)
{
    float high = x[0];
    for (int lane = 1; lane < FRONTEND_LANES; lane++) {
        high = x[lane] > high ? x[lane] : high;
    }
    return high;
}

/* Correctly rounded, as of IEEE 754; the compiler makes one instruction of it where there is one. */
static inline lanes lanes_root(lanes x)
{
    return (lanes){ __builtin_sqrtf(x[0]), __builtin_sqrtf(x[1]), __builtin_sqrtf(x[2]), __builtin_sqrtf(x[3]) };
}

/* `x`, or 0 in lanes in which `level` is below `least`. */
static inline lanes lanes_above(lanes x, lanes level, fft_real least)
{
    return lanes_where(level < least, float_lanes_of(0.0f), x);
}

#else

#define FRONTEND_LANES 1
typedef fft_real lanes;
typedef float float_lanes;

static inline lanes lanes_scaled(lanes x, fft_real factor)
{
    return x * factor;
}

static inline lanes lanes_of_samples(const int16_t *x, int step)
{
    (void)step;
    return (fft_real)*x;
}

static inline float_lanes float_lanes_scaled(float_lanes x, float factor)
{
    return x * factor;
}

static inline float_lanes float_lanes_of(float x)
{
    return x;
}

static inline float_lanes float_lanes_load(const float *from)
{
    return *from;
}

static inline float_lanes float_lanes_load_some(const float *from, int count)
{
    (void)count;
    return *from;
}

static inline void float_lanes_store(float *to, float_lanes x, int count)
{
    (void)count;
    *to = x;
}

static inline float_lanes float_lanes_rounded(lanes x)
{
    return (float)x;
}

static inline float_lanes float_lanes_divided(float_lanes x, float divisor)
{
    return x / divisor;
}

static inline float_lanes float_lanes_lower(float_lanes a, float_lanes b)
{
    return a < b ? a : b;
}

static inline float_lanes float_lanes_higher(float_lanes a, float_lanes b)
{
    return a > b ? a : b;
}

static inline float float_lanes_lowest(float_lanes x)
{
    return x;
}

static inline float float_lanes_highest(float_lanes x)
{
    return x;
}

/* One instruction under -fno-math-errno, correctly rounded; never a call of libm. */
static inline lanes lanes_root(lanes x)
{
#ifdef FRONTEND_FFT_DOUBLE
    return __builtin_sqrt(x);
#else
    return __builtin_sqrtf(x);
#endif
}

/* `x`, or 0 where `level` is below `least`. */
static inline lanes lanes_above(lanes x, lanes level, fft_real least)
{
    return level < least ? 0 : x;
}

#endif
#endif
