/* ST's HAL and CMSIS for the STM32N6 as far as the port uses them, declared for the tests: what a function takes and which
 * fields a structure has. The values of constants are of no meaning; nothing that is compiled against this runs. What the
 * port uses and is not declared here does not compile: add it, and compile against ST's sources, too
 * (scripts/check-vendor-build).
 */
#ifndef N6_TEST_HAL_H
#define N6_TEST_HAL_H

#include <stddef.h>
#include <stdint.h>

#include "stm32n6xx_hal_conf.h"

/* Constants. */
enum { RESET = 0, SET = 1 }; /* names that ours must not have */
typedef enum { DISABLE, ENABLE } FunctionalState;
typedef enum { HAL_OK, HAL_ERROR, HAL_BUSY, HAL_TIMEOUT } HAL_StatusTypeDef;
typedef enum {
    SysTick_IRQn = -1,
    NPU0_IRQn = 53,
    GPDMA1_Channel6_IRQn = 90,
    MDF1_FLT0_IRQn = 142,
    USART1_IRQn = 159,
    LTDC_UP_ERR_IRQn = 194,
} IRQn_Type;
enum {
    DMA_BREQ_SINGLE_BURST = 1,
    DMA_CHANNEL_DEST_SEC = 2,
    DMA_CHANNEL_PRIV = 3,
    DMA_CHANNEL_SEC = 4,
    DMA_CHANNEL_SRC_SEC = 5,
    DMA_DATA_RIGHTALIGN_ZEROPADDED = 6,
    DMA_DEST_ALLOCATED_PORT1 = 7,
    DMA_DEST_DATAWIDTH_HALFWORD = 8,
    DMA_DINC_INCREMENTED = 9,
    DMA_EXCHANGE_NONE = 10,
    DMA_GPDMA_LINEAR_NODE = 11,
    DMA_HIGH_PRIORITY = 12,
    DMA_LINKEDLIST_CIRCULAR = 13,
    DMA_LINK_ALLOCATED_PORT0 = 14,
    DMA_LSM_FULL_EXECUTION = 15,
    DMA_NORMAL = 16,
    DMA_PERIPH_TO_MEMORY = 17,
    DMA_SINC_FIXED = 18,
    DMA_SRC_ALLOCATED_PORT0 = 19,
    DMA_SRC_DATAWIDTH_HALFWORD = 20,
    DMA_TCEM_BLOCK_TRANSFER = 21,
    DMA_TRIG_POLARITY_MASKED = 22,
    GPDMA1_REQUEST_MDF1_FLT0 = 23,
    GPIO_AF11_SDMMC2 = 24,
    GPIO_AF4_MDF1 = 25,
    GPIO_AF7_USART1 = 26,
    GPIO_AF9_XSPIM_P1 = 27,
    GPIO_AF9_XSPIM_P2 = 28,
    GPIO_MODE_AF_PP = 29,
    GPIO_MODE_OUTPUT_PP = 30,
    GPIO_NOPULL = 31,
    GPIO_PIN_0 = 32,
    GPIO_PIN_2 = 33,
    GPIO_PIN_3 = 34,
    GPIO_PIN_4 = 35,
    GPIO_PIN_5 = 36,
    GPIO_PIN_6 = 37,
    GPIO_PIN_8 = 38,
    GPIO_PIN_ALL = 39,
    GPIO_PIN_SET = 40,
    GPIO_PULLUP = 41,
    GPIO_SPEED_FREQ_HIGH = 42,
    GPIO_SPEED_FREQ_LOW = 43,
    GPIO_SPEED_FREQ_VERY_HIGH = 44,
    HAL_BSEC_NORMAL_PROG = 45,
    HAL_SD_CARD_TRANSFER = 46,
    HAL_XSPI_ADDRESS_1_LINE = 47,
    HAL_XSPI_ADDRESS_32_BITS = 48,
    HAL_XSPI_ADDRESS_8_LINES = 49,
    HAL_XSPI_ADDRESS_DTR_DISABLE = 50,
    HAL_XSPI_ADDRESS_DTR_ENABLE = 51,
    HAL_XSPI_ADDRESS_NONE = 52,
    HAL_XSPI_ALT_BYTES_NONE = 53,
    HAL_XSPI_BONDARYOF_16KB = 54,
    HAL_XSPI_BONDARYOF_NONE = 55,
    HAL_XSPI_CLOCK_MODE_0 = 56,
    HAL_XSPI_CSSEL_NCS1 = 57,
    HAL_XSPI_DATA_16_LINES = 58,
    HAL_XSPI_DATA_1_LINE = 59,
    HAL_XSPI_DATA_8_LINES = 60,
    HAL_XSPI_DATA_DTR_DISABLE = 61,
    HAL_XSPI_DATA_DTR_ENABLE = 62,
    HAL_XSPI_DATA_NONE = 63,
    HAL_XSPI_DHQC_DISABLE = 64,
    HAL_XSPI_DHQC_ENABLE = 65,
    HAL_XSPI_DQS_DISABLE = 66,
    HAL_XSPI_DQS_ENABLE = 67,
    HAL_XSPI_FREERUNCLK_DISABLE = 68,
    HAL_XSPI_INSTRUCTION_16_BITS = 69,
    HAL_XSPI_INSTRUCTION_1_LINE = 70,
    HAL_XSPI_INSTRUCTION_8_BITS = 71,
    HAL_XSPI_INSTRUCTION_8_LINES = 72,
    HAL_XSPI_INSTRUCTION_DTR_DISABLE = 73,
    HAL_XSPI_INSTRUCTION_DTR_ENABLE = 74,
    HAL_XSPI_MEMTYPE_APMEM_16BITS = 75,
    HAL_XSPI_MEMTYPE_MACRONIX = 76,
    HAL_XSPI_OPTYPE_COMMON_CFG = 78,
    HAL_XSPI_OPTYPE_READ_CFG = 79,
    HAL_XSPI_OPTYPE_WRITE_CFG = 80,
    HAL_XSPI_SAMPLE_SHIFT_NONE = 81,
    HAL_XSPI_SINGLE_MEM = 82,
    HAL_XSPI_SIZE_1GB = 83,
    HAL_XSPI_SIZE_256MB = 84,
    HAL_XSPI_SIZE_512MB = 85,
    HAL_XSPI_TIMEOUT_COUNTER_DISABLE = 86,
    HAL_XSPI_WRAP_NOT_SUPPORTED = 88,
    IWDG_EWI_DISABLE = 89,
    IWDG_PRESCALER_1024 = 90,
    IWDG_WINDOW_DISABLE = 91,
    MDF_BITSTREAM0_FALLING = 92,
    MDF_DATA_SOURCE_BSMX = 93,
    MDF_FIFO_THRESHOLD_NOT_EMPTY = 94,
    MDF_HPF_CUTOFF_0_000625FPCM = 95,
    MDF_MODE_ASYNC_CONT = 96,
    MDF_ONE_FILTER_SINC4 = 97,
    MDF_OUTPUT_CLOCK_0 = 98,
    MDF_RSF_DECIMATION_RATIO_4 = 99,
    MDF_SITF_CCK0_SOURCE = 100,
    MDF_SITF_NORMAL_SPI_MODE = 101,
    MPU_ACCESS_NOT_SHAREABLE = 102,
    MPU_INSTRUCTION_ACCESS_DISABLE = 103,
    MPU_PRIVILEGED_DEFAULT = 104,
    MPU_REGION_ALL_RW = 105,
    MPU_REGION_ENABLE = 106,
    PWR_EXTERNAL_SOURCE_SUPPLY = 107,
    PWR_REGULATOR_VOLTAGE_SCALE0 = 108,
    PWR_VDDIO2 = 109,
    PWR_VDDIO3 = 110,
    PWR_VDDIO_RANGE_1V8 = 111,
    RCC_APB1_DIV1 = 112,
    RCC_APB2_DIV1 = 113,
    RCC_APB4_DIV1 = 114,
    RCC_APB5_DIV1 = 115,
    RCC_CLOCKTYPE_CPUCLK = 116,
    RCC_CLOCKTYPE_HCLK = 117,
    RCC_CLOCKTYPE_PCLK1 = 118,
    RCC_CLOCKTYPE_PCLK2 = 119,
    RCC_CLOCKTYPE_PCLK4 = 120,
    RCC_CLOCKTYPE_PCLK5 = 121,
    RCC_CLOCKTYPE_SYSCLK = 122,
    RCC_CPUCLKSOURCE_HSI = 123,
    RCC_CPUCLKSOURCE_IC1 = 124,
    RCC_HCLK_DIV2 = 125,
    RCC_HSICALIBRATION_DEFAULT = 126,
    RCC_HSI_DIV1 = 127,
    RCC_HSI_ON = 128,
    RCC_IC3 = 2,
    RCC_IC4 = 3,
    RCC_IC8 = 7,
    RCC_ICCLKSOURCE_PLL1 = 129,
    RCC_ICCLKSOURCE_PLL2 = 130,
    RCC_ICCLKSOURCE_PLL3 = 131,
    RCC_ICCLKSOURCE_PLL4 = 132,
    RCC_MDF1CLKSOURCE_IC8 = 133,
    RCC_OSCILLATORTYPE_HSI = 134,
    RCC_OSCILLATORTYPE_NONE = 135,
    RCC_PERIPHCLK_MDF1 = 136,
    RCC_PERIPHCLK_SDMMC2 = 137,
    RCC_PERIPHCLK_USART1 = 138,
    RCC_PERIPHCLK_XSPI1 = 139,
    RCC_PERIPHCLK_XSPI2 = 140,
    RCC_PLLSOURCE_HSI = 141,
    RCC_PLL_NONE = 142,
    RCC_PLL_OFF = 143,
    RCC_PLL_ON = 144,
    RCC_SDMMC2CLKSOURCE_HCLK = 145,
    RCC_SYSCLKSOURCE_HSI = 146,
    RCC_SYSCLKSOURCE_IC2_IC6_IC11 = 147,
    RCC_USART1CLKSOURCE_PCLK2 = 148,
    RCC_XSPI1CLKSOURCE_IC4 = 149,
    RCC_XSPI2CLKSOURCE_IC3 = 150,
    RIF_ATTRIBUTE_NSEC = 151,
    RIF_ATTRIBUTE_PRIV = 152,
    RIF_ATTRIBUTE_SEC = 153,
    RIF_CID_1 = 154,
    RIF_CID_MASK = 155,
    RIF_CID_NONE = 156,
    RIF_MASTER_INDEX_NPU = 157,
    RIF_RISC_PERIPH_INDEX_NPU = 158,
    RISAF_FILTER_ENABLE = 159,
    SDMMC_BUS_WIDE_4B = 160,
    SDMMC_CLOCK_EDGE_RISING = 161,
    SDMMC_CLOCK_POWER_SAVE_DISABLE = 162,
    SDMMC_HARDWARE_FLOW_CONTROL_ENABLE = 163,
    UART_ADVFEATURE_NO_INIT = 164,
    UART_HWCONTROL_NONE = 165,
    UART_MODE_TX_RX = 166,
    UART_ONE_BIT_SAMPLE_DISABLE = 167,
    UART_OVERSAMPLING_16 = 168,
    UART_PARITY_NONE = 169,
    UART_PRESCALER_DIV1 = 170,
    UART_STOPBITS_1 = 171,
    UART_WORDLENGTH_8B = 172,
};
#define HAL_XSPI_TIMEOUT_DEFAULT_VALUE 5000u
#define MEMSYSCTL_MSCR_DCACTIVE_Msk (1u << 0)
#define MEMSYSCTL_MSCR_ICACTIVE_Msk (1u << 1)
#define RAMCFG_CR_SRAMSD (1u << 2)
#define RNG_CR_RNGEN (1u << 3)
#define RNG_SR_DRDY (1u << 4)
#define SCB_SHCSR_BUSFAULTENA_Msk (1u << 5)
#define SCB_SHCSR_MEMFAULTENA_Msk (1u << 6)
#define SCB_SHCSR_SECUREFAULTENA_Msk (1u << 7)
#define SCB_SHCSR_USGFAULTENA_Msk (1u << 8)
#define USART_CR1_RXNEIE_RXFNEIE (1u << 9)
#define USART_CR1_TXEIE_TXFNFIE (1u << 10)
#define USART_ICR_FECF (1u << 11)
#define USART_ICR_NECF (1u << 12)
#define USART_ICR_ORECF (1u << 13)
#define USART_ICR_PECF (1u << 14)
#define USART_ISR_RXNE_RXFNE (1u << 15)
#define USART_ISR_TC (1u << 16)
#define USART_ISR_TXE_TXFNF (1u << 17)
#define RISAF2_S ((RISAF_TypeDef *)0x54002000)
#define RISAF2_LIMIT_ADDRESS_SPACE_SIZE 0xFFFFFu
#define RISAF3_S ((RISAF_TypeDef *)0x54003000)
#define RISAF3_LIMIT_ADDRESS_SPACE_SIZE 0xFFFFFu
#define RISAF4_S ((RISAF_TypeDef *)0x54004000)
#define RISAF4_LIMIT_ADDRESS_SPACE_SIZE 0xFFFFFu
#define RISAF5_S ((RISAF_TypeDef *)0x54005000)
#define RISAF5_LIMIT_ADDRESS_SPACE_SIZE 0xFFFFFu
#define RISAF6_S ((RISAF_TypeDef *)0x54006000)
#define RISAF6_LIMIT_ADDRESS_SPACE_SIZE 0xFFFFFu
#define RISAF7_S ((RISAF_TypeDef *)0x54007000)
#define RISAF7_LIMIT_ADDRESS_SPACE_SIZE 0xFFFFFu
#define RISAF8_S ((RISAF_TypeDef *)0x54008000)
#define RISAF8_LIMIT_ADDRESS_SPACE_SIZE 0xFFFFFu
#define RISAF11_S ((RISAF_TypeDef *)0x5400b000)
#define RISAF11_LIMIT_ADDRESS_SPACE_SIZE 0xFFFFFu
#define RISAF12_S ((RISAF_TypeDef *)0x5400c000)
#define RISAF12_LIMIT_ADDRESS_SPACE_SIZE 0xFFFFFu
#define RISAF15_S ((RISAF_TypeDef *)0x5400f000)
#define RISAF15_LIMIT_ADDRESS_SPACE_SIZE 0xFFFFFu

