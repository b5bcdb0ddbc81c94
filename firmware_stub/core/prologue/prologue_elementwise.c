#include "prologue_elementwise.h"

#include "frontend_math.h"

/* Loops take local copies of what they need: a store of lanes may alias the parameters as far as gcc knows. */

/* Channels side by side: lanes are channels. */
static void affine_channels(const float *scale, const float *offset, struct prologue_clamp clamp, const float *input,
                            float *output, int32_t left)
{
    for (; left >= LANES; left -= LANES, input += LANES, output += LANES, scale += LANES, offset += LANES) {
        const vec4 x = vec4_mul(vec4_load(input), vec4_load(scale));
        vec4_store(output, vec4_clamp(vec4_add(x, vec4_load(offset)), clamp));
    }
    if (left > 0) {
        const vec4 x = vec4_mul(vec4_load(input), vec4_load(scale));
        vec4_store_some(output, vec4_clamp(vec4_add(x, vec4_load(offset)), clamp), left);
    }
}

/* One channel's values side by side. */
static void affine_row(float scale, vec4 offset, struct prologue_clamp clamp, const float *input, float *output,
                       int32_t left)
{
    for (; left >= LANES; left -= LANES, input += LANES, output += LANES) {
        vec4_store(output, vec4_clamp(vec4_add(vec4_mul_by(vec4_load(input), scale), offset), clamp));
    }
    if (left > 0) {
        vec4_store_some(output, vec4_clamp(vec4_add(vec4_mul_by(vec4_load(input), scale), offset), clamp), left);
    }
}

void prologue_affine(const struct prologue_affine *p, const float *input, float *output)
{
    const struct prologue_blocks blocks = p->blocks;
    for (int32_t outer = 0; outer < blocks.outer; outer++) {
        if (blocks.inner == 1) {
            affine_channels(p->scale, p->offset, p->clamp, input, output, blocks.channels);
            input += blocks.channels;
            output += blocks.channels;
            continue;
        }
        for (int32_t channel = 0; channel < blocks.channels; channel++) {
            affine_row(p->scale[channel], vec4_all(p->offset[channel]), p->clamp, input, output, blocks.inner);
            input += blocks.inner;
            output += blocks.inner;
        }
    }
}

/* Helium has no division: lane by lane, in both forms. */
static inline vec4 divided(vec4 x, vec4 y)
{
    float quotients[LANES];
    for (int lane = 0; lane < LANES; lane++) {
        quotients[lane] = vec4_lane(x, lane) / vec4_lane(y, lane);
    }
    return vec4_load(quotients);
}

static inline vec4 combined(enum prologue_op op, vec4 a, vec4 b)
{
    switch (op) {
    case PROLOGUE_ADD:
        return vec4_add(a, b);
    case PROLOGUE_SUB:
        return vec4_sub(a, b);
    case PROLOGUE_RSUB:
        return vec4_sub(b, a);
    case PROLOGUE_MUL:
        return vec4_mul(a, b);
    case PROLOGUE_DIV:
        return divided(a, b);
    case PROLOGUE_RDIV:
        return divided(b, a);
    case PROLOGUE_MAX:
        return vec4_max(a, b);
    default:
        return vec4_min(a, b);
    }
}

/* `step` is LANES where `b` has a value for each lane, 0 where all have the same (in `b` four times). */
static inline void combine_row(enum prologue_op op, struct prologue_clamp clamp, const float *a, const float *b,
                               int32_t step, float *output, int32_t left)
{
    for (; left >= LANES; left -= LANES, a += LANES, b += step, output += LANES) {
        vec4_store(output, vec4_clamp(combined(op, vec4_load(a), vec4_load(b)), clamp));
    }
    if (left > 0) {
        vec4_store_some(output, vec4_clamp(combined(op, vec4_load(a), vec4_load(b)), clamp), left);
    }
}

static inline void combine(const struct prologue_binary *p, enum prologue_op op, const float *a, const float *b,
                           float *output)
{
    const struct prologue_blocks blocks = p->blocks;
    for (int32_t outer = 0; outer < blocks.outer; outer++) {
        if (blocks.inner == 1) {
            combine_row(op, p->clamp, a, b, LANES, output, blocks.channels);
            a += blocks.channels;
            output += blocks.channels;
            continue;
        }
        for (int32_t channel = 0; channel < blocks.channels; channel++) {
            float same[LANES];
            vec4_store(same, vec4_all(b[channel]));
            combine_row(op, p->clamp, a, same, 0, output, blocks.inner);
            a += blocks.inner;
            output += blocks.inner;
        }
    }
}

/* One loop for each operation, so that it is chosen once and not for each value. */
void prologue_binary(const struct prologue_binary *p, const float *a, const float *b, float *output)
{
    switch (p->op) {
    case PROLOGUE_ADD:
        combine(p, PROLOGUE_ADD, a, b, output);
        break;
    case PROLOGUE_SUB:
        combine(p, PROLOGUE_SUB, a, b, output);
        break;
    case PROLOGUE_MUL:
        combine(p, PROLOGUE_MUL, a, b, output);
        break;
    case PROLOGUE_MAX:
        combine(p, PROLOGUE_MAX, a, b, output);
        break;
    default:
        combine(p, p->op, a, b, output);
        break;
    }
}

#define LEAST_NORMAL 1.17549435e-38f

/* 1 / (1 + e^-x); beyond 80 the exponential leaves nothing of the other summand. */
static inline float logistic(float x)
{
    const float bounded = x > 80.0f ? 80.0f : x < -80.0f ? -80.0f : x;
    return 1.0f / (1.0f + frontend_exp(-bounded));
}

static void clamp_all(struct prologue_clamp clamp, const float *input, float *output, int32_t left)
{
    for (; left >= LANES; left -= LANES, input += LANES, output += LANES) {
        vec4_store(output, vec4_clamp(vec4_load(input), clamp));
    }
    if (left > 0) {
        vec4_store_some(output, vec4_clamp(vec4_load(input), clamp), left);
    }
}

void prologue_unary(const struct prologue_unary *p, const float *input, float *output)
{
    const struct prologue_clamp clamp = p->clamp;
    switch (p->op) {
    case PROLOGUE_LOG:
        for (int32_t i = 0; i < p->count; i++) {
            output[i] = clamped(frontend_log(input[i] > LEAST_NORMAL ? input[i] : LEAST_NORMAL), clamp);
        }
        break;
    case PROLOGUE_LOGISTIC:
        for (int32_t i = 0; i < p->count; i++) {
            output[i] = clamped(logistic(input[i]), clamp);
        }
        break;
    default:
        clamp_all(clamp, input, output, p->count);
        break;
    }
}
