// SPDX-License-Identifier: Apache-2.0
/* Guest memory: is all of it there, is each page its own, and is nothing else there? */
#include "tests/guest/guest.h"

#define PAGE	 4096u
#define LIMIT	 0x200000000ul
#define OURS_END 0x400000ul

static uint64_t ram_start(const struct e820_entry *r)
{
	uint64_t start = (r->gpa + PAGE - 1) & ~(uint64_t)(PAGE - 1);

	return start < OURS_END ? OURS_END : start;
}

static uint64_t ram_end(const struct e820_entry *r)
{
	uint64_t end = (r->gpa + r->len) & ~(uint64_t)(PAGE - 1);

	return end > LIMIT ? LIMIT : end;
}

/* Calls fn for every page of RAM that is not ours; returns how many. */
static unsigned long each_page(void (*fn)(uint64_t gpa))
{
	unsigned long n = 0;

	for (unsigned int i = 0; i < nr_e820; i++) {
		if (e820[i].type != 1)
			continue;
		for (uint64_t p = ram_start(&e820[i]); p < ram_end(&e820[i]); p += PAGE, n++)
			fn(p);
	}
	return n;
}

/* The first and the last word: a region that is off by less than a page shows too. */
static void write_page(uint64_t gpa)
{
	volatile uint64_t *p = (volatile uint64_t *)gpa;

	p[0] = gpa;
	p[PAGE / 8 - 1] = ~gpa;
}

static void check_page(uint64_t gpa)
{
	const volatile uint64_t *p = (const volatile uint64_t *)gpa;

	if (p[0] != gpa || p[PAGE / 8 - 1] != ~gpa)
		fail("page %x holds %x and %x", gpa, p[0], p[PAGE / 8 - 1]);
}

void scenario_memory(void)
{
	unsigned long written, checked;

	map_8_gib();
	written = each_page(write_page);
	checked = each_page(check_page);
	if (written != checked)
		fail("%d pages written, %d checked", written, checked);
	print("%d pages\n", written);
}

/* The map as the kernel would see it, and what is behind it. */
void scenario_map(void)
{
	static const uint64_t nothing[] = { 0xbffffff8, 0xd0000000, 0xf0000000,
					    0xfed00000, 0xfffffff8, 0x1fffffff8 };

	map_8_gib();
	for (unsigned int i = 0; i < nr_e820; i++)
		print("%x %x %d\n", e820[i].gpa, e820[i].len, (unsigned long)e820[i].type);
	for (size_t i = 0; i < ARRAY_SIZE(nothing); i++) {
		mmio_write(nothing[i], 0x1234, 8);
		if (mmio_read(nothing[i], 8) != UINT64_MAX)
			fail("%x holds %x", nothing[i], mmio_read(nothing[i], 8));
	}
}
