#include "nn_reduce.h"

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
        for (int32_t j = 0; j < s->kept[1]; j++)
            for (int32_t k = 0; k < s->kept[2]; k++) {
                const int8_t *x = input + i * s->kept_step[0] + j * s->kept_step[1] + k * s->kept_step[2];
                const int32_t sum = (p->bytes_are_unsigned ? sum_unsigned(s, x) : sum_signed(s, x)) - p->zero_point_sum;
                *output++ = nn_finish(nn_requantize(sum, p->multiplier, p->shift), &p->output);
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
