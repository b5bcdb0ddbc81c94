/* sound.h - samples on their way from an interrupt to the application, and what was lost of them.
 *
 * A gap always lies before the next sample that is taken: once a piece was refused, what waits in front of the gap is
 * thrown away and counted, too. Else a gap would come up seconds later, in the middle of a window that looks whole.
 */
#ifndef BN_SOUND_H
#define BN_SOUND_H

#include "ring.h"

struct sound {
    struct ring ring;
    volatile uint32_t refused; /* samples; the interrupt counts */
    volatile bool spoiled;     /* the piece that is being recorded lacks samples */
    uint32_t seen;             /* of `refused`, by the reader */
    uint32_t thrown;           /* samples; the reader counts */
};

/* For a new recording: nothing waits, nothing is lost. The interrupt must be off. */
void sound_begin(struct sound *sound);
/* For the interrupt: a piece goes in whole, or is lost. */
void sound_put(struct sound *sound, const int16_t *pcm, uint32_t samples);
/* For the interrupt: the next piece is lost, because not all of it was recorded. */
void sound_spoil(struct sound *sound);
/* The number of samples that were there, at most `samples`. */
size_t sound_take(struct sound *sound, int16_t *pcm, size_t samples);
/* Samples that were lost since sound_begin. */
uint32_t sound_lost(const struct sound *sound);

#endif
