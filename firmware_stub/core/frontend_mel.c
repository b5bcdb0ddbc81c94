#include "frontend_mel.h"

#ifdef FRONTEND_MELS

#include "frontend_stft.h"
#include "frontend_tables.h"

#define BINS (FRONTEND_FFT / 2 + 1)

static float spectrum[BINS];

static inline float weighted_sum(const float *weights, const float *bins, int taps)
{
    float sum = 0.0f;
    for (int tap = 0; tap < taps; tap++) {
        sum += weights[tap] * bins[tap];
    }
    return sum;
}

void frontend_mel_frame(const int16_t *pcm, int frame, int power, float *mels, int stride)
{
    frontend_stft_frame(pcm, frame, spectrum, 1, BINS);
    if (power == 2) {
        for (int k = 0; k < BINS; k++) {
            spectrum[k] *= spectrum[k];
        }
    }
    const float *weights = mel_weights;
    for (int m = 0; m < FRONTEND_MELS; m++) {
        mels[m * stride] = weighted_sum(weights, spectrum + mel_first[m], mel_taps[m]);
        weights += mel_taps[m];
    }
}

#endif
