#include "nn_dot.h"

#include <stddef.h>

#if NN_HELIUM

#pragma GCC diagnostic ignored "-Wunused-parameter" /* functions in assembler find them in registers */

/* In assembler, as the eight sums need all registers that VMLADAVA can sum into (the even ones, the link register
 * among them), and gcc 12 spills. Per block of 16 inputs: 6 loads, 8 instructions of 16 products each.
 *
 * q0, q1: a block of the columns. q2: one of the weights. Sums: r0 r2 r4 r6 of the first column, r8 r10 r12 lr of the
 * second. */
#define PRODUCTS(multiply, x0, x1, w0, w1, w2, w3)                                                                     \
    x0 w0                                                                                                              \
    multiply "  r0, q0, q2\n" x1 multiply "  r8, q1, q2\n" w1                                                          \
    multiply "  r2, q0, q3\n" multiply " r10, q1, q3\n" w2                                                             \
    multiply "  r4, q0, q2\n" multiply " r12, q1, q2\n" w3                                                             \
    multiply "  r6, q0, q3\n" multiply "  lr, q1, q3\n"

#define FIRST "vmladav.s8"
#define NEXT "vmladava.s8"

/* Columns side by side, blocks known: addresses are offsets from two pointers, r1 and r3. */
#define AT(to, from, offset) "vldrw.u32 " to ", [" from ", #(" offset ")]\n"
#define NEAR(multiply, block, blocks)                                                                                  \
    PRODUCTS(multiply, AT("q0", "r1", "16 * " #block), AT("q1", "r1", "16 * (" #block " + " #blocks ")"),              \
             AT("q2", "r3", "64 * " #block), AT("q3", "r3", "64 * " #block " + 16"),                                   \
             AT("q2", "r3", "64 * " #block " + 32"), AT("q3", "r3", "64 * " #block " + 48"))

#define DOT_NEAR(name, blocks, body)                                                                                   \
    __attribute__((naked)) static void name(const int8_t *columns, const int8_t *weights, int32_t pairs,               \
                                            int32_t *sums)                                                             \
    {                                                                                                                  \
        __asm__ volatile("push {r4-r11, lr}\n"                                                                         \
                         "mov r5, r3\n"                                                                                \
                         "mov r7, r2\n"                                                                                \
                         "mov r3, r1\n"                                                                                \
                         "mov r1, r0\n"                                                                                \
                         "1:\n" body "stmia r5!, {r0, r2, r4, r6, r8, r10, r12, lr}\n"                                 \
                         "add r1, r1, #(32 * " #blocks ")\n"                                                           \
                         "subs r7, r7, #1\n"                                                                           \
                         "bne 1b\n"                                                                                    \
                         "pop {r4-r11, pc}\n");                                                                        \
    }

/* One block: the weights stay in q4 .. q7. */
__attribute__((naked)) static void dot_16(const int8_t *columns, const int8_t *weights, int32_t pairs, int32_t *sums)
{
    __asm__ volatile("push {r4-r11, lr}\n"
                     "vpush {d8-d15}\n"
                     "mov r5, r3\n"
                     "mov r7, r2\n"
                     "vldrw.u32 q4, [r1]\n"
                     "vldrw.u32 q5, [r1, #16]\n"
                     "vldrw.u32 q6, [r1, #32]\n"
                     "vldrw.u32 q7, [r1, #48]\n"
                     "mov r1, r0\n"
                     "1: vldrw.u32 q0, [r1], #32\n"
                     "vldrw.u32 q1, [r1, #-16]\n"
                     "vmladav.s8 r0, q0, q4\n"
                     "vmladav.s8 r8, q1, q4\n"
                     "vmladav.s8 r2, q0, q5\n"
                     "vmladav.s8 r10, q1, q5\n"
                     "vmladav.s8 r4, q0, q6\n"
                     "vmladav.s8 r12, q1, q6\n"
                     "vmladav.s8 r6, q0, q7\n"
                     "vmladav.s8 lr, q1, q7\n"
                     "stmia r5!, {r0, r2, r4, r6, r8, r10, r12, lr}\n"
                     "subs r7, r7, #1\n"
                     "bne 1b\n"
                     "vpop {d8-d15}\n"
                     "pop {r4-r11, pc}\n");
}

/* clang-format off */
DOT_NEAR(dot_32, 2, NEAR(FIRST, 0, 2) NEAR(NEXT, 1, 2))
DOT_NEAR(dot_48, 3, NEAR(FIRST, 0, 3) NEAR(NEXT, 1, 3) NEAR(NEXT, 2, 3))
DOT_NEAR(dot_64, 4, NEAR(FIRST, 0, 4) NEAR(NEXT, 1, 4) NEAR(NEXT, 2, 4) NEAR(NEXT, 3, 4))
DOT_NEAR(dot_96, 6, NEAR(FIRST, 0, 6) NEAR(NEXT, 1, 6) NEAR(NEXT, 2, 6) NEAR(NEXT, 3, 6) NEAR(NEXT, 4, 6)
         NEAR(NEXT, 5, 6))
DOT_NEAR(dot_128, 8, NEAR(FIRST, 0, 8) NEAR(NEXT, 1, 8) NEAR(NEXT, 2, 8) NEAR(NEXT, 3, 8) NEAR(NEXT, 4, 8)
         NEAR(NEXT, 5, 8) NEAR(NEXT, 6, 8) NEAR(NEXT, 7, 8))
/* clang-format on */

/* Any pitch, alignment and depth: the pointers r1, r3 and r5 move. After the first block, four blocks a turn; the first
 * turn begins where the rest of the blocks ends evenly. On the stack: what brings a column's pointer to its next, the
 * weights, the turns, the place where the first turn begins. */
#define MOVING(to, pointer) "vldrb.u8 " to ", [" pointer "], #16\n"
#define FAR(multiply)                                                                                                  \
    PRODUCTS(multiply, MOVING("q0", "r1"), MOVING("q1", "r3"), MOVING("q2", "r5"), MOVING("q3", "r5"),                 \
             MOVING("q2", "r5"), MOVING("q3", "r5"))

__attribute__((naked)) static void dot_any(const int8_t *columns, int32_t pitch, const int8_t *weights, int32_t pairs,
                                           int32_t *sums, int32_t blocks)
{
    __asm__ volatile("push {r4-r11, lr}\n"
                     "sub sp, sp, #20\n"
                     "ldr r9, [sp, #56]\n" /* sums */
                     "ldr r7, [sp, #60]\n" /* blocks */
                     "mov r11, r3\n"
                     "mov r5, r2\n"
                     "lsl r4, r1, #1\n"
                     "sub r4, r4, r7, lsl #4\n"
                     "str r4, [sp]\n"
                     "str r2, [sp, #4]\n"
                     "add r3, r0, r1\n"
                     "mov r1, r0\n"
                     "sub r7, r7, #1\n"
                     "add r6, r7, #3\n"
                     "lsr r6, r6, #2\n"
                     "str r6, [sp, #8]\n"
                     "rsb r7, r7, r6, lsl #2\n" /* blocks that the first turn leaves out */
                     "add r4, r7, r7, lsl #3\n"
                     "sub r4, r4, r7, lsl #1\n" /* times 7 */
                     "adr r8, 2f\n"
                     "add r8, r8, r4, lsl #3\n" /* times 8: a block is 14 instructions of 4 bytes */
                     "cbnz r6, 4f\n"
                     "adr r8, 3f\n"
                     "4: orr r8, r8, #1\n" /* Thumb */
                     "str r8, [sp, #12]\n"
                     "1:\n" FAR(FIRST)
                     "ldr r7, [sp, #8]\n"
                     "ldr pc, [sp, #12]\n"
                     ".balign 4\n"
                     "2:\n" FAR(NEXT) FAR(NEXT) FAR(NEXT) FAR(NEXT)
                     "subs r7, r7, #1\n"
                     "bne 2b\n"
                     ".balign 4\n"
                     "3:\n"
                     "stmia r9!, {r0, r2, r4, r6, r8, r10, r12, lr}\n"
                     "ldrd r0, r5, [sp]\n"
                     "add r1, r1, r0\n"
                     "add r3, r3, r0\n"
                     "subs r11, r11, #1\n"
                     "bne 1b\n"
                     "add sp, sp, #20\n"
                     "pop {r4-r11, pc}\n");
}

void nn_dot_pairs(const int8_t *columns, int32_t pitch, const int8_t *weights, int32_t blocks, int32_t pairs,
                  int32_t *sums)
{
    static void (*const near[])(const int8_t *, const int8_t *, int32_t, int32_t *) = {
        NULL, dot_16, dot_32, dot_48, dot_64, NULL, dot_96, NULL, dot_128,
    };
    const bool side_by_side = pitch == 16 * blocks && ((uintptr_t)columns & 3) == 0;
    if (side_by_side && (size_t)blocks < sizeof near / sizeof near[0] && near[blocks] != NULL)
        near[blocks](columns, weights, pairs, sums);
    else
        dot_any(columns, pitch, weights, pairs, sums, blocks);
}

#endif
