/* frontend_decibels.h - levels against an array's own maximum: mag_scale db, and what mfcc transforms. */
#ifndef BN_FRONTEND_DECIBELS_H
#define BN_FRONTEND_DECIBELS_H

#include "frontend_math.h"

#define FRONTEND_DB_PER_NEPER 4.34294482f /* 10 / ln 10: of powers; magnitudes have twice as many */

/* dB against the maximum, floored at -80, in place. Values below `least` count as that. */
static inline void frontend_decibels(float *values, int count, float least, float db_per_neper)
{
    for (int i = 0; i < count; i++) {
        values[i] = frontend_log(values[i] > least ? values[i] : least);
    }
    float peak = values[0];
    for (int i = 1; i < count; i++) {
        peak = values[i] > peak ? values[i] : peak;
    }
    for (int i = 0; i < count; i++) {
        const float level = (values[i] - peak) * db_per_neper;
        values[i] = level > -80.0f ? level : -80.0f;
    }
}

#endif
