/* nn_add.h - sum or difference of two tensors with scales of their own.
 *
 * Both operands are brought to half of the larger scale in steps of 2^-19. For the operand that has the larger scale
 * (`wide`) that is exact, a multiplication by 2^19; the other one (`narrow`) is requantized, each of its 256 values
 * once. A difference has one factor negative. `wide` is the first operand of `shape`.
 */
#ifndef NN_ADD_H
#define NN_ADD_H

#include "nn_broadcast.h"
#include "nn_requantize.h"

struct nn_add {
    struct nn_broadcast shape;
    int32_t wide_zero_point;
    int32_t wide_factor; /* 2^19 or -2^19 */
    int32_t narrow_zero_point;
    int32_t narrow_multiplier;
    int32_t narrow_shift; /* not positive */
    int32_t narrow_sign;  /* 1 or -1 */
    int32_t multiplier;
    int32_t shift; /* not positive */
    struct nn_output output;
};

/* Bytes of scratch: a table of what each narrow value adds. */
enum { NN_ADD_SCRATCH = 1024 };

/* The output may be an operand that is not repeated. `scratch` holds NN_ADD_SCRATCH bytes, aligned to 4. */
void nn_add(const struct nn_add *p, const int8_t *wide, const int8_t *narrow, int8_t *output, int8_t *scratch);

#endif
