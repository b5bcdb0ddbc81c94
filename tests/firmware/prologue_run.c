/* Runs a prologue over every window of features.bin, on the host or by semihosting on the emulated Cortex-M55:
 * stages.bin gets the values of all stages, output.bin the int8 outputs, ticks.bin the SysTick ticks of each stage and
 * of the quantization (M55 only, 0 elsewhere). */
#include <stdio.h>
#include <string.h>

#include "prologue/prologue.h"

static FILE *stages;
static FILE *ticks;

#ifdef __arm__
#define SYST_CSR (*(volatile uint32_t *)0xE000E010u)
#define SYST_RVR (*(volatile uint32_t *)0xE000E014u)
#define SYST_CVR (*(volatile uint32_t *)0xE000E018u)

static void start_clock(void)
{
    uint32_t fpscr;
    __asm__ volatile("vmrs %0, fpscr" : "=r"(fpscr));
    __asm__ volatile("vmsr fpscr, %0" ::"r"(fpscr | 1u << 24)); /* flush to zero, as Helium does */
    SYST_RVR = 0xFFFFFFu;
    SYST_CSR = 5; /* processor clock, no interrupt */
    SYST_CVR = 0;
}

static uint32_t elapsed(void) { return (0u - SYST_CVR) & 0xFFFFFFu; }
static void restart(void) { SYST_CVR = 0; }
#else
static void start_clock(void) {}
static uint32_t elapsed(void) { return 0; }
static void restart(void) {}
#endif

static void write_ticks(void)
{
    const uint32_t now = elapsed();
    fwrite(&now, sizeof now, 1, ticks);
}

static void seen(const char *name, const float *values, uint32_t count)
{
    (void)name;
    write_ticks();
    fwrite(values, sizeof *values, count, stages);
    restart();
}

int main(void)
{
    static float features[PROLOGUE_INPUT_SIZE];
    static int8_t result[PROLOGUE_OUTPUT_SIZE];
    FILE *const source = fopen("features.bin", "rb");
    FILE *const output = fopen("output.bin", "wb");
    stages = fopen("stages.bin", "wb");
    ticks = fopen("ticks.bin", "wb");
    if (source == NULL || output == NULL || stages == NULL || ticks == NULL)
        return 1;
    start_clock();
    while (fread(features, sizeof features, 1, source) == 1) {
        memcpy(prologue_input(), features, sizeof features);
        restart();
        prologue_run(result, seen);
        write_ticks();
        fwrite(result, 1, sizeof result, output);
    }
    return fclose(stages) + fclose(output) + fclose(ticks) == 0 ? 0 : 2;
}
