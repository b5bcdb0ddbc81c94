#include "stages.h"

#include "report.h"
#include "stage.h"

static bool stages_wanted;
static bool stages_now;
static const char *stages_file;
static uint32_t stages_window;

void app_set_stages(bool on)
{
    stages_wanted = on;
}

bool app_stages(void)
{
    return stages_now;
}

void stages_begin(const char *file, uint32_t window)
{
    stages_now = stages_wanted;
    stages_file = file;
    stages_window = window;
}

void stages_floats(const char *name, const float *values, uint32_t count)
{
    if (stages_now) {
        const struct stage stage = stage_of_floats(values, count);
        report_stage(stages_file, stages_window, name, &stage);
    }
}

void stages_int8(const char *name, const int8_t *values, uint32_t count)
{
    if (stages_now) {
        const struct stage stage = stage_of_int8(values, count);
        report_stage(stages_file, stages_window, name, &stage);
    }
}
