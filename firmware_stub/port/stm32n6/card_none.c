/* A board without a card: audio comes over serial. */
#include "board.h"

#if !BOARD_HAS_CARD

#include "chip.h"
#include "port.h"

int port_storage_next(char name[PORT_NAME_MAX])
{
    (void)name;
    return BN_ENOENT;
}

int port_storage_open(const char *name, uint32_t *size)
{
    (void)name;
    *size = 0;
    return BN_ENOENT;
}

int port_storage_read(uint32_t offset, void *data, size_t length)
{
    (void)offset;
    (void)data;
    (void)length;
    return BN_EIO; /* nothing was opened */
}

void port_storage_close(void)
{
    port_give_up("a file was closed that no card has");
}

int port_storage_append(const char *name, const void *data, size_t length)
{
    (void)name;
    (void)data;
    (void)length;
    return BN_EIO;
}

#endif
