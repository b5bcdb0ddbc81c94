#include "prologue_host.h"

#include <string.h>

#include "host_float.h"

int32_t prologue_host_input_size(void)
{
    return PROLOGUE_INPUT_SIZE;
}

int32_t prologue_host_output_size(void)
{
    return PROLOGUE_OUTPUT_SIZE;
}

void prologue_host_run(const float *features, int8_t *output, prologue_observer observer)
{
    const uint64_t mode = host_float_mode();
    host_set_float_mode(mode | HOST_FLUSH_TO_ZERO);
    memcpy(prologue_input(), features, PROLOGUE_INPUT_SIZE * sizeof(float));
    prologue_run(output, observer);
    host_set_float_mode(mode);
}
