/* Declarations of FatFs as far as the port uses it, written for the tests; the real ones come with FATFS_DIR. */
#ifndef N6_TEST_FF_H
#define N6_TEST_FF_H

#include <stdint.h>

#define FF_DEFINED 1
#include "ffconf.h"
_Static_assert(FFCONF_DEF == FF_DEFINED && FF_USE_LFN == 0, "the port's ffconf.h is not the one that is read");

typedef unsigned char BYTE;
typedef unsigned int UINT;
typedef uint32_t LBA_t;
typedef uint32_t FSIZE_t;
typedef struct {
    int unused;
} FATFS;
typedef struct {
    FSIZE_t size;
} FIL;
typedef struct {
    int unused;
} DIR;
typedef struct {
    FSIZE_t fsize;
    BYTE fattrib;
    char fname[13];
} FILINFO;
typedef enum {
    FR_OK, FR_DISK_ERR, FR_INT_ERR, FR_NOT_READY, FR_NO_FILE, FR_NO_PATH, FR_INVALID_NAME, FR_DENIED, FR_INVALID_OBJECT
} FRESULT;
#define FA_READ 0x01
#define FA_WRITE 0x02
#define FA_OPEN_APPEND 0x30
#define AM_HID 0x02
#define AM_DIR 0x10
#define f_size(file) ((file)->size)
FRESULT f_mount(FATFS *volume, const char *path, BYTE now);
FRESULT f_open(FIL *file, const char *path, BYTE mode);
FRESULT f_close(FIL *file);
FRESULT f_read(FIL *file, void *data, UINT length, UINT *count);
FRESULT f_write(FIL *file, const void *data, UINT length, UINT *count);
FRESULT f_lseek(FIL *file, FSIZE_t offset);
FRESULT f_opendir(DIR *folder, const char *path);
FRESULT f_closedir(DIR *folder);
FRESULT f_readdir(DIR *folder, FILINFO *file);

#endif
