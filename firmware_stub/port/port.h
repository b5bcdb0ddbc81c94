/* port.h - the seams between the application and a board. A board is one folder that implements these, with folders
 * that it shares with other boards.
 *
 * There are eight: uart, storage, microphone, clock, host, watchdog, exit, and the network run (core/network.h, which
 * the generated C engine or an NPU runtime implements). Nothing outside port/ touches a register, a HAL or the host's
 * files.
 * Functions return 0 or a count on success and one of the negative BN_E* below on failure.
 */
#ifndef BN_PORT_H
#define BN_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BN_OK = 0,
    BN_EIO = -1,      /* the medium failed */
    BN_ENOENT = -2,   /* no such file, or no further file */
    BN_EFORMAT = -3,  /* not a WAV that this firmware reads */
    BN_ERANGE = -4,   /* a length or size does not fit */
    BN_ENETWORK = -5, /* the network did not run */
    BN_EUNKNOWN = -6, /* a command or field that this firmware does not know */
    BN_EBUSY = -7,    /* it is running over the card */
    BN_ESLOW = -8,    /* the medium is slower than the sound */
};

#define PORT_NAME_MAX 13 /* an 8.3 name and its NUL */

/* Clocks, caches, memories, uart. Called once, before anything else. */
void port_init(void);

/* uart: takes all bytes or none, to be sent behind the application's back. Waits for room as long as the line moves;
 * BN_EIO where it does not. */
int port_uart_write(const void *data, size_t length);
/* uart: reads what has come, up to `length` bytes, without waiting. Returns the number of bytes. Boards with a receive
 * interrupt keep what comes in a ring (core/ring.h) until it is read here; what no longer fits is lost, and the
 * command that it belonged to is refused by its checksum. */
int port_uart_read(void *data, size_t length);

/* storage: steps through the WAV files of the card in name order. `name` holds the last name ("" to start) and
 * receives the next. BN_ENOENT after the last. */
int port_storage_next(char name[PORT_NAME_MAX]);
/* storage: one file is open at a time; `size` receives its length in bytes. */
int port_storage_open(const char *name, uint32_t *size);
int port_storage_read(uint32_t offset, void *data, size_t length); /* bytes read; fewer only at the end */
void port_storage_close(void);
/* storage: adds to the end of a file, which it makes. All of it, or a negative BN_E*. */
int port_storage_append(const char *name, const void *data, size_t length);

/* microphone: begins to record 16-bit samples. BN_ENOENT where the board has no microphone, BN_ERANGE where it cannot
 * give this rate, BN_EIO where it does not start. */
int port_microphone_start(uint32_t sample_rate);
/* microphone: up to `samples` samples that have come since the last call, without waiting. Their number, or BN_E*. */
int port_microphone_read(int16_t *pcm, size_t samples);
/* microphone: the samples since its start that were lost, mostly because they were not read in time. They lie before the
 * next one that is read: what waited in front of a gap is lost with it. */
uint32_t port_microphone_lost(void);
int port_microphone_stop(void); /* BN_OK, or BN_E* */

/* clock: microseconds since boot. `false` where time on this board means nothing (an emulator's wall clock). */
bool port_clock_us(uint64_t *us);
/* clock: milliseconds since boot for people and deadlines, of whatever this board has. */
uint32_t port_uptime_ms(void);
/* clock: a number that differs from boot to boot, the same as long as one lasts. */
uint32_t port_boot_id(void);

/* host: how long to wait for a first command before the card is run over; 0 where no host sends any. */
uint32_t port_listen_ms(void);
/* The bytes of the stack that were never used since boot; UINT32_MAX where nobody knows. */
uint32_t port_stack_unused(void);

enum {
    PORT_EXIT_DONE = 0,
    PORT_EXIT_FAULT = 70,    /* the core took a fault; a `fault` record came before */
    PORT_EXIT_WATCHDOG = 71, /* port_alive was not called for too long (emulators and the host; a board restarts) */
};

/* watchdog: the application moves. Called between windows and while it waits for a host; a board where it is not
 * called for 20 s restarts. */
void port_alive(void);

/* exit: ends the run with a status. Does not return. Emulators stop. A board that is done waits for its reset; after a
 * fault its watchdog restarts it. */
_Noreturn void port_exit(int status);
/* exit: begins anew (emulators stop, a board resets). What was written has been sent. Does not return. */
_Noreturn void port_restart(void);

#endif
