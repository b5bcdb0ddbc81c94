/* host_float.h - how the host's float unit flushes denormals to zero, as an M55 does whose FPSCR.FZ is set. */
#ifndef BN_HOST_FLOAT_H
#define BN_HOST_FLOAT_H

#include <stdint.h>

#if defined(__x86_64__) || defined(__SSE__)
#include <xmmintrin.h>
#define HOST_FLUSH_TO_ZERO 0x8040u /* FTZ | DAZ */
static inline uint64_t host_float_mode(void) { return _mm_getcsr(); }
static inline void host_set_float_mode(uint64_t mode) { _mm_setcsr((unsigned)mode); }
#elif defined(__aarch64__)
#define HOST_FLUSH_TO_ZERO (UINT64_C(1) << 24) /* FPCR.FZ */
static inline uint64_t host_float_mode(void)
{
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
}
static inline void host_set_float_mode(uint64_t mode) { __asm__ volatile("msr fpcr, %0" ::"r"(mode)); }
#else
#define HOST_FLUSH_TO_ZERO 0u /* the bits do not depend on it, see docs/input-contract.md */
static inline uint64_t host_float_mode(void) { return 0; }
static inline void host_set_float_mode(uint64_t mode) { (void)mode; }
#endif

#endif
