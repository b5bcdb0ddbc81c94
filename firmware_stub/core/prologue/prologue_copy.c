#include "prologue_copy.h"

#include "prologue_vector.h"

/* The innermost axis; where it is written side by side, four values at once. */
static void line(const struct prologue_copy *p, const float *input, float *output)
{
    const int32_t in_step = p->in_step[3];
    const int32_t out_step = p->out_step[3];
    int32_t left = p->count[3];
    if (out_step == 1) {
        const vec4_steps steps = vec4_steps_of(in_step);
        for (; left >= LANES; left -= LANES, input += LANES * in_step, output += LANES) {
            vec4_store(output, vec4_gather(input, steps));
        }
    }
    for (; left > 0; left--, input += in_step, output += out_step) {
        *output = *input;
    }
}

void prologue_copy(const struct prologue_copy *p, const float *input, float *output)
{
    input += p->in_at;
    output += p->out_at;
    for (int32_t i = 0; i < p->count[0]; i++) {
        for (int32_t j = 0; j < p->count[1]; j++) {
            for (int32_t k = 0; k < p->count[2]; k++) {
                line(p, input + i * p->in_step[0] + j * p->in_step[1] + k * p->in_step[2],
                     output + i * p->out_step[0] + j * p->out_step[1] + k * p->out_step[2]);
            }
        }
    }
}

void prologue_fill(const struct prologue_fill *p, float *output)
{
    for (int32_t i = 0; i < p->count; i++) {
        output[i] = p->value;
    }
}
