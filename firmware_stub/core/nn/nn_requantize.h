/* nn_requantize.h - from an int32 sum back to int8, rounded twice as TensorFlow Lite's reference kernels round.
 *
 * A real factor is multiplier * 2^(shift - 31), with the multiplier 0 or in [2^30, 2^31). docs/int8-arithmetic.md says
 * where the definitions come from and why the forms used here equal them. Signed >> is arithmetic (gcc, clang).
 */
#ifndef NN_REQUANTIZE_H
#define NN_REQUANTIZE_H

#include <stdbool.h>
#include <stdint.h>

/* What ends every computing kernel: value + offset, clamped to the fused activation's range. */
struct nn_output {
    int32_t offset; /* zero point of the output */
    int32_t minimum;
    int32_t maximum;
};

/* a + b and a << n modulo 2^32: what the reference's int32 does where its result does not fit. */
static inline int32_t nn_wrapping_add(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

static inline int32_t nn_wrapping_shift_left(int32_t a, int32_t n)
{
    return (int32_t)((uint32_t)a << n);
}

/* a * b / 2^31, rounded to nearest, halves up; a and b are not both INT32_MIN. */
static inline int32_t nn_high_multiply(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + (INT64_C(1) << 30)) >> 31);
}

/* x / 2^(n + 1), rounded to nearest, halves away from zero; n in 0..30; x is a result of nn_high_multiply. */
static inline int32_t nn_round_shift(int32_t x, int32_t n)
{
    return (((x + (x >> 31)) >> n) + 1) >> 1;
}

/* x * multiplier * 2^(shift - 31); shift in -31..31. */
static inline int32_t nn_requantize(int32_t x, int32_t multiplier, int32_t shift)
{
    if (shift < 0)
        return nn_round_shift(nn_high_multiply(x, multiplier), ~shift);
    return nn_high_multiply(nn_wrapping_shift_left(x, shift), multiplier);
}

/* x / 2^exponent as the reference computes it on the hosts that define it, even where `exponent` lies outside 0..31
 * and the result means nothing: shift counts count modulo 32 (and 64). */
static inline int32_t nn_divide_by_power(int32_t x, int32_t exponent)
{
    const int32_t mask = (int32_t)(uint32_t)((UINT64_C(1) << (exponent & 63)) - 1);
    const int32_t threshold = (mask >> 1) + (x < 0 ? 1 : 0);
    return (x >> (exponent & 31)) + ((x & mask) > threshold ? 1 : 0);
}

static inline int8_t nn_saturate(int32_t value)
{
    value = value < INT8_MIN ? INT8_MIN : value;
    return (int8_t)(value > INT8_MAX ? INT8_MAX : value);
}

/* True where nn_finish of a value that was shifted right is the same as nn_saturate(value + offset). */
static inline bool nn_is_whole_range(const struct nn_output *output)
{
    return output->minimum == INT8_MIN && output->maximum == INT8_MAX;
}

static inline int8_t nn_finish(int32_t value, const struct nn_output *output)
{
    value = nn_wrapping_add(value, output->offset);
    value = value < output->minimum ? output->minimum : value;
    value = value > output->maximum ? output->maximum : value;
    return (int8_t)value;
}

#endif
