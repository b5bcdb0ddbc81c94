/* A fault ends the run with a record of the registers, instead of hanging in silence. */
#include <stdint.h>

#include "core_registers.h"
#include "port.h"
#include "record.h"
#include "startup.h"

#define FAULT_STACK_BYTES 1024
#define TEXT_OF(x) #x
#define TEXT_OF_VALUE(x) TEXT_OF(x)
#define FAULT_STACK_BYTES_TEXT TEXT_OF_VALUE(FAULT_STACK_BYTES)

enum {
    FAULT_JSON_MAX = 512,
    EXCEPTION_MASK = 0x1FF,
};

/* What the core pushes on exception entry. */
struct exception_frame {
    uint32_t r0, r1, r2, r3, r12, lr, pc, psr;
};

static const char *fault_name(uint32_t exception)
{
    static const char *const names[] = {"nmi", "hardfault", "memmanage", "busfault", "usagefault", "securefault"};
    const uint32_t first = 2;
    return exception >= first && exception - first < sizeof names / sizeof names[0] ? names[exception - first]
                                                                                    : "unexpected";
}

/* `exception` is the number of the active exception (IPSR). */
__attribute__((used)) _Noreturn static void fault_report(const struct exception_frame *frame, uint32_t exception)
{
    static char buffer[RECORD_BUFFER(FAULT_JSON_MAX)];
    struct record record;
    record_begin(&record, buffer, sizeof buffer, "fault");
    json_string(&record.json, "kind", fault_name(exception & EXCEPTION_MASK));
    json_uint(&record.json, "exception", exception & EXCEPTION_MASK);
    json_hex32(&record.json, "pc", frame->pc);
    json_hex32(&record.json, "lr", frame->lr);
    json_hex32(&record.json, "sp", (uint32_t)(uintptr_t)frame);
    json_hex32(&record.json, "psr", frame->psr);
    json_hex32(&record.json, "r0", frame->r0);
    json_hex32(&record.json, "r1", frame->r1);
    json_hex32(&record.json, "r2", frame->r2);
    json_hex32(&record.json, "r3", frame->r3);
    json_hex32(&record.json, "r12", frame->r12);
    json_hex32(&record.json, "cfsr", CORE_CFSR);
    json_hex32(&record.json, "hfsr", CORE_HFSR);
    json_hex32(&record.json, "mmfar", CORE_MMFAR);
    json_hex32(&record.json, "bfar", CORE_BFAR);
    (void)record_send(&record);
    port_exit(PORT_EXIT_FAULT);
}

/* Hands the frame over on a stack of its own: after an overflow the old one has no room left. */
__attribute__((used, aligned(8))) static uint8_t fault_stack[FAULT_STACK_BYTES];

__attribute__((naked)) void fault_entry(void)
{
    __asm__ volatile("mrs r0, msp\n\t"
                     "mrs r1, ipsr\n\t"
                     "movs r2, #0\n\t"
                     "msr msplim, r2\n\t"
                     "ldr r2, =fault_stack + " FAULT_STACK_BYTES_TEXT "\n\t"
                     "mov sp, r2\n\t"
                     "b fault_report");
}
