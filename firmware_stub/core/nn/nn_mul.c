#include "nn_mul.h"

static void mul_run(const void *kernel, const struct nn_run *run)
{
    const struct nn_mul *const p = kernel;
    const struct nn_output clamp = p->output; /* copies: stores of int8 could alias the original */
    const int32_t first_zero_point = p->first_zero_point;
    const int32_t second_zero_point = p->second_zero_point;
    const int32_t multiplier = p->multiplier;
    const int32_t shift = p->shift;
    const int8_t *first = run->first;
    const int8_t *second = run->second;
    for (int32_t i = 0; i < run->count; i++, first += run->first_step, second += run->second_step) {
        const int32_t product = (*first - first_zero_point) * (*second - second_zero_point);
        run->output[i] = nn_finish(nn_requantize(product, multiplier, shift), &clamp);
    }
}

void nn_mul(const struct nn_mul *p, const int8_t *first, const int8_t *second, int8_t *output)
{
    nn_broadcast_runs(&p->shape, first, second, output, mul_run, p);
}
