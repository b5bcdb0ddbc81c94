/* Clocks: 600 MHz for the core, 800 MHz for the NPU and its RAM, 200 MHz for both external memories; with BN_OVERDRIVE
 * 800, 1000 and 900 MHz. Source: ST's data sheet (DS14791), clocks in nominal and overdrive voltage.
 */
#include "chip.h"

uint32_t SystemCoreClock = HSI_VALUE; /* the HAL keeps it */

/* The HAL asks for it at its start and after each change. */
void SystemCoreClockUpdate(void)
{
    SystemCoreClock = HAL_RCC_GetCpuClockFreq();
}

#ifndef BN_XIP

enum {
    ALL_CLOCKS = RCC_CLOCKTYPE_CPUCLK | RCC_CLOCKTYPE_SYSCLK | RCC_CLOCKTYPE_HCLK | RCC_CLOCKTYPE_PCLK1 |
                 RCC_CLOCKTYPE_PCLK2 | RCC_CLOCKTYPE_PCLK4 | RCC_CLOCKTYPE_PCLK5,
};

/* From the 64 MHz of the HSI: 64 / m * n. */
static RCC_PLLInitTypeDef pll(uint32_t m, uint32_t n)
{
    return (RCC_PLLInitTypeDef){
        .PLLState = RCC_PLL_ON, .PLLSource = RCC_PLLSOURCE_HSI, .PLLM = m, .PLLN = n, .PLLP1 = 1, .PLLP2 = 1,
    };
}

static bool stand_on_hsi(void)
{
    __HAL_RCC_XSPI1_CLK_DISABLE(); /* a loader may have left them running from a PLL that stops now */
    __HAL_RCC_XSPI2_CLK_DISABLE();
    __HAL_RCC_NPU_CLK_DISABLE();
    RCC_ClkInitTypeDef clocks = {.ClockType = ALL_CLOCKS};
    clocks.CPUCLKSource = RCC_CPUCLKSOURCE_HSI;
    clocks.SYSCLKSource = RCC_SYSCLKSOURCE_HSI;
    clocks.AHBCLKDivider = RCC_HCLK_DIV2;
    clocks.APB1CLKDivider = RCC_APB1_DIV1;
    clocks.APB2CLKDivider = RCC_APB2_DIV1;
    clocks.APB4CLKDivider = RCC_APB4_DIV1;
    clocks.APB5CLKDivider = RCC_APB5_DIV1;
    if (HAL_RCC_ClockConfig(&clocks) != HAL_OK) {
        return false;
    }
    RCC_OscInitTypeDef oscillators = {.OscillatorType = RCC_OSCILLATORTYPE_HSI, .HSIState = RCC_HSI_ON};
    oscillators.HSIDiv = RCC_HSI_DIV1;
    oscillators.HSICalibrationValue = RCC_HSICALIBRATION_DEFAULT;
    oscillators.PLL1.PLLState = RCC_PLL_OFF;
    oscillators.PLL2.PLLState = RCC_PLL_OFF;
    oscillators.PLL3.PLLState = RCC_PLL_OFF;
    oscillators.PLL4.PLLState = RCC_PLL_OFF;
    return HAL_RCC_OscConfig(&oscillators) == HAL_OK;
}

static bool start_plls(void)
{
    RCC_OscInitTypeDef oscillators = {.OscillatorType = RCC_OSCILLATORTYPE_NONE};
    oscillators.PLL1 = pll(2, 25); /* 800 MHz */
#ifdef BN_OVERDRIVE
    oscillators.PLL2 = pll(8, 125);  /* 1000 MHz */
    oscillators.PLL3 = pll(16, 225); /* 900 MHz */
#else
    oscillators.PLL2 = pll(8, 75); /* 600 MHz */
    oscillators.PLL3.PLLState = RCC_PLL_NONE;
#endif
    oscillators.PLL4.PLLState = RCC_PLL_NONE;
    return HAL_RCC_OscConfig(&oscillators) == HAL_OK;
}

