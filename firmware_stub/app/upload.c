#include "upload.h"

#include <string.h>

#include "app_config.h"
#include "crc32.h"
#include "network.h"
#include "runs.h"

enum { CRC_DIGITS = 8 };

static struct {
    bool tensor;
    uint32_t length;
    uint32_t crc;
} upload;

void upload_forget(void)
{
    upload.length = 0;
    upload.crc = 0;
}

static uint8_t *memory(void)
{
    return upload.tensor ? (uint8_t *)network_input() : (uint8_t *)runs_pcm();
}

static uint32_t whole_bytes(void)
{
    return upload.tensor ? APP_INPUT_SIZE : 2 * APP_WINDOW;
}

/* Writes the bytes that hexadecimal digits name behind those that are there. */
static int take_data(const char *digits)
{
    const size_t length = strlen(digits);
    if (length % 2 != 0) {
        return BN_EUNKNOWN;
    }
    if (length / 2 > whole_bytes() - upload.length) {
        return BN_ERANGE;
    }
    uint8_t *begin = memory() + upload.length;
    for (size_t i = 0; i < length / 2; i++) {
        uint32_t byte = 0;
        if (!command_hex(digits + 2 * i, 2, &byte)) {
            return BN_EUNKNOWN;
        }
        begin[i] = (uint8_t)byte;
    }
    upload.crc = crc32_update(upload.crc, begin, length / 2);
    upload.length += (uint32_t)(length / 2);
    return BN_OK;
}

static int take_end(const struct command *command, const char *digits, struct upload_window *window)
{
    const char *file = command_text(command, "file");
    uint32_t wanted = 0;
    if (strlen(digits) != CRC_DIGITS || !command_hex(digits, CRC_DIGITS, &wanted) || file == NULL ||
        file[0] == '\0' || strlen(file) >= sizeof window->file || !command_number(command, "win", &window->window) ||
        !command_number(command, "start", &window->start)) {
        return BN_EUNKNOWN;
    }
    if (upload.length != whole_bytes()) {
        return BN_ERANGE;
    }
    const bool same = upload.crc == wanted;
    upload_forget();
    if (!same) {
        return BN_EFORMAT;
    }
    memcpy(window->file, file, strlen(file) + 1);
    window->tensor = upload.tensor;
    window->whole = true;
    return BN_OK;
}

int upload_part(const struct command *command, uint32_t *at, struct upload_window *window)
{
    const char *kind = command_text(command, "kind");
    const char *data = command_text(command, "data");
    const char *crc = command_text(command, "crc");
    uint32_t offset = 0;
    *at = upload.length;
    window->whole = false;
    if (kind == NULL || data == NULL || !command_number(command, "off", &offset)) {
        return BN_EUNKNOWN;
    }
    const bool tensor = strcmp(kind, "tensor") == 0;
    if (!tensor && strcmp(kind, "pcm") != 0) {
        return BN_EUNKNOWN;
    }
    if (offset == 0) {
        upload_forget();
        upload.tensor = tensor;
    }
    if (offset != upload.length || tensor != upload.tensor) {
        return BN_ERANGE;
    }
    int status = take_data(data);
    *at = upload.length;
    if (status == BN_OK && crc != NULL) {
        status = take_end(command, crc, window);
    }
    return status;
}
