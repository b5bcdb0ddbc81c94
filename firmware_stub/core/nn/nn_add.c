#include "nn_add.h"

enum { NARROW_SCALE = 1 << 20 };

/* A kernel with its table: what a narrow value adds, less what the zero point of the wide operand adds. */
struct sum {
    const struct nn_add *kernel;
    const int32_t *narrow; /* for -128 at -128 */
};

static void add_fast(const struct sum *sum, const struct nn_run *run)
{
    const int32_t *const table = sum->narrow;
    const int32_t factor = sum->kernel->wide_factor;
    const int32_t multiplier = sum->kernel->multiplier;
    const int32_t shift = ~sum->kernel->shift;
    const int32_t offset = sum->kernel->output.offset;
    const int8_t *const wide = run->first;
    const int8_t *const narrow = run->second;
    int8_t *const output = run->output;
    const int32_t count = run->count;
    for (int32_t i = 0; i < count; i++) {
        const int32_t value = nn_high_multiply(wide[i] * factor + table[narrow[i]], multiplier);
        output[i] = nn_saturate(nn_round_shift(value, shift) + offset);
    }
}

static void add_run(const void *argument, const struct nn_run *run)
{
    const struct sum *const sum = argument;
    const struct nn_add *const p = sum->kernel;
    if (run->first_step + run->second_step == 2 && p->shift < 0 && nn_is_whole_range(&p->output)) {
        add_fast(sum, run);
        return;
    }
    const struct nn_output clamp = p->output;
    const int8_t *wide = run->first;
    const int8_t *narrow = run->second;
    for (int32_t i = 0; i < run->count; i++, wide += run->first_step, narrow += run->second_step) {
        const int32_t value = *wide * p->wide_factor + sum->narrow[*narrow];
        run->output[i] = nn_finish(nn_requantize(value, p->multiplier, p->shift), &clamp);
    }
}

void nn_add(const struct nn_add *p, const int8_t *wide, const int8_t *narrow, int8_t *output, int8_t *scratch)
{
    int32_t *const table = (int32_t *)(void *)scratch;
    for (int32_t q = INT8_MIN; q <= INT8_MAX; q++) {
        const int32_t scaled =
            nn_requantize((q - p->narrow_zero_point) * NARROW_SCALE, p->narrow_multiplier, p->narrow_shift);
        table[q - INT8_MIN] = scaled * p->narrow_sign - p->wide_zero_point * p->wide_factor;
    }
    const struct sum sum = {p, table - INT8_MIN};
    nn_broadcast_runs(&p->shape, wide, narrow, output, add_run, &sum);
}
