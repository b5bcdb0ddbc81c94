#include "command.h"

#include <string.h>

#include "crc32.h"

enum { MARKER_LENGTH = 5, CRC_DIGITS = 8, HEX_BITS = 4, DECIMAL = 10 };

static const char command_marker[MARKER_LENGTH + 1] = "@BN1 ";

bool command_hex(const char *text, unsigned digits, uint32_t *value)
{
    *value = 0;
    for (unsigned i = 0; i < digits; i++) {
        const char c = text[i];
        if (c >= '0' && c <= '9') {
            *value = *value << HEX_BITS | (uint32_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            *value = *value << HEX_BITS | (uint32_t)(c - 'a' + DECIMAL);
        } else {
            return false;
        }
    }
    return true;
}

/* Reads a decimal number of 32 bits without leading zeros and moves on behind it. */
static bool take_number(char **at, uint32_t *value)
{
    const char *start = *at;
    uint64_t number = 0;
    while (**at >= '0' && **at <= '9') {
        number = number * DECIMAL + (uint64_t)(*(*at)++ - '0');
        if (number > UINT32_MAX) {
            return false;
        }
    }
    *value = (uint32_t)number;
    return *at != start && (*start != '0' || *at == start + 1);
}

static bool take(char **at, char wanted)
{
    if (**at != wanted) {
        return false;
    }
    (*at)++;
    return true;
}

static void skip_spaces(char **at)
{
    while (**at == ' ' || **at == '\t') {
        (*at)++;
    }
}

/* Reads a string and ends it with a NUL in its place. */
static bool take_string(char **at, const char **string)
{
    if (!take(at, '"')) {
        return false;
    }
    *string = *at;
    while (**at >= ' ' && **at <= '~' && **at != '"' && **at != '\\') {
        (*at)++;
    }
    if (**at != '"') {
        return false;
    }
    *(*at)++ = '\0';
    return true;
}

static bool take_member(char **at, struct command_field *field)
{
    skip_spaces(at);
    if (!take_string(at, &field->key)) {
        return false;
    }
    skip_spaces(at);
    if (!take(at, ':')) {
        return false;
    }
    skip_spaces(at);
    field->text = NULL;
    field->number = 0;
    const bool taken = **at == '"' ? take_string(at, &field->text) : take_number(at, &field->number);
    skip_spaces(at);
    return taken;
}

/* Reads the object that fills the rest of the line. */
static bool take_object(char *at, struct command *command)
{
    command->count = 0;
    if (!take(&at, '{')) {
        return false;
    }
    do {
        if (command->count == COMMAND_FIELDS_MAX || !take_member(&at, &command->fields[command->count])) {
            return false;
        }
        command->count++;
    } while (take(&at, ','));
    return take(&at, '}') && *at == '\0';
}

enum verdict { NO_LINE, WHOLE, DAMAGED };

static enum verdict read_line(char *at, struct command *command)
{
    const char *counted = at;
    uint32_t length = 0;
    if (!take_number(&at, &command->seq) || !take(&at, ' ') || !take_number(&at, &length) || !take(&at, ' ')) {
        return NO_LINE;
    }
    const size_t header = (size_t)(at - counted);
    if (!command_hex(at, CRC_DIGITS, &command->crc) || at[CRC_DIGITS] != ' ') {
        return NO_LINE;
    }
    char *json = at + CRC_DIGITS + 1;
    if (strlen(json) != length || crc32_update(crc32_update(0, counted, header), json, length) != command->crc) {
        return DAMAGED;
    }
    return take_object(json, command) ? WHOLE : DAMAGED;
}

/* The last marker of a line begins the command: what stands before it was cut off. */
static char *behind_marker(char *line)
{
    char *found = NULL;
    for (char *next = strstr(line, command_marker); next != NULL; next = strstr(next, command_marker)) {
        next += MARKER_LENGTH;
        found = next;
    }
    return found;
}

bool command_take(struct command_reader *reader, char byte, struct command *command)
{
    if (byte != '\n') {
        if (reader->length < COMMAND_LINE_MAX) {
            reader->line[reader->length++] = byte == '\0' ? '?' : byte;
        } else {
            reader->too_long = true;
        }
        return false;
    }
    while (reader->length > 0 && reader->line[reader->length - 1] == '\r') {
        reader->length--;
    }
    reader->line[reader->length] = '\0';
    char *start = behind_marker(reader->line);
    const enum verdict verdict = start == NULL ? NO_LINE : reader->too_long ? DAMAGED : read_line(start, command);
    reader->length = 0;
    reader->too_long = false;
    reader->bad += verdict == DAMAGED;
    return verdict == WHOLE;
}

static const struct command_field *find(const struct command *command, const char *key)
{
    for (unsigned i = 0; i < command->count; i++) {
        if (strcmp(command->fields[i].key, key) == 0) {
            return &command->fields[i];
        }
    }
    return NULL;
}

const char *command_text(const struct command *command, const char *key)
{
    const struct command_field *field = find(command, key);
    return field == NULL ? NULL : field->text;
}

bool command_number(const struct command *command, const char *key, uint32_t *value)
{
    const struct command_field *field = find(command, key);
    if (field == NULL || field->text != NULL) {
        return false;
    }
    *value = field->number;
    return true;
}
