/* The Helium form of nn_depthwise.h.
 *
 * A gather of 16 bytes loads a patch: what up to four neighbouring outputs of one channel see. One instruction multiplies
 * it by a filter and adds up; each of the outputs has the filter in a vector of its own, with zeros around it. */
#include "nn_depthwise.h"

#if NN_HELIUM

enum {
    LANES = 16,
    AT_ONCE = 8, /* outputs of a row that are requantized together */
    MOST = 4,    /* outputs of a patch */
};

/* What is the same for all channels. */
struct plan {
    const struct nn_depthwise *p;
    uint8_t offsets[LANES];        /* of a patch's values from its first */
    uint8_t taps[MOST * LANES];    /* by output of the patch: which weight meets a value; one that is zero for none */
    int32_t patch_step;            /* bytes from a patch to the next */
    int32_t group_step;            /* and to the one below */
};

/* A part of the image. */
struct part {
    int32_t top; /* its first output */
    int32_t left;
    int32_t rows; /* its outputs */
    int32_t columns;
    int32_t groups; /* of rows */
    int32_t patches; /* of a group, the outputs a multiple of AT_ONCE */
};

struct dots {
    const int8_t *tile;
    int32_t group_step;
    int32_t groups;
    int32_t patches;
    int32_t *sums;
    const int8_t *weights;
    const uint8_t *offsets;
    const uint8_t *taps;
    int32_t patch_step;
};

#pragma GCC diagnostic ignored "-Wunused-parameter" /* functions in assembler find them in registers */

/* struct dots is read in order. */
#define BEGIN                                                                                                          \
    "push {r4-r11, lr}\n"                                                                                              \
    "vpush {d8-d15}\n"                                                                                                 \
    "ldm r0, {r1, r3, r5, r7, r9, r11}\n"                                                                              \
    "ldrd r2, r4, [r0, #24]\n"                                                                                         \
    "ldr r12, [r0, #32]\n" /* tile r1, group step r3, groups r5, patches r7, sums r9, weights r11, patch step r12 */     \
    "vldrb.u8 q7, [r2]\n"
#define FILTER(to) "vldrb.u8 q6, [r4], #16\nvldrb.u8 " to ", [r11, q6]\n"
#define NEXT(to, from) "vadd.i8 " to ", " from ", r12\n"
#define GROUPS(two_to_patches, body)                                                                                   \
    "lsr r7, r7, #" two_to_patches "\n"                                                                                \
    "1: mov r11, r1\n"                                                                                                 \
    "dls lr, r7\n"                                                                                                     \
    "2:\n" body "add r11, r11, r12, lsl #" two_to_patches "\n"                                                         \
    "le lr, 2b\n"                                                                                                      \
    "add r1, r1, r3\n"                                                                                                 \
    "subs r5, r5, #1\n"                                                                                                \
    "bne 1b\n"
#define END "vpop {d8-d15}\npop {r4-r11, pc}\n"

/* Two patches a turn; q7 and q6 have the offsets of their values. */
__attribute__((naked)) static void dots_2x2(const struct dots *dots)
{
#define PATCH(offsets)                                                                                                 \
    "vldrb.u8 q4, [r11, " offsets "]\n"                                                                                \
    "vmladav.s8 r0, q4, q0\n"                                                                                          \
    "vmladav.s8 r2, q4, q1\n"                                                                                          \
    "vmladav.s8 r4, q4, q2\n"                                                                                          \
    "vmladav.s8 r6, q4, q3\n"                                                                                          \
    "stmia r9!, {r0, r2, r4, r6}\n"
    __asm__ volatile(BEGIN FILTER("q0") FILTER("q1") FILTER("q2") FILTER("q3") NEXT("q6", "q7")
                         GROUPS("1", PATCH("q7") PATCH("q6")) END);
#undef PATCH
}

