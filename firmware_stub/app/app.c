#include "app.h"

#include "app_config.h"
#include "input.h"
#include "labels.h"
#include "log.h"
#include "network.h"
#include "port.h"
#include "report.h"
#include "stages.h"
#include "topk.h"
#include "wav.h"
#include "windows.h"

static int16_t app_pcm[APP_WINDOW];

static void log_start(void)
{
    char line[LOG_LINE_MAX];
    struct text text;
    log_begin(&text, line, "info");
    text_string(&text, APP_FIRMWARE ": ");
    text_uint(&text, APP_CLASSES);
    text_string(&text, " classes, windows of ");
    text_uint(&text, APP_WINDOW);
    text_string(&text, " samples at ");
    text_uint(&text, APP_SAMPLE_RATE);
    text_string(&text, " Hz");
    log_end(&text);
}

static void log_file(const char *name, uint32_t windows)
{
    char line[LOG_LINE_MAX];
    struct text text;
    log_begin(&text, line, "info");
    log_foreign(&text, name);
    text_string(&text, windows == 1 ? ": 1 window" : ": ");
    if (windows != 1) {
        text_uint(&text, windows);
        text_string(&text, " windows");
    }
    log_end(&text);
}

static void log_best(const char *name, uint32_t start, const int8_t *outputs)
{
    uint16_t best;
    topk(outputs, APP_CLASSES, &best, 1);
    char line[LOG_LINE_MAX];
    struct text text;
    log_begin(&text, line, "info");
    log_foreign(&text, name);
    text_string(&text, " at ");
    text_uint(&text, (uint64_t)start * 1000u / APP_SAMPLE_RATE);
    text_string(&text, " ms: output ");
    text_int(&text, outputs[best]);
    text_string(&text, " for ");
    log_foreign(&text, labels[best]);
    log_end(&text);
}

static void fail(const char *name, int code, const char *reason)
{
    char line[LOG_LINE_MAX];
    struct text text;
    log_begin(&text, line, "error");
    log_foreign(&text, name);
    text_char(&text, ' ');
    text_string(&text, reason);
    log_end(&text);
    report_error(name, code, reason);
}

/* One window from PCM to record. Returns 0 or a negative BN_E* with `reason` set. */
static int run_window(const struct wav *wav, struct report_inference *inference, const char **reason)
{
    int status = wav_read(wav, inference->start, app_pcm, APP_WINDOW);
    if (status != BN_OK) {
        *reason = "cannot be read";
        return status;
    }
    uint64_t begin = 0;
    uint64_t middle = 0;
    uint64_t end = 0;
    struct input_times times = {0};
    stages_begin(inference->file, inference->window);
    inference->timed = port_clock_us(&begin) && !app_stages(); /* records in between would count */
    input_fill(app_pcm, &times);
    (void)port_clock_us(&middle);
    status = network_run();
    (void)port_clock_us(&end);
    if (status != BN_OK) {
        *reason = "stopped the network";
        return status;
    }
    inference->outputs = network_output();
    inference->frontend_us = times.frontend - begin;
    inference->prologue_us = times.prologue - times.frontend;
    inference->network_us = end - middle;
    report_inference(inference);
    return BN_OK;
}

/* All windows of one open recording; returns how many gave a record. */
static uint32_t run_recording(const char *name, const struct wav *wav)
{
    const uint32_t count = windows_count(wav->samples, APP_WINDOW, APP_HOP);
    log_file(name, count);
    for (uint32_t window = 0; window < count; window++) {
        struct report_inference inference = {.file = name, .window = window};
        inference.start = windows_start(window, wav->samples, APP_WINDOW, APP_HOP);
        const char *reason = "";
        const int status = run_window(wav, &inference, &reason);
        if (status != BN_OK) {
            fail(name, status, reason);
            return window;
        }
        log_best(name, inference.start, inference.outputs);
    }
    return count;
}

static uint32_t run_file(const char *name)
{
    uint32_t size = 0;
    int status = port_storage_open(name, &size);
    if (status != BN_OK) {
        fail(name, status, "cannot be opened");
        return 0;
    }
    uint32_t windows = 0;
    struct wav wav;
    status = wav_open(&wav, port_storage_read, size, APP_SAMPLE_RATE);
    if (status == BN_OK) {
        windows = run_recording(name, &wav);
    } else {
        fail(name, status, wav.problem);
    }
    port_storage_close();
    return windows;
}

static bool card_asks_for_stages(void)
{
    uint32_t size = 0;
    if (port_storage_open(STAGES_FILE, &size) != BN_OK) {
        return false;
    }
    port_storage_close();
    return true;
}

void app_run(void)
{
    port_init();
    app_set_stages(card_asks_for_stages());
    report_hello();
    log_start();
    uint32_t windows = 0;
    char name[PORT_NAME_MAX] = "";
    int status = port_storage_next(name);
    if (status == BN_ENOENT) {
        log_line("warn", "there is no recording on the card");
    }
    for (; status == BN_OK; status = port_storage_next(name)) {
        windows += run_file(name);
    }
    if (status != BN_ENOENT) {
        fail("card", status, "cannot be listed");
    }
    report_bye(windows);
    port_exit(PORT_EXIT_DONE);
}
