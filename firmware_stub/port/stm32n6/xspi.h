/* xspi.h - what NOR flash and PSRAM share: pins, the clock of their bus, commands. */
#ifndef BN_XSPI_H
#define BN_XSPI_H

#include <stdbool.h>

#include "stm32n6xx_hal.h"

/* All pins of a port with the same function. */
void xspi_pins(GPIO_TypeDef *port, uint32_t pins, uint32_t alternate);
/* Sends a command with `length` bytes behind it (none where 0). */
bool xspi_write(XSPI_HandleTypeDef *bus, XSPI_RegularCmdTypeDef *command, const uint8_t *data, uint32_t length);
/* Sends a command and reads `length` bytes. */
bool xspi_read(XSPI_HandleTypeDef *bus, XSPI_RegularCmdTypeDef *command, uint8_t *data, uint32_t length);
/* From here on the memory is read, and written, as memory. */
bool xspi_map(XSPI_HandleTypeDef *bus, XSPI_RegularCmdTypeDef *read, XSPI_RegularCmdTypeDef *write);
/* 200 MHz where the fuse of the pins' domain allows it, else 50 MHz. */
bool xspi_full_speed(XSPI_HandleTypeDef *bus, bool allowed);

enum { XSPI_SLOW_DIVIDER = 3 }; /* 200 MHz / (3 + 1) */

#endif
