/* frontend_mel.h - the mel spectrum of frames: what librosa, log_mel and mfcc start from. */
#ifndef BN_FRONTEND_MEL_H
#define BN_FRONTEND_MEL_H

#include <stdint.h>

#include "frontend_config.h"

#ifdef FRONTEND_MELS

/* Slaney mel filters over the magnitudes (`power` 1) or the squared magnitudes (2) of FRONTEND_LANES frames as
 * frontend_stft.h cuts them, as far as the window has them. Filter m of frame + j goes to mels[m * stride + j], m = 0..FRONTEND_MELS-1; its terms are summed in the order of the bins. */
void frontend_mel_frames(const int16_t *pcm, int frame, int power, float *mels, int stride);

#endif
#endif
