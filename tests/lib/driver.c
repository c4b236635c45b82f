// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/driver.h"

#include <string.h>

#include "vmm/util.h"

/* Offsets in the available and the used ring. */
enum {
	FLAGS = 0,
	IDX = 2,
	ENTRIES = 4,
};

static uint64_t avail_bytes(uint16_t size)
{
	return ENTRIES + 2u * size + 2u;
}

static uint64_t used_bytes(uint16_t size)
{
	return ENTRIES + 8u * size + 2u;
}

uint64_t driver_bytes(uint16_t size)
{
	return align_up(16u * size + avail_bytes(size), 4) + used_bytes(size);
}

void driver_init(struct driver *d, const struct guest *g, uint16_t size, uint64_t gpa)
{
	memset(d, 0, sizeof(*d));
	d->g = g;
	d->regs.desc = gpa;
	d->regs.avail = gpa + 16u * size;
	d->regs.used = align_up(d->regs.avail + avail_bytes(size), 4);
	d->regs.size = size;
	d->regs.ready = 1;
	memset(guest_at(g, gpa, driver_bytes(size)), 0, driver_bytes(size));
}

static uint16_t load16(const struct driver *d, uint64_t gpa)
{
	return __atomic_load_n((uint16_t *)guest_at(d->g, gpa, 2), __ATOMIC_ACQUIRE);
}

static void store16(struct driver *d, uint64_t gpa, uint16_t v)
{
	__atomic_store_n((uint16_t *)guest_at(d->g, gpa, 2), v, __ATOMIC_SEQ_CST);
}

void driver_table_desc(struct driver *d, uint64_t table, uint16_t i, struct vring_desc desc)
{
	memcpy(guest_at(d->g, table + 16u * i, sizeof(desc)), &desc, sizeof(desc));
}

void driver_desc(struct driver *d, uint16_t i, struct vring_desc desc)
{
	driver_table_desc(d, d->regs.desc, i, desc);
}

void driver_chain(struct driver *d, uint16_t first, const struct vring_desc *desc, uint16_t nr)
{
	for (uint16_t i = 0; i < nr; i++) {
		struct vring_desc one = desc[i];

		if (i + 1 < nr) {
			one.flags |= VRING_DESC_F_NEXT;
			one.next = (uint16_t)(first + i + 1);
		}
		driver_desc(d, (uint16_t)(first + i), one);
	}
	driver_offer(d, first);
}

void driver_offer(struct driver *d, uint16_t head)
{
	uint16_t slot = d->avail_idx & (uint16_t)(d->regs.size - 1);

	store16(d, d->regs.avail + ENTRIES + 2u * slot, head);
	driver_set_avail_idx(d, (uint16_t)(d->avail_idx + 1));
}

void driver_set_avail_idx(struct driver *d, uint16_t idx)
{
	d->avail_idx = idx;
	store16(d, d->regs.avail + IDX, idx);
}

bool driver_used(struct driver *d, struct vring_used_elem *e)
{
	uint16_t slot = d->used_seen & (uint16_t)(d->regs.size - 1);

	if (load16(d, d->regs.used + IDX) == d->used_seen)
		return false;
	memcpy(e, guest_at(d->g, d->regs.used + ENTRIES + 8u * slot, sizeof(*e)), sizeof(*e));
	d->used_seen++;
	return true;
}

void driver_set_avail_flags(struct driver *d, uint16_t flags)
{
	store16(d, d->regs.avail + FLAGS, flags);
}

void driver_set_used_event(struct driver *d, uint16_t idx)
{
	store16(d, d->regs.avail + ENTRIES + 2u * d->regs.size, idx);
}

uint16_t driver_used_flags(const struct driver *d)
{
	return load16(d, d->regs.used + FLAGS);
}

uint16_t driver_avail_event(const struct driver *d)
{
	return load16(d, d->regs.used + ENTRIES + 8u * d->regs.size);
}
