/* The independent watchdog: it restarts the board after 20 s without port_alive. Once started it cannot be stopped. */
#include "chip.h"
#include "port.h"

#ifndef BN_NO_WATCHDOG

enum { WATCHDOG_COUNTS = 625 }; /* of 1024 / 32 kHz: 20 s */

static IWDG_HandleTypeDef watchdog = {
    .Instance = IWDG,
    .Init = {
        .Prescaler = IWDG_PRESCALER_1024, .Reload = WATCHDOG_COUNTS - 1, .Window = IWDG_WINDOW_DISABLE,
        .EWI = IWDG_EWI_DISABLE,
    },
};

bool watchdog_start(void)
{
    __HAL_DBGMCU_FREEZE_IWDG(); /* a halted core is no dead one */
    return HAL_IWDG_Init(&watchdog) == HAL_OK;
}

void port_alive(void)
{
    (void)HAL_IWDG_Refresh(&watchdog);
}

#else

static uint32_t alive_at;

/* None, so that a debugger may take its time; the moment is kept for whoever looks. */
bool watchdog_start(void)
{
    alive_at = port_uptime_ms();
    return true;
}

void port_alive(void)
{
    alive_at = port_uptime_ms();
}

#endif
