/* input.h - one window from PCM to the network's int8 input: frontend, then the prologue where the model has one. */
#ifndef BN_INPUT_H
#define BN_INPUT_H

#include <stdint.h>

/* When each part ended, in microseconds. */
struct input_times {
    uint64_t frontend;
    uint64_t prologue; /* as frontend where there is none */
};

/* Fills network_input() from APP_WINDOW samples, and tells its stages. */
void input_fill(const int16_t *pcm, struct input_times *times);

#endif
