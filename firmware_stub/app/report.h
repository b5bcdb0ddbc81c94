/* report.h - the records of the application: what each holds, and in which order its members stand. */
#ifndef BN_REPORT_H
#define BN_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "stage.h"

/* One window of one recording; times in microseconds. */
struct report_inference {
    const char *file;
    uint32_t window;
    uint32_t start; /* in samples */
    const int8_t *outputs;
    bool timed; /* the times mean something */
    uint64_t frontend_us;
    uint64_t prologue_us; /* told where the model has a prologue */
    uint64_t network_us;
    const uint32_t *asked; /* the `seq` of the host's command that wants it, or NULL */
};

#define REPORT_COMMAND_MAX 12

/* The answer to a command; it may have to be given again. */
struct report_answer {
    uint32_t re;
    char command[REPORT_COMMAND_MAX];
    int code;
    const char *reason; /* where code is not BN_OK */
    bool has_at;
    bool is_info;
    uint32_t at;
};

void report_hello(void);
void report_inference(const struct report_inference *inference);
/* What an intermediate tensor of a window holds. */
void report_stage(const char *file, uint32_t window, const char *name, const struct stage *stage);
/* What went wrong with a file: a negative BN_E* and a reason for people. */
void report_error(const char *file, int code, const char *reason);
/* How the board is; `bad` lines of commands came damaged. */
void report_stat(uint32_t up_ms, uint32_t bad);
void report_ack(const struct report_answer *answer);
/* What a command began is over. */
void report_done(uint32_t re, uint32_t windows, int code);
void report_bye(uint32_t windows);

#endif
