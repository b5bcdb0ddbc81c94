/* json.h - writes one JSON object, ASCII only, into a buffer of fixed size.
 *
 * Keys are literals of this firmware and are written as they are; string values are escaped. A value that does not
 * fit marks the whole object: json_end then says BN_ERANGE, and the object must not be used.
 */
#ifndef BN_JSON_H
#define BN_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "text.h"

struct json {
    struct text text;
    bool first; /* no member yet in the innermost object */
};

void json_begin(struct json *json, char *data, size_t size);
int json_end(struct json *json); /* the length in bytes, or BN_ERANGE */

/* Bytes outside printable ASCII become \u00XX: the reader sees the bytes, not their encoding. */
void json_string(struct json *json, const char *key, const char *value);
void json_uint(struct json *json, const char *key, uint64_t value);
void json_int(struct json *json, const char *key, int64_t value);
void json_null(struct json *json, const char *key);
/* A number that is already text, such as a rendered scale. */
void json_number(struct json *json, const char *key, const char *digits);
/* A string of eight hexadecimal digits. */
void json_hex32(struct json *json, const char *key, uint32_t value);
/* A string of two hexadecimal digits a value, in two's complement. */
void json_hex_bytes(struct json *json, const char *key, const int8_t *values, size_t count);
void json_uint_array(struct json *json, const char *key, const uint16_t *values, size_t count);
void json_object_begin(struct json *json, const char *key);
void json_object_end(struct json *json);

#endif
