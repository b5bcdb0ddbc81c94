#include "prologue_depthwise.h"

static int32_t padded(const struct prologue_depthwise *p)
{
    return (p->channels + LANES - 1) / LANES * LANES;
}

/* One position, wherever it lies; `origin` is where in the input tap 0 would be. */
__attribute__((noinline)) static void position(const struct prologue_depthwise *p, struct prologue_reach rows,
                                               int32_t at, const float *input, int32_t origin, float *output)
{
    const struct prologue_clamp clamp = p->clamp;
    const struct prologue_reach reach = prologue_reach(&p->x, at);
    for (int32_t channel = 0; channel < p->channels; channel += LANES) {
        vec4 sum = vec4_load(p->bias + channel);
        for (int32_t k = rows.first; k < rows.end; k++) {
            for (int32_t tap = k * p->x.taps + reach.first; tap < k * p->x.taps + reach.end; tap++) {
                const vec4 weight = vec4_load(p->weights + tap * padded(p) + channel);
                sum = vec4_add(sum, vec4_mul(vec4_load(input + (origin + p->taps[tap] + channel)), weight));
            }
        }
        vec4_store_some(output + channel, vec4_clamp(sum, clamp), p->channels - channel);
    }
}

struct taps {
    const int32_t *distances;
    int32_t count;
    int32_t weights; /* floats from one tap's weights to the next one's */
    int32_t step;    /* floats from a position to its neighbour */
};

/* Four channels of four neighbours that see all taps, for one load of each weight. */
static inline struct vec4_four weighed(const struct taps *taps, struct vec4_four sums, const float *x,
                                       const float *weight)
{
    const float *x1 = x + taps->step;
    const float *x2 = x1 + taps->step;
    const float *x3 = x2 + taps->step;
    const int32_t *tap = taps->distances;
    for (int32_t count = taps->count; count > 0; count--, weight += taps->weights) {
        const int32_t at = *tap++;
        const vec4 w = vec4_load(weight);
        sums.a = vec4_add(sums.a, vec4_mul(vec4_load(x + at), w));
        sums.b = vec4_add(sums.b, vec4_mul(vec4_load(x1 + at), w));
        sums.c = vec4_add(sums.c, vec4_mul(vec4_load(x2 + at), w));
        sums.d = vec4_add(sums.d, vec4_mul(vec4_load(x3 + at), w));
    }
    return sums;
}

__attribute__((noinline)) static void four_positions(const struct prologue_depthwise *p, const float *origin,
                                                     float *output)
{
    const struct prologue_clamp clamp = p->clamp;
    const int32_t channels = p->channels;
    const struct taps taps = {p->taps, p->y.taps * p->x.taps, padded(p), p->x.stride * channels};
    const float *bias = p->bias;
    const float *weights = p->weights;
    float *second = output + channels;
    float *third = second + channels;
    float *fourth = third + channels;
    int32_t left = channels;
    for (; left >= LANES; left -= LANES) {
        const struct vec4_four sums = weighed(&taps, vec4_four_of(vec4_load(bias)), origin, weights);
        vec4_store(output, vec4_clamp(sums.a, clamp));
        vec4_store(second, vec4_clamp(sums.b, clamp));
        vec4_store(third, vec4_clamp(sums.c, clamp));
        vec4_store(fourth, vec4_clamp(sums.d, clamp));
        output += LANES;
        second += LANES;
        third += LANES;
        fourth += LANES;
        bias += LANES;
        weights += LANES;
        origin += LANES;
    }
    if (left > 0) {
        const struct vec4_four sums = weighed(&taps, vec4_four_of(vec4_load(bias)), origin, weights);
        vec4_store_some(output, vec4_clamp(sums.a, clamp), left);
        vec4_store_some(second, vec4_clamp(sums.b, clamp), left);
        vec4_store_some(third, vec4_clamp(sums.c, clamp), left);
        vec4_store_some(fourth, vec4_clamp(sums.d, clamp), left);
    }
}

void prologue_depthwise(const struct prologue_depthwise *p, const float *input, float *output)
{
    const struct prologue_range inside_y = prologue_inside(&p->y);
    const struct prologue_range inside_x = prologue_inside(&p->x);
    const int fours = inside_x.end - inside_x.first >= 4;
    for (int32_t y = 0; y < p->y.output; y++, output += p->x.output * p->channels) {
        const struct prologue_reach rows = prologue_reach(&p->y, y);
        const int32_t line = (rows.origin * p->x.input - p->x.pad) * p->channels;
        const int whole = fours && prologue_holds(inside_y, y, 1);
        for (int32_t x = 0; x < p->x.output;) {
            if (whole && prologue_holds(inside_x, x, 1)) {
                x = x + 4 <= inside_x.end ? x : inside_x.end - 4; /* some twice rather than one by one */
                four_positions(p, input + (line + x * p->x.stride * p->channels), output + x * p->channels);
                x += 4;
            } else {
                position(p, rows, x, input, line + x * p->x.stride * p->channels, output + x * p->channels);
                x++;
            }
        }
    }
}
