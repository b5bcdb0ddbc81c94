/* prologue.h - the layers of the network before its int8 part, in float32: from features to the network's input.
 *
 * Generated C (prologue.c) that calls the kernels of this folder; one source for the board, the host twin and the
 * tests, with the same bits on all of them. Sizes are in the rendered prologue_config.h. Static memory, no libm.
 *
 *     frontend_run(pcm, prologue_input());
 *     prologue_run(network_input(), NULL);
 */
#ifndef BN_PROLOGUE_H
#define BN_PROLOGUE_H

#include <stdint.h>

#include "prologue_config.h"

/* Is shown each stage's values right after it: they may be gone after the next one. */
typedef void (*prologue_observer)(const char *name, const float *values, uint32_t count);

float *prologue_input(void); /* PROLOGUE_INPUT_SIZE floats to fill with features; a run overwrites them */

/* Runs all layers and quantizes: PROLOGUE_OUTPUT_SIZE values. `observer` may be NULL. */
void prologue_run(int8_t *output, prologue_observer observer);

#endif
