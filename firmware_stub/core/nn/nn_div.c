#include "nn_div.h"

#include "nn_reciprocal.h"

struct state {
    const struct nn_div *kernel;
    int status;
};

/* How often a value can be doubled before it loses its sign. */
static int32_t headroom(int32_t x)
{
    return nn_leading_zeros((uint32_t)(x < 0 ? ~x : x)) - 1;
}

static int8_t quotient(const struct nn_div *p, int32_t dividend, struct nn_reciprocal reciprocal)
{
    const int32_t doublings = headroom(dividend);
    const int32_t unscaled = nn_high_multiply(nn_wrapping_shift_left(dividend, doublings), reciprocal.value);
    const int32_t shift = p->shift - (31 - reciprocal.leading_zeros) - doublings;
    return nn_finish(nn_divide_by_power(nn_high_multiply(unscaled, p->multiplier), -shift), &p->output);
}

static void div_run(const void *argument, const struct nn_run *run)
{
    struct state *const state = *(struct state *const *)argument;
    const struct nn_div *const p = state->kernel;
    const int8_t *first = run->first;
    const int8_t *second = run->second;
    struct nn_reciprocal reciprocal = {0, 0};
    int32_t divisor = 0;
    for (int32_t i = 0; i < run->count; i++, first += run->first_step, second += run->second_step) {
        if (i == 0 || run->second_step != 0) {
            divisor = *second - p->second_zero_point;
            if (divisor == 0) {
                state->status = -1;
                return;
            }
            reciprocal = nn_reciprocal(divisor < 0 ? -divisor : divisor);
        }
        const int32_t dividend = *first - p->first_zero_point;
        run->output[i] = quotient(p, divisor < 0 ? -dividend : dividend, reciprocal);
    }
}

int nn_div(const struct nn_div *p, const int8_t *first, const int8_t *second, int8_t *output)
{
    struct state state = {p, 0};
    struct state *const argument = &state;
    nn_broadcast_runs(&p->shape, first, second, output, div_run, &argument);
    return state.status;
}
