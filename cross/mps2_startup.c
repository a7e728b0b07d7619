/*
 * Vector table and reset of a bare Cortex-M3 (QEMU's mps2-an385). stdio and the exit status go to
 * QEMU by semihosting (newlib's rdimon). The linker script is mps2.ld.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int main(void);
void Reset_Handler(void);

/* From the linker script and from newlib. */
extern uint32_t _estack[];
extern uint32_t __bss_start__[];
extern uint32_t __bss_end__[];
extern void initialise_monitor_handles(void);

/* cppcheck-suppress unusedFunction */
__attribute__((noreturn)) void Reset_Handler(void)
{
	memset(__bss_start__, 0, (size_t)((char *)__bss_end__ - (char *)__bss_start__));
	initialise_monitor_handles();
	exit(main());
}

__attribute__((noreturn)) static void fault(void)
{
	abort();
}

typedef void (*vector)(void);

/* The initial stack pointer stands apart, so that the table needs no cast from data to code. */
__attribute__((section(".isr_vector.0"), used)) static uint32_t *const initial_sp = _estack;
__attribute__((section(".isr_vector.1"), used)) static const vector vectors[15] = {
	Reset_Handler, fault, fault, fault, fault, fault,
};