/* Clocks and resets: they take nothing. */
void n6_test_switch(void);
#define __HAL_DBGMCU_FREEZE_IWDG() n6_test_switch()
#define __HAL_RCC_AHBSRAM1_MEM_CLK_ENABLE() n6_test_switch()
#define __HAL_RCC_AHBSRAM1_MEM_CLK_SLEEP_ENABLE() n6_test_switch()
#define __HAL_RCC_AXISRAM1_MEM_CLK_SLEEP_ENABLE() n6_test_switch()
#define __HAL_RCC_AXISRAM2_MEM_CLK_ENABLE() n6_test_switch()
#define __HAL_RCC_AXISRAM2_MEM_CLK_SLEEP_ENABLE() n6_test_switch()
#define __HAL_RCC_AXISRAM3_MEM_CLK_ENABLE() n6_test_switch()
#define __HAL_RCC_AXISRAM3_MEM_CLK_SLEEP_ENABLE() n6_test_switch()
#define __HAL_RCC_AXISRAM4_MEM_CLK_ENABLE() n6_test_switch()
#define __HAL_RCC_AXISRAM4_MEM_CLK_SLEEP_ENABLE() n6_test_switch()
#define __HAL_RCC_AXISRAM5_MEM_CLK_ENABLE() n6_test_switch()
#define __HAL_RCC_AXISRAM5_MEM_CLK_SLEEP_ENABLE() n6_test_switch()
#define __HAL_RCC_AXISRAM6_MEM_CLK_ENABLE() n6_test_switch()
#define __HAL_RCC_AXISRAM6_MEM_CLK_SLEEP_ENABLE() n6_test_switch()
#define __HAL_RCC_BSEC_CLK_ENABLE() n6_test_switch()
#define __HAL_RCC_CACHEAXIRAM_MEM_CLK_ENABLE() n6_test_switch()
#define __HAL_RCC_CACHEAXIRAM_MEM_CLK_SLEEP_ENABLE() n6_test_switch()
#define __HAL_RCC_CACHEAXI_CLK_ENABLE() n6_test_switch()
#define __HAL_RCC_CACHEAXI_CLK_SLEEP_ENABLE() n6_test_switch()
#define __HAL_RCC_CACHEAXI_FORCE_RESET() n6_test_switch()
#define __HAL_RCC_CACHEAXI_RELEASE_RESET() n6_test_switch()
#define __HAL_RCC_CLEAR_RESET_FLAGS() n6_test_switch()
#define __HAL_RCC_CRC_CLK_ENABLE() n6_test_switch()
#define __HAL_RCC_DBG_CLK_SLEEP_ENABLE() n6_test_switch()
#define __HAL_RCC_FLEXRAM_MEM_CLK_SLEEP_ENABLE() n6_test_switch()
#define __HAL_RCC_GPDMA1_CLK_ENABLE() n6_test_switch()
#define __HAL_RCC_GPDMA1_CLK_SLEEP_ENABLE() n6_test_switch()
#define __HAL_RCC_GPIOC_CLK_ENABLE() n6_test_switch()
#define __HAL_RCC_GPIOE_CLK_ENABLE() n6_test_switch()
#define __HAL_RCC_GPIOF_CLK_ENABLE() n6_test_switch()
#define __HAL_RCC_GPION_CLK_ENABLE() n6_test_switch()
#define __HAL_RCC_GPIOO_CLK_ENABLE() n6_test_switch()
#define __HAL_RCC_GPIOP_CLK_ENABLE() n6_test_switch()
#define __HAL_RCC_IAC_CLK_SLEEP_ENABLE() n6_test_switch()
#define __HAL_RCC_MDF1_CLK_ENABLE() n6_test_switch()
#define __HAL_RCC_MDF1_CLK_SLEEP_ENABLE() n6_test_switch()
#define __HAL_RCC_NPU_CLK_DISABLE() n6_test_switch()
#define __HAL_RCC_NPU_CLK_ENABLE() n6_test_switch()
#define __HAL_RCC_NPU_CLK_SLEEP_ENABLE() n6_test_switch()
#define __HAL_RCC_NPU_FORCE_RESET() n6_test_switch()
#define __HAL_RCC_NPU_RELEASE_RESET() n6_test_switch()
#define __HAL_RCC_PWR_CLK_ENABLE() n6_test_switch()
#define __HAL_RCC_RAMCFG_CLK_ENABLE() n6_test_switch()
#define __HAL_RCC_RIFSC_CLK_ENABLE() n6_test_switch()
#define __HAL_RCC_RIFSC_CLK_SLEEP_ENABLE() n6_test_switch()
#define __HAL_RCC_RISAF_CLK_ENABLE() n6_test_switch()
#define __HAL_RCC_RISAF_CLK_SLEEP_ENABLE() n6_test_switch()
#define __HAL_RCC_RNG_CLK_ENABLE() n6_test_switch()
#define __HAL_RCC_SDMMC2_CLK_ENABLE() n6_test_switch()
#define __HAL_RCC_SDMMC2_FORCE_RESET() n6_test_switch()
#define __HAL_RCC_SDMMC2_RELEASE_RESET() n6_test_switch()
#define __HAL_RCC_SYSCFG_CLK_ENABLE() n6_test_switch()
#define __HAL_RCC_USART1_CLK_ENABLE() n6_test_switch()
#define __HAL_RCC_USART1_CLK_SLEEP_ENABLE() n6_test_switch()
#define __HAL_RCC_USART1_FORCE_RESET() n6_test_switch()
#define __HAL_RCC_USART1_RELEASE_RESET() n6_test_switch()
#define __HAL_RCC_XSPI1_CLK_DISABLE() n6_test_switch()
#define __HAL_RCC_XSPI1_CLK_ENABLE() n6_test_switch()
#define __HAL_RCC_XSPI1_CLK_SLEEP_ENABLE() n6_test_switch()
#define __HAL_RCC_XSPI1_FORCE_RESET() n6_test_switch()
#define __HAL_RCC_XSPI1_RELEASE_RESET() n6_test_switch()
#define __HAL_RCC_XSPI2_CLK_DISABLE() n6_test_switch()
#define __HAL_RCC_XSPI2_CLK_ENABLE() n6_test_switch()
#define __HAL_RCC_XSPI2_CLK_SLEEP_ENABLE() n6_test_switch()
#define __HAL_RCC_XSPI2_FORCE_RESET() n6_test_switch()
uint32_t n6_test_is_enabled(void);
#define __HAL_RCC_XSPI2_IS_CLK_ENABLED() n6_test_is_enabled()
#define __HAL_RCC_XSPI2_RELEASE_RESET() n6_test_switch()
#define __HAL_RCC_XSPIM_CLK_ENABLE() n6_test_switch()
#define __HAL_RCC_XSPIM_FORCE_RESET() n6_test_switch()
#define __HAL_RCC_XSPIM_RELEASE_RESET() n6_test_switch()
#define __HAL_RCC_XSPIPHYCOMP_CLK_SLEEP_ENABLE() n6_test_switch()

