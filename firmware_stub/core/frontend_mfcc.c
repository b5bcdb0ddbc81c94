/* The `mfcc` frontend: the cosine transform of mel powers in dB, normalised over the window. */
#include "frontend.h"

#ifdef FRONTEND_MFCC

#include "frontend_decibels.h"
#include "frontend_math.h"
#include "frontend_mel.h"
#include "frontend_normalize.h"
#include "frontend_stft.h"
#include "frontend_tables.h"

/* The peak of the whole window is known only at its end: all levels wait here, one frame's side by side where frames
 * are computed one by one, else the frames' side by side. */
#if FRONTEND_LANES == 1
#define FRAME_STEP FRONTEND_MELS
#define LEVEL_STEP 1
#else
#define FRAME_STEP 1
#define LEVEL_STEP FRONTEND_WIDTH
#endif
static float levels[FRONTEND_MELS * FRONTEND_WIDTH];

static inline float_lanes coefficient(const float *cosines, const float *level, int count)
{
    float_lanes sum = float_lanes_of(0.0f);
    for (int m = 0; m < FRONTEND_MELS; m++) {
        sum += float_lanes_scaled(float_lanes_load_some(level + m * LEVEL_STEP, count), cosines[m]);
    }
    return sum;
}

void frontend_run(const int16_t *pcm, float *features)
{
    for (int frame = 0; frame < FRONTEND_WIDTH; frame += FRONTEND_LANES) {
        frontend_mel_frames(pcm, frame, 2, levels + frame * FRAME_STEP, LEVEL_STEP);
    }
    frontend_decibels(levels, FRONTEND_WIDTH * FRONTEND_MELS, 1e-10f, FRONTEND_DB_PER_NEPER);
    for (int row = 0; row < FRONTEND_ROWS; row++) {
        const float *cosines = dct_cosines + row * FRONTEND_MELS;
        for (int frame = 0; frame < FRONTEND_WIDTH; frame += FRONTEND_LANES) {
            const int count = frontend_frames_from(frame);
            const float_lanes sum = coefficient(cosines, levels + frame * FRAME_STEP, count);
            float_lanes_store(features + row * FRONTEND_WIDTH + frame, sum, count);
        }
    }
    frontend_normalize(features, FRONTEND_SIZE);
}

#endif
