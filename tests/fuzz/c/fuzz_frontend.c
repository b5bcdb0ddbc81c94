/* Any window of PCM: silence, full scale, steps, noise. Features are finite, and int8 whatever they are. */
#include <math.h>
#include <string.h>

#include "frontend.h"
#include "fuzz.h"

enum { MOST_SIZE = 1 << 20 };

static int16_t pcm[FRONTEND_WINDOW];
static float features[FRONTEND_SIZE];
static int8_t input[FRONTEND_SIZE];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint32_t shift = fuzz_number(&data, &size, 1) & 15u;
    const size_t words = size / 2 < 1 ? 1 : size / 2;
    for (size_t i = 0; i < FRONTEND_WINDOW; i++) {
        int16_t word = 0;
        if (size >= 2) {
            memcpy(&word, data + 2 * (i % words), sizeof word);
        }
        pcm[i] = (int16_t)(word / (1 << shift));
    }
    frontend_run(pcm, features);
    for (size_t i = 0; i < FRONTEND_SIZE; i++) {
        PROMISE(isfinite(features[i]));
    }
    frontend_quantize(features, input);
    /* what no recording gives: the last words of the input as floats */
    for (size_t i = 0; i < FRONTEND_SIZE && 4 * i + 4 <= size; i++) {
        memcpy(&features[i], data + 4 * i, sizeof features[i]);
    }
    frontend_quantize(features, input);
    return 0;
}
