#include "golden.h"

#include <string.h>

#include "app_config.h"
#include "log.h"
#include "port.h"

static int golden_code = BN_OK;

int golden_status(void)
{
    return golden_code;
}

#ifdef APP_GOLDEN_TOLERANCE

#include "golden_window.h"
#include "network.h"
#include "report.h"

static unsigned greatest_difference(const int8_t *outputs)
{
    unsigned greatest = 0;
    for (uint32_t i = 0; i < APP_CLASSES; i++) {
        const int difference = outputs[i] - golden_output[i];
        const unsigned size = (unsigned)(difference < 0 ? -difference : difference);
        greatest = size > greatest ? size : greatest;
    }
    return greatest;
}

static int refuse(const char *reason)
{
    golden_code = BN_ENETWORK;
    log_line("error", reason);
    report_error("golden", golden_code, reason);
    return golden_code;
}

static void text_difference(struct text *text, unsigned difference)
{
    text_uint(text, difference);
    text_string(text, " steps, allowed are ");
    text_uint(text, APP_GOLDEN_TOLERANCE);
}

int golden_check(void)
{
    memcpy(network_input(), golden_input, APP_INPUT_SIZE);
    if (network_run() != BN_OK) {
        return refuse("the golden window stopped the network: no predictions");
    }
    const unsigned difference = greatest_difference(network_output());
    char line[LOG_LINE_MAX];
    struct text text;
    if (difference > APP_GOLDEN_TOLERANCE) {
        text_init(&text, line, sizeof line - 1);
        text_string(&text, "the golden window is off by ");
        text_difference(&text, difference);
        text_string(&text, ": no predictions");
        line[text.length] = '\0';
        return refuse(line);
    }
    log_begin(&text, line, "info");
    text_string(&text, "golden window: off by ");
    text_difference(&text, difference);
    log_end(&text);
    return BN_OK;
}

#else

int golden_check(void)
{
    log_line("warn", "there is no golden window: nobody has checked that the network computes");
    return BN_OK;
}

#endif
