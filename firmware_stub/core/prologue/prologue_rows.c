#include "prologue_rows.h"

enum { BLOCK = 4 * LANES };

/* Where the runs and weights of one row are. */
struct row {
    const int32_t *first;
    const int32_t *taps;
    const float *weights;
    int32_t runs;
    float bias;
};

static inline void block(const struct prologue_rows *p, const struct row *row, const float *input, float *output)
{
    const struct prologue_clamp clamp = p->clamp;
    struct vec4_four sums = vec4_four_of(vec4_all(row->bias));
    const float *weight = row->weights;
    for (int32_t run = 0; run < row->runs; run++) {
        const float *x = input + row->first[run] * p->length;
        for (int32_t tap = row->taps[run]; tap > 0; tap--, x += p->length) {
            const float w = *weight++;
            sums.a = vec4_add(sums.a, vec4_mul_by(vec4_load(x), w));
            sums.b = vec4_add(sums.b, vec4_mul_by(vec4_load(x + LANES), w));
            sums.c = vec4_add(sums.c, vec4_mul_by(vec4_load(x + 2 * LANES), w));
            sums.d = vec4_add(sums.d, vec4_mul_by(vec4_load(x + 3 * LANES), w));
        }
    }
    vec4_store(output, vec4_clamp(sums.a, clamp));
    vec4_store(output + LANES, vec4_clamp(sums.b, clamp));
    vec4_store(output + 2 * LANES, vec4_clamp(sums.c, clamp));
    vec4_store(output + 3 * LANES, vec4_clamp(sums.d, clamp));
}

static inline void rest(const struct prologue_rows *p, const struct row *row, const float *input, float *output,
                        int32_t count)
{
    const struct prologue_clamp clamp = p->clamp;
    vec4 sum = vec4_all(row->bias);
    const float *weight = row->weights;
    for (int32_t run = 0; run < row->runs; run++) {
        const float *x = input + row->first[run] * p->length;
        for (int32_t tap = row->taps[run]; tap > 0; tap--, x += p->length) {
            sum = vec4_add(sum, vec4_mul_by(vec4_load(x), *weight++));
        }
    }
    vec4_store_some(output, vec4_clamp(sum, clamp), count);
}

void prologue_rows(const struct prologue_rows *p, const float *input, float *output)
{
    struct row row = {.first = p->first, .taps = p->taps, .weights = p->weights};
    for (int32_t r = 0; r < p->rows; r++, output += p->length) {
        row.runs = p->runs[r];
        row.bias = p->bias[r];
        int32_t at = 0;
        for (; at + BLOCK <= p->length; at += BLOCK) {
            block(p, &row, input + at, output + at);
        }
        for (; at < p->length; at += LANES) {
            rest(p, &row, input + at, output + at, p->length - at);
        }
        for (int32_t run = 0; run < row.runs; run++) {
            row.weights += row.taps[run];
        }
        row.first += row.runs;
        row.taps += row.runs;
    }
}
