/* command.h - commands from the host, protocol BN1: finds lines in what comes, checks them, gives their fields.
 *
 *     @BN1 <seq> <len> <crc32> <json>
 *
 * The JSON is one flat object of at most COMMAND_FIELDS_MAX members; values are strings of printable ASCII without
 * quotes and backslashes, or integers of 32 bits. What is no such line is passed over; a line with a complete header
 * whose length, CRC or JSON is wrong is counted.
 *
 *     struct command_reader reader = {0};
 *     struct command command;
 *     if (command_take(&reader, byte, &command)) {
 *         const char *type = command_text(&command, "t");
 */
#ifndef BN_COMMAND_H
#define BN_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COMMAND_LINE_MAX 1024 /* bytes from marker to JSON that a host may send; `rx` of the hello */
#define COMMAND_FIELDS_MAX 12

struct command_field {
    const char *key;
    const char *text; /* NULL: a number */
    uint32_t number;
};

/* The strings live in the reader, until it takes the next byte. */
struct command {
    uint32_t seq;
    uint32_t crc;
    unsigned count;
    struct command_field fields[COMMAND_FIELDS_MAX];
};

/* All zero at first. */
struct command_reader {
    char line[COMMAND_LINE_MAX + 1];
    size_t length;
    bool too_long;
    uint32_t bad; /* lines that came damaged */
};

/* Takes one byte; true where it ended a whole command. */
bool command_take(struct command_reader *reader, char byte, struct command *command);

/* A member's text; NULL where there is none, or where it is a number. */
const char *command_text(const struct command *command, const char *key);
bool command_number(const struct command *command, const char *key, uint32_t *value);

/* Reads `digits` hexadecimal digits, lowercase; false where one is none. */
bool command_hex(const char *text, unsigned digits, uint32_t *value);

#endif
