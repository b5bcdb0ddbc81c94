/* The `log_mel` frontend: ln(1 + x) of mel magnitudes, normalised over the window. */
#include "frontend.h"

#ifdef FRONTEND_LOG_MEL

#include "frontend_lanes_math.h"
#include "frontend_mel.h"
#include "frontend_normalize.h"

void frontend_run(const int16_t *pcm, float *features)
{
    for (int frame = 0; frame < FRONTEND_WIDTH; frame += FRONTEND_LANES) {
        frontend_mel_frames(pcm, frame, 1, features + frame, FRONTEND_WIDTH);
    }
    for (int i = 0; i < FRONTEND_SIZE; i += FRONTEND_LANES) {
        const float_lanes x = float_lanes_load_some(features + i, FRONTEND_SIZE - i);
        float_lanes_store(features + i, float_lanes_log1p(x), FRONTEND_SIZE - i);
    }
    frontend_normalize(features, FRONTEND_SIZE);
}

#endif
