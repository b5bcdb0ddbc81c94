/* core_registers.h - the registers of the Cortex-M55 that its boards share.
 *
 * Source: Armv8-M Architecture Reference Manual (DDI 0553), section D1.
 */
#ifndef BN_CORE_REGISTERS_H
#define BN_CORE_REGISTERS_H

#include <stdint.h>

/* Names of CMSIS are left to CMSIS: a port on a vendor's HAL includes both. */
#define CORE_REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))

#define CORE_ICSR CORE_REGISTER(0xE000ED04u)
#define CORE_ICSR_PENDSTSET (1u << 26)
#define CORE_ICSR_PENDSTCLR (1u << 25)
#define CORE_VTOR CORE_REGISTER(0xE000ED08u)
#define CORE_CFSR CORE_REGISTER(0xE000ED28u)
#define CORE_HFSR CORE_REGISTER(0xE000ED2Cu)
#define CORE_MMFAR CORE_REGISTER(0xE000ED34u)
#define CORE_BFAR CORE_REGISTER(0xE000ED38u)
#define CORE_CPACR CORE_REGISTER(0xE000ED88u)
#define CORE_CPACR_FPU_MVE_FULL (0xFu << 20)
#define CORE_FPDSCR CORE_REGISTER(0xE000EF3Cu)
#define CORE_FPSCR_FLUSH_TO_ZERO (1u << 24)

enum { CORE_LAST_FAULT = 7 }; /* of the exceptions: what follows are calls and interrupts */

/* The number of the exception that is being handled, 0 outside of all. */
static inline uint32_t core_exception(void)
{
    uint32_t exception;
    __asm__ volatile("mrs %0, ipsr" : "=r"(exception));
    return exception;
}

#endif
