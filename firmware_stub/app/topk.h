/* topk.h - the largest outputs. */
#ifndef BN_TOPK_H
#define BN_TOPK_H

#include <stdint.h>

/* Writes the indices of the `k` largest of `count` values, largest first, of equal ones the lower index first.
 * k <= count <= 65535. */
void topk(const int8_t *values, uint16_t count, uint16_t *indices, uint16_t k);

#endif
