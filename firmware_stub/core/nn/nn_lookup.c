#include "nn_lookup.h"

#include "nn_helium.h"

#if NN_HELIUM

void nn_lookup(const struct nn_lookup *p, const int8_t *input, int8_t *output)
{
    __asm__ volatile("wlstp.8 lr, %[count], 2f\n"
                     "1: vldrb.u8 q0, [%[input]], #16\n"
                     "vadd.i8 q0, q0, %[half]\n"
                     "vldrb.u8 q1, [%[table], q0]\n"
                     "vstrb.8 q1, [%[output]], #16\n"
                     "letp lr, 1b\n"
                     "2:\n"
                     : [input] "+r"(input), [output] "+r"(output)
                     : [count] "r"(p->count), [half] "r"(128), [table] "r"(p->table)
                     : "lr", "q0", "q1", "memory");
}

void nn_lookup_channels(const struct nn_lookup_channels *p, const int8_t *input, int8_t *output)
{
    enum { LANES = 8 };
    const uint16x8_t tables = vmulq_n_u16(vidupq_n_u16(0, 1), 256);
    for (int32_t channel = 0; channel < p->channels; channel += LANES) {
        const mve_pred16_t lanes = vctp16q((uint32_t)(p->channels - channel));
        const int8_t *const table = p->tables + channel * 256;
        const int8_t *from = input + channel;
        int8_t *to = output + channel;
        for (int32_t i = p->pixels; i > 0; i--, from += p->channels, to += p->channels) {
            const uint16x8_t bytes = vldrbq_z_u16((const uint8_t *)from, lanes);
            const int16x8_t values = vldrbq_gather_offset_z_s16(table, vaddq_u16(bytes, tables), lanes);
            vstrbq_p_s16(to, values, lanes);
        }
    }
}

#else

void nn_lookup(const struct nn_lookup *p, const int8_t *input, int8_t *output)
{
    const int8_t *const table = p->table + 128;
    const int32_t count = p->count;
    for (int32_t i = 0; i < count; i++)
        output[i] = table[input[i]];
}

void nn_lookup_channels(const struct nn_lookup_channels *p, const int8_t *input, int8_t *output)
{
    for (int32_t i = p->pixels; i > 0; i--) {
        const int8_t *table = p->tables;
        for (int32_t channel = p->channels; channel > 0; channel--, table += 256)
            *output++ = table[(uint8_t)*input++];
    }
}

#endif
