/* network.h - the network that runs: generated int8 C, or an NPU runtime behind the same three functions.
 *
 * Sizes, scales and labels are in the rendered app_config.h. The buffers belong to the network; the caller fills the
 * input, runs, reads the output. The output stays valid until the next network_run or write to the input.
 */
#ifndef BN_NETWORK_H
#define BN_NETWORK_H

#include <stdint.h>

int8_t *network_input(void);        /* APP_INPUT_SIZE values, row-major [rows, width, 1] or [samples, 1] */
int network_run(void);              /* 0, or a negative BN_E* */
const int8_t *network_output(void); /* APP_CLASSES values, label order */

#endif
