/* frontend_compress.h - the config's input_compression of a magnitude spectrogram, in place. */
#ifndef BN_FRONTEND_COMPRESS_H
#define BN_FRONTEND_COMPRESS_H

#include "frontend_config.h"
#include "frontend_lanes_math.h"

#if defined(FRONTEND_COMPRESSION_SQRT)

static inline void frontend_compress(float *values, int count)
{
    for (int i = 0; i < count; i += FRONTEND_LANES) {
        const float_lanes x = float_lanes_load_some(values + i, count - i);
        float_lanes_store(values + i, float_lanes_root(x), count - i);
    }
}

#elif defined(FRONTEND_COMPRESSION_LOG)

/* Natural logarithm, floored 80 dB below the window's own peak; a silent window counts as one of peak 1e-10. */
static inline void frontend_compress(float *values, int count)
{
    float_lanes peaks = float_lanes_of(1e-10f);
    for (int i = 0; i < count; i += FRONTEND_LANES) {
        peaks = float_lanes_higher(float_lanes_load_some(values + i, count - i), peaks);
    }
    const float_lanes floor = float_lanes_of(float_lanes_highest(peaks) * 1e-4f);
    for (int i = 0; i < count; i += FRONTEND_LANES) {
        const float_lanes x = float_lanes_load_some(values + i, count - i);
        float_lanes_store(values + i, float_lanes_log(float_lanes_higher(x, floor)), count - i);
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
