/* The octo NOR flash at XSPI2: Macronix MX66UW1G45G (STM32N6570-DK) and MX25UM51245G (NUCLEO-N657X0-Q), whose commands
 * are the same. Sources: their data sheets, chapters on reset, configuration register 2 and OPI.
 */
#include "board.h"
#include "chip.h"
#include "fuses.h"
#include "xspi.h"

#ifndef BN_XIP

enum {
    FLASH_RESET_ENABLE = 0x66,
    FLASH_RESET = 0x99,
    WRITE_ENABLE = 0x06,
    WRITE_CONFIGURATION_2 = 0x72,
    OCTO_RESET_ENABLE = 0x6699,
    OCTO_RESET = 0x9966,
    OCTO_READ_CONFIGURATION_2 = 0x718E,
    OCTO_READ_BOTH_EDGES = 0xEE11,
    OCTO_PROGRAM = 0x12ED,
    PROTOCOL_ADDRESS = 0x000, /* of configuration register 2 */
    PROTOCOL_OCTO_BOTH_EDGES = 2,
    LATENCY_ADDRESS = 0x300,
    LATENCY_20_CYCLES = 0,
    READ_CYCLES = 10,    /* the 20 edges of that latency */
    REGISTER_CYCLES = 5, /* of a register in octo mode */
    RESET_MS = 100,      /* also out of an erase that was cut off */
    REGISTER_MS = 40,
};

static XSPI_HandleTypeDef nor;

static void power_and_pins(void)
{
    __HAL_RCC_PWR_CLK_ENABLE();
    HAL_PWREx_EnableVddIO3();
    HAL_PWREx_ConfigVddIORange(PWR_VDDIO3, PWR_VDDIO_RANGE_1V8);
    __HAL_RCC_XSPIM_CLK_ENABLE(); /* its reset state leads XSPI1 to port 1 and XSPI2 to port 2 */
    __HAL_RCC_XSPIM_FORCE_RESET();
    __HAL_RCC_XSPIM_RELEASE_RESET();
    __HAL_RCC_XSPI2_CLK_ENABLE();
    __HAL_RCC_XSPI2_FORCE_RESET();
    __HAL_RCC_XSPI2_RELEASE_RESET();
    __HAL_RCC_GPION_CLK_ENABLE();
    xspi_pins(GPION, 0x0F7F, GPIO_AF9_XSPIM_P2); /* 0 strobe, 1 select, 2-5 and 8-11 data, 6 clock */
}

static bool start_bus(uint32_t hold)
{
    nor.Instance = XSPI2;
    nor.Init = (XSPI_InitTypeDef){
        .FifoThresholdByte = 1,
        .MemoryMode = HAL_XSPI_SINGLE_MEM,
        .MemoryType = HAL_XSPI_MEMTYPE_MACRONIX,
        .MemorySize = BOARD_NOR_SIZE,
        .ChipSelectHighTimeCycle = 2,
        .FreeRunningClock = HAL_XSPI_FREERUNCLK_DISABLE,
        .ClockMode = HAL_XSPI_CLOCK_MODE_0,
        .WrapSize = HAL_XSPI_WRAP_NOT_SUPPORTED,
        .ClockPrescaler = XSPI_SLOW_DIVIDER,
        .SampleShifting = HAL_XSPI_SAMPLE_SHIFT_NONE,
        .DelayHoldQuarterCycle = hold,
        .ChipSelectBoundary = HAL_XSPI_BONDARYOF_NONE,
        .MemorySelect = HAL_XSPI_CSSEL_NCS1,
    };
    return HAL_XSPI_Init(&nor) == HAL_OK;
}

static XSPI_RegularCmdTypeDef on_one_line(uint32_t instruction)
{
    return (XSPI_RegularCmdTypeDef){
        .OperationType = HAL_XSPI_OPTYPE_COMMON_CFG,
        .Instruction = instruction,
        .InstructionMode = HAL_XSPI_INSTRUCTION_1_LINE,
        .InstructionWidth = HAL_XSPI_INSTRUCTION_8_BITS,
        .InstructionDTRMode = HAL_XSPI_INSTRUCTION_DTR_DISABLE,
        .AddressMode = HAL_XSPI_ADDRESS_NONE,
        .AlternateBytesMode = HAL_XSPI_ALT_BYTES_NONE,
        .DataMode = HAL_XSPI_DATA_1_LINE,
        .DQSMode = HAL_XSPI_DQS_DISABLE,
    };
}

