#include "prologue_conv.h"

/* Values side by side times weights side by side: one position. */
static inline vec4 run_of_one(vec4 sum, const float *x, const float *weight, int32_t count)
{
    for (; count > 0; count--, x++, weight += LANES) {
        sum = vec4_add(sum, vec4_mul_by(vec4_load(weight), *x));
    }
    return sum;
}

/* Four positions that lie `step` floats apart, for one load of each weight. */
static inline struct vec4_four run_of_four(struct vec4_four sums, const float *x, int32_t step, const float *weight,
                                           int32_t count)
{
    const float *x1 = x + step;
    const float *x2 = x1 + step;
    const float *x3 = x2 + step;
    for (; count > 0; count--, weight += LANES) {
        const vec4 w = vec4_load(weight);
        sums.a = vec4_add(sums.a, vec4_mul_by(w, *x++));
        sums.b = vec4_add(sums.b, vec4_mul_by(w, *x1++));
        sums.c = vec4_add(sums.c, vec4_mul_by(w, *x2++));
        sums.d = vec4_add(sums.d, vec4_mul_by(w, *x3++));
    }
    return sums;
}

/* One row of the output: the taps of the filter that meet the input above and below are the same for all of it. */
struct line {
    struct prologue_reach rows;
    const float *input; /* the input row that tap 0 would meet */
    int32_t row;        /* floats from a tap's row to the next one's */
    int32_t filter_row; /* weights from a tap's row to the next one's */
};

static void position(const struct prologue_conv *p, const struct line *line, int32_t at, float *output)
{
    const struct prologue_clamp clamp = p->clamp;
    const struct prologue_reach reach = prologue_reach(&p->x, at);
    const int32_t together = p->x.dilation == 1 ? reach.end - reach.first : 1; /* taps that lie side by side */
    const float *weights = p->weights;
    for (int32_t channel = 0; channel < p->out_c; channel += LANES) {
        vec4 sum = vec4_load(p->bias + channel);
        for (int32_t k = line->rows.first; k < line->rows.end; k++) {
            const float *row = line->input + k * line->row;
            for (int32_t tap = reach.first; tap < reach.end; tap += together) {
                const float *x = row + (reach.origin + tap * p->x.dilation) * p->in_c;
                const float *w = weights + k * line->filter_row + tap * p->in_c * LANES;
                sum = run_of_one(sum, x, w, together * p->in_c);
            }
        }
        vec4_store_some(output + channel, vec4_clamp(sum, clamp), p->out_c - channel);
        weights += p->y.taps * line->filter_row;
    }
}

static void four_positions(const struct prologue_conv *p, const struct line *line, int32_t at, float *output)
{
    const struct prologue_clamp clamp = p->clamp;
    const int32_t together = p->x.dilation == 1 ? p->x.taps : 1;
    const int32_t step = p->x.stride * p->in_c;
    const float *input = line->input + (at * p->x.stride - p->x.pad) * p->in_c;
    const float *weights = p->weights;
    for (int32_t channel = 0; channel < p->out_c; channel += LANES) {
        struct vec4_four sums = vec4_four_of(vec4_load(p->bias + channel));
        for (int32_t k = line->rows.first; k < line->rows.end; k++) {
            const float *w = weights + k * line->filter_row;
            for (int32_t tap = 0; tap < p->x.taps; tap += together, w += together * p->in_c * LANES) {
                const float *x = input + k * line->row + tap * p->x.dilation * p->in_c;
                sums = run_of_four(sums, x, step, w, together * p->in_c);
            }
        }
        const int32_t left = p->out_c - channel;
        float *to = output + channel;
        vec4_store_some(to, vec4_clamp(sums.a, clamp), left);
        vec4_store_some(to + p->out_c, vec4_clamp(sums.b, clamp), left);
        vec4_store_some(to + 2 * p->out_c, vec4_clamp(sums.c, clamp), left);
        vec4_store_some(to + 3 * p->out_c, vec4_clamp(sums.d, clamp), left);
        weights += p->y.taps * line->filter_row;
    }
}

void prologue_conv(const struct prologue_conv *p, const float *input, float *output)
{
    const int32_t input_row = p->x.input * p->in_c;
    struct line line = {.row = p->y.dilation * input_row, .filter_row = p->x.taps * p->in_c * LANES};
    for (int32_t y = 0; y < p->y.output; y++) {
        line.rows = prologue_reach(&p->y, y);
        line.input = input + line.rows.origin * input_row;
        for (int32_t x = 0; x < p->x.output;) {
            if (prologue_inside(&p->x, x) == 4) {
                four_positions(p, &line, x, output);
                x += 4;
                output += 4 * p->out_c;
            } else {
                position(p, &line, x, output);
                x++;
                output += p->out_c;
            }
        }
    }
}
