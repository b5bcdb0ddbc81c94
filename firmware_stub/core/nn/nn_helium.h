/* nn_helium.h - says which form of the kernels is built, and holds what the Helium forms share.
 *
 * Each kernel has a scalar form in portable C and, where it pays, one in Helium (the M-profile vector extension). The
 * compiler's machine flags choose: -mcpu=cortex-m55 gives Helium, -mcpu=cortex-m55+nomve the scalar form. Both compute
 * the same bits from the same constants.
 */
#ifndef NN_HELIUM_H
#define NN_HELIUM_H

#if defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 1)
#define NN_HELIUM 1
#else
#define NN_HELIUM 0
#endif

#if NN_HELIUM
#include <arm_mve.h>
#include <stdbool.h>
#include <stdint.h>

#include "nn_requantize.h"

/* memcpy in line: a call costs more than most copies here, and newlib's takes most of an instruction a byte. */
static inline void nn_helium_copy(int8_t *to, const int8_t *from, int32_t count)
{
    __asm__ volatile("wlstp.8 lr, %2, 2f\n"
                     "1: vldrb.u8 q0, [%1], #16\n"
                     "vstrb.u8 q0, [%0], #16\n"
                     "letp lr, 1b\n"
                     "2:\n"
                     : "+r"(to), "+r"(from)
                     : "r"(count)
                     : "lr", "q0", "memory");
}

static inline void nn_helium_fill(int8_t *to, int8_t value, int32_t count)
{
    __asm__ volatile("vdup.8 q0, %2\n"
                     "wlstp.8 lr, %1, 2f\n"
                     "1: vstrb.u8 q0, [%0], #16\n"
                     "letp lr, 1b\n"
                     "2:\n"
                     : "+r"(to)
                     : "r"(count), "r"(value)
                     : "lr", "q0", "memory");
}

/* nn_round_shift of a result of the high multiply; `shift` is negative in every lane. Rounding halves up is right for
 * what is not negative, and for negative values one lower. Where whatever is negative ends at the least output anyway,
 * `away` may be false. */
static inline int32x4_t nn_helium_round_shift(int32x4_t value, int32x4_t shift, bool away)
{
    if (away)
        value = vaddq_s32(value, vshrq_n_s32(value, 31));
    return vrshlq_s32(value, shift);
}

/* True where halves of negative values may be rounded up, as nothing below the zero point leaves the kernel. */
static inline bool nn_helium_ends_at_zero(const struct nn_output *output)
{
    return output->minimum >= output->offset;
}
#endif

#endif
