#include "ring.h"

uint32_t ring_used(const struct ring *ring)
{
    return ring->head - ring->tail;
}

bool ring_put(struct ring *ring, const void *data, size_t length)
{
    if (length > ring->size - ring_used(ring)) {
        return false;
    }
    const uint8_t *byte = data;
    const uint32_t head = ring->head;
    for (size_t i = 0; i < length; i++) {
        ring->data[(head + (uint32_t)i) & (ring->size - 1)] = byte[i];
    }
    __atomic_signal_fence(__ATOMIC_RELEASE); /* the interrupt sees the bytes before it sees that they are there */
    ring->head = head + (uint32_t)length;
    return true;
}

bool ring_get(struct ring *ring, uint8_t *byte)
{
    const uint32_t tail = ring->tail;
    if (ring->head == tail) {
        return false;
    }
    *byte = ring->data[tail & (ring->size - 1)];
    __atomic_signal_fence(__ATOMIC_RELEASE); /* the byte is taken before its room is given back */
    ring->tail = tail + 1;
    return true;
}
