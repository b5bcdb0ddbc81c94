#include "frontend_host.h"

#include "frontend.h"
#include "host_float.h"

int32_t frontend_host_window(void)
{
    return FRONTEND_WINDOW;
}

int32_t frontend_host_size(void)
{
    return FRONTEND_SIZE;
}

void frontend_host_run(const int16_t *pcm, float *features)
{
    const uint64_t mode = host_float_mode();
    host_set_float_mode(mode | HOST_FLUSH_TO_ZERO);
    frontend_run(pcm, features);
    host_set_float_mode(mode);
}

void frontend_host_quantize(const float *features, int8_t *input)
{
    const uint64_t mode = host_float_mode();
    host_set_float_mode(mode | HOST_FLUSH_TO_ZERO);
    frontend_quantize(features, input);
    host_set_float_mode(mode);
}
