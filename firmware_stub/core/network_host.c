#include "network_host.h"

#include <string.h>

#include "app_config.h"
#include "network.h"

int32_t network_host_input_size(void)
{
    return APP_INPUT_SIZE;
}

int32_t network_host_output_size(void)
{
    return APP_CLASSES;
}

int32_t network_host_run(const int8_t *inputs, int8_t *outputs, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        memcpy(network_input(), inputs, APP_INPUT_SIZE);
        if (network_run() != 0) {
            return i;
        }
        memcpy(outputs, network_output(), APP_CLASSES);
        inputs += APP_INPUT_SIZE;
        outputs += APP_CLASSES;
    }
    return count;
}
