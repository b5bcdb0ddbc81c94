/* The IMP34DT05 at filter 0 of the MDF: bits of one edge, decimated to samples of 16 bits, by DMA into the two halves
 * of a buffer; each half goes to the application whole or not at all. Sources: RM0486, chapters MDF and GPDMA; ST's application
 * note AN5027 on PDM microphones.
 */
#include "board.h"

#if BOARD_HAS_MICROPHONE

#include <string.h>

#include "chip.h"
#include "interrupts.h"
#include "port.h"
#include "sound.h"

enum {
    HALF_SAMPLES = 2048,
    RING_BYTES = 1 << 17, /* 2.7 s at 24 kHz: longer than an inference and its records take */
    PROCESSING_DIVIDER = 2,
    RESHAPE_RATIO = 4,
    GAIN_AT_32 = 14, /* in steps of 3 dB: full scale of the microphone is that of 16 bits */
    GAIN_AT_16 = 22,
    SETTLING_SAMPLES = 255, /* thrown away at the start */
};

/* From 49.152 MHz: rate = 49.152 MHz / 2 / divider / (cic * 4); the microphone takes 1.2 to 3.25 MHz. */
static const struct rate {
    uint32_t hz;
    uint32_t divider;
    uint32_t cic;
} rates[] = {{16000, 12, 32}, {24000, 8, 32}, {32000, 12, 16}, {48000, 8, 16}};

__attribute__((section(".dma"), aligned(32))) static int16_t halves[2][HALF_SAMPLES];
__attribute__((section(".dma"), aligned(32))) static DMA_NodeTypeDef node;
static DMA_QListTypeDef queue;
static DMA_HandleTypeDef dma = {.Instance = GPDMA1_Channel6};
static MDF_HandleTypeDef mdf = {.Instance = MDF1_Filter0};
static MDF_FilterConfigTypeDef filter;
static uint8_t ring_bytes[RING_BYTES];
static struct sound sound = {.ring = {.data = ring_bytes, .size = RING_BYTES, .head = 0, .tail = 0}};
static bool running;

void HAL_MDF_AcqHalfCpltCallback(MDF_HandleTypeDef *handle)
{
    (void)handle;
    sound_put(&sound, halves[0], HALF_SAMPLES);
}

void HAL_MDF_AcqCpltCallback(MDF_HandleTypeDef *handle)
{
    (void)handle;
    sound_put(&sound, halves[1], HALF_SAMPLES);
}

/* The filter overran before the DMA took its sample, or its clock was gone: at least one sample is missing. */
void HAL_MDF_ErrorCallback(MDF_HandleTypeDef *handle)
{
    (void)handle;
    sound_spoil(&sound);
}

void microphone_dma_handler(void)
{
    HAL_DMA_IRQHandler(&dma);
}

void microphone_filter_handler(void)
{
    HAL_MDF_IRQHandler(&mdf);
}

static void power_and_pins(void)
{
    const GPIO_InitTypeDef pins = {
        .Pin = GPIO_PIN_2 | GPIO_PIN_8, /* clock, bits */
        .Mode = GPIO_MODE_AF_PP,
        .Pull = GPIO_NOPULL,
        .Speed = GPIO_SPEED_FREQ_VERY_HIGH,
        .Alternate = GPIO_AF4_MDF1,
    };
    __HAL_RCC_MDF1_CLK_ENABLE();
    __HAL_RCC_GPDMA1_CLK_ENABLE();
    __HAL_RCC_GPIOE_CLK_ENABLE();
    HAL_GPIO_Init(GPIOE, &pins);
}

/* One node that follows itself: the buffer is filled again and again. */
static bool start_dma(void)
{
    DMA_NodeConfTypeDef config = {
        .NodeType = DMA_GPDMA_LINEAR_NODE,
        .Init = {
            .Request = GPDMA1_REQUEST_MDF1_FLT0,
            .BlkHWRequest = DMA_BREQ_SINGLE_BURST,
            .Direction = DMA_PERIPH_TO_MEMORY,
            .SrcInc = DMA_SINC_FIXED,
            .DestInc = DMA_DINC_INCREMENTED,
            .SrcDataWidth = DMA_SRC_DATAWIDTH_HALFWORD,
            .DestDataWidth = DMA_DEST_DATAWIDTH_HALFWORD,
            .SrcBurstLength = 1,
            .DestBurstLength = 1,
            .TransferAllocatedPort = DMA_SRC_ALLOCATED_PORT0 | DMA_DEST_ALLOCATED_PORT1,
            .TransferEventMode = DMA_TCEM_BLOCK_TRANSFER,
            .Mode = DMA_NORMAL,
        },
        .TriggerConfig = {.TriggerPolarity = DMA_TRIG_POLARITY_MASKED},
        .DataHandlingConfig = {
            .DataExchange = DMA_EXCHANGE_NONE, .DataAlignment = DMA_DATA_RIGHTALIGN_ZEROPADDED,
        },
        .SrcSecure = DMA_CHANNEL_SRC_SEC,
        .DestSecure = DMA_CHANNEL_DEST_SEC,
    };
    memset(&node, 0, sizeof node);
    memset(&queue, 0, sizeof queue);
    dma.InitLinkedList.Priority = DMA_HIGH_PRIORITY;
    dma.InitLinkedList.LinkStepMode = DMA_LSM_FULL_EXECUTION;
    dma.InitLinkedList.LinkAllocatedPort = DMA_LINK_ALLOCATED_PORT0;
    dma.InitLinkedList.TransferEventMode = DMA_TCEM_BLOCK_TRANSFER;
    dma.InitLinkedList.LinkedListMode = DMA_LINKEDLIST_CIRCULAR;
    const bool built = HAL_DMAEx_List_BuildNode(&config, &node) == HAL_OK &&
                       HAL_DMAEx_List_InsertNode(&queue, NULL, &node) == HAL_OK &&
                       HAL_DMAEx_List_SetCircularMode(&queue) == HAL_OK && HAL_DMAEx_List_Init(&dma) == HAL_OK &&
                       HAL_DMAEx_List_LinkQ(&dma, &queue) == HAL_OK &&
                       HAL_DMA_ConfigChannelAttributes(&dma, DMA_CHANNEL_PRIV | DMA_CHANNEL_SEC) == HAL_OK;
    __HAL_LINKDMA(&mdf, hdma, dma);
    return built;
}

