/* live.h - what the microphone hears, window by window, as `inf` records of the file LIVE_FILE.
 *
 * Windows follow each other by APP_HOP samples without a gap. Samples that came faster than windows are computed are lost;
 * the loss is an `err` record and counted in `stat`, and a new window begins behind it.
 */
#ifndef BN_LIVE_H
#define BN_LIVE_H

#include <stdint.h>

#define LIVE_FILE "MICROPHONE"

/* Listens until the microphone fails, which is an `err` record. Gives the negative BN_E* that ended it: BN_ESLOW where
 * it stands still, which a restart may mend. */
int live_run(void);
/* The samples that were lost since boot. */
uint32_t live_lost(void);

#endif
