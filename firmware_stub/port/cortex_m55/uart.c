#include "uart.h"

#include "port.h"
#include "record.h"
#include "ring.h"

enum {
    UART_RING_BYTES = 65536, /* the greatest record and more */
    UART_PATIENCE_MS = 10000,
};

_Static_assert(UART_RING_BYTES > RECORD_LINE_MAX, "a record does not fit into the ring");

static uint8_t uart_bytes[UART_RING_BYTES];
static struct ring uart_ring = {.data = uart_bytes, .size = UART_RING_BYTES, .head = 0, .tail = 0};
static bool uart_stands; /* nothing moved for as long as its patience lasts */
static uint32_t uart_stood_at;

void uart_send(void)
{
    uint8_t byte;
    do { /* again where the last byte left before its interrupt was enabled: there would be none */
        while (uart_line_takes() && ring_get(&uart_ring, &byte)) {
            uart_line_send(byte);
        }
        uart_line_interrupt(ring_used(&uart_ring) > 0);
    } while (ring_used(&uart_ring) > 0 && uart_line_takes());
}

static void uart_push(void)
{
    __asm__ volatile("cpsid i" ::: "memory");
    uart_send();
    __asm__ volatile("cpsie i" ::: "memory");
}

/* Waits until the line has taken a byte; false where it did not for all the time that it is given. A line that stands
 * is not waited for again: whoever reads no more would else stop the board at every record. */
static bool uart_moves(void)
{
    const uint32_t tail = uart_stands ? uart_stood_at : uart_ring.tail;
    const uint32_t begin = port_uptime_ms();
    do {
        uart_push();
        if (uart_ring.tail != tail) {
            uart_stands = false;
            return true;
        }
    } while (!uart_stands && port_uptime_ms() - begin <= UART_PATIENCE_MS);
    uart_stands = true;
    uart_stood_at = tail;
    return false;
}

int port_uart_write(const void *data, size_t length)
{
    while (!ring_put(&uart_ring, data, length)) {
        if (length > UART_RING_BYTES || !uart_moves()) {
            return BN_EIO;
        }
    }
    uart_push();
    return BN_OK;
}

bool uart_drain(void)
{
    uart_stands = false; /* whoever comes back in this last time gets what waits */
    while (ring_used(&uart_ring) > 0 && uart_moves()) {
    }
    const uint32_t begin = port_uptime_ms();
    while (!uart_line_takes() && !uart_stands && port_uptime_ms() - begin <= UART_PATIENCE_MS) {
        /* the last byte is still on its way */
    }
    return !uart_stands;
}
