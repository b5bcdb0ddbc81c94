/* network_weights.c - the constants of the network. Rendered. */
#include "network_weights.h"

/* [channel / 4][input / 16][channel % 4][input % 16], inputs by filter y, x */
_Alignas(16) const int8_t weights_0[128] = {
    -20, -19, -18, -17, -16, -15, -14, -13, -12, -11, -10, -9, -8, -7, -6, -5, -2, -1, 0, 1, 2, 3, 4, 5, 6,
    7, 8, 9, 10, 11, 12, 13, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, -4, -3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 14, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
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
_Alignas(16) const int8_t shift_0[2] = {
    -8, -7
};

/* [channel][input] */
_Alignas(16) const int8_t weights_3[6] = {
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
