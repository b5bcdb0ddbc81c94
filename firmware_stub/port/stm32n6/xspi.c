#include "xspi.h"

void xspi_pins(GPIO_TypeDef *port, uint32_t pins, uint32_t alternate)
{
    const GPIO_InitTypeDef init = {
        .Pin = pins,
        .Mode = GPIO_MODE_AF_PP,
        .Pull = GPIO_NOPULL,
        .Speed = GPIO_SPEED_FREQ_VERY_HIGH,
        .Alternate = alternate,
    };
    HAL_GPIO_Init(port, &init);
}

bool xspi_write(XSPI_HandleTypeDef *bus, XSPI_RegularCmdTypeDef *command, const uint8_t *data, uint32_t length)
{
    command->DataLength = length;
    if (length == 0) {
        command->DataMode = HAL_XSPI_DATA_NONE;
    }
    return HAL_XSPI_Command(bus, command, HAL_XSPI_TIMEOUT_DEFAULT_VALUE) == HAL_OK &&
           (length == 0 || HAL_XSPI_Transmit(bus, data, HAL_XSPI_TIMEOUT_DEFAULT_VALUE) == HAL_OK);
}

bool xspi_read(XSPI_HandleTypeDef *bus, XSPI_RegularCmdTypeDef *command, uint8_t *data, uint32_t length)
{
    command->DataLength = length;
    return HAL_XSPI_Command(bus, command, HAL_XSPI_TIMEOUT_DEFAULT_VALUE) == HAL_OK &&
           HAL_XSPI_Receive(bus, data, HAL_XSPI_TIMEOUT_DEFAULT_VALUE) == HAL_OK;
}

bool xspi_map(XSPI_HandleTypeDef *bus, XSPI_RegularCmdTypeDef *read, XSPI_RegularCmdTypeDef *write)
{
    read->OperationType = HAL_XSPI_OPTYPE_READ_CFG;
    write->OperationType = HAL_XSPI_OPTYPE_WRITE_CFG;
    XSPI_MemoryMappedTypeDef mapped = {.TimeOutActivation = HAL_XSPI_TIMEOUT_COUNTER_DISABLE};
    return HAL_XSPI_Command(bus, write, HAL_XSPI_TIMEOUT_DEFAULT_VALUE) == HAL_OK &&
           HAL_XSPI_Command(bus, read, HAL_XSPI_TIMEOUT_DEFAULT_VALUE) == HAL_OK &&
           HAL_XSPI_MemoryMapped(bus, &mapped) == HAL_OK;
}

bool xspi_full_speed(XSPI_HandleTypeDef *bus, bool allowed)
{
    return !allowed || HAL_XSPI_SetClockPrescaler(bus, 0) == HAL_OK;
}
