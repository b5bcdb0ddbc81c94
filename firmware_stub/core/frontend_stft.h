/* frontend_stft.h - magnitudes of centred, Hann-windowed frames: what hybrid and the mel frontends start from. */
#ifndef BN_FRONTEND_STFT_H
#define BN_FRONTEND_STFT_H

#include <stdint.h>

#include "frontend_config.h"
#include "frontend_lanes.h"

#ifdef FRONTEND_FFT

/* |rfft| of FRONTEND_LANES frames from `frame` on, each centred on sample `frame * FRONTEND_HOP` of the window, zeros
 * beyond both its ends, in units of full scale. Bin k of frame + j goes to magnitude[k * stride + j], k = 0..bins-1,
 * j < count; bins is FRONTEND_FFT / 2 + 1 at most. */
void frontend_stft_frames(const int16_t *pcm, int frame, float *magnitude, int stride, int bins, int count);

/* How many of FRONTEND_LANES frames from `frame` on the window has. */
static inline int frontend_frames_from(int frame)
{
    return FRONTEND_WIDTH - frame < FRONTEND_LANES ? FRONTEND_WIDTH - frame : FRONTEND_LANES;
}

#endif
#endif
