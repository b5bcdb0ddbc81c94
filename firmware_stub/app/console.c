#include "console.h"

#include <string.h>

#include "cardlog.h"
#include "port.h"
#include "report.h"
#include "runs.h"
#include "stages.h"
#include "upload.h"

enum {
    CHUNK_BYTES = 64,
    STAT_MS = 1000,
    CHUNKS_AT_ONCE = 4 * COMMAND_LINE_MAX / CHUNK_BYTES, /* a host that never stops must not stop the board */
};

static struct command_reader reader;
static struct report_answer last; /* to the last command that was carried out */
static uint32_t last_crc;
static bool has_last;
static bool running; /* over the card, or a command */
static uint32_t next_stat_ms = STAT_MS;

static void tell_stat(void)
{
    const uint32_t now = port_uptime_ms();
    if ((int32_t)(now - next_stat_ms) >= 0) {
        next_stat_ms = now + STAT_MS;
        report_stat(now, reader.bad);
    }
}

static void answer(const struct command *command, const char *type, int code, const char *reason)
{
    last = (struct report_answer){.re = command->seq, .code = code, .reason = reason};
    strncpy(last.command, type, sizeof last.command - 1);
    last_crc = command->crc;
    has_last = true;
}

static void finish(const struct command *command, struct run run)
{
    upload_forget();
    report_done(command->seq, run.windows, run.code);
}

/* Only names of the card: others may lead to what the medium holds besides it, or block. */
static int look_for(const char *file)
{
    uint32_t size = 0;
    const int status = strlen(file) < PORT_NAME_MAX && strpbrk(file, "/\\:") == NULL && file[0] != '\0'
                           ? port_storage_open(file, &size)
                           : BN_ENOENT;
    if (status == BN_OK) {
        port_storage_close();
    }
    return status;
}

static void carry_out_run(const struct command *command)
{
    const char *file = command_text(command, "file");
    uint32_t number = 0;
    const int status = command_number(command, "file", &number) ? BN_EUNKNOWN : file != NULL ? look_for(file) : BN_OK;
    if (status != BN_OK) {
        answer(command, "run", status, status == BN_EUNKNOWN ? "file is a name" : "no such file");
        report_ack(&last);
        return;
    }
    char name[PORT_NAME_MAX] = "";
    if (file != NULL) {
        strncpy(name, file, sizeof name - 1); /* the command's line is gone when the next byte comes */
    }
    const struct command kept = {.seq = command->seq, .crc = command->crc, .count = 0};
    answer(command, "run", BN_OK, NULL);
    report_ack(&last);
    running = true;
    finish(&kept, file == NULL ? runs_card(&kept.seq) : runs_file(name, &kept.seq));
    running = false;
}

static void carry_out_window(const struct command *command)
{
    struct upload_window window = {0};
    uint32_t at = 0;
    const int status = upload_part(command, &at, &window);
    answer(command, "window", status,
           status == BN_OK        ? NULL
           : status == BN_EFORMAT ? "arrived damaged"
           : status == BN_ERANGE  ? "does not follow or does not fit"
                                  : "a field is missing or wrong");
    last.has_at = true;
    last.at = at;
    report_ack(&last);
    if (window.whole) {
        running = true;
        finish(command, runs_sent(window.file, window.window, window.start, window.tensor, command->seq));
        running = false;
    }
}

static void carry_out_stages(const struct command *command)
{
    uint32_t on = 0;
    const bool known = command_number(command, "on", &on) && on <= 1;
    if (known) {
        app_set_stages(on == 1);
    }
    answer(command, "stages", known ? BN_OK : BN_EUNKNOWN, known ? NULL : "on is 1 or 0");
    report_ack(&last);
}

static _Noreturn void restart(const struct command *command)
{
    answer(command, "reset", BN_OK, NULL);
    report_ack(&last);
    report_bye(runs_windows());
    port_restart();
}

static void carry_out(const struct command *command, const char *type)
{
    if (strcmp(type, "ping") == 0) {
        answer(command, type, BN_OK, NULL);
        has_last = false;
        report_ack(&last);
    } else if (strcmp(type, "info") == 0) {
        answer(command, type, BN_OK, NULL);
        last.is_info = true;
        report_ack(&last);
        report_hello();
    } else if (strcmp(type, "reset") == 0) {
        restart(command);
    } else if (running) {
        answer(command, type, BN_EBUSY, "running over the card");
        report_ack(&last);
    } else if (strcmp(type, "run") == 0) {
        carry_out_run(command);
    } else if (strcmp(type, "window") == 0) {
        carry_out_window(command);
    } else if (strcmp(type, "stages") == 0) {
        carry_out_stages(command);
    } else {
        answer(command, type, BN_EUNKNOWN, "no such command");
        report_ack(&last);
    }
}

static void take_command(const struct command *command)
{
    const char *type = command_text(command, "t");
    if (type == NULL) {
        type = "";
    }
    if (has_last && command->seq == last.re && command->crc == last_crc && strcmp(type, "ping") != 0) {
        report_ack(&last);
        return;
    }
    carry_out(command, type);
}

/* Reads what has come; true where at least one whole command was in it. One that runs the card comes back here in
 * between, so that the rest of its chunk is kept. */
static bool read_commands(void)
{
    static uint8_t chunk[CHUNK_BYTES];
    static int length;
    static int next;
    bool any = false;
    for (unsigned chunks = 0;;) {
        if (next == length) {
            next = 0;
            length = chunks++ == CHUNKS_AT_ONCE ? 0 : port_uart_read(chunk, sizeof chunk);
            if (length <= 0) {
                length = 0;
                return any;
            }
        }
        struct command command;
        if (command_take(&reader, (char)chunk[next++], &command)) {
            any = true;
            take_command(&command);
        }
    }
}

bool console_waits(void)
{
    const uint32_t listen = port_listen_ms();
    const uint32_t begin = port_uptime_ms();
    while (port_uptime_ms() - begin < listen) {
        port_alive();
        if (read_commands()) {
            return true;
        }
    }
    running = true;
    return false;
}

void console_serve(void)
{
    for (;;) {
        port_alive();
        (void)read_commands();
        tell_stat();
        cardlog_check();
    }
}

void console_between(void)
{
    port_alive();
    if (port_listen_ms() == 0) {
        return;
    }
    (void)read_commands();
    tell_stat();
}
