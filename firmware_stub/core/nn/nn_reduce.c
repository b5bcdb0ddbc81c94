#include "nn_reduce.h"

#include "nn_helium.h"

static int32_t sum_signed(const struct nn_reduction *s, const int8_t *input)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < s->reduced[0]; i++)
        for (int32_t j = 0; j < s->reduced[1]; j++) {
            const int8_t *x = input + i * s->reduced_step[0] + j * s->reduced_step[1];
            for (int32_t k = 0; k < s->reduced[2]; k++, x += s->reduced_step[2])
                sum += *x;
        }
    return sum;
}

static int32_t sum_unsigned(const struct nn_reduction *s, const int8_t *input)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < s->reduced[0]; i++)
        for (int32_t j = 0; j < s->reduced[1]; j++) {
            const int8_t *x = input + i * s->reduced_step[0] + j * s->reduced_step[1];
            for (int32_t k = 0; k < s->reduced[2]; k++, x += s->reduced_step[2])
                sum += (uint8_t)*x;
        }
    return sum;
}

#if NN_HELIUM

enum { LANES = 4 };

/* The sums of four neighbours that are kept. */
static int32x4_t sum_lanes(const struct nn_reduction *s, const int8_t *input)
{
    int32x4_t sums = vdupq_n_s32(0);
    for (int32_t i = 0; i < s->reduced[0]; i++)
        for (int32_t j = 0; j < s->reduced[1]; j++) {
            const int8_t *x = input + i * s->reduced_step[0] + j * s->reduced_step[1];
            for (int32_t k = s->reduced[2]; k > 0; k--, x += s->reduced_step[2])
                sums = vaddq_s32(sums, vldrbq_s32(x));
        }
    return sums;
}

/* Gives how many neighbours it has done. */
static int32_t sum_vectors(const struct nn_reduce_sum *p, const int8_t *input, int8_t *output)
{
    const struct nn_reduction *const s = &p->shape;
    if (s->kept_step[2] != 1 || p->bytes_are_unsigned)
        return 0;
    int32_t done = 0;
    for (; done + LANES <= s->kept[2]; done += LANES) {
        int32_t sums[LANES];
        vstrwq_s32(sums, sum_lanes(s, input + done));
        for (int32_t i = 0; i < LANES; i++) {
            const int32_t value = nn_requantize(sums[i] - p->zero_point_sum, p->multiplier, p->shift);
            output[done + i] = nn_finish(value, &p->output);
        }
    }
    return done;
}

#endif

static int8_t maximum(const struct nn_reduction *s, const int8_t *input)
{
    int8_t largest = INT8_MIN;
    for (int32_t i = 0; i < s->reduced[0]; i++)
        for (int32_t j = 0; j < s->reduced[1]; j++) {
            const int8_t *x = input + i * s->reduced_step[0] + j * s->reduced_step[1];
            for (int32_t k = 0; k < s->reduced[2]; k++, x += s->reduced_step[2])
                if (*x > largest)
                    largest = *x;
        }
    return largest;
}

void nn_reduce_sum(const struct nn_reduce_sum *p, const int8_t *input, int8_t *output)
{
    const struct nn_reduction *const s = &p->shape;
    for (int32_t i = 0; i < s->kept[0]; i++)
        for (int32_t j = 0; j < s->kept[1]; j++) {
            const int8_t *const row = input + i * s->kept_step[0] + j * s->kept_step[1];
            int32_t k = 0;
#if NN_HELIUM
            k = sum_vectors(p, row, output);
            output += k;
#endif
            for (; k < s->kept[2]; k++) {
                const int8_t *x = row + k * s->kept_step[2];
                const int32_t sum = (p->bytes_are_unsigned ? sum_unsigned(s, x) : sum_signed(s, x)) - p->zero_point_sum;
                *output++ = nn_finish(nn_requantize(sum, p->multiplier, p->shift), &p->output);
            }
        }
}

void nn_reduce_maximum(const struct nn_reduction *shape, const int8_t *input, int8_t *output)
{
    for (int32_t i = 0; i < shape->kept[0]; i++)
        for (int32_t j = 0; j < shape->kept[1]; j++)
            for (int32_t k = 0; k < shape->kept[2]; k++)
                *output++ = maximum(shape, input + i * shape->kept_step[0] + j * shape->kept_step[1] +
                                               k * shape->kept_step[2]);
}
