/* The `raw` frontend: samples over the window's own peak. */
#include "frontend.h"

#ifdef FRONTEND_RAW

void frontend_run(const int16_t *pcm, float *features)
{
    int peak = 0;
    for (int i = 0; i < FRONTEND_WINDOW; i++) {
        const int level = pcm[i] < 0 ? -pcm[i] : pcm[i];
        peak = level > peak ? level : peak;
    }
    const float divisor = (float)peak * (1.0f / 32768.0f) + 1e-6f;
    for (int i = 0; i < FRONTEND_WINDOW; i++) {
        features[i] = ((float)pcm[i] * (1.0f / 32768.0f)) / divisor;
    }
}

#endif
