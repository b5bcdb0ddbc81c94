#include "cardlog.h"

#include <string.h>

#include "port.h"
#include "record.h"
#include "report.h"

enum { NUMBER_AT = 2, NUMBER_DIGITS = 6, NUMBER_LAST = 999999 };

static char name[PORT_NAME_MAX] = "BN000001.LOG";
static uint32_t number = 1;
static uint32_t used;
static int failed;

static void set_name(void)
{
    uint32_t left = number;
    for (unsigned i = NUMBER_DIGITS; i > 0; i--) {
        name[NUMBER_AT + i - 1] = (char)('0' + left % 10);
        left /= 10;
    }
}

static bool exists(const char *file, uint32_t *size)
{
    if (port_storage_open(file, size) != BN_OK) {
        return false;
    }
    port_storage_close();
    return true;
}

static void append(const void *line, size_t length)
{
    if (failed != BN_OK) {
        return;
    }
    if (used + length > CARDLOG_BYTES && used > 0 && number < NUMBER_LAST) {
        number++;
        used = 0;
        set_name();
    }
    failed = port_storage_append(name, line, length);
    used += (uint32_t)length;
}

void cardlog_begin(void)
{
    uint32_t size = 0;
    if (!exists(CARDLOG_ASK, &size)) {
        return;
    }
    while (number < NUMBER_LAST && exists(name, &size)) {
        number++;
        set_name();
    }
    record_also(append);
}

void cardlog_check(void)
{
    if (failed != BN_OK) {
        record_also(NULL);
        report_error("card", failed, "cannot be written: it is full, locked or gone");
        failed = BN_OK;
    }
}