/* Four patches a turn. */
__attribute__((naked)) static void dots_1x2(const struct dots *dots)
{
#define TWO_PATCHES(offsets0, offsets1)                                                                                \
    "vldrb.u8 q2, [r11, " offsets0 "]\n"                                                                               \
    "vldrb.u8 q3, [r11, " offsets1 "]\n"                                                                               \
    "vmladav.s8 r0, q2, q0\n"                                                                                          \
    "vmladav.s8 r2, q2, q1\n"                                                                                          \
    "vmladav.s8 r4, q3, q0\n"                                                                                          \
    "vmladav.s8 r6, q3, q1\n"                                                                                          \
    "stmia r9!, {r0, r2, r4, r6}\n"
    __asm__ volatile(BEGIN FILTER("q0") FILTER("q1") NEXT("q6", "q7") NEXT("q5", "q6") NEXT("q4", "q5")
                         GROUPS("2", TWO_PATCHES("q7", "q6") TWO_PATCHES("q5", "q4")) END);
#undef TWO_PATCHES
}

__attribute__((naked)) static void dots_1x1(const struct dots *dots)
{
    __asm__ volatile(BEGIN FILTER("q0") NEXT("q6", "q7") NEXT("q5", "q6") NEXT("q4", "q5")
                         GROUPS("2", "vldrb.u8 q1, [r11, q7]\n"
                                     "vldrb.u8 q2, [r11, q6]\n"
                                     "vmladav.s8 r0, q1, q0\n"
                                     "vmladav.s8 r2, q2, q0\n"
                                     "vldrb.u8 q1, [r11, q5]\n"
                                     "vldrb.u8 q2, [r11, q4]\n"
                                     "vmladav.s8 r4, q1, q0\n"
                                     "vmladav.s8 r6, q2, q0\n"
                                     "stmia r9!, {r0, r2, r4, r6}\n") END);
}

/* One channel's way back to int8. */
struct channel {
    int32_t bias;
    int32_t multiplier;
    int32_t shift;
    const struct nn_output *output;
};

