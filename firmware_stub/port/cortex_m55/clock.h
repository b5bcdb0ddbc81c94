/* clock.h - SysTick as a clock of 64 bits. */
#ifndef BN_CLOCK_H
#define BN_CLOCK_H

#include <stdint.h>

/* Counts the core's clock from 0 on; its interrupt comes every `period` ticks (at most 1 << 24). */
void clock_start(uint32_t period);
/* Ticks since clock_start; right in an interrupt and in a fault, too. */
uint64_t clock_ticks(void);
/* The interrupts since clock_start. */
uint32_t clock_periods(void);
void clock_tick_handler(void); /* the SysTick vector */

#endif
