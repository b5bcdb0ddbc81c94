/* frontend_host.h - the entries of the host's shared library: the firmware's frontend on the developer's machine.
 *
 * They run with denormals flushed to zero, as an M55 does whose FPSCR.FZ is set, and give the caller's mode back.
 */
#ifndef BN_FRONTEND_HOST_H
#define BN_FRONTEND_HOST_H

#include <stdint.h>

int32_t frontend_host_window(void); /* FRONTEND_WINDOW */
int32_t frontend_host_size(void);   /* FRONTEND_SIZE */
void frontend_host_run(const int16_t *pcm, float *features);
void frontend_host_quantize(const float *features, int8_t *input);

#endif
