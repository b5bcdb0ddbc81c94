#include "semihosting.h"

#include <string.h>

enum operation {
    SYS_OPEN = 0x01,
    SYS_CLOSE = 0x02,
    SYS_WRITE = 0x05,
    SYS_READ = 0x06,
    SYS_SEEK = 0x0A,
    SYS_FLEN = 0x0C,
    SYS_TIME = 0x11,
    SYS_GET_CMDLINE = 0x15,
    SYS_EXIT_EXTENDED = 0x20,
    SYS_ELAPSED = 0x30,
};

enum {
    OPEN_READ_BINARY = 1,
    OPEN_APPEND_BINARY = 9,
    ADP_STOPPED_APPLICATION_EXIT = 0x20026,
};

static int32_t call(enum operation operation, const void *block)
{
    register uint32_t r0 __asm__("r0") = (uint32_t)operation;
    register const void *r1 __asm__("r1") = block;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return (int32_t)r0;
}

static uint32_t word(const void *pointer)
{
    return (uint32_t)(uintptr_t)pointer;
}

static int32_t open_file(const char *name, uint32_t mode)
{
    const uint32_t block[] = {word(name), mode, (uint32_t)strlen(name)};
    return call(SYS_OPEN, block);
}

int32_t semihosting_open(const char *name)
{
    return open_file(name, OPEN_READ_BINARY);
}

int32_t semihosting_append(const char *name)
{
    const int32_t handle = open_file(name, OPEN_APPEND_BINARY);
    if (handle < 0) {
        return handle;
    }
    const int32_t length = semihosting_length(handle); /* QEMU 7.2 opens for appending and then writes over the start */
    if (length < 0 || semihosting_seek(handle, (uint32_t)length) != 0) {
        semihosting_close(handle);
        return -1;
    }
    return handle;
}

int semihosting_write(int32_t handle, const void *data, size_t length)
{
    const uint32_t block[] = {(uint32_t)handle, word(data), length};
    return call(SYS_WRITE, block);
}

void semihosting_close(int32_t handle)
{
    const uint32_t block[] = {(uint32_t)handle};
    (void)call(SYS_CLOSE, block);
}

int semihosting_seek(int32_t handle, uint32_t offset)
{
    const uint32_t block[] = {(uint32_t)handle, offset};
    return call(SYS_SEEK, block);
}

int32_t semihosting_read(int32_t handle, void *data, size_t length)
{
    const uint32_t block[] = {(uint32_t)handle, word(data), length};
    const int32_t left = call(SYS_READ, block);
    return left < 0 || (uint32_t)left > length ? -1 : (int32_t)(length - (uint32_t)left);
}

int32_t semihosting_length(int32_t handle)
{
    const uint32_t block[] = {(uint32_t)handle};
    return call(SYS_FLEN, block);
}

int semihosting_command_line(char *text, size_t size)
{
    uint32_t block[] = {word(text), size};
    return call(SYS_GET_CMDLINE, block);
}

uint32_t semihosting_time(void)
{
    return (uint32_t)call(SYS_TIME, NULL);
}

uint64_t semihosting_elapsed(void)
{
    uint32_t ticks[2] = {0, 0};
    (void)call(SYS_ELAPSED, ticks);
    return (uint64_t)ticks[1] << 32 | ticks[0];
}

void semihosting_exit(int status)
{
    const uint32_t block[] = {ADP_STOPPED_APPLICATION_EXIT, (uint32_t)status};
    for (;;) {
        (void)call(SYS_EXIT_EXTENDED, block);
    }
}