/* The core. */
typedef struct {
    volatile uint32_t ICER[16];
    volatile uint32_t ICPR[16];
} NVIC_Type;
typedef struct {
    volatile uint32_t SHCSR;
} SCB_Type;
typedef struct {
    volatile uint32_t MSCR;
} MEMSYSCTL_Type;
#define NVIC ((NVIC_Type *)0xE000E180u)
#define SCB ((SCB_Type *)0xE000ED24u)
#define MEMSYSCTL ((MEMSYSCTL_Type *)0xE001E000u)
void __enable_irq(void);
_Noreturn void NVIC_SystemReset(void);
void SCB_EnableICache(void);
void SCB_EnableDCache(void);
void SCB_CleanInvalidateDCache_by_Addr(volatile void *address, int32_t bytes);
extern uint32_t SystemCoreClock;
void SystemCoreClockUpdate(void);
void HAL_NVIC_SetPriority(IRQn_Type number, uint32_t priority, uint32_t sub);
void HAL_NVIC_EnableIRQ(IRQn_Type number);
typedef struct {
    uint8_t Enable, Number, AttributesIndex;
    uint32_t BaseAddress, LimitAddress;
    uint8_t AccessPermission, DisableExec, DisablePrivExec, IsShareable;
} MPU_Region_InitTypeDef;
typedef struct {
    uint8_t Number, Attributes;
} MPU_Attributes_InitTypeDef;
void HAL_MPU_Disable(void);
void HAL_MPU_Enable(uint32_t control);
void HAL_MPU_ConfigRegion(const MPU_Region_InitTypeDef *region);
void HAL_MPU_ConfigMemoryAttributes(const MPU_Attributes_InitTypeDef *attributes);

