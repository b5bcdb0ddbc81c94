#include "frontend_mel.h"

#ifdef FRONTEND_MELS

#include "frontend_stft.h"
#include "frontend_tables.h"

#define BINS (FRONTEND_FFT / 2 + 1)

static float spectrum[BINS * FRONTEND_LANES];

static inline float_lanes weighted_sum(const float *weights, const float *bins, int taps)
{
    float_lanes sum = float_lanes_of(0.0f);
    for (int tap = 0; tap < taps; tap++) {
        sum += float_lanes_scaled(float_lanes_load(bins + tap * FRONTEND_LANES), weights[tap]);
    }
    return sum;
}

void frontend_mel_frames(const int16_t *pcm, int frame, int power, float *mels, int stride)
{
    const int count = frontend_frames_from(frame);
    frontend_stft_frames(pcm, frame, spectrum, FRONTEND_LANES, BINS, FRONTEND_LANES);
    if (power == 2) {
        for (int k = 0; k < BINS; k++) {
            const float_lanes magnitude = float_lanes_load(spectrum + k * FRONTEND_LANES);
            float_lanes_store(spectrum + k * FRONTEND_LANES, magnitude * magnitude, FRONTEND_LANES);
        }
    }
    const float *weights = mel_weights;
    for (int m = 0; m < FRONTEND_MELS; m++) {
        const float *bins = spectrum + mel_first[m] * FRONTEND_LANES;
        float_lanes_store(mels + m * stride, weighted_sum(weights, bins, mel_taps[m]), count);
        weights += mel_taps[m];
    }
}

#endif
