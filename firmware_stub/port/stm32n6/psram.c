/* The PSRAM at XSPI1: AP Memory APS256XXN, 32 MiB, 16 lines on both edges. Source: its data sheet, mode registers.
 *
 * Nothing of this firmware lies in it; a network compiled with a profile that spills activations there finds it mapped.
 */
#include "board.h"

#if BOARD_HAS_PSRAM

#include "chip.h"
#include "fuses.h"
#include "xspi.h"

enum {
    WRITE_REGISTER = 0xC0,
    READ_LINEAR = 0x20,
    WRITE_LINEAR = 0xA0,
    READ_LATENCY_ADDRESS = 0,
    READ_LATENCY_7_FIXED = 0x30,
    WRITE_LATENCY_ADDRESS = 4,
    WRITE_LATENCY_7 = 0x20,
    WIDTH_ADDRESS = 8,
    WIDTH_16 = 0x40,
    LATENCY_CYCLES = 6, /* latency 7, the cycle of the address counted */
    BUS_MHZ = 50,
    SELECT_AT_MOST_US = 2, /* the memory refreshes itself between two selections only */
    SELECT_MARGIN = 4,
};

static XSPI_HandleTypeDef psram;

static void power_and_pins(void)
{
    __HAL_RCC_PWR_CLK_ENABLE();
    HAL_PWREx_EnableVddIO2();
    HAL_PWREx_ConfigVddIORange(PWR_VDDIO2, PWR_VDDIO_RANGE_1V8);
    __HAL_RCC_XSPI1_CLK_ENABLE();
    __HAL_RCC_XSPI1_FORCE_RESET();
    __HAL_RCC_XSPI1_RELEASE_RESET();
    __HAL_RCC_GPIOO_CLK_ENABLE();
    __HAL_RCC_GPIOP_CLK_ENABLE();
    xspi_pins(GPIOO, GPIO_PIN_0 | GPIO_PIN_2 | GPIO_PIN_3 | GPIO_PIN_4, GPIO_AF9_XSPIM_P1); /* select, strobes, clock */
    xspi_pins(GPIOP, GPIO_PIN_ALL, GPIO_AF9_XSPIM_P1);                                      /* data */
}

static bool start_bus(void)
{
    psram.Instance = XSPI1;
    psram.Init = (XSPI_InitTypeDef){
        .FifoThresholdByte = 8,
        .MemoryMode = HAL_XSPI_SINGLE_MEM,
        .MemoryType = HAL_XSPI_MEMTYPE_APMEM_16BITS,
        .MemorySize = HAL_XSPI_SIZE_256MB, /* in bits */
        .ChipSelectHighTimeCycle = 5,
        .FreeRunningClock = HAL_XSPI_FREERUNCLK_DISABLE,
        .ClockMode = HAL_XSPI_CLOCK_MODE_0,
        .WrapSize = HAL_XSPI_WRAP_NOT_SUPPORTED,
        .ClockPrescaler = XSPI_SLOW_DIVIDER,
        .SampleShifting = HAL_XSPI_SAMPLE_SHIFT_NONE,
        .DelayHoldQuarterCycle = HAL_XSPI_DHQC_ENABLE,
        .ChipSelectBoundary = HAL_XSPI_BONDARYOF_16KB,
        .Refresh = SELECT_AT_MOST_US * BUS_MHZ - SELECT_MARGIN,
        .MemorySelect = HAL_XSPI_CSSEL_NCS1,
    };
    return HAL_XSPI_Init(&psram) == HAL_OK;
}

static XSPI_RegularCmdTypeDef command_of(uint32_t instruction, uint32_t lines)
{
    return (XSPI_RegularCmdTypeDef){
        .OperationType = HAL_XSPI_OPTYPE_COMMON_CFG,
        .Instruction = instruction,
        .InstructionMode = HAL_XSPI_INSTRUCTION_8_LINES,
        .InstructionWidth = HAL_XSPI_INSTRUCTION_8_BITS,
        .InstructionDTRMode = HAL_XSPI_INSTRUCTION_DTR_DISABLE,
        .AddressMode = HAL_XSPI_ADDRESS_8_LINES,
        .AddressWidth = HAL_XSPI_ADDRESS_32_BITS,
        .AddressDTRMode = HAL_XSPI_ADDRESS_DTR_ENABLE,
        .AlternateBytesMode = HAL_XSPI_ALT_BYTES_NONE,
        .DataMode = lines,
        .DataDTRMode = HAL_XSPI_DATA_DTR_ENABLE,
        .DQSMode = HAL_XSPI_DQS_ENABLE,
    };
}

static bool configure(uint32_t address, uint8_t value)
{
    XSPI_RegularCmdTypeDef command = command_of(WRITE_REGISTER, HAL_XSPI_DATA_8_LINES);
    command.Address = address;
    command.DQSMode = HAL_XSPI_DQS_DISABLE;
    const uint8_t twice[2] = {value, value}; /* one for each edge */
    return xspi_write(&psram, &command, twice, sizeof twice);
}

bool psram_map(void)
{
    power_and_pins();
    if (!start_bus() || !configure(READ_LATENCY_ADDRESS, READ_LATENCY_7_FIXED) ||
        !configure(WRITE_LATENCY_ADDRESS, WRITE_LATENCY_7) || !configure(WIDTH_ADDRESS, WIDTH_16) ||
        !xspi_full_speed(&psram, fuse_is_set(FUSE_HSLV_VDDIO2))) {
        return false;
    }
    XSPI_RegularCmdTypeDef read = command_of(READ_LINEAR, HAL_XSPI_DATA_16_LINES);
    read.DummyCycles = LATENCY_CYCLES;
    XSPI_RegularCmdTypeDef write = command_of(WRITE_LINEAR, HAL_XSPI_DATA_16_LINES);
    write.DummyCycles = LATENCY_CYCLES;
    return xspi_map(&psram, &read, &write);
}

#endif