/* Time and power. */
HAL_StatusTypeDef HAL_Init(void);
HAL_StatusTypeDef HAL_InitTick(uint32_t priority);
uint32_t HAL_GetTick(void);
void HAL_Delay(uint32_t ms);
HAL_StatusTypeDef HAL_PWREx_ConfigSupply(uint32_t source);
HAL_StatusTypeDef HAL_PWREx_ControlVoltageScaling(uint32_t scale);
void HAL_PWREx_EnableVddIO2(void);
void HAL_PWREx_EnableVddIO3(void);
void HAL_PWREx_EnableVddIO5(void);
void HAL_PWREx_ConfigVddIORange(uint32_t domain, uint32_t range);

/* RCC. */
typedef struct {
    volatile uint32_t RSR;
} RCC_TypeDef;
#define RCC ((RCC_TypeDef *)0x56028000u)
typedef struct {
    uint32_t PLLState, PLLSource, PLLM, PLLFractional, PLLN, PLLP1, PLLP2;
} RCC_PLLInitTypeDef;
typedef struct {
    uint32_t OscillatorType, HSEState, LSEState, HSIState, HSIDiv, HSICalibrationValue, LSIState, MSIState, MSIFrequency;
    RCC_PLLInitTypeDef PLL1, PLL2, PLL3, PLL4;
} RCC_OscInitTypeDef;
typedef struct {
    uint32_t ClockSelection, ClockDivider;
} RCC_ICInitTypeDef;
typedef struct {
    uint32_t ClockType, CPUCLKSource, SYSCLKSource, AHBCLKDivider;
    uint32_t APB1CLKDivider, APB2CLKDivider, APB4CLKDivider, APB5CLKDivider;
    RCC_ICInitTypeDef IC1Selection, IC2Selection, IC6Selection, IC11Selection;
} RCC_ClkInitTypeDef;
typedef struct {
    uint64_t PeriphClockSelection;
    RCC_ICInitTypeDef ICSelection[20];
    uint32_t Xspi1ClockSelection, Xspi2ClockSelection, Mdf1ClockSelection, Sdmmc2ClockSelection, Usart1ClockSelection;
} RCC_PeriphCLKInitTypeDef;
HAL_StatusTypeDef HAL_RCC_OscConfig(const RCC_OscInitTypeDef *init);
HAL_StatusTypeDef HAL_RCC_ClockConfig(const RCC_ClkInitTypeDef *init);
HAL_StatusTypeDef HAL_RCCEx_PeriphCLKConfig(const RCC_PeriphCLKInitTypeDef *init);
uint32_t HAL_RCC_GetCpuClockFreq(void);

