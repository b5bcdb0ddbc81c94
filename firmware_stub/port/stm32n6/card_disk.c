/* The microSD card at SDMMC2 as FatFs asks for it: whole sectors, without DMA; the bus waits where the core is slow. */
#include "board.h"

#if BOARD_HAS_CARD

#include "chip.h"
#include "ff.h"

#include "diskio.h"

enum {
    CARD_DIVIDER = 4,       /* 200 MHz / (2 * 4) */
    SECTOR_MS = 10,         /* for each sector, and what a card may take for its own affairs: */
    CARD_PATIENCE_MS = 1000,
};

static SD_HandleTypeDef card;
static DSTATUS card_status = STA_NOINIT;

static void power_and_pins(void)
{
    const RCC_PeriphCLKInitTypeDef clock = {
        .PeriphClockSelection = RCC_PERIPHCLK_SDMMC2, .Sdmmc2ClockSelection = RCC_SDMMC2CLKSOURCE_HCLK,
    };
    GPIO_InitTypeDef pins = {
        /* data 2, clock, command, data 0 and 1 */
        .Pin = GPIO_PIN_0 | GPIO_PIN_2 | GPIO_PIN_3 | GPIO_PIN_4 | GPIO_PIN_5,
        .Mode = GPIO_MODE_AF_PP,
        .Pull = GPIO_PULLUP,
        .Speed = GPIO_SPEED_FREQ_VERY_HIGH,
        .Alternate = GPIO_AF11_SDMMC2,
    };
    (void)HAL_RCCEx_PeriphCLKConfig(&clock);
    HAL_PWREx_EnableVddIO5();
    __HAL_RCC_SDMMC2_CLK_ENABLE();
    __HAL_RCC_SDMMC2_FORCE_RESET();
    __HAL_RCC_SDMMC2_RELEASE_RESET();
    __HAL_RCC_GPIOC_CLK_ENABLE();
    __HAL_RCC_GPIOE_CLK_ENABLE();
    HAL_GPIO_Init(GPIOC, &pins);
    pins.Pin = GPIO_PIN_4; /* data 3 */
    HAL_GPIO_Init(GPIOE, &pins);
}

static bool card_settles(void)
{
    const uint32_t begin = HAL_GetTick();
    while (HAL_SD_GetCardState(&card) != HAL_SD_CARD_TRANSFER) {
        if (HAL_GetTick() - begin > CARD_PATIENCE_MS) {
            return false;
        }
    }
    return true;
}

static DRESULT result_of(HAL_StatusTypeDef status)
{
    if (status == HAL_OK && card_settles()) {
        return RES_OK;
    }
    card_status = STA_NOINIT; /* pulled out, perhaps: the next mount begins anew */
    return RES_ERROR;
}

DSTATUS disk_initialize(BYTE drive)
{
    (void)drive;
    power_and_pins();
    card.Instance = SDMMC2;
    card.Init.ClockEdge = SDMMC_CLOCK_EDGE_RISING;
    card.Init.ClockPowerSave = SDMMC_CLOCK_POWER_SAVE_DISABLE;
    card.Init.BusWide = SDMMC_BUS_WIDE_4B;
    card.Init.HardwareFlowControl = SDMMC_HARDWARE_FLOW_CONTROL_ENABLE;
    card.Init.ClockDiv = CARD_DIVIDER;
    (void)HAL_SD_DeInit(&card);
    card_status = HAL_SD_Init(&card) == HAL_OK && card_settles() ? 0 : STA_NOINIT;
    return card_status;
}

DSTATUS disk_status(BYTE drive)
{
    (void)drive;
    return card_status;
}

DRESULT disk_read(BYTE drive, BYTE *data, LBA_t sector, UINT count)
{
    (void)drive;
    return result_of(HAL_SD_ReadBlocks(&card, data, (uint32_t)sector, count, CARD_PATIENCE_MS + count * SECTOR_MS));
}

DRESULT disk_write(BYTE drive, const BYTE *data, LBA_t sector, UINT count)
{
    (void)drive;
    return result_of(HAL_SD_WriteBlocks(&card, data, (uint32_t)sector, count, CARD_PATIENCE_MS + count * SECTOR_MS));
}

/* All that FatFs asks without formatting: that what was written has arrived. */
DRESULT disk_ioctl(BYTE drive, BYTE command, void *buffer)
{
    (void)drive;
    (void)buffer;
    return command != CTRL_SYNC ? RES_PARERR : card_settles() ? RES_OK : RES_ERROR;
}

#endif
