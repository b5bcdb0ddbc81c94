/* Starts a program of newlib's semihosting library (rdimon) on the emulated Cortex-M55. newlib's own crt0 takes stack
 * and heap from the emulator, which gives it a memory that this program does not use. */
#include <stdint.h>
#include <stdlib.h>

extern uint32_t stack_top;
void initialise_monitor_handles(void);
void __libc_init_array(void);
int main(void);

#define CPACR (*(volatile uint32_t *)0xE000ED88u)

void _init(void)
{
}

void _fini(void)
{
}

static void reset(void)
{
    CPACR |= 0xFu << 20; /* FPU and MVE */
    __asm__ volatile("dsb\n isb" ::: "memory");
    initialise_monitor_handles();
    __libc_init_array();
    exit(main());
}

static void fault(void)
{
    static const uint32_t reason[2] = {0x20026u, 9};
    register int r0 __asm__("r0") = 0x20;
    register const void *r1 __asm__("r1") = reason;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    &stack_top, (const void *)reset, (const void *)fault, (const void *)fault, (const void *)fault,
    (const void *)fault, (const void *)fault, (const void *)fault,
};
