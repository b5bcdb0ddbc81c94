/* board.h - what the STM32N6570-DK has. Source: its user manual (UM3300) and schematics. */
#ifndef BN_BOARD_H
#define BN_BOARD_H

#define BOARD_HAS_CARD 1
#define BOARD_HAS_MICROPHONE 1
#define BOARD_HAS_PSRAM 1
#define BOARD_NOR_SIZE HAL_XSPI_SIZE_1GB /* MX66UW1G45G, in bits */

#endif
