#include "topk.h"

#include <stdbool.h>

/* Whether value `a` at index `i` stands before value `b` at index `j`. */
static bool before(int8_t a, uint16_t i, int8_t b, uint16_t j)
{
    return a > b || (a == b && i < j);
}

static bool counts(const struct topk_filter *filter, int8_t value, uint16_t index)
{
    return value >= filter->lowest && ((filter->mask[index / 8] >> (index % 8)) & 1) != 0;
}

uint16_t topk(const int8_t *values, uint16_t count, const struct topk_filter *filter, uint16_t *indices, uint16_t k)
{
    for (uint16_t rank = 0; rank < k; rank++) {
        bool found = false;
        uint16_t best = 0;
        for (uint16_t i = 0; i < count; i++) {
            const bool taken = rank > 0 && !before(values[indices[rank - 1]], indices[rank - 1], values[i], i);
            if (!taken && counts(filter, values[i], i) && (!found || before(values[i], i, values[best], best))) {
                best = i;
                found = true;
            }
        }
        if (!found) {
            return rank;
        }
        indices[rank] = best;
    }
    return k;
}
