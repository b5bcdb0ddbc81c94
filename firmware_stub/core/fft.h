/* fft.h - the FFT of real frames, as many at once as there are lanes, in float or, for PCEN, in double.
 *
 * A real transform of FRONTEND_FFT samples is a complex one of half as many points, z[n] = x[2n] + i x[2n+1], and a
 * split. The complex one is decimated in time by 4 (after one radix-2 stage where the number of points is an odd power
 * of two) and works in place on points that the caller has put in `fft_order`. Without contraction to fused
 * multiply-adds it gives the same bits everywhere; birdnet_deploy/audio/fft.py states the same sums in numpy.
 *
 * Source of the algorithm: Van Loan, Computational Frameworks for the Fast Fourier Transform (SIAM 1992), 2.4 and 4.3.
 */
#ifndef BN_FFT_H
#define BN_FFT_H

#include <stdint.h>

#include "frontend_config.h"
#include "frontend_lanes.h"

#ifdef FRONTEND_FFT

#define FFT_POINTS (FRONTEND_FFT / 2)
/* 2048, 512, 128 and 32 points are odd powers of two: their first stage joins by 2, then by 4. */
#define FFT_FIRST_LENGTH ((FFT_POINTS & 0xAAA) ? 2 : 4)
#define FFT_TWIDDLES (2 * (FFT_POINTS - FFT_FIRST_LENGTH))

extern const uint16_t fft_order[FFT_POINTS];      /* position p of the work arrays holds z[fft_order[p]] */
extern const fft_real fft_twiddles[FFT_TWIDDLES]; /* cos, sin of -2 pi j k / (4 L): j = 1..3, k < L, L a stage */
extern const fft_real fft_split_twiddles[FFT_POINTS + 2]; /* cos, sin of -2 pi k / FRONTEND_FFT, k = 0..FFT_POINTS/2 */

/* Transforms FFT_POINTS complex points in place, from `fft_order` to natural order. */
void fft_complex(lanes *re, lanes *im);

/* |X[k]|^2 for k = 0..FFT_POINTS of the real frames whose complex transforms are re, im. Give it frames of halved
 * samples: the split's factor 1/2 is in the caller's window table. */
void fft_split(const lanes *re, const lanes *im, lanes *power);

#endif
#endif
