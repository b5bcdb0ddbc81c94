#include "fuses.h"

#include "chip.h"

enum { HCONF1_WORD = 124 };

bool fuse_is_set(enum fuse fuse)
{
    __HAL_RCC_BSEC_CLK_ENABLE();
    return (BSEC->FVRw[HCONF1_WORD] & (uint32_t)fuse) != 0;
}

#ifdef BN_BURN_HSLV_FUSES

#pragma message("BN_BURN_HSLV_FUSES: this firmware burns OTP word 124 of every chip that it boots on, for good")

bool fuses_burn_hslv(void)
{
    const uint32_t wanted = FUSE_HSLV_VDDIO2 | FUSE_HSLV_VDDIO3;
    BSEC_HandleTypeDef handle = {.Instance = BSEC};
    uint32_t word = 0;
    __HAL_RCC_BSEC_CLK_ENABLE();
    if (HAL_BSEC_OTP_Read(&handle, HCONF1_WORD, &word) != HAL_OK) {
        return false;
    }
    if ((word & wanted) == wanted) {
        return true;
    }
    return HAL_BSEC_OTP_Program(&handle, HCONF1_WORD, word | wanted, HAL_BSEC_NORMAL_PROG) == HAL_OK;
}
#endif
