#include "wav.h"

#include <string.h>

#include "port.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "samples are read as the file holds them");

enum {
    CHUNKS_MAX = 64, /* real files have two to six */
    RIFF_BYTES = 12,
    CHUNK_BYTES = 8,
    FORMAT_BYTES = 16,
    FORMAT_EXTENSIBLE_BYTES = 26, /* up to and with the first word of the sub-format */
    FORMAT_PCM = 1,
    FORMAT_EXTENSIBLE = 0xFFFE,
    SAMPLE_BYTES = 2,
};

struct chunk {
    char id[4];
    uint32_t offset; /* of the content */
    uint32_t length; /* of the content, as the file says */
};

static uint16_t le16(const uint8_t *byte)
{
    return (uint16_t)(byte[0] | byte[1] << 8);
}

static uint32_t le32(const uint8_t *byte)
{
    return le16(byte) | (uint32_t)le16(byte + 2) << 16;
}

static int refuse(struct wav *wav, const char *problem)
{
    wav->problem = problem;
    return BN_EFORMAT;
}

static int read_exactly(struct wav *wav, uint32_t offset, void *data, size_t length)
{
    const int count = wav->read(offset, data, length);
    if (count < 0) {
        wav->problem = "cannot be read";
        return BN_EIO;
    }
    return (size_t)count == length ? BN_OK : refuse(wav, "ends inside its header");
}

/* Steps to the chunk at `offset`. */
static int read_chunk(struct wav *wav, uint32_t offset, struct chunk *chunk)
{
    uint8_t head[CHUNK_BYTES];
    const int status = read_exactly(wav, offset, head, sizeof head);
    if (status == BN_OK) {
        memcpy(chunk->id, head, sizeof chunk->id);
        chunk->length = le32(head + 4);
        chunk->offset = offset + CHUNK_BYTES;
    }
    return status;
}

static int check_format(struct wav *wav, const struct chunk *chunk, uint32_t sample_rate)
{
    uint8_t format[FORMAT_EXTENSIBLE_BYTES] = {0};
    if (chunk->length < FORMAT_BYTES) {
        return refuse(wav, "has a format chunk that is too short");
    }
    const size_t length = chunk->length < sizeof format ? FORMAT_BYTES : sizeof format;
    const int status = read_exactly(wav, chunk->offset, format, length);
    if (status != BN_OK) {
        return status;
    }
    uint16_t tag = le16(format);
    if (tag == FORMAT_EXTENSIBLE && length == sizeof format) {
        tag = le16(format + 24);
    }
    if (tag != FORMAT_PCM || le16(format + 14) != 8 * SAMPLE_BYTES) {
        return refuse(wav, "is not 16-bit PCM");
    }
    if (le16(format + 2) != 1) {
        return refuse(wav, "is not mono");
    }
    if (le32(format + 4) != sample_rate) {
        return refuse(wav, "has another sample rate than the model");
    }
    return le16(format + 12) == SAMPLE_BYTES ? BN_OK : refuse(wav, "has a wrong block size");
}

static int accept_data(struct wav *wav, const struct chunk *chunk, uint32_t size)
{
    if (chunk->offset > size || chunk->length > size - chunk->offset) {
        return refuse(wav, "ends before the last sample");
    }
    wav->offset = chunk->offset;
    wav->samples = chunk->length / SAMPLE_BYTES;
    return wav->samples > 0 ? BN_OK : refuse(wav, "holds no sample");
}

int wav_open(struct wav *wav, wav_reader read, uint32_t size, uint32_t sample_rate)
{
    *wav = (struct wav){.read = read, .offset = 0, .samples = 0, .problem = ""};
    uint8_t riff[RIFF_BYTES];
    int status = read_exactly(wav, 0, riff, sizeof riff);
    if (status == BN_EIO) {
        return status;
    }
    if (status != BN_OK || memcmp(riff, "RIFF", 4) != 0 || memcmp(riff + 8, "WAVE", 4) != 0) {
        return refuse(wav, "is not a WAV file");
    }
    bool formatted = false;
    uint32_t offset = RIFF_BYTES;
    for (unsigned chunks = 0; chunks < CHUNKS_MAX; chunks++) {
        struct chunk chunk;
        status = read_chunk(wav, offset, &chunk);
        if (status != BN_OK) {
            return status;
        }
        if (memcmp(chunk.id, "data", 4) == 0) {
            return formatted ? accept_data(wav, &chunk, size) : refuse(wav, "has no format before its samples");
        }
        if (memcmp(chunk.id, "fmt ", 4) == 0) {
            status = check_format(wav, &chunk, sample_rate);
            if (status != BN_OK) {
                return status;
            }
            formatted = true;
        }
        const uint64_t next = (uint64_t)chunk.offset + chunk.length + (chunk.length & 1u);
        if (next >= size) {
            return refuse(wav, "has no samples");
        }
        offset = (uint32_t)next;
    }
    return refuse(wav, "has too many chunks before its samples");
}

int wav_read(const struct wav *wav, uint32_t start, int16_t *pcm, uint32_t count)
{
    const uint32_t left = start < wav->samples ? wav->samples - start : 0;
    const uint32_t there = count < left ? count : left;
    const size_t length = (size_t)there * SAMPLE_BYTES;
    if (length > 0 && wav->read(wav->offset + start * SAMPLE_BYTES, pcm, length) != (int)length) {
        return BN_EIO;
    }
    memset(pcm + there, 0, (size_t)(count - there) * sizeof *pcm);
    return BN_OK;
}
