/* Windows that a host sends in parts: any parts, in any order, into memory of exactly their size. */
#include <string.h>

#include "app_config.h"
#include "command.h"
#include "fuzz.h"
#include "network.h"
#include "runs.h"
#include "upload.h"

enum { TEXT = 80 };

static int16_t *window;
static int8_t *tensor;

int16_t *runs_pcm(void)
{
    return window;
}

int8_t *network_input(void)
{
    return tensor;
}

/* A text of the characters that a command may hold. */
static void take_text(char text[TEXT], const uint8_t **data, size_t *size, size_t length)
{
    static const char some[] = "0123456789abcdef0123456789abcdefG.";
    for (size_t i = 0; i < length && i < TEXT - 1; i++) {
        text[i] = some[fuzz_number(data, size, 1) % (sizeof some - 1)];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    window = malloc(2 * APP_WINDOW);
    tensor = malloc(APP_INPUT_SIZE);
    upload_forget();
    uint32_t at = 0;
    while (size > 0) {
        char digits[TEXT] = "", crc[TEXT] = "", file[TEXT] = "";
        const uint32_t kind = fuzz_number(&data, &size, 1);
        const uint32_t offset = kind & 4u ? at : fuzz_number(&data, &size, 1);
        take_text(digits, &data, &size, fuzz_number(&data, &size, 1) % TEXT);
        take_text(crc, &data, &size, kind & 8u ? 8 : kind >> 6);
        take_text(file, &data, &size, kind >> 4);
        struct command command = {.count = 7, .fields = {
            {"kind", kind & 1u ? "tensor" : kind & 2u ? "pcm" : "else", 0}, {"data", digits, 0}, {"off", NULL, offset},
            {"file", file, 0}, {"win", NULL, kind}, {"start", NULL, offset}, {kind & 16u ? "crc" : "x", crc, 0},
        }};
        struct upload_window found;
        const int status = upload_part(&command, &at, &found);
        PROMISE(at <= 2 * APP_WINDOW || at <= APP_INPUT_SIZE);
        PROMISE(status <= 0 && (status == 0 || !found.whole));
        PROMISE(!found.whole || strlen(found.file) < sizeof found.file);
    }
    free(window);
    free(tensor);
    return 0;
}