/* Memories, isolation, fuses, noise. */
typedef struct {
    volatile uint32_t CR;
} RAMCFG_TypeDef;
#define RAMCFG_SRAM2_AXI ((RAMCFG_TypeDef *)0x52023080u)
#define RAMCFG_SRAM3_AXI ((RAMCFG_TypeDef *)0x52023100u)
#define RAMCFG_SRAM4_AXI ((RAMCFG_TypeDef *)0x52023180u)
#define RAMCFG_SRAM5_AXI ((RAMCFG_TypeDef *)0x52023200u)
#define RAMCFG_SRAM6_AXI ((RAMCFG_TypeDef *)0x52023280u)
typedef struct {
    volatile uint32_t CR;
} RISAF_TypeDef;
typedef struct {
    uint32_t Filtering, Secure, PrivWhitelist, ReadWhitelist, WriteWhitelist, StartAddress, EndAddress;
} RISAF_BaseRegionConfig_t;
typedef struct {
    uint32_t MasterCID, SecPriv;
} RIMC_MasterConfig_t;
void HAL_RIF_RISAF_ConfigBaseRegion(RISAF_TypeDef *risaf, uint32_t region, const RISAF_BaseRegionConfig_t *config);
void HAL_RIF_RIMC_ConfigMasterAttributes(uint32_t master, const RIMC_MasterConfig_t *config);
void HAL_RIF_RISC_SetSlaveSecureAttributes(uint32_t peripheral, uint32_t attributes);
typedef struct {
    volatile uint32_t FVRw[384];
} BSEC_TypeDef;
#define BSEC ((BSEC_TypeDef *)0x56009000u)
#define UID_BASE 0x56009014u
typedef struct {
    BSEC_TypeDef *Instance;
} BSEC_HandleTypeDef;
HAL_StatusTypeDef HAL_BSEC_OTP_Read(BSEC_HandleTypeDef *handle, uint32_t word, uint32_t *value);
HAL_StatusTypeDef HAL_BSEC_OTP_Program(BSEC_HandleTypeDef *handle, uint32_t word, uint32_t value, uint32_t mode);
typedef struct {
    volatile uint32_t CR, SR, DR;
} RNG_TypeDef;
#define RNG ((RNG_TypeDef *)0x54020000u)

