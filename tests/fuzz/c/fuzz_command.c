/* Bytes from a host, or from noise on the line: raw, and as the JSON of lines whose header is right. */
#include <stdbool.h>
#include <string.h>

#include "command.h"
#include "crc32.h"
#include "fuzz.h"

static struct command_reader reader;

static void check_text(const char *text)
{
    for (; *text != '\0'; text++) {
        PROMISE(*text >= ' ' && *text <= '~' && *text != '"' && *text != '\\');
    }
}

static bool take(const void *bytes, size_t size)
{
    bool any = false;
    for (size_t i = 0; i < size; i++) {
        struct command command;
        if (!command_take(&reader, ((const char *)bytes)[i], &command)) {
            continue;
        }
        any = true;
        PROMISE(command.count >= 1 && command.count <= COMMAND_FIELDS_MAX);
        for (unsigned k = 0; k < command.count; k++) {
            check_text(command.fields[k].key);
            if (command.fields[k].text != NULL) {
                check_text(command.fields[k].text);
            }
            uint32_t number;
            PROMISE(command_text(&command, command.fields[k].key) != NULL ||
                    command_number(&command, command.fields[k].key, &number));
        }
    }
    return any;
}

/* Sends JSON as a host would, header and all. */
static void take_framed(const uint8_t *json, size_t size, uint32_t seq)
{
    char numbers[40], header[64];
    const int counted = snprintf(numbers, sizeof numbers, "%u %zu ", seq, size);
    const uint32_t crc = crc32_update(crc32_update(0, numbers, (size_t)counted), json, size);
    const int length = snprintf(header, sizeof header, "@BN1 %s%08x ", numbers, crc);
    take(header, (size_t)length);
    take(json, size);
    take("\n", 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint32_t mode = fuzz_number(&data, &size, 1);
    reader = (struct command_reader){0};
    if (mode & 1u) {
        take_framed(data, size, mode);
    } else {
        take(data, size);
    }
    /* whatever came, the next whole line is understood */
    static const uint8_t ping[] = "{\"t\":\"ping\",\"n\":7}";
    take("\n", 1);
    char line[96];
    char numbers[40];
    const int counted = snprintf(numbers, sizeof numbers, "9 %zu ", sizeof ping - 1);
    const uint32_t crc = crc32_update(crc32_update(0, numbers, (size_t)counted), ping, sizeof ping - 1);
    const int length = snprintf(line, sizeof line, "@BN1 %s%08x %s\n", numbers, crc, (const char *)ping);
    PROMISE(take(line, (size_t)length));
    return 0;
}
