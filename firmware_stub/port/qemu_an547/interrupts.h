/* interrupts.h - the handlers of this board. */
#ifndef BN_INTERRUPTS_H
#define BN_INTERRUPTS_H

void tick_handler(void); /* SysTick */
void uart_handler(void); /* UART0 */

#endif
