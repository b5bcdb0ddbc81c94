#include "report.h"

#include "app_config.h"
#include "port.h"
#include "record.h"
#include "topk.h"

/* The longest JSON is either an inf record or one of the others, which stay below 768 bytes. */
#define REPORT_JSON_MAX (768 + 2 * APP_CLASSES + 6 * APP_TOP_K)
_Static_assert(REPORT_JSON_MAX <= RECORD_JSON_MAX, "the outputs do not fit into one record");
_Static_assert(APP_TOP_K >= 1 && APP_TOP_K <= APP_CLASSES && APP_CLASSES <= UINT16_MAX, "APP_TOP_K is out of range");

static char report_buffer[RECORD_BUFFER(REPORT_JSON_MAX)];

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
    json_hex32(&record.json, "boot", port_boot_id());
    json_uint(&record.json, "classes", APP_CLASSES);
    json_number(&record.json, "scale", APP_OUTPUT_SCALE_TEXT);
    json_int(&record.json, "zp", APP_OUTPUT_ZERO_POINT);
    json_string(&record.json, "act", APP_ACTIVATION);
    (void)record_send(&record); /* a lost record is counted in `dropped` */
}

void report_inference(const struct report_inference *inference)
{
    uint16_t top[APP_TOP_K];
    topk(inference->outputs, APP_CLASSES, top, APP_TOP_K);

    struct record record = report_begin("inf");
    json_string(&record.json, "file", inference->file);
    json_uint(&record.json, "win", inference->window);
    json_uint(&record.json, "start", inference->start);
    json_uint(&record.json, "start_ms", (uint64_t)inference->start * 1000u / APP_SAMPLE_RATE);
    json_hex_bytes(&record.json, "out", inference->outputs, APP_CLASSES);
    json_uint_array(&record.json, "top", top, APP_TOP_K);
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

void report_bye(uint32_t windows)
{
    struct record record = report_begin("bye");
    json_uint(&record.json, "windows", windows);
    json_uint(&record.json, "dropped", record_dropped());
    (void)record_send(&record);
}