/* Pins. */
typedef struct {
    volatile uint32_t MODER;
} GPIO_TypeDef;
#define GPIOC ((GPIO_TypeDef *)0x56020800u)
#define GPIOE ((GPIO_TypeDef *)0x56021000u)
#define GPIOF ((GPIO_TypeDef *)0x56021400u)
#define GPION ((GPIO_TypeDef *)0x56023400u)
#define GPIOO ((GPIO_TypeDef *)0x56023800u)
#define GPIOP ((GPIO_TypeDef *)0x56023C00u)
typedef struct {
    uint32_t Pin, Mode, Pull, Speed, Alternate;
} GPIO_InitTypeDef;
typedef uint32_t GPIO_PinState;
void HAL_GPIO_Init(GPIO_TypeDef *port, const GPIO_InitTypeDef *init);
void HAL_GPIO_WritePin(GPIO_TypeDef *port, uint16_t pin, GPIO_PinState state);

/* External memories. */
typedef struct {
    volatile uint32_t CR;
} XSPI_TypeDef;
#define XSPI1 ((XSPI_TypeDef *)0x58025000u)
#define XSPI2 ((XSPI_TypeDef *)0x5802A000u)
typedef struct {
    uint32_t FifoThresholdByte, MemoryMode, MemoryType, MemorySize, ChipSelectHighTimeCycle, FreeRunningClock, ClockMode;
    uint32_t WrapSize, ClockPrescaler, SampleShifting, DelayHoldQuarterCycle, ChipSelectBoundary, MaxTran, Refresh;
    uint32_t MemorySelect, MemoryExtended;
} XSPI_InitTypeDef;
typedef struct {
    XSPI_TypeDef *Instance;
    XSPI_InitTypeDef Init;
} XSPI_HandleTypeDef;
typedef struct {
    uint32_t OperationType, IOSelect, Instruction, InstructionMode, InstructionWidth, InstructionDTRMode, Address;
    uint32_t AddressMode, AddressWidth, AddressDTRMode, AlternateBytes, AlternateBytesMode, AlternateBytesWidth;
    uint32_t AlternateBytesDTRMode, DataMode, DataLength, DataDTRMode, DummyCycles, DQSMode;
} XSPI_RegularCmdTypeDef;
typedef struct {
    uint32_t TimeOutActivation, TimeoutPeriodClock;
} XSPI_MemoryMappedTypeDef;
HAL_StatusTypeDef HAL_XSPI_Init(XSPI_HandleTypeDef *handle);
HAL_StatusTypeDef HAL_XSPI_Command(XSPI_HandleTypeDef *handle, const XSPI_RegularCmdTypeDef *command, uint32_t timeout);
HAL_StatusTypeDef HAL_XSPI_Transmit(XSPI_HandleTypeDef *handle, const uint8_t *data, uint32_t timeout);
HAL_StatusTypeDef HAL_XSPI_Receive(XSPI_HandleTypeDef *handle, uint8_t *data, uint32_t timeout);
HAL_StatusTypeDef HAL_XSPI_MemoryMapped(XSPI_HandleTypeDef *handle, XSPI_MemoryMappedTypeDef *config);
HAL_StatusTypeDef HAL_XSPI_SetClockPrescaler(XSPI_HandleTypeDef *handle, uint32_t prescaler);

