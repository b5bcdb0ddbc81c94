/* The boot of the STM32N6, its clock, and its ends. */
#include <string.h>

#include "chip.h"
#include "clock.h"
#include "crc32.h"
#include "fuses.h"
#include "log.h"
#include "port.h"

enum {
    HZ_PER_MHZ = 1000000,
    TICKS_A_SECOND = 1000,
    US_PER_MS = 1000,
    UID_WORDS = 3,
};

/* A board without a card has nothing to do but what a host asks: it never stops waiting for that. */
#define LISTEN_MS (BOARD_HAS_CARD ? 3000u : UINT32_MAX)

static uint32_t boot_id;

/* The HAL's time is ours. */
HAL_StatusTypeDef HAL_InitTick(uint32_t priority)
{
    HAL_NVIC_SetPriority(SysTick_IRQn, priority, 0);
    clock_start(SystemCoreClock / TICKS_A_SECOND);
    return HAL_OK;
}

uint32_t HAL_GetTick(void)
{
    return port_uptime_ms();
}

/* What a loader left: enabled and pending interrupts of its own, and a core that takes none. */
static void clear_interrupts(void)
{
    memset((void *)(uintptr_t)NVIC->ICER, 0xFF, sizeof NVIC->ICER);
    memset((void *)(uintptr_t)NVIC->ICPR, 0xFF, sizeof NVIC->ICPR);
    SCB->SHCSR |= SCB_SHCSR_MEMFAULTENA_Msk | SCB_SHCSR_BUSFAULTENA_Msk | SCB_SHCSR_USGFAULTENA_Msk |
                  SCB_SHCSR_SECUREFAULTENA_Msk; /* each fault by its own name */
    __enable_irq();
}

static uint32_t make_boot_id(void)
{
    const uint32_t noise = noise_read();
    const uint32_t reset_cause = RCC->RSR;
    uint32_t crc = crc32_update(0, (const void *)(uintptr_t)UID_BASE, UID_WORDS * sizeof(uint32_t));
    crc = crc32_update(crc, &noise, sizeof noise);
    __HAL_RCC_CLEAR_RESET_FLAGS();
    return crc32_update(crc, &reset_cause, sizeof reset_cause);
}

void port_give_up(const char *reason)
{
    log_line("error", reason);
    port_exit(PORT_EXIT_FAULT);
}

static void start_memories(void)
{
#ifdef BN_BURN_HSLV_FUSES
    if (!fuses_burn_hslv()) {
        port_give_up("the fuses of VDDIO2 and VDDIO3 cannot be burnt");
    }
#endif
    if (!nor_map()) {
        port_give_up("the flash at XSPI2 does not answer: no weights");
    }
    if (!fuse_is_set(FUSE_HSLV_VDDIO3)) {
        log_line("warn", "the flash runs at 50 MHz: fuse HSLV_VDDIO3 is not set");
    }
#if BOARD_HAS_PSRAM
    if (!psram_map()) {
        log_line("warn", "the PSRAM at XSPI1 does not answer");
    }
#endif
}

void port_init(void)
{
    clear_interrupts();
    (void)HAL_Init();
    const bool watched = watchdog_start(); /* first: whatever fails from here on is tried again */
    const bool clocked = clocks_start();
    memory_power();
    memory_caches();
    if (!uart_start() || !clocked) {
        port_give_up("the clocks did not start");
    }
    if (!watched) {
        log_line("warn", "the watchdog did not start");
    }
    boot_id = make_boot_id();
    start_memories(); /* mapped before the NPU is set up */
    npu_start();
    isolation_open();
}

bool port_clock_us(uint64_t *us)
{
    *us = clock_ticks() / (SystemCoreClock / HZ_PER_MHZ);
    return true;
}

uint32_t port_uptime_ms(void)
{
    uint64_t us;
    (void)port_clock_us(&us);
    return (uint32_t)(us / US_PER_MS);
}

uint32_t port_boot_id(void)
{
    return boot_id;
}

uint32_t port_listen_ms(void)
{
    return LISTEN_MS;
}

void port_exit(int status)
{
    uart_finish();
    for (;;) {
        if (status == PORT_EXIT_DONE) {
            port_alive(); /* there is nothing more to do, and nothing wrong */
        }
    }
}

void port_restart(void)
{
    uart_finish();
    NVIC_SystemReset();
}
