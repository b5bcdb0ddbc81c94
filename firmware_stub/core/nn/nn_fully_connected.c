#include "nn_fully_connected.h"

#include "nn_helium.h"

/* x rounded to nearest, halves away from zero. What does not fit becomes INT32_MIN, as the reference's conversion does
 * on x86-64. */
static int32_t round_half_away(double x)
{
    if (!(x > -2147483648.5 && x < 2147483647.5))
        return INT32_MIN;
    const int32_t whole = (int32_t)x; /* towards zero */
    const double rest = x - whole;
    return whole + (rest >= 0.5 ? 1 : 0) - (rest <= -0.5 ? 1 : 0);
}

#if NN_HELIUM
static inline int32_t dot(const int8_t *weights, const int8_t *input, int32_t depth)
{
    register int32_t sum __asm__("r0") = 0; /* an even register */
    __asm__ volatile("wlstp.8 lr, %[depth], 2f\n"
                     "1: vldrb.u8 q0, [%[weights]], #16\n"
                     "vldrb.u8 q1, [%[input]], #16\n"
                     "vmladava.s8 %[sum], q0, q1\n"
                     "letp lr, 1b\n"
                     "2:\n"
                     : [sum] "+r"(sum), [weights] "+r"(weights), [input] "+r"(input)
                     : [depth] "r"(depth)
                     : "lr", "q0", "q1", "memory");
    return sum;
}
#else
static inline int32_t dot(const int8_t *weights, const int8_t *input, int32_t depth)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < depth; i++)
        sum += weights[i] * input[i];
    return sum;
}
#endif

void nn_fully_connected(const struct nn_fully_connected *p, const int8_t *input, int8_t *output)
{
    const struct nn_output clamp = p->output;
    for (int32_t row = 0; row < p->rows; row++, input += p->depth) {
        const int8_t *weight = p->weights;
        for (int32_t channel = 0; channel < p->channels; channel++, weight += p->depth) {
            const int32_t sum = dot(weight, input, p->depth);
            const double value = (double)nn_wrapping_add(sum, p->bias[channel]) * p->scale[channel];
            *output++ = nn_finish(round_half_away(value), &clamp);
        }
    }
}
