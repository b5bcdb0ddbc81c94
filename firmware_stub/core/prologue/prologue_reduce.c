#include "prologue_reduce.h"

static inline vec4 joined(const struct prologue_reduce *p, vec4 x, vec4 y)
{
    return p->op == PROLOGUE_REDUCE_MAX ? vec4_max(y, x) : vec4_add(x, y);
}

static inline vec4 finished(const struct prologue_reduce *p, vec4 x)
{
    return p->op == PROLOGUE_REDUCE_MEAN ? vec4_mul_by(x, 1.0f / (float)p->count) : x;
}

static void columns(const struct prologue_reduce *p, const float *input, float *output)
{
    for (int32_t at = 0; at < p->inner; at += LANES) {
        vec4 sum = vec4_load(input + at);
        for (int32_t i = 1; i < p->count; i++) {
            sum = joined(p, sum, vec4_load(input + i * p->inner + at));
        }
        vec4_store_some(output + at, finished(p, sum), p->inner - at);
    }
}

static float scalar_joined(const struct prologue_reduce *p, float x, float y)
{
    return p->op == PROLOGUE_REDUCE_MAX ? (y > x ? y : x) : x + y;
}

/* Lane l takes values l, l + 4, ...; with fewer than four values each lane is one of them. */
static float row(const struct prologue_reduce *p, const float *input)
{
    float lanes[LANES];
    vec4 sum = vec4_load(input);
    int32_t at = LANES;
    for (; at + LANES <= p->count; at += LANES) {
        sum = joined(p, sum, vec4_load(input + at));
    }
    vec4_store(lanes, sum);
    for (; at < p->count; at++) {
        lanes[at % LANES] = scalar_joined(p, lanes[at % LANES], input[at]);
    }
    float result = lanes[0];
    if (p->count >= LANES) {
        result = scalar_joined(p, scalar_joined(p, lanes[0], lanes[1]), scalar_joined(p, lanes[2], lanes[3]));
    } else {
        for (int32_t lane = 1; lane < p->count; lane++) {
            result = scalar_joined(p, result, lanes[lane]);
        }
    }
    return p->op == PROLOGUE_REDUCE_MEAN ? result * (1.0f / (float)p->count) : result;
}

void prologue_reduce(const struct prologue_reduce *p, const float *input, float *output)
{
    for (int32_t outer = 0; outer < p->outer; outer++) {
        if (p->inner == 1) {
            output[outer] = row(p, input);
        } else {
            columns(p, input, output + outer * p->inner);
        }
        input += p->count * p->inner;
    }
}
