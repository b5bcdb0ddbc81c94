#include "nn_dense.h"

#if !NN_HELIUM

enum { GROUP = NN_DENSE_GROUP, BLOCK = NN_DENSE_BLOCK };

static inline int32_t at_once(int32_t left)
{
    return left < BLOCK ? left : BLOCK;
}

void nn_dense_column(const struct nn_dense *dense, const int8_t *column, int8_t *output)
{
    const int8_t *weight = dense->weights;
    int32_t sums[NN_CHANNELS_AT_ONCE];
    for (int32_t first = 0; first < dense->count; first += NN_CHANNELS_AT_ONCE) {
        const int32_t count = nn_channels_at_once(dense->count - first);
        for (int32_t i = 0; i < count; i += GROUP) {
            int32_t a = 0, b = 0, c = 0, d = 0;
            for (int32_t k = 0; k < dense->depth; k += BLOCK, weight += GROUP * BLOCK) {
                const int32_t taps = at_once(dense->depth - k);
                for (int32_t j = 0; j < taps; j++) {
                    const int32_t x = column[k + j];
                    a += weight[j] * x;
                    b += weight[j + BLOCK] * x;
                    c += weight[j + 2 * BLOCK] * x;
                    d += weight[j + 3 * BLOCK] * x;
                }
            }
            sums[i] = a;
            sums[i + 1] = b;
            sums[i + 2] = c;
            sums[i + 3] = d;
        }
        nn_channels_finish(&dense->channels, first, count, sums, output + first);
    }
}

/* Four channels of two columns, each value loaded once. Two columns, one pointer: that leaves a register for every
 * sum. */
static void sum_pairs(const int8_t *weight, const int8_t *pair, int32_t depth, int32_t *sums_x, int32_t *sums_y)
{
    int32_t x0 = 0, x1 = 0, x2 = 0, x3 = 0, y0 = 0, y1 = 0, y2 = 0, y3 = 0;
    for (int32_t k = 0; k < depth; k += BLOCK, weight += (GROUP - 1) * BLOCK) {
        const int8_t *const end = pair + 2 * at_once(depth - k);
        for (; pair < end; pair += 2, weight++) {
            const int32_t x = pair[0];
            const int32_t y = pair[1];
            int32_t w = weight[0];
            x0 += w * x;
            y0 += w * y;
            w = weight[BLOCK];
            x1 += w * x;
            y1 += w * y;
            w = weight[2 * BLOCK];
            x2 += w * x;
            y2 += w * y;
            w = weight[3 * BLOCK];
            x3 += w * x;
            y3 += w * y;
        }
    }
    sums_x[0] = x0;
    sums_x[1] = x1;
    sums_x[2] = x2;
    sums_x[3] = x3;
    sums_y[0] = y0;
    sums_y[1] = y1;
    sums_y[2] = y2;
    sums_y[3] = y3;
}

static void pack(const int8_t *x, const int8_t *y, int32_t depth, int8_t *pairs)
{
    for (int32_t i = 0; i < depth; i++, pairs += 2) {
        pairs[0] = x[i];
        pairs[1] = y[i];
    }
}

void nn_dense_columns(const struct nn_dense *dense, const int8_t *column0, const int8_t *column1, int8_t *output0,
                      int8_t *output1, int8_t *pairs)
{
    const int32_t group_bytes = nn_dense_group_bytes(dense->depth);
    const int8_t *weight = dense->weights;
    int32_t sums0[NN_CHANNELS_AT_ONCE];
    int32_t sums1[NN_CHANNELS_AT_ONCE];
    pack(column0, column1, dense->depth, pairs);
    for (int32_t first = 0; first < dense->count; first += NN_CHANNELS_AT_ONCE) {
        const int32_t count = nn_channels_at_once(dense->count - first);
        for (int32_t i = 0; i < count; i += GROUP, weight += group_bytes)
            sum_pairs(weight, pairs, dense->depth, sums0 + i, sums1 + i);
        nn_channels_finish(&dense->channels, first, count, sums0, output0 + first);
        nn_channels_finish(&dense->channels, first, count, sums1, output1 + first);
    }
}

#endif
