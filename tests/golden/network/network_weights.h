/* network_weights.h - the constants of the network; the number is that of the operator. Rendered. */
#ifndef BN_NETWORK_WEIGHTS_H
#define BN_NETWORK_WEIGHTS_H

#include <stdint.h>

extern const int8_t weights_0[128]; /* [channel / 4][input / 16][channel % 4][input % 16], inputs by filter y, x */
extern const int32_t bias_0[2]; /* bias with the input's zero point folded in, by channel */
extern const int32_t multiplier_0[2]; /* by channel */
extern const int8_t shift_0[2]; /* by channel */
extern const int8_t weights_3[6]; /* [channel][input] */
extern const int32_t bias_3[3]; /* bias with the input's zero point folded in, by channel */
extern const double scale_3[3]; /* by channel */

#endif
