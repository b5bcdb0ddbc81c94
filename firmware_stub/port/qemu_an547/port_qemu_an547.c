/* The seams on QEMU's mps3-an547: CMSDK UART0, files by semihosting, SysTick. */
#include "port.h"

#include <stdlib.h>
#include <string.h>

#include "crc32.h"
#include "interrupts.h"
#include "record.h"
#include "registers.h"
#include "ring.h"
#include "semihosting.h"

enum {
    TICKS_PER_US = 32, /* SysTick counts the board's 32 MHz */
    TICK_BITS = 24,
    COMMAND_LINE_BYTES = 1024,
    NS_PER_MS = 1000000,
    US_PER_MS = 1000,
    UART_RING_BYTES = 65536, /* the greatest record and more */
    UART_PATIENCE_MS = 10000,
    NAME_DIGITS = 5,
    NAMES_MAX = 99999,
    NO_FILE = -1,
    WATCHDOG_WRAPS = 1200, /* of the SysTick: ten minutes of emulated time, where it counts instructions */
};

_Static_assert(UART_RING_BYTES > RECORD_LINE_MAX, "a record does not fit into the ring");

static uint8_t uart_bytes[UART_RING_BYTES];
static struct ring uart_ring = {.data = uart_bytes, .size = UART_RING_BYTES, .head = 0, .tail = 0};
static bool uart_stands; /* nothing moved for as long as its patience lasts */
static uint32_t uart_stood_at;
static uint32_t listen_ms;
static uint32_t boot_id;
static bool clock_counts_instructions;
static volatile uint32_t clock_wraps;
static volatile uint32_t alive_wraps;
static int32_t storage_file = NO_FILE;
static uint32_t storage_size;

void clock_tick_handler(void)
{
    clock_wraps++;
    if (clock_wraps - alive_wraps > WATCHDOG_WRAPS) {
        semihosting_exit(PORT_EXIT_WATCHDOG);
    }
}

void port_alive(void)
{
    alive_wraps = clock_wraps;
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
    SYST_RVR = SYST_RELOAD;
    SYST_CVR = 0;
    SYST_CSR = clock_counts_instructions ? SYST_CSR_ENABLE_INTERRUPT_CORE_CLOCK : 0;
}

/* Hands over as much as the line takes now; the interrupt goes on where it stopped. */
static void uart_send(void)
{
    uint8_t byte;
    do { /* again where the last byte left before its interrupt was enabled: there would be none */
        while ((UART0_STATE & UART_STATE_TX_FULL) == 0 && ring_get(&uart_ring, &byte)) {
            UART0_DATA = byte;
        }
        UART0_CTRL = UART_CTRL_TX_RX | (ring_used(&uart_ring) > 0 ? UART_CTRL_TX_INTERRUPT : 0);
    } while (ring_used(&uart_ring) > 0 && (UART0_STATE & UART_STATE_TX_FULL) == 0);
}

void uart_handler(void)
{
    UART0_INTERRUPT = UART_INTERRUPT_TX;
    uart_send();
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

/* The emulated board has no microphone. */
int port_microphone_start(uint32_t sample_rate)
{
    (void)sample_rate;
    return BN_ENOENT;
}

int port_microphone_read(int16_t *pcm, size_t samples)
{
    (void)pcm;
    (void)samples;
    return BN_ENOENT;
}

uint32_t port_microphone_lost(void)
{
    return 0;
}

int port_microphone_stop(void)
{
    return BN_ENOENT;
}

/* Counts a wrap whose interrupt cannot be taken, because a fault is being told: else its deadlines never come. */
static void clock_tick_in_fault(void)
{
    const uint32_t exception = core_exception();
    if (exception != 0 && exception <= CORE_LAST_FAULT && (CORE_ICSR & CORE_ICSR_PENDSTSET) != 0) {
        CORE_ICSR = CORE_ICSR_PENDSTCLR;
        clock_wraps++;
    }
}

/* Ticks since boot; a wrap whose interrupt has not been taken yet is counted too. */
static uint64_t clock_ticks(void)
{
    clock_tick_in_fault();
    uint32_t wraps;
    uint32_t value;
    do {
        wraps = clock_wraps;
        value = SYST_CVR;
        if ((CORE_ICSR & CORE_ICSR_PENDSTSET) != 0) {
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
    uart_stands = false; /* whoever comes back in this last time gets what waits */
    while (ring_used(&uart_ring) > 0 && uart_moves()) {
    }
    const uint32_t begin = port_uptime_ms();
    while ((UART0_STATE & UART_STATE_TX_FULL) != 0 && !uart_stands && port_uptime_ms() - begin <= UART_PATIENCE_MS) {
        /* the last byte is still on its way */
    }
    semihosting_exit(status);
}

void port_restart(void)
{
    port_exit(PORT_EXIT_DONE); /* whoever emulates starts it anew */
}
