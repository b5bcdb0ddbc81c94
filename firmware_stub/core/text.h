/* text.h - builds text in a buffer of fixed size, without stdio.
 *
 * A piece that does not fit sets `full` and is left out as a whole, with all that follows; the buffer never overflows.
 * The text is not NUL-terminated: `length` says where it ends.
 */
#ifndef BN_TEXT_H
#define BN_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *data;
    size_t size;
    size_t length;
    bool full;
};

void text_init(struct text *text, char *data, size_t size);
void text_bytes(struct text *text, const void *bytes, size_t length);
void text_char(struct text *text, char character);
void text_string(struct text *text, const char *string);
void text_uint(struct text *text, uint64_t value);
void text_int(struct text *text, int64_t value);
/* The low `digits` hexadecimal digits (1 to 8), lowercase, with leading zeros. */
void text_hex(struct text *text, uint32_t value, unsigned digits);

#endif
