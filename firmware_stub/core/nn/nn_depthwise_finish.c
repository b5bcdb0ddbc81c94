#include "nn_depthwise_finish.h"

#if NN_HELIUM

enum { AT_ONCE = NN_DEPTHWISE_AT_ONCE };

/* Any shift, one value after the other. */
static void finish_any(const struct nn_patch_sums *s)
{
    const int32_t group_sums = s->patches * s->patch_rows * s->patch_columns;
    for (int32_t y = 0; y < s->rows; y++)
        for (int32_t x = 0; x < s->columns; x++) {
            const int32_t *const patch =
                s->sums + y / s->patch_rows * group_sums + x / s->patch_columns * s->patch_rows * s->patch_columns;
            const int32_t sum = patch[y % s->patch_rows * s->patch_columns + x % s->patch_columns];
            const int32_t value = nn_requantize(nn_wrapping_add(sum, s->bias), s->multiplier, s->shift);
            s->output[y * s->row_bytes + x * s->pixel_bytes] = nn_finish(value, s->range);
        }
}

/* Every shift to the right: eight outputs of a row, %q0 and %q1 having those of even and of odd columns. */
#define SCALED(q, sign)                                                                                                \
    "vadd.i32 " q ", " q ", %[bias]\n"                                                                                 \
    "vqrdmulh.s32 " q ", " q ", %[multiplier]\n" sign(q) "vrshl.s32 " q ", %[shift]\n"
#define DOWN(q) "vshr.s32 q4, " q ", #31\nvadd.i32 " q ", " q ", q4\n"
#define NOT_DOWN(q)
#define NARROWED(even, odd)                                                                                            \
    "vqmovnb.s32 " even ", " even "\n"                                                                                 \
    "vqmovnt.s32 " even ", " odd "\n"                                                                                  \
    "vqadd.s16 " even ", " even ", %[offset]\n"                                                                        \
    "vmax.s16 " even ", " even ", %q[least]\n"                                                                         \
    "vmin.s16 " even ", " even ", %q[largest]\n"
#define OPERANDS                                                                                                       \
    [bias] "r"(s->bias), [multiplier] "r"(s->multiplier), [shift] "r"(s->shift),                                       \
        [offset] "r"(offset), [least] "w"(least), [largest] "w"(largest), [places] "w"(places)

#define ROW(sign)                                                                                                      \
    "vld20.32 {q0, q1}, [%[sums]]\n"                                                                                   \
    "vld21.32 {q0, q1}, [%[sums]]!\n" SCALED("q0", sign) SCALED("q1", sign) NARROWED("q0", "q1")
#define TWO_ROWS(sign)                                                                                                 \
    "vld40.32 {q0, q1, q2, q3}, [%[sums]]\n"                                                                           \
    "vld41.32 {q0, q1, q2, q3}, [%[sums]]\n"                                                                           \
    "vld42.32 {q0, q1, q2, q3}, [%[sums]]\n"                                                                           \
    "vld43.32 {q0, q1, q2, q3}, [%[sums]]!\n" SCALED("q0", sign) SCALED("q1", sign) SCALED("q2", sign)                 \
        SCALED("q3", sign) NARROWED("q0", "q1") NARROWED("q2", "q3")

/* Whole turns of eight outputs a row, then what is left of it. */
#define TURNS(scaled)                                                                                                  \
    __asm__ volatile("wls lr, %[turns], 2f\n"                                                                          \
                     "1:\n" scaled "vstrb.16 q0, [%[row], %q[places]]\n"                                               \
                     "add %[row], %[row], %[step]\n"                                                                   \
                     "le lr, 1b\n"                                                                                     \
                     "2:\n"                                                                                            \
                     : [sums] "+r"(sums), [row] "+r"(to)                                                               \
                     : OPERANDS, [turns] "r"(turns), [step] "r"(step)                                                  \
                     : "lr", "q0", "q1", "q4", "memory")
#define REST(scaled)                                                                                                   \
    __asm__ volatile("vctp.16 %[rest]\n" scaled "vpst\n"                                                               \
                     "vstrbt.16 q0, [%[row], %q[places]]\n"                                                            \
                     : [sums] "+r"(sums)                                                                               \
                     : OPERANDS, [row] "r"(to), [rest] "r"(rest)                                                       \
                     : "q0", "q1", "q4", "memory")
#define TWO_TURNS(scaled)                                                                                              \
    __asm__ volatile("wls lr, %[turns], 2f\n"                                                                          \
                     "1:\n" scaled "vstrb.16 q2, [%[below], %q[places]]\n"                                             \
                     "vstrb.16 q0, [%[row], %q[places]]\n"                                                             \
                     "add %[below], %[below], %[step]\n"                                                               \
                     "add %[row], %[row], %[step]\n"                                                                   \
                     "le lr, 1b\n"                                                                                     \
                     "2:\n"                                                                                            \
                     : [sums] "+r"(sums), [row] "+r"(to), [below] "+r"(below)                                          \
                     : OPERANDS, [turns] "r"(turns), [step] "r"(step)                                                  \
                     : "lr", "q0", "q1", "q2", "q3", "q4", "memory")
#define TWO_REST(scaled)                                                                                               \
    __asm__ volatile("vctp.16 %[rest]\n" scaled "vpstt\n"                                                              \
                     "vstrbt.16 q2, [%[below], %q[places]]\n"                                                          \
                     "vstrbt.16 q0, [%[row], %q[places]]\n"                                                            \
                     : [sums] "+r"(sums)                                                                               \
                     : OPERANDS, [row] "r"(to), [below] "r"(below), [rest] "r"(rest)                                   \
                     : "q0", "q1", "q2", "q3", "q4", "memory")

/* Where the last group of two rows has one only, its second row goes where its first one goes after it. */
static void finish_right(const struct nn_patch_sums *s)
{
    const int32_t offset = s->range->offset;
    const int16x8_t least = vdupq_n_s16((int16_t)s->range->minimum);
    const int16x8_t largest = vdupq_n_s16((int16_t)s->range->maximum);
    const uint16x8_t places = vmulq_n_u16(vidupq_n_u16(0, 1), (uint16_t)s->pixel_bytes);
    const bool away = !nn_helium_ends_at_zero(s->range);
    const int32_t step = AT_ONCE * s->pixel_bytes;
    const int32_t turns = s->columns / AT_ONCE;
    const int32_t rest = s->columns % AT_ONCE;
    const int32_t *sums = s->sums;
    int8_t *row = s->output;
    for (int32_t left = s->rows; left > 0; left -= s->patch_rows) {
        int8_t *to = row;
        if (s->patch_rows == 2) {
            int8_t *below = left == 1 ? row : row + s->row_bytes;
            if (away)
                TWO_TURNS(TWO_ROWS(DOWN));
            else
                TWO_TURNS(TWO_ROWS(NOT_DOWN));
            if (rest != 0 && away)
                TWO_REST(TWO_ROWS(DOWN));
            else if (rest != 0)
                TWO_REST(TWO_ROWS(NOT_DOWN));
            row += 2 * s->row_bytes;
        } else {
            if (away)
                TURNS(ROW(DOWN));
            else
                TURNS(ROW(NOT_DOWN));
            if (rest != 0 && away)
                REST(ROW(DOWN));
            else if (rest != 0)
                REST(ROW(NOT_DOWN));
            row += s->row_bytes;
        }
    }
}

void nn_depthwise_finish(const struct nn_patch_sums *sums, bool shifts_right)
{
    if (shifts_right)
        finish_right(sums);
    else
        finish_any(sums);
}

#endif
