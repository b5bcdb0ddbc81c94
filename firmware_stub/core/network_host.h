/* network_host.h - the entries of the host's shared library: the generated network on the developer's machine.
 *
 * The network works in one static arena, as on the board: one call at a time in a process. Several processes do not
 * disturb each other.
 */
#ifndef BN_NETWORK_HOST_H
#define BN_NETWORK_HOST_H

#include <stdint.h>

int32_t network_host_input_size(void);  /* APP_INPUT_SIZE */
int32_t network_host_output_size(void); /* APP_CLASSES */

/* `count` inputs and outputs one after the other. Returns how many ran: less than `count` where one stopped. */
int32_t network_host_run(const int8_t *inputs, int8_t *outputs, int32_t count);

#endif
