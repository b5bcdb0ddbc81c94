#include "frontend_scale.h"

#include "frontend_math.h"
#include "frontend_normalize.h"

#ifdef FRONTEND_LIBROSA

#if defined(FRONTEND_MAG_SCALE_NONE)

#include "frontend_compress.h"

void frontend_scale(float *mels)
{
    frontend_compress(mels, FRONTEND_SIZE);
}

#elif defined(FRONTEND_MAG_SCALE_PWL)

static inline float above(float x, float threshold)
{
    return x > threshold ? x - threshold : 0.0f;
}

void frontend_scale(float *mels)
{
    frontend_normalize(mels, FRONTEND_SIZE);
    for (int i = 0; i < FRONTEND_SIZE; i++) {
        const float x = mels[i];
        mels[i] = 0.40f * x + 0.25f * above(x, 0.10f) + 0.15f * above(x, 0.35f) + 0.08f * above(x, 0.65f);
    }
}

#elif defined(FRONTEND_MAG_SCALE_DB)

#include "frontend_decibels.h"

void frontend_scale(float *mels)
{
    frontend_decibels(mels, FRONTEND_SIZE, 1e-5f, 2 * FRONTEND_DB_PER_NEPER);
}

#elif defined(FRONTEND_MAG_SCALE_PCEN)

/* sqrt(E / (eps + M)^0.98 + 2) - sqrt(2) of an energy E and its smoothed M, written without cancellation:
 * sqrt(1 + q) - 1 = q / (sqrt(1 + q) + 1).
 * Source: Lostanlen et al., Per-Channel Energy Normalization: Why and How (IEEE SPL 2019); librosa's defaults. */
static inline float equalized(float energy, float smooth)
{
    const float gain = frontend_exp(-0.98f * frontend_log(1e-6f + smooth));
    const float q = energy * gain / 2.0f;
    return 1.41421356f * (q / (frontend_sqrt(1.0f + q) + 1.0f));
}

/* Each row's smoother starts as if its energy had been 1. */
void frontend_scale(float *mels)
{
    for (int row = 0; row < FRONTEND_ROWS; row++) {
        float smooth = 1.0f;
        for (int frame = 0; frame < FRONTEND_WIDTH; frame++, mels++) {
            const float energy = *mels * 2147483648.0f;
            smooth = FRONTEND_PCEN_KEEP * smooth + FRONTEND_PCEN_TAKE * energy;
            *mels = equalized(energy, smooth);
        }
    }
}

#endif
#endif
