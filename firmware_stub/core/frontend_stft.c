#include "frontend_stft.h"

#ifdef FRONTEND_FFT

#include "fft.h"
#include "frontend_math.h"
#include "frontend_tables.h"

/* Below this power (in PCM16 steps squared) there is nothing but the rounding residue of cancelled terms. Cutting it
 * off keeps squares of residues out of the denormal range, where flush-to-zero gives other bits. */
#ifdef FRONTEND_FFT_DOUBLE
#define POWER_FLOOR 1e-30
static inline double root(double x) { return __builtin_sqrt(x); }
#else
#define POWER_FLOOR 1e-20f
static inline float root(float x) { return frontend_sqrt(x); }
#endif
#define PCM_SCALE ((fft_real)1 / 32768)

static fft_real work_re[FFT_POINTS];
static fft_real work_im[FFT_POINTS];
static fft_real power[FFT_POINTS + 1];

static void load_inside(const int16_t *first)
{
    for (int p = 0; p < FFT_POINTS; p++) {
        const int n = 2 * fft_order[p];
        work_re[p] = (fft_real)first[n] * frontend_window[n];
        work_im[p] = (fft_real)first[n + 1] * frontend_window[n + 1];
    }
}

static inline fft_real sample_at(const int16_t *pcm, int n)
{
    return n >= 0 && n < FRONTEND_WINDOW ? (fft_real)pcm[n] : 0;
}

static void load_at_edge(const int16_t *pcm, int start)
{
    for (int p = 0; p < FFT_POINTS; p++) {
        const int n = 2 * fft_order[p];
        work_re[p] = sample_at(pcm, start + n) * frontend_window[n];
        work_im[p] = sample_at(pcm, start + n + 1) * frontend_window[n + 1];
    }
}

void frontend_stft_frame(const int16_t *pcm, int frame, float *magnitude, int stride, int bins)
{
    const int start = frame * FRONTEND_HOP - FRONTEND_FFT / 2;
    if (start >= 0 && start + FRONTEND_FFT <= FRONTEND_WINDOW) {
        load_inside(pcm + start);
    } else {
        load_at_edge(pcm, start);
    }
    fft_complex(work_re, work_im);
    fft_split(work_re, work_im, power);
    for (int k = 0; k < bins; k++, magnitude += stride) {
        *magnitude = power[k] < POWER_FLOOR ? 0.0f : (float)(root(power[k]) * PCM_SCALE);
    }
}

#endif
