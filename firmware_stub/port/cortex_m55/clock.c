#include "clock.h"

#include "core_registers.h"

#define SYST_CSR CORE_REGISTER(0xE000E010u)
#define SYST_RVR CORE_REGISTER(0xE000E014u)
#define SYST_CVR CORE_REGISTER(0xE000E018u)
#define SYST_CSR_ENABLE_INTERRUPT_CORE_CLOCK 7u

static volatile uint32_t clock_wraps;
static uint32_t clock_period = 1;

void clock_start(uint32_t period)
{
    SYST_CSR = 0;
    CORE_ICSR = CORE_ICSR_PENDSTCLR;
    clock_period = period;
    clock_wraps = 0;
    SYST_RVR = period - 1;
    SYST_CVR = 0;
    SYST_CSR = SYST_CSR_ENABLE_INTERRUPT_CORE_CLOCK;
}

void clock_tick_handler(void)
{
    clock_wraps++;
}

uint32_t clock_periods(void)
{
    return clock_wraps;
}

/* Counts a wrap whose interrupt cannot be taken, because a fault is being told: else its deadlines never come. */
static void clock_tick_in_fault(void)
{
    const uint32_t exception = core_exception();
    if (exception != 0 && exception <= CORE_LAST_FAULT && (CORE_ICSR & CORE_ICSR_PENDSTSET) != 0) {
        CORE_ICSR = CORE_ICSR_PENDSTCLR;
        clock_wraps++;
    }
}

/* A wrap whose interrupt has not been taken yet is counted too. */
uint64_t clock_ticks(void)
{
    clock_tick_in_fault();
    uint32_t wraps;
    uint32_t value;
    do {
        wraps = clock_wraps;
        value = SYST_CVR;
        if ((CORE_ICSR & CORE_ICSR_PENDSTSET) != 0) {
            value = SYST_CVR;
            wraps++;
            break;
        }
    } while (wraps != clock_wraps);
    const uint32_t passed = value == 0 ? 0 : clock_period - value; /* it counts down and wraps on reaching 0 */
    return (uint64_t)wraps * clock_period + passed;
}
