#include "frontend_stft.h"

#ifdef FRONTEND_FFT

#include "fft.h"
#include "frontend_math.h"
#include "frontend_tables.h"

/* Below this power (in PCM16 steps squared) there is nothing but the rounding residue of cancelled terms. Cutting it
 * off keeps squares of residues out of the denormal range, where flush-to-zero gives other bits. */
#define POWER_FLOOR 1e-20f
#define PCM_SCALE (1.0f / 32768.0f)

static float work_re[FFT_POINTS];
static float work_im[FFT_POINTS];
static float power[FFT_POINTS + 1];

static void load_inside(const int16_t *first)
{
    for (int p = 0; p < FFT_POINTS; p++) {
        const int n = 2 * fft_order[p];
        work_re[p] = (float)first[n] * frontend_window[n];
        work_im[p] = (float)first[n + 1] * frontend_window[n + 1];
    }
}

static inline float sample_at(const int16_t *pcm, int n)
{
    return n >= 0 && n < FRONTEND_WINDOW ? (float)pcm[n] : 0.0f;
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
        *magnitude = power[k] < POWER_FLOOR ? 0.0f : frontend_sqrt(power[k]) * PCM_SCALE;
    }
}

#endif
