/* The `log_mel` frontend: ln(1 + x) of mel magnitudes, normalised over the window. */
#include "frontend.h"

#ifdef FRONTEND_LOG_MEL

#include "frontend_math.h"
#include "frontend_mel.h"

void frontend_run(const int16_t *pcm, float *features)
{
    for (int frame = 0; frame < FRONTEND_WIDTH; frame++) {
        frontend_mel_frame(pcm, frame, 1, features + frame, FRONTEND_WIDTH);
    }
    for (int i = 0; i < FRONTEND_SIZE; i++) {
        features[i] = frontend_log1p(features[i]);
    }
    frontend_normalize(features, FRONTEND_SIZE);
}

#endif
