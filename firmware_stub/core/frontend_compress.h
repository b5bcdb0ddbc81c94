/* frontend_compress.h - the config's input_compression of a magnitude spectrogram, in place. */
#ifndef BN_FRONTEND_COMPRESS_H
#define BN_FRONTEND_COMPRESS_H

#include "frontend_config.h"
#include "frontend_math.h"

#if defined(FRONTEND_COMPRESSION_SQRT)

static inline void frontend_compress(float *values, int count)
{
    for (int i = 0; i < count; i++) {
        values[i] = frontend_sqrt(values[i]);
    }
}

#elif defined(FRONTEND_COMPRESSION_LOG)

/* Natural logarithm, floored 80 dB below the window's own peak; a silent window counts as one of peak 1e-10. */
static inline void frontend_compress(float *values, int count)
{
    float peak = 1e-10f;
    for (int i = 0; i < count; i++) {
        peak = values[i] > peak ? values[i] : peak;
    }
    const float floor = peak * 1e-4f;
    for (int i = 0; i < count; i++) {
        values[i] = frontend_log(values[i] > floor ? values[i] : floor);
    }
}

#elif defined(FRONTEND_COMPRESSION_NONE)

static inline void frontend_compress(float *values, int count)
{
    (void)values;
    (void)count;
}

#endif
#endif
