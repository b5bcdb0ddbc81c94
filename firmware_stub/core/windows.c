#include "windows.h"

uint32_t windows_count(uint32_t samples, uint32_t window, uint32_t hop)
{
    if (samples <= window) {
        return 1;
    }
    const uint32_t last = samples - window;
    return last / hop + 1 + (last % hop != 0);
}

uint32_t windows_start(uint32_t index, uint32_t samples, uint32_t window, uint32_t hop)
{
    const uint32_t last = samples > window ? samples - window : 0;
    const uint64_t start = (uint64_t)index * hop;
    return start < last ? (uint32_t)start : last;
}
