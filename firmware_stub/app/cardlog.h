/* cardlog.h - the records on the card too, for a board that no host listens to: BN000001.LOG, the next one when it is full.
 *
 * Asked for by a file CARDLOG_ASK on the card. The lines are those of the uart; `monitor --replay` reads them.
 */
#ifndef BN_CARDLOG_H
#define BN_CARDLOG_H

#define CARDLOG_ASK "LOG.ON"
#define CARDLOG_BYTES (1u << 20) /* a file of the log is not longer */

/* Begins where the log of earlier boots ends. Call before the first record. */
void cardlog_begin(void);
/* The card failed, it is full or gone: tells it once and logs no more. Call between records. */
void cardlog_check(void);

#endif
