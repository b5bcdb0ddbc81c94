/* frontend_mel.h - the mel spectrum of one frame: what librosa, log_mel and mfcc start from. */
#ifndef BN_FRONTEND_MEL_H
#define BN_FRONTEND_MEL_H

#include <stdint.h>

#include "frontend_config.h"

#ifdef FRONTEND_MELS

/* Slaney mel filters over the magnitudes (`power` 1) or the squared magnitudes (2) of a frame as frontend_stft.h cuts
 * it. Filter m goes to mels[m * stride], m = 0..FRONTEND_MELS-1; its terms are summed in the order of the bins. */
void frontend_mel_frame(const int16_t *pcm, int frame, int power, float *mels, int stride);

#endif
#endif
