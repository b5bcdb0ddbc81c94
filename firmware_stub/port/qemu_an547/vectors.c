/* The table of vectors: the entry of exception n stands at index n - 1. */
#include "interrupts.h"
#include "startup.h"

enum {
    INTERRUPTS = 128, /* the board has 32 + 96; an interrupt without an entry would end the emulator */
    UART0_FIRST = STARTUP_SYSTEM_EXCEPTIONS + 33,
    UART0_LAST = STARTUP_SYSTEM_EXCEPTIONS + 34,
};

struct vectors {
    uint32_t *stack;
    startup_handler exceptions[STARTUP_SYSTEM_EXCEPTIONS + INTERRUPTS];
};

__attribute__((used, section(".vectors"))) static const struct vectors vectors = {
    .stack = linker_stack_top,
    .exceptions =
        {
            [0] = startup_reset,
            [1 ... STARTUP_SYSTICK - 2] = fault_entry,
            [STARTUP_SYSTICK - 1] = tick_handler,
            [STARTUP_SYSTICK ... UART0_FIRST - 1] = fault_entry,
            [UART0_FIRST ... UART0_LAST] = uart_handler,
            [UART0_LAST + 1 ... STARTUP_SYSTEM_EXCEPTIONS + INTERRUPTS - 1] = fault_entry,
        },
};
