/* The voltage of the core, for BN_OVERDRIVE. Boards from revision C01 on switch their converter with a pin. */
#include "chip.h"

#ifdef BN_OVERDRIVE

void board_raise_core_voltage(void)
{
    const GPIO_InitTypeDef pin = {
        .Pin = GPIO_PIN_4, .Mode = GPIO_MODE_OUTPUT_PP, .Pull = GPIO_NOPULL, .Speed = GPIO_SPEED_FREQ_LOW,
    };
    __HAL_RCC_GPIOF_CLK_ENABLE();
    HAL_GPIO_Init(GPIOF, &pin);
    HAL_GPIO_WritePin(GPIOF, GPIO_PIN_4, GPIO_PIN_SET);
}

#endif
