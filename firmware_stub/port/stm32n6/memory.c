#include "chip.h"

extern uint32_t linker_dma_start[];
extern uint32_t linker_dma_end[];

enum { DMA_REGION = 0, DMA_ATTRIBUTES = 0, NORMAL_NOT_CACHED = 0x44 };

/* Without these, the clocks stop in the WFE that waits for the NPU. */
static void keep_clocks_asleep(void)
{
    __HAL_RCC_DBG_CLK_SLEEP_ENABLE();
    __HAL_RCC_XSPIPHYCOMP_CLK_SLEEP_ENABLE();
    __HAL_RCC_FLEXRAM_MEM_CLK_SLEEP_ENABLE();
    __HAL_RCC_AXISRAM1_MEM_CLK_SLEEP_ENABLE();
    __HAL_RCC_AXISRAM2_MEM_CLK_SLEEP_ENABLE();
    __HAL_RCC_AXISRAM3_MEM_CLK_SLEEP_ENABLE();
    __HAL_RCC_AXISRAM4_MEM_CLK_SLEEP_ENABLE();
    __HAL_RCC_AXISRAM5_MEM_CLK_SLEEP_ENABLE();
    __HAL_RCC_AXISRAM6_MEM_CLK_SLEEP_ENABLE();
    __HAL_RCC_AHBSRAM1_MEM_CLK_SLEEP_ENABLE();
    __HAL_RCC_CACHEAXIRAM_MEM_CLK_SLEEP_ENABLE();
    __HAL_RCC_RIFSC_CLK_SLEEP_ENABLE();
    __HAL_RCC_RISAF_CLK_SLEEP_ENABLE();
    __HAL_RCC_IAC_CLK_SLEEP_ENABLE();
    __HAL_RCC_XSPI1_CLK_SLEEP_ENABLE();
    __HAL_RCC_XSPI2_CLK_SLEEP_ENABLE();
    __HAL_RCC_CACHEAXI_CLK_SLEEP_ENABLE();
    __HAL_RCC_NPU_CLK_SLEEP_ENABLE();
    __HAL_RCC_USART1_CLK_SLEEP_ENABLE();
    __HAL_RCC_GPDMA1_CLK_SLEEP_ENABLE();
    __HAL_RCC_MDF1_CLK_SLEEP_ENABLE();
}

void memory_power(void)
{
    static RAMCFG_TypeDef *const rams[] = {
        RAMCFG_SRAM2_AXI, RAMCFG_SRAM3_AXI, RAMCFG_SRAM4_AXI, RAMCFG_SRAM5_AXI, RAMCFG_SRAM6_AXI,
    };
    __HAL_RCC_SYSCFG_CLK_ENABLE();
    __HAL_RCC_CRC_CLK_ENABLE();
    __HAL_RCC_RAMCFG_CLK_ENABLE();
    __HAL_RCC_AXISRAM2_MEM_CLK_ENABLE();
    __HAL_RCC_AXISRAM3_MEM_CLK_ENABLE();
    __HAL_RCC_AXISRAM4_MEM_CLK_ENABLE();
    __HAL_RCC_AXISRAM5_MEM_CLK_ENABLE();
    __HAL_RCC_AXISRAM6_MEM_CLK_ENABLE();
    __HAL_RCC_AHBSRAM1_MEM_CLK_ENABLE();
    __HAL_RCC_CACHEAXIRAM_MEM_CLK_ENABLE();
    for (unsigned i = 0; i < sizeof rams / sizeof rams[0]; i++) {
        rams[i]->CR &= ~RAMCFG_CR_SRAMSD; /* they are shut down after reset */
    }
    keep_clocks_asleep();
}

/* The core reads what peripherals write, without asking its cache. */
static void leave_dma_uncached(void)
{
    const uint32_t start = (uint32_t)(uintptr_t)linker_dma_start;
    const uint32_t end = (uint32_t)(uintptr_t)linker_dma_end;
    if (end == start) {
        return;
    }
    HAL_MPU_Disable();
    const MPU_Attributes_InitTypeDef attributes = {.Number = DMA_ATTRIBUTES, .Attributes = NORMAL_NOT_CACHED};
    HAL_MPU_ConfigMemoryAttributes(&attributes);
    const MPU_Region_InitTypeDef region = {
        .Enable = MPU_REGION_ENABLE,
        .Number = DMA_REGION,
        .AttributesIndex = DMA_ATTRIBUTES,
        .BaseAddress = start,
        .LimitAddress = end - 1,
        .AccessPermission = MPU_REGION_ALL_RW,
        .DisableExec = MPU_INSTRUCTION_ACCESS_DISABLE,
        .IsShareable = MPU_ACCESS_NOT_SHAREABLE,
    };
    HAL_MPU_ConfigRegion(&region);
    HAL_MPU_Enable(MPU_PRIVILEGED_DEFAULT);
}

void memory_caches(void)
{
    leave_dma_uncached();
    /* the boot ROM leaves them inactive */
    MEMSYSCTL->MSCR |= MEMSYSCTL_MSCR_DCACTIVE_Msk | MEMSYSCTL_MSCR_ICACTIVE_Msk;
    SCB_EnableICache();
    SCB_EnableDCache();
}
