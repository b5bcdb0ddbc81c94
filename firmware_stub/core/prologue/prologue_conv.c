#include "prologue_conv.h"

/* What four neighbouring positions see, side by side for each tap, so that one pointer leads through all of them. */

static void gather_inside(const struct prologue_conv *p, const float *origin, float *patch)
{
    const int32_t step = p->x.stride * p->in_c;
    const int32_t row = p->y.dilation * p->x.input * p->in_c;
    const int32_t together = p->x.dilation == 1 ? p->x.taps * p->in_c : p->in_c;
    const int32_t apart = p->x.dilation == 1 ? 1 : p->x.taps;
    const vec4_steps steps = vec4_steps_of(step);
    for (int32_t k = 0; k < p->y.taps; k++, origin += row) {
        for (int32_t tap = 0; tap < apart; tap++) {
            const float *x = origin + tap * p->x.dilation * p->in_c;
            for (int32_t i = together; i > 0; i--, x++, patch += LANES) {
                vec4_store(patch, vec4_gather(x, steps));
            }
        }
    }
}

/* One position, wherever it lies; `patch` is its first value. Out of line, for the registers of what is not rare. */
__attribute__((noinline)) static void gather_at_edge(const struct prologue_conv *p, const float *input, int32_t y, int32_t x, float *patch)
{
    for (int32_t k = 0; k < p->y.taps; k++) {
        const int32_t in_y = y * p->y.stride - p->y.pad + k * p->y.dilation;
        for (int32_t tap = 0; tap < p->x.taps; tap++) {
            const int32_t in_x = x * p->x.stride - p->x.pad + tap * p->x.dilation;
            const int inside = in_y >= 0 && in_y < p->y.input && in_x >= 0 && in_x < p->x.input;
            const int32_t from = (in_y * p->x.input + in_x) * p->in_c;
            for (int32_t i = 0; i < p->in_c; i++, patch += LANES) {
                *patch = inside ? input[from + i] : 0.0f;
            }
        }
    }
}

static inline struct vec4_four weighed(struct vec4_four sums, const float *patch, const float *weight, int32_t depth)
{
    for (; depth > 0; depth--, patch += LANES, weight += LANES) {
        const vec4 w = vec4_load(weight);
        sums.a = vec4_add(sums.a, vec4_mul_by(w, patch[0]));
        sums.b = vec4_add(sums.b, vec4_mul_by(w, patch[1]));
        sums.c = vec4_add(sums.c, vec4_mul_by(w, patch[2]));
        sums.d = vec4_add(sums.d, vec4_mul_by(w, patch[3]));
    }
    return sums;
}

struct group {
    int32_t depth;
    const float *weights;
    const float *bias;
};

/* Four channels of up to four positions that lie `step` apart; of the channels the first `left`. */
__attribute__((noinline)) static void some(const struct group *group, struct prologue_clamp clamp, const float *patch,
                                           float *output, int32_t step, int32_t count, int32_t left)
{
    const struct vec4_four none = vec4_four_of(vec4_load(group->bias));
    const struct vec4_four sums = weighed(none, patch, group->weights, group->depth);
    const vec4 all[] = {sums.a, sums.b, sums.c, sums.d};
    for (int32_t i = 0; i < count; i++) {
        vec4_store_some(output + i * step, vec4_clamp(all[i], clamp), left);
    }
}

/* All channels of up to four positions. */
__attribute__((noinline)) static void positions(const struct prologue_conv *p, const float *patch, int32_t count,
                                                float *output)
{
    const struct prologue_clamp clamp = p->clamp;
    const int32_t out_c = p->out_c;
    struct group group = {p->y.taps * p->x.taps * p->in_c, p->weights, p->bias};
    int32_t left = out_c;
    if (count == 4) {
        float *second = output + out_c;
        float *third = second + out_c;
        float *fourth = third + out_c;
        for (; left >= LANES; left -= LANES) {
            const struct vec4_four none = vec4_four_of(vec4_load(group.bias));
            const struct vec4_four sums = weighed(none, patch, group.weights, group.depth);
            vec4_store(output, vec4_clamp(sums.a, clamp));
            vec4_store(second, vec4_clamp(sums.b, clamp));
            vec4_store(third, vec4_clamp(sums.c, clamp));
            vec4_store(fourth, vec4_clamp(sums.d, clamp));
            output += LANES;
            second += LANES;
            third += LANES;
            fourth += LANES;
            group.weights += group.depth * LANES;
            group.bias += LANES;
        }
    }
    for (; left > 0; left -= LANES, output += LANES) {
        some(&group, clamp, patch, output, out_c, count, left);
        group.weights += group.depth * LANES;
        group.bias += LANES;
    }
}

void prologue_conv(const struct prologue_conv *p, const float *input, float *output, float *patch)
{
    const struct prologue_range rows = prologue_inside(&p->y);
    const struct prologue_range columns = prologue_inside(&p->x);
    for (int32_t y = 0; y < p->y.output; y++) {
        const int32_t in_y = y * p->y.stride - p->y.pad;
        for (int32_t x = 0; x < p->x.output; x += 4) {
            const int32_t count = p->x.output - x < 4 ? p->x.output - x : 4;
            if (prologue_holds(rows, y, 1) && prologue_holds(columns, x, 4)) {
                gather_inside(p, input + (in_y * p->x.input + x * p->x.stride - p->x.pad) * p->in_c, patch);
            } else {
                for (int32_t i = 0; i < count; i++) {
                    gather_at_edge(p, input, y, x + i, patch + i);
                }
            }
            positions(p, patch, count, output);
            output += count * p->out_c;
        }
    }
}
