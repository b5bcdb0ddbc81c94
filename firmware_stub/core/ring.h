/* ring.h - bytes on their way between the application and an interrupt, either way: one writer, one reader, no lock.
 *
 * A piece goes in whole or not at all. The writer moves `head`, the reader `tail`; both count bytes since boot and wrap.
 */
#ifndef BN_RING_H
#define BN_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
    uint8_t *data;
    uint32_t size; /* a power of two */
    volatile uint32_t head;
    volatile uint32_t tail;
};

/* False, and nothing written, where there is no room for all of it. */
bool ring_put(struct ring *ring, const void *data, size_t length);
/* False where it is empty. */
bool ring_get(struct ring *ring, uint8_t *byte);
uint32_t ring_used(const struct ring *ring);

#endif
