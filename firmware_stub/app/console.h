/* console.h - what a host asks over the line: ping, info, run, window, stages, reset (protocol BN1). */
#ifndef BN_CONSOLE_H
#define BN_CONSOLE_H

#include <stdbool.h>

/* Waits for a first command as long as the board listens. True: a host holds the board, serve it. */
bool console_waits(void);
/* Answers commands until `reset`. Does not return. */
_Noreturn void console_serve(void);
/* Between two windows: tells how the board is, answers what can be answered then. */
void console_between(void);

#endif
