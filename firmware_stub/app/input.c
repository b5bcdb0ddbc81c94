#include "input.h"

#include <stddef.h>

#include "app_config.h"
#include "frontend.h"
#include "network.h"
#include "port.h"
#include "stages.h"

_Static_assert(APP_WINDOW == FRONTEND_WINDOW, "the frontend takes another window than the application reads");

#ifdef APP_PROLOGUE

#include "prologue/prologue.h"

_Static_assert(PROLOGUE_INPUT_SIZE == FRONTEND_SIZE, "the prologue takes another tensor than the frontend gives");
_Static_assert(PROLOGUE_OUTPUT_SIZE == APP_INPUT_SIZE, "the network takes another tensor than the prologue gives");

void input_fill(const int16_t *pcm, struct input_times *times)
{
    frontend_run(pcm, prologue_input());
    (void)port_clock_us(&times->frontend);
    stages_floats("input features", prologue_input(), FRONTEND_SIZE);
    prologue_run(network_input(), app_stages() ? stages_floats : NULL);
    (void)port_clock_us(&times->prologue);
    stages_int8("npu input", network_input(), APP_INPUT_SIZE);
}

#else

_Static_assert(APP_INPUT_SIZE == FRONTEND_SIZE, "the network takes another tensor than the frontend gives");

static float input_features[FRONTEND_SIZE];

void input_fill(const int16_t *pcm, struct input_times *times)
{
    frontend_run(pcm, input_features);
    frontend_quantize(input_features, network_input());
    (void)port_clock_us(&times->frontend);
    times->prologue = times->frontend;
    stages_floats("input features", input_features, FRONTEND_SIZE);
    stages_int8("network input", network_input(), APP_INPUT_SIZE);
}

#endif
