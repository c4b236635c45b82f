// SPDX-License-Identifier: Apache-2.0
/* Scenarios of a few lines. */
#include "tests/guest/guest.h"

/* Prints the scan codes that the keyboard sends, until f0 14: the release of Ctrl. */
void scenario_keys(void)
{
	uint8_t before, code = 0;

	/* Enable the keyboard, as drivers do; its answers are not scan codes. */
	outb(KBD_COMMAND, 0xae);
	print("ready\n");
	do {
		while (!(inb(KBD_COMMAND) & 1))
			continue;
		before = code;
		code = inb(KBD_DATA);
		print("%x\n", (unsigned long)code);
	} while (before != 0xf0 || code != 0x14);
}

/* Every byte value, one by one, on both ports. */
void scenario_bytes(void)
{
	for (unsigned int i = 0; i < 256; i++) {
		while (!(inb(COM2 + 5) & 0x20))
			continue;
		outb(COM2, (uint8_t)i);
		outb(COM1, (uint8_t)i);
	}
}

/* Four times what the port can queue, on the console, without ever asking whether it is ready,
 * which nobody may read. */
void scenario_flood(void)
{
	static uint8_t text[64];

	memset(text, 'x', sizeof(text));
	for (unsigned int i = 0; i < (1u << 16) / sizeof(text); i++)
		outs(COM1, text, sizeof(text), 1);
}

/* Writes that are no report of an exit status, then one that is, then another. */
void scenario_status(void)
{
	mmio_write(REPORT_EXIT, 9, 1);
	mmio_write(REPORT_EXIT, 9, 2);
	mmio_write(REPORT_EXIT, 9, 8);
	mmio_write(REPORT_EXIT + 1, 9, 4);
	mmio_write(REPORT_EXIT + 4096, 9, 4);
	print("reported\n");
	mmio_write(REPORT_EXIT, 33, 4);
	outb(SLEEP_CTL, SLEEP_S5);
	for (;;)
		__asm__ volatile("hlt");
}

void scenario_triple(void)
{
	static const uint8_t no_idt[10];

	print("about to\n");
	__asm__ volatile("lidt %0; ud2" : : "m"(no_idt));
}

void scenario_hang(void)
{
	print("halted\n");
	for (;;)
		__asm__ volatile("cli; hlt");
}

void scenario_spin(void)
{
	print("spinning\n");
	for (;;)
		__asm__ volatile("pause");
}

void scenario_cmdline(void)
{
	print("%s\n", command_line);
}

/* By the register that the ACPI tables name. */
void scenario_reset(void)
{
	outb(ACPI_RESET, 1);
	for (;;)
		__asm__ volatile("hlt");
}
