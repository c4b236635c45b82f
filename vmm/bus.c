// SPDX-License-Identifier: Apache-2.0
/* bus_add: builder thread, before the guest runs. The rest: any vCPU thread. */
#include "vmm/bus.h"

#include <errno.h>
#include <string.h>

#include "vmm/util.h"

int bus_add(struct bus *b, uint64_t addr, uint64_t len, const struct bus_ops *ops, void *ctx)
{
	unsigned int at = b->nr;
	uint64_t end;

	if (len == 0 || len > GIB(4) || __builtin_add_overflow(addr, len, &end))
		return -EINVAL;
	if (b->nr == BUS_MAX_RANGES)
		return -ENOSPC;
	for (unsigned int i = 0; i < b->nr; i++) {
		if (ranges_overlap(addr, len, b->range[i].addr, b->range[i].len))
			return -EEXIST;
	}
	while (at > 0 && b->range[at - 1].addr > addr) {
		b->range[at] = b->range[at - 1];
		at--;
	}
	b->range[at] = (struct bus_range){ .addr = addr, .len = len, .ops = ops, .ctx = ctx };
	b->nr++;
	return 0;
}

/* The range that holds all of [addr, addr + len), or NULL. */
static const struct bus_range *find(const struct bus *b, uint64_t addr, uint32_t len)
{
	unsigned int lo = 0;
	unsigned int hi = b->nr;

	if (len == 0 || len > 8 || !is_pow2(len))
		return NULL;
	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;
		const struct bus_range *r = &b->range[mid];

		if (addr < r->addr)
			hi = mid;
		else if (addr - r->addr >= r->len)
			lo = mid + 1;
		else
			return addr - r->addr + len <= r->len ? r : NULL;
	}
	return NULL;
}

int bus_read(const struct bus *b, uint64_t addr, void *data, uint32_t len)
{
	const struct bus_range *r = find(b, addr, len);

	/* All ones first: a device that stays silent must not leak what was in the buffer. */
	memset(data, 0xff, len);
	if (!r)
		return -ENXIO;
	r->ops->read(r->ctx, (uint32_t)(addr - r->addr), data, len);
	return 0;
}

int bus_write(const struct bus *b, uint64_t addr, const void *data, uint32_t len)
{
	const struct bus_range *r = find(b, addr, len);

	if (!r)
		return -ENXIO;
	r->ops->write(r->ctx, (uint32_t)(addr - r->addr), data, len);
	return 0;
}
