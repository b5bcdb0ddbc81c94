/* The stai interface as far as network_runner_stai.c uses it, declared for the tests. */
#ifndef N6_TEST_STAI_H
#define N6_TEST_STAI_H

#include <stddef.h>
#include <stdint.h>

typedef uint8_t *stai_ptr;
typedef uint32_t stai_size;
typedef uint8_t stai_network;
typedef enum { STAI_SUCCESS, STAI_ERROR_GENERIC = 0x20000 } stai_return_code;
typedef enum { STAI_MODE_SYNC = 1 } stai_run_mode;
typedef enum { STAI_FORMAT_NONE, STAI_FORMAT_S8 } stai_format;
typedef struct {
    stai_size size_bytes;
    stai_format format;
} stai_tensor;
typedef struct {
    const stai_tensor *inputs;
    const stai_tensor *outputs;
    uint16_t n_inputs;
    uint16_t n_outputs;
} stai_network_info;
#define STAI_NETWORK_CONTEXT_DECLARE(name, size) static _Alignas(8) stai_network name[size];
stai_return_code stai_runtime_init(void);

#endif
