/* counting.h - start, semihosting and a counter of instructions on QEMU's mps3-an547; include it once in a program.
 * The program gives run_all. */
#ifndef COUNTING_H
#define COUNTING_H

#include <stdint.h>

#define CPACR (*(volatile uint32_t *)0xE000ED88u)
#define FPDSCR (*(volatile uint32_t *)0xE000EF3Cu)
#define SYST_CSR (*(volatile uint32_t *)0xE000E010u)
#define SYST_RVR (*(volatile uint32_t *)0xE000E014u)
#define SYST_CVR (*(volatile uint32_t *)0xE000E018u)
#define TICKS_OF_A_WRAP 0x1000000u
#define FLUSH_TO_ZERO (1u << 24)

void run_all(void);

static volatile uint32_t wraps;

/* SysTick counts down in 24 bits at 32 MHz; its exception costs four instructions each 16 million. */
static void wrapped_once(void)
{
    wraps++;
}

static uint32_t ticks_now(void)
{
    uint32_t before, value;
    do {
        before = wraps;
        value = SYST_CVR;
    } while (before != wraps);
    return before * TICKS_OF_A_WRAP - value;
}

static int semihost(int operation, const void *argument)
{
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void leave(int status)
{
    const uint32_t reason[2] = { 0x20026u, (uint32_t)status };
    semihost(0x20, reason);
    for (;;) {
    }
}

static int opened(const char *name, uint32_t length, uint32_t mode)
{
    const uint32_t block[3] = { (uint32_t)name, mode, length };
    const int file = semihost(0x01, block);
    if (file < 0) {
        leave(2);
    }
    return file;
}

/* Both give the number of bytes that were not moved. */
static int moved(int operation, int file, const void *data, uint32_t size)
{
    const uint32_t block[3] = { (uint32_t)file, (uint32_t)data, size };
    return semihost(operation, block);
}

static __attribute__((noinline)) int empty_run(void)
{
    __asm__ volatile("");
    return 0;
}

static __attribute__((noinline)) uint32_t ticks_of(int (*run)(void))
{
    const uint32_t before = ticks_now();
    const int status = run();
    const uint32_t ticks = ticks_now() - before;
    if (status != 0) {
        leave(5);
    }
    return ticks;
}

void start(void);
void start(void)
{
    CPACR |= 0xFu << 20; /* FPU and MVE */
    __asm__ volatile("dsb\n isb" ::: "memory");
    FPDSCR |= FLUSH_TO_ZERO;
    uint32_t fpscr;
    __asm__ volatile("vmrs %0, fpscr" : "=r"(fpscr));
    __asm__ volatile("vmsr fpscr, %0" ::"r"(fpscr | FLUSH_TO_ZERO));
    SYST_RVR = TICKS_OF_A_WRAP - 1;
    SYST_CVR = 0;
    SYST_CSR = 7; /* processor clock, exception, enabled */
    run_all();
}

static void fault(void)
{
    leave(4);
}

typedef void (*handler)(void);

__attribute__((section(".vectors"), used)) static const struct {
    uint32_t stack;
    handler handlers[15];
} vectors = { 0x20080000u, { start, fault, fault, fault, fault, fault, fault, fault, fault, fault,
                            fault, fault, fault, fault, wrapped_once } };

#endif
