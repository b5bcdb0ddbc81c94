/* frontend_normalize.h - min-max over a window, what most frontends end with. */
#ifndef BN_FRONTEND_NORMALIZE_H
#define BN_FRONTEND_NORMALIZE_H

#include "frontend_lanes.h"

/* (S - min) / (max - min + 1e-10) over `count` values, in place. */
static inline void frontend_normalize(float *values, int count)
{
    float_lanes lows = float_lanes_of(values[0]), highs = lows;
    for (int i = 0; i + FRONTEND_LANES <= count; i += FRONTEND_LANES) {
        const float_lanes x = float_lanes_load(values + i);
        lows = float_lanes_lower(x, lows);
        highs = float_lanes_higher(x, highs);
    }
    const int rest = count - count % FRONTEND_LANES;
    float low = float_lanes_lowest(lows), high = float_lanes_highest(highs);
    for (int i = rest; i < count; i++) {
        low = values[i] < low ? values[i] : low;
        high = values[i] > high ? values[i] : high;
    }
    const float range = (high - low) + 1e-10f;
    for (int i = 0; i < rest; i += FRONTEND_LANES) {
        const float_lanes above = float_lanes_load(values + i) - float_lanes_of(low);
        float_lanes_store(values + i, float_lanes_divided(above, range), FRONTEND_LANES);
    }
    for (int i = rest; i < count; i++) {
        values[i] = (values[i] - low) / range;
    }
}

#endif
