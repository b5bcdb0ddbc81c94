/* network_runner.h - the network on the NPU: what both runtimes of ST share.
 *
 * ST Edge AI 2.x gives network.c for LL_ATON, 3.0 and later stai_network.c too. network_runner_aton.c and
 * network_runner_stai.c implement core/network.h on top of the one and the other; the file that is there decides.
 *
 * The application fills a buffer of its own, of the size that it knows. Only when the network's buffers are found to
 * have the same sizes are values copied into and out of them.
 */
#ifndef BN_NETWORK_RUNNER_H
#define BN_NETWORK_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One buffer of the compiled network; `data` is NULL where it has none. */
struct network_buffer {
    void *data;
    uint32_t bytes;
    uint32_t count; /* how many inputs, or outputs, there are */
    bool is_int8;
};

/* BN_OK, or BN_ERANGE after a line for people: they are not the int8 buffers of app_config.h. */
int network_buffers_fit(const struct network_buffer *input, const struct network_buffer *output);
/* Copies the application's input in and makes the NPU see it. */
void network_buffers_load(const struct network_buffer *input, const struct network_buffer *output);
/* Makes the core see what the NPU wrote, and copies it out. */
void network_buffers_store(const struct network_buffer *output);

#endif
