#include "nn_copy.h"

#include <string.h>

static void copy_run(const struct nn_copy *p, const int8_t *input, int8_t *output)
{
    const int32_t input_step = p->input_step[4];
    const int32_t output_step = p->output_step[4];
    if (input_step == 1 && output_step == 1) {
        memcpy(output, input, (size_t)p->size[4]);
        return;
    }
    for (int32_t left = p->size[4]; left > 0; left--, input += input_step, output += output_step)
        *output = *input;
}

void nn_copy(const struct nn_copy *p, const int8_t *input, int8_t *output)
{
    input += p->input_start;
    output += p->output_start;
    for (int32_t a = 0; a < p->size[0]; a++)
        for (int32_t b = 0; b < p->size[1]; b++)
            for (int32_t c = 0; c < p->size[2]; c++)
                for (int32_t d = 0; d < p->size[3]; d++)
                    copy_run(p,
                             input + a * p->input_step[0] + b * p->input_step[1] + c * p->input_step[2] +
                                 d * p->input_step[3],
                             output + a * p->output_step[0] + b * p->output_step[1] + c * p->output_step[2] +
                                 d * p->output_step[3]);
}

void nn_fill(const struct nn_fill *p, int8_t *output)
{
    memset(output, p->value, (size_t)p->count);
}
