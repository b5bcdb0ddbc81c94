/* The Helium form of nn_dense.h: sums of four channels over a tile of columns, then all of them back to int8. */
#include "nn_dense.h"
#include "nn_dot.h"

#if NN_HELIUM

enum { GROUP = NN_DENSE_GROUP, PAIR = 2 * NN_DENSE_GROUP, ALL_LANES = 0xFFFF };

/* Four channels of the layer; lanes beyond its last channel are off. */
struct group {
    int32x4_t bias;
    int32x4_t multiplier;
    int32x4_t shift;
    uint16x8_t places; /* where the outputs of a pair of columns go: both of channel 0, both of channel 1, .. */
    mve_pred16_t lanes;
    const struct nn_output *output;
};

static inline int16x8_t narrow(int32x4_t first, int32x4_t second)
{
    return vqmovntq_s32(vqmovnbq_s32(vreinterpretq_s16_s32(first), first), second);
}

/* The usual case, every shift to the right: what leaves int16 ends at the same bound as in int32. In assembler, as gcc
 * 12 copies vectors before it narrows them. %q1, %q2: the sums of the first and the second column. */
#define SCALED                                                                                                         \
    "vldrw.u32 %q1, [%0], #32\n"                                                                                       \
    "vldrw.u32 %q2, [%0, #-16]\n"                                                                                      \
    "vadd.i32 %q1, %q1, %q[bias]\n"                                                                                    \
    "vadd.i32 %q2, %q2, %q[bias]\n"                                                                                    \
    "vqrdmulh.s32 %q1, %q1, %q[multiplier]\n"                                                                          \
    "vqrdmulh.s32 %q2, %q2, %q[multiplier]\n"
#define NEGATIVE_DOWN(sign)                                                                                            \
    "vshr.s32 %q[" sign "], %q1, #31\n"                                                                                \
    "vadd.i32 %q1, %q1, %q[" sign "]\n"                                                                                \
    "vshr.s32 %q[" sign "], %q2, #31\n"                                                                                \
    "vadd.i32 %q2, %q2, %q[" sign "]\n"
#define NARROWED                                                                                                       \
    "vrshl.s32 %q1, %q1, %q[shift]\n"                                                                                  \
    "vrshl.s32 %q2, %q2, %q[shift]\n"                                                                                  \
    "vqmovnb.s32 %q1, %q1\n"                                                                                           \
    "vqmovnt.s32 %q1, %q2\n"                                                                                           \
    "vqadd.s16 %q1, %q1, %[offset]\n"
#define OPERANDS [bias] "w"(bias), [multiplier] "w"(multiplier), [shift] "w"(shift), [offset] "r"(offset)

static void finish_right(const struct group *group, const int32_t *sums, int32_t pairs, int8_t *output, int32_t step)
{
    const int32x4_t bias = group->bias, multiplier = group->multiplier, shift = group->shift;
    const mve_pred16_t lanes = group->lanes;
    const int32_t offset = group->output->offset;
    const int16x8_t least = vdupq_n_s16((int16_t)group->output->minimum);
    const int16x8_t largest = vdupq_n_s16((int16_t)group->output->maximum);
    for (; pairs > 0; pairs--, output += step) {
        int16x8_t values;
        int32x4_t second, sign;
        __asm__(SCALED NEGATIVE_DOWN("sign") NARROWED
                : "+r"(sums), "=&w"(values), "=&w"(second), [sign] "=&w"(sign)
                : OPERANDS, "m"(*(const int32_t(*)[PAIR])sums));
        values = vminq_s16(vmaxq_s16(values, least), largest);
        vstrbq_scatter_offset_p_s16(output, group->places, values, lanes);
    }
}

/* The same for all four channels and the whole range of int8. */
static void finish_right_whole(const struct group *group, const int32_t *sums, int32_t pairs, int8_t *output,
                               int32_t step)
{
    const int32x4_t bias = group->bias, multiplier = group->multiplier, shift = group->shift;
    const uint16x8_t places = group->places;
    const int32_t offset = group->output->offset;
    int16x8_t values;
    int32x4_t second, sign;
    if (nn_helium_ends_at_zero(group->output))
        for (; pairs > 0; pairs--, output += step)
            __asm__ volatile(SCALED NARROWED "vqmovnb.s16 %q1, %q1\nvstrb.16 %q1, [%[to], %q[places]]"
                             : "+r"(sums), "=&w"(values), "=&w"(second)
                             : OPERANDS, [places] "w"(places), [to] "r"(output)
                             : "memory");
    else
        for (; pairs > 0; pairs--, output += step)
            __asm__ volatile(SCALED NEGATIVE_DOWN("sign") NARROWED
                             "vqmovnb.s16 %q1, %q1\nvstrb.16 %q1, [%[to], %q[places]]"
                             : "+r"(sums), "=&w"(values), "=&w"(second), [sign] "=&w"(sign)
                             : OPERANDS, [places] "w"(places), [to] "r"(output)
                             : "memory");
}

