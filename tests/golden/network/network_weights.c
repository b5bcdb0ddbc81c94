/* network_weights.c - the constants of the network. Rendered. */
#include "network_weights.h"

/* [channel / 4][filter y, x, input channel][channel % 4] */
const int8_t weights_0[72] = {
    -20, -2, 0, 0, -19, -1, 0, 0, -18, 0, 0, 0, -17, 1, 0, 0, -16, 2, 0, 0, -15, 3, 0, 0, -14, 4, 0, 0, -13,
    5, 0, 0, -12, 6, 0, 0, -11, 7, 0, 0, -10, 8, 0, 0, -9, 9, 0, 0, -8, 10, 0, 0, -7, 11, 0, 0, -6, 12, 0, 0,
    -5, 13, 0, 0, -4, 14, 0, 0, -3, 15, 0, 0
};

/* bias with the input's zero point folded in, by channel */
const int32_t bias_0[2] = {
    -521, 344
};

/* by channel */
const int32_t multiplier_0[2] = {
    1099511620, 1099511620
};

/* by channel */
const int8_t shift_0[2] = {
    -8, -7
};

/* [channel][input] */
const int8_t weights_3[6] = {
    1, -2, 3, 4, -5, 6
};

/* bias with the input's zero point folded in, by channel */
const int32_t bias_3[3] = {
    0, 0, 0
};

/* by channel */
const double scale_3[3] = {
    0.04285714235536905,
    0.04285714235536905,
    0.04285714235536905,
};
