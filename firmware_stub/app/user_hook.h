/* user_hook.h - where your own code comes in: C files in the project's folder user/, which is yours.
 *
 * `generate` keeps that folder; the build compiles its *.c files with the rest and then defines APP_USER_HOOK. Implement
 *
 *     #include "user_hook.h"
 *
 *     void user_window(const struct report_inference *inference, const uint16_t *top, uint16_t named) { ... }
 *
 * Labels are in labels.h, sizes and hashes in app_config.h.
 */
#ifndef BN_USER_HOOK_H
#define BN_USER_HOOK_H

#include <stdint.h>

#include "report.h"

/* Called after the record of each window. `top` are the indices of the `named` best chosen classes, best first;
 * inference->outputs are all int8 outputs in label order. Takes time from the next window: be short. */
void user_window(const struct report_inference *inference, const uint16_t *top, uint16_t named);

#endif
