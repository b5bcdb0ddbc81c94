#include "prologue_depthwise.h"

/* Distances in floats, the same for all of a map. */
struct steps {
    int32_t row;        /* from a tap's row to the next one's */
    int32_t column;     /* from a tap to the next of its row */
    int32_t position;   /* from an output's tap to the next output's */
    int32_t padded;     /* from a tap's weights to the next one's */
    int32_t filter_row; /* from the weights of a tap's row to the next one's */
};

static void position(const struct prologue_depthwise *p, const struct steps *steps, struct prologue_reach rows,
                     const float *line, int32_t at, float *output)
{
    const struct prologue_clamp clamp = p->clamp;
    const struct prologue_reach reach = prologue_reach(&p->x, at);
    for (int32_t channel = 0; channel < p->channels; channel += LANES) {
        vec4 sum = vec4_load(p->bias + channel);
        for (int32_t k = rows.first; k < rows.end; k++) {
            const float *x = line + k * steps->row + reach.origin * p->channels + channel;
            const float *w = p->weights + k * steps->filter_row + channel;
            for (int32_t tap = reach.first; tap < reach.end; tap++) {
                sum = vec4_add(sum, vec4_mul(vec4_load(x + tap * steps->column), vec4_load(w + tap * steps->padded)));
            }
        }
        vec4_store_some(output + channel, vec4_clamp(sum, clamp), p->channels - channel);
    }
}

/* Four neighbours for one load of each weight. */
static inline struct vec4_four taps_of_four(struct vec4_four sums, const float *x, const struct steps *steps,
                                            const float *w, int32_t taps)
{
    const float *x1 = x + steps->position;
    const float *x2 = x1 + steps->position;
    const float *x3 = x2 + steps->position;
    const int32_t column = steps->column;
    for (int32_t at = 0; taps > 0; taps--, at += column, w += steps->padded) {
        const vec4 weight = vec4_load(w);
        sums.a = vec4_add(sums.a, vec4_mul(vec4_load(x + at), weight));
        sums.b = vec4_add(sums.b, vec4_mul(vec4_load(x1 + at), weight));
        sums.c = vec4_add(sums.c, vec4_mul(vec4_load(x2 + at), weight));
        sums.d = vec4_add(sums.d, vec4_mul(vec4_load(x3 + at), weight));
    }
    return sums;
}

static void four_positions(const struct prologue_depthwise *p, const struct steps *steps, struct prologue_reach rows,
                           const float *line, int32_t at, float *output)
{
    const struct prologue_clamp clamp = p->clamp;
    const float *input = line + (at * p->x.stride - p->x.pad) * p->channels;
    for (int32_t channel = 0; channel < p->channels; channel += LANES) {
        struct vec4_four sums = vec4_four_of(vec4_load(p->bias + channel));
        for (int32_t k = rows.first; k < rows.end; k++) {
            const float *w = p->weights + k * steps->filter_row + channel;
            sums = taps_of_four(sums, input + k * steps->row + channel, steps, w, p->x.taps);
        }
        const int32_t left = p->channels - channel;
        float *to = output + channel;
        vec4_store_some(to, vec4_clamp(sums.a, clamp), left);
        vec4_store_some(to + p->channels, vec4_clamp(sums.b, clamp), left);
        vec4_store_some(to + 2 * p->channels, vec4_clamp(sums.c, clamp), left);
        vec4_store_some(to + 3 * p->channels, vec4_clamp(sums.d, clamp), left);
    }
}

void prologue_depthwise(const struct prologue_depthwise *p, const float *input, float *output)
{
    const int32_t input_row = p->x.input * p->channels;
    const int32_t padded = (p->channels + LANES - 1) / LANES * LANES;
    const struct steps steps = {
        .row = p->y.dilation * input_row,
        .column = p->x.dilation * p->channels,
        .position = p->x.stride * p->channels,
        .padded = padded,
        .filter_row = p->x.taps * padded,
    };
    for (int32_t y = 0; y < p->y.output; y++) {
        const struct prologue_reach rows = prologue_reach(&p->y, y);
        const float *line = input + rows.origin * input_row;
        for (int32_t x = 0; x < p->x.output;) {
            if (prologue_inside(&p->x, x) == 4) {
                four_positions(p, &steps, rows, line, x, output);
                x += 4;
                output += 4 * p->channels;
            } else {
                position(p, &steps, rows, line, x, output);
                x++;
                output += p->channels;
            }
        }
    }
}
