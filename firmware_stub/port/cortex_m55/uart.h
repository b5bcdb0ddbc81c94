/* uart.h - bytes that are sent behind the application's back: the ring, the waiting and the giving up.
 *
 * A board with an interrupt for its transmitter gives the three functions of its line; uart.c gives port_uart_write.
 */
#ifndef BN_UART_H
#define BN_UART_H

#include <stdbool.h>
#include <stdint.h>

/* The line, of the board. */
bool uart_line_takes(void);           /* a byte now */
void uart_line_send(uint8_t byte);    /* where it takes one */
void uart_line_interrupt(bool wanted); /* call uart_send whenever it takes one */

/* Hands over as much as the line takes now; from the interrupt. */
void uart_send(void);
/* Waits until the ring is empty, as long as the line moves; false where it stands. */
bool uart_drain(void);

#endif
