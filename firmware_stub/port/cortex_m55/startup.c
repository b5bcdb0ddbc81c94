/* From reset to main: float unit, memory, stack. The vectors are the board's. Regions and symbols come from the
 * rendered linker script. */
#include "startup.h"

#include <stdint.h>
#include <string.h>

#include "core_registers.h"
#include "port.h"

extern uint32_t linker_stack_limit[];
extern uint32_t linker_data_load[];
extern uint32_t linker_data_start[];
extern uint32_t linker_data_end[];
extern uint32_t linker_fast_load[];
extern uint32_t linker_fast_start[];
extern uint32_t linker_fast_end[];
extern uint32_t linker_bss_start[];
extern uint32_t linker_bss_end[];
extern uint32_t linker_vectors[];

int main(void);

#define STACK_PAINT 0xB1D5B1D5u
enum { STACK_KEPT_WORDS = 16 }; /* below the frame of paint_stack: its own, and what an interrupt may push */

/* Float and Helium on, denormals flushed in both (Helium cannot do otherwise): the host twin computes the same bits.
 * Nothing before this may touch a vector register, a copy loop included. */
static inline void enable_float_unit(void)
{
    CORE_CPACR |= CORE_CPACR_FPU_MVE_FULL;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
    CORE_FPDSCR |= CORE_FPSCR_FLUSH_TO_ZERO;
    uint32_t fpscr;
    __asm__ volatile("vmrs %0, fpscr" : "=r"(fpscr));
    __asm__ volatile("vmsr fpscr, %0" : : "r"(fpscr | CORE_FPSCR_FLUSH_TO_ZERO) : "memory");
}

/* Out of line, so that its copies stay behind the float unit's start. */
__attribute__((noinline)) static void fill_memory(void)
{
    memcpy(linker_fast_start, linker_fast_load, (size_t)((char *)linker_fast_end - (char *)linker_fast_start));
    memcpy(linker_data_start, linker_data_load, (size_t)((char *)linker_data_end - (char *)linker_data_start));
    memset(linker_bss_start, 0, (size_t)((char *)linker_bss_end - (char *)linker_bss_start));
}

/* Marks the stack below this function's frame, so that port_stack_unused can tell what was never touched. */
__attribute__((noinline)) static void paint_stack(void)
{
    uint32_t *end = (uint32_t *)__builtin_frame_address(0) - STACK_KEPT_WORDS;
    for (uint32_t *word = linker_stack_limit; word < end; word++) {
        *word = STACK_PAINT;
    }
}

uint32_t port_stack_unused(void)
{
    const uint32_t *word = linker_stack_limit;
    while (word < linker_stack_top && *word == STACK_PAINT) {
        word++;
    }
    return (uint32_t)((const char *)word - (const char *)linker_stack_limit);
}

void startup_reset(void)
{
    __asm__ volatile("msr msplim, %0" : : "r"(linker_stack_limit)); /* a stack overflow becomes a fault */
    CORE_VTOR = (uint32_t)(uintptr_t)linker_vectors; /* a loader may have left its own */
    enable_float_unit();
    fill_memory();
    paint_stack();
    (void)main();
    port_exit(PORT_EXIT_FAULT); /* main does not return */
}
