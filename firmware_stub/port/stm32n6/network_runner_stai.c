/* The network through the stai interface, as ST Edge AI Core generates it from 3.0 on. */
#if __has_include("stai_network.h")

#include "stai.h"
#include "stai_network.h"

#include "network.h"
#include "network_runner.h"
#include "port.h"

STAI_NETWORK_CONTEXT_DECLARE(context, STAI_NETWORK_CONTEXT_SIZE)

static struct network_buffer input;
static struct network_buffer output;
static int ready = BN_EBUSY; /* until it was looked at */

static struct network_buffer buffer_of(const stai_tensor *tensors, uint16_t count, stai_ptr place)
{
    return (struct network_buffer){
        .data = place,
        .bytes = count > 0 ? (uint32_t)tensors[0].size_bytes : 0,
        .count = count,
        .is_int8 = count > 0 && tensors[0].format == STAI_FORMAT_S8,
    };
}

/* The places come from the network: what it says it has, at most one of each, is all that is asked for. */
static int find_buffers(void)
{
    stai_network_info info;
    if (stai_network_get_info(context, &info) != STAI_SUCCESS) {
        return BN_ENETWORK;
    }
    stai_ptr places[2] = {NULL, NULL};
    stai_size inputs = 1;
    stai_size outputs = 1;
    if (info.n_inputs == 1 && info.n_outputs == 1 &&
        (stai_network_get_inputs(context, &places[0], &inputs) != STAI_SUCCESS ||
         stai_network_get_outputs(context, &places[1], &outputs) != STAI_SUCCESS)) {
        return BN_ENETWORK;
    }
    input = buffer_of(info.inputs, info.n_inputs, places[0]);
    output = buffer_of(info.outputs, info.n_outputs, places[1]);
    return network_buffers_fit(&input, &output);
}

static int prepare(void)
{
    if (stai_runtime_init() != STAI_SUCCESS || stai_network_init(context) != STAI_SUCCESS) {
        return BN_ENETWORK;
    }
    return find_buffers();
}

int network_run(void)
{
    if (ready == BN_EBUSY) {
        ready = prepare();
    }
    if (ready != BN_OK) {
        return ready;
    }
    network_buffers_load(&input, &output);
    if (stai_network_run(context, STAI_MODE_SYNC) != STAI_SUCCESS) {
        return BN_ENETWORK;
    }
    network_buffers_store(&output);
    return BN_OK;
}

#endif
