/* nn_patch.h - copies what one filter window sees into a patch; what lies outside the image reads as zero (the zero
 * point).
 *
 * Kernels use it where the taps of a filter are not consecutive in memory, or where a window leaves the image.
 */
#ifndef NN_PATCH_H
#define NN_PATCH_H

#include "nn_window.h"

/* Writes [filter_height, filter_width, channels] bytes. `input` points at the first channel wanted of pixel (0, 0);
 * a pixel has `pixel_bytes` bytes, of which `channels` are copied. */
void nn_patch(const struct nn_window *window, const int8_t *input, int32_t pixel_bytes, int32_t channels,
              int32_t origin_y, int32_t origin_x, int8_t zero, int8_t *patch);

#endif
