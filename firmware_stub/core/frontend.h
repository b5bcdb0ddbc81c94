/* frontend.h - from one window of PCM16 to the model's input tensor (docs/input-contract.md).
 *
 * One source for the board, the host twin and the tests. Compiled with -ffp-contract=off it gives the same bits on
 * x86-64 and on a Cortex-M55. No libm transcendental, no heap; tables and workspace are static.
 * Parameters come from the rendered frontend_config.h, tables from the rendered frontend_tables.c.
 */
#ifndef BN_FRONTEND_H
#define BN_FRONTEND_H

#include <stdint.h>

#include "frontend_config.h"

/* `pcm`: FRONTEND_WINDOW samples. `features`: FRONTEND_SIZE floats, row-major [rows, width, 1] or [samples, 1]. */
void frontend_run(const int16_t *pcm, float *features);

/* round-half-away(x / scale) + zero_point, clamped to int8: as TFLite's QUANTIZE. */
void frontend_quantize(const float *features, int8_t *input);

#endif
