/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address decoding for MMIO and port I/O: a sorted table that is complete before the guest runs
 * and constant afterwards, so vCPU threads use it without a lock.
 */
#ifndef MOTE_VMM_BUS_H
#define MOTE_VMM_BUS_H

#include <stdint.h>

#include "vmm/compiler.h"

#define BUS_MAX_RANGES 32

/*
 * A device's view: `off` is relative to its range, `len` is 1, 2, 4 or 8, and the access lies
 * inside the range. Called on vCPU threads, several at once. A read that the device does not
 * answer leaves `data` as it is: all ones.
 */
struct bus_ops {
	void (*read)(void *ctx, uint32_t off, void *data, uint32_t len);
	void (*write)(void *ctx, uint32_t off, const void *data, uint32_t len);
};

struct bus_range {
	uint64_t addr;
	uint64_t len;
	const struct bus_ops *ops;
	void *ctx;
};

struct bus {
	unsigned int nr;
	struct bus_range range[BUS_MAX_RANGES]; /* sorted by addr, disjoint */
};

/*
 * Adds a range; before the guest runs. -EINVAL: empty, wrapping, or longer than the 4 GiB that an
 * offset can tell; -EEXIST: overlaps another; -ENOSPC: table full.
 */
int bus_add(struct bus *b, uint64_t addr, uint64_t len, const struct bus_ops *ops, void *ctx)
	MUST_CHECK;

/*
 * Performs an access. Returns 0, or -ENXIO when no device answers there (a read then gives all
 * ones, a write is dropped: what hardware does).
 */
int bus_read(const struct bus *b, uint64_t addr, void *data, uint32_t len);
int bus_write(const struct bus *b, uint64_t addr, const void *data, uint32_t len);

#endif
