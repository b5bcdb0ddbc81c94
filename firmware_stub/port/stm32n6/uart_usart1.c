/* USART1 at the pins of the ST-LINK's serial port. */
#include "chip.h"
#include "interrupts.h"
#include "port.h"
#include "ring.h"
#include "uart.h"

#ifndef BN_UART_BAUD
#define BN_UART_BAUD 921600
#endif

enum { RECEIVE_BYTES = 8192 }; /* 90 ms at 921600 baud: longer than anything that keeps the application from reading */

static UART_HandleTypeDef usart = {.Instance = USART1};
static uint8_t receive_bytes[RECEIVE_BYTES];
static struct ring receive_ring = {.data = receive_bytes, .size = RECEIVE_BYTES, .head = 0, .tail = 0};

bool uart_start(void)
{
    const RCC_PeriphCLKInitTypeDef clock = {
        .PeriphClockSelection = RCC_PERIPHCLK_USART1, .Usart1ClockSelection = RCC_USART1CLKSOURCE_PCLK2,
    };
    const GPIO_InitTypeDef pins = {
        .Pin = GPIO_PIN_5 | GPIO_PIN_6, /* transmit, receive */
        .Mode = GPIO_MODE_AF_PP,
        .Pull = GPIO_PULLUP,
        .Speed = GPIO_SPEED_FREQ_HIGH,
        .Alternate = GPIO_AF7_USART1,
    };
    if (HAL_RCCEx_PeriphCLKConfig(&clock) != HAL_OK) {
        return false;
    }
    __HAL_RCC_USART1_CLK_ENABLE();
    __HAL_RCC_USART1_FORCE_RESET();
    __HAL_RCC_USART1_RELEASE_RESET();
    __HAL_RCC_GPIOE_CLK_ENABLE();
    HAL_GPIO_Init(GPIOE, &pins);
    usart.Init.BaudRate = BN_UART_BAUD;
    usart.Init.WordLength = UART_WORDLENGTH_8B;
    usart.Init.StopBits = UART_STOPBITS_1;
    usart.Init.Parity = UART_PARITY_NONE;
    usart.Init.Mode = UART_MODE_TX_RX;
    usart.Init.HwFlowCtl = UART_HWCONTROL_NONE;
    usart.Init.OverSampling = UART_OVERSAMPLING_16;
    usart.Init.OneBitSampling = UART_ONE_BIT_SAMPLE_DISABLE;
    usart.Init.ClockPrescaler = UART_PRESCALER_DIV1;
    usart.AdvancedInit.AdvFeatureInit = UART_ADVFEATURE_NO_INIT;
    if (HAL_UART_Init(&usart) != HAL_OK || HAL_UARTEx_EnableFifoMode(&usart) != HAL_OK) {
        return false;
    }
    USART1->CR1 |= USART_CR1_RXNEIE_RXFNEIE;
    HAL_NVIC_SetPriority(USART1_IRQn, INTERRUPT_URGENT, 0);
    HAL_NVIC_EnableIRQ(USART1_IRQn);
    return true;
}

bool uart_line_takes(void)
{
    return (USART1->ISR & USART_ISR_TXE_TXFNF) != 0;
}

void uart_line_send(uint8_t byte)
{
    USART1->TDR = byte;
}

void uart_line_interrupt(bool wanted)
{
    if (wanted) {
        USART1->CR1 |= USART_CR1_TXEIE_TXFNFIE;
    } else {
        USART1->CR1 &= ~USART_CR1_TXEIE_TXFNFIE;
    }
}

void usart1_handler(void)
{
    while ((USART1->ISR & USART_ISR_RXNE_RXFNE) != 0) {
        const uint8_t byte = (uint8_t)USART1->RDR;
        (void)ring_put(&receive_ring, &byte, 1); /* what does not fit is lost; the command's checksum tells */
    }
    USART1->ICR = USART_ICR_ORECF | USART_ICR_FECF | USART_ICR_NECF | USART_ICR_PECF;
    uart_send();
}

int port_uart_read(void *data, size_t length)
{
    uint8_t *byte = data;
    size_t count = 0;
    while (count < length && ring_get(&receive_ring, &byte[count])) {
        count++;
    }
    return (int)count;
}

void uart_finish(void)
{
    const uint32_t begin = port_uptime_ms();
    const uint32_t a_fifo_ms = 10;
    while (uart_drain() && (USART1->ISR & USART_ISR_TC) == 0 && port_uptime_ms() - begin <= a_fifo_ms) {
    }
}
