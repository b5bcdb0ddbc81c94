/* The chip's header as network_runner_buffers.c reads it, for the tests. */
#include "stm32n6xx_hal.h"
