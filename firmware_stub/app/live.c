#include "live.h"

#include <string.h>

#include "app_config.h"
#include "console.h"
#include "golden.h"
#include "log.h"
#include "port.h"
#include "report.h"
#include "runs.h"

static uint32_t lost_samples; /* since boot */

uint32_t live_lost(void)
{
    return lost_samples;
}

#ifdef APP_AUDIO_MICROPHONE

static int fail(int code, const char *reason)
{
    log_line("error", reason);
    report_error(LIVE_FILE, code, reason);
    return code;
}

enum { STANDSTILL_MS = 2000 }; /* many times what samples wait in a board's buffers */

/* Fills runs_pcm() from sample `have` on, as the samples come. The watchdog sees nothing of a microphone that stands
 * still, since this loop goes on: its end is told here. */
static int listen(uint32_t have)
{
    uint32_t since = port_uptime_ms();
    while (have < APP_WINDOW) {
        const int count = port_microphone_read(runs_pcm() + have, APP_WINDOW - have);
        if (count < 0) {
            return fail(count, "the microphone gives no more");
        }
        if (count > 0) {
            since = port_uptime_ms();
        } else if (port_uptime_ms() - since > STANDSTILL_MS) {
            return fail(BN_ESLOW, "the microphone stands still");
        }
        have += (uint32_t)count;
        console_between();
    }
    return BN_OK;
}

/* Whether samples were lost while the window was filled, told once for each loss. */
static uint32_t newly_lost(void)
{
    const uint32_t lost = port_microphone_lost();
    const uint32_t since = lost - lost_samples;
    if (since > 0) {
        lost_samples = lost;
        char reason[LOG_LINE_MAX];
        struct text text;
        text_init(&text, reason, sizeof reason - 1);
        text_uint(&text, since);
        text_string(&text, " samples were lost");
        reason[text.length] = '\0';
        (void)fail(BN_ESLOW, reason);
    }
    return since;
}

int live_run(void)
{
    if (golden_status() != BN_OK) {
        return golden_status();
    }
    const int status = port_microphone_start(APP_SAMPLE_RATE);
    if (status != BN_OK) {
        return fail(status, "the microphone does not start");
    }
    uint32_t start = 0; /* of the window, in samples since the microphone began; wraps after 2^32 */
    uint32_t have = 0;
    uint32_t window = 0;
    int code = BN_OK;
    while ((code = listen(have)) == BN_OK) {
        have = 0;
        const uint32_t lost = newly_lost();
        if (lost > 0) {
            start += APP_WINDOW + lost;
            continue;
        }
        const struct run run = runs_heard(LIVE_FILE, window++, start);
        if (run.code != BN_OK) {
            code = run.code;
            break;
        }
        memmove(runs_pcm(), runs_pcm() + APP_HOP, (APP_WINDOW - APP_HOP) * sizeof(int16_t));
        have = APP_WINDOW - APP_HOP;
        start += APP_HOP;
    }
    (void)port_microphone_stop();
    return code;
}

#else

int live_run(void)
{
    return BN_ENOENT;
}

#endif