static bool start_filter(const struct rate *rate)
{
    mdf.Init.CommonParam.InterleavedFilters = 0;
    mdf.Init.CommonParam.ProcClockDivider = PROCESSING_DIVIDER;
    mdf.Init.CommonParam.OutputClock.Activation = ENABLE;
    mdf.Init.CommonParam.OutputClock.Pins = MDF_OUTPUT_CLOCK_0;
    mdf.Init.CommonParam.OutputClock.Divider = rate->divider;
    mdf.Init.CommonParam.OutputClock.Trigger.Activation = DISABLE;
    mdf.Init.SerialInterface.Activation = ENABLE;
    mdf.Init.SerialInterface.Mode = MDF_SITF_NORMAL_SPI_MODE;
    mdf.Init.SerialInterface.ClockSource = MDF_SITF_CCK0_SOURCE;
    mdf.Init.SerialInterface.Threshold = 31;
    mdf.Init.FilterBistream = MDF_BITSTREAM0_FALLING;
    filter.DataSource = MDF_DATA_SOURCE_BSMX;
    filter.CicMode = MDF_ONE_FILTER_SINC4;
    filter.DecimationRatio = rate->cic;
    filter.Gain = rate->cic == 32 ? GAIN_AT_32 : GAIN_AT_16;
    filter.ReshapeFilter.Activation = ENABLE;
    filter.ReshapeFilter.DecimationRatio = MDF_RSF_DECIMATION_RATIO_4;
    filter.HighPassFilter.Activation = ENABLE; /* the microphone's offset */
    filter.HighPassFilter.CutOffFrequency = MDF_HPF_CUTOFF_0_000625FPCM;
    filter.AcquisitionMode = MDF_MODE_ASYNC_CONT;
    filter.FifoThreshold = MDF_FIFO_THRESHOLD_NOT_EMPTY;
    filter.DiscardSamples = SETTLING_SAMPLES;
    return HAL_MDF_Init(&mdf) == HAL_OK;
}

static bool start(const struct rate *rate)
{
    power_and_pins();
    if (!clocks_start_audio() || !start_filter(rate) || !start_dma()) {
        return false;
    }
    sound_begin(&sound);
    HAL_NVIC_SetPriority(GPDMA1_Channel6_IRQn, INTERRUPT_SOUND, 0);
    HAL_NVIC_SetPriority(MDF1_FLT0_IRQn, INTERRUPT_SOUND, 0);
    HAL_NVIC_EnableIRQ(GPDMA1_Channel6_IRQn);
    HAL_NVIC_EnableIRQ(MDF1_FLT0_IRQn);
    const MDF_DmaConfigTypeDef to = {
        .Address = (uint32_t)(uintptr_t)halves, .DataLength = sizeof halves, .MsbOnly = ENABLE,
    };
    return HAL_MDF_AcqStart_DMA(&mdf, &filter, &to) == HAL_OK;
}

int port_microphone_start(uint32_t sample_rate)
{
    _Static_assert(RESHAPE_RATIO == 4, "the rates above count on it");
    for (unsigned i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        if (rates[i].hz == sample_rate) {
            (void)port_microphone_stop();
            running = start(&rates[i]);
            return running ? BN_OK : BN_EIO;
        }
    }
    return BN_ERANGE;
}

int port_microphone_read(int16_t *pcm, size_t samples)
{
    const size_t count = sound_take(&sound, pcm, samples);
    return count > 0 || running ? (int)count : BN_EIO;
}

uint32_t port_microphone_lost(void)
{
    return sound_lost(&sound);
}

int port_microphone_stop(void)
{
    if (!running) {
        return BN_ENOENT;
    }
    running = false;
    return HAL_MDF_AcqStop_DMA(&mdf) == HAL_OK && HAL_MDF_DeInit(&mdf) == HAL_OK ? BN_OK : BN_EIO;
}

#endif
