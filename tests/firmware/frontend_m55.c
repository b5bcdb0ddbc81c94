/* Runs the frontend over every window of pcm.bin on an emulated Cortex-M55, by semihosting alone: features.bin gets
 * the features, input.bin the int8 tensors, ticks.bin the SysTick ticks of each frontend_run. */
#include "frontend.h"

static int16_t pcm[FRONTEND_WINDOW];
static float features[FRONTEND_SIZE];
static int8_t input[FRONTEND_SIZE];

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
    return semihost(0x01, block);
}

/* Both give the number of bytes that were not moved. */
static int read_all(int file, void *data, uint32_t size)
{
    const uint32_t block[3] = { (uint32_t)file, (uint32_t)data, size };
    return semihost(0x06, block);
}

static void write_all(int file, const void *data, uint32_t size)
{
    const uint32_t block[3] = { (uint32_t)file, (uint32_t)data, size };
    if (semihost(0x05, block) != 0) {
        leave(3);
    }
}

#define SYST_CSR (*(volatile uint32_t *)0xE000E010u)
#define SYST_RVR (*(volatile uint32_t *)0xE000E014u)
#define SYST_CVR (*(volatile uint32_t *)0xE000E018u)
#define CPACR (*(volatile uint32_t *)0xE000ED88u)
#define FPDSCR (*(volatile uint32_t *)0xE000EF3Cu)

static void run(void)
{
    const int source = opened("pcm.bin", 7, 1);            /* rb */
    const int features_out = opened("features.bin", 12, 5); /* wb */
    const int input_out = opened("input.bin", 9, 5);
    const int ticks_out = opened("ticks.bin", 9, 5);
    if (source < 0 || features_out < 0 || input_out < 0 || ticks_out < 0) {
        leave(2);
    }
    SYST_RVR = 0xFFFFFFu;
    SYST_CSR = 5; /* processor clock, no interrupt */
    while (read_all(source, pcm, sizeof pcm) == 0) {
        SYST_CVR = 0;
        const uint32_t before = SYST_CVR;
        frontend_run(pcm, features);
        const uint32_t ticks = (before - SYST_CVR) & 0xFFFFFFu;
        frontend_quantize(features, input);
        write_all(features_out, features, sizeof features);
        write_all(input_out, input, sizeof input);
        write_all(ticks_out, &ticks, sizeof ticks);
    }
    leave(0);
}

void start(void);
void start(void)
{
    CPACR |= 0xFu << 20;
    __asm__ volatile("dsb\n isb" ::: "memory");
    uint32_t fpscr;
    __asm__ volatile("vmrs %0, fpscr" : "=r"(fpscr));
    /* Flush to zero, as Helium float does. LTPSIZE (bits 18:16) must stay 4, or the first LE faults (INVSTATE). */
    __asm__ volatile("vmsr fpscr, %0" ::"r"(fpscr | 1u << 24));
    FPDSCR |= 1u << 24;
    run();
}

static void fault(void)
{
    leave(4);
}

typedef void (*handler)(void);

__attribute__((section(".vectors"), used)) static const struct {
    uint32_t stack;
    handler handlers[15];
} vectors = { 0x21400000u, { start, fault, fault, fault, fault, fault } };
