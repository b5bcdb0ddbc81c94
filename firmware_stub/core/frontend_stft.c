#include "frontend_stft.h"

#ifdef FRONTEND_FFT

#include "fft.h"
#include "frontend_tables.h"

/* Below this power (in PCM16 steps squared) there is nothing but the rounding residue of cancelled terms. Cutting it
 * off keeps squares of residues out of the denormal range, where flush-to-zero gives other bits. */
#ifdef FRONTEND_FFT_DOUBLE
#define POWER_FLOOR 1e-30
#else
#define POWER_FLOOR 1e-20f
#endif
#define PCM_SCALE ((fft_real)1 / 32768)

static lanes work_re[FFT_POINTS];
static lanes work_im[FFT_POINTS];
static lanes power[FFT_POINTS + 1];

/* Frames that lie inside the window, `step` samples apart. */
static void load(const int16_t *first, int step)
{
    for (int p = 0; p < FFT_POINTS; p++) {
        const int n = 2 * fft_order[p];
        work_re[p] = lanes_scaled(lanes_of_samples(first + n, step), frontend_window[n]);
        work_im[p] = lanes_scaled(lanes_of_samples(first + n + 1, step), frontend_window[n + 1]);
    }
}

/* Frames that reach beyond an end of the window: copied with zeros there. */
static void load_at_edge(const int16_t *pcm, int start)
{
    static int16_t samples[FRONTEND_LANES * FRONTEND_FFT];
    int16_t *sample = samples;
    for (int lane = 0; lane < FRONTEND_LANES; lane++, start += FRONTEND_HOP) {
        for (int n = start; n < start + FRONTEND_FFT; n++) {
            *sample++ = n >= 0 && n < FRONTEND_WINDOW ? pcm[n] : 0;
        }
    }
    load(samples, FRONTEND_FFT);
}

void frontend_stft_frames(const int16_t *pcm, int frame, float *magnitude, int stride, int bins, int count)
{
    const int start = frame * FRONTEND_HOP - FRONTEND_FFT / 2;
    const int end = start + (FRONTEND_LANES - 1) * FRONTEND_HOP + FRONTEND_FFT;
    if (start >= 0 && end <= FRONTEND_WINDOW) {
        load(pcm + start, FRONTEND_HOP);
    } else {
        load_at_edge(pcm, start);
    }
    fft_complex(work_re, work_im);
    fft_split(work_re, work_im, power);
    for (int k = 0; k < bins; k++, magnitude += stride) {
        const lanes scaled = lanes_scaled(lanes_root(power[k]), PCM_SCALE);
        float_lanes_store(magnitude, float_lanes_rounded(lanes_above(scaled, power[k], POWER_FLOOR)), count);
    }
}

#endif