static bool run_from_plls(void)
{
    RCC_ClkInitTypeDef clocks = {.ClockType = ALL_CLOCKS};
    clocks.CPUCLKSource = RCC_CPUCLKSOURCE_IC1;
    clocks.SYSCLKSource = RCC_SYSCLKSOURCE_IC2_IC6_IC11;
#ifdef BN_OVERDRIVE
    clocks.IC1Selection = (RCC_ICInitTypeDef){.ClockSelection = RCC_ICCLKSOURCE_PLL1, .ClockDivider = 1};
    clocks.IC6Selection = (RCC_ICInitTypeDef){.ClockSelection = RCC_ICCLKSOURCE_PLL2, .ClockDivider = 1};
    clocks.IC11Selection = (RCC_ICInitTypeDef){.ClockSelection = RCC_ICCLKSOURCE_PLL3, .ClockDivider = 1};
#else
    clocks.IC1Selection = (RCC_ICInitTypeDef){.ClockSelection = RCC_ICCLKSOURCE_PLL2, .ClockDivider = 1};
    clocks.IC6Selection = (RCC_ICInitTypeDef){.ClockSelection = RCC_ICCLKSOURCE_PLL1, .ClockDivider = 1};
    clocks.IC11Selection = (RCC_ICInitTypeDef){.ClockSelection = RCC_ICCLKSOURCE_PLL1, .ClockDivider = 1};
#endif
    clocks.IC2Selection = (RCC_ICInitTypeDef){.ClockSelection = RCC_ICCLKSOURCE_PLL1, .ClockDivider = 2};
    clocks.AHBCLKDivider = RCC_HCLK_DIV2; /* 200 MHz of the bus's 400 */
    clocks.APB1CLKDivider = RCC_APB1_DIV1;
    clocks.APB2CLKDivider = RCC_APB2_DIV1;
    clocks.APB4CLKDivider = RCC_APB4_DIV1;
    clocks.APB5CLKDivider = RCC_APB5_DIV1;
    return HAL_RCC_ClockConfig(&clocks) == HAL_OK;
}

static bool clock_memories(void)
{
    RCC_PeriphCLKInitTypeDef clocks = {.PeriphClockSelection = RCC_PERIPHCLK_XSPI1 | RCC_PERIPHCLK_XSPI2};
    const RCC_ICInitTypeDef at_200_mhz = {.ClockSelection = RCC_ICCLKSOURCE_PLL1, .ClockDivider = 4};
    clocks.Xspi1ClockSelection = RCC_XSPI1CLKSOURCE_IC4;
    clocks.ICSelection[RCC_IC4] = at_200_mhz;
    clocks.Xspi2ClockSelection = RCC_XSPI2CLKSOURCE_IC3;
    clocks.ICSelection[RCC_IC3] = at_200_mhz;
    return HAL_RCCEx_PeriphCLKConfig(&clocks) == HAL_OK;
}

bool clocks_start(void)
{
    if (HAL_PWREx_ConfigSupply(PWR_EXTERNAL_SOURCE_SUPPLY) != HAL_OK || !stand_on_hsi()) {
        return false;
    }
#ifdef BN_OVERDRIVE
    board_raise_core_voltage();
    HAL_Delay(2); /* the converter moves 1 mV a microsecond */
    if (HAL_PWREx_ControlVoltageScaling(PWR_REGULATOR_VOLTAGE_SCALE0) != HAL_OK) {
        return false;
    }
#endif
    return start_plls() && run_from_plls() && clock_memories();
}

#else

/* The code runs from the flash: stopping the clock of that would stop it. They are as the loader left them. */
bool clocks_start(void)
{
    SystemCoreClockUpdate();
    return HAL_InitTick(TICK_INT_PRIORITY) == HAL_OK;
}

#endif

bool clocks_start_audio(void)
{
    /* 64 / 8 * (172 + 0.032) / (7 * 4) = 49.152 MHz; the fraction counts 2^-24. */
    RCC_OscInitTypeDef oscillators = {.OscillatorType = RCC_OSCILLATORTYPE_NONE};
    oscillators.PLL1.PLLState = RCC_PLL_NONE;
    oscillators.PLL2.PLLState = RCC_PLL_NONE;
    oscillators.PLL3.PLLState = RCC_PLL_NONE;
    oscillators.PLL4 = (RCC_PLLInitTypeDef){
        .PLLState = RCC_PLL_ON, .PLLSource = RCC_PLLSOURCE_HSI, .PLLM = 8, .PLLN = 172, .PLLFractional = 536871,
        .PLLP1 = 7, .PLLP2 = 4,
    };
    RCC_PeriphCLKInitTypeDef clocks = {.PeriphClockSelection = RCC_PERIPHCLK_MDF1};
    clocks.Mdf1ClockSelection = RCC_MDF1CLKSOURCE_IC8;
    clocks.ICSelection[RCC_IC8] = (RCC_ICInitTypeDef){.ClockSelection = RCC_ICCLKSOURCE_PLL4, .ClockDivider = 1};
    return HAL_RCC_OscConfig(&oscillators) == HAL_OK && HAL_RCCEx_PeriphCLKConfig(&clocks) == HAL_OK;
}
