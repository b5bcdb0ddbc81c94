#include "json.h"

#include "port.h"

static void json_key(struct json *json, const char *key)
{
    if (!json->first) {
        text_char(&json->text, ',');
    }
    json->first = false;
    text_char(&json->text, '"');
    text_string(&json->text, key);
    text_string(&json->text, "\":");
}

void json_begin(struct json *json, char *data, size_t size)
{
    text_init(&json->text, data, size);
    text_char(&json->text, '{');
    json->first = true;
}

int json_end(struct json *json)
{
    text_char(&json->text, '}');
    return json->text.full ? BN_ERANGE : (int)json->text.length;
}

void json_string(struct json *json, const char *key, const char *value)
{
    json_key(json, key);
    text_char(&json->text, '"');
    for (; *value != '\0'; value++) {
        const unsigned char byte = (unsigned char)*value;
        if (byte == '"' || byte == '\\') {
            text_char(&json->text, '\\');
            text_char(&json->text, (char)byte);
        } else if (byte < 0x20 || byte > 0x7E) {
            text_string(&json->text, "\\u");
            text_hex(&json->text, byte, 4);
        } else {
            text_char(&json->text, (char)byte);
        }
    }
    text_char(&json->text, '"');
}

void json_uint(struct json *json, const char *key, uint64_t value)
{
    json_key(json, key);
    text_uint(&json->text, value);
}

void json_int(struct json *json, const char *key, int64_t value)
{
    json_key(json, key);
    text_int(&json->text, value);
}

void json_null(struct json *json, const char *key)
{
    json_number(json, key, "null");
}

void json_number(struct json *json, const char *key, const char *digits)
{
    json_key(json, key);
    text_string(&json->text, digits);
}

void json_hex32(struct json *json, const char *key, uint32_t value)
{
    json_key(json, key);
    text_char(&json->text, '"');
    text_hex(&json->text, value, 8);
    text_char(&json->text, '"');
}

void json_hex_bytes(struct json *json, const char *key, const int8_t *values, size_t count)
{
    json_key(json, key);
    text_char(&json->text, '"');
    for (size_t i = 0; i < count; i++) {
        text_hex(&json->text, (uint8_t)values[i], 2);
    }
    text_char(&json->text, '"');
}

void json_uint_array(struct json *json, const char *key, const uint16_t *values, size_t count)
{
    json_key(json, key);
    text_char(&json->text, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            text_char(&json->text, ',');
        }
        text_uint(&json->text, values[i]);
    }
    text_char(&json->text, ']');
}

void json_object_begin(struct json *json, const char *key)
{
    json_key(json, key);
    text_char(&json->text, '{');
    json->first = true;
}

void json_object_end(struct json *json)
{
    text_char(&json->text, '}');
    json->first = false;
}
