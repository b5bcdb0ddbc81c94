/* The seams on QEMU's mps3-an547: CMSDK UART0, files by semihosting, SysTick. */
#include "port.h"

#include <string.h>

#include "crc32.h"
#include "registers.h"
#include "semihosting.h"
#include "startup.h"

enum {
    TICKS_PER_US = 32, /* SysTick counts the board's 32 MHz */
    TICK_BITS = 24,
    COMMAND_LINE_MAX = 1024,
    NAME_DIGITS = 5,
    NAMES_MAX = 99999,
    NO_FILE = -1,
};

static bool clock_counts_instructions;
static volatile uint32_t clock_wraps;
static int32_t storage_file = NO_FILE;
static uint32_t storage_size;

void clock_tick_handler(void)
{
    clock_wraps++;
}

/* Time means something only where QEMU counts instructions (-icount): whoever starts it so says it in the first word
 * of the semihosting command line. Without that word the line holds the name of the ELF. */
static bool runs_by_instruction_count(void)
{
    static const char word[] = "icount";
    char line[COMMAND_LINE_MAX] = "";
    if (semihosting_command_line(line, sizeof line) != 0 || strncmp(line, word, sizeof word - 1) != 0) {
        return false;
    }
    return line[sizeof word - 1] == '\0' || line[sizeof word - 1] == ' ';
}

void port_init(void)
{
    UART0_BAUDDIV = UART_BAUDDIV_MIN;
    UART0_CTRL = UART_CTRL_TX_RX;
    clock_counts_instructions = runs_by_instruction_count();
    SYST_RVR = SYST_RELOAD;
    SYST_CVR = 0;
    SYST_CSR = clock_counts_instructions ? SYST_CSR_ENABLE_INTERRUPT_CORE_CLOCK : 0;
}

int port_uart_write(const void *data, size_t length)
{
    const uint8_t *byte = data;
    for (size_t i = 0; i < length; i++) {
        while ((UART0_STATE & UART_STATE_TX_FULL) != 0) {
        }
        UART0_DATA = byte[i];
    }
    return BN_OK;
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

/* Ticks since boot; a wrap whose interrupt has not been taken yet is counted too. */
static uint64_t clock_ticks(void)
{
    uint32_t wraps;
    uint32_t value;
    do {
        wraps = clock_wraps;
        value = SYST_CVR;
        if ((SCB_ICSR & SCB_ICSR_PENDSTSET) != 0) {
            value = SYST_CVR;
            wraps++;
            break;
        }
    } while (wraps != clock_wraps);
    return ((uint64_t)wraps << TICK_BITS) + ((0u - value) & SYST_RELOAD); /* it counts down and wraps on reaching 0 */
}

bool port_clock_us(uint64_t *us)
{
    *us = clock_counts_instructions ? clock_ticks() / TICKS_PER_US : 0;
    return clock_counts_instructions;
}

uint32_t port_boot_id(void)
{
    const uint32_t seconds = semihosting_time();
    const uint64_t elapsed = semihosting_elapsed();
    return crc32_update(crc32_update(0, &seconds, sizeof seconds), &elapsed, sizeof elapsed);
}

void port_exit(int status)
{
    while ((UART0_STATE & UART_STATE_TX_FULL) != 0) { /* the last byte is still on its way */
    }
    semihosting_exit(status);
}
