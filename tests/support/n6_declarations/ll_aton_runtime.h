/* LL_ATON 1.1 as far as network_runner_aton.c uses it, declared for the tests. */
#ifndef N6_TEST_LL_ATON_RUNTIME_H
#define N6_TEST_LL_ATON_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    int unused;
} NN_Instance_TypeDef;
typedef enum { DataType_UNDEFINED, DataType_FLOAT, DataType_UINT8, DataType_INT8 } Buffer_DataType_TypeDef;
typedef struct {
    const char *name;
    uint32_t is_user_allocated : 1;
    uint32_t is_param : 1;
    Buffer_DataType_TypeDef type;
    unsigned char nbits;
} LL_Buffer_InfoTypeDef;
typedef enum { LL_ATON_RT_NO_WFE, LL_ATON_RT_WFE, LL_ATON_RT_DONE } LL_ATON_RT_RetValues_t;
#define LL_ATON_DECLARE_NAMED_NN_INSTANCE_AND_INTERFACE(name)                          \
    const LL_Buffer_InfoTypeDef *LL_ATON_Input_Buffers_Info_##name(void);              \
    const LL_Buffer_InfoTypeDef *LL_ATON_Output_Buffers_Info_##name(void);             \
    static NN_Instance_TypeDef NN_Instance_##name;
#define LL_ATON_OSAL_WFE() __asm__ volatile("wfe")
unsigned char *LL_Buffer_addr_start(const LL_Buffer_InfoTypeDef *buffer);
uint32_t LL_Buffer_len(const LL_Buffer_InfoTypeDef *buffer);
void LL_ATON_RT_RuntimeInit(void);
void LL_ATON_RT_Init_Network(NN_Instance_TypeDef *network);
void LL_ATON_RT_Reset_Network(NN_Instance_TypeDef *network);
LL_ATON_RT_RetValues_t LL_ATON_RT_RunEpochBlock(NN_Instance_TypeDef *network);

#endif
