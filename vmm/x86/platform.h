/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest is told about its machine, as data: the ACPI tables, the MPTable and the kernel
 * command line are three renderings of this one description.
 */
#ifndef MOTE_VMM_X86_PLATFORM_H
#define MOTE_VMM_X86_PLATFORM_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/x86/layout.h"

#define PLATFORM_MAX_VIRTIO (GSI_VIRTIO_LAST - GSI_VIRTIO_FIRST + 1)

struct platform_virtio {
	uint64_t gpa; /* start of the register window */
	uint32_t len; /* bytes */
	uint32_t gsi; /* edge-triggered, active high */
};

struct platform {
	unsigned int nr_vcpus; /* 1 to MAX_VCPUS; APIC ids are 0 to nr_vcpus - 1 */
	bool smt;	       /* two vCPUs are a core */
	bool com2;	       /* a second serial port exists */
	unsigned int nr_virtio;
	struct platform_virtio virtio[PLATFORM_MAX_VIRTIO];
};

#endif
