/* topk.h - the largest outputs among those that count. */
#ifndef BN_TOPK_H
#define BN_TOPK_H

#include <stdint.h>

/* What counts: index i where bit i % 8 of mask[i / 8] is set, and values of at least `lowest`. */
struct topk_filter {
    const uint8_t *mask;
    int16_t lowest;
};

/* Writes the indices of the `k` largest of `count` values that count, largest first, of equal ones the lower index
 * first; gives how many there are, `k` at most. count <= 65535. */
uint16_t topk(const int8_t *values, uint16_t count, const struct topk_filter *filter, uint16_t *indices, uint16_t k);

#endif
