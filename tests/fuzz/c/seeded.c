/* Feeds a harness where there is no libFuzzer: ./harness COUNT SEED FOLDER-OF-CASES FILES... ; the same each time.
 *
 * Inputs are files of seeds, changed by a few steps, or bytes from nothing. The input that is tried lies in
 * FOLDER/current, so that a crash leaves it there.
 */
#include <string.h>
#include <time.h>

#include "fuzz.h"

enum { MOST = 4096, SEEDS_MAX = 256 };

static uint8_t *seeds[SEEDS_MAX];
static size_t seed_sizes[SEEDS_MAX];
static unsigned seed_count;
static uint64_t state;

/* xorshift64* (Vigna 2016) */
static uint32_t next(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * 0x2545F4914F6CDD1Dull) >> 32);
}

static void load(const char *name)
{
    FILE *stream = fopen(name, "rb");
    if (stream == NULL || seed_count == SEEDS_MAX) {
        return;
    }
    seeds[seed_count] = malloc(MOST);
    seed_sizes[seed_count] = fread(seeds[seed_count], 1, MOST, stream);
    seed_count++;
    fclose(stream);
}

static size_t change(uint8_t *data, size_t size)
{
    static const uint32_t words[] = {0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, UINT32_MAX};
    const size_t at = size > 0 ? next() % size : 0;
    switch (next() % 6) {
    case 0:
        if (size > 0) {
            data[at] ^= (uint8_t)(1u << next() % 8);
        }
        return size;
    case 1:
        if (size > 0) {
            data[at] = (uint8_t)next();
        }
        return size;
    case 2: { /* a number that is special */
        const uint32_t word = words[next() % (sizeof words / sizeof *words)];
        const size_t length = size - at < 4 ? size - at : 4;
        memcpy(data + at, &word, length);
        return size;
    }
    case 3: return at;               /* cut */
    case 4: {                        /* twice */
        const size_t length = size - at < MOST - size ? size - at : MOST - size;
        memmove(data + size, data + at, length);
        return size + length;
    }
    default: {                       /* without a piece */
        const size_t length = size > at ? next() % (size - at) : 0;
        memmove(data + at, data + at + length, size - at - length);
        return size - length;
    }
    }
}

static size_t make(uint8_t *data)
{
    size_t size;
    if (seed_count > 0 && next() % 8 != 0) {
        const unsigned chosen = next() % seed_count;
        size = seed_sizes[chosen];
        memcpy(data, seeds[chosen], size);
        for (unsigned steps = next() % 8; steps > 0; steps--) {
            size = change(data, size);
        }
        return size;
    }
    size = next() % 512;
    for (size_t i = 0; i < size; i++) {
        data[i] = (uint8_t)next();
    }
    return size;
}

static void keep(const char *folder, const uint8_t *data, size_t size)
{
    char name[4096];
    snprintf(name, sizeof name, "%s/current", folder);
    FILE *stream = fopen(name, "wb");
    if (stream != NULL) {
        fwrite(data, 1, size, stream);
        fclose(stream);
    }
}

static void try_one(const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size > 0 ? size : 1); /* so that one byte too far is seen */
    memcpy(exact, data, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

int main(int count, char **arguments)
{
    if (count < 4) {
        return 2;
    }
    const long inputs = atol(arguments[1]);
    state = strtoull(arguments[2], NULL, 10) * 2 + 1;
    for (int i = 4; i < count; i++) {
        load(arguments[i]);
    }
    for (unsigned i = 0; i < seed_count; i++) {
        keep(arguments[3], seeds[i], seed_sizes[i]);
        try_one(seeds[i], seed_sizes[i]);
    }
    uint8_t *data = malloc(MOST);
    for (long i = 0; i < inputs; i++) {
        const size_t size = make(data);
        keep(arguments[3], data, size);
        try_one(data, size);
    }
    printf("tried %ld\n", inputs + (long)seed_count);
    return 0;
}
