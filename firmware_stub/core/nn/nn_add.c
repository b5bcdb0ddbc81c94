#include "nn_add.h"

#include "nn_helium.h"

enum { NARROW_SCALE = 1 << 20 };

/* A kernel with its table: what a narrow value adds, less what the zero point of the wide operand adds. */
struct sum {
    const struct nn_add *kernel;
    const int32_t *narrow; /* for -128 at -128 */
};

#if NN_HELIUM

enum { AT_ONCE = 16 };

/* Sixteen sums in four vectors: elements 0 4 8 12, then 2 6 10 14, .., so that narrowing puts them in order. */
#define SUMS(q, places, sign)                                                                                          \
    "vldrb.s32 q3, [%[narrow], %q[" places "]]\n"                                                                      \
    "vldrw.u32 " q ", [%[table], q3, uxtw #2]\n"                                                                       \
    "vldrb.s32 q3, [%[wide], %q[" places "]]\n"                                                                        \
    "vmla.s32 " q ", q3, %[factor]\n"                                                                                  \
    "vqrdmulh.s32 " q ", " q ", %[multiplier]\n" sign(q) "vrshl.s32 " q ", %[shift]\n"
#define DOWN(q) "vshr.s32 q3, " q ", #31\nvadd.i32 " q ", " q ", q3\n"
#define NOT_DOWN(q)
#define SIXTEEN(sign)                                                                                                  \
    __asm__(SUMS("%q0", "at0", sign) SUMS("q2", "at2", sign)                                                           \
            "vqmovnb.s32 %q0, %q0\n"                                                                                   \
            "vqmovnt.s32 %q0, q2\n" SUMS("q1", "at1", sign) SUMS("q2", "at3", sign)                                    \
            "vqmovnb.s32 q1, q1\n"                                                                                     \
            "vqmovnt.s32 q1, q2\n"                                                                                     \
            "vqadd.s16 %q0, %q0, %[offset]\n"                                                                          \
            "vqadd.s16 q1, q1, %[offset]\n"                                                                            \
            "vqmovnb.s16 %q0, %q0\n"                                                                                   \
            "vqmovnt.s16 %q0, q1\n"                                                                                    \
            : "=&w"(values)                                                                                            \
            : [wide] "r"(wide), [narrow] "r"(narrow), [table] "r"(sum->narrow), [factor] "r"(p->wide_factor),          \
              [multiplier] "r"(p->multiplier), [shift] "r"(p->shift), [offset] "r"(p->output.offset), [at0] "w"(at0),  \
              [at1] "w"(at1), [at2] "w"(at2), [at3] "w"(at3)                                                           \
            : "q1", "q2", "q3", "memory")
#define TURNS for (int32_t i = turns; i > 0; i--, wide += AT_ONCE, narrow += AT_ONCE, output += AT_ONCE)

/* Gives how many it has done. */
static int32_t add_vectors(const struct sum *sum, const struct nn_run *run)
{
    const struct nn_add *const p = sum->kernel;
    const uint32x4_t at0 = vidupq_n_u32(0, 4);
    const uint32x4_t at1 = vaddq_n_u32(at0, 1), at2 = vaddq_n_u32(at0, 2), at3 = vaddq_n_u32(at0, 3);
    const int8_t *wide = run->first;
    const int8_t *narrow = run->second;
    int8_t *output = run->output;
    const int32_t turns = run->count / AT_ONCE;
    int8x16_t values;
    if (!nn_is_whole_range(&p->output)) {
        const int8_t least = (int8_t)p->output.minimum, largest = (int8_t)p->output.maximum;
        TURNS {
            SIXTEEN(DOWN);
            vstrbq_s8(output, vminq_s8(vmaxq_s8(values, vdupq_n_s8(least)), vdupq_n_s8(largest)));
        }
    } else if (nn_helium_ends_at_zero(&p->output)) {
        TURNS {
            SIXTEEN(NOT_DOWN);
            vstrbq_s8(output, values);
        }
    } else {
        TURNS {
            SIXTEEN(DOWN);
            vstrbq_s8(output, values);
        }
    }
    return turns * AT_ONCE;
}

#else

static void add_fast(const struct sum *sum, const struct nn_run *run)
{
    const int32_t *const table = sum->narrow;
    const int32_t factor = sum->kernel->wide_factor;
    const int32_t multiplier = sum->kernel->multiplier;
    const int32_t shift = ~sum->kernel->shift;
    const int32_t offset = sum->kernel->output.offset;
    const int8_t *const wide = run->first;
    const int8_t *const narrow = run->second;
    int8_t *const output = run->output;
    const int32_t count = run->count;
    for (int32_t i = 0; i < count; i++) {
        const int32_t value = nn_high_multiply(wide[i] * factor + table[narrow[i]], multiplier);
        output[i] = nn_saturate(nn_round_shift(value, shift) + offset);
    }
}

#endif

static void add_run(const void *argument, const struct nn_run *run)
{
    const struct sum *const sum = argument;
    const struct nn_add *const p = sum->kernel;
    const struct nn_output clamp = p->output;
    const int8_t *wide = run->first;
    const int8_t *narrow = run->second;
    int32_t i = 0;
    if (run->first_step + run->second_step == 2 && p->shift < 0) {
#if NN_HELIUM
        if (clamp.minimum >= INT8_MIN && clamp.minimum <= clamp.maximum && clamp.maximum <= INT8_MAX) {
            i = add_vectors(sum, run);
            wide += i;
            narrow += i;
        }
#else
        if (nn_is_whole_range(&clamp)) {
            add_fast(sum, run);
            return;
        }
#endif
    }
    for (; i < run->count; i++, wide += run->first_step, narrow += run->second_step) {
        const int32_t value = *wide * p->wide_factor + sum->narrow[*narrow];
        run->output[i] = nn_finish(nn_requantize(value, p->multiplier, p->shift), &clamp);
    }
}

/* What each narrow value adds, for -128 first. */
static void make_table(const struct nn_add *p, int32_t *table)
{
    const int32_t constant = p->wide_zero_point * p->wide_factor;
#if NN_HELIUM
    const int32x4_t right = vdupq_n_s32(p->narrow_shift);
    int32x4_t value = vreinterpretq_s32_u32(vidupq_n_u32(0, 1));
    value = vmulq_n_s32(vaddq_n_s32(value, INT8_MIN - p->narrow_zero_point), NARROW_SCALE);
    for (int32_t i = 0; i < 256; i += 4, value = vaddq_n_s32(value, 4 * NARROW_SCALE)) {
        const int32x4_t high = vqrdmulhq_n_s32(value, p->narrow_multiplier);
        const int32x4_t scaled = p->narrow_shift < 0 ? nn_helium_round_shift(high, right, true) : high;
        vstrwq_s32(table + i, vaddq_n_s32(vmulq_n_s32(scaled, p->narrow_sign), -constant));
    }
#else
    for (int32_t q = INT8_MIN; q <= INT8_MAX; q++) {
        const int32_t scaled =
            nn_requantize((q - p->narrow_zero_point) * NARROW_SCALE, p->narrow_multiplier, p->narrow_shift);
        table[q - INT8_MIN] = scaled * p->narrow_sign - constant;
    }
#endif
}

void nn_add(const struct nn_add *p, const int8_t *wide, const int8_t *narrow, int8_t *output, int8_t *scratch)
{
    int32_t *const table = (int32_t *)(void *)scratch;
    make_table(p, table);
    const struct sum sum = {p, table - INT8_MIN};
    nn_broadcast_runs(&p->shape, wide, narrow, output, add_run, &sum);
}