/* Any shift, one value after the other. `index` is that of an output in a group of rows: its place among the sums. */
static void finish_any(const struct channel *channel, const struct nn_patches *patches, const int32_t *sums,
                       int32_t rows, int32_t columns, int8_t *output, int32_t pixel_bytes, int32_t row_bytes)
{
    for (int32_t y = 0; y < rows; y++)
        for (int32_t x = 0; x < columns; x++) {
            const int32_t patch = x / patches->columns;
            const int32_t index = (patch * patches->rows + y) * patches->columns + x % patches->columns;
            const int32_t sum = nn_wrapping_add(sums[index], channel->bias);
            output[y * row_bytes + x * pixel_bytes] =
                nn_finish(nn_requantize(sum, channel->multiplier, channel->shift), channel->output);
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
    [bias] "r"(channel->bias), [multiplier] "r"(channel->multiplier), [shift] "r"(channel->shift),                     \
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
                     : OPERANDS, [turns] "r"(turns), [step] "r"(step)                                                   \
                     : "lr", "q0", "q1", "q4", "memory")
#define REST(scaled)                                                                                                   \
    __asm__ volatile("vctp.16 %[rest]\n" scaled "vpst\n"                                                               \
                     "vstrbt.16 q0, [%[row], %q[places]]\n"                                                            \
                     : [sums] "+r"(sums)                                                                              \
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
                     : OPERANDS, [turns] "r"(turns), [step] "r"(step)                                                   \
                     : "lr", "q0", "q1", "q2", "q3", "q4", "memory")
#define TWO_REST(scaled)                                                                                               \
    __asm__ volatile("vctp.16 %[rest]\n" scaled "vpstt\n"                                                              \
                     "vstrbt.16 q2, [%[below], %q[places]]\n"                                                          \
                     "vstrbt.16 q0, [%[row], %q[places]]\n"                                                            \
                     : [sums] "+r"(sums)                                                                              \
                     : OPERANDS, [row] "r"(to), [below] "r"(below), [rest] "r"(rest)                                   \
                     : "q0", "q1", "q2", "q3", "q4", "memory")

struct rows {
    const int32_t *sums;
    int8_t *output;
    int32_t columns;
    int32_t groups;
    int32_t row_bytes;
    int32_t pixel_bytes;
    bool two; /* rows a group */
    bool last_is_one;
};

/* Where the last group of two rows has one only, its second row goes where its first one goes after it. */
static void finish_rows(const struct channel *channel, const struct rows *rows)
{
    const int32_t offset = channel->output->offset;
    const int16x8_t least = vdupq_n_s16((int16_t)channel->output->minimum);
    const int16x8_t largest = vdupq_n_s16((int16_t)channel->output->maximum);
    const uint16x8_t places = vmulq_n_u16(vidupq_n_u16(0, 1), (uint16_t)rows->pixel_bytes);
    const bool away = !nn_helium_ends_at_zero(channel->output);
    const int32_t step = AT_ONCE * rows->pixel_bytes;
    const int32_t turns = rows->columns / AT_ONCE;
    const int32_t rest = rows->columns % AT_ONCE;
    const int32_t *sums = rows->sums;
    int8_t *row = rows->output;
    for (int32_t group = rows->groups; group > 0; group--) {
        int8_t *to = row;
        if (rows->two) {
            int8_t *below = group == 1 && rows->last_is_one ? row : row + rows->row_bytes;
            if (away)
                TWO_TURNS(TWO_ROWS(DOWN));
            else
                TWO_TURNS(TWO_ROWS(NOT_DOWN));
            if (rest != 0 && away)
                TWO_REST(TWO_ROWS(DOWN));
            else if (rest != 0)
                TWO_REST(TWO_ROWS(NOT_DOWN));
            row += 2 * rows->row_bytes;
        } else {
            if (away)
                TURNS(ROW(DOWN));
            else
                TURNS(ROW(NOT_DOWN));
            if (rest != 0 && away)
                REST(ROW(DOWN));
            else if (rest != 0)
                REST(ROW(NOT_DOWN));
            row += rows->row_bytes;
        }
    }
}

static void finish(const struct plan *plan, const struct part *part, int32_t channel_index, const int32_t *sums,
                   int8_t *output)
{
    const struct nn_depthwise *const p = plan->p;
    const struct nn_patches *const patches = &p->patches;
    const struct channel channel = {
        .bias = p->channels.bias[channel_index],
        .multiplier = p->channels.multiplier[channel_index],
        .shift = p->channels.shift[channel_index],
        .output = &p->channels.output,
    };
    const int32_t pixel_bytes = p->depth * p->filters;
    const struct rows rows = {
        .sums = sums,
        .output = output,
        .columns = part->columns,
        .groups = part->groups,
        .row_bytes = p->window.output_width * pixel_bytes,
        .pixel_bytes = pixel_bytes,
        .two = patches->rows == 2,
        .last_is_one = part->rows % patches->rows != 0,
    };
    if (p->channels.shifts_right) {
        finish_rows(&channel, &rows);
    } else {
        const int32_t group_sums = part->patches * patches->rows * patches->columns;
        for (int32_t y = 0; y < part->rows; y += patches->rows, sums += group_sums) {
            const int32_t left = part->rows - y;
            finish_any(&channel, patches, sums, left < patches->rows ? left : patches->rows, part->columns,
                       output + y * rows.row_bytes, pixel_bytes, rows.row_bytes);
        }
    }
}

/* Copies `count` values that are `step` bytes apart. */
static inline void copy_strided(int8_t *to, const int8_t *from, int32_t count, uint16x8_t places, int32_t step)
{
    __asm__ volatile("wlstp.16 lr, %[count], 2f\n"
                     "1: vldrb.u16 q0, [%[from], %q[places]]\n"
                     "vstrb.16 q0, [%[to]], #8\n"
                     "add %[from], %[from], %[step]\n"
                     "letp lr, 1b\n"
                     "2:\n"
                     : [to] "+l"(to), [from] "+r"(from) /* VSTRB.16 takes a low register */
                     : [count] "r"(count), [places] "w"(places), [step] "r"(8 * step)
                     : "lr", "q0", "memory");
}

/* The part of a tile that lies inside the image; what lies outside stays as it is. */
struct inside {
    int32_t first_row; /* of the image */
    int32_t rows;
    int32_t first_column;
    int32_t columns;
    int32_t place; /* in the tile */
};

static struct inside inside_of(const struct nn_depthwise *p, const struct part *part)
{
    const struct nn_window *const window = &p->window;
    const int32_t top = part->top * window->stride_height - window->pad_top;
    const int32_t left = part->left * window->stride_width - window->pad_left;
    const int32_t reach_y = (part->rows - 1) * window->stride_height + (window->filter_height - 1) * window->dilation_height;
    const int32_t reach_x = (part->columns - 1) * window->stride_width + (window->filter_width - 1) * window->dilation_width;
    const struct nn_span y = nn_inside(top, 1, reach_y + 1, window->input_height);
    const struct nn_span x = nn_inside(left, 1, reach_x + 1, window->input_width);
    const struct inside inside = {top + y.first, y.end - y.first, left + x.first, x.end - x.first,
                                  y.first * p->patches.pitch + x.first};
    return inside;
}

static void run_part(const struct plan *plan, const struct part *part, const int8_t *input, int8_t *output,
                     int8_t *tile)
{
    const struct nn_depthwise *const p = plan->p;
    const struct inside inside = inside_of(p, part);
    const int32_t row_bytes = p->window.input_width * p->depth;
    const uint16x8_t places = vmulq_n_u16(vidupq_n_u16(0, 1), (uint16_t)p->depth);
    int32_t sums[NN_DEPTHWISE_SUMS];
    struct dots dots = {
        .tile = tile,
        .group_step = plan->group_step,
        .groups = part->groups,
        .patches = part->patches,
        .sums = sums,
        .offsets = plan->offsets,
        .taps = plan->taps,
        .patch_step = plan->patch_step,
    };
    input += inside.first_row * row_bytes + inside.first_column * p->depth;
    for (int32_t channel = 0; channel < p->depth; channel++) {
        int8_t *to = tile + inside.place;
        const int8_t *from = input + channel;
        for (int32_t y = inside.rows; y > 0; y--, to += p->patches.pitch, from += row_bytes)
            copy_strided(to, from, inside.columns, places, p->depth);
        for (int32_t i = 0; i < p->filters; i++) {
            const int32_t index = channel * p->filters + i;
            dots.weights = p->weights + index * LANES;
            if (p->patches.rows == 2)
                dots_2x2(&dots);
            else if (p->patches.columns == 2)
                dots_1x2(&dots);
            else
                dots_1x1(&dots);
            finish(plan, part, index, sums, output + index);
        }
    }
}

/* The values of a patch in rows: those that its outputs see, and the weights that they meet there. */
static struct plan make_plan(const struct nn_depthwise *p)
{
    const struct nn_window *const window = &p->window;
    const struct nn_patches *const patches = &p->patches;
    struct plan plan = {
        .p = p,
        .patch_step = patches->columns * window->stride_width,
        .group_step = patches->rows * window->stride_height * patches->pitch,
    };
    const int32_t height = window->filter_height + (patches->rows - 1) * window->stride_height;
    const int32_t width = window->filter_width + (patches->columns - 1) * window->stride_width;
    for (int32_t lane = 0; lane < height * width; lane++)
        plan.offsets[lane] = (uint8_t)(lane / width * window->dilation_height * patches->pitch +
                                       lane % width * window->dilation_width);
    for (int32_t i = 0; i < MOST * LANES; i++) {
        const int32_t output = i / LANES, lane = i % LANES;
        const int32_t y = lane / width - output / patches->columns * window->stride_height;
        const int32_t x = lane % width - output % patches->columns * window->stride_width;
        const bool seen = y >= 0 && y < window->filter_height && x >= 0 && x < window->filter_width;
        plan.taps[i] = (uint8_t)(seen ? y * window->filter_width + x : LANES - 1);
    }
    return plan;
}

static int32_t least(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

void nn_depthwise_patches(const struct nn_depthwise *p, const int8_t *input, int8_t *output, int8_t *scratch)
{
    const struct nn_window *const window = &p->window;
    const struct nn_patches *const patches = &p->patches;
    const struct plan plan = make_plan(p);
    const int32_t pixel_bytes = p->depth * p->filters;
    struct part part = {0};
    for (; part.top < window->output_height; part.top += patches->part_rows) {
        part.rows = least(patches->part_rows, window->output_height - part.top);
        part.groups = (part.rows + patches->rows - 1) / patches->rows;
        for (part.left = 0; part.left < window->output_width; part.left += patches->part_columns) {
            part.columns = least(patches->part_columns, window->output_width - part.left);
            part.patches = (part.columns + AT_ONCE - 1) / AT_ONCE * AT_ONCE / patches->columns;
            const int32_t rows = ((part.groups * patches->rows - 1) * window->stride_height) +
                                 (window->filter_height - 1) * window->dilation_height + 1;
            nn_helium_fill(scratch, p->input_zero_point, rows * patches->pitch);
            run_part(&plan, &part, input, output + (part.top * window->output_width + part.left) * pixel_bytes,
                     scratch);
        }
    }
}

#endif
