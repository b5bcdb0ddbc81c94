/* Isolation: all masters of this firmware are secure, privileged and in compartment 1, and every memory lets them in.
 * What is not opened here reads as zero, without a fault: the network then gives the same output for every window.
 */
#include "chip.h"

struct gate {
    RISAF_TypeDef *risaf;
    uint32_t last; /* address behind it, counted from its start */
};

static void open_gate(const struct gate *gate)
{
    RISAF_BaseRegionConfig_t region = {
        .Filtering = RISAF_FILTER_ENABLE,
        .PrivWhitelist = RIF_CID_NONE, /* unprivileged access, too */
        .ReadWhitelist = RIF_CID_MASK,
        .WriteWhitelist = RIF_CID_MASK,
        .StartAddress = 0,
        .EndAddress = gate->last,
        .Secure = RIF_ATTRIBUTE_SEC,
    };
    HAL_RIF_RISAF_ConfigBaseRegion(gate->risaf, 0, &region);
    region.Secure = RIF_ATTRIBUTE_NSEC;
    HAL_RIF_RISAF_ConfigBaseRegion(gate->risaf, 1, &region);
}

void isolation_open(void)
{
    static const struct gate gates[] = {
        {RISAF2_S, RISAF2_LIMIT_ADDRESS_SPACE_SIZE},   /* AXISRAM1 */
        {RISAF3_S, RISAF3_LIMIT_ADDRESS_SPACE_SIZE},   /* AXISRAM2 */
        {RISAF4_S, RISAF4_LIMIT_ADDRESS_SPACE_SIZE},   /* the NPU's first port */
        {RISAF5_S, RISAF5_LIMIT_ADDRESS_SPACE_SIZE},   /* the NPU's second port */
        {RISAF6_S, RISAF6_LIMIT_ADDRESS_SPACE_SIZE},   /* AXISRAM3 to 6 */
        {RISAF7_S, RISAF7_LIMIT_ADDRESS_SPACE_SIZE},   /* FLEXRAM */
        {RISAF8_S, RISAF8_LIMIT_ADDRESS_SPACE_SIZE},   /* the NPU's cache */
        {RISAF12_S, RISAF12_LIMIT_ADDRESS_SPACE_SIZE}, /* XSPI2, the flash */
        {RISAF15_S, RISAF15_LIMIT_ADDRESS_SPACE_SIZE}, /* registers of the NPU's cache */
#if BOARD_HAS_PSRAM
        {RISAF11_S, RISAF11_LIMIT_ADDRESS_SPACE_SIZE}, /* XSPI1, the PSRAM */
#endif
    };
    __HAL_RCC_RIFSC_CLK_ENABLE();
    __HAL_RCC_RISAF_CLK_ENABLE();
    const RIMC_MasterConfig_t master = {.MasterCID = RIF_CID_1, .SecPriv = RIF_ATTRIBUTE_SEC | RIF_ATTRIBUTE_PRIV};
    HAL_RIF_RIMC_ConfigMasterAttributes(RIF_MASTER_INDEX_NPU, &master);
    HAL_RIF_RISC_SetSlaveSecureAttributes(RIF_RISC_PERIPH_INDEX_NPU, RIF_ATTRIBUTE_SEC | RIF_ATTRIBUTE_PRIV);
    for (unsigned i = 0; i < sizeof gates / sizeof gates[0]; i++) {
        open_gate(&gates[i]);
    }
}
