/* Any sequence of members into buffers of any size: a record goes out whole, as one line with a right header, or not. */
#include <string.h>

#include "crc32.h"
#include "fuzz.h"
#include "port.h"
#include "record.h"

enum { TEXT = 64 };

static char *sent;
static size_t sent_length;

int port_uart_write(const void *data, size_t length)
{
    free(sent);
    sent = malloc(length + 1);
    memcpy(sent, data, length);
    sent[length] = '\0';
    sent_length = length;
    return BN_OK;
}

static void add_member(struct json *json, const uint8_t **data, size_t *size)
{
    char key[TEXT] = "k", text[TEXT] = "";
    uint16_t words[TEXT / 2];
    const uint32_t kind = fuzz_number(data, size, 1);
    const uint32_t number = fuzz_number(data, size, 4);
    size_t length = kind >> 4 < *size ? kind >> 4 : *size;
    length = length < TEXT - 1 ? length : TEXT - 1;
    memcpy(text, *data, length);
    memcpy(words, text, sizeof words);
    *data += length;
    *size -= length;
    switch (kind & 7u) {
    case 0: json_string(json, key, text); break;
    case 1: json_uint(json, key, (uint64_t)number << 32 | number); break;
    case 2: json_int(json, key, -(int64_t)number); break;
    case 3: json_null(json, key); break;
    case 4: json_hex_bytes(json, key, (const int8_t *)text, length); break;
    case 5: json_uint_array(json, key, words, length / 2); break;
    case 6: json_hex32(json, key, number); break;
    default:
        json_object_begin(json, key);
        json_string(json, key, text);
        json_object_end(json);
    }
}

static void check_line(void)
{
    unsigned seq = 0, length = 0, crc = 0;
    int at = 0;
    char counted[40];
    PROMISE(sent_length < RECORD_LINE_MAX + 2);
    PROMISE(sscanf(sent, "\n@BN1 %u %u %8x %n", &seq, &length, &crc, &at) == 3);
    PROMISE((size_t)at + length + 1 == sent_length && sent[sent_length - 1] == '\n');
    const int numbers = snprintf(counted, sizeof counted, "%u %u ", seq, length);
    PROMISE(crc == crc32_update(crc32_update(0, counted, (size_t)numbers), sent + at, length));
    for (size_t i = (size_t)at; i + 1 < sent_length; i++) {
        PROMISE(sent[i] >= ' ' && sent[i] <= '~');
    }
    PROMISE(sent[at] == '{' && sent[sent_length - 2] == '}');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t room = RECORD_BUFFER(2) + fuzz_number(&data, &size, 2);
    char *buffer = malloc(room);
    struct record record;
    const uint32_t lost = record_dropped();
    record_begin(&record, buffer, room, "test");
    while (size > 0) {
        add_member(&record.json, &data, &size);
    }
    sent_length = 0;
    if (record_send(&record) == BN_OK) {
        check_line();
        PROMISE(record_dropped() == lost);
    } else {
        PROMISE(sent_length == 0 && record_dropped() == lost + 1);
    }
    free(buffer);
    return 0;
}