/* Any shift. All of it in int32, which may wrap as the reference's does. */
static int32x4_t finish_any(const struct group *group, int32x4_t sums)
{
    const int32x4_t none = vdupq_n_s32(0);
    int32x4_t value = vshlq_s32(vaddq_s32(sums, group->bias), vmaxq_s32(group->shift, none));
    value = vqrdmulhq_s32(value, group->multiplier);
    const int32x4_t right = vminq_s32(group->shift, none);
    value = vaddq_s32(value, vandq_s32(vshrq_n_s32(value, 31), vshrq_n_s32(right, 31)));
    value = vaddq_n_s32(vrshlq_s32(value, right), group->output->offset);
    value = vmaxq_s32(value, vdupq_n_s32(group->output->minimum));
    return vminq_s32(value, vdupq_n_s32(group->output->maximum));
}

static void finish(const struct nn_channels *channels, const struct group *group, const int32_t *sums, int32_t pairs,
                   int8_t *output, int32_t step)
{
    if (!channels->shifts_right) {
        for (; pairs > 0; pairs--, sums += PAIR, output += step) {
            const int16x8_t values = narrow(finish_any(group, vldrwq_s32(sums)),
                                            finish_any(group, vldrwq_s32(sums + GROUP)));
            vstrbq_scatter_offset_p_s16(output, group->places, values, group->lanes);
        }
        return;
    }
    if (group->lanes == ALL_LANES && nn_is_whole_range(group->output))
        finish_right_whole(group, sums, pairs, output, step);
    else
        finish_right(group, sums, pairs, output, step);
}

static struct group read_group(const struct nn_channels *channels, int32_t first, int32_t count)
{
    const mve_pred16_t lanes = vctp32q((uint32_t)count);
    const struct group group = {
        .bias = vldrwq_z_s32(channels->bias + first, lanes),
        .multiplier = vldrwq_z_s32(channels->multiplier + first, lanes),
        .shift = vldrbq_z_s32(channels->shift + first, lanes),
        .lanes = lanes,
        .output = &channels->output,
    };
    return group;
}

/* 0, pitch, 1, 1 + pitch, 2, .. */
static uint16x8_t places_of(int32_t pitch)
{
    const uint16x8_t index = vidupq_n_u16(0, 1);
    const uint16x8_t column = vmulq_n_u16(vandq_u16(index, vdupq_n_u16(1)), (uint16_t)pitch);
    return vaddq_u16(vshrq_n_u16(index, 1), column);
}

void nn_dense_tile(const struct nn_dense *dense, const int8_t *columns, int32_t pitch, int32_t count, int8_t *output,
                   int32_t output_pitch)
{
    const int32_t blocks = nn_dense_blocks(dense->depth);
    const int32_t group_bytes = nn_dense_group_bytes(dense->depth);
    const int32_t pairs = count / 2;
    const int8_t *weights = dense->weights;
    int32_t sums[NN_DENSE_TILE / 2 * PAIR];
    for (int32_t first = 0; first < dense->count; first += GROUP, weights += group_bytes) {
        struct group group = read_group(&dense->channels, first, dense->count - first);
        if (pairs > 0) {
            nn_dot_pairs(columns, pitch, weights, blocks, pairs, sums);
            group.places = places_of(output_pitch);
            finish(&dense->channels, &group, sums, pairs, output + first, 2 * output_pitch);
        }
        if (count % 2 != 0) { /* the last column twice, at one place */
            nn_dot_pairs(columns + 2 * pairs * pitch, 0, weights, blocks, 1, sums);
            group.places = places_of(0);
            finish(&dense->channels, &group, sums, 1, output + 2 * pairs * output_pitch + first, 0);
        }
    }
}

#endif
