/* The files of the card, through FatFs. A card that was pulled out is mounted anew with the next call. */
#include "board.h"

#if BOARD_HAS_CARD

#include <string.h>

#include "ff.h"
#include "port.h"

static FATFS volume;
static FIL opened;
static bool mounted;

static int code_of(FRESULT result)
{
    switch (result) {
    case FR_OK:
        return BN_OK;
    case FR_NO_FILE:
    case FR_NO_PATH:
    case FR_INVALID_NAME:
        return BN_ENOENT;
    case FR_DISK_ERR:
    case FR_NOT_READY:
    case FR_INVALID_OBJECT:
        mounted = false;
        return BN_EIO;
    default:
        return BN_EIO;
    }
}

static int mount(void)
{
    if (!mounted) {
        const FRESULT result = f_mount(&volume, "", 1);
        mounted = result == FR_OK;
        return code_of(result);
    }
    return BN_OK;
}

static bool is_recording(const FILINFO *file)
{
    const size_t length = strlen(file->fname);
    return (file->fattrib & (AM_DIR | AM_HID)) == 0 && length > 4 && length < PORT_NAME_MAX &&
           strcmp(file->fname + length - 4, ".WAV") == 0;
}

int port_storage_next(char name[PORT_NAME_MAX])
{
    DIR folder;
    FILINFO file;
    char next[PORT_NAME_MAX] = "";
    int code = mount();
    code = code == BN_OK ? code_of(f_opendir(&folder, "")) : code;
    if (code != BN_OK) {
        return code;
    }
    while ((code = code_of(f_readdir(&folder, &file))) == BN_OK && file.fname[0] != '\0') {
        if (is_recording(&file) && strcmp(file.fname, name) > 0 &&
            (next[0] == '\0' || strcmp(file.fname, next) < 0)) {
            memcpy(next, file.fname, strlen(file.fname) + 1);
        }
    }
    (void)f_closedir(&folder);
    if (code != BN_OK || next[0] == '\0') {
        return code != BN_OK ? code : BN_ENOENT;
    }
    memcpy(name, next, sizeof next);
    return BN_OK;
}

int port_storage_open(const char *name, uint32_t *size)
{
    int code = mount();
    code = code == BN_OK ? code_of(f_open(&opened, name, FA_READ)) : code;
    if (code != BN_OK) {
        return code;
    }
    if (f_size(&opened) > INT32_MAX) {
        port_storage_close();
        return BN_ERANGE;
    }
    *size = (uint32_t)f_size(&opened);
    return BN_OK;
}

int port_storage_read(uint32_t offset, void *data, size_t length)
{
    UINT count = 0;
    int code = code_of(f_lseek(&opened, offset));
    code = code == BN_OK ? code_of(f_read(&opened, data, (UINT)length, &count)) : code;
    return code == BN_OK ? (int)count : code;
}

void port_storage_close(void)
{
    (void)code_of(f_close(&opened));
}

int port_storage_append(const char *name, const void *data, size_t length)
{
    FIL file;
    UINT count = 0;
    int code = mount();
    code = code == BN_OK ? code_of(f_open(&file, name, FA_WRITE | FA_OPEN_APPEND)) : code;
    if (code != BN_OK) {
        return code;
    }
    code = code_of(f_write(&file, data, (UINT)length, &count));
    const int closed = code_of(f_close(&file));
    return code == BN_OK && closed == BN_OK && count == length ? BN_OK : BN_EIO;
}

#endif
