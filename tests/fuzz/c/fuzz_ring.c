/* Pieces in and bytes out in any order, beside a plain list; the counters begin shortly before they wrap. */
#include <string.h>

#include "fuzz.h"
#include "ring.h"

enum { SIZE = 16, LIST = 1 << 16 };

static uint8_t list[LIST];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes = malloc(SIZE);
    const uint32_t begin = UINT32_MAX - fuzz_number(&data, &size, 1);
    struct ring ring = {.data = bytes, .size = SIZE, .head = begin, .tail = begin};
    size_t in = 0, out = 0;
    while (size > 0 && in + SIZE < LIST) {
        const uint32_t step = fuzz_number(&data, &size, 1);
        uint8_t byte = 0;
        if (step & 1u) {
            const size_t length = step >> 1 < size ? step >> 1 : size;
            if (ring_put(&ring, data, length)) {
                PROMISE(in - out + length <= SIZE);
                memcpy(list + in, data, length);
                in += length;
                data += length;
                size -= length;
            } else {
                PROMISE(in - out + length > SIZE);
            }
        } else if (ring_get(&ring, &byte)) {
            PROMISE(out < in && byte == list[out]);
            out++;
        } else {
            PROMISE(in == out);
        }
        PROMISE(ring_used(&ring) == in - out);
    }
    free(bytes);
    return 0;
}
