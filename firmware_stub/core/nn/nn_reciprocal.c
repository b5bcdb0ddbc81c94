#include "nn_reciprocal.h"

#include "nn_requantize.h"

/* Q2.29 */
enum { ONE = 1 << 29, PLUS_48_OVER_17 = 1515870810, MINUS_32_OVER_17 = -1010580540 };

/* a * 2^n, saturated. */
static int32_t saturating_shift_left(int32_t a, int32_t n)
{
    const int32_t limit = INT32_MAX >> n;
    if (a > limit)
        return INT32_MAX;
    return a < -limit ? INT32_MIN : nn_wrapping_shift_left(a, n);
}

struct nn_reciprocal nn_reciprocal(int32_t x)
{
    const int32_t zeros = nn_leading_zeros((uint32_t)x);
    /* x / 2^k / 2 = (1 + fraction) / 2 in Q0.31 */
    const uint32_t fraction = ((uint32_t)x << zeros) - UINT32_C(0x80000000);
    const int32_t half = (int32_t)(((int64_t)fraction + INT32_MAX + 1) / 2);
    int32_t y = PLUS_48_OVER_17 + nn_high_multiply(half, MINUS_32_OVER_17);
    for (int step = 0; step < 3; step++)
        y += saturating_shift_left(nn_high_multiply(y, ONE - nn_high_multiply(half, y)), 2);
    const struct nn_reciprocal result = {saturating_shift_left(y, 1), zeros};
    return result;
}
