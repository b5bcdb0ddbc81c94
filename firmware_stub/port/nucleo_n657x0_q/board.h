/* board.h - what the NUCLEO-N657X0-Q has. Source: its user manual (UM3417). */
#ifndef BN_BOARD_H
#define BN_BOARD_H

#define BOARD_HAS_CARD 0
#define BOARD_HAS_MICROPHONE 0
#define BOARD_HAS_PSRAM 0
#define BOARD_NOR_SIZE HAL_XSPI_SIZE_512MB /* MX25UM51245G, in bits */

#ifdef BN_OVERDRIVE
#error "BN_OVERDRIVE: this board sets the voltage of its core by I2C, which this port does not do"
#endif

#endif
