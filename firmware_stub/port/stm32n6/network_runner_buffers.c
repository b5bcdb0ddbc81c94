#include "network_runner.h"

#include <string.h>

#include "stm32n6xx.h"

#include "app_config.h"
#include "log.h"
#include "network.h"
#include "port.h"

enum { CACHE_LINE = 32 }; /* of the Cortex-M55 */

static _Alignas(32) int8_t staged_input[APP_INPUT_SIZE];
static _Alignas(32) int8_t staged_output[APP_CLASSES];

int8_t *network_input(void)
{
    return staged_input;
}

const int8_t *network_output(void)
{
    return staged_output;
}

static bool fits(const char *name, const struct network_buffer *buffer, uint32_t wanted)
{
    if (buffer->count == 1 && buffer->data != NULL && buffer->is_int8 && buffer->bytes == wanted) {
        return true;
    }
    char line[LOG_LINE_MAX];
    struct text text;
    log_begin(&text, line, "error");
    text_string(&text, "the network in flash is not this model's: it has ");
    text_uint(&text, buffer->count);
    text_char(&text, ' ');
    text_string(&text, name);
    text_string(&text, buffer->is_int8 ? ", int8, of " : ", not int8, of ");
    text_uint(&text, buffer->bytes);
    text_string(&text, " bytes, not one of ");
    text_uint(&text, wanted);
    log_end(&text);
    return false;
}

int network_buffers_fit(const struct network_buffer *input, const struct network_buffer *output)
{
    const bool input_fits = fits("input", input, APP_INPUT_SIZE);
    const bool output_fits = fits("output", output, APP_CLASSES);
    return input_fits && output_fits ? BN_OK : BN_ERANGE;
}

/* The cache lines that hold any byte of the buffer, written back and dropped. Never only dropped: an epoch that runs in
 * software leaves its results in the cache, and a line may hold neighbours of the buffer. */
static void flush(const struct network_buffer *buffer)
{
    const uintptr_t start = (uintptr_t)buffer->data / CACHE_LINE * CACHE_LINE;
    const uintptr_t end = ((uintptr_t)buffer->data + buffer->bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    SCB_CleanInvalidateDCache_by_Addr((volatile void *)start, (int32_t)(end - start));
}

void network_buffers_load(const struct network_buffer *input, const struct network_buffer *output)
{
    memcpy(input->data, staged_input, APP_INPUT_SIZE);
    flush(input);
    flush(output); /* a line written back later would overwrite what the NPU wrote */
}

void network_buffers_store(const struct network_buffer *output)
{
    flush(output);
    memcpy(staged_output, output->data, APP_CLASSES);
}
