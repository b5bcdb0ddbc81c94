#include "report.h"

#include "app_config.h"
#include "chosen.h"
#include "command.h"
#include "live.h"
#include "port.h"
#include "record.h"

/* The longest JSON is either an inf record or one of the others, which stay below 768 bytes. */
#define REPORT_JSON_MAX (768 + 2 * APP_CLASSES + 6 * APP_TOP_K)
_Static_assert(REPORT_JSON_MAX <= RECORD_JSON_MAX, "the outputs do not fit into one record");
_Static_assert(APP_TOP_K >= 1 && APP_TOP_K <= APP_CLASSES && APP_CLASSES <= UINT16_MAX, "APP_TOP_K is out of range");

static char report_buffer[RECORD_BUFFER(REPORT_JSON_MAX)];
static uint32_t last_inference;
static bool has_inference;

static struct record report_begin(const char *type)
{
    struct record record;
    record_begin(&record, report_buffer, sizeof report_buffer, type);
    return record;
}

void report_hello(void)
{
    struct record record = report_begin("hello");
    json_uint(&record.json, "proto", RECORD_PROTOCOL);
    json_string(&record.json, "fw", APP_FIRMWARE);
    json_string(&record.json, "model", APP_MODEL_SHA256);
    json_string(&record.json, "lock", APP_LOCK_SHA256);
#ifdef APP_PROLOGUE
    json_string(&record.json, "npu", APP_NPU_SHA256);
    json_string(&record.json, "prologue", APP_PROLOGUE_SHA256);
#endif
#ifdef APP_WEIGHTS_SHA256
    json_string(&record.json, "weights", APP_WEIGHTS_SHA256);
#endif
    json_hex32(&record.json, "boot", port_boot_id());
    json_uint(&record.json, "classes", APP_CLASSES);
    json_number(&record.json, "scale", APP_OUTPUT_SCALE_TEXT);
    json_int(&record.json, "zp", APP_OUTPUT_ZERO_POINT);
    json_string(&record.json, "act", APP_ACTIVATION);
#ifdef APP_THRESHOLD_TEXT
    json_number(&record.json, "threshold", APP_THRESHOLD_TEXT);
#endif
#if APP_CHOSEN < APP_CLASSES
    json_uint(&record.json, "chosen", APP_CHOSEN);
#endif
    if (port_listen_ms() > 0) {
        json_uint(&record.json, "rx", COMMAND_LINE_MAX);
        json_uint(&record.json, "listen", port_listen_ms());
    }
    (void)record_send(&record); /* a lost record is counted in `dropped` */
}

void report_inference(const struct report_inference *inference)
{
    uint16_t top[APP_TOP_K];
    const uint16_t named = chosen_top(inference->outputs, top, APP_TOP_K);

    struct record record = report_begin("inf");
    json_string(&record.json, "file", inference->file);
    json_uint(&record.json, "win", inference->window);
    json_uint(&record.json, "start", inference->start);
    json_uint(&record.json, "start_ms", (uint64_t)inference->start * 1000u / APP_SAMPLE_RATE);
    json_hex_bytes(&record.json, "out", inference->outputs, APP_CLASSES);
    json_uint_array(&record.json, "top", top, named);
    if (inference->timed) {
        json_object_begin(&record.json, "us");
        json_uint(&record.json, "fe", inference->frontend_us);
#ifdef APP_PROLOGUE
        json_uint(&record.json, "pro", inference->prologue_us);
#endif
        json_uint(&record.json, "nn", inference->network_us);
        json_object_end(&record.json);
    } else {
        json_null(&record.json, "us");
    }
    if (inference->asked != NULL) {
        json_uint(&record.json, "re", *inference->asked);
    }
    last_inference = record_next();
    has_inference = true;
    (void)record_send(&record);
}

void report_stage(const char *file, uint32_t window, const char *name, const struct stage *stage)
{
    struct record record = report_begin("stage");
    json_string(&record.json, "file", file);
    json_uint(&record.json, "win", window);
    json_string(&record.json, "name", name);
    json_string(&record.json, "dtype", stage->dtype);
    json_uint(&record.json, "count", stage->count);
    json_hex32(&record.json, "crc32", stage->crc);
    json_hex_bytes(&record.json, "min", stage->min, stage->width);
    json_hex_bytes(&record.json, "max", stage->max, stage->width);
    json_hex_bytes(&record.json, "sum", stage->sum, sizeof stage->sum);
    json_hex_bytes(&record.json, "first", stage->first, stage->firsts * stage->width);
    (void)record_send(&record);
}

void report_error(const char *file, int code, const char *reason)
{
    struct record record = report_begin("err");
    json_string(&record.json, "file", file);
    json_int(&record.json, "code", code);
    json_string(&record.json, "reason", reason);
    (void)record_send(&record);
}

void report_stat(uint32_t up_ms, uint32_t bad)
{
    struct record record = report_begin("stat");
    json_uint(&record.json, "up_ms", up_ms);
    if (has_inference) {
        json_uint(&record.json, "last", last_inference);
    }
    json_uint(&record.json, "dropped", record_dropped());
    if (port_stack_unused() != UINT32_MAX) {
        json_uint(&record.json, "stack", port_stack_unused());
    }
    json_uint(&record.json, "rx_bad", bad);
#ifdef APP_AUDIO_MICROPHONE
    json_uint(&record.json, "lost", live_lost());
#endif
    (void)record_send(&record);
}

static bool card_can_be_read(void)
{
    char name[PORT_NAME_MAX] = "";
    const int status = port_storage_next(name);
    return status == BN_OK || status == BN_ENOENT;
}

void report_ack(const struct report_answer *answer)
{
    struct record record = report_begin("ack");
    json_uint(&record.json, "re", answer->re);
    json_string(&record.json, "cmd", answer->command);
    json_int(&record.json, "code", answer->code);
    if (answer->code != BN_OK) {
        json_string(&record.json, "reason", answer->reason);
    }
    if (answer->has_at) {
        json_uint(&record.json, "at", answer->at);
    }
    if (answer->is_info) {
        json_uint(&record.json, "rx", COMMAND_LINE_MAX);
        json_uint(&record.json, "listen", port_listen_ms());
        json_uint(&record.json, "rate", APP_SAMPLE_RATE);
        json_uint(&record.json, "window", APP_WINDOW);
        json_uint(&record.json, "hop", APP_HOP);
        json_uint(&record.json, "tensor", APP_INPUT_SIZE);
        json_uint(&record.json, "stages", 1);
        json_uint(&record.json, "up_ms", port_uptime_ms());
        json_uint(&record.json, "card", card_can_be_read());
    }
    (void)record_send(&record);
}

void report_done(uint32_t re, uint32_t windows, int code)
{
    struct record record = report_begin("done");
    json_uint(&record.json, "re", re);
    json_uint(&record.json, "windows", windows);
    json_int(&record.json, "code", code);
    (void)record_send(&record);
}

void report_bye(uint32_t windows)
{
    struct record record = report_begin("bye");
    json_uint(&record.json, "windows", windows);
    json_uint(&record.json, "dropped", record_dropped());
    (void)record_send(&record);
}
