/* nn_broadcast.h - walks two operands of an elementwise operation along the output, one of them perhaps repeated.
 *
 * The output is [size[0], size[1], size[2], size[3]], row-major. A step is what an operand moves for one element of a
 * dimension; 0 repeats it. Along the last dimension both steps are 0 or 1.
 */
#ifndef NN_BROADCAST_H
#define NN_BROADCAST_H

#include <stdint.h>

struct nn_broadcast {
    int32_t size[4];
    int32_t first_step[4];
    int32_t second_step[4];
};

/* One run of `count` elements along the last dimension. */
struct nn_run {
    const int8_t *first;
    const int8_t *second;
    int8_t *output;
    int32_t count;
    int32_t first_step;
    int32_t second_step;
};

/* Calls `each` for each row of the output. Kernels pass a static function, which the compiler puts in line. */
static inline void nn_broadcast_runs(const struct nn_broadcast *shape, const int8_t *first, const int8_t *second,
                                     int8_t *output, void (*each)(const void *kernel, const struct nn_run *run),
                                     const void *kernel)
{
    struct nn_run run = {first, second, output, shape->size[3], shape->first_step[3], shape->second_step[3]};
    for (int32_t i = 0; i < shape->size[0]; i++)
        for (int32_t j = 0; j < shape->size[1]; j++)
            for (int32_t k = 0; k < shape->size[2]; k++) {
                run.first = first + i * shape->first_step[0] + j * shape->first_step[1] + k * shape->first_step[2];
                run.second = second + i * shape->second_step[0] + j * shape->second_step[1] + k * shape->second_step[2];
                each(kernel, &run);
                run.output += run.count;
            }
}

#endif
