/* upload.h - a window that a host sends in parts: PCM for the frontend, or the network's int8 input. */
#ifndef BN_UPLOAD_H
#define BN_UPLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "command.h"
#include "port.h"

/* What the last part says of the window. */
struct upload_window {
    bool whole;
    bool tensor;
    char file[PORT_NAME_MAX];
    uint32_t window;
    uint32_t start;
};

/* Takes a part. BN_OK; BN_EFORMAT where the whole has another CRC, BN_ERANGE where the part does not follow or does not
 * fit, BN_EUNKNOWN for a field that is missing or none. `at` receives the bytes that are there now. */
int upload_part(const struct command *command, uint32_t *at, struct upload_window *window);
/* The memory is used for something else: begin anew. */
void upload_forget(void);

#endif
