/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report page: the few words that a guest may say to the monitor. Offset 0 is the boot timer of
 * Firecracker's contract (the byte 123), offset 4 the exit status of the command that `mote run`
 * was given, offset 8 (a 32-bit write) says that the command's terminal is set up, so that input
 * may be sent, offset 12 (32 bits) how many bytes of it were taken so far, modulo 2^32. And the two
 * ACPI registers through which a guest ends itself.
 */
#ifndef MOTE_VMM_REPORT_H
#define MOTE_VMM_REPORT_H

#include <stdint.h>

#include "vmm/bus.h"

#define REPORT_BOOT_TIMER  0u
#define REPORT_BOOT_MAGIC  123u
#define REPORT_EXIT_STATUS 4u
#define REPORT_READY	   8u
#define REPORT_TAKEN	   12u

/* Called on vCPU threads. */
struct report_fns {
	void (*booted)(void *ctx);
	void (*exit_status)(void *ctx, uint8_t status);
	void (*ready)(void *ctx);
	void (*taken)(void *ctx, uint32_t bytes);
	void (*power_off)(void *ctx);
	void (*reset)(void *ctx);
};

struct report {
	const struct report_fns *fns;
	void *ctx;
};

/* The page at REPORT_GPA; `ctx` is the struct report. */
extern const struct bus_ops report_bus_ops;

/*
 * ACPI_SLEEP_CTL_PORT to ACPI_RESET_PORT: sleep control and status (ACPI 6.5 §4.8.3.7) and the
 * reset register of the FADT. `ctx` is the struct report.
 */
extern const struct bus_ops report_acpi_ops;

#endif
