#include "sound.h"

void sound_begin(struct sound *sound)
{
    sound->ring.tail = sound->ring.head;
    sound->refused = 0;
    sound->spoiled = false;
    sound->seen = 0;
    sound->thrown = 0;
}

void sound_put(struct sound *sound, const int16_t *pcm, uint32_t samples)
{
    if (sound->spoiled || !ring_put(&sound->ring, pcm, samples * sizeof *pcm)) {
        sound->refused += samples;
    }
    sound->spoiled = false;
}

void sound_spoil(struct sound *sound)
{
    sound->spoiled = true;
}

/* What came behind the gap before the reader looked goes with the rest: it is counted, so nothing shifts. */
static void throw_away(struct sound *sound)
{
    const uint32_t refused = sound->refused;
    if (refused != sound->seen) {
        sound->seen = refused;
        const uint32_t head = sound->ring.head;
        sound->thrown += (head - sound->ring.tail) / (uint32_t)sizeof(int16_t);
        sound->ring.tail = head;
    }
}

size_t sound_take(struct sound *sound, int16_t *pcm, size_t samples)
{
    size_t count = 0;
    uint8_t low;
    uint8_t high;
    throw_away(sound);
    while (count < samples && ring_used(&sound->ring) >= sizeof *pcm && ring_get(&sound->ring, &low) &&
           ring_get(&sound->ring, &high)) {
        pcm[count++] = (int16_t)(uint16_t)(low | high << 8);
    }
    return count;
}

uint32_t sound_lost(const struct sound *sound)
{
    return sound->refused + sound->thrown;
}
