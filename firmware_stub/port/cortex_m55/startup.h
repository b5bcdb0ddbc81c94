/* startup.h - what the boards with a Cortex-M55 share between reset and main, and when all goes wrong.
 *
 * A board places its table of vectors in section .vectors: first linker_stack_top, then startup_reset, then its
 * handlers, with fault_entry for all that it does not expect.
 */
#ifndef BN_STARTUP_H
#define BN_STARTUP_H

#include <stdint.h>

typedef void (*startup_handler)(void);

enum { STARTUP_SYSTEM_EXCEPTIONS = 15, STARTUP_SYSTICK = 15 };

extern uint32_t linker_stack_top[];

void startup_reset(void); /* the reset vector */
void fault_entry(void);   /* every exception that nobody expects */

#endif
