/* semihosting.h - the host's files, clocks and exit, reached through BKPT 0xAB.
 *
 * Source: Arm, "Semihosting for AArch32 and AArch64", operation numbers in brackets there.
 */
#ifndef BN_SEMIHOSTING_H
#define BN_SEMIHOSTING_H

#include <stddef.h>
#include <stdint.h>

int32_t semihosting_open(const char *name);   /* for reading in binary; a handle, or -1 */
int32_t semihosting_append(const char *name); /* for adding to in binary; a handle, or -1 */
int semihosting_write(int32_t handle, const void *data, size_t length); /* 0, or the bytes that were not written */
void semihosting_close(int32_t handle);
int semihosting_seek(int32_t handle, uint32_t offset);                       /* 0 or negative */
int32_t semihosting_read(int32_t handle, void *data, size_t length);         /* bytes read, or -1 */
int32_t semihosting_length(int32_t handle);                                  /* bytes, or -1 */
int semihosting_command_line(char *text, size_t size);                       /* NUL-terminated; 0 or negative */
uint32_t semihosting_time(void);                                             /* seconds since 1970 */
uint64_t semihosting_elapsed(void);                                          /* host ticks since the emulator began */
_Noreturn void semihosting_exit(int status);

#endif
