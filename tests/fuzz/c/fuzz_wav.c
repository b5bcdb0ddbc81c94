/* A WAV of anybody on the card: opened, and read where the firmware would and where it never would. */
#include <string.h>

#include "fuzz.h"
#include "port.h"
#include "wav.h"

enum { RATE = 22050, PIECE = 512 };

static const uint8_t *file;
static size_t file_size;
static unsigned good_reads;

static int read_file(uint32_t offset, void *data, size_t length)
{
    if (good_reads-- == 0) {
        return BN_EIO;
    }
    const size_t left = offset < file_size ? file_size - offset : 0;
    const size_t count = length < left ? length : left;
    if (count > 0) {
        memcpy(data, file + offset, count);
    }
    return (int)count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint32_t reads = fuzz_number(&data, &size, 1);
    const uint32_t start = fuzz_number(&data, &size, 4);
    const uint32_t claimed = fuzz_number(&data, &size, 1); /* the size that storage tells may be larger */
    file = data;
    file_size = size;
    good_reads = reads < 64 ? reads : 1000;
    struct wav wav;
    const int status = wav_open(&wav, read_file, (uint32_t)size + (claimed < 16 ? claimed : 0), RATE);
    if (status != BN_OK) {
        PROMISE(status == BN_EFORMAT || status == BN_EIO);
        PROMISE(wav.problem != NULL && wav.problem[0] != '\0');
        return 0;
    }
    PROMISE(wav.samples > 0);
    const uint32_t starts[] = {0, start, start % (wav.samples + 1), wav.samples - 1, UINT32_MAX};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        int16_t *pcm = malloc(PIECE * sizeof *pcm);
        memset(pcm, 0x55, PIECE * sizeof *pcm);
        if (wav_read(&wav, starts[i], pcm, PIECE) == BN_OK && starts[i] >= wav.samples) {
            for (size_t k = 0; k < PIECE; k++) {
                PROMISE(pcm[k] == 0);
            }
        }
        free(pcm);
    }
    return 0;
}
