/* SPDX-License-Identifier: Apache-2.0 */
/* The host memory behind guest RAM, and its place in the guest's address space. Builder thread. */
#ifndef MOTE_VMM_MEMORY_H
#define MOTE_VMM_MEMORY_H

#include <stddef.h>

#include "vmm/config.h"
#include "vmm/gmem.h"
#include "vmm/kvm.h"

struct memory {
	void *base; /* of the whole reservation; NULL = none */
	size_t len; /* bytes of the reservation */
	struct gmem gmem;
};

/* 0 when a guest can have `mem_mib` MiB on this host; -EINVAL with *e naming what is possible. */
int memory_check(uint64_t mem_mib, enum mem_backing backing, struct err *e) MUST_CHECK;

/*
 * Reserves `mem_mib` MiB and lays them out around the hole below 4 GiB. Pages are made as the guest
 * touches them. Errors name the size and what was possible.
 */
int memory_init(struct memory *m, uint64_t mem_mib, enum mem_backing backing, struct err *e)
	MUST_CHECK;

/* Gives the regions to KVM. */
int memory_attach(const struct memory *m, const struct kvm *k, struct err *e) MUST_CHECK;

void memory_release(struct memory *m);

#endif
