/* The seams on a POSIX host: the card is the folder in BN_CARD (else the current one), the uart is stdin and stdout,
 * the microphone hears the WAV file in BN_MICROPHONE and breaks at its end, the watchdog waits BN_WATCHDOG seconds.
 *
 * The whole application runs natively through this port, under sanitizers and without an emulator.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "crc32.h"
#include "port.h"
#include "wav.h"

static int host_file = -1;
static int microphone_file = -1;
static struct wav microphone_wav;
static uint32_t microphone_at;
static uint32_t host_boot_id;

static const char *host_card(void)
{
    const char *folder = getenv("BN_CARD");
    return folder != NULL && folder[0] != '\0' ? folder : ".";
}

/* Denormals are zero, as Helium's float unit has it, so that host and board give the same bits. */
static void flush_denormals(void)
{
#if defined(__SSE2__)
    _mm_setcsr(_mm_getcsr() | 0x8040u); /* flush to zero, denormals are zero */
#elif defined(__aarch64__)
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    __asm__ volatile("msr fpcr, %0" : : "r"(fpcr | (1u << 24)));
#else
#error "say here how this processor flushes denormals to zero"
#endif
}

void port_init(void)
{
    flush_denormals();
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    const pid_t process = getpid();
    host_boot_id = crc32_update(crc32_update(0, &now, sizeof now), &process, sizeof process);
}

int port_uart_write(const void *data, size_t length)
{
    const char *next = data;
    while (length > 0) {
        const ssize_t count = write(STDOUT_FILENO, next, length);
        if (count < 0 && errno != EINTR) {
            return BN_EIO;
        }
        if (count > 0) {
            next += count;
            length -= (size_t)count;
        }
    }
    return BN_OK;
}

int port_uart_read(void *data, size_t length)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    if (poll(&input, 1, 0) <= 0) {
        return 0;
    }
    const ssize_t count = read(STDIN_FILENO, data, length < INT_MAX ? length : INT_MAX);
    return count < 0 ? BN_EIO : (int)count;
}

static bool is_card_name(const char *name)
{
    const size_t length = strlen(name);
    return length > 4 && length < PORT_NAME_MAX && strcmp(name + length - 4, ".WAV") == 0;
}

int port_storage_next(char name[PORT_NAME_MAX])
{
    DIR *folder = opendir(host_card());
    if (folder == NULL) {
        return BN_EIO;
    }
    char next[PORT_NAME_MAX] = "";
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        const char *found = entry->d_name;
        if (is_card_name(found) && strcmp(found, name) > 0 && (next[0] == '\0' || strcmp(found, next) < 0)) {
            memcpy(next, found, strlen(found) + 1);
        }
    }
    closedir(folder);
    if (next[0] == '\0') {
        return BN_ENOENT;
    }
    memcpy(name, next, sizeof next);
    return BN_OK;
}

int port_storage_open(const char *name, uint32_t *size)
{
    char path[PATH_MAX];
    const int length = snprintf(path, sizeof path, "%s/%s", host_card(), name);
    if (length < 0 || (size_t)length >= sizeof path) {
        return BN_ERANGE;
    }
    host_file = open(path, O_RDONLY | O_CLOEXEC);
    if (host_file < 0) {
        return errno == ENOENT ? BN_ENOENT : BN_EIO;
    }
    struct stat status;
    if (fstat(host_file, &status) != 0 || !S_ISREG(status.st_mode)) {
        port_storage_close();
        return BN_EIO;
    }
    if (status.st_size > INT32_MAX) {
        port_storage_close();
        return BN_ERANGE;
    }
    *size = (uint32_t)status.st_size;
    return BN_OK;
}

static int host_read(int file, uint32_t offset, void *data, size_t length)
{
    char *next = data;
    size_t left = length;
    while (left > 0) {
        const ssize_t count = pread(file, next, left, (off_t)offset);
        if (count < 0 && errno != EINTR) {
            return BN_EIO;
        }
        if (count == 0) {
            break;
        }
        if (count > 0) {
            next += count;
            offset += (uint32_t)count;
            left -= (size_t)count;
        }
    }
    return (int)(length - left);
}

int port_storage_read(uint32_t offset, void *data, size_t length)
{
    return host_read(host_file, offset, data, length);
}

void port_storage_close(void)
{
    (void)close(host_file);
    host_file = -1;
}

int port_storage_append(const char *name, const void *data, size_t length)
{
    char path[PATH_MAX];
    const int written = snprintf(path, sizeof path, "%s/%s", host_card(), name);
    if (written < 0 || (size_t)written >= sizeof path) {
        return BN_ERANGE;
    }
    FILE *file = fopen(path, "ab");
    if (file == NULL) {
        return BN_EIO;
    }
    const bool whole = fwrite(data, 1, length, file) == length;
    return fclose(file) == 0 && whole ? BN_OK : BN_EIO;
}

static int microphone_file_read(uint32_t offset, void *data, size_t length)
{
    return host_read(microphone_file, offset, data, length);
}

int port_microphone_start(uint32_t sample_rate)
{
    const char *path = getenv("BN_MICROPHONE");
    microphone_file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (microphone_file < 0 || fstat(microphone_file, &status) != 0) {
        return BN_ENOENT;
    }
    microphone_at = 0;
    const int code = wav_open(&microphone_wav, microphone_file_read, (uint32_t)status.st_size, sample_rate);
    if (code != BN_OK) {
        (void)port_microphone_stop();
    }
    return code == BN_EFORMAT ? BN_ERANGE : code;
}

int port_microphone_read(int16_t *pcm, size_t samples)
{
    const uint32_t left = microphone_file < 0 ? 0 : microphone_wav.samples - microphone_at;
    if (left == 0) {
        return BN_EIO;
    }
    const uint32_t count = left < samples ? left : (uint32_t)samples;
    const int code = wav_read(&microphone_wav, microphone_at, pcm, count);
    microphone_at += count;
    return code == BN_OK ? (int)count : code;
}

/* A file waits for its reader. */
uint32_t port_microphone_lost(void)
{
    return 0;
}

int port_microphone_stop(void)
{
    if (microphone_file < 0) {
        return BN_ENOENT;
    }
    (void)close(microphone_file);
    microphone_file = -1;
    return BN_OK;
}

static void bite(int number)
{
    (void)number;
    _exit(PORT_EXIT_WATCHDOG);
}

void port_alive(void)
{
    const char *text = getenv("BN_WATCHDOG");
    if (text != NULL) {
        (void)signal(SIGALRM, bite);
        (void)alarm((unsigned)strtoul(text, NULL, 10));
    }
}

bool port_clock_us(uint64_t *us)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) {
        return false;
    }
    *us = (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
    return true;
}

uint32_t port_uptime_ms(void)
{
    static uint64_t begin;
    uint64_t now = 0;
    (void)port_clock_us(&now);
    if (begin == 0) {
        begin = now;
    }
    return (uint32_t)((now - begin) / 1000u);
}

/* BN_LISTEN holds the milliseconds; without it nobody sends commands. */
uint32_t port_listen_ms(void)
{
    const char *text = getenv("BN_LISTEN");
    return text == NULL ? 0 : (uint32_t)strtoul(text, NULL, 10);
}

uint32_t port_stack_unused(void)
{
    return UINT32_MAX;
}

uint32_t port_boot_id(void)
{
    return host_boot_id;
}

void port_exit(int status)
{
    exit(status);
}

void port_restart(void)
{
    exit(PORT_EXIT_DONE);
}
