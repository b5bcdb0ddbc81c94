#include "chosen.h"

#include "app_config.h"
#include "topk.h"

enum { MASK_BYTES = (APP_CLASSES + 7) / 8 };

static const uint8_t chosen_species[MASK_BYTES] = APP_SPECIES_MASK;

#ifdef APP_SOFTMAX_SHARE

/* The least output whose softmax reaches APP_SOFTMAX_SHARE, among these outputs; 128 where none does. Each step down
 * from the largest output multiplies by APP_SOFTMAX_STEP, exp(-scale). */
static int16_t lowest_of(const int8_t *outputs)
{
    int largest = outputs[0];
    for (uint32_t i = 1; i < APP_CLASSES; i++) {
        largest = outputs[i] > largest ? outputs[i] : largest;
    }
    float powers[256];
    powers[0] = 1.0f;
    for (uint32_t step = 1; step < 256; step++) {
        powers[step] = powers[step - 1] * APP_SOFTMAX_STEP;
    }
    float sum = 0.0f;
    for (uint32_t i = 0; i < APP_CLASSES; i++) {
        sum += powers[largest - outputs[i]];
    }
    int lowest = largest + 1;
    while (lowest > -128 && powers[largest - lowest + 1] >= APP_SOFTMAX_SHARE * sum) {
        lowest--;
    }
    return (int16_t)lowest;
}

#else

/* The activation grows with the output: the threshold is one output, whatever the others are. */
static int16_t lowest_of(const int8_t *outputs)
{
    (void)outputs;
    return APP_LOWEST_OUTPUT;
}

#endif

uint16_t chosen_top(const int8_t *outputs, uint16_t *indices, uint16_t k)
{
    const struct topk_filter filter = {.mask = chosen_species, .lowest = lowest_of(outputs)};
    return topk(outputs, APP_CLASSES, &filter, indices, k);
}