/* Serial line. */
typedef struct {
    volatile uint32_t CR1, ISR, ICR, RDR, TDR;
} USART_TypeDef;
#define USART1 ((USART_TypeDef *)0x52001000u)
typedef struct {
    uint32_t BaudRate, WordLength, StopBits, Parity, Mode, HwFlowCtl, OverSampling, OneBitSampling, ClockPrescaler;
} UART_InitTypeDef;
typedef struct {
    uint32_t AdvFeatureInit;
} UART_AdvFeatureInitTypeDef;
typedef struct {
    USART_TypeDef *Instance;
    UART_InitTypeDef Init;
    UART_AdvFeatureInitTypeDef AdvancedInit;
} UART_HandleTypeDef;
HAL_StatusTypeDef HAL_UART_Init(UART_HandleTypeDef *handle);
HAL_StatusTypeDef HAL_UARTEx_EnableFifoMode(UART_HandleTypeDef *handle);

/* Watchdog. */
typedef struct {
    volatile uint32_t KR;
} IWDG_TypeDef;
#define IWDG ((IWDG_TypeDef *)0x56004800u)
typedef struct {
    uint32_t Prescaler, Reload, Window, EWI;
} IWDG_InitTypeDef;
typedef struct {
    IWDG_TypeDef *Instance;
    IWDG_InitTypeDef Init;
} IWDG_HandleTypeDef;
HAL_StatusTypeDef HAL_IWDG_Init(IWDG_HandleTypeDef *handle);
HAL_StatusTypeDef HAL_IWDG_Refresh(IWDG_HandleTypeDef *handle);

/* Card. */
typedef struct {
    volatile uint32_t POWER;
} SDMMC_TypeDef;
#define SDMMC2 ((SDMMC_TypeDef *)0x58026800u)
typedef struct {
    uint32_t ClockEdge, ClockPowerSave, BusWide, HardwareFlowControl, ClockDiv;
} SDMMC_InitTypeDef;
typedef struct {
    SDMMC_TypeDef *Instance;
    SDMMC_InitTypeDef Init;
} SD_HandleTypeDef;
typedef uint32_t HAL_SD_CardStateTypeDef;
HAL_StatusTypeDef HAL_SD_Init(SD_HandleTypeDef *handle);
HAL_StatusTypeDef HAL_SD_DeInit(SD_HandleTypeDef *handle);
HAL_SD_CardStateTypeDef HAL_SD_GetCardState(SD_HandleTypeDef *handle);
HAL_StatusTypeDef HAL_SD_ReadBlocks(SD_HandleTypeDef *handle, uint8_t *data, uint32_t sector, uint32_t count, uint32_t ms);
HAL_StatusTypeDef HAL_SD_WriteBlocks(
    SD_HandleTypeDef *handle, const uint8_t *data, uint32_t sector, uint32_t count, uint32_t ms);

