#include "log.h"

#include "port.h"

void log_begin(struct text *text, char line[LOG_LINE_MAX], const char *level)
{
    text_init(text, line, LOG_LINE_MAX - 1); /* the newline always fits */
    text_char(text, '[');
    text_string(text, level);
    text_string(text, "] ");
}

void log_foreign(struct text *text, const char *string)
{
    for (; *string != '\0'; string++) {
        const unsigned char byte = (unsigned char)*string;
        text_char(text, byte < 0x20 || byte == 0x7F || byte == '@' ? '?' : (char)byte);
    }
}

void log_end(struct text *text)
{
    text->size = LOG_LINE_MAX;
    text->full = false;
    text_char(text, '\n');
    (void)port_uart_write(text->data, text->length); /* a lost line for people costs nothing; lost records are counted */
}

void log_line(const char *level, const char *message)
{
    char line[LOG_LINE_MAX];
    struct text text;
    log_begin(&text, line, level);
    text_string(&text, message);
    log_end(&text);
}
