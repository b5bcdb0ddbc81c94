/* runs.h - windows through frontend, prologue and network, each as one `inf` record: of the card, sent by a host, heard.
 *
 * `asked` is the `seq` of the host's command that wants them, NULL where nobody asked. Counts are of `inf` records.
 */
#ifndef BN_RUNS_H
#define BN_RUNS_H

#include <stdbool.h>
#include <stdint.h>

struct run {
    uint32_t windows;
    int code; /* BN_OK, or the negative BN_E* that ended it */
};

/* Every recording of the card. A recording that cannot be read is an `err` record, and the next one is read. */
struct run runs_card(const uint32_t *asked);
/* One recording. BN_ENOENT, and nothing else, where it is not there. */
struct run runs_file(const char *name, const uint32_t *asked);

/* Where a host puts the APP_WINDOW samples of a window. */
int16_t *runs_pcm(void);
/* One window that a host has sent: in runs_pcm(), or, a tensor, in network_input(). */
struct run runs_sent(const char *file, uint32_t window, uint32_t start, bool tensor, uint32_t asked);

/* One window that the microphone has heard, in runs_pcm(). */
struct run runs_heard(const char *file, uint32_t window, uint32_t start);

/* The `inf` records since boot. */
uint32_t runs_windows(void);

#endif
