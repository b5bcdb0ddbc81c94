/* frontend_decibels.h - levels against an array's own maximum: mag_scale db, and what mfcc transforms. */
#ifndef BN_FRONTEND_DECIBELS_H
#define BN_FRONTEND_DECIBELS_H

#include "frontend_lanes_math.h"

#define FRONTEND_DB_PER_NEPER 4.34294482f /* 10 / ln 10: of powers; magnitudes have twice as many */

/* dB against the maximum, floored at -80, in place. Values below `least` count as that. */
static inline void frontend_decibels(float *values, int count, float least, float db_per_neper)
{
    float_lanes peaks = float_lanes_of(-__builtin_inff());
    for (int i = 0; i < count; i += FRONTEND_LANES) {
        const float_lanes x = float_lanes_load_some(values + i, count - i);
        const float_lanes level = float_lanes_log(float_lanes_higher(x, float_lanes_of(least)));
        peaks = float_lanes_higher(level, peaks); /* lanes beyond the end hold the least level there is */
        float_lanes_store(values + i, level, count - i);
    }
    const float_lanes peak = float_lanes_of(float_lanes_highest(peaks));
    for (int i = 0; i < count; i += FRONTEND_LANES) {
        const float_lanes x = float_lanes_load_some(values + i, count - i);
        const float_lanes level = float_lanes_scaled(x - peak, db_per_neper);
        float_lanes_store(values + i, float_lanes_higher(level, float_lanes_of(-80.0f)), count - i);
    }
}

#endif
