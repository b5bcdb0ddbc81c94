/* Runs network_run over the inputs of inputs.bin on QEMU's mps3-an547, by semihosting alone: outputs.bin gets the
 * outputs, counts.bin the counter's ticks of each run, layers.bin those of each kernel call where calls are wrapped. */
#include "counting.h"
#include "harness_config.h"
#include "network.h"

static uint32_t layers[HARNESS_STEPS + 1];
static uint32_t layer_count;

#define WRAPPED(kernel)                                                                                                \
    int __real_##kernel(const void *, const void *, const void *, const void *, const void *, const void *);           \
    int __wrap_##kernel(const void *, const void *, const void *, const void *, const void *, const void *);           \
    int __wrap_##kernel(const void *a, const void *b, const void *c, const void *d, const void *e, const void *f)      \
    {                                                                                                                  \
        const uint32_t before = ticks_now();                                                                           \
        const int status = __real_##kernel(a, b, c, d, e, f);                                                          \
        layers[layer_count < HARNESS_STEPS ? layer_count++ : HARNESS_STEPS] = ticks_now() - before;                    \
        return status;                                                                                                 \
    }
HARNESS_WRAPPED

void run_all(void)
{
    const int inputs = opened("inputs.bin", 10, 1); /* rb */
    const int outputs = opened("outputs.bin", 11, 5);
    const int counts = opened("counts.bin", 10, 5);
    const int layers_out = opened("layers.bin", 10, 5);
    const uint32_t overhead = ticks_of(empty_run);
    while (moved(0x06, inputs, network_input(), HARNESS_INPUT) == 0) {
        layer_count = 0;
        const uint32_t ticks = ticks_of(network_run) - overhead;
        if (moved(0x05, outputs, network_output(), HARNESS_OUTPUT) != 0 ||
            moved(0x05, counts, &ticks, sizeof ticks) != 0 || moved(0x05, layers_out, layers, sizeof layers) != 0) {
            leave(3);
        }
    }
    leave(0);
}
