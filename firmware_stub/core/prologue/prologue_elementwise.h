/* prologue_elementwise.h - what works value by value: per-channel scale and offset, two operands, functions.
 *
 * A tensor is seen as [outer, channels, inner]; a per-channel operand has `channels` values. The output may be the
 * input (its first one where there are two).
 */
#ifndef BN_PROLOGUE_ELEMENTWISE_H
#define BN_PROLOGUE_ELEMENTWISE_H

#include "prologue_vector.h"

struct prologue_blocks {
    int32_t outer;
    int32_t channels;
    int32_t inner;
};

/* input * scale[channel] + offset[channel] */
struct prologue_affine {
    struct prologue_blocks blocks;
    struct prologue_clamp clamp;
    const float *scale; /* with PROLOGUE_SLACK floats behind */
    const float *offset;
};

void prologue_affine(const struct prologue_affine *p, const float *input, float *output);

enum prologue_op {
    PROLOGUE_ADD,
    PROLOGUE_SUB,
    PROLOGUE_RSUB, /* b - a */
    PROLOGUE_MUL,
    PROLOGUE_DIV,
    PROLOGUE_RDIV, /* b / a */
    PROLOGUE_MAX,
    PROLOGUE_MIN,
    PROLOGUE_CLAMP,
    PROLOGUE_LOG,
    PROLOGUE_LOGISTIC,
};

/* a op b[channel], `b` with PROLOGUE_SLACK floats behind */
struct prologue_binary {
    enum prologue_op op; /* up to PROLOGUE_MIN */
    struct prologue_blocks blocks;
    struct prologue_clamp clamp;
};

void prologue_binary(const struct prologue_binary *p, const float *a, const float *b, float *output);

/* A function of each value. LOG takes values below the least normal float as that one. */
struct prologue_unary {
    enum prologue_op op; /* from PROLOGUE_CLAMP */
    int32_t count;
    struct prologue_clamp clamp;
};

void prologue_unary(const struct prologue_unary *p, const float *input, float *output);

#endif
