#include "nn_softmax.h"

#include "nn_reciprocal.h"
#include "nn_requantize.h"

enum {
    SUM_INTEGER_BITS = 12, /* the sum of exponentials is Q12.19 */
    OUTPUT_BITS = 8,
    FLAT = 512 << 19, /* of a sum from here on every share is less than half a step */
};

static int32_t largest(const int8_t *row, int32_t depth)
{
    int32_t value = INT8_MIN;
    for (int32_t i = 0; i < depth; i++)
        value = row[i] > value ? row[i] : value;
    return value;
}

static void softmax_row(const struct nn_softmax *p, const int8_t *input, int8_t *output)
{
    const int32_t top = largest(input, p->depth);
    int32_t sum = 0;
    for (int32_t i = 0; i < p->depth; i++)
        if (top - input[i] < p->distances && sum < FLAT)
            sum += nn_divide_by_power(p->exponential[top - input[i]], SUM_INTEGER_BITS);
    const struct nn_reciprocal scale = nn_reciprocal(sum);
    const int32_t exponent = SUM_INTEGER_BITS - scale.leading_zeros + 31 - OUTPUT_BITS;
    for (int32_t i = 0; i < p->depth; i++) {
        const int32_t distance = top - input[i];
        int32_t value = 0;
        if (distance < p->distances && sum < FLAT)
            value = nn_divide_by_power(nn_high_multiply(scale.value, p->exponential[distance]), exponent);
        value += INT8_MIN;
        output[i] = (int8_t)(value > INT8_MAX ? INT8_MAX : value);
    }
}

void nn_softmax(const struct nn_softmax *p, const int8_t *input, int8_t *output)
{
    for (int32_t row = 0; row < p->rows; row++)
        softmax_row(p, input + row * p->depth, output + row * p->depth);
}
