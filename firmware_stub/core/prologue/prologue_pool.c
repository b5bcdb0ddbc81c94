#include "prologue_pool.h"

static float pooled(const struct prologue_pool *p, struct prologue_reach rows, struct prologue_reach columns,
                    const float *input)
{
    float result = 0.0f;
    int32_t count = 0;
    for (int32_t k = rows.first; k < rows.end; k++) {
        for (int32_t tap = columns.first; tap < columns.end; tap++, count++) {
            const float x = input[((rows.origin + k) * p->x.input + columns.origin + tap) * p->channels];
            if (p->op == PROLOGUE_REDUCE_MEAN) {
                result += x;
            } else {
                result = count == 0 || x > result ? x : result;
            }
        }
    }
    return clamped(p->op == PROLOGUE_REDUCE_MEAN ? result / (float)count : result, p->clamp);
}

void prologue_pool(const struct prologue_pool *p, const float *input, float *output)
{
    for (int32_t y = 0; y < p->y.output; y++) {
        const struct prologue_reach rows = prologue_reach(&p->y, y);
        for (int32_t x = 0; x < p->x.output; x++) {
            const struct prologue_reach columns = prologue_reach(&p->x, x);
            for (int32_t channel = 0; channel < p->channels; channel++) {
                *output++ = pooled(p, rows, columns, input + channel);
            }
        }
    }
}
