// SPDX-License-Identifier: Apache-2.0
/* vCPU threads. No state of its own. */
#include "vmm/report.h"

#include <string.h>

#include "vmm/x86/layout.h"

/* SLEEP_CONTROL_REG: SLP_TYP in bits 2-4, SLP_EN in bit 5. */
#define SLP_TYP(v) ((v) >> 2 & 7)
#define SLP_EN	   0x20

static void read_zero(void *ctx, uint32_t off, void *data, uint32_t len)
{
	(void)ctx;
	(void)off;
	memset(data, 0, len);
}

static void report_write(void *ctx, uint32_t off, const void *data, uint32_t len)
{
	const struct report *r = ctx;
	uint8_t first = *(const uint8_t *)data;
	uint32_t word;

	if (off == REPORT_BOOT_TIMER && first == REPORT_BOOT_MAGIC) {
		r->fns->booted(r->ctx);
	} else if (off == REPORT_EXIT_STATUS && len == 4) {
		r->fns->exit_status(r->ctx, first);
	} else if (off == REPORT_READY && len == 4) {
		r->fns->ready(r->ctx);
	} else if (off == REPORT_TAKEN && len == 4) {
		memcpy(&word, data, sizeof(word));
		r->fns->taken(r->ctx, word);
	}
}

static void acpi_write(void *ctx, uint32_t off, const void *data, uint32_t len)
{
	const struct report *r = ctx;
	uint8_t v = *(const uint8_t *)data;

	if (len != 1)
		return;
	if (off == 0 && (v & SLP_EN) && SLP_TYP(v) == ACPI_S5_TYPE)
		r->fns->power_off(r->ctx);
	else if (off == ACPI_RESET_PORT - ACPI_SLEEP_CTL_PORT && v == ACPI_RESET_VALUE)
		r->fns->reset(r->ctx);
}

const struct bus_ops report_bus_ops = { .read = read_zero, .write = report_write };
const struct bus_ops report_acpi_ops = { .read = read_zero, .write = acpi_write };