static XSPI_RegularCmdTypeDef on_eight_lines(uint32_t instruction, bool both_edges)
{
    return (XSPI_RegularCmdTypeDef){
        .OperationType = HAL_XSPI_OPTYPE_COMMON_CFG,
        .Instruction = instruction,
        .InstructionMode = HAL_XSPI_INSTRUCTION_8_LINES,
        .InstructionWidth = HAL_XSPI_INSTRUCTION_16_BITS,
        .InstructionDTRMode = both_edges ? HAL_XSPI_INSTRUCTION_DTR_ENABLE : HAL_XSPI_INSTRUCTION_DTR_DISABLE,
        .AddressMode = HAL_XSPI_ADDRESS_8_LINES,
        .AddressWidth = HAL_XSPI_ADDRESS_32_BITS,
        .AddressDTRMode = both_edges ? HAL_XSPI_ADDRESS_DTR_ENABLE : HAL_XSPI_ADDRESS_DTR_DISABLE,
        .AlternateBytesMode = HAL_XSPI_ALT_BYTES_NONE,
        .DataMode = HAL_XSPI_DATA_8_LINES,
        .DataDTRMode = both_edges ? HAL_XSPI_DATA_DTR_ENABLE : HAL_XSPI_DATA_DTR_DISABLE,
        .DQSMode = both_edges ? HAL_XSPI_DQS_ENABLE : HAL_XSPI_DQS_DISABLE,
    };
}

static bool send(XSPI_RegularCmdTypeDef command)
{
    return xspi_write(&nor, &command, NULL, 0);
}

static bool send_octo(uint32_t instruction, bool both_edges)
{
    XSPI_RegularCmdTypeDef command = on_eight_lines(instruction, both_edges);
    command.AddressMode = HAL_XSPI_ADDRESS_NONE;
    return send(command);
}

/* A loader may have left the flash in any of its protocols: the reset is sent in each. */
static bool reset_flash(void)
{
    const bool sent = send(on_one_line(FLASH_RESET_ENABLE)) && send(on_one_line(FLASH_RESET)) &&
                      send_octo(OCTO_RESET_ENABLE, false) && send_octo(OCTO_RESET, false) &&
                      send_octo(OCTO_RESET_ENABLE, true) && send_octo(OCTO_RESET, true);
    HAL_Delay(RESET_MS);
    return sent;
}

static bool configure(uint32_t address, uint8_t value)
{
    XSPI_RegularCmdTypeDef command = on_one_line(WRITE_CONFIGURATION_2);
    command.AddressMode = HAL_XSPI_ADDRESS_1_LINE;
    command.AddressWidth = HAL_XSPI_ADDRESS_32_BITS;
    command.Address = address;
    return send(on_one_line(WRITE_ENABLE)) && xspi_write(&nor, &command, &value, 1);
}

/* Also whether a flash is there at all: without one the register does not read as written. */
static bool talks_octo(void)
{
    XSPI_RegularCmdTypeDef command = on_eight_lines(OCTO_READ_CONFIGURATION_2, true);
    command.Address = PROTOCOL_ADDRESS;
    command.DummyCycles = REGISTER_CYCLES;
    uint8_t value[2] = {0, 0};
    return xspi_read(&nor, &command, value, sizeof value) && value[0] == PROTOCOL_OCTO_BOTH_EDGES;
}

bool nor_map(void)
{
    power_and_pins();
    if (!start_bus(HAL_XSPI_DHQC_DISABLE) || !reset_flash() || !configure(LATENCY_ADDRESS, LATENCY_20_CYCLES) ||
        !configure(PROTOCOL_ADDRESS, PROTOCOL_OCTO_BOTH_EDGES)) {
        return false;
    }
    HAL_Delay(REGISTER_MS);
    if (!start_bus(HAL_XSPI_DHQC_ENABLE) || !talks_octo() || !xspi_full_speed(&nor, fuse_is_set(FUSE_HSLV_VDDIO3))) {
        return false;
    }
    XSPI_RegularCmdTypeDef read = on_eight_lines(OCTO_READ_BOTH_EDGES, true);
    read.DummyCycles = READ_CYCLES;
    XSPI_RegularCmdTypeDef write = on_eight_lines(OCTO_PROGRAM, true);
    write.DQSMode = HAL_XSPI_DQS_DISABLE;
    return xspi_map(&nor, &read, &write);
}

#else

/* The code runs from it: its loader has mapped it. The clock of the bus tells whether that is so. */
bool nor_map(void)
{
    return __HAL_RCC_XSPI2_IS_CLK_ENABLED() != 0;
}

#endif
