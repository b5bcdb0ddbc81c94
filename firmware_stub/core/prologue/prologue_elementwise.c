#include "prologue_elementwise.h"

#include "frontend_math.h"

/* Channels side by side: lanes are channels. */
static void affine_channels(const struct prologue_affine *p, const float *input, float *output)
{
    const struct prologue_clamp clamp = p->clamp;
    const int32_t channels = p->blocks.channels;
    for (int32_t at = 0; at < channels; at += LANES) {
        const vec4 x = vec4_mul(vec4_load(input + at), vec4_load(p->scale + at));
        vec4_store_some(output + at, vec4_clamp(vec4_add(x, vec4_load(p->offset + at)), clamp), channels - at);
    }
}

/* One channel's values side by side. */
static void affine_row(const struct prologue_affine *p, int32_t channel, const float *input, float *output)
{
    const struct prologue_clamp clamp = p->clamp;
    const float scale = p->scale[channel];
    const vec4 offset = vec4_all(p->offset[channel]);
    for (int32_t at = 0; at < p->blocks.inner; at += LANES) {
        const vec4 x = vec4_add(vec4_mul_by(vec4_load(input + at), scale), offset);
        vec4_store_some(output + at, vec4_clamp(x, clamp), p->blocks.inner - at);
    }
}

void prologue_affine(const struct prologue_affine *p, const float *input, float *output)
{
    const struct prologue_blocks *const blocks = &p->blocks;
    for (int32_t outer = 0; outer < blocks->outer; outer++) {
        if (blocks->inner == 1) {
            affine_channels(p, input, output);
            input += blocks->channels;
            output += blocks->channels;
            continue;
        }
        for (int32_t channel = 0; channel < blocks->channels; channel++) {
            affine_row(p, channel, input, output);
            input += blocks->inner;
            output += blocks->inner;
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

/* `b` has one value a channel, or, where channels lie side by side, one a lane. */
static inline void combine(const struct prologue_binary *p, enum prologue_op op, const float *a, const float *b,
                           float *output)
{
    const struct prologue_clamp clamp = p->clamp;
    const int32_t channels = p->blocks.channels;
    const int32_t inner = p->blocks.inner;
    for (int32_t outer = 0; outer < p->blocks.outer; outer++) {
        if (inner == 1) {
            for (int32_t at = 0; at < channels; at += LANES) {
                const vec4 x = combined(op, vec4_load(a + at), vec4_load(b + at));
                vec4_store_some(output + at, vec4_clamp(x, clamp), channels - at);
            }
            a += channels;
            output += channels;
            continue;
        }
        for (int32_t channel = 0; channel < channels; channel++, a += inner, output += inner) {
            const vec4 other = vec4_all(b[channel]);
            for (int32_t at = 0; at < inner; at += LANES) {
                const vec4 x = combined(op, vec4_load(a + at), other);
                vec4_store_some(output + at, vec4_clamp(x, clamp), inner - at);
            }
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
        for (int32_t at = 0; at < p->count; at += LANES) {
            vec4_store_some(output + at, vec4_clamp(vec4_load(input + at), clamp), p->count - at);
        }
        break;
    }
}
