/* The Helium form of nn_depthwise.h.
 *
 * A gather of 16 bytes loads a patch: what up to four neighbouring outputs of one channel see. One instruction
 * multiplies it by a filter and adds up; each of the outputs has the filter in a vector of its own, with zeros around
 * it. */
#include "nn_depthwise.h"
#include "nn_depthwise_finish.h"

#if NN_HELIUM

enum {
    LANES = 16,
    AT_ONCE = NN_DEPTHWISE_AT_ONCE,
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

/* struct dots is read in order: tile r1, group step r3, groups r5, patches r7, sums r9, weights r11, patch step r12. */
#define BEGIN                                                                                                          \
    "push {r4-r11, lr}\n"                                                                                              \
    "vpush {d8-d15}\n"                                                                                                 \
    "ldm r0, {r1, r3, r5, r7, r9, r11}\n"                                                                              \
    "ldrd r2, r4, [r0, #24]\n"                                                                                         \
    "ldr r12, [r0, #32]\n"                                                                                             \
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

static void finish(const struct plan *plan, const struct part *part, int32_t channel, const int32_t *sums,
                   int8_t *output)
{
    const struct nn_depthwise *const p = plan->p;
    const int32_t pixel_bytes = p->depth * p->filters;
    const struct nn_patch_sums patch_sums = {
        .sums = sums,
        .rows = part->rows,
        .columns = part->columns,
        .patches = part->patches,
        .patch_rows = p->patches.rows,
        .patch_columns = p->patches.columns,
        .bias = p->channels.bias[channel],
        .multiplier = p->channels.multiplier[channel],
        .shift = p->channels.shift[channel],
        .range = &p->channels.output,
        .output = output,
        .row_bytes = p->window.output_width * pixel_bytes,
        .pixel_bytes = pixel_bytes,
    };
    nn_depthwise_finish(&patch_sums, p->channels.shifts_right);
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

static int32_t reach(int32_t taps, int32_t dilation)
{
    return (taps - 1) * dilation + 1;
}

static struct inside inside_of(const struct nn_depthwise *p, const struct part *part)
{
    const struct nn_window *const window = &p->window;
    const int32_t top = part->top * window->stride_height - window->pad_top;
    const int32_t left = part->left * window->stride_width - window->pad_left;
    const int32_t height =
        (part->rows - 1) * window->stride_height + reach(window->filter_height, window->dilation_height);
    const int32_t width =
        (part->columns - 1) * window->stride_width + reach(window->filter_width, window->dilation_width);
    const struct nn_span y = nn_inside(top, 1, height, window->input_height);
    const struct nn_span x = nn_inside(left, 1, width, window->input_width);
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
            const int32_t rows = (part.groups * patches->rows - 1) * window->stride_height +
                                 reach(window->filter_height, window->dilation_height);
            nn_helium_fill(scratch, p->input_zero_point, rows * patches->pitch);
            run_part(&plan, &part, input, output + (part.top * window->output_width + part.left) * pixel_bytes,
                     scratch);
        }
    }
}

#endif
