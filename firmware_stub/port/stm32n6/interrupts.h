/* interrupts.h - the handlers of this family, and who comes before whom. */
#ifndef BN_INTERRUPTS_H
#define BN_INTERRUPTS_H

enum {
    INTERRUPT_URGENT = 1, /* bytes that would be lost; the tick alone is above */
    INTERRUPT_SOUND = 2,
};

void usart1_handler(void);
void microphone_dma_handler(void);
void microphone_filter_handler(void);
void NPU0_IRQHandler(void); /* of LL_ATON, which gives it this name */

#endif
