/* fuzz.h - what the harnesses share. Each has LLVMFuzzerTestOneInput: libFuzzer calls it where clang is, and seeded.c
 * where only gcc is. A broken promise ends the process, like an error that a sanitizer finds.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PROMISE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #condition);                            \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* Takes the first bytes of an input as a number; zero where there are too few. */
static inline uint32_t fuzz_number(const uint8_t **data, size_t *size, unsigned bytes)
{
    uint32_t number = 0;
    for (unsigned i = 0; i < bytes && *size > 0; i++) {
        number = number << 8 | *(*data)++;
        (*size)--;
    }
    return number;
}

#endif
