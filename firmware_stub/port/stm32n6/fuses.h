/* fuses.h - OTP word 124, which says that two I/O domains run at 1.8 V and may therefore run fast.
 *
 * Without these two bits the external memories run at 50 MHz here, with them at 200 MHz. Boards come either way.
 *
 * WARNING. Burning them cannot be undone, and on a board that feeds these domains with 3.3 V it destroys the chip.
 * Nothing in this project burns a fuse unless BN_BURN_HSLV_FUSES is defined by hand; it is meant for one build, on a
 * board whose VDDIO2 and VDDIO3 you have measured at 1.8 V.
 */
#ifndef BN_FUSES_H
#define BN_FUSES_H

#include <stdbool.h>

enum fuse {
    FUSE_HSLV_VDDIO3 = 1 << 15, /* the flash */
    FUSE_HSLV_VDDIO2 = 1 << 16, /* the PSRAM */
};

/* Reads only. */
bool fuse_is_set(enum fuse fuse);

#ifdef BN_BURN_HSLV_FUSES
/* Burns both where they are not set yet; false where the chip refuses. */
bool fuses_burn_hslv(void);
#endif

#endif
