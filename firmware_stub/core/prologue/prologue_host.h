/* prologue_host.h - the prologue's entries of the host's shared library; denormals flushed as in frontend_host.h. */
#ifndef BN_PROLOGUE_HOST_H
#define BN_PROLOGUE_HOST_H

#include "prologue.h"

int32_t prologue_host_input_size(void);  /* PROLOGUE_INPUT_SIZE */
int32_t prologue_host_output_size(void); /* PROLOGUE_OUTPUT_SIZE */
void prologue_host_run(const float *features, int8_t *output, prologue_observer observer);

#endif
