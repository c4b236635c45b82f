// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/util.h"

static void die(const char *what, uint64_t gpa, uint64_t len)
{
	fprintf(stderr, "tests/lib/guest: %s: 0x%llx, 0x%llx bytes\n", what,
		(unsigned long long)gpa, (unsigned long long)len);
	abort();
}

void guest_init(struct guest *g, const struct guest_range *range, unsigned int nr)
{
	gmem_init(&g->mem);
	for (unsigned int i = 0; i < nr; i++) {
		/* As mmap would, which the rings rely on, and for tests with larger pages. */
		size_t align = range[i].len % GUEST_ALIGN == 0 ? GUEST_ALIGN : GMEM_PAGE;
		void *hva = aligned_alloc(align, range[i].len);

		if (!hva)
			die("out of memory", range[i].gpa, range[i].len);
		memset(hva, 0, range[i].len);
		if (gmem_add(&g->mem, range[i].gpa, hva, range[i].len) < 0)
			die("bad region", range[i].gpa, range[i].len);
	}
}

void guest_init_usual(struct guest *g)
{
	static const struct guest_range usual[] = {
		{ GUEST_LOW, GUEST_PART },
		{ GUEST_MID, GUEST_PART },
		{ GUEST_HIGH, GUEST_PART },
	};

	guest_init(g, usual, ARRAY_SIZE(usual));
}

void guest_release(struct guest *g)
{
	for (unsigned int i = 0; i < g->mem.nr; i++)
		free(g->mem.region[i].hva);
	gmem_init(&g->mem);
}

/* Not by gmem_map: the tests must not see memory through the eyes of what they test. */
void *guest_at(const struct guest *g, uint64_t gpa, uint64_t len)
{
	for (unsigned int i = 0; i < g->mem.nr; i++) {
		const struct gmem_region *r = &g->mem.region[i];

		if (gpa >= r->gpa && gpa - r->gpa <= r->len && len <= r->len - (gpa - r->gpa))
			return r->hva + (gpa - r->gpa);
	}
	die("not inside one region", gpa, len);
	return NULL;
}

void guest_fill(struct guest *g, const void *data, size_t len)
{
	const uint8_t *from = data;

	for (unsigned int i = 0; i < g->mem.nr; i++) {
		size_t part = min_u64(len, g->mem.region[i].len);

		memcpy(g->mem.region[i].hva, from, part);
		from += part;
		len -= part;
	}
}
