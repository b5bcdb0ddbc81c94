#include "stage.h"

#include <string.h>

#include "crc32.h"

static void put_float(int8_t *to, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    for (unsigned i = 0; i < sizeof bits; i++) {
        to[i] = (int8_t)(uint8_t)(bits >> (24 - 8 * i));
    }
}

static void put_double(int8_t *to, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    for (unsigned i = 0; i < sizeof bits; i++) {
        to[i] = (int8_t)(uint8_t)(bits >> (56 - 8 * i));
    }
}

static struct stage begun(const char *dtype, uint32_t count, uint32_t width, const void *values)
{
    struct stage stage = {.dtype = dtype, .count = count, .width = width};
    stage.crc = crc32_update(0, values, count * width);
    stage.firsts = count < STAGE_FIRST ? count : STAGE_FIRST;
    return stage;
}

struct stage stage_of_floats(const float *values, uint32_t count)
{
    struct stage stage = begun("float32", count, sizeof(float), values);
    float low = values[0];
    float high = values[0];
    double sum = 0.0;
    for (uint32_t i = 0; i < count; i++) {
        low = values[i] < low ? values[i] : low;
        high = values[i] > high ? values[i] : high;
        sum += (double)values[i];
    }
    put_float(stage.min, low);
    put_float(stage.max, high);
    put_double(stage.sum, sum);
    for (uint32_t i = 0; i < stage.firsts; i++) {
        put_float(stage.first + i * sizeof(float), values[i]);
    }
    return stage;
}

struct stage stage_of_int8(const int8_t *values, uint32_t count)
{
    struct stage stage = begun("int8", count, sizeof(int8_t), values);
    int8_t low = values[0];
    int8_t high = values[0];
    double sum = 0.0;
    for (uint32_t i = 0; i < count; i++) {
        low = values[i] < low ? values[i] : low;
        high = values[i] > high ? values[i] : high;
        sum += (double)values[i];
    }
    stage.min[0] = low;
    stage.max[0] = high;
    put_double(stage.sum, sum);
    memcpy(stage.first, values, stage.firsts);
    return stage;
}
