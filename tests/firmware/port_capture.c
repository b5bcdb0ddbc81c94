/* A uart that keeps what is written to it, and fails on demand. */
#include <string.h>

#include "port.h"

char captured[1 << 20];
size_t captured_length;
int capture_fails;

int port_uart_write(const void *data, size_t length)
{
    if (capture_fails) {
        return BN_EIO;
    }
    memcpy(captured + captured_length, data, length);
    captured_length += length;
    return BN_OK;
}
