/* wav.h - reads PCM16 mono WAV files through a function, so that any medium and any test can serve the bytes.
 *
 * The file is never trusted: every length is checked against the file's size before use, and the number of chunks
 * that are looked at is bounded.
 */
#ifndef BN_WAV_H
#define BN_WAV_H

#include <stddef.h>
#include <stdint.h>

/* Reads up to `length` bytes at `offset`: the number of bytes (fewer only at the end) or a negative BN_E*. */
typedef int (*wav_reader)(uint32_t offset, void *data, size_t length);

struct wav {
    wav_reader read;
    uint32_t offset;     /* of the first sample, in bytes */
    uint32_t samples;    /* at least 1 */
    const char *problem; /* why wav_open refused the file, for people */
};

/* Looks into a file of `size` bytes that must hold PCM16 mono at `sample_rate` Hz.
 * 0, BN_EFORMAT (with `problem` set) or BN_EIO. */
int wav_open(struct wav *wav, wav_reader read, uint32_t size, uint32_t sample_rate);

/* Reads `count` samples from sample `start` on; what lies beyond the end is zero. 0 or BN_EIO. */
int wav_read(const struct wav *wav, uint32_t start, int16_t *pcm, uint32_t count);

#endif
