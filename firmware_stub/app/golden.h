/* golden.h - one window whose outputs are known, run at boot: a network that does not compute must not predict.
 *
 * A wrong runtime, missing weights, a memory without power or a cache that was not cleaned give plausible numbers.
 */
#ifndef BN_GOLDEN_H
#define BN_GOLDEN_H

/* Runs the window of golden_window.h. BN_OK, or BN_ENETWORK after an `err` record: an output is further from what it
 * must be than APP_GOLDEN_TOLERANCE, or the network did not run. Needs no card. */
int golden_check(void);
/* What golden_check gave; BN_OK before it ran. */
int golden_status(void);

#endif