/* DMA and microphone. */
typedef struct {
    volatile uint32_t CCR;
} DMA_Channel_TypeDef;
#define GPDMA1_Channel6 ((DMA_Channel_TypeDef *)0x50021350u)
typedef struct {
    uint32_t LinkRegisters[8], NodeInfo;
} DMA_NodeTypeDef;
typedef struct {
    DMA_NodeTypeDef *Head;
} DMA_QListTypeDef;
typedef struct {
    uint32_t Request, BlkHWRequest, Direction, SrcInc, DestInc, SrcDataWidth, DestDataWidth, Priority, SrcBurstLength;
    uint32_t DestBurstLength, TransferAllocatedPort, TransferEventMode, Mode;
} DMA_InitTypeDef;
typedef struct {
    uint32_t Priority, LinkStepMode, LinkAllocatedPort, TransferEventMode, LinkedListMode;
} DMA_InitLinkedListTypeDef;
typedef struct {
    DMA_Channel_TypeDef *Instance;
    DMA_InitTypeDef Init;
    DMA_InitLinkedListTypeDef InitLinkedList;
    void *Parent;
} DMA_HandleTypeDef;
typedef struct {
    uint32_t TriggerMode, TriggerPolarity, TriggerSelection;
} DMA_TriggerConfTypeDef;
typedef struct {
    uint32_t DataExchange, DataAlignment;
} DMA_DataHandlingConfTypeDef;
typedef struct {
    uint32_t NodeType;
    DMA_InitTypeDef Init;
    DMA_DataHandlingConfTypeDef DataHandlingConfig;
    DMA_TriggerConfTypeDef TriggerConfig;
    uint32_t SrcAddress, DstAddress, DataSize, SrcSecure, DestSecure;
} DMA_NodeConfTypeDef;
#define __HAL_LINKDMA(parent, field, dma) \
    do {                                  \
        (parent)->field = &(dma);         \
        (dma).Parent = (parent);          \
    } while (0)
HAL_StatusTypeDef HAL_DMAEx_List_BuildNode(const DMA_NodeConfTypeDef *config, DMA_NodeTypeDef *node);
HAL_StatusTypeDef HAL_DMAEx_List_InsertNode(DMA_QListTypeDef *queue, DMA_NodeTypeDef *before, DMA_NodeTypeDef *node);
HAL_StatusTypeDef HAL_DMAEx_List_SetCircularMode(DMA_QListTypeDef *queue);
HAL_StatusTypeDef HAL_DMAEx_List_Init(DMA_HandleTypeDef *handle);
HAL_StatusTypeDef HAL_DMAEx_List_LinkQ(DMA_HandleTypeDef *handle, DMA_QListTypeDef *queue);
HAL_StatusTypeDef HAL_DMA_ConfigChannelAttributes(DMA_HandleTypeDef *handle, uint32_t attributes);
void HAL_DMA_IRQHandler(DMA_HandleTypeDef *handle);
typedef struct {
    volatile uint32_t SITFCR;
} MDF_Filter_TypeDef;
#define MDF1_Filter0 ((MDF_Filter_TypeDef *)0x52025080u)
typedef struct {
    struct {
        uint32_t InterleavedFilters, ProcClockDivider;
        struct {
            FunctionalState Activation;
            uint32_t Pins, Divider;
            struct {
                FunctionalState Activation;
                uint32_t Source, Edge;
            } Trigger;
        } OutputClock;
    } CommonParam;
    struct {
        FunctionalState Activation;
        uint32_t Mode, ClockSource, Threshold;
    } SerialInterface;
    uint32_t FilterBistream;
} MDF_InitTypeDef;
typedef struct {
    MDF_Filter_TypeDef *Instance;
    MDF_InitTypeDef Init;
    DMA_HandleTypeDef *hdma;
} MDF_HandleTypeDef;
typedef struct {
    uint32_t DataSource, Delay, CicMode, DecimationRatio;
    int32_t Offset, Gain;
    struct {
        FunctionalState Activation;
        uint32_t DecimationRatio;
    } ReshapeFilter;
    struct {
        FunctionalState Activation;
        uint32_t CutOffFrequency;
    } HighPassFilter;
    uint32_t AcquisitionMode, FifoThreshold, DiscardSamples;
} MDF_FilterConfigTypeDef;
typedef struct {
    uint32_t Address, DataLength;
    FunctionalState MsbOnly;
} MDF_DmaConfigTypeDef;
HAL_StatusTypeDef HAL_MDF_Init(MDF_HandleTypeDef *handle);
HAL_StatusTypeDef HAL_MDF_DeInit(MDF_HandleTypeDef *handle);
HAL_StatusTypeDef HAL_MDF_AcqStart_DMA(
    MDF_HandleTypeDef *handle, MDF_FilterConfigTypeDef *filter, const MDF_DmaConfigTypeDef *dma);
HAL_StatusTypeDef HAL_MDF_AcqStop_DMA(MDF_HandleTypeDef *handle);
void HAL_MDF_IRQHandler(MDF_HandleTypeDef *handle);
void HAL_MDF_AcqHalfCpltCallback(MDF_HandleTypeDef *handle);
void HAL_MDF_AcqCpltCallback(MDF_HandleTypeDef *handle);
void HAL_MDF_ErrorCallback(MDF_HandleTypeDef *handle);

#endif
