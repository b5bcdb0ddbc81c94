/* The `mfcc` frontend: the cosine transform of mel powers in dB, normalised over the window. */
#include "frontend.h"

#ifdef FRONTEND_MFCC

#include "frontend_decibels.h"
#include "frontend_math.h"
#include "frontend_mel.h"
#include "frontend_tables.h"

/* The peak of the whole window is known only at its end: all levels wait here, frame after frame. */
static float levels[FRONTEND_WIDTH * FRONTEND_MELS];

static inline float coefficient(const float *cosines, const float *frame_levels)
{
    float sum = 0.0f;
    for (int m = 0; m < FRONTEND_MELS; m++) {
        sum += cosines[m] * frame_levels[m];
    }
    return sum;
}

void frontend_run(const int16_t *pcm, float *features)
{
    for (int frame = 0; frame < FRONTEND_WIDTH; frame++) {
        frontend_mel_frame(pcm, frame, 2, levels + frame * FRONTEND_MELS, 1);
    }
    frontend_decibels(levels, FRONTEND_WIDTH * FRONTEND_MELS, 1e-10f, FRONTEND_DB_PER_NEPER);
    for (int row = 0; row < FRONTEND_ROWS; row++) {
        for (int frame = 0; frame < FRONTEND_WIDTH; frame++) {
            *features++ = coefficient(dct_cosines + row * FRONTEND_MELS, levels + frame * FRONTEND_MELS);
        }
    }
    frontend_normalize(features - FRONTEND_SIZE, FRONTEND_SIZE);
}

#endif
