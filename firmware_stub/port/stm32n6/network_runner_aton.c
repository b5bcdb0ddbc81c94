/* The network through LL_ATON, as ST Edge AI Core 2.x generates it: epoch block by epoch block. */
#if !__has_include("stai_network.h")

#include "ll_aton_runtime.h"

#include "network.h"
#include "network_runner.h"
#include "port.h"

#ifndef NETWORK_NAME /* of `stedgeai generate --name`; the build reads it from network.c */
#define NETWORK_NAME Default
#endif
#define JOINED(start, name) start##name
#define NAMED(start, name) JOINED(start, name)
#define DECLARE_INSTANCE(name) LL_ATON_DECLARE_NAMED_NN_INSTANCE_AND_INTERFACE(name)

DECLARE_INSTANCE(NETWORK_NAME)

static NN_Instance_TypeDef *const instance = &NAMED(NN_Instance_, NETWORK_NAME);
static struct network_buffer input;
static struct network_buffer output;
static int ready = BN_EBUSY; /* until it was looked at */

/* The buffer of a list, weights left out; a buffer that the user should have allocated has no place. */
static struct network_buffer only_buffer(const LL_Buffer_InfoTypeDef *list)
{
    struct network_buffer found = {0};
    for (; list != NULL && list->name != NULL; list++) {
        if (list->is_param) {
            continue;
        }
        found.count++;
        found.data = list->is_user_allocated ? NULL : LL_Buffer_addr_start(list);
        found.bytes = LL_Buffer_len(list);
        found.is_int8 = list->type == DataType_INT8 && list->nbits == 8;
    }
    return found;
}

static int prepare(void)
{
    input = only_buffer(NAMED(LL_ATON_Input_Buffers_Info_, NETWORK_NAME)());
    output = only_buffer(NAMED(LL_ATON_Output_Buffers_Info_, NETWORK_NAME)());
    const int status = network_buffers_fit(&input, &output);
    if (status == BN_OK) {
        LL_ATON_RT_RuntimeInit();
        LL_ATON_RT_Init_Network(instance);
    }
    return status;
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
    LL_ATON_RT_RetValues_t state = LL_ATON_RT_NO_WFE;
    while (state != LL_ATON_RT_DONE) {
        state = LL_ATON_RT_RunEpochBlock(instance);
        if (state == LL_ATON_RT_WFE) {
            LL_ATON_OSAL_WFE();
        }
    }
    LL_ATON_RT_Reset_Network(instance); /* back to its first epoch block, for the next window */
    network_buffers_store(&output);
    return BN_OK;
}

#endif
