/* windows.h - where the windows of a recording start (docs/input-contract.md).
 *
 * Starts are 0, hop, 2*hop, ... while a whole window fits; where the end is not covered, one more window ends exactly
 * there. A recording shorter than a window has one window, zero-padded at its end. All in samples; hop >= 1.
 */
#ifndef BN_WINDOWS_H
#define BN_WINDOWS_H

#include <stdint.h>

uint32_t windows_count(uint32_t samples, uint32_t window, uint32_t hop);
/* The start of window `index`, 0 <= index < windows_count(). */
uint32_t windows_start(uint32_t index, uint32_t samples, uint32_t window, uint32_t hop);

#endif
