/* Runs CMSIS-NN's int8 products on the shapes of peer_layers.h and counts each call; counts.bin gets the ticks.
 * Data is pseudo-random: what a call costs does not depend on it. */
#include <stddef.h>

#include "arm_nnfunctions.h"
#include "counting.h"

enum { CONVOLUTION, DEPTHWISE, FULLY_CONNECTED };

struct layer {
    int32_t kind;
    cmsis_nn_dims input, filter, output;
    int32_t stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, multiplier;
};

#include "peer_layers.h"

static _Alignas(16) int8_t input[PEER_INPUT], weights[PEER_WEIGHTS], output[PEER_OUTPUT];
static _Alignas(16) int8_t scratch[1 << 20];
static int32_t bias[PEER_CHANNELS], multipliers[PEER_CHANNELS], shifts[PEER_CHANNELS];

static void fill(int8_t *data, size_t count)
{
    uint32_t state = 1;
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        data[i] = (int8_t)(state >> 24);
    }
}

static int convolve(const struct layer *l)
{
    const cmsis_nn_conv_params parameters = {
        .input_offset = 5, .output_offset = -3, .stride = { l->stride_w, l->stride_h }, .padding = { l->pad_w, l->pad_h },
        .dilation = { l->dilation_w, l->dilation_h }, .activation = { -128, 127 } };
    const cmsis_nn_per_channel_quant_params quantization = { multipliers, shifts };
    const int32_t size = arm_convolve_wrapper_s8_get_buffer_size(&parameters, &l->input, &l->filter, &l->output);
    const cmsis_nn_context context = { scratch, size };
    const cmsis_nn_dims bias_dims = { 1, 1, 1, l->output.c };
    return (int)arm_convolve_wrapper_s8(&context, &parameters, &quantization, &l->input, input, &l->filter, weights,
                                        &bias_dims, bias, &l->output, output);
}

static int convolve_depthwise(const struct layer *l)
{
    const cmsis_nn_dw_conv_params parameters = {
        .input_offset = 5, .output_offset = -3, .ch_mult = l->multiplier, .stride = { l->stride_w, l->stride_h },
        .padding = { l->pad_w, l->pad_h }, .dilation = { l->dilation_w, l->dilation_h }, .activation = { -128, 127 } };
    const cmsis_nn_per_channel_quant_params quantization = { multipliers, shifts };
    const int32_t size = arm_depthwise_conv_wrapper_s8_get_buffer_size(&parameters, &l->input, &l->filter, &l->output);
    const cmsis_nn_context context = { scratch, size };
    const cmsis_nn_dims bias_dims = { 1, 1, 1, l->output.c };
    return (int)arm_depthwise_conv_wrapper_s8(&context, &parameters, &quantization, &l->input, input, &l->filter,
                                              weights, &bias_dims, bias, &l->output, output);
}

static int connect(const struct layer *l)
{
    const cmsis_nn_fc_params parameters = { .input_offset = 5, .output_offset = -3, .activation = { -128, 127 } };
    const cmsis_nn_per_tensor_quant_params quantization = { multipliers[0], shifts[0] };
    const cmsis_nn_context context = { scratch, sizeof scratch }; /* the sums of weights that MVE wants prepared */
    const cmsis_nn_dims bias_dims = { 1, 1, 1, l->output.c };
    return (int)arm_fully_connected_s8(&context, &parameters, &quantization, &l->input, input, &l->filter, weights,
                                       &bias_dims, bias, &l->output, output);
}

static const struct layer *current;

static int run_layer(void)
{
    return current->kind == CONVOLUTION ? convolve(current)
           : current->kind == DEPTHWISE ? convolve_depthwise(current)
                                        : connect(current);
}

void run_all(void)
{
    const int counts = opened("counts.bin", 10, 5);
    const uint32_t overhead = ticks_of(empty_run);
    fill(input, sizeof input);
    fill(weights, sizeof weights);
    for (int i = 0; i < PEER_CHANNELS; i++) {
        bias[i] = 100 * i;
        multipliers[i] = 1518500250 + i;
        shifts[i] = -8;
    }
    for (size_t i = 0; i < sizeof layers_measured / sizeof layers_measured[0]; i++) {
        current = &layers_measured[i];
        const uint32_t ticks = ticks_of(run_layer) - overhead;
        if (moved(0x05, counts, &ticks, sizeof ticks) != 0) {
            leave(3);
        }
    }
    leave(0);
}
