/* The `hybrid` frontend: a linear magnitude spectrogram, compressed, normalised over the window. */
#include "frontend.h"

#ifdef FRONTEND_HYBRID

#include "frontend_compress.h"
#include "frontend_math.h"
#include "frontend_normalize.h"
#include "frontend_stft.h"

void frontend_run(const int16_t *pcm, float *features)
{
    for (int frame = 0; frame < FRONTEND_WIDTH; frame += FRONTEND_LANES) {
        const int count = frontend_frames_from(frame);
        frontend_stft_frames(pcm, frame, features + frame, FRONTEND_WIDTH, FRONTEND_ROWS, count);
    }
    frontend_compress(features, FRONTEND_SIZE);
    frontend_normalize(features, FRONTEND_SIZE);
}

#endif
