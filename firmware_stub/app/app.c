#include "app.h"

#include "app_config.h"
#include "cardlog.h"
#include "console.h"
#include "golden.h"
#include "live.h"
#include "log.h"
#include "port.h"
#include "report.h"
#include "runs.h"
#include "stages.h"

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
    cardlog_begin();
    report_hello();
    log_start();
    (void)golden_check();
    if (console_waits()) {
        console_serve();
    }
#ifdef APP_AUDIO_MICROPHONE
    const int ended = live_run();
#else
    const int ended = BN_OK;
    (void)runs_card(NULL);
#endif
    cardlog_check();
    report_bye(runs_windows());
    port_exit(ended == BN_ESLOW ? PORT_EXIT_FAULT : PORT_EXIT_DONE); /* a watchdog restarts what did not end well */
}
