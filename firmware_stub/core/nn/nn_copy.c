#include "nn_copy.h"

#include <string.h>

#include "nn_helium.h"

#if NN_HELIUM

enum { LANES = 8, FARTHEST = 65535 / (LANES - 1) }; /* offsets of a gather are 16 bits wide */

static void copy_run(const struct nn_copy *p, const int8_t *input, int8_t *output)
{
    const int32_t input_step = p->input_step[4];
    const int32_t output_step = p->output_step[4];
    if (input_step == 1 && output_step == 1) {
        nn_helium_copy(output, input, p->size[4]);
        return;
    }
    if (input_step < 0 || output_step < 0 || input_step > FARTHEST || output_step > FARTHEST) {
        for (int32_t left = p->size[4]; left > 0; left--, input += input_step, output += output_step)
            *output = *input;
        return;
    }
    const uint16x8_t index = vidupq_n_u16(0, 1);
    __asm__ volatile("wlstp.16 lr, %[count], 2f\n"
                     "1: vldrb.u16 q0, [%[from], %q[from_places]]\n"
                     "vstrb.16 q0, [%[to], %q[to_places]]\n"
                     "add %[from], %[from], %[from_step]\n"
                     "add %[to], %[to], %[to_step]\n"
                     "letp lr, 1b\n"
                     "2:\n"
                     : [from] "+r"(input), [to] "+r"(output)
                     : [count] "r"(p->size[4]), [from_places] "w"(vmulq_n_u16(index, (uint16_t)input_step)),
                       [to_places] "w"(vmulq_n_u16(index, (uint16_t)output_step)),
                       [from_step] "r"(LANES * input_step), [to_step] "r"(LANES * output_step)
                     : "lr", "q0", "memory");
}

void nn_fill(const struct nn_fill *p, int8_t *output)
{
    nn_helium_fill(output, p->value, p->count);
}

#else

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

void nn_fill(const struct nn_fill *p, int8_t *output)
{
    memset(output, p->value, (size_t)p->count);
}

#endif

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
