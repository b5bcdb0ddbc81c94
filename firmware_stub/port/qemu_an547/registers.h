/* registers.h - the few registers of the mps3-an547 board that this port touches.
 *
 * Sources: Arm CMSDK UART in DDI 0479; AN547, UART0.
 */
#ifndef BN_REGISTERS_H
#define BN_REGISTERS_H

#include "core_registers.h"

#define REGISTER(address) CORE_REGISTER(address)

#define UART0_DATA REGISTER(0x49303000u)
#define UART0_STATE REGISTER(0x49303004u)
#define UART0_CTRL REGISTER(0x49303008u)
#define UART0_INTERRUPT REGISTER(0x4930300Cu) /* status, and a 1 clears */
#define UART0_BAUDDIV REGISTER(0x49303010u)
#define UART_STATE_TX_FULL 1u
#define UART_STATE_RX_FULL 2u
#define UART_CTRL_TX_RX 3u
#define UART_CTRL_TX_INTERRUPT 4u
#define UART_INTERRUPT_TX 1u
#define UART0_INTERRUPTS ((1u << 1) | (1u << 2)) /* 33 and 34 of the board: receive and transmit of UART0 */
#define NVIC_ISER1 REGISTER(0xE000E104u)         /* enables interrupts 32 to 63 */
#define UART_BAUDDIV_MIN 16u

#endif
