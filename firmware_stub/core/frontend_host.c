#include "frontend_host.h"

#include "frontend.h"

#if defined(__x86_64__) || defined(__SSE__)
#include <xmmintrin.h>
#define FLUSH_TO_ZERO 0x8040u /* FTZ | DAZ */
static uint64_t float_mode(void) { return _mm_getcsr(); }
static void set_float_mode(uint64_t mode) { _mm_setcsr((unsigned)mode); }
#elif defined(__aarch64__)
#define FLUSH_TO_ZERO (UINT64_C(1) << 24) /* FPCR.FZ */
static uint64_t float_mode(void)
{
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
}
static void set_float_mode(uint64_t mode) { __asm__ volatile("msr fpcr, %0" ::"r"(mode)); }
#else
#define FLUSH_TO_ZERO 0u /* the bits do not depend on it, see POWER_FLOOR */
static uint64_t float_mode(void) { return 0; }
static void set_float_mode(uint64_t mode) { (void)mode; }
#endif

int32_t frontend_host_window(void)
{
    return FRONTEND_WINDOW;
}

int32_t frontend_host_size(void)
{
    return FRONTEND_SIZE;
}

void frontend_host_run(const int16_t *pcm, float *features)
{
    const uint64_t mode = float_mode();
    set_float_mode(mode | FLUSH_TO_ZERO);
    frontend_run(pcm, features);
    set_float_mode(mode);
}

void frontend_host_quantize(const float *features, int8_t *input)
{
    const uint64_t mode = float_mode();
    set_float_mode(mode | FLUSH_TO_ZERO);
    frontend_quantize(features, input);
    set_float_mode(mode);
}
