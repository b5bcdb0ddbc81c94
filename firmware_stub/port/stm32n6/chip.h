/* chip.h - the parts of the STM32N6 that port_init starts, in the order of the calls, and what they need of each other.
 *
 * `bool` is false where the hardware did not answer. A board's own facts are macros of board.h in its folder:
 * BOARD_HAS_CARD, BOARD_HAS_MICROPHONE, BOARD_HAS_PSRAM (1 or 0).
 *
 * What a project may define: BN_UART_BAUD; BN_OVERDRIVE (800 MHz, where the board can raise the core's voltage);
 * BN_XIP (the code runs from the flash, whose loader has set up clocks and flash); BN_NO_WATCHDOG (for a debugger);
 * BN_BURN_HSLV_FUSES (see fuses.h before).
 */
#ifndef BN_CHIP_H
#define BN_CHIP_H

#include <stdbool.h>

#include "board.h"
#include "stm32n6xx_hal.h"

bool clocks_start(void);
/* 49.152 MHz for the microphone's filter, as IC8. */
bool clocks_start_audio(void);
#ifdef BN_OVERDRIVE
void board_raise_core_voltage(void);
#endif

/* The NPU's RAM switched on, its clocks kept while the core sleeps. */
void memory_power(void);
/* Caches, and what peripherals share with the core kept out of them. */
void memory_caches(void);

/* Who may reach what. After the clocks of NPU and external memories. */
void isolation_open(void);

void npu_start(void);

/* The NOR flash at 0x70000000, the PSRAM at 0x90000000. */
bool nor_map(void);
#if BOARD_HAS_PSRAM
bool psram_map(void);
#endif

bool uart_start(void);
/* Waits until the last byte has left. */
void uart_finish(void);

bool watchdog_start(void);

/* A number from the noise source, 0 where that gives none. */
uint32_t noise_read(void);

/* Tells `reason` as a log line and ends the run as after a fault: the watchdog tries again. */
_Noreturn void port_give_up(const char *reason);

#endif
