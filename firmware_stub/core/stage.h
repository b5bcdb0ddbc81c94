/* stage.h - what an intermediate tensor holds, in few numbers: enough to find the first stage that differs.
 *
 * The CRC-32 is zlib's over the values as they lie in memory (little endian). The sum is taken in double precision in
 * the order of the values, so that it has the same bits everywhere.
 */
#ifndef BN_STAGE_H
#define BN_STAGE_H

#include <stdint.h>

enum { STAGE_FIRST = 8 }; /* of the values, the first so many are told */

/* Values are kept as they are printed, most significant byte first: `width` bytes each. */
struct stage {
    const char *dtype; /* "float32" or "int8" */
    uint32_t count;
    uint32_t crc;
    uint32_t width;
    uint32_t firsts; /* how many of `first` there are */
    int8_t min[sizeof(float)];
    int8_t max[sizeof(float)];
    int8_t sum[sizeof(double)];
    int8_t first[STAGE_FIRST * sizeof(float)];
};

/* count >= 1 */
struct stage stage_of_floats(const float *values, uint32_t count);
struct stage stage_of_int8(const int8_t *values, uint32_t count);

#endif
