/* frontend_scale.h - the mag_scale of the `librosa` frontend. */
#ifndef BN_FRONTEND_SCALE_H
#define BN_FRONTEND_SCALE_H

#include "frontend_config.h"

#ifdef FRONTEND_LIBROSA

/* Scales the mel magnitudes of one window in place, FRONTEND_SIZE of them: pwl, db or pcen, as the config says; with
 * `none` its input_compression. */
void frontend_scale(float *mels);

#endif
#endif
