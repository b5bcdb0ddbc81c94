#include "chip.h"
#include "npu_cache.h"

/* LL_ATON 1.1.1 wants its cache's handle initialised by us; later ones do it in npu_cache_enable and hide this one. */
extern void npu_cache_init(void) __attribute__((weak));

void npu_start(void)
{
    __HAL_RCC_NPU_CLK_ENABLE();
    __HAL_RCC_NPU_FORCE_RESET();
    __HAL_RCC_NPU_RELEASE_RESET();
    __HAL_RCC_CACHEAXI_CLK_ENABLE();
    __HAL_RCC_CACHEAXI_FORCE_RESET();
    __HAL_RCC_CACHEAXI_RELEASE_RESET();
    if (npu_cache_init != NULL) {
        npu_cache_init();
    }
    npu_cache_enable();
}
