/* prologue_vector.h - four floats at once: Helium where the core has it, else four scalars.
 *
 * Kernels are written once, in terms of these. Each lane is one value of the result with its own sum, and a product
 * and a sum are two roundings, so both forms, the host and numpy give the same bits. No fused multiply-add: compile
 * with -ffp-contract=off. Loads take four floats whether or not all count; every tensor has PROLOGUE_SLACK floats
 * behind it that may be read. PROLOGUE_SCALAR forces the scalar form.
 */
#ifndef BN_PROLOGUE_VECTOR_H
#define BN_PROLOGUE_VECTOR_H

#include <stdint.h>

enum { LANES = 4, PROLOGUE_SLACK = LANES };

/* Bounds of an activation: low < high, both finite, no negative zero. */
struct prologue_clamp {
    float low;
    float high;
};

#if defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 2) && !defined(PROLOGUE_SCALAR)
#define PROLOGUE_HELIUM 1
#include <arm_mve.h>

typedef float32x4_t vec4;
typedef uint32x4_t vec4_steps;

static inline vec4 vec4_load(const float *from) { return vld1q_f32(from); }
static inline vec4 vec4_all(float x) { return vdupq_n_f32(x); }
static inline vec4 vec4_add(vec4 x, vec4 y) { return vaddq_f32(x, y); }
static inline vec4 vec4_sub(vec4 x, vec4 y) { return vsubq_f32(x, y); }
static inline vec4 vec4_mul(vec4 x, vec4 y) { return vmulq_f32(x, y); }
static inline vec4 vec4_mul_by(vec4 x, float y) { return vmulq_n_f32(x, y); }
/* The greater and the lesser; of equal ones, and beside a NaN, y. */
static inline vec4 vec4_max(vec4 x, vec4 y) { return vpselq_f32(x, y, vcmpgtq_f32(x, y)); }
static inline vec4 vec4_min(vec4 x, vec4 y) { return vpselq_f32(x, y, vcmpltq_f32(x, y)); }
static inline vec4 vec4_clamp(vec4 x, struct prologue_clamp bounds)
{
    return vminnmq_f32(vmaxnmq_f32(x, vdupq_n_f32(bounds.low)), vdupq_n_f32(bounds.high));
}
static inline void vec4_store(float *to, vec4 x) { vst1q_f32(to, x); }
/* Stores the first `count` lanes; four where it is more. */
static inline void vec4_store_some(float *to, vec4 x, int32_t count)
{
    vst1q_p_f32(to, x, vctp32q((uint32_t)count));
}
/* Four floats that lie `step` apart. */
static inline vec4_steps vec4_steps_of(int32_t step) { return vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)step); }
static inline vec4 vec4_gather(const float *from, vec4_steps steps)
{
    return vldrwq_gather_shifted_offset_f32(from, steps);
}
static inline float vec4_lane(vec4 x, int lane)
{
    float lanes[LANES];
    vst1q_f32(lanes, x);
    return lanes[lane];
}

#else

typedef struct {
    float a, b, c, d;
} vec4;
typedef int32_t vec4_steps;

static inline vec4 vec4_load(const float *from) { return (vec4){from[0], from[1], from[2], from[3]}; }
static inline vec4 vec4_all(float x) { return (vec4){x, x, x, x}; }
static inline vec4 vec4_add(vec4 x, vec4 y) { return (vec4){x.a + y.a, x.b + y.b, x.c + y.c, x.d + y.d}; }
static inline vec4 vec4_sub(vec4 x, vec4 y) { return (vec4){x.a - y.a, x.b - y.b, x.c - y.c, x.d - y.d}; }
static inline vec4 vec4_mul(vec4 x, vec4 y) { return (vec4){x.a * y.a, x.b * y.b, x.c * y.c, x.d * y.d}; }
static inline vec4 vec4_mul_by(vec4 x, float y) { return (vec4){x.a * y, x.b * y, x.c * y, x.d * y}; }
static inline float vec4_greater(float x, float y) { return x > y ? x : y; }
static inline float vec4_lesser(float x, float y) { return x < y ? x : y; }
static inline vec4 vec4_max(vec4 x, vec4 y)
{
    return (vec4){vec4_greater(x.a, y.a), vec4_greater(x.b, y.b), vec4_greater(x.c, y.c), vec4_greater(x.d, y.d)};
}
static inline vec4 vec4_min(vec4 x, vec4 y)
{
    return (vec4){vec4_lesser(x.a, y.a), vec4_lesser(x.b, y.b), vec4_lesser(x.c, y.c), vec4_lesser(x.d, y.d)};
}
static inline vec4 vec4_clamp(vec4 x, struct prologue_clamp bounds)
{
    return vec4_min(vec4_max(x, vec4_all(bounds.low)), vec4_all(bounds.high));
}
static inline void vec4_store(float *to, vec4 x)
{
    to[0] = x.a;
    to[1] = x.b;
    to[2] = x.c;
    to[3] = x.d;
}
static inline void vec4_store_some(float *to, vec4 x, int32_t count)
{
    if (count >= LANES) {
        vec4_store(to, x);
        return;
    }
    const float lanes[LANES] = {x.a, x.b, x.c, x.d};
    for (int32_t i = 0; i < count; i++) {
        to[i] = lanes[i];
    }
}
static inline vec4_steps vec4_steps_of(int32_t step) { return step; }
static inline vec4 vec4_gather(const float *from, vec4_steps step)
{
    return (vec4){from[0], from[step], from[2 * step], from[3 * step]};
}
static inline float vec4_lane(vec4 x, int lane)
{
    const float lanes[LANES] = {x.a, x.b, x.c, x.d};
    return lanes[lane];
}

#endif

static inline float clamped(float x, struct prologue_clamp bounds)
{
    x = x > bounds.low ? x : bounds.low;
    return x < bounds.high ? x : bounds.high;
}

/* Four vectors, so that what is loaded once serves four times. */
struct vec4_four {
    vec4 a, b, c, d;
};

static inline struct vec4_four vec4_four_of(vec4 x)
{
    return (struct vec4_four){x, x, x, x};
}

#endif
