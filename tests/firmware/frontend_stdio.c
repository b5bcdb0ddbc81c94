/* Runs the frontend over every window of standard input: features, then the int8 tensor, of each to standard output. */
#include <stdio.h>

#include "frontend_config.h"
#include "frontend_host.h"

static int16_t pcm[FRONTEND_WINDOW];
static float features[FRONTEND_SIZE];
static int8_t input[FRONTEND_SIZE];

int main(void)
{
    while (fread(pcm, sizeof pcm, 1, stdin) == 1) {
        frontend_host_run(pcm, features);
        frontend_host_quantize(features, input);
        if (fwrite(features, sizeof features, 1, stdout) != 1 || fwrite(input, sizeof input, 1, stdout) != 1) {
            return 1;
        }
    }
    return 0;
}
