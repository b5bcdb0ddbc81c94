/* stages.h - `stage` records: what the tensors between sound and network hold, when somebody has asked for it.
 *
 *     app_set_stages(true);
 *     stages_begin(file, window);
 *     stages_floats("input features", features, FRONTEND_SIZE);
 */
#ifndef BN_STAGES_H
#define BN_STAGES_H

#include <stdbool.h>
#include <stdint.h>

#define STAGES_FILE "STAGES.ON" /* on the card: ask for stages from the first window on */

/* Turns the records on or off, from the next window on. Off at boot. */
void app_set_stages(bool on);
bool app_stages(void);

/* The window that the next stages are of; `file` has to live as long as it is the one. */
void stages_begin(const char *file, uint32_t window);
/* One record each, nothing where they are off. The first has the form of a prologue_observer. */
void stages_floats(const char *name, const float *values, uint32_t count);
void stages_int8(const char *name, const int8_t *values, uint32_t count);

#endif
