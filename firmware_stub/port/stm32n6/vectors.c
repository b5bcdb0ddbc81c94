/* The table of vectors: the entry of exception n stands at index n - 1. It begins at a multiple of 1024. */
#include "board.h"
#include "clock.h"
#include "interrupts.h"
#include "startup.h"
#include "stm32n6xx_hal.h"

enum { LAST_INTERRUPT = LTDC_UP_ERR_IRQn };

struct vectors {
    uint32_t *stack;
    startup_handler exceptions[STARTUP_SYSTEM_EXCEPTIONS + LAST_INTERRUPT + 1];
};

#define INTERRUPT(number) [STARTUP_SYSTEM_EXCEPTIONS + (number)]
#define FROM_TO(first, last) [STARTUP_SYSTEM_EXCEPTIONS + (first)...STARTUP_SYSTEM_EXCEPTIONS + (last)]

#if BOARD_HAS_MICROPHONE
#define MICROPHONE_DMA microphone_dma_handler
#define MICROPHONE_FILTER microphone_filter_handler
#else
#define MICROPHONE_DMA fault_entry
#define MICROPHONE_FILTER fault_entry
#endif

__attribute__((used, aligned(1024), section(".vectors"))) static const struct vectors vectors = {
    .stack = linker_stack_top,
    .exceptions =
        {
            [0] = startup_reset,
            [1 ... STARTUP_SYSTICK - 2] = fault_entry,
            [STARTUP_SYSTICK - 1] = clock_tick_handler,
            FROM_TO(0, NPU0_IRQn - 1) = fault_entry,
            INTERRUPT(NPU0_IRQn) = NPU0_IRQHandler,
            FROM_TO(NPU0_IRQn + 1, GPDMA1_Channel6_IRQn - 1) = fault_entry,
            INTERRUPT(GPDMA1_Channel6_IRQn) = MICROPHONE_DMA,
            FROM_TO(GPDMA1_Channel6_IRQn + 1, MDF1_FLT0_IRQn - 1) = fault_entry,
            INTERRUPT(MDF1_FLT0_IRQn) = MICROPHONE_FILTER,
            FROM_TO(MDF1_FLT0_IRQn + 1, USART1_IRQn - 1) = fault_entry,
            INTERRUPT(USART1_IRQn) = usart1_handler,
            FROM_TO(USART1_IRQn + 1, LAST_INTERRUPT) = fault_entry,
        },
};
