/* stm32n6xx_hal_conf.h - what this port takes of ST's HAL: the file that the HAL asks every project for. */
#ifndef STM32N6xx_HAL_CONF_H
#define STM32N6xx_HAL_CONF_H

#define HAL_MODULE_ENABLED
#define HAL_BSEC_MODULE_ENABLED
#define HAL_CACHEAXI_MODULE_ENABLED
#define HAL_CORTEX_MODULE_ENABLED
#define HAL_DMA_MODULE_ENABLED
#define HAL_EXTI_MODULE_ENABLED
#define HAL_GPIO_MODULE_ENABLED
#define HAL_IWDG_MODULE_ENABLED
#define HAL_MDF_MODULE_ENABLED
#define HAL_PWR_MODULE_ENABLED
#define HAL_RCC_MODULE_ENABLED
#define HAL_RIF_MODULE_ENABLED
#define HAL_SD_MODULE_ENABLED
#define HAL_UART_MODULE_ENABLED
#define HAL_XSPI_MODULE_ENABLED

/* Oscillators in Hz; start-up times in ms. */
#define HSE_VALUE 48000000UL
#define HSE_STARTUP_TIMEOUT 100UL
#define LSE_VALUE 32768UL
#define LSE_STARTUP_TIMEOUT 5000UL
#define MSI_VALUE 4000000UL
#define HSI_VALUE 64000000UL
#define LSI_VALUE 32000UL
#define EXTERNAL_CLOCK_VALUE 12288000UL

#define VDD_VALUE 3300UL /* mV */
#define TICK_INT_PRIORITY 0UL
#define USE_RTOS 0U
#define USE_SD_TRANSCEIVER 0U

#define USE_HAL_BSEC_REGISTER_CALLBACKS 0U
#define USE_HAL_IWDG_REGISTER_CALLBACKS 0U
#define USE_HAL_MDF_REGISTER_CALLBACKS 0U
#define USE_HAL_SD_REGISTER_CALLBACKS 0U
#define USE_HAL_UART_REGISTER_CALLBACKS 0U
#define USE_HAL_XSPI_REGISTER_CALLBACKS 0U

#define assert_param(expression) ((void)0U)

#include "stm32n6xx_hal_rcc.h"
#include "stm32n6xx_hal_gpio.h"
#include "stm32n6xx_hal_rif.h"
#include "stm32n6xx_hal_dma.h"
#include "stm32n6xx_hal_cortex.h"
#include "stm32n6xx_hal_bsec.h"
#include "stm32n6xx_hal_cacheaxi.h"
#include "stm32n6xx_hal_exti.h"
#include "stm32n6xx_hal_iwdg.h"
#include "stm32n6xx_hal_mdf.h"
#include "stm32n6xx_hal_pwr.h"
#include "stm32n6xx_hal_sd.h"
#include "stm32n6xx_hal_uart.h"
#include "stm32n6xx_hal_xspi.h"

#endif
