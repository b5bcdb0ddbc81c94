/* What FatFs asks of a medium, declared for the tests. */
#ifndef N6_TEST_DISKIO_H
#define N6_TEST_DISKIO_H

typedef BYTE DSTATUS;
typedef enum { RES_OK, RES_ERROR, RES_WRPRT, RES_NOTRDY, RES_PARERR } DRESULT;
#define STA_NOINIT 0x01
#define CTRL_SYNC 0
DSTATUS disk_initialize(BYTE drive);
DSTATUS disk_status(BYTE drive);
DRESULT disk_read(BYTE drive, BYTE *data, LBA_t sector, UINT count);
DRESULT disk_write(BYTE drive, const BYTE *data, LBA_t sector, UINT count);
DRESULT disk_ioctl(BYTE drive, BYTE command, void *buffer);

#endif
