/* The seams on QEMU's mps3-an547: CMSDK UART0, files by semihosting, SysTick. */
#include "port.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "crc32.h"
#include "interrupts.h"
#include "registers.h"
#include "semihosting.h"
#include "uart.h"

enum {
    TICKS_PER_US = 32, /* SysTick counts the board's 32 MHz */
    TICK_PERIOD = 1 << 24,
    COMMAND_LINE_BYTES = 1024,
    NS_PER_MS = 1000000,
    US_PER_MS = 1000,
    NAME_DIGITS = 5,
    NAMES_MAX = 99999,
    NO_FILE = -1,
    WATCHDOG_WRAPS = 1200, /* of the SysTick: ten minutes of emulated time, where it counts instructions */
};

static uint32_t listen_ms;
static uint32_t boot_id;
static bool clock_counts_instructions;
static volatile uint32_t alive_wraps;
static int32_t storage_file = NO_FILE;
static uint32_t storage_size;

void tick_handler(void)
{
    clock_tick_handler();
    if (clock_periods() - alive_wraps > WATCHDOG_WRAPS) {
        semihosting_exit(PORT_EXIT_WATCHDOG);
    }
}

void port_alive(void)
{
    alive_wraps = clock_periods();
}

/* Whoever starts the emulator may put words first on the semihosting command line, each with a space behind it:
 * `icount` where QEMU counts instructions (time means something only then), `listen=1000` for a host that sends
 * commands. Without them the line holds the name of the ELF. */
static void read_command_line(void)
{
    static const char counts[] = "icount";
    static const char listens[] = "listen=";
    char line[COMMAND_LINE_BYTES] = "";
    if (semihosting_command_line(line, sizeof line) != 0) {
        return;
    }
    for (const char *word = line; *word != '\0';) {
        const size_t length = strcspn(word, " ");
        if (length == sizeof counts - 1 && strncmp(word, counts, length) == 0) {
            clock_counts_instructions = true;
        } else if (strncmp(word, listens, sizeof listens - 1) == 0) {
            listen_ms = (uint32_t)strtoul(word + sizeof listens - 1, NULL, 10);
        } else {
            break;
        }
        word += length + strspn(word + length, " ");
    }
}

void port_init(void)
{
    UART0_BAUDDIV = UART_BAUDDIV_MIN;
    UART0_CTRL = UART_CTRL_TX_RX;
    NVIC_ISER1 = UART0_INTERRUPTS;
    read_command_line();
    const uint32_t seconds = semihosting_time();
    const uint64_t elapsed = semihosting_elapsed();
    boot_id = crc32_update(crc32_update(0, &seconds, sizeof seconds), &elapsed, sizeof elapsed);
    if (clock_counts_instructions) {
        clock_start(TICK_PERIOD);
    }
}

bool uart_line_takes(void)
{
    return (UART0_STATE & UART_STATE_TX_FULL) == 0;
}

void uart_line_send(uint8_t byte)
{
    UART0_DATA = byte;
}

void uart_line_interrupt(bool wanted)
{
    UART0_CTRL = UART_CTRL_TX_RX | (wanted ? UART_CTRL_TX_INTERRUPT : 0);
}

void uart_handler(void)
{
    UART0_INTERRUPT = UART_INTERRUPT_TX;
    uart_send();
}

int port_uart_read(void *data, size_t length)
{
    uint8_t *byte = data;
    size_t count = 0;
    while (count < length && (UART0_STATE & UART_STATE_RX_FULL) != 0) {
        byte[count++] = (uint8_t)UART0_DATA;
    }
    return (int)count;
}

/* The card's files are 00001.WAV, 00002.WAV, ... without a gap, in the folder that QEMU was started in. */
int port_storage_next(char name[PORT_NAME_MAX])
{
    uint32_t number = 0;
    for (unsigned i = 0; i < NAME_DIGITS && name[0] != '\0'; i++) {
        number = number * 10 + (uint32_t)(name[i] - '0');
    }
    if (number >= NAMES_MAX) {
        return BN_ENOENT;
    }
    number++;
    char next[] = "00000.WAV";
    for (unsigned i = NAME_DIGITS; i > 0; i--) {
        next[i - 1] = (char)('0' + number % 10);
        number /= 10;
    }
    const int32_t file = semihosting_open(next);
    if (file == NO_FILE) {
        return BN_ENOENT;
    }
    semihosting_close(file);
    memcpy(name, next, sizeof next);
    return BN_OK;
}

int port_storage_open(const char *name, uint32_t *size)
{
    storage_file = semihosting_open(name);
    if (storage_file == NO_FILE) {
        return BN_ENOENT;
    }
    const int32_t length = semihosting_length(storage_file);
    if (length < 0) {
        port_storage_close();
        return BN_ERANGE;
    }
    storage_size = (uint32_t)length;
    *size = storage_size;
    return BN_OK;
}

int port_storage_read(uint32_t offset, void *data, size_t length)
{
    if (offset >= storage_size) {
        return 0; /* a seek beyond the end is undefined */
    }
    if (semihosting_seek(storage_file, offset) != 0) {
        return BN_EIO;
    }
    const int32_t count = semihosting_read(storage_file, data, length);
    return count < 0 ? BN_EIO : (int)count;
}

void port_storage_close(void)
{
    semihosting_close(storage_file);
    storage_file = NO_FILE;
}

int port_storage_append(const char *name, const void *data, size_t length)
{
    const int32_t file = semihosting_append(name);
    if (file == NO_FILE) {
        return BN_EIO;
    }
    const bool whole = semihosting_write(file, data, length) == 0;
    semihosting_close(file);
    return whole ? BN_OK : BN_EIO;
}

bool port_clock_us(uint64_t *us)
{
    *us = clock_counts_instructions ? clock_ticks() / TICKS_PER_US : 0;
    return clock_counts_instructions;
}

uint32_t port_uptime_ms(void)
{
    return (uint32_t)(clock_counts_instructions ? clock_ticks() / TICKS_PER_US / US_PER_MS
                                                : semihosting_elapsed() / NS_PER_MS);
}

uint32_t port_listen_ms(void)
{
    return listen_ms;
}

uint32_t port_boot_id(void)
{
    return boot_id;
}

void port_exit(int status)
{
    (void)uart_drain();
    semihosting_exit(status);
}

void port_restart(void)
{
    port_exit(PORT_EXIT_DONE); /* whoever emulates starts it anew */
}
