/* crc32.h - the CRC-32 of zlib, gzip and PNG (reflected polynomial 0xEDB88320, initial and final inversion). */
#ifndef BN_CRC32_H
#define BN_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* Continues `crc` over `length` bytes; start with 0. The same values as zlib's crc32(). */
uint32_t crc32_update(uint32_t crc, const void *data, size_t length);

#endif
