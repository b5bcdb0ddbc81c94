/* The `librosa` frontend: mel magnitudes, scaled or compressed, normalised over the window. */
#include "frontend.h"

#ifdef FRONTEND_LIBROSA

#include "frontend_math.h"
#include "frontend_mel.h"
#include "frontend_normalize.h"
#include "frontend_scale.h"

void frontend_run(const int16_t *pcm, float *features)
{
    for (int frame = 0; frame < FRONTEND_WIDTH; frame += FRONTEND_LANES) {
        frontend_mel_frames(pcm, frame, 1, features + frame, FRONTEND_WIDTH);
    }
    frontend_scale(features);
    frontend_normalize(features, FRONTEND_SIZE);
}

#endif
