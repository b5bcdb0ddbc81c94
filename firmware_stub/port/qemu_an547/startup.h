/* startup.h - what the reset code and the rest of the port share. */
#ifndef BN_STARTUP_H
#define BN_STARTUP_H

void startup_reset(void);      /* the reset vector */
void fault_entry(void);        /* every exception that nobody expects */
void clock_tick_handler(void); /* SysTick */
void uart_handler(void);       /* UART0 */

#endif
