/* frontend_stft.h - magnitudes of one centred, Hann-windowed frame: what hybrid and the mel frontends start from. */
#ifndef BN_FRONTEND_STFT_H
#define BN_FRONTEND_STFT_H

#include <stdint.h>

#include "frontend_config.h"

#ifdef FRONTEND_FFT

/* |rfft| of the frame centred on sample `frame * FRONTEND_HOP` of the window, zeros beyond both its ends, in units of
 * full scale. Bin k goes to magnitude[k * stride], k = 0..bins-1; bins is FRONTEND_FFT / 2 + 1 at most. */
void frontend_stft_frame(const int16_t *pcm, int frame, float *magnitude, int stride, int bins);

#endif
#endif
