#include "nn_extreme.h"

#include "nn_helium.h"

static void extreme_run(const void *kernel, const struct nn_run *run)
{
    const bool largest = ((const struct nn_extreme *)kernel)->largest;
    const int8_t *first = run->first;
    const int8_t *second = run->second;
    int32_t i = 0;
#if NN_HELIUM
    if (run->first_step == 1 && run->second_step == 1)
        for (; i + 16 <= run->count; i += 16, first += 16, second += 16) {
            const int8x16_t a = vldrbq_s8(first), b = vldrbq_s8(second);
            vstrbq_s8(run->output + i, largest ? vmaxq_s8(a, b) : vminq_s8(a, b));
        }
#endif
    for (; i < run->count; i++, first += run->first_step, second += run->second_step)
        run->output[i] = (*first > *second) == largest ? *first : *second;
}

void nn_extreme(const struct nn_extreme *p, const int8_t *first, const int8_t *second, int8_t *output)
{
    nn_broadcast_runs(&p->shape, first, second, output, extreme_run, p);
}
