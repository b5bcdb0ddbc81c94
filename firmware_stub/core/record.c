#include "record.h"

#include <string.h>

#include "crc32.h"
#include "port.h"

enum { NUMBERS_MAX = 17 }; /* "4294967295 32768 " */

static uint32_t record_next_seq;
static uint32_t record_lost;
static void (*record_sink)(const void *line, size_t length);

void record_begin(struct record *record, char *buffer, size_t size, const char *type)
{
    const size_t room = size - RECORD_HEADER_MAX - 1;
    record->buffer = buffer;
    json_begin(&record->json, buffer + RECORD_HEADER_MAX, room < RECORD_JSON_MAX ? room : RECORD_JSON_MAX);
    json_string(&record->json, "t", type);
}

/* Puts the header right before the JSON and gives its first byte. */
static char *record_header(struct record *record, uint32_t seq, size_t length)
{
    char *json = record->buffer + RECORD_HEADER_MAX;
    char numbers_data[NUMBERS_MAX];
    struct text numbers;
    text_init(&numbers, numbers_data, sizeof numbers_data);
    text_uint(&numbers, seq);
    text_char(&numbers, ' ');
    text_uint(&numbers, length);
    text_char(&numbers, ' ');
    const uint32_t crc = crc32_update(crc32_update(0, numbers.data, numbers.length), json, length);

    char header_data[RECORD_HEADER_MAX];
    struct text header;
    text_init(&header, header_data, sizeof header_data);
    text_string(&header, "\n@BN1 ");
    text_bytes(&header, numbers.data, numbers.length);
    text_hex(&header, crc, 8);
    text_char(&header, ' ');
    return memcpy(json - header.length, header.data, header.length);
}

int record_send(struct record *record)
{
    const uint32_t seq = record_next_seq++;
    const int length = json_end(&record->json);
    if (length < 0) {
        record_lost++;
        return length;
    }
    const char *line = record_header(record, seq, (size_t)length);
    char *end = record->buffer + RECORD_HEADER_MAX + length;
    *end++ = '\n';
    const int status = port_uart_write(line, (size_t)(end - line));
    if (record_sink != NULL) {
        record_sink(line, (size_t)(end - line));
    }
    if (status < 0) {
        record_lost++;
    }
    return status < 0 ? status : BN_OK;
}

uint32_t record_dropped(void)
{
    return record_lost;
}

void record_also(void (*sink)(const void *line, size_t length))
{
    record_sink = sink;
}

uint32_t record_next(void)
{
    return record_next_seq;
}
