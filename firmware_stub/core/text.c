#include "text.h"

#include <string.h>

enum { DECIMAL_DIGITS_MAX = 20, HEX_DIGITS_MAX = 8 }; /* of a uint64_t, of a uint32_t */

void text_init(struct text *text, char *data, size_t size)
{
    *text = (struct text){.data = data, .size = size, .length = 0, .full = false};
}

void text_bytes(struct text *text, const void *bytes, size_t length)
{
    if (text->full || length > text->size - text->length) {
        text->full = true;
        return;
    }
    memcpy(text->data + text->length, bytes, length);
    text->length += length;
}

void text_char(struct text *text, char character)
{
    text_bytes(text, &character, 1);
}

void text_string(struct text *text, const char *string)
{
    text_bytes(text, string, strlen(string));
}

void text_uint(struct text *text, uint64_t value)
{
    char digits[DECIMAL_DIGITS_MAX];
    size_t first = sizeof digits;
    do {
        digits[--first] = (char)('0' + (int)(value % 10));
        value /= 10;
    } while (value != 0);
    text_bytes(text, digits + first, sizeof digits - first);
}

void text_int(struct text *text, int64_t value)
{
    if (value < 0) {
        text_char(text, '-');
    }
    text_uint(text, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void text_hex(struct text *text, uint32_t value, unsigned digits)
{
    static const char hex[] = "0123456789abcdef";
    char buffer[HEX_DIGITS_MAX];
    if (digits > HEX_DIGITS_MAX) {
        digits = HEX_DIGITS_MAX;
    }
    for (unsigned i = digits; i > 0; i--) {
        buffer[i - 1] = hex[value & 15u];
        value >>= 4;
    }
    text_bytes(text, buffer, digits);
}
