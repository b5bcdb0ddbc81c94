/* frontend_tables.h - the rendered constants of the frontend (frontend_tables.c). */
#ifndef BN_FRONTEND_TABLES_H
#define BN_FRONTEND_TABLES_H

#include <stdint.h>

#include "fft.h"
#include "frontend_config.h"

#ifdef FRONTEND_FFT
extern const fft_real frontend_window[FRONTEND_FFT]; /* the periodic Hann window, halved (fft.h says why) */
#endif

#ifdef FRONTEND_MELS
/* Mel filter m weighs mel_taps[m] bins from mel_first[m] on; its weights follow those of filter m - 1. */
extern const uint16_t mel_first[FRONTEND_MELS];
extern const uint16_t mel_taps[FRONTEND_MELS];
extern const float mel_weights[FRONTEND_MEL_WEIGHTS];
#endif

#ifdef FRONTEND_MFCC
extern const float dct_cosines[FRONTEND_ROWS * FRONTEND_MELS]; /* the orthonormal DCT-II, a row a coefficient */
#endif

#endif
