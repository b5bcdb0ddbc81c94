#include "chip.h"

enum { NOISE_MS = 20 };

uint32_t noise_read(void)
{
    __HAL_RCC_RNG_CLK_ENABLE();
    RNG->CR |= RNG_CR_RNGEN;
    const uint32_t begin = HAL_GetTick();
    while (HAL_GetTick() - begin <= NOISE_MS) {
        if ((RNG->SR & RNG_SR_DRDY) != 0) {
            return RNG->DR;
        }
    }
    return 0;
}
