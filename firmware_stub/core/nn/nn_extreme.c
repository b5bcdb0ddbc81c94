#include "nn_extreme.h"

static void extreme_run(const void *kernel, const struct nn_run *run)
{
    const bool largest = ((const struct nn_extreme *)kernel)->largest;
    const int8_t *first = run->first;
    const int8_t *second = run->second;
    for (int32_t i = 0; i < run->count; i++, first += run->first_step, second += run->second_step)
        run->output[i] = (*first > *second) == largest ? *first : *second;
}

void nn_extreme(const struct nn_extreme *p, const int8_t *first, const int8_t *second, int8_t *output)
{
    nn_broadcast_runs(&p->shape, first, second, output, extreme_run, p);
}
