/* app.h - the application: every recording of the card, window by window, through frontend and network, as records. */
#ifndef BN_APP_H
#define BN_APP_H

/* Boots the board, runs over the card once, ends the run with a status. Does not return. */
_Noreturn void app_run(void);

#endif
