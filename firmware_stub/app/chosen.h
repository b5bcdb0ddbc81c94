/* chosen.h - which classes a prediction names: those of the species list whose score reaches the threshold.
 *
 * Both were chosen when the project was rendered (app_config.h). A record holds all outputs whatever is chosen.
 */
#ifndef BN_CHOSEN_H
#define BN_CHOSEN_H

#include <stdint.h>

/* Writes the indices of the best chosen classes, best first; gives how many there are, `k` at most. */
uint16_t chosen_top(const int8_t *outputs, uint16_t *indices, uint16_t k);

#endif
