/* record.h - machine records on the uart, protocol BN1: one line each,
 *
 *     @BN1 <seq> <len> <crc32> <json>
 *
 * always preceded by a newline, so that a line that was cut off cannot swallow it. `seq` counts from 0 at boot, `len`
 * is the number of bytes of the JSON, `crc32` (eight lowercase hex digits) is zlib's over `<seq> <len> <json>`.
 *
 *     record_begin(&record, buffer, sizeof buffer, "bye");
 *     json_uint(&record.json, "windows", windows);
 *     record_send(&record);
 *
 * A record goes out whole or not at all. One that is lost (it does not fit, the uart fails) still takes its `seq`,
 * so the reader sees the gap, and is counted.
 */
#ifndef BN_RECORD_H
#define BN_RECORD_H

#include "json.h"

#define RECORD_PROTOCOL 1
#define RECORD_LINE_MAX 32768 /* bytes of a line that a reader accepts */
#define RECORD_HEADER_MAX 32  /* "\n@BN1 4294967295 32768 00000000 " */
#define RECORD_JSON_MAX (RECORD_LINE_MAX - RECORD_HEADER_MAX)
/* The buffer for a record of at most `json_max` bytes of JSON. */
#define RECORD_BUFFER(json_max) (RECORD_HEADER_MAX + (json_max) + 1)

struct record {
    struct json json;
    char *buffer;
};

/* Starts a record of a type; add members through `record->json`. `size` is at least RECORD_BUFFER(2). */
void record_begin(struct record *record, char *buffer, size_t size, const char *type);
int record_send(struct record *record); /* 0 or a negative BN_E* */
uint32_t record_dropped(void);          /* records lost since boot */
/* Hands every line of a record to `sink` as well, whether the uart took it or not; NULL ends it. */
void record_also(void (*sink)(const void *line, size_t length));
/* The `seq` that the next record takes. */
uint32_t record_next(void);

#endif
