#include "runs.h"

#include "app_config.h"
#include "cardlog.h"
#include "chosen.h"
#include "console.h"
#include "golden.h"
#include "input.h"
#include "labels.h"
#include "log.h"
#include "network.h"
#include "port.h"
#include "report.h"
#include "stages.h"
#include "wav.h"
#include "windows.h"
#ifdef APP_USER_HOOK
#include "user_hook.h"
#endif

static int16_t pcm[APP_WINDOW];
static uint32_t windows_given;
static bool told_slow;

int16_t *runs_pcm(void)
{
    return pcm;
}

uint32_t runs_windows(void)
{
    return windows_given;
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
    uint16_t best = 0;
    const bool any = chosen_top(outputs, &best, 1) == 1;
    char line[LOG_LINE_MAX];
    struct text text;
    log_begin(&text, line, "info");
    log_foreign(&text, name);
    text_string(&text, " at ");
    text_uint(&text, (uint64_t)start * 1000u / APP_SAMPLE_RATE);
    text_string(&text, " ms: ");
    if (any) {
        text_string(&text, "output ");
        text_int(&text, outputs[best]);
        text_string(&text, " for ");
        log_foreign(&text, labels[best]);
    } else {
        text_string(&text, "none of the chosen");
    }
    log_end(&text);
}

static int fail(const char *name, int code, const char *reason)
{
    char line[LOG_LINE_MAX];
    struct text text;
    log_begin(&text, line, "error");
    log_foreign(&text, name);
    text_char(&text, ' ');
    text_string(&text, reason);
    log_end(&text);
    report_error(name, code, reason);
    return code;
}

/* Runs what is in pcm, or with `tensor` in network_input(), and tells it. */
static int run_window(struct report_inference *inference, bool tensor)
{
    uint64_t begin = 0;
    uint64_t middle = 0;
    uint64_t end = 0;
    stages_begin(inference->file, inference->window);
    inference->timed = port_clock_us(&begin) && !app_stages(); /* records in between would count */
    struct input_times times = {.frontend = begin, .prologue = begin};
    if (!tensor) {
        input_fill(pcm, &times);
    }
    (void)port_clock_us(&middle);
    const int status = network_run();
    (void)port_clock_us(&end);
    if (status != BN_OK) {
        return fail(inference->file, status, "stopped the network");
    }
    inference->outputs = network_output();
    inference->frontend_us = times.frontend - begin;
    inference->prologue_us = times.prologue - times.frontend;
    inference->network_us = end - middle;
    report_inference(inference);
    windows_given++;
    log_best(inference->file, inference->start, inference->outputs);
#ifdef APP_USER_HOOK
    uint16_t top[APP_TOP_K];
    user_window(inference, top, chosen_top(inference->outputs, top, APP_TOP_K));
#endif
    return BN_OK;
}

/* A card that takes longer to read a window than it lasts cannot follow live sound: said once. */
static void check_pace(const char *name, uint64_t begin)
{
    uint64_t end = 0;
    if (!told_slow && port_clock_us(&end) && end - begin > (uint64_t)APP_HOP * 1000000u / APP_SAMPLE_RATE) {
        told_slow = true;
        (void)fail(name, BN_ESLOW, "is read slower than it sounds");
    }
}

static void between_windows(void)
{
    console_between();
    cardlog_check();
}

static struct run run_recording(const char *name, const struct wav *wav, const uint32_t *asked)
{
    struct run run = {0};
    const uint32_t count = windows_count(wav->samples, APP_WINDOW, APP_HOP);
    log_file(name, count);
    for (uint32_t window = 0; window < count && run.code == BN_OK; window++) {
        if (window > 0) {
            between_windows();
        }
        struct report_inference inference = {.file = name, .window = window, .asked = asked};
        inference.start = windows_start(window, wav->samples, APP_WINDOW, APP_HOP);
        uint64_t begin = 0;
        (void)port_clock_us(&begin);
        run.code = wav_read(wav, inference.start, pcm, APP_WINDOW);
        if (run.code != BN_OK) {
            (void)fail(name, run.code, "cannot be read");
            break;
        }
        check_pace(name, begin);
        run.code = run_window(&inference, false);
        run.windows += run.code == BN_OK;
    }
    return run;
}

struct run runs_file(const char *name, const uint32_t *asked)
{
    struct run run = {.code = golden_status()};
    if (run.code != BN_OK) {
        return run;
    }
    uint32_t size = 0;
    run.code = port_storage_open(name, &size);
    if (run.code != BN_OK) {
        if (asked == NULL || run.code != BN_ENOENT) {
            (void)fail(name, run.code, "cannot be opened");
        }
        return run;
    }
    struct wav wav;
    run.code = wav_open(&wav, port_storage_read, size, APP_SAMPLE_RATE);
    if (run.code == BN_OK) {
        run = run_recording(name, &wav, asked);
    } else {
        (void)fail(name, run.code, wav.problem);
    }
    port_storage_close();
    return run;
}

struct run runs_card(const uint32_t *asked)
{
    struct run all = {.code = golden_status()};
    if (all.code != BN_OK) {
        return all;
    }
    char name[PORT_NAME_MAX] = "";
    int status = port_storage_next(name);
    if (status == BN_ENOENT) {
        log_line("warn", "there is no recording on the card");
    }
    for (bool first = true; status == BN_OK; status = port_storage_next(name), first = false) {
        if (!first) {
            between_windows();
        }
        const struct run run = runs_file(name, asked);
        all.windows += run.windows;
        all.code = all.code == BN_OK ? run.code : all.code;
    }
    if (status != BN_ENOENT) {
        all.code = fail("card", status, "cannot be listed");
    }
    return all;
}

/* A window that is there already: in pcm, or with `tensor` in network_input(). */
static struct run run_given(struct report_inference inference, bool tensor)
{
    struct run run = {.code = golden_status()};
    if (run.code == BN_OK) {
        run.code = run_window(&inference, tensor);
    }
    run.windows = run.code == BN_OK;
    return run;
}

struct run runs_sent(const char *file, uint32_t window, uint32_t start, bool tensor, uint32_t asked)
{
    return run_given((struct report_inference){.file = file, .window = window, .start = start, .asked = &asked}, tensor);
}

struct run runs_heard(const char *file, uint32_t window, uint32_t start)
{
    return run_given((struct report_inference){.file = file, .window = window, .start = start}, false);
}
