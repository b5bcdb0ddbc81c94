/* For boards without a microphone. */
#include "port.h"

int port_microphone_start(uint32_t sample_rate)
{
    (void)sample_rate;
    return BN_ENOENT;
}

int port_microphone_read(int16_t *pcm, size_t samples)
{
    (void)pcm;
    (void)samples;
    return BN_ENOENT;
}

uint32_t port_microphone_lost(void)
{
    return 0;
}

int port_microphone_stop(void)
{
    return BN_ENOENT;
}
