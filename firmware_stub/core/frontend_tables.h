/* frontend_tables.h - the rendered constants of the frontend (frontend_tables.c). */
#ifndef BN_FRONTEND_TABLES_H
#define BN_FRONTEND_TABLES_H

#include <stdint.h>

#include "fft.h"
#include "frontend_config.h"

#ifdef FRONTEND_FFT
extern const float frontend_window[FRONTEND_FFT]; /* the periodic Hann window, halved (fft.h says why) */
#endif

#endif
