/* log.h - lines for people between the records: `[info] 00001.WAV: 12 windows`.
 *
 *     char line[LOG_LINE_MAX];
 *     struct text text;
 *     log_begin(&text, line, "info");
 *     text_string(&text, name);
 *     log_end(&text);
 *
 * A line that is too long ends at LOG_LINE_MAX. It is never a record: text that comes from outside is added by
 * log_foreign.
 */
#ifndef BN_LOG_H
#define BN_LOG_H

#include "text.h"

#define LOG_LINE_MAX 160

void log_begin(struct text *text, char line[LOG_LINE_MAX], const char *level);
/* Adds text of a label or file; control characters and '@', which starts a record's marker, become '?'. */
void log_foreign(struct text *text, const char *string);
void log_end(struct text *text);

/* A whole line at once. */
void log_line(const char *level, const char *message);

#endif
